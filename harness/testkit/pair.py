"""The target and an honest peer, connected: the moves that most scenarios are made of.

Each move (establish, say, smp, end ...) already checks what must always hold: both sides agree, text arrives once,
unchanged and secure, and nobody is told of an error.
"""

from __future__ import annotations

from dataclasses import dataclass

from otterproof.harness.simulation.world import Checkpoint, Step
from otterproof.harness.testkit.reply import PEER, TARGET, E, RecordedSession, Reply, check, check_equal, check_told
from otterproof.implementations.contract import (
    ExtraKeyDerived,
    OutgoingMessage,
    PeerEndedSession,
    SessionEstablished,
    SmpFinished,
    SmpRequested,
    UserEndedSession,
)


@dataclass(frozen=True, slots=True)
class PairCheckpoint:
    """A pair at one point in time."""

    world: Checkpoint
    log: tuple[Step, ...]


class Pair(RecordedSession):
    """The target and the peer in a world."""

    @property
    def names(self) -> tuple[str, str]:
        return TARGET, PEER

    def other(self, name: str) -> str:
        """The party that `name` talks to."""
        return PEER if name == TARGET else TARGET

    def events(self, since: int, name: str, kind: type[E]) -> list[E]:
        """The events of one kind from a party in the steps from log index `since` on."""
        return self.replies(since, name).of(kind)

    def pop(self, name: str) -> bytes:
        """Take the next message for a party out of its queue. Raises CheckFailed if there is none."""
        queue = self.world.network.queues[name]
        check("run.nothing-on-the-way", bool(queue), case=f"for the {name}")
        return queue.pop(0)

    def deliver_next(self, name: str) -> Reply:
        """Deliver the next waiting message to a party."""
        return self.deliver(name, self.pop(name))

    def drop_all(self, name: str) -> None:
        """Drop all messages that wait for a party."""
        self.world.network.queues[name].clear()

    def act_and_settle(self, name: str, action: str, **args: object) -> int:
        """A user acts, and all resulting messages are delivered in order. Returns the log index at the start."""
        since = len(self.log)
        self.world.user(name, action, **args)
        self.world.settle()
        return since

    def checkpoint(self) -> PairCheckpoint:
        """This point in time, for `restore`. Engines only."""
        return PairCheckpoint(self.world.snapshot(), tuple(self.log))

    def restore(self, moment: PairCheckpoint) -> None:
        """Return to a checkpoint, with all parties and the log, so that the record is always one possible run."""
        self.world.restore(moment.world)
        self.log[:] = moment.log

    def one(self, since: int, name: str, kind: type[E], check_id: str = "") -> E:
        """The only event of a kind from a party since then; fails if there is none or more than one."""
        return self.replies(since, name).one(kind, check_id, case=f"the {name}")

    def establish(self, asks: str) -> dict[str, SessionEstablished]:
        """`asks` sends a query and the handshake runs; both sides must arrive at the same session."""
        since = self.act_and_settle(asks, "start")
        sessions = {name: self.one(since, name, SessionEstablished) for name in self.names}
        for name, session in sessions.items():
            ssid = sessions[self.other(name)].ssid
            identity = self.world.parties[self.other(name)].fingerprint
            self.assert_session(session, ssid=ssid, fingerprint=identity, case=f"the {name}")
        for name in self.names:
            revealed = sessions[name].sent_reveal_signature
            if revealed is None:
                continue
            check(
                "session.wrong-initiator",
                revealed == (name != asks),
                expected=f"the {self.other(asks)} sent the Reveal Signature Message",
                got=f"the {name} says that {'it' if revealed else 'the other side'} did",
            )
        return sessions

    def say(self, name: str, text: bytes, *, check_id: str = "", **args: object) -> None:
        """`name` sends a text; the other side must show it once, unchanged, as secure."""
        since = self.act_and_settle(name, "send", text=text, **args)
        receiver = self.other(name)
        self.replies(since, receiver).assert_shown(check_id or "text.not-delivered", text, case=f"the {receiver}")
        sent = [event.message for party in self.names for event in self.events(since, party, OutgoingMessage)]
        for message in sent if self.has_session(name, since) else ():
            check("text.sent-in-clear", len(text) < 4 or text not in message, got=message, case=text)

    def smp(self, asks: str, secret: bytes, answer: bytes, question: bytes | None = None) -> None:
        """Run SMP to its end; both sides must find whether the secrets are equal."""
        answers = self.other(asks)
        since = self.act_and_settle(asks, "smp_start", secret=secret, question=question)
        request = self.one(since, answers, SmpRequested)
        check_equal("smp.question-changed", request.question, question)
        since = self.act_and_settle(answers, "smp_answer", secret=answer)
        for name in self.names:
            equal = self.one(since, name, SmpFinished).equal
            check_id = "smp.wrong-result" if secret == answer else "smp.unequal-secrets-match"
            check_equal(check_id, equal, secret == answer, case=f"the {name}")

    def extra_key(self, name: str, use: int, data: bytes) -> None:
        """`name` requests the extra symmetric key; both sides must get the same."""
        since = self.act_and_settle(name, "extra_key", use=use, data=data)
        own, theirs = self.one(since, name, ExtraKeyDerived), self.one(since, self.other(name), ExtraKeyDerived)
        check_equal("extra-key.wrong-size", len(own.key), 32)
        check_equal("extra-key.differs", theirs.key, own.key)
        check_told("extra-key.data-changed", theirs.use, use)
        check_told("extra-key.data-changed", theirs.data, data)

    def end(self, name: str) -> None:
        """`name` ends the conversation; the other side must be told."""
        since = self.act_and_settle(name, "end")
        self.one(since, name, UserEndedSession)
        self.one(since, self.other(name), PeerEndedSession)
