"""Oracles on parties that answer open questions of the protocol texts differently from the engines.

Where several readings are allowed, an oracle must not object to any of them. Each test also has a party that goes
beyond the allowed readings, to which the oracle must object. [harness/spec/requirements/readings_*.toml]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from otterproof.harness import wire
from otterproof.harness.judges.oracles import OracleFailure
from otterproof.harness.runs.fuzz.case import Case
from otterproof.harness.simulation.moves import (
    ChangeField,
    Craft,
    Deliver,
    Duplicate,
    Fragment,
    Inject,
    Move,
    Settle,
    User,
)
from otterproof.harness.targets.driver import CAPABILITIES, TargetUnsupported
from otterproof.harness.targets.faults import engine
from otterproof.harness.targets.lockstep import EngineFactory
from otterproof.harness.targets.party import Party
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import (
    Engine,
    Event,
    MessageRejected,
    MessageUnreadable,
    OutgoingMessage,
    PartyConfig,
    PeerEndedSession,
    Policy,
    RejectReason,
    SessionEstablished,
    SmpAborted,
    SmpFinished,
    TextReceived,
)
from otterproof.implementations.entropy import Tape, entropy_of
from otterproof.implementations.reference import ReferenceEngine
from tests.test_oracles_foreign import Closed, ClosedTarget, NullessTarget

#: Replaces the events of an action by those that a party reports.
Retold = Callable[[str, Sequence[Event]], Sequence[Event]]


class Retelling(Closed):
    """An engine that reports other events."""

    def __init__(self, inside: Engine, retold: Retold) -> None:
        super().__init__(inside)
        self._retold = retold

    def _do(self, action: str, **args: object) -> Sequence[Event]:
        return self._retold(action, super()._do(action, **args))


class RetellingTarget(ClosedTarget):
    """A target of such parties."""

    def __init__(self, retold: Retold, make: EngineFactory = ReferenceEngine) -> None:
        super().__init__("retelling", make)
        self._retold = retold

    def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> Party:
        return Retelling(self._make(config, entropy_of(name, seed, tape)), self._retold)


def _fails(case: Case, *moves: Move) -> str | None:
    """The check that fails in a run, if any."""
    try:
        case.run(moves)
    except OracleFailure as failure:
        return failure.check
    return None


def _says(party: str, text: bytes) -> User:
    return User(party, "send", {"text": text})


@pytest.mark.parametrize(
    ("become", "typed", "found"),
    [
        (lambda text: b"[resent] " + text, [b"hold this for me"], None),
        (lambda text: text.replace(b"o", b"0"), [b"hold this for me"], "authenticity.text-changed"),
        (lambda text: b"[resent] ", [b"hold this for me"], "authenticity.text-changed"),
        (lambda text: b"[resent] " + text, [b""], None),
    ],
)
def test_a_text_that_is_sent_again_may_be_marked(
    become: Callable[[bytes], bytes], typed: list[bytes], found: str | None
) -> None:
    case = Case(start="scratch", policy="private", target=NullessTarget(become), oracles=("authenticity",))
    assert _fails(case, *(_says("alice", text) for text in typed), Settle()) == found


@pytest.mark.parametrize("kind", ["data", "dh_commit"])
def test_bytes_after_the_last_field_may_be_accepted_and_missing_fields_not(kind: str) -> None:
    """The party treats any input as the genuine message."""

    class Generous(Closed):
        def _do(self, action: str, **args: object) -> Sequence[Event]:
            raw = args.get("message")
            if isinstance(raw, bytes) and wire.parse(raw).armour is not None and (genuine := originals.get(raw)):
                return super()._do(action, message=genuine)
            return super()._do(action, **args)

    class GenerousTarget(ClosedTarget):
        def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> Party:
            return Generous(ReferenceEngine(config, entropy_of(name, seed, tape)))

    originals: dict[bytes, bytes] = {}
    start: list[Move] = [_says("bob", b"text")] if kind == "data" else [User("alice", "start"), Deliver("bob")]
    for length, more, found in ((None, b"\0", None), (-2, b"", "bounds.malformed-message-accepted")):
        case = Case(target=GenerousTarget("generous", ReferenceEngine), oracles=("bounds",))
        case.run(start)
        queue = case.world.network.queues["alice"]
        genuine = queue[0]
        assert wire.parse(genuine).kind == kind
        queue[0] = wire.armour(wire.parse(genuine).body[:length] + more)
        originals[queue[0]] = genuine
        assert _fails(case, Settle()) == found


def test_old_mac_keys_need_not_be_whole() -> None:
    """They are not authenticated, and nothing requires checking them."""

    class Blind(Closed):
        def _do(self, action: str, **args: object) -> Sequence[Event]:
            raw = args.get("message")
            if isinstance(raw, bytes) and (message := wire.parse(raw)).kind is Kind.DATA:
                return super()._do(action, message=wire.build(message.with_value("old_mac_keys", b"")))
            return super()._do(action, **args)

    class BlindTarget(ClosedTarget):
        def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> Party:
            return Blind(ReferenceEngine(config, entropy_of(name, seed, tape)))

    case = Case(target=BlindTarget("blind", ReferenceEngine))
    case.run([_says("bob", b"text"), ChangeField("alice", 0, "old_mac_keys", b"x"), Settle()])
    case.finish()


def _reports(action: str, events: Sequence[Event]) -> Sequence[Event]:
    """An unreadable message is reported and answered, whatever its flag."""
    if action != "receive" or not (events and isinstance(events[0], MessageRejected)):
        return events
    return [MessageUnreadable(0, events[0].reason), OutgoingMessage(b"?OTR Error: no")]


def test_the_flag_may_count_for_wrong_keys_and_macs_alone() -> None:
    def case() -> Case:
        return Case(target=RetellingTarget(_reports), oracles=("rejection",))

    finished: list[Move] = [User("bob", "end"), Duplicate("alice", 0), Settle()]
    assert _fails(case(), *finished) is None
    wrong_mac: list[Move] = [User("bob", "end"), ChangeField("alice", 0, "mac", bytes(20)), Settle()]
    assert _fails(case(), *wrong_mac) == "rejection.flag-ignored"


@pytest.mark.parametrize("start", ["scratch", "3"])
def test_a_typed_query_may_be_taken_for_the_wish_to_start_otr(start: str) -> None:
    def query(action: str, events: Sequence[Event]) -> Sequence[Event]:
        return [OutgoingMessage(b"?OTRv23? may we use OTR?")] if action == "send" else events

    def fails(text: bytes) -> str | None:
        return _fails(Case(start=start, target=RetellingTarget(query), oracles=("leaks",)), _says("alice", text))

    assert fails(b"?OTRv3?") is None
    assert fails(b"hello") == ("leaks.clear-text-changed" if start == "scratch" else "leaks.sent-unencrypted")


def _unwarned(action: str, events: Sequence[Event]) -> Sequence[Event]:
    """The user is warned of nothing."""
    return [replace(one, warn=False) if isinstance(one, TextReceived) else one for one in events]


def test_with_otr_switched_off_nobody_has_to_be_warned() -> None:
    def fails(policy: Policy) -> str | None:
        case = Case(target=RetellingTarget(_unwarned), oracles=("leaks",))
        set_policy = User("alice", "set_policy", {"policy": policy})
        return _fails(case, set_policy, Inject("alice", b"hello"), Settle())

    assert fails(Policy(0)) is None
    assert fails(Policy.REQUIRE_ENCRYPTION) is None
    assert fails(Policy.ALLOW_V3) == "leaks.wrong-warning"


def _addressed(action: str, events: Sequence[Event]) -> Sequence[Event]:
    """D-H Commits are addressed to bob's client, and D-H Keys to a client that did not ask for one."""
    tags = {Kind.DH_COMMIT: 0x2B2B, Kind.DH_KEY: 0x777}
    told: list[Event] = []
    for one in events:
        if isinstance(one, OutgoingMessage) and (message := wire.parse(one.message)).kind in tags:
            one = OutgoingMessage(wire.build(message.with_value("receiver_tag", tags[message.kind])))
        told.append(one)
    return told


