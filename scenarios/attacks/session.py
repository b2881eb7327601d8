"""Attacks on a session: old messages again, other words in its place, and ways to make its users speak in the clear.

Message replay after a change of keys and revealing too early were shown by Bonneau and Morrison (2006); that the last
message went to another peer, or in the clear, are defects that clients had.
"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW, PEER, TARGET, Context, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, crypto
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.mutate import flip_bit
from otterproof.implementations.contract import Outgoing, Policy

SECRET = b"nobody else must read this"


@scenario(requirements=("!DATA-RECV-13", "!DATA-CTR-3", "!KEYMGMT-RECV-6", "!KEYMGMT-RECV-2", "!KEYMGMT-RECV-3"))
def replay_after_a_change_of_keys(context: Context) -> None:
    """Every message of a conversation is shown once: not again at once, nor after later ones, nor after any number of
    key changes.
    """
    target, insider = context.encrypted()
    seen: list[bytes] = []
    for number in range(5):
        for part in range(2):
            seen.append(insider.data(b"text %d.%d" % (number, part)))
            target.receive(seen[-1]).assert_shown(b"text %d.%d" % (number, part))
        for message in seen:
            target.receive(message).assert_rejected("a message that was shown already")
        target.assert_sends_text(insider, b"answer %d" % number)
    target.assert_session_alive(insider)


@scenario(requirements=("!USER-END-5", "!DATA-RECV-13", "!STATE-ENDED-3", "!AKE-FRESH-1"))
def replay_in_another_session(context: Context) -> None:
    """Nothing of a session is taken in the next one with the same peer, neither its messages nor its handshake."""
    target = context.target_session()
    first = target.insider()
    target.establish(first)
    texts = [first.data(b"of the first session %d" % number) for number in range(3)]
    for number, text in enumerate(texts):
        target.receive(text).assert_shown(b"of the first session %d" % number)
    handshake = [step.args["message"] for step in target.log if step.action == "receive"][:2]
    target.user("end")
    second = target.insider(seed=b"another session")
    target.establish(second)
    for message in [*texts, *(one for one in handshake if isinstance(one, bytes))]:
        target.receive(message).assert_rejected("a message of an earlier session")
    third = target.insider(seed=b"yet another")
    target.establish(third)
    target.assert_session_alive(third)


@scenario(requirements=("!MACREVEAL-WHEN-4", "!MACREVEAL-WHAT-6", "!DATA-MAC-2"))
def early_reveal(context: Context) -> None:
    """An attacker holds a message back until MAC keys are revealed, and changes it with each of these keys: the target
    takes none of them, for a key is revealed only when nothing is accepted under it any more.
    """
    target, insider = context.encrypted()
    target.assert_receives_text(insider, b"the first one")
    held = wire.parse(insider.data(b"this is held back"))
    keys: list[bytes] = []
    for number in range(4):
        block = target.assert_sends_text(insider, b"answer %d" % number).data("old_mac_keys")
        keys += [block[at : at + 20] for at in range(0, len(block), 20)]
        for key in keys:
            forged = wire.parse(flip_bit(wire.build(held), 8 * held.field("encrypted_message").offset + 39))
            again = forged.with_value("ctr", (1 << 32).to_bytes(8))
            for message in (forged, again):
                target.receive(wire.build(crypto.mac_data(message, key))).assert_rejected(
                    "a forgery under a revealed key"
                )
        target.assert_receives_text(insider, b"question %d" % number)
    check(bool(keys), "MAC keys are revealed as the conversation goes on")


@scenario(requirements=("!STATE-SECRECY-1", "!STATE-ENCRYPTED-1", "!STATE-ENCRYPTED-3", "!STATE-PLAINTEXT-3"))
def plaintext_fall_back(context: Context) -> None:
    """Whatever an attacker sends into a session, what the user types next never goes out in the clear: queries, errors,
    tags, plain text, fragments and a forged end.
    """
    tag = wire.TAG_BASE + b"".join(wire.TAG_VERSIONS.values())
    injected: list[bytes] = [
        b"?OTRv%d?" % context.version,
        b"?OTRv1?",
        b"?OTR?",
        b"?OTR Error: I have lost the keys",
        b"hello" + tag,
        b"plain words",
        b"?OTR:AAMDAAAA.",
        b"?OTR,1,2,?OTR:AA,",
        b"?OTR|2b2b|1a1a,1,2,?OTR:AA,",
        b"?OTR:",
        b"",
    ]
    target, insider = context.encrypted()
    ended = wire.parse(insider.data(tlvs=[tlv(1)]))
    injected.append(wire.build(ended.with_value("mac", bytes(20))))
    for number, message in enumerate(injected):
        replies = [target.receive(message), target.user("send", text=SECRET + b" %d" % number)]
        for raw in (raw for reply in replies for raw in reply.raw):
            check(SECRET not in raw, f"the text stays encrypted after {message[:40]!r}")
        check(Kind.DATA in replies[1].kinds, f"it goes out as a data message after {message[:40]!r}: {replies[1]}")


@scenario(
    requirements=("STATE-FINISHED-1", "!STATE-FINISHED-1", "USER-SEND-10", "!STATE-PLAINTEXT-3", "!STATE-FINISHED-2")
)
def nothing_is_sent_after_the_peer_has_left(context: Context) -> None:
    """After the peer's end, what the user types is neither sent in the clear nor encrypted to keys that are gone,
    whatever is received in between; only when the user has ended the session too is it plain text again.
    """
    target, insider = context.encrypted()
    target.receive(insider.data(tlvs=[tlv(1)]))
    for message in (b"", b"plain words", b"?OTR Error: gone", insider.data(b"still there")):
        target.receive(message)
        reply = target.user("send", text=SECRET)
        check(not reply.messages(Kind.DATA), f"no data message goes out after the peer's end, and there was {reply}")
        check(not any(SECRET in raw for raw in reply.raw), "the text does not go out in the clear")
    target.user("end")
    reply = target.user("send", text=b"in the clear")
    check(any(b"in the clear" in raw for raw in reply.raw), f"after the user's own end texts are plain again: {reply}")


@scenario(requirements=("!USER-STORED-4", "!ERROR-RESEND-1", "!USER-STORED-5"))
def resend_to_another_peer(context: Context) -> None:
    """The last text of a session is not sent again to whoever comes next with another key, when an error makes the
    target think that it did not arrive.
    """
    policy = ALLOW[context.version] | Policy.ERROR_START_AKE if "policy" in context.target.capabilities else None
    target, insider = context.encrypted(policy=policy)
    target.assert_sends_text(insider, SECRET)
    target.receive(b"?OTR Error: An encrypted message could not be read.")
    thief = target.insider("carol", insider.tag, b"thief")
    reply = target.handshake_by_insider(thief)
    for message in reply.messages(Kind.DATA):
        text = target.read(thief, message).text
        check(SECRET not in text, f"the text for one key is not sent to another, and was: {text!r}")


@scenario(needs=("policy",), requirements=("POLICY-REQUIRE-1", "!POLICY-REQUIRE-1", "!USER-STORED-2", "!USER-SEND-1"))
def nothing_in_the_clear_where_encryption_is_required(context: Context) -> None:
    """With REQUIRE_ENCRYPTION no text leaves in the clear, in no state and whatever an attacker sends."""
    target = context.target_session(policy=ALLOW[context.version] | Policy.REQUIRE_ENCRYPTION)
    insider = target.insider()

    def typed() -> None:
        reply = target.user("send", text=SECRET)
        check(
            not any(SECRET in raw for raw in reply.raw), f"the text does not go out in the clear, and it did: {reply}"
        )

    for message in (None, b"plain words", b"?OTR Error: no", b"?OTRv1?", b"?OTR?", insider.commit()):
        if message is not None:
            target.receive(message)
        typed()
    target.establish(target.insider(seed=b"a good one"))
    typed()
    target.user("end")
    typed()


@scenario(requirements=("!ROBUST-INPUT-3", "!STATE-SECRECY-2", "STATE-NETWORK-1"))
def forgeries_do_not_stop_a_conversation(context: Context) -> None:
    """Bits inverted in every field of the messages of a conversation, copies of them, and invented ones: each is
    refused, the genuine one is shown, and both sides can go on.
    """
    pair = context.pair()
    pair.establish(PEER)
    for number in range(3):
        for sender, receiver in ((PEER, TARGET), (TARGET, PEER)):
            pair.do(sender, "send", {"text": b"number %d" % number})
            genuine = pair.pop(receiver)
            message = wire.parse(genuine)
            if receiver == TARGET:
                for field in message.fields[:-1]:
                    if field.name in ("sender_tag", "receiver_tag", "version", "type") or not field.raw:
                        continue  # these make it a message for others
                    forged = flip_bit(genuine, 8 * (field.offset + len(field.raw)) - 1)
                    pair.deliver(TARGET, forged).assert_rejected(f"a bit inverted in {field.name}")
            pair.deliver(receiver, genuine).assert_shown(b"number %d" % number)
            pair.drop_all(TARGET)
            pair.drop_all(PEER)
    pair.say(TARGET, b"all is well")
    pair.say(PEER, b"it is")


@scenario(requirements=("!DATA-HEARTBEAT-1", "!DATA-RECV-11", "!ROBUST-LOOP-1"))
def messages_without_text_are_not_answered_for_ever(context: Context) -> None:
    """Messages without text, as many as somebody likes to send, show nothing, and one of them at most is answered."""
    target, insider = context.encrypted()
    target.assert_sends_text(insider, b"I have just written")
    answers = 0
    for number in range(10):
        reply = target.receive(insider.data(b"", tlvs=[tlv(0, bytes(number))]))
        check(not reply.secure and not reply.clear, f"a message without text shows nothing, and there was {reply}")
        answers += len(reply.of(Outgoing))
    check(answers <= 1, f"ten messages without text are answered at most once, and were {answers} times")
