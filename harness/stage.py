"""The stage of one scenario: the target and its counterpart in a world, and the checks that are made there.

`Pair` has the moves that most scenarios are made of (establish, say, smp, end ...), each of which already checks what
must always hold: both sides agree, text arrives once, unchanged and secure, nobody is told of an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from harness.keys import test_key
from harness.model import Book
from harness.targets import EngineTarget, Target
from harness.world import Step, Watcher, World
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

    recorder: called with every world that is set up, to watch it.
    """

    def __init__(
        self, target: Target, version: int, seed: bytes, watch: Callable[[World], Sequence[Watcher]] | None = None
    ) -> None:
        self.target = target
        self.version = version
        self.seed = seed
        self._watch = watch

    def pair(
        self,
        *,
        policy: Policy | None = None,
        peer_policy: Policy | None = None,
        max_message_size: int | None = None,
        peer_max_message_size: int | None = None,
    ) -> Pair:
        """The target and the reference engine, connected. Policies are those of the version alone if not given."""
        self.target.reset()
        own = ALLOW[self.version]
        config = PartyConfig(test_key("alice"), own if policy is None else policy, 0x1A1A, max_message_size)
        facing = PartyConfig(
            test_key("bob"), own if peer_policy is None else peer_policy, 0x2B2B, peer_max_message_size
        )
        book = Book()
        peer = EngineTarget("reference")
        parties = {
            TARGET: self.target.party(TARGET, config, self.seed + b"/target", book),
            PEER: peer.party(PEER, facing, self.seed + b"/peer", book),
        }
        world = World(parties, {TARGET: [PEER], PEER: [TARGET]})
        if self._watch is not None:
            world.watchers.extend(self._watch(world))
        return Pair(world, self.version)

    def check(self, holds: bool, what: str) -> None:
        """Demand that something holds; `what` says what, as a sentence in the present."""
        check(holds, what)


def check(holds: bool, what: str) -> None:
    """Raise CheckFailed unless it holds."""
    if not holds:
        raise CheckFailed(what)


class Pair:
    """The target and the peer in a world, with every step that was taken."""

    def __init__(self, world: World, version: int) -> None:
        self.world = world
        self.version = version
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
        revealers = [name for name in self.names if sessions[name].sent_reveal_signature]
        check(revealers == [self.other(asks)], f"{self.other(asks)} alone sent the Reveal Signature Message")
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
