"""The stage of one scenario: the target and its counterpart in a world, and the checks that are made there.

`Pair` has the moves that most scenarios are made of (establish, say, smp, end ...), each of which already checks what
must always hold: both sides agree, text arrives once, unchanged and secure, nobody is told of an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.keys import test_key
from harness.model import Book
from harness.targets import EngineTarget, Target
from harness.transcript import Header, PartyInfo, TranscriptWriter, Verdict, move_to_json
from harness.world import Checkpoint, Step, World
from implementations.contract import (
    Ended,
    Established,
    Event,
    ExtraKey,
    Finished,
    Outgoing,
    PartyConfig,
    Policy,
    SmpFinished,
    SmpRequested,
    TextReceived,
)

E = TypeVar("E", bound=Event)

ALLOW = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}

#: The two parties of a pair, by the name they have in the world.
TARGET, PEER = "target", "peer"


class CheckFailed(AssertionError):
    """Something that a scenario demands did not hold."""


class Stage:
    """What a scenario works with. `target` is what is judged, `version` the protocol version of this run.

    peer: what plays the other side, the reference engine unless given.

    Every pair that is set up is kept, with its log, so that the run can be written down (`transcripts`).
    """

    def __init__(self, target: Target, version: int, seed: bytes, peer: Target | None = None) -> None:
        self.target = target
        self.peer = peer or EngineTarget("reference")
        self.version = version
        self.seed = seed
        self.pairs: list[Pair] = []
        self._counted = 0

    def pair(
        self,
        *,
        policy: Policy | None = None,
        peer_policy: Policy | None = None,
        max_message_size: int | None = None,
        peer_max_message_size: int | None = None,
    ) -> Pair:
        """The target and the peer, connected. Policies are those of the version alone if not given."""
        self.target.reset()
        self.peer.reset()
        own = ALLOW[self.version]
        config = PartyConfig(test_key("alice"), own if policy is None else policy, 0x1A1A, max_message_size)
        facing = PartyConfig(
            test_key("bob"), own if peer_policy is None else peer_policy, 0x2B2B, peer_max_message_size
        )
        peer = self.peer
        book = Book() if "lockstep" in self.target.capabilities & peer.capabilities else None
        header = Header(self.seed, {TARGET: PartyInfo(self.target.name, config), PEER: PartyInfo(peer.name, facing)})
        parties = {
            TARGET: self.target.party(TARGET, config, self.seed, book),
            PEER: peer.party(PEER, facing, self.seed, book),
        }
        world = World(parties, {TARGET: [PEER], PEER: [TARGET]})
        pair = Pair(world, self.version, header)
        self.pairs.append(pair)
        return pair

    def count(self, steps: int) -> None:
        """Steps that were made in worlds other than those of `pair`."""
        self._counted += steps

    @property
    def steps(self) -> int:
        """Inputs given to parties so far."""
        return self._counted + sum(pair.world.steps for pair in self.pairs)

    def check(self, holds: bool, what: str) -> None:
        """Demand that something holds; `what` says what, as a sentence in the present."""
        check(holds, what)

    def write_transcripts(self, folder: Path, name: str, verdict: Verdict, detail: str) -> list[Path]:
        """Write down every pair's run as FOLDER/NAME.jsonl (NAME-2.jsonl ...); the verdict belongs to the last."""
        paths = []
        for number, pair in enumerate(self.pairs, start=1):
            path = folder / (f"{name}.jsonl" if number == 1 else f"{name}-{number}.jsonl")
            last = number == len(self.pairs)
            with TranscriptWriter.create(path, pair.header) as writer:
                for step in pair.log:
                    writer.step(
                        step.now,
                        step.party,
                        step.action,
                        step.args,
                        step.events,
                        snapshot=step.after,
                        move=None if step.move is None else move_to_json(step.move),
                        failure=step.failure,
                    )
                writer.verdict(verdict if last else Verdict.PASS, detail if last else "")
            paths.append(path)
        return paths


def check(holds: bool, what: str) -> None:
    """Raise CheckFailed unless it holds."""
    if not holds:
        raise CheckFailed(what)


@dataclass(frozen=True, slots=True)
class PairCheckpoint:
    """A pair at one moment."""

    world: Checkpoint
    log: tuple[Step, ...]


