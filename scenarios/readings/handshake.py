"""Probes of the readings on the handshake. [The protocol state machine, Authenticated Key Exchange]"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import PEER_TAG, Context, TargetSession, check, check_equal
from otterproof.harness.testkit.insider import SignatureOptions
from otterproof.harness.testkit.probe import reading, same_answer
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import SessionEstablished


@reading("AKE-FAIL-STATE")
def state_after_a_message_that_fails(context: Context) -> str:
    answers = []
    for lie in (SignatureOptions(mac=bytes(20)), SignatureOptions(signature=(1, 1))):
        target = context.target_session()
        insider = target.insider()
        target.user("start")
        dh_key = wire.build(target.receive(insider.commit()).message(Kind.DH_KEY))
        reply = target.receive(insider.reveal_signature(dh_key, lie))
        reply.assert_rejected("handshake.wrong-signature-accepted", "a Reveal Signature Message that does not verify")
        reply = target.receive(insider.reveal_signature(dh_key))
        answers.append("keep" if reply.of(SessionEstablished) else "none")
        target = context.target_session()
        insider = target.insider()
        commit = wire.build(target.query().message(Kind.DH_COMMIT))
        reveal = wire.build(target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE))
        gx = insider.decommit(commit, reveal)
        reply = target.receive(insider.signature(gx, lie))
        reply.assert_rejected("handshake.wrong-signature-accepted", "a Signature Message that does not verify")
        answers.append("keep" if target.receive(insider.signature(gx)).of(SessionEstablished) else "none")
    return same_answer(answers, "a wrong MAC and a wrong signature, in either role")


@reading("COMMIT-EQUAL")
def a_commit_with_the_same_hash(context: Context) -> str:
    target = context.target_session()
    own = target.query().message(Kind.DH_COMMIT)
    theirs = own.with_value("sender_tag", PEER_TAG) if context.version == 3 else own
    reply = target.receive(wire.build(theirs))
    if reply.messages(Kind.DH_KEY):
        return "yield"
    again = bool(reply.messages(Kind.DH_COMMIT))
    check("handshake.equal-commit-unanswered", again, expected="a D-H Key Message, or the commit again", got=reply)
    return "resend"


@reading("COMMIT-RESEND")
def resent_commit(context: Context) -> str:
    target = context.target_session()
    own = target.query().message(Kind.DH_COMMIT)
    lower = wire.build(own.with_value("hashed_gx", bytes(32)).with_value("sender_tag", PEER_TAG))
    again = target.receive(lower).message(Kind.DH_COMMIT)
    for field in ("encrypted_gx", "hashed_gx", "sender_tag"):
        before, now = own.value(field), again.value(field)
        check_equal("handshake.resent-commit-changed", now, before, case=field)
    return "same" if again.body == own.body else "filled"


@reading("COMMIT-SHARED")
def several_answers_to_one_commit(context: Context) -> str:
    target = context.target_session()
    commit = wire.build(target.query().message(Kind.DH_COMMIT))
    first, second = target.insider(), target.insider("carol", tag=0x3C3C, seed=b"second")
    reveals = [target.receive(insider.dh_key()).messages(Kind.REVEAL_SIGNATURE) for insider in (first, second)]
    check("handshake.first-dh-key-unanswered", bool(reveals[0]), expected=Kind.REVEAL_SIGNATURE, got=reveals[0])
    if not reveals[1]:
        return "first"
    for insider, reveal in zip((first, second), reveals, strict=True):
        signature = insider.signature(insider.decommit(commit, wire.build(reveal[0])))
        target.receive(signature).one(SessionEstablished)
        target.assert_receives_text(insider, b"to each")
    return "each"


@reading("AKE-REFLECTION")
def peer_with_our_own_key(context: Context) -> str:
    target = context.target_session()
    twin = target.insider("alice")
    return "accept" if target.handshake_by_target(twin).of(SessionEstablished) else "reject"


def announced(target: TargetSession) -> tuple[int, ...]:
    """The D-H keys that the target has sent so far."""
    messages = [message for reply in (target.replies(0, "target"),) for message in reply.messages(Kind.DATA)]
    return tuple(message.number("next_dh") for message in messages)


@reading("KEYMGMT-AKE-KEYS")
def keys_of_a_second_handshake(context: Context) -> str:
    target, insider = context.encrypted()
    for number in range(3):
        target.assert_sends_text(insider, b"from the target %d" % number)
        target.assert_receives_text(insider, b"from the insider %d" % number)
    known = announced(target)
    again = target.insider(seed=b"again")
    target.establish(again)
    target.assert_session_alive(again)
    return "reuse" if again.theirs[1] in known else "fresh"


@reading("ARMOUR-END")
def message_without_final_dot(context: Context) -> str:
    target = context.target_session()
    target.user("start")
    reply = target.receive(target.insider().commit()[:-1])
    return "accept" if reply.messages(Kind.DH_KEY) else "reject"


@reading("POLICY-AKE-FLAG", needs=("policy",))
def policy_flag_checked_in_the_handshake(context: Context) -> str:
    answers = []
    for target_begins in (False, True):
        target = context.target_session()
        insider = target.insider()
        reply = target.handshake_by_target(insider) if target_begins else target.handshake_by_insider(insider)
        answers.append("own" if reply.of(SessionEstablished) else "v2")
    return same_answer(answers, "a handshake in either role")


@reading("INSTANCE-RECEIVER-ZERO")
def receiver_tag_0_in_other_messages(context: Context) -> str:
    target = context.target_session()
    insider = target.insider()
    target.query()
    insider.target_tag, known = 0, insider.target_tag
    reply = target.receive(insider.dh_key())
    insider.target_tag = known
    return "accept" if reply.messages(Kind.REVEAL_SIGNATURE) else "discard"


@reading("ARMOUR-POSITION")
def text_around_a_commit(context: Context) -> str:
    taken = []
    for before, after in ((b"x ", b""), (b"", b" x")):
        target = context.target_session()
        target.user("start")
        taken.append(bool(target.receive(before + target.insider().commit() + after).messages(Kind.DH_KEY)))
    return "anywhere" if all(taken) else "start"


@reading("ARMOUR-BASE64")
def nonstandard_base64(context: Context) -> str:
    commit = context.target_session().insider().commit()
    forms = [commit[:40] + change + commit[40:] for change in (b"\n", b"*")]
    for form in forms:
        target = context.target_session()
        target.user("start")
        if target.receive(form).messages(Kind.DH_KEY):
            return "tolerant"
    return "strict"


@reading("ARMOUR-UNKNOWN")
def encoded_messages_of_unknown_kinds(context: Context) -> str:
    target = context.target_session()
    replies = [target.receive(message) for message in (b"?OTR:AAkC.", wire.armour(b"\0\2\x77"), b"?OTR:!!!!.")]
    return "show" if any(reply.clear for reply in replies) else "swallow"


@reading("COMMIT-HASH-LENGTH")
def a_commit_with_a_short_hash(context: Context) -> str:
    target = context.target_session()
    target.user("start")
    commit = wire.parse(target.insider().commit())
    short = commit.with_value("hashed_gx", commit.data("hashed_gx")[:31])
    return "answer" if target.receive(wire.build(short)).messages(Kind.DH_KEY) else "refuse"
