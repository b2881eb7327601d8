"""A world: some parties, the network between them, and watchers that look at every step.

A step is one input to one party (a message or a user's action) and its result. The world makes moves, hands what
parties send to the network, and shows every step to its watchers (the recorder of the transcript, progress, oracles).
It does not know what a party is: an engine, two of them in lockstep, or a driver of another program.

Watchers that judge are kept apart as judges. They can be shown steps late, though in order, so that they judge one step
while another process works on the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from otterproof.harness.simulation.handshake_insider import Known, name_of
from otterproof.harness.simulation.insider import crafted
from otterproof.harness.simulation.moves import Craft, Move, Settle, Tick, User
from otterproof.harness.simulation.network import LIMIT, Network
from otterproof.harness.targets.driver.errors import TargetUnsupported
from otterproof.harness.targets.party import Copyable, HasScreen, Inspectable, Party
from otterproof.harness.wire import FRAGMENTS, parse_once
from otterproof.implementations.contract import DsaPrivateKey, Event, OutgoingMessage, PartySnapshot
from otterproof.implementations.values import quickly_made


@dataclass(frozen=True, slots=True)
class StepFailure:
    """How a party failed to answer. unsupported: the target declares that it can't do what it was asked to do."""

    text: str
    unsupported: bool = False

    @classmethod
    def of(cls, error: Exception) -> StepFailure:
        """The failure behind an exception that the party raised."""
        return cls(f"{type(error).__name__}: {error}", isinstance(error, TargetUnsupported))


@quickly_made
@dataclass(frozen=True, slots=True)
class Step:
    """One input to one party and its result.

    action: "receive" or a user's action. args: its arguments by name. before, after: the state that the party showed,
    None if it shows none. failure: how it failed to answer, else None. shown: what its user was shown, line by line, if
    it has a screen.
    """

    number: int
    now: int
    party: str
    action: str
    args: Mapping[str, object]
    events: Sequence[Event]
    before: PartySnapshot | None
    after: PartySnapshot | None
    move: Move | None
    failure: StepFailure | None = None
    shown: Sequence[str] = ()


Watcher = Callable[[Step], None]