def test_a_commit_may_name_a_client_that_is_known() -> None:
    def case() -> Case:
        return Case(start="scratch", target=RetellingTarget(_addressed), oracles=("instance-tags",))

    assert _fails(case(), User("bob", "start"), Settle()) is None
    assert _fails(case(), User("alice", "start"), Deliver("bob"), Settle()) == "instance-tags.answer-to-another"


class Tolerant(Closed):
    """An engine that accepts messages with some other receiver tags as its own."""

    def __init__(self, inside: Engine, tag: int) -> None:
        super().__init__(inside)
        self._tag = tag

    def _do(self, action: str, **args: object) -> Sequence[Event]:
        message = args.get("message")
        parsed = wire.parse(message) if isinstance(message, bytes) else None
        if parsed is not None and parsed.has("receiver_tag") and parsed.number("receiver_tag") == self._tag:
            args["message"] = wire.build(parsed.with_value("receiver_tag", self.instance_tag))
        return super()._do(action, **args)


class TolerantTarget(ClosedTarget):
    """A target of such parties."""

    def __init__(self, tag: int) -> None:
        super().__init__("tolerant", ReferenceEngine)
        self._tag = tag

    def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> Party:
        return Tolerant(self._make(config, entropy_of(name, seed, tape)), self._tag)


