"""One run: parties in a world, every step that was taken, and the result of each input, with checks on it.

`RecordedSession` is what a `Pair` (the target and an honest peer) and a `TargetSession` (the target and the scenario)
have in common. An input gives a `Reply`: the events, and the messages among them, parsed and reassembled. Its checking
methods take the id of the check and raise CheckFailed, with what was expected and what came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn, TypeVar

from otterproof.harness import wire
from otterproof.harness.judges.oracles import FormWatch
from otterproof.harness.simulation.moves import Tick, User
from otterproof.harness.simulation.record import Record
from otterproof.harness.simulation.transcript import Header
from otterproof.harness.simulation.world import Step, World
from otterproof.harness.spec import checks
from otterproof.harness.support.errors import DemandFailed, OtterproofError
from otterproof.harness.support.excused import is_excused
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import (
    ErrorMessageReceived,
    Event,
    ExtraKeyDerived,
    MessageRejected,
    MessageUnreadable,
    OutgoingMessage,
    PeerEndedSession,
    SessionEstablished,
    SmpAborted,
    SmpFinished,
    SmpRequested,
    StoredTextDropped,
    TextReceived,
    UserEndedSession,
)

E = TypeVar("E", bound=Event)

#: The parties of a run, by their names in the world.
TARGET, PEER = "target", "peer"

#: Events that show that a party accepted something as genuine, to the extent that they need or create a session.
ACCEPTED = (SessionEstablished, PeerEndedSession, SmpRequested, SmpFinished, ExtraKeyDerived)

#: The check that fails if an event did not come, or not exactly once.
EVENT_CHECKS: Mapping[type[object], str] = {
    SessionEstablished: "session.not-established",
    PeerEndedSession: "session.end-not-reported",
    UserEndedSession: "session.not-ended",
    ErrorMessageReceived: "error.not-reported",
    ExtraKeyDerived: "extra-key.not-reported",
    SmpRequested: "smp.not-requested",
    SmpFinished: "smp.not-finished",
    SmpAborted: "smp.not-aborted",
    TextReceived: "text.not-shown",
    MessageUnreadable: "data.unreadable-not-reported",
    MessageRejected: "message.rejection-not-reported",
    StoredTextDropped: "text.drop-not-reported",
}

#: The check that fails if a message was not sent, or not exactly once.
MESSAGE_CHECKS: Mapping[Kind, str] = {
    Kind.PLAINTEXT: "message.plain-text-not-sent",
    Kind.TAGGED_PLAINTEXT: "message.tagged-text-not-sent",
    Kind.QUERY: "message.query-not-sent",
    Kind.ERROR: "message.error-not-sent",
    Kind.DH_COMMIT: "message.dh-commit-not-sent",
    Kind.DH_KEY: "message.dh-key-not-sent",
    Kind.REVEAL_SIGNATURE: "message.reveal-signature-not-sent",
    Kind.SIGNATURE: "message.signature-not-sent",
    Kind.DATA: "message.data-not-sent",
}

#: Why nothing can be said about a handshake.
NOT_TOLD = "its user is not told of every handshake that renews a session"

#: Stands for a value that a check does not give.
_LEFT_OUT = object()


class CheckFailed(DemandFailed, AssertionError):
    """A scenario's demand did not hold."""


class Unsupported(OtterproofError):
    """A scenario can't run against this target, for a reason that no capability covers. Verdict: "unsupported"."""


def check(
    check_id: str,
    holds: bool,
    *,
    expected: object = _LEFT_OUT,
    got: object = _LEFT_OUT,
    case: object = "",
    rule: str = "",
) -> None:
    """Demand that something holds. Raises CheckFailed.

    check_id: the id of the demand. [harness/spec/checks] expected, got: the values that should be there and that are;
    any value that `shown` can put into words. case: the input concerned, of several. rule: the demand in a sentence,
    for checks that are not in the project's table.
    """
    if not holds and not is_excused(check_id):
        fail(check_id, expected=expected, got=got, case=case, rule=rule)


