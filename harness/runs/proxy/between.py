"""Two targets that talk through the relay. A script drives their users, so a conversation can be repeated.

Nothing happens by itself: each `step` does one thing: deliver a message, let the delay of a message pass, or let a user
take a turn. So a caller can look and act between any two steps. Oracles judge every step of a party, and the outside
judge, which sees only the network, judges what the parties send.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from otterproof.harness.judges.oracles import ORACLES, RENEWALS, OracleFailure, Oracles
from otterproof.harness.judges.oracles.memory import Forgetting
from otterproof.harness.runs.failure import Failure, failure_of
from otterproof.harness.runs.fuzz.case import CLIENTS, Setup
from otterproof.harness.runs.proxy.items import Item, What
from otterproof.harness.runs.proxy.turns import Turn
from otterproof.harness.runs.proxy.watched import Wanted, Watched
from otterproof.harness.runs.signature import check_of
from otterproof.harness.simulation.moves import Tick
from otterproof.harness.simulation.record import Record
from otterproof.harness.simulation.transcript import Header, PartyInfo, Verdict
from otterproof.harness.simulation.world import Step, World
from otterproof.harness.support.excused import excusing
from otterproof.harness.targets.driver import TargetError, TargetUnsupported
from otterproof.harness.targets.engines import InProcess, Target
from otterproof.harness.wire.shown import call, shown
from otterproof.implementations.contract import Event, OutgoingMessage, PartyConfig
from otterproof.implementations.jsonform import event_name

#: The parties.
NAMES = ("alice", "bob")

#: The most messages delivered in a conversation: two programs may answer each other without end.
MOST = 1000


class Conversation:
    """One conversation. targets: who plays alice and bob. ended: how a target broke down, if one did.

    excused: checks that are known to fail; the oracles continue after them. They stop judging at the first other
    failure, because later failures may be consequences of it.
    """

    def __init__(
        self,
        targets: tuple[Target, Target],
        turns: Sequence[Turn],
        wanted: Wanted,
        seed: bytes = b"proxy",
        excused: Collection[str] = (),
    ) -> None:
        self.targets: Mapping[str, Target] = dict(zip(NAMES, targets, strict=True))
        self.watched = Watched(NAMES, wanted, (targets[0].name, targets[1].name))
        self.failures: list[tuple[str, Failure]] = []
        self.ended: Exception | None = None
        self.told: Counter[tuple[str, str]] = Counter()
        configs = {name: config_for(name, target) for name, target in self.targets.items()}
        for target in dict.fromkeys(targets):
            target.reset()
        parties = {name: target.party(name, configs[name], seed) for name, target in self.targets.items()}
        self._world = World(parties, {"alice": ["bob"], "bob": ["alice"]})
        self._oracles = Oracles(self._world, *_judging(targets), configs=configs, foreign=_foreign(self.targets))
        infos = {name: PartyInfo(self.targets[name].name, config) for name, config in configs.items()}
        self._record = Record(Header(seed, infos, "proxy"))
        self._world.watchers.append(self._record.add)
        self._world.judges.append(self._judge)
        self._excused = frozenset(excused)
        self._judging = True
        #: The excused checks that have failed.
        self.passed_over: set[str] = set()
        self._turns = [turn for turn in turns if turn.suits(self.targets[turn.party])]
        self._ready: list[Item] = []
        self._handed = 0
        self._released = False

    @property
    def now(self) -> float:
        """The time of the conversation, in seconds."""
        return float(self._world.now)

    @property
    def turns_left(self) -> int:
        """How many turns the users still have."""
        return len(self._turns)

    def step(self) -> bool:
        """Do the next thing; return whether there was one. Messages held for a person stay where they are."""
        if self.ready():
            self._hand_over(self._ready.pop(0))
        elif self.ended is not None:
            return False
        elif (due := self.watched.relay.next_due()) is not None:
            seconds = max(int(due - self.now + 0.999), 0)
            self._guarded(lambda: self._world.apply(Tick(seconds)))
            self.watched.relay.tick(max(due, self.now))
        elif self._turns:
            self.take_turn()
        elif not self._released:
            self._released = True
            self.watched.relay.release()
        else:
            return False
        return True

    def ready(self) -> bool:
        """Whether a message is due for delivery."""
        self._ready += self.watched.relay.take()
        return bool(self._ready) and self.ended is None

    def run(self) -> None:
        """Do everything there is to do."""
        while self.step():
            pass

    def take_turn(self) -> None:
        """Let the next user take a turn, whatever is under way."""
        turn = self._turns.pop(0)
        self.watched.relay.tell(What.ACTED, None, call(turn.party, turn.action, turn.args))
        self._ask(turn.party, turn.action, turn.args)

    def _hand_over(self, item: Item) -> None:
        for piece in item.pieces:
            self._handed += 1
            if self._handed > MOST:
                self.watched.relay.tell(What.NOTED, item, f"the conversation is over: {MOST} messages were handed over")
                self._turns.clear()
                self._ready.clear()
                self._released = True
                return
            self._ask(item.receiver, "receive", {"message": piece})

    def _ask(self, party: str, action: str, args: Mapping[str, object]) -> None:
        self._guarded(lambda: self._handle_events(party, self._world.step(party, action, args)))

    def _guarded(self, work: object) -> None:
        """Do something that may break a target down."""
        assert callable(work)
        try:
            work()
        except TargetUnsupported as error:
            self.watched.relay.tell(What.NOTED, None, f"left out: {error}")
        except TargetError as error:
            self._ended(error)
        except Exception as error:  # noqa: BLE001 (a faulty engine can raise anything; it is reported)
            self._ended(error)

    def _ended(self, error: Exception) -> None:
        self.ended = error
        check = check_of(error) or f"internal.{type(error).__name__.lower()}"
        party = self._record.log[-1].party if self._record.log else NAMES[0]
        self._wrong(party, failure_of(error, check, (), self._record.log))

    def _handle_events(self, party: str, events: Sequence[Event]) -> None:
        """Handle what a party has done."""
        for queue in self._world.network.queues.values():
            queue.clear()  # the relay has them
        for event in events:
            if isinstance(event, OutgoingMessage):
                self.watched.relay.hear(party, event.message, self.now)
            else:
                self.told[party, event_name(type(event))] += 1
                self.watched.relay.tell(What.TOLD, None, f"{party} {shown(event)}")

    def _judge(self, step: Step) -> None:
        if not self._judging:
            return
        with excusing(self._excused) as met:
            try:
                self._oracles(step)
            except OracleFailure as error:
                self._judging = False
                self._wrong(step.party, failure_of(error, error.check, (), self._record.log))
        self.passed_over |= met

    def _wrong(self, party: str, failure: Failure) -> None:
        if (party, failure.check) not in [(name, one.check) for name, one in self.failures]:
            self.failures.append((party, failure))
            self.watched.relay.tell(What.JUDGED, None, f"{party}: {failure.rule}", failure)

    def all_failures(self) -> list[tuple[str, Failure]]:
        """The failures of all judges, each check once for each party."""
        found = {(name, failure.check): failure for name, failure in [*self.watched.failures, *self.failures]}
        return [(name, failure) for (name, _), failure in found.items()]

    def close(self, *, interrupted: bool = False) -> None:
        """End the conversation: forget the parties and finish the files. Raises OutputError.

        interrupted: perhaps in the middle of a call, so a driver's next answer means nothing.
        """
        for target in dict.fromkeys([] if interrupted else self.targets.values()):
            try:
                target.finish()
            except TargetError as error:
                if self.ended is None:
                    self._ended(error)
        self.watched.close()

    def write(self, path: Path) -> None:
        """Write the transcript. Raises OutputError."""
        wrong = "\n".join(f"{name}: {failure.check}" for name, failure in self.all_failures())
        self._record.write(path, "proxy", Verdict.FAIL if wrong else Verdict.PASS, wrong)


def config_for(name: str, target: Target) -> PartyConfig:
    """A party's configuration: both versions, as far as the target has them."""
    return Setup(target=target, role=name).configs()[name]


def _foreign(targets: Mapping[str, Target]) -> dict[str, frozenset[str]]:
    return {name: target.capabilities for name, target in targets.items() if not isinstance(target, InProcess)}


def _judging(targets: Sequence[Target]) -> list[str]:
    """The oracles that can judge both of them."""
    foreign = any(not isinstance(target, InProcess) for target in targets)
    untold = RENEWALS if any(target.silent_refresh for target in targets) else frozenset()
    return [one for one in ORACLES if one not in untold and not (foreign and one == Forgetting.id)]


assert set(NAMES) == set(CLIENTS["pair"])