def test_receiver_tag_0_may_be_taken_and_that_of_another_client_not() -> None:
    def fails(target: ClosedTarget, tag: int) -> str | None:
        moves = (User("alice", "start"), Deliver("bob"), Deliver("alice"))
        case = Case(start="scratch", target=target, role="bob")
        return _fails(case, *moves, ChangeField("bob", 0, "receiver_tag", tag), Settle())

    assert fails(TolerantTarget(0), 0) is None
    assert fails(ClosedTarget("closed", ReferenceEngine), 0) is None
    assert fails(TolerantTarget(0x777), 0x777) == "instance-tags.not-discarded"


class Picky(Closed):
    """A party on a network that carries no empty messages."""

    def _do(self, action: str, **args: object) -> Sequence[Event]:
        if args.get("message") == b"":
            raise TargetUnsupported("picky: an empty message can't be carried", method=action)
        return super()._do(action, **args)


class PickyTarget(ClosedTarget):
    """A target of such parties."""

    def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> Party:
        return Picky(self._make(config, entropy_of(name, seed, tape)))


def test_what_a_party_cant_be_given_has_not_come_between_fragments() -> None:
    case = Case(target=PickyTarget("picky", ReferenceEngine))
    assert (
        _fails(case, _says("bob", b"text"), Fragment("alice", 0, 200), Deliver("alice"), Inject("alice", b"")) is None
    )
    assert _fails(case, Settle()) is None


class OldTarget(ClosedTarget):
    """A target that only knows version 2, whatever policies are drawn."""

    capabilities, fixed_policy = CAPABILITIES - {"v3", "policy"}, Policy.ALLOW_V2


def test_nobody_has_to_come_to_a_session_in_a_version_that_one_side_does_not_know() -> None:
    def fails(policy: str) -> str | None:
        case = Case(start="scratch", policy=policy, target=OldTarget("old", ReferenceEngine), oracles=("healing",))
        try:
            case.finish()
        except OracleFailure as failure:
            return failure.check
        return None

    assert fails("v3") is None
    assert fails("both") is None


def _no_aborts(action: str, events: Sequence[Event]) -> Sequence[Event]:
    """An abort by the peer is reported as a failed run."""
    return [SmpFinished(0x2B2B, False) if isinstance(one, SmpAborted) else one for one in events]


def _failures(action: str, events: Sequence[Event]) -> Sequence[Event]:
    """With each text, a failed run is reported."""
    return [*events, *(SmpFinished(0x2B2B, False) for one in events if isinstance(one, TextReceived))]


def test_an_abort_may_be_told_as_a_failed_run() -> None:
    begins = User("alice", "smp_start", {"secret": b"a", "question": None})

    def fails(retold: Retold, then: Move) -> str | None:
        return _fails(Case(target=RetellingTarget(retold), oracles=("smp",)), begins, Settle(), then, Settle())

    assert fails(_no_aborts, User("bob", "smp_abort")) is None
    assert fails(_failures, _says("bob", b"text")) == "smp.finished-without-peer"