def check_equal(check_id: str, got: object, expected: object, *, case: object = "", rule: str = "") -> None:
    """Demand that two values are equal, with the same arguments as `check`. Raises CheckFailed."""
    if got != expected and not is_excused(check_id):
        fail(check_id, expected=expected, got=got, case=case, rule=rule)


def check_told(check_id: str, got: object, expected: object, *, case: object = "") -> None:
    """Demand that two values are equal if both are reported: None means unreported, and is never judged."""
    if got is not None and expected is not None:
        check_equal(check_id, got, expected, case=case)


def fail(
    check_id: str,
    *,
    expected: object = _LEFT_OUT,
    got: object = _LEFT_OUT,
    case: object = "",
    rule: str = "",
) -> NoReturn:
    """Fail a demand, with the same arguments as `check`. Raises CheckFailed."""
    raise CheckFailed(
        check_id,
        rule or checks.rule(check_id),
        case=shown(case),
        expected="" if expected is _LEFT_OUT else shown(expected),
        got="" if got is _LEFT_OUT else shown(got),
    )


def whole(messages: Sequence[bytes]) -> list[Message]:
    """Messages as they were sent, parsed; consecutive fragments are reassembled."""
    found: list[Message] = []
    joiner = wire.Joiner()
    for raw in messages:
        message = wire.parse_once(raw)
        joined = joiner.add(raw, message)
        if joined is not None:
            found.append(message if joined.raw is raw else wire.parse_once(joined.raw))
    return found


