"""Every check of every oracle can fail: records of genuine conversations, with one change each.

Errors that no fault of the catalogue causes are put into a step by hand: an unexpected event, a changed byte on the
wire, a wrong snapshot. The steps are then shown to the oracle without any engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from otterproof.harness import wire
from otterproof.harness.judges.oracles import ORACLES, OracleFailure, base
from otterproof.harness.simulation.world import Step, StepFailure
from otterproof.harness.spec import checks
from otterproof.harness.targets.driver import TargetUnsupported
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import (
    ActionRefused,
    AuthState,
    ErrorMessageReceived,
    MessageRejected,
    MessageUnreadable,
    OutgoingMessage,
    PeerEndedSession,
    RatchetSnapshot,
    RefuseReason,
    RejectReason,
    SessionEstablished,
    SmpFinished,
    SmpRequested,
    TextReceived,
    UserEndedSession,
)
from tests.form_changes import FORM
from tests.oracle_changes import (
    Change,
    added,
    another_dh_key,
    another_session,
    both,
    does,
    encrypted_before,
    established,
    event,
    events,
    forbidden,
    got,
    handshake_out_of_place,
    has,
    in_session,
    in_smp_state,
    key_again,
    keys_shifted,
    moved,
    not_waiting,
    nothing_revealed,
    one_further,
    other_session_changed,
    pieces,
    plus_one,
    quietly,
    ratchet,
    record,
    removed,
    revealed_twice,
    send_in_finished,
    sent,
    session,
    show,
    snapshot,
    text_leaks,
    their_key_set,
    typed_otherwise,
)

CLEAR = TextReceived(b"made up", secure=False, warn=True, instance=0)
SECURE = has(TextReceived, secure=True)
TWO_KEYS: Callable[[RatchetSnapshot], bool] = lambda ratchet: len(ratchet.their_keys) == 2  # noqa: E731

#: Rules that other tests break: those about the end of a run and about memory, and those that no change of one step
#: breaks. [tests/test_oracles.py, tests/test_oracles_healing.py]
ELSEWHERE = {
    "forgetting.commit-key-kept",
    "forgetting.own-key-kept",
    "forgetting.session-keys-kept",
    "forgetting.smp-exponent-kept",
    "healing.never-settles",
    "healing.new-session-unusable",
    "healing.no-common-session",
    "healing.text-lost-silently",
    "healing.text-not-delivered",
    "mac-revelation.key-still-in-use",
    "states.answer-not-new",
    "states.answer-not-repeated",
}

#: The id of a check, program, setup, and the change that makes it fail.
CHECKS: list[tuple[str, str, int, Change]] = [
    *FORM,
    # authenticity
    (
        "authenticity.shown-unauthenticated",
        "in_the_clear",
        0,
        event(TextReceived, lambda one: not one.secure, secure=True),
    ),
    ("authenticity.accepted-without-session", "handshakes", 0, removed(got(Kind.DATA, RejectReason.NOT_ENCRYPTED))),
    ("authenticity.wrong-instance", "talk", 0, event(TextReceived, lambda one: one.secure, instance=5)),
    ("authenticity.accepted-twice", "replays", 0, removed(got(Kind.DATA, RejectReason.BAD_COUNTER))),
    ("authenticity.old-counter-accepted", "losses", 0, removed(got(Kind.DATA, RejectReason.BAD_COUNTER))),
    ("authenticity.forgery-accepted", "tampering", 0, removed(got(Kind.DATA, RejectReason.BAD_MAC))),
    ("authenticity.text-changed", "talk", 0, event(TextReceived, lambda one: one.secure, text=b"other")),
    ("authenticity.sent-twice", "in_the_clear", 0, typed_otherwise),
    # rejection
    ("rejection.has-effects", "tampering", 0, added(got(Kind.DATA, RejectReason.BAD_MAC), CLEAR)),
    ("rejection.wrong-answer", "tampering", 0, added(has(MessageRejected), OutgoingMessage(b"?OTR Error: no"))),
    ("rejection.not-reported", "tampering", 0, quietly),
    (
        "rejection.flag-ignored",
        "tampering",
        0,
        events(
            both(got(Kind.DATA, RejectReason.BAD_MAC), has(MessageRejected)),
            lambda seen: [MessageUnreadable(0, RejectReason.BAD_MAC)],
        ),
    ),
    ("rejection.state-changed", "tampering", 0, snapshot(has(MessageRejected), lambda one: replace(one, focus=9))),
    # healing
    ("healing.fresh-message-refused", "talk", 0, events(SECURE, lambda seen: [MessageRejected(RejectReason.BAD_MAC)])),
    # agreement
    (
        "agreement.completed-without-handshake",
        "talk",
        0,
        added(SECURE, SessionEstablished(1, 3, bytes(8), bytes(20), True, False, False)),
    ),
    ("agreement.completed-by-forgery", "tampering", 0, established),
    ("agreement.wrong-fingerprint", "handshakes", 0, event(SessionEstablished, fingerprint=bytes(20))),
    ("agreement.wrong-version", "handshakes", 0, event(SessionEstablished, version=2)),
    ("agreement.wrong-instance", "handshakes", 0, event(SessionEstablished, instance=0x777)),
    (
        "agreement.sides-differ",
        "handshakes",
        0,
        event(SessionEstablished, lambda one: one.sent_reveal_signature, ssid=b"8" * 8),
    ),
    ("agreement.ssid-wrong-size", "handshakes", 0, event(SessionEstablished, ssid=bytes(7))),
    (
        "agreement.state-not-as-reported",
        "talk",
        0,
        session(lambda one: bool(one.ssid), lambda one: replace(one, ssid=b"x")),
    ),
    # key-ids
    ("key-ids.not-rising-by-one", "talk", 0, sent(Kind.DATA, lambda one: plus_one(one, "recipient_keyid", 5), skip=3)),
    ("key-ids.wrong-sending-pair", "talk", 0, sent(Kind.DATA, lambda one: plus_one(one, "recipient_keyid"))),
    ("key-ids.public-value-out-of-range", "talk", 0, sent(Kind.DATA, lambda one: one.with_value("next_dh", 1))),
    ("key-ids.announced-key-changed", "talk", 0, sent(Kind.DATA, lambda one: plus_one(one, "next_dh"), skip=9)),
    ("key-ids.key-reused", "talk", 0, ratchet(key_again, lambda one: one.our_keyid > 2, SECURE)),
    ("key-ids.wrong-own-keys-held", "talk", 0, ratchet(lambda one: replace(one, our_keys={**one.our_keys, 9: 9}))),
    ("key-ids.wrong-peer-keys-held", "talk", 0, ratchet(lambda one: replace(one, their_keys={9: 9}))),
    ("key-ids.sides-differ", "talk", 0, ratchet(keys_shifted, TWO_KEYS)),
    ("key-ids.dead-pair-kept", "talk", 0, ratchet(lambda one: replace(one, sent={(9, 9): 1}))),
    ("key-ids.wrong-rotation", "talk", 0, ratchet(one_further, when=SECURE)),
    (
        "key-ids.announced-key-not-stored",
        "talk",
        0,
        ratchet(lambda one: their_key_set(one, one.their_keyid, 5), TWO_KEYS, SECURE),
    ),
    (
        "key-ids.held-key-changed",
        "talk",
        0,
        ratchet(lambda one: their_key_set(one, one.their_keyid - 1, 5), TWO_KEYS, SECURE),
    ),
    # counters
    ("counters.wrong-last-sent", "talk", 0, ratchet(lambda one: replace(one, sent={(1, 1): 77}))),
    ("counters.wrong-last-received", "talk", 0, ratchet(lambda one: replace(one, received={(1, 1): 77}))),
    ("counters.not-higher", "losses", 0, sent(Kind.DATA, lambda one: one.with_value("ctr", bytes(7) + b"\1"), skip=2)),
    # mac-revelation
    ("mac-revelation.revealed-twice", "talk", 0, revealed_twice()),
    (
        "mac-revelation.wrong-key-revealed",
        "talk",
        0,
        sent(Kind.DATA, lambda one: one.with_value("old_mac_keys", bytes(20))),
    ),
    (
        "mac-revelation.wrong-key-revealed",
        "talk",
        0,
        sent(Kind.DATA, lambda one: one.with_value("old_mac_keys", bytes(7))),
    ),
    ("mac-revelation.not-revealed", "talk", 0, sent(Kind.DATA, nothing_revealed)),
    (
        "mac-revelation.wrong-keys-collected",
        "talk",
        0,
        session(lambda one: True, lambda one: replace(one, pending_mac_keys=(bytes(20),))),
    ),
    (
        "mac-revelation.wrong-pairs-noted",
        "talk",
        0,
        ratchet(lambda one: replace(one, verified=frozenset({(1, 1), (8, 8)}))),
    ),
    # smp
    ("smp.answered-unasked", "smp", 0, removed(does("smp_answer", refused=True))),
    ("smp.finished-without-peer", "talk", 0, added(SECURE, SmpFinished(0x1A1A, True))),
    ("smp.wrong-result", "smp", 0, event(SmpFinished, equal=False)),
    (
        "smp.wrong-state-after-message",
        "smp",
        0,
        session(lambda one: one.smp_state.value == "expect4", lambda one: in_smp_state(one, 3)),
    ),
    ("smp.wrong-state-after-message", "smp", 0, removed(has(SmpFinished), SmpFinished)),
    ("smp.asked-without-run", "talk", 0, added(SECURE, SmpRequested(0x1A1A, None))),
    ("smp.question-changed", "smp", 0, event(SmpRequested, question=b"another?")),
    ("smp.not-reset", "smp", 0, session(in_session, lambda one: in_smp_state(one, 3), has(SmpFinished))),
    (
        "smp.wrong-state-after-action",
        "smp",
        0,
        session(in_session, lambda one: in_smp_state(one, 4), does("smp_start")),
    ),
    # states
    (
        "states.encrypted-without-handshake",
        "talk",
        0,
        added(SECURE, SessionEstablished(1, 3, b"", b"", True, False, False)),
    ),
    ("states.finished-without-message", "in_the_clear", 0, added(has(TextReceived, secure=False), PeerEndedSession(0))),
    ("states.plaintext-without-user", "talk", 0, added(does("send"), UserEndedSession(0))),
    ("states.state-not-as-reported", "talk", 0, removed(has(PeerEndedSession), PeerEndedSession)),
    (
        "states.forbidden-version-accepted",
        "negotiation",
        0,
        event(MessageRejected, forbidden, reason=RejectReason.UNEXPECTED),
    ),
    (
        "states.commit-ignored-for-hash",
        "handshakes",
        0,
        events(got(Kind.DH_COMMIT), lambda seen: [MessageRejected(RejectReason.COLLISION_WON), *seen]),
    ),
    (
        "states.lower-hash-not-ignored",
        "handshakes",
        0,
        removed(got(Kind.DH_COMMIT, RejectReason.COLLISION_WON), MessageRejected),
    ),
    (
        "states.commit-refused",
        "handshakes",
        0,
        events(got(Kind.DH_COMMIT), lambda seen: [MessageRejected(RejectReason.UNEXPECTED)]),
    ),
    ("states.unexpected-message-accepted", "replays", 0, removed(got(Kind.SIGNATURE, RejectReason.UNEXPECTED))),
    ("states.refused-message-has-effects", "tampering", 0, moved),
    ("states.wrong-auth-state", "handshakes", 0, lambda step: moved(step, Kind.DH_COMMIT)),
    ("states.wrong-handshake-answer", "handshakes", 0, removed(got(Kind.DH_COMMIT))),
    (
        "states.wrong-completion",
        "handshakes",
        2,
        removed(both(has(SessionEstablished), encrypted_before), SessionEstablished),
    ),
    ("states.stray-handshake-message", "handshakes", 0, handshake_out_of_place()),
    ("states.session-without-handshake", "talk", 0, snapshot(does("send"), another_session)),
    (
        "states.auth-state-changed",
        "talk",
        0,
        session(lambda one: True, lambda one: replace(one, auth_state=AuthState.AWAITING_SIG)),
    ),
    ("states.wrong-answer-to-query", "negotiation", 0, removed(both(got(Kind.QUERY), has(OutgoingMessage)))),
    (
        "states.wrong-answer-to-tag",
        "negotiation",
        0,
        removed(both(got(Kind.TAGGED_PLAINTEXT), has(OutgoingMessage)), OutgoingMessage),
    ),
    ("states.other-dh-key-answered", "handshakes", 0, another_dh_key),
    ("states.wrong-state-after-commit", "negotiation", 1, not_waiting),
    ("states.error-not-shown", "negotiation", 0, removed(has(ErrorMessageReceived))),
    ("states.wrong-answer-to-error", "negotiation", 0, added(has(ErrorMessageReceived), OutgoingMessage(b"?OTRv23?"))),
    (
        "states.wrong-versions-offered",
        "negotiation",
        0,
        events(
            both(has(ErrorMessageReceived), has(OutgoingMessage)),
            lambda seen: [*seen[:-1], OutgoingMessage(b"?OTRv4?")],
        ),
    ),
    # instance-tags
    (
        "instance-tags.answer-to-another",
        "handshakes",
        0,
        sent(Kind.DH_KEY, lambda one: one.with_value("receiver_tag", 0x777)),
    ),
    (
        "instance-tags.not-discarded",
        "clients",
        0,
        event(MessageRejected, lambda one: "tag" in one.reason.value, reason=RejectReason.UNEXPECTED),
    ),
    ("instance-tags.other-session-changed", "clients", 0, other_session_changed),
    ("instance-tags.focus-moved", "talk", 0, snapshot(SECURE, lambda one: replace(one, focus=0x999))),
    # fragments
    (
        "fragments.not-inert",
        "fragments",
        0,
        events(has(MessageRejected, reason=RejectReason.BAD_FRAGMENT), lambda seen: []),
    ),
    (
        "fragments.not-inert",
        "fragments",
        0,
        event(MessageRejected, lambda one: "order" in one.reason.value, reason=RejectReason.BAD_FRAGMENT),
    ),
    (
        "fragments.wrong-store",
        "fragments",
        0,
        snapshot(lambda step: step.action == "receive", lambda one: replace(one, fragments={7: (1, 2)})),
    ),
    (
        "fragments.too-many-senders",
        "fragments",
        0,
        snapshot(does("send"), lambda one: replace(one, fragments=dict.fromkeys(range(17), (1, 2)))),
    ),
    ("fragments.wrong-sequence", "fragments", 0, pieces(lambda out: [out[0], *out[2:]])),
    ("fragment.empty-piece-sent", "fragments", 0, pieces(lambda out: [*out[:-1], out[-1][:34] + b",,"])),
    ("fragments.over-maximum-size", "fragments", 0, pieces(lambda out: [wire.reassemble(out)])),
    ("fragments.wrong-version", "fragments", 0, pieces(lambda out: [b"?OTR" + one[22:] for one in out])),
    ("fragments.wrong-tags", "fragments", 0, pieces(lambda out: [b"?OTR|00000777" + one[13:] for one in out])),
    # leaks
    ("leaks.sent-although-refused", "in_the_clear", 0, added(does("send", refused=True), OutgoingMessage(b"made up"))),
    ("leaks.sent-unencrypted", "talk", 0, events(does("send"), lambda seen: [OutgoingMessage(b"made up")])),
    ("leaks.sent-despite-policy", "in_the_clear", 0, events(does("send"), lambda seen: [OutgoingMessage(b"made up")])),
    ("leaks.clear-text-changed", "in_the_clear", 2, events(does("send"), lambda seen: [OutgoingMessage(b"made up")])),
    (
        "leaks.wrong-tag",
        "in_the_clear",
        1,
        events(does("send"), lambda seen: [OutgoingMessage(b"typed before anything")]),
    ),
    (
        "leaks.clear-text-shown-secure",
        "in_the_clear",
        0,
        event(TextReceived, lambda one: not one.secure, secure=True),
    ),
    ("leaks.clear-text-in-session", "in_the_clear", 0, event(TextReceived, lambda one: not one.secure, instance=5)),
    ("leaks.wrong-warning", "in_the_clear", 0, event(TextReceived, lambda one: one.warn, warn=False)),
    ("leaks.data-message-shown-in-clear", "talk", 0, added(SECURE, CLEAR)),
    ("leaks.private-text-in-message", "talk", 0, text_leaks),
    ("leaks.sent-after-end", "in_the_clear", 0, events(send_in_finished, lambda seen: [OutgoingMessage(b"made up")])),
    # bounds
    ("bounds.breaks-down", "talk", 0, lambda step: replace(step, failure=StepFailure("ValueError: made up"))),
    ("bounds.wrong-refusal", "talk", 0, added(SECURE, ActionRefused("send", RefuseReason.WRONG_STATE))),
    ("bounds.refusal-without-reason", "tampering", 0, event(MessageRejected, reason=None)),
    ("bounds.bad-header-accepted", "garbage", 0, removed(has(MessageRejected, reason=RejectReason.BAD_ARMOUR))),
    ("bounds.malformed-message-accepted", "tampering", 0, removed(got(Kind.DH_COMMIT, RejectReason.MALFORMED))),
    ("bounds.too-many-answers", "talk", 0, added(SECURE, *[OutgoingMessage(b"?OTRv2?")] * 3)),
    (
        "bounds.answer-too-large",
        "negotiation",
        0,
        events(has(ErrorMessageReceived), lambda seen: [*seen, OutgoingMessage(b"?OTR Error:" + bytes(9000))]),
    ),
    ("bounds.wrong-refusal", "talk", 0, added(does("send"), MessageRejected(RejectReason.UNEXPECTED))),
    ("bounds.refused-action-has-effects", "garbage", 0, added(does("send", refused=True), CLEAR)),
    (
        "bounds.refused-action-changes-state",
        "garbage",
        0,
        snapshot(does("extra_key", refused=True), lambda one: replace(one, focus=9)),
    ),
    ("bounds.too-many-sessions", "talk", 0, snapshot(SECURE, lambda one: replace(one, sessions=one.sessions * 9))),
]


def oracle_of(check: str) -> str:
    """The id of the oracle that makes a check; scenarios make one of these checks as well."""
    return "fragments" if check == "fragment.empty-piece-sent" else check.partition(".")[0]


@pytest.mark.slow
@pytest.mark.parametrize(("check", "program", "setup", "change"), CHECKS)
def test_it_objects_to_a_change(check: str, program: str, setup: int, change: Change) -> None:
    oracle = oracle_of(check)
    with pytest.raises(OracleFailure) as caught:
        assert show(oracle, program, setup, change), "the program has no such place"
    assert (caught.value.oracle, caught.value.check) == (oracle, check)
    assert caught.value.expected
    assert caught.value.got
    assert "<" not in str(caught.value), "a value shows as Python"


@pytest.mark.slow
def test_an_action_that_the_target_does_not_support_is_no_breakdown() -> None:
    failure = StepFailure.of(TargetUnsupported("no time"))
    assert failure == StepFailure("TargetUnsupported: no time", unsupported=True)
    assert show("bounds", "talk", 0, lambda step: replace(step, failure=failure))


@pytest.mark.parametrize("oracle", sorted({oracle_of(check) for check, *_ in CHECKS}))
def test_it_is_silent_about_the_records_themselves(oracle: str) -> None:
    found = {(program, setup) for check, program, setup, _ in CHECKS if oracle_of(check) == oracle}
    for program, setup in sorted(found):
        shown: list[Step] = []
        assert not show(oracle, program, setup, shown.append)
        assert shown == list(record(program, setup)) != []


TAG_2, TAG_3 = wire.TAG_VERSIONS[2], wire.TAG_VERSIONS[3]


@pytest.mark.parametrize(
    "sent",
    [
        b"typed before anything" + wire.TAG_BASE + TAG_3 + TAG_2,
        wire.TAG_BASE + TAG_2 + TAG_3 + b"typed before anything",
        b"typed " + wire.TAG_BASE + TAG_3 + TAG_2 + b"before anything",
    ],
)
def test_a_tag_may_be_anywhere_in_a_text_and_offer_versions_in_any_order(sent: bytes) -> None:
    """[TAG-FORM-1, TAG-FORM-8]"""
    change = events(does("send"), lambda seen: [OutgoingMessage(sent)])
    assert show("leaks", "in_the_clear", 1, change), "the program has no such place"


def test_every_rule_of_every_oracle_is_tried() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in Path(base.__file__).parent.glob("*.py"))
    rules = {check for check in checks.checks() if f'"{check}"' in source}
    assert {oracle_of(check) for check in rules} == set(ORACLES)
    assert rules - {check for check, *_ in CHECKS} == ELSEWHERE
