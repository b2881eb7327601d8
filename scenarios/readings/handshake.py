"""Probes of readings on the handshake. [The protocol state machine, Authenticated Key Exchange]"""

from __future__ import annotations

from harness import wire
from harness.insider import Signed
from harness.reading import reading
from harness.stage import PEER_TAG, Stage, Subject, check
from harness.wire import Kind
from implementations.contract import Established


@reading("AKE-FAIL-STATE")
def state_after_a_message_that_fails(stage: Stage) -> str:
    answers = set()
    for lie in (Signed(mac=bytes(20)), Signed(pair=(1, 1))):
        subject = stage.subject()
        insider = subject.insider()
        subject.user("start")
        dh_key = wire.build(subject.give(insider.commit()).message(Kind.DH_KEY))
        subject.give(insider.reveal_signature(dh_key, lie)).accepts_nothing("a message that fails")
        answers.add(bool(subject.give(insider.reveal_signature(dh_key)).of(Established)))
        subject = stage.subject()
        insider = subject.insider()
        commit = wire.build(subject.query().message(Kind.DH_COMMIT))
        reveal = wire.build(subject.give(insider.dh_key()).message(Kind.REVEAL_SIGNATURE))
        gx = insider.opened(commit, reveal)
        subject.give(insider.signature(gx, lie)).accepts_nothing("a message that fails")
        answers.add(bool(subject.give(insider.signature(gx)).of(Established)))
    check(len(answers) == 1, "the state afterwards is the same in both roles, and for each thing that can fail")
    return "keep" if answers == {True} else "none"


@reading("COMMIT-EQUAL")
def a_commit_with_the_same_hash(stage: Stage) -> str:
    subject = stage.subject()
    own = subject.query().message(Kind.DH_COMMIT)
    theirs = own.with_value("sender_tag", PEER_TAG) if stage.version == 3 else own
    reply = subject.give(wire.build(theirs))
    if reply.messages(Kind.DH_KEY):
        return "yield"
    check(bool(reply.messages(Kind.DH_COMMIT)), f"the target yields or sends its commit again: {reply}")
    return "resend"


@reading("COMMIT-RESEND")
def a_commit_that_is_sent_again(stage: Stage) -> str:
    subject = stage.subject()
    own = subject.query().message(Kind.DH_COMMIT)
    lower = wire.build(own.with_value("hashed_gx", bytes(32)).with_value("sender_tag", PEER_TAG))
    again = subject.give(lower).message(Kind.DH_COMMIT)
    for field in ("encrypted_gx", "hashed_gx", "sender_tag"):
        check(again.value(field) == own.value(field), f"the commit that is sent again has the same {field}")
    return "same" if again.body == own.body else "filled"


@reading("COMMIT-SHARED")
def several_answers_to_one_commit(stage: Stage) -> str:
    subject = stage.subject()
    commit = wire.build(subject.query().message(Kind.DH_COMMIT))
    first, second = subject.insider(), subject.insider("carol", tag=0x3C3C, seed=b"second")
    reveals = [subject.give(insider.dh_key()).messages(Kind.REVEAL_SIGNATURE) for insider in (first, second)]
    check(bool(reveals[0]), "the first answer gets a Reveal Signature Message")
    if not reveals[1]:
        return "first"
    for insider, reveal in zip((first, second), reveals, strict=True):
        signature = insider.signature(insider.opened(commit, wire.build(reveal[0])))
        subject.give(signature).one(Established)
        subject.hears(insider, b"to each")
    return "each"


@reading("AKE-REFLECTION")
def a_peer_with_the_own_key(stage: Stage) -> str:
    subject = stage.subject()
    twin = subject.insider("alice")
    return "accept" if subject.answer(twin).of(Established) else "reject"


def announced(subject: Subject) -> tuple[int, ...]:
    """The D-H keys that the target has shown so far."""
    messages = [message for reply in (subject.replies(0, "target"),) for message in reply.messages(Kind.DATA)]
    return tuple(message.number("next_dh") for message in messages)


@reading("KEYMGMT-AKE-KEYS")
def keys_of_a_second_handshake(stage: Stage) -> str:
    subject, insider = stage.encrypted()
    for number in range(3):
        subject.says(insider, b"from the target %d" % number)
        subject.hears(insider, b"from the insider %d" % number)
    known = announced(subject)
    again = subject.insider(seed=b"again")
    subject.establish(again)
    subject.still_talks(again)
    return "reuse" if again.theirs[1] in known else "fresh"


@reading("ARMOUR-END")
def a_commit_without_its_last_byte(stage: Stage) -> str:
    subject = stage.subject()
    subject.user("start")
    reply = subject.give(subject.insider().commit()[:-1])
    return "accept" if reply.messages(Kind.DH_KEY) else "reject"


@reading("POLICY-AKE-FLAG", needs=("policy",))
def the_flag_that_counts_in_the_handshake(stage: Stage) -> str:
    done = []
    for target_begins in (False, True):
        subject = stage.subject()
        insider = subject.insider()
        reply = subject.answer(insider) if target_begins else subject.begin(insider)
        done.append(bool(reply.of(Established)))
    check(len(set(done)) == 1, "it is the same flag in both roles")
    return "own" if done[0] else "v2"


@reading("INSTANCE-RECEIVER-ZERO")
def receiver_tag_0_in_other_messages(stage: Stage) -> str:
    subject = stage.subject()
    insider = subject.insider()
    subject.query()
    insider.target_tag, known = 0, insider.target_tag
    reply = subject.give(insider.dh_key())
    insider.target_tag = known
    return "accept" if reply.messages(Kind.REVEAL_SIGNATURE) else "discard"


@reading("ARMOUR-POSITION")
def text_around_a_commit(stage: Stage) -> str:
    taken = []
    for before, after in ((b"x ", b""), (b"", b" x")):
        subject = stage.subject()
        subject.user("start")
        taken.append(bool(subject.give(before + subject.insider().commit() + after).messages(Kind.DH_KEY)))
    return "anywhere" if all(taken) else "start"


@reading("ARMOUR-BASE64")
def base64_that_is_not_of_the_form(stage: Stage) -> str:
    commit = stage.subject().insider().commit()
    forms = [commit[:40] + change + commit[40:] for change in (b"\n", b"*")]
    for form in forms:
        subject = stage.subject()
        subject.user("start")
        if subject.give(form).messages(Kind.DH_KEY):
            return "tolerant"
    return "strict"


@reading("ARMOUR-UNKNOWN")
def encoded_messages_of_unknown_kinds(stage: Stage) -> str:
    subject = stage.subject()
    replies = [subject.give(message) for message in (b"?OTR:AAkC.", wire.armour(b"\0\2\x77"), b"?OTR:!!!!.")]
    return "show" if any(reply.clear for reply in replies) else "swallow"