@pytest.mark.parametrize(("again", "found"), [(True, None), (False, "mac-revelation.key-still-in-use")])
def test_a_late_message_makes_no_mac_key_of_an_earlier_session_live(again: bool, found: str | None) -> None:
    """A key id may recur in the next session, so the late message looks like one of that session.

    The party reveals MAC keys at once; after the first text it reports a new session, or does not.
    """

    def retold(action: str, events: Sequence[Event]) -> Sequence[Event]:
        shown = any(isinstance(one, TextReceived) for one in events)
        return [*events, SessionEstablished(0x2B2B, 3, None, None, None, True, True)] if again and shown else events

    target = RetellingTarget(retold, engine("live-mac-key-revealed"))
    case = Case(target=target, oracles=("mac-revelation",))
    moves: list[Move] = [_says("bob", b"text"), Duplicate("alice", 0), Settle(), _says("alice", b"answer")]
    assert _fails(case, *moves) == found


class Reader(Closed):
    """A party that only considers one of several messages in its input, or the part of it that a C string holds."""

    def __init__(self, inside: Engine, part: Callable[[bytes], bytes]) -> None:
        super().__init__(inside)
        self._part = part

    def _do(self, action: str, **args: object) -> Sequence[Event]:
        message = args.get("message")
        return super()._do(action, **args | ({"message": self._part(message)} if isinstance(message, bytes) else {}))


class ReaderTarget(ClosedTarget):
    """A target of such parties."""

    def __init__(self, part: Callable[[bytes], bytes]) -> None:
        super().__init__("reader", ReferenceEngine)
        self._part = part

    def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> Party:
        return Reader(self._make(config, entropy_of(name, seed, tape)), self._part)


def _query_of(message: bytes) -> bytes:
    """The query nearest to the beginning, if there is one."""
    found = re.search(rb"\?OTR(\?|v\d*\?)", message)
    return found[0] if found else message


@pytest.mark.parametrize(
    ("part", "message", "found"),
    [
        (_query_of, b"?OTR?OTR Error:", None),
        (_query_of, b"?OTRv3?OTR:3?", None),
        (_query_of, b"?OTRv3?OTR,1,2,?OTR:,", None),
        (_query_of, b"?OTRv2? and ?OTRv3?", None),
        (lambda message: message.partition(b"\0")[0], b"in the clear\0 ?OTRv3?", None),
        (lambda message: b"?OTR,1,2,x,", b"?OTR Error: no", "states.error-not-shown"),
        (lambda message: b"?OTRv3?", b"?OTR,1,2,?OTR:,", "fragments.not-inert"),
        (lambda message: b"?OTRv3?", b"?OTR:3?", "bounds.bad-header-accepted"),
        (lambda message: b"text", b"words?OTRv3?", "states.wrong-answer-to-query"),
        (lambda message: b"?OTRv3?", b"?OTRv3\x13?", None),
        (lambda message: b"?OTRv3?", b"?OTRv3 words?", "states.stray-handshake-message"),
        (lambda message: b"text", b"words ?OTR:AAIDAAArAQAAAP8=.", None),
        (lambda message: b"text", b"?OTR:AAIDAAArAQAAAP8=.", "leaks.data-message-shown-in-clear"),
    ],
)
def test_a_message_with_marks_of_several_may_be_any_of_them(
    part: Callable[[bytes], bytes], message: bytes, found: str | None
) -> None:
    assert _fails(Case(target=ReaderTarget(part)), Inject("alice", message), Settle()) == found


@pytest.mark.parametrize(
    ("reason", "found"), [(RejectReason.MALFORMED, None), (RejectReason.BAD_MAC, "rejection.has-effects")]
)
def test_a_message_may_be_told_as_malformed_for_one_of_its_tlvs(reason: RejectReason, found: str | None) -> None:
    """The end of the session that precedes it in the same message still counts."""

    def retold(action: str, events: Sequence[Event]) -> Sequence[Event]:
        if not any(isinstance(one, PeerEndedSession) for one in events):
            return events
        return [MessageUnreadable(0x2B2B, reason), OutgoingMessage(b"?OTR Error: no"), *events]

    ends, broken = (Craft("alice", -1, "tlv_added", kind, b"") for kind in (1, 2))
    case = Case(target=RetellingTarget(retold), oracles=("rejection",))
    assert _fails(case, _says("bob", b"text"), ends, broken, Settle()) == found