@dataclass(frozen=True)
class Reply:
    """The result of one or several inputs to a party.

    silent_refresh: the party has a session and might not tell its user of a new handshake.
    """

    events: tuple[Event, ...]
    silent_refresh: bool = False

    @cached_property
    def raw(self) -> list[bytes]:
        """The messages as they went out, fragments one by one."""
        return [event.message for event in self.events if isinstance(event, OutgoingMessage)]

    @cached_property
    def sent(self) -> list[Message]:
        """The messages, parsed; fragments put together."""
        return whole(self.raw)

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of the messages sent."""
        return [message.kind for message in self.sent]

    def of(self, kind: type[E]) -> list[E]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def messages(self, kind: Kind) -> list[Message]:
        """The messages of a kind."""
        return [message for message in self.sent if message.kind is kind]

    @property
    def secure(self) -> list[bytes]:
        """The texts shown as secure."""
        return [event.text for event in self.of(TextReceived) if event.secure]

    @property
    def clear(self) -> list[bytes]:
        """The texts shown as having come in the clear."""
        return [event.text for event in self.of(TextReceived) if not event.secure]

    @property
    def accepted(self) -> list[Event]:
        """The events that show that something was accepted: secure texts, sessions, ends, SMP, extra keys."""
        return [
            event
            for event in self.events
            if isinstance(event, ACCEPTED) or (isinstance(event, TextReceived) and event.secure)
        ]

    @property
    def noticed(self) -> bool:
        """Whether anybody was told of an unreadable message: the user, or the other side by an Error Message."""
        return bool(self.of(MessageUnreadable) or self.messages(Kind.ERROR))

    def one(self, kind: type[E], check_id: str = "", *, case: object = "") -> E:
        """Demand exactly one event of a kind."""
        found = self.of(kind)
        if not found and kind is SessionEstablished and self.silent_refresh:
            raise Unsupported(NOT_TOLD)
        if len(found) != 1:  # the scenario can't continue without it, even if it is excused
            fail(check_id or EVENT_CHECKS[kind], expected=f"one {kind.__name__}", got=self, case=case)
        return found[0]

    def message(self, kind: Kind, check_id: str = "", *, case: object = "") -> Message:
        """Demand exactly one message of a kind, whatever else was sent."""
        found = self.messages(kind)
        if len(found) != 1:
            fail(check_id or MESSAGE_CHECKS[kind], expected=kind, got=self, case=case)
        return found[0]

    def assert_sent(self, check_id: str, *kinds: Kind, case: object = "") -> list[Message]:
        """Demand that exactly messages of these kinds were sent, in this order; without kinds, that none were sent."""
        check(check_id, self.kinds == list(kinds), expected=kinds, got=self, case=case)
        return self.sent

    def assert_shown(self, check_id: str, *texts: bytes, secure: bool = True, case: object = "") -> None:
        """Demand that these texts are shown, all of them secure or all in the clear, and no others."""
        told = [(event.text, event.secure) for event in self.of(TextReceived)]
        wanted = [(text, secure) for text in texts]
        if told != wanted and not is_excused(check_id):
            fail(check_id, expected=_texts(wanted), got=_texts(told) if told else self, case=case)

    def assert_rejected(self, check_id: str, why: object) -> None:
        """Demand that nothing was accepted as genuine. why: the input, and what was wrong with it."""
        check(check_id, not self.accepted, expected="nothing is taken for genuine", got=self.accepted, case=why)

    def assert_ignored(self, check_id: str, why: object) -> None:
        """Demand that nothing was accepted as genuine, nothing shown, and nothing sent."""
        quiet = not (self.accepted or self.of(TextReceived) or self.raw)
        check(check_id, quiet, expected="no text, no answer, and nothing taken for genuine", got=self, case=why)

    def __str__(self) -> str:
        return ", ".join(map(shown, self.events)) or "nothing"


def _texts(texts: Iterable[tuple[bytes, bool]]) -> str:
    """Texts that were shown, each with whether it was secure."""
    return ", ".join(f"{shown(text)} {'as secure' if secure else 'in the clear'}" for text, secure in texts)


class RecordedSession:
    """Parties in a world. record: what they were created from, and every step that was taken.

    The form of everything that the target sends is judged in every step. [otterproof.harness.judges.oracles.form]
    """

    def __init__(self, world: World, version: int, record: Record) -> None:
        self.world = world
        self.version = version
        self.record = record
        if record.add not in world.watchers:  # two runs may share a world and a record
            played = record.header.parties
            judged = {name: info.config for name, info in played.items() if info.target == played[TARGET].target}
            world.watchers.append(record.add)
            world.judges.append(FormWatch(world, judged))

    @property
    def header(self) -> Header:
        """What the parties were created from."""
        return self.record.header

    @property
    def log(self) -> list[Step]:
        """Every step that was taken and not taken back."""
        return self.record.log

    def do(self, name: str, action: str, args: Mapping[str, object]) -> Reply:
        """A user acts; sent messages are queued and not delivered yet."""
        silent = self._is_silent(name)
        return Reply(tuple(self.world.apply(User(name, action, args))), silent)

    def deliver(self, name: str, message: bytes) -> Reply:
        """A party receives a message."""
        silent = self._is_silent(name)
        return Reply(tuple(self.world.step(name, "receive", {"message": message})), silent)

    def tick(self, seconds: int) -> None:
        """Time passes for everybody."""
        self.world.apply(Tick(seconds))

    def replies(self, since: int, name: str) -> Reply:
        """Everything from a party in the steps from log index `since` on."""
        events = tuple(event for step in self.log[since:] if step.party == name for event in step.events)
        return Reply(events, self._is_silent(name, since))

    def _is_silent(self, name: str, until: int | None = None) -> bool:
        """Whether a party might not report a new session at that point of the log, because it already has one."""
        return getattr(self.world.parties[name], "silent_refresh", False) and self.has_session(name, until)

    def has_session(self, name: str, until: int | None = None) -> bool:
        """Whether a party has reported a session that had not ended when the step with this log index began."""
        for step in reversed(self.log[:until]):
            for event in reversed(step.events) if step.party == name else ():
                if isinstance(event, SessionEstablished | PeerEndedSession | UserEndedSession):
                    return isinstance(event, SessionEstablished)
        return False

    def assert_session(
        self, session: SessionEstablished, *, ssid: bytes | None, fingerprint: bytes, case: str = ""
    ) -> None:
        """Demand that a party reports a session in this run's version, with this ssid and this correspondent."""
        check_equal("session.wrong-version", session.version, self.version, case=case)
        check_told("session.ssid-differs", session.ssid, ssid, case=case)
        check_told("session.wrong-fingerprint", session.fingerprint, fingerprint, case=case)
