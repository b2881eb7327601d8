"""Every single check of every oracle can fail: records of genuine conversations, changed in one place each.

What no fault of the catalogue brings about is put into a step by hand: an event that should not be there, another byte
on the wire, a snapshot that shows something else. The steps are then shown to the oracle without any engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from otterproof.harness import wire
from otterproof.harness.judges.oracles import OracleFailure
from otterproof.harness.simulation.world import Step
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import (
    AuthState,
    Ended,
    ErrorReceived,
    Established,
    Finished,
    MessageState,
    Outgoing,
    PartySnapshot,
    RatchetSnapshot,
    Reason,
    Refused,
    Rejected,
    SessionSnapshot,
    SmpFinished,
    TextReceived,
    Unreadable,
)
from tests.oracle_changes import (
    Change,
    added,
    does,
    event,
    events,
    got,
    handshake_out_of_place,
    has,
    pieces,
    plus_one,
    ratchet,
    removed,
    revealed_twice,
    sent,
    session,
    show,
    snapshot,
)

CLEAR = TextReceived(b"made up", secure=False, warn=True, instance=0)
SECURE = has(TextReceived, secure=True)
TWO_KEYS: Callable[[RatchetSnapshot], bool] = lambda ratchet: len(ratchet.their_keys) == 2  # noqa: E731


def _first(ratchet: RatchetSnapshot, keyid: int, value: int) -> RatchetSnapshot:
    return replace(ratchet, their_keys={**ratchet.their_keys, keyid: value})


def _another_session(party: PartySnapshot) -> PartySnapshot:
    return replace(party, sessions=(*party.sessions, replace(party.sessions[0], instance=0x9999)))


def _encrypted_before(step: Step) -> bool:
    return step.before is not None and any(one.message_state is MessageState.ENCRYPTED for one in step.before.sessions)


def _both(*conditions: Callable[[Step], bool]) -> Callable[[Step], bool]:
    return lambda step: all(condition(step) for condition in conditions)


def _forbidden(one: Rejected) -> bool:
    return one.reason is Reason.VERSION_NOT_ALLOWED


#: Oracle, what is checked (a part of what the failure says), program, setup, and the change that brings it about.
CHECKS: list[tuple[str, str, str, int, Change]] = [
    # I1
    ("I1", "is shown as secure", "in_the_clear", 0, event(TextReceived, lambda one: not one.secure, secure=True)),
    ("I1", "acted upon outside", "handshakes", 0, removed(got(Kind.DATA, Reason.NOT_ENCRYPTED))),
    ("I1", "shown for another session", "talk", 0, event(TextReceived, lambda one: one.secure, instance=5)),
    ("I1", "acted upon again", "replays", 0, removed(got(Kind.DATA, Reason.BAD_COUNTER))),
    ("I1", "accepted after", "losses", 0, removed(got(Kind.DATA, Reason.BAD_COUNTER))),
    ("I1", "nobody sent", "tampering", 0, removed(got(Kind.DATA, Reason.BAD_MAC))),
    ("I1", "shown as secure: ", "talk", 0, event(TextReceived, lambda one: one.secure, text=b"other")),
    ("I1", "times, typed", "in_the_clear", 0, lambda step: _typed_otherwise(step)),
    # I2
    ("I2", "together with", "tampering", 0, added(got(Kind.DATA, Reason.BAD_MAC), CLEAR)),
    ("I2", "answered with", "tampering", 0, added(has(Rejected), Outgoing(b"?OTR Error: no"))),
    ("I2", "the user is not told", "tampering", 0, lambda step: _quietly(step)),
    ("I2", "changed the state", "tampering", 0, snapshot(has(Rejected), lambda one: replace(one, focus=9))),
    # I3
    ("I3", "a fresh message is refused", "talk", 0, events(SECURE, lambda seen: [Rejected(Reason.BAD_MAC)])),
    # I4
    ("I4", "only a", "talk", 0, added(SECURE, Established(1, 3, bytes(8), bytes(20), True, False, False))),
    ("I4", "nobody sent", "tampering", 0, lambda step: _established(step)),
    ("I4", "fingerprint", "handshakes", 0, event(Established, fingerprint=bytes(20))),
    ("I4", "version and instance", "handshakes", 0, event(Established, version=2)),
    ("I4", "version and instance", "handshakes", 0, event(Established, instance=0x777)),
    (
        "I4",
        "sides with ssid",
        "handshakes",
        0,
        event(Established, lambda one: one.sent_reveal_signature, ssid=b"8" * 8),
    ),
    ("I4", "sides with ssid", "handshakes", 0, event(Established, ssid=bytes(7))),
    ("I4", "the state of session", "talk", 0, session(lambda one: bool(one.ssid), lambda one: replace(one, ssid=b"x"))),
    # I5
    ("I5", "(0, ", "talk", 0, sent(Kind.DATA, lambda one: one.with_value("sender_keyid", 0))),
    ("I5", " after (", "talk", 0, sent(Kind.DATA, lambda one: plus_one(one, "recipient_keyid", 5), skip=3)),
    ("I5", "our 1 and their", "talk", 0, sent(Kind.DATA, lambda one: plus_one(one, "recipient_keyid"))),
    ("I5", "public value 0x1 ", "talk", 0, sent(Kind.DATA, lambda one: one.with_value("next_dh", 1))),
    ("I5", "another key than before", "talk", 0, sent(Kind.DATA, lambda one: plus_one(one, "next_dh"), skip=9)),
    ("I5", "is used again", "talk", 0, ratchet(lambda one: _key_again(one), lambda one: one.our_keyid > 2, SECURE)),
    ("I5", "our keys", "talk", 0, ratchet(lambda one: replace(one, our_keys={**one.our_keys, 9: 9}))),
    ("I5", "their keys", "talk", 0, ratchet(lambda one: replace(one, their_keys={9: 9}))),
    ("I5", "their key", "talk", 0, ratchet(lambda one: _keys_shifted(one), TWO_KEYS)),
    ("I5", "of pairs", "talk", 0, ratchet(lambda one: replace(one, sent={(9, 9): 1}))),
    ("I5", "by the message's key ids", "talk", 0, ratchet(lambda one: _one_further(one), when=SECURE)),
    ("I5", "not next_dh", "talk", 0, ratchet(lambda one: _first(one, one.their_keyid, 5), TWO_KEYS, SECURE)),
    (
        "I5",
        "a live key has changed",
        "talk",
        0,
        ratchet(lambda one: _first(one, one.their_keyid - 1, 5), TWO_KEYS, SECURE),
    ),
    # I6
    ("I6", "counter 0", "talk", 0, sent(Kind.DATA, lambda one: one.with_value("ctr", bytes(8)))),
    ("I6", "last counter sent", "talk", 0, ratchet(lambda one: replace(one, sent={(1, 1): 77}))),
    ("I6", "last counter accepted", "talk", 0, ratchet(lambda one: replace(one, received={(1, 1): 77}))),
    # I7
    ("I7", "is revealed again", "talk", 0, revealed_twice()),
    ("I7", "verifies nothing", "talk", 0, sent(Kind.DATA, lambda one: one.with_value("old_mac_keys", bytes(20)))),
    ("I7", "verifies nothing", "talk", 0, sent(Kind.DATA, lambda one: one.with_value("old_mac_keys", bytes(7)))),
    ("I7", "are not revealed", "talk", 0, sent(Kind.DATA, lambda one: _nothing_revealed(one))),
    (
        "I7",
        "are pending",
        "talk",
        0,
        session(lambda one: True, lambda one: replace(one, pending_mac_keys=(bytes(20),))),
    ),
    ("I7", "the state shows that", "talk", 0, ratchet(lambda one: replace(one, verified=frozenset({(1, 1), (8, 8)})))),
    # I9
    ("I9", "an answer is sent", "smp", 0, removed(does("smp_answer", refused=True))),
    ("I9", "both sides have a run", "talk", 0, added(SECURE, SmpFinished(0x1A1A, True))),
    ("I9", "by what the users typed", "smp", 0, event(SmpFinished, equal=False)),
    (
        "I9",
        "SMP goes from",
        "smp",
        0,
        session(lambda one: one.smp_state.value == "expect4", lambda one: _expect(one, 3)),
    ),
    ("I9", "SMP goes from", "smp", 0, removed(has(SmpFinished), SmpFinished)),
    # I10
    ("I10", "only the end of a handshake", "talk", 0, added(SECURE, Established(1, 3, b"", b"", True, False, False))),
    ("I10", "FINISHED is entered", "in_the_clear", 0, added(has(TextReceived, secure=False), Finished(0))),
    ("I10", "PLAINTEXT is entered", "talk", 0, added(does("send"), Ended(0))),
    ("I10", "without a word", "talk", 0, removed(has(Finished), Finished)),
    ("I10", "is not allowed is refused", "negotiation", 0, event(Rejected, _forbidden, reason=Reason.UNEXPECTED)),
    (
        "I10",
        "for its hash",
        "handshakes",
        0,
        events(got(Kind.DH_COMMIT), lambda seen: [Rejected(Reason.COLLISION_WON), *seen]),
    ),
    ("I10", "with a lower hash", "handshakes", 0, removed(got(Kind.DH_COMMIT, Reason.COLLISION_WON), Rejected)),
    (
        "I10",
        "in order is refused",
        "handshakes",
        0,
        events(got(Kind.DH_COMMIT), lambda seen: [Rejected(Reason.UNEXPECTED)]),
    ),
    ("I10", "is acted upon in", "replays", 0, removed(got(Kind.SIGNATURE, Reason.UNEXPECTED))),
    ("I10", "a refused message moves", "tampering", 0, lambda step: _moved(step)),
    ("I10", "the state is", "handshakes", 0, lambda step: _moved(step, Kind.DH_COMMIT)),
    ("I10", "answered with []", "handshakes", 0, removed(got(Kind.DH_COMMIT))),
    (
        "I10",
        "completes, or does not",
        "handshakes",
        2,
        removed(_both(has(Established), _encrypted_before), Established),
    ),
    ("I10", "nothing here calls for it", "handshakes", 0, handshake_out_of_place()),
    ("I10", "comes into being", "talk", 0, snapshot(does("send"), _another_session)),
    (
        "I10",
        "it stays",
        "talk",
        0,
        session(lambda one: True, lambda one: replace(one, auth_state=AuthState.AWAITING_SIG)),
    ),
    ("I10", "the best version", "negotiation", 0, removed(_both(got(Kind.QUERY), has(Outgoing)))),
    ("I10", "must hold: AWAITING_DHKEY", "negotiation", 1, lambda step: _not_waiting(step)),
    ("I10", "kept from the user", "negotiation", 0, removed(has(ErrorReceived))),
    ("I10", "as ERROR_START_AKE says", "negotiation", 0, added(has(ErrorReceived), Outgoing(b"?OTRv23?"))),
    # I11
    ("I11", "sender tag", "talk", 0, sent(Kind.DATA, lambda one: one.with_value("sender_tag", 0x777))),
    ("I11", "receiver tag", "talk", 0, sent(Kind.DATA, lambda one: one.with_value("receiver_tag", 0))),
    ("I11", "an answer to", "handshakes", 0, sent(Kind.DH_KEY, lambda one: one.with_value("receiver_tag", 0x777))),
    (
        "I11",
        "whose tags are",
        "clients",
        0,
        event(Rejected, lambda one: "tag" in one.reason.value, reason=Reason.UNEXPECTED),
    ),
    ("I11", "is changed", "clients", 0, lambda step: _other_session_changed(step)),
    ("I11", "the focus moves", "talk", 0, snapshot(SECURE, lambda one: replace(one, focus=0x999))),
    # I12
    ("I12", "for a fragment", "fragments", 0, events(has(Rejected, reason=Reason.BAD_FRAGMENT), lambda seen: [])),
    (
        "I12",
        "for a fragment",
        "fragments",
        0,
        event(Rejected, lambda one: "order" in one.reason.value, reason=Reason.BAD_FRAGMENT),
    ),
    (
        "I12",
        "the state shows fragments",
        "fragments",
        0,
        snapshot(lambda step: step.action == "receive", lambda one: replace(one, fragments={7: (1, 2)})),
    ),
    (
        "I12",
        "senders are kept",
        "fragments",
        0,
        snapshot(does("send"), lambda one: replace(one, fragments=dict.fromkeys(range(17), (1, 2)))),
    ),
    ("I12", "of a", "fragments", 0, pieces(lambda out: [out[0], *out[2:]])),
    ("I12", "bytes go out at once", "fragments", 0, pieces(lambda out: [wire.reassemble(out)])),
    ("I12", "another version", "fragments", 0, pieces(lambda out: [b"?OTR" + one[22:] for one in out])),
    ("I12", "a fragment with tags", "fragments", 0, pieces(lambda out: [b"?OTR|00000777" + one[13:] for one in out])),
    # I13
    ("I13", "goes out although refused", "in_the_clear", 0, added(does("send", refused=True), Outgoing(b"made up"))),
    ("I13", "goes out in ENCRYPTED", "talk", 0, events(does("send"), lambda seen: [Outgoing(b"made up")])),
    ("I13", "goes out under", "in_the_clear", 0, events(does("send"), lambda seen: [Outgoing(b"made up")])),
    ("I13", "as it was typed", "in_the_clear", 2, events(does("send"), lambda seen: [Outgoing(b"made up")])),
    (
        "I13",
        "the tag is sent, or not",
        "in_the_clear",
        1,
        events(does("send"), lambda seen: [Outgoing(b"typed before anything")]),
    ),
    (
        "I13",
        "in the clear is called secure",
        "in_the_clear",
        0,
        event(TextReceived, lambda one: not one.secure, secure=True),
    ),
    ("I13", "for plain text", "in_the_clear", 0, event(TextReceived, lambda one: not one.secure, instance=5)),
    ("I13", "for plain text", "in_the_clear", 0, event(TextReceived, lambda one: one.warn, warn=False)),
    ("I13", "shown as plain text", "talk", 0, added(SECURE, CLEAR)),
    ("I13", "is found in a data message", "talk", 0, lambda step: _text_leaks(step)),
    # I14
    ("I14", "it raises", "talk", 0, lambda step: replace(step, failure="ValueError: made up")),
    ("I14", "refused as an action", "talk", 0, added(SECURE, Refused("send", Reason.WRONG_STATE))),
    ("I14", "without a reason", "tampering", 0, event(Rejected, reason=Reason.UNSPECIFIED)),
    ("I14", "whose header is", "garbage", 0, removed(has(Rejected, reason=Reason.BAD_ARMOUR))),
    ("I14", "a malformed message", "tampering", 0, removed(got(Kind.DH_COMMIT, Reason.MALFORMED))),
    ("I14", "answers", "talk", 0, added(SECURE, *[Outgoing(b"?OTRv2?")] * 3)),
    (
        "I14",
        "an answer of",
        "negotiation",
        0,
        events(has(ErrorReceived), lambda seen: [*seen, Outgoing(b"?OTR Error:" + bytes(9000))]),
    ),
    ("I14", "gives a refusal", "talk", 0, added(does("send"), Rejected(Reason.UNEXPECTED))),
    ("I14", "of this action alone", "garbage", 0, added(does("send", refused=True), CLEAR)),
    (
        "I14",
        "changes the state",
        "garbage",
        0,
        snapshot(does("extra_key", refused=True), lambda one: replace(one, focus=9)),
    ),
    ("I14", "sessions", "talk", 0, snapshot(SECURE, lambda one: replace(one, sessions=one.sessions * 9))),
]


def _typed_otherwise(step: Step) -> Step | None:
    """A stored text was never typed."""
    return (
        replace(step, args={"text": b"something else"})
        if step.action == "send" and step.after and step.after.stored
        else None
    )


def _quietly(step: Step) -> Step | None:
    if not has(Unreadable, reason=Reason.BAD_MAC)(step):
        return None
    return replace(step, events=[Rejected(Reason.BAD_MAC)])


def _established(step: Step) -> Step | None:
    """A handshake that is reported complete by a message that was changed."""
    if not got(Kind.REVEAL_SIGNATURE, Reason.BAD_MAC)(step):
        return None
    return replace(step, events=[Established(0x2B2B, 3, bytes(8), bytes(20), False, False, False)])


def _key_again(ratchet: RatchetSnapshot) -> RatchetSnapshot:
    """Our new key is the one before once more."""
    old = ratchet.our_keys[ratchet.our_keyid - 1]
    return replace(ratchet, our_keys={**ratchet.our_keys, ratchet.our_keyid: old})


def _keys_shifted(ratchet: RatchetSnapshot) -> RatchetSnapshot:
    return _first(ratchet, ratchet.their_keyid, ratchet.their_keys[ratchet.their_keyid - 1])


def _one_further(ratchet: RatchetSnapshot) -> RatchetSnapshot:
    keyid = ratchet.our_keyid
    live = {keyid: ratchet.our_keys[keyid], keyid + 1: 5}
    return replace(ratchet, our_keyid=keyid + 1, our_keys=live, sent={}, received={}, verified=frozenset())


def _nothing_revealed(message: wire.Message) -> wire.Message | None:
    return message.with_value("old_mac_keys", b"") if message.data("old_mac_keys") else None


def _expect(session: SessionSnapshot, number: int) -> SessionSnapshot:
    return replace(session, smp_state=type(session.smp_state)(f"expect{number}"))


def _moved(step: Step, kind: Kind | None = None) -> Step | None:
    """The session of a handshake message shows another authentication state than it should."""
    message = step.args.get("message")
    parsed = wire.parse(message) if isinstance(message, bytes) else None
    if parsed is None or not (
        parsed.kind is kind or (kind is None and got(Kind.REVEAL_SIGNATURE, Reason.BAD_MAC)(step))
    ):
        return None
    tag = parsed.number("sender_tag")
    return session(lambda one: one.instance == tag, lambda one: replace(one, auth_state=AuthState.AWAITING_SIG))(step)


def _not_waiting(step: Step) -> Step | None:
    if not has(Outgoing)(step) or not got(Kind.QUERY)(step):
        return None
    waits: Callable[[SessionSnapshot], bool] = lambda one: one.auth_state is AuthState.AWAITING_DHKEY  # noqa: E731
    return session(waits, lambda one: replace(one, auth_state=AuthState.AWAITING_SIG))(step)


def _other_session_changed(step: Step) -> Step | None:
    texts = [one for one in step.events if isinstance(one, TextReceived) and one.secure]
    if not texts:
        return None
    other: Callable[[SessionSnapshot], bool] = lambda one: one.instance not in (0, texts[0].instance)  # noqa: E731
    return session(other, lambda one: replace(one, smp_question_waiting=True))(step)


def _text_leaks(step: Step) -> Step | None:
    text = step.args.get("text")
    if not isinstance(text, bytes) or not does("send")(step):
        return None
    return sent(Kind.DATA, lambda one: one.with_value("old_mac_keys", text))(step)


@pytest.mark.parametrize(("oracle", "says", "program", "setup", "change"), CHECKS)
def test_it_objects_to_a_change(oracle: str, says: str, program: str, setup: int, change: Change) -> None:
    with pytest.raises(OracleFailure) as caught:
        assert show(oracle, program, setup, change), "the program has no such place"
    assert caught.value.oracle == oracle
    assert says in str(caught.value)


@pytest.mark.parametrize("oracle", sorted({check[0] for check in CHECKS}))
def test_it_is_silent_about_the_records_themselves(oracle: str) -> None:
    for program, setup in sorted({(check[2], check[3]) for check in CHECKS if check[0] == oracle}):
        show(oracle, program, setup, None)