class Pair:
    """The target and the peer in a world, with every step that was taken."""

    def __init__(self, world: World, version: int, header: Header) -> None:
        self.world = world
        self.version = version
        self.header = header
        self.log: list[Step] = []
        world.watchers.append(self.log.append)

    @property
    def names(self) -> tuple[str, str]:
        return TARGET, PEER

    def other(self, name: str) -> str:
        """Whom `name` talks to."""
        return PEER if name == TARGET else TARGET

    def events(self, since: int, name: str, kind: type[E]) -> list[E]:
        """The events of one kind that a party gave in the steps from log index `since` on."""
        return [
            event for step in self.log[since:] if step.party == name for event in step.events if isinstance(event, kind)
        ]

    def act(self, name: str, action: str, **args: object) -> int:
        """A user acts, and everything that follows is delivered in order. The log index at which that began."""
        since = len(self.log)
        self.world.user(name, action, **args)
        self.world.settle()
        return since

    def checkpoint(self) -> PairCheckpoint:
        """This moment, for `back_to`. Engines only."""
        return PairCheckpoint(self.world.snapshot(), tuple(self.log))

    def back_to(self, moment: PairCheckpoint) -> None:
        """Go back to a moment, with all parties and the log: what is written down is always one run that can be had."""
        self.world.restore(moment.world)
        self.log[:] = moment.log

    def one(self, since: int, name: str, kind: type[E]) -> E:
        """The only event of a kind that a party gave since; it is an error when there is none or more."""
        found = self.events(since, name, kind)
        check(len(found) == 1, f"{name} gives exactly one {kind.__name__}, and gave {len(found)}: {found}")
        return found[0]

    def establish(self, asks: str) -> dict[str, Established]:
        """`asks` sends a query; the handshake runs; both must come to the same session."""
        since = self.act(asks, "start")
        sessions = {name: self.one(since, name, Established) for name in self.names}
        for name, session in sessions.items():
            facing = sessions[self.other(name)]
            check(session.version == self.version, f"{name} speaks version {self.version}, not {session.version}")
            check(session.ssid == facing.ssid, "both sides have the same ssid")
            identity = self.world.parties[self.other(name)].fingerprint
            check(session.fingerprint == identity, f"{name} sees the fingerprint of the other side's key")
        for name in self.names:
            if ("established", "sent_reveal_signature") in getattr(self.world.parties[name], "untold", ()):
                continue
            revealed = sessions[name].sent_reveal_signature
            check(revealed == (name != asks), f"{self.other(asks)} sent the Reveal Signature Message, {name} agrees")
        return sessions

    def say(self, name: str, text: bytes, **args: object) -> None:
        """`name` sends a text; the other side must show it once, unchanged, as secure."""
        since = self.act(name, "send", text=text, **args)
        shown = self.events(since, self.other(name), TextReceived)
        seen = [(event.text, event.secure) for event in shown]
        check(seen == [(text, True)], f"{self.other(name)} shows {text[:40]!r} once, as secure, and showed {seen}")
        self.sent_encrypted(since, text)

    def sent_encrypted(self, since: int, text: bytes) -> None:
        """The text must not have been on the wire since as it is."""
        for name in self.names:
            for event in self.events(since, name, Outgoing):
                check(len(text) < 4 or text not in event.message, f"{text[:40]!r} does not go out in the clear")

    def smp(self, asks: str, secret: bytes, answer: bytes, question: bytes | None = None) -> None:
        """A whole SMP run; both sides must find that the secrets are equal, or that they are not."""
        answers = self.other(asks)
        since = self.act(asks, "smp_start", secret=secret, question=question)
        request = self.one(since, answers, SmpRequested)
        check(request.question == question, f"{answers} is asked {question!r}, and was asked {request.question!r}")
        since = self.act(answers, "smp_answer", secret=answer)
        for name in self.names:
            equal = self.one(since, name, SmpFinished).equal
            check(equal == (secret == answer), f"{name} finds the secrets {'equal' if secret == answer else 'unequal'}")

    def extra_key(self, name: str, use: int, data: bytes) -> None:
        """`name` asks for the extra symmetric key; both sides must get the same."""
        since = self.act(name, "extra_key", use=use, data=data)
        own, theirs = self.one(since, name, ExtraKey), self.one(since, self.other(name), ExtraKey)
        check(len(own.key) == 32, "the extra symmetric key has 32 bytes")
        check(own.key == theirs.key, "both sides have the same extra symmetric key")
        check((theirs.use, theirs.data) == (use, data), "use and data of the extra symmetric key arrive unchanged")

    def end(self, name: str) -> None:
        """`name` ends the conversation; the other side must be told."""
        since = self.act(name, "end")
        self.one(since, name, Ended)
        self.one(since, self.other(name), Finished)
