"""The target and an honest peer, connected: the moves that most scenarios are made of.

Each move (establish, say, smp, end ...) already checks what must always hold: both sides agree, text arrives once,
unchanged and secure, nobody is told of an error.
"""

from __future__ import annotations

from dataclasses import dataclass

from otterproof.harness.simulation.world import Checkpoint, Step
from otterproof.harness.targets.party import leaves_out
from otterproof.harness.testkit.reply import PEER, TARGET, E, RecordedSession, Reply, check
from otterproof.implementations.contract import (
    Ended,
    Established,
    ExtraKey,
    Finished,
    Outgoing,
    SmpFinished,
    SmpRequested,
    TextReceived,
)


@dataclass(frozen=True, slots=True)
class PairCheckpoint:
    """A pair at one moment."""

    world: Checkpoint
    log: tuple[Step, ...]


class Pair(RecordedSession):
    """The target and the peer in a world."""

    @property
    def names(self) -> tuple[str, str]:
        return TARGET, PEER

    def other(self, name: str) -> str:
        """Whom `name` talks to."""
        return PEER if name == TARGET else TARGET

    def events(self, since: int, name: str, kind: type[E]) -> list[E]:
        """The events of one kind that a party gave in the steps from log index `since` on."""
        return self.replies(since, name).of(kind)

    def pop(self, name: str) -> bytes:
        """The next message that waits for somebody, out of the queue. CheckFailed when none is there."""
        queue = self.world.network.queues[name]
        check(bool(queue), f"a message for {name} is on its way")
        return queue.pop(0)

    def deliver_next(self, name: str) -> Reply:
        """Somebody receives the next message that waits for him."""
        return self.deliver(name, self.pop(name))

    def drop_all(self, name: str) -> None:
        """All messages that wait for somebody are lost."""
        self.world.network.queues[name].clear()

    def act_and_settle(self, name: str, action: str, **args: object) -> int:
        """A user acts, and everything that follows is delivered in order. The log index at which that began."""
        since = len(self.log)
        self.world.user(name, action, **args)
        self.world.settle()
        return since

    def checkpoint(self) -> PairCheckpoint:
        """This moment, for `back_to`. Engines only."""
        return PairCheckpoint(self.world.snapshot(), tuple(self.log))

    def restore(self, moment: PairCheckpoint) -> None:
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
        since = self.act_and_settle(asks, "start")
        sessions = {name: self.one(since, name, Established) for name in self.names}
        for name, session in sessions.items():
            facing = sessions[self.other(name)]
            check(session.version == self.version, f"{name} speaks version {self.version}, not {session.version}")
            check(session.ssid == facing.ssid, "both sides have the same ssid")
            identity = self.world.parties[self.other(name)].fingerprint
            check(session.fingerprint == identity, f"{name} sees the fingerprint of the other side's key")
        for name in self.names:
            if leaves_out(self.world.parties[name], "established", "sent_reveal_signature"):
                continue
            revealed = sessions[name].sent_reveal_signature
            check(revealed == (name != asks), f"{self.other(asks)} sent the Reveal Signature Message, {name} agrees")
        return sessions

    def say(self, name: str, text: bytes, **args: object) -> None:
        """`name` sends a text; the other side must show it once, unchanged, as secure."""
        since = self.act_and_settle(name, "send", text=text, **args)
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
        since = self.act_and_settle(asks, "smp_start", secret=secret, question=question)
        request = self.one(since, answers, SmpRequested)
        check(request.question == question, f"{answers} is asked {question!r}, and was asked {request.question!r}")
        since = self.act_and_settle(answers, "smp_answer", secret=answer)
        for name in self.names:
            equal = self.one(since, name, SmpFinished).equal
            check(equal == (secret == answer), f"{name} finds the secrets {'equal' if secret == answer else 'unequal'}")

    def extra_key(self, name: str, use: int, data: bytes) -> None:
        """`name` asks for the extra symmetric key; both sides must get the same."""
        since = self.act_and_settle(name, "extra_key", use=use, data=data)
        own, theirs = self.one(since, name, ExtraKey), self.one(since, self.other(name), ExtraKey)
        check(len(own.key) == 32, "the extra symmetric key has 32 bytes")
        check(own.key == theirs.key, "both sides have the same extra symmetric key")
        check((theirs.use, theirs.data) == (use, data), "use and data of the extra symmetric key arrive unchanged")

    def end(self, name: str) -> None:
        """`name` ends the conversation; the other side must be told."""
        since = self.act_and_settle(name, "end")
        self.one(since, name, Ended)
        self.one(since, self.other(name), Finished)