class World:
    """Parties by name; `routes` as in Network."""

    def __init__(
        self, parties: Mapping[str, Party], routes: Mapping[str, Sequence[str]], watchers: Iterable[Watcher] = ()
    ) -> None:
        self.parties: dict[str, Party] = {}
        self._inspectable: dict[str, Inspectable] = {}  # those of the parties that show their state
        self._with_screen: dict[str, HasScreen] = {}  # those whose screens can be seen
        for name, party in parties.items():
            self.put(name, party)
        self.network = Network(routes)
        self.watchers = list(watchers)
        #: Watchers that judge, which see each step after the others.
        self.judges: list[Watcher] = []
        self._late = False
        self._unjudged: list[Step] = []
        self._objection: Exception | None = None  # what a judge has raised about a step that it was shown late
        #: Whether there was such an objection since `judging_late` was last entered.
        self.has_objected_late = False
        #: Long-term keys by the names of parties, and other keys, with which an insider can sign.
        self.keys: Mapping[str, DsaPrivateKey] = {}
        self.now = 0
        self.steps = 0

    def put(self, name: str, party: Party) -> None:
        """Let a party act under a name, in place of the previous one."""
        self.parties[name] = party
        self._inspectable.pop(name, None)
        if isinstance(party, Inspectable):
            self._inspectable[name] = party
        self._with_screen.pop(name, None)
        if isinstance(party, HasScreen):
            self._with_screen[name] = party

    def run(self, moves: Iterable[Move]) -> list[Event]:
        """Make moves one after the other; returns all events."""
        return [event for move in moves for event in self.apply(move)]

    def apply(self, move: Move) -> Sequence[Event]:
        """Make one move; returns the events of the steps that it causes, for most moves one or none."""
        if isinstance(move, Settle):
            return self._deliver(islice(self.network.deliveries(), move.limit), move)
        if isinstance(move, Tick):
            self.now += move.seconds
            for party in self.parties.values():
                party.set_time(self.now)
            return ()
        if isinstance(move, User):
            return self.step(move.party, move.action, move.args, move)
        if isinstance(move, Craft):
            self._craft(move)
            return ()
        message = self.network.apply(move)
        return () if message is None else self.step(move.to, "receive", {"message": message}, move)

    def _craft(self, move: Craft) -> None:
        """Have an insider change a message under way."""
        queue, routes = self.network.queues[move.to], self.network.routes
        self.catch_up()  # judges must see the earlier steps before there is another crafted message
        if queue:
            at = move.position % len(queue)
            senders = [(name, party) for name, party in self.parties.items() if move.to in routes[name]]
            known = Known(self.keys, self.network.crafted, self.network.history)
            made = crafted(queue[at], move, senders, known)
            if isinstance(made, bytes):
                queue[at] = made
            elif made is not None:
                self.network.replace(move.to, at, made)

    def step(self, name: str, action: str, args: Mapping[str, object], move: Move | None = None) -> Sequence[Event]:
        """Give one input to one party, transmit what it sends, and show the step to the watchers."""
        party = self.parties[name]
        inspectable = self._inspectable.get(name)
        before = inspectable.inspect() if inspectable is not None else None
        self.steps += 1
        try:
            events: Sequence[Event] = getattr(party, action)(**args) or ()
        except Exception as error:
            failure = StepFailure.of(error)
            self._show(Step(self.steps, self.now, name, action, args, (), before, None, move, failure))
            raise
        after = inspectable.inspect() if inspectable is not None else None
        for event in events:
            if isinstance(event, OutgoingMessage):
                self.network.send(name, event.message)
        shown = self._with_screen[name].shown if name in self._with_screen else ()
        self._show(Step(self.steps, self.now, name, action, args, events, before, after, move, None, shown))
        return events

    def _show(self, step: Step) -> None:
        for watch in self.watchers:
            watch(step)
        if self._late:
            if step.failure is None and self._objection is None and not self._may_be_crafted(step):
                self._unjudged.append(step)
                return
            self.catch_up()
        for judge in self.judges:
            judge(step)

    def _may_be_crafted(self, step: Step) -> bool:
        """Whether an insider made the received message, or one that a fragment may complete.

        Judges then decrypt the answer with the keys of the insider's party, which may forget them in its next step.
        """
        message, crafted = step.args.get("message"), self.network.crafted
        if not crafted or not isinstance(message, bytes):
            return False
        parsed = parse_once(message)
        return parsed.kind in FRAGMENTS or name_of(parsed) in crafted

    @contextmanager
    def judging_late(self) -> Iterator[None]:
        """Inside, most steps are judged only when `judge_waiting` or `catch_up` is called.

        So a failure of one step may end the run some steps later. Steps that still wait at the end are not judged.
        """
        self._late, self.has_objected_late = True, False
        try:
            yield
        finally:
            self._late, self._unjudged, self._objection = False, [], None

    def judge_waiting(self) -> None:
        """Judge the steps that wait for it. What a judge raises is raised by the next step, or by `catch_up`."""
        waiting, self._unjudged = self._unjudged, []
        if self._objection is not None:
            return
        try:
            for step in waiting:
                for judge in self.judges:
                    judge(step)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is raised later)
            self._objection, self.has_objected_late = error, True

    def catch_up(self) -> None:
        """Judge the steps that wait for it. Raises what a judge raises, or has raised since the last step."""
        self.judge_waiting()
        if self._objection is not None:
            raise self._objection

    def user(self, party: str, action: str, **args: object) -> Sequence[Event]:
        """A user acts."""
        return self.apply(User(party, action, args))

    def snapshot(self) -> Checkpoint:
        """The state of all parties, of the network and of time. Only for parties that have snapshots: engines."""
        states = {name: _copyable(party).snapshot() for name, party in self.parties.items()}
        return Checkpoint(states, self.network.snapshot(), self.now)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to a checkpoint; watchers are not told."""
        for name, party in self.parties.items():
            _copyable(party).restore(checkpoint.parties[name])
        self.network.restore(checkpoint.network)
        self.now = checkpoint.now

    def settle(self, limit: int = LIMIT, to: Sequence[str] | None = None) -> list[Event]:
        """Deliver everything under way until the network is quiet; returns the events.

        All of it is judged then, for callers that read what judges remember; the move `Settle` leaves that for later.
        Arguments and error as in `Network.deliveries`.
        """
        try:
            return self._deliver(self.network.deliveries(limit, to))
        finally:
            self.catch_up()

    def _deliver(self, deliveries: Iterable[tuple[str, bytes]], move: Move | None = None) -> list[Event]:
        return [
            event
            for receiver, message in deliveries
            for event in self.step(receiver, "receive", {"message": message}, move)
        ]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A world at one moment, for `World.restore`."""

    parties: Mapping[str, object]
    network: tuple[dict[str, list[bytes]], int]
    now: int


def _copyable(party: Party) -> Copyable:
    if not isinstance(party, Copyable):
        raise TypeError(f"{type(party).__name__} has no snapshots; only engines can be taken back to an earlier state")
    return party
