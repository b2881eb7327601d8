"""Attacks on a session: replays, forgeries, and ways to make its users speak in the clear.

Bonneau and Morrison (2006) published the replay after a change of keys and the use of MAC keys that are revealed too
early. The other defects occurred in real clients, such as sending the last text again to another peer or in the clear.
"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW, PEER, TARGET, Context, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, crypto
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.mutate import flip_bit
from otterproof.implementations.contract import OutgoingMessage, Policy

SECRET = b"nobody else must read this"


@scenario(requirements=("!DATA-RECV-13", "!DATA-CTR-3", "!KEYMGMT-RECV-6", "!KEYMGMT-RECV-2", "!KEYMGMT-RECV-3"))
def replay_after_key_rotation(context: Context) -> None:
    """Every message of a conversation is shown once: a repetition is refused.

    That holds at once, after later messages, and after any number of key changes.
    """
    target, insider = context.encrypted()
    seen: list[bytes] = []
    for number in range(5):
        for part in range(2):
            text = b"text %d.%d" % (number, part)
            seen.append(insider.data(text))
            target.receive(seen[-1]).assert_shown("text.not-delivered", text)
        for message in seen:
            target.receive(message).assert_rejected("data.replay-accepted", "a Data Message that was shown before")
        target.assert_sends_text(insider, b"answer %d" % number)
    target.assert_session_alive(insider)


@scenario(requirements=("!USER-END-5", "!DATA-RECV-13", "!STATE-ENDED-3", "!AKE-FRESH-1"))
def replay_in_another_session(context: Context) -> None:
    """No message of a session or of its handshake is accepted in the next session with the same peer."""
    target = context.target_session()
    first = target.insider()
    target.establish(first)
    texts = [b"of the first session %d" % number for number in range(3)]
    messages = [first.data(text) for text in texts]
    for message, text in zip(messages, texts, strict=True):
        target.receive(message).assert_shown("text.not-delivered", text)
    handshake = [step.args["message"] for step in target.log if step.action == "receive"][:2]
    target.user("end")
    second = target.insider(seed=b"another session")
    target.establish(second)
    for message in messages:
        target.receive(message).assert_rejected("state.ended-session-read", "a Data Message of an earlier session")
    for message in (one for one in handshake if isinstance(one, bytes)):
        target.receive(message).assert_rejected(
            "handshake.earlier-message-accepted", "a handshake message of an earlier session"
        )
    third = target.insider(seed=b"yet another")
    target.establish(third)
    target.assert_session_alive(third)


@scenario(requirements=("!MACREVEAL-WHEN-4", "!MACREVEAL-WHAT-6", "!DATA-MAC-2"))
def early_reveal(context: Context) -> None:
    """A message that an attacker held back and changed under a revealed MAC key is refused.

    A key is revealed only when no message under it is accepted any more.
    """
    target, insider = context.encrypted()
    target.assert_receives_text(insider, b"the first one")
    held = wire.parse(insider.data(b"this is held back"))
    keys: list[bytes] = []
    for number in range(4):
        keys += target.assert_sends_text(insider, b"answer %d" % number).revealed_mac_keys()
        for key in keys:
            forged = wire.parse(flip_bit(wire.build(held), 8 * held.field("encrypted_message").offset + 39))
            again = forged.with_value("ctr", (1 << 32).to_bytes(8))
            for message in (forged, again):
                target.receive(wire.build(crypto.mac_data(message, key))).assert_rejected(
                    "mac-reveal.revealed-key-accepted", "a held back message that was changed under a revealed key"
                )
        target.assert_receives_text(insider, b"question %d" % number)
    check(
        "mac-reveal.used-key-not-revealed",
        bool(keys),
        expected="old MAC keys",
        got=keys,
        case="four questions, each of them answered",
    )


@scenario(requirements=("!STATE-SECRECY-1", "!STATE-ENCRYPTED-1", "!STATE-ENCRYPTED-3", "!STATE-PLAINTEXT-3"))
def fallback_to_plaintext(context: Context) -> None:
    """Whatever an attacker sends into a session, the user's next text does not go out in the clear.

    The attacker sends queries, errors, tags, plain text, fragments, and a forged end.
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
        answer = target.receive(message)
        leaks = [raw for raw in answer.raw if SECRET in raw]
        check("text.sent-in-clear", not leaks, expected="no text in the clear", got=leaks, case=message)
        reply = target.user("send", text=SECRET + b" %d" % number)
        encrypted = Kind.DATA in reply.kinds and not any(SECRET in raw for raw in reply.raw)
        check(
            "state.network-ends-encryption",
            encrypted,
            expected="the text goes out in a Data Message, and not in the clear",
            got=reply,
            case=message,
        )


@scenario(
    requirements=("STATE-FINISHED-1", "!STATE-FINISHED-1", "USER-SEND-10", "!STATE-PLAINTEXT-3", "!STATE-FINISHED-2")
)
def nothing_is_sent_after_the_peer_ends(context: Context) -> None:
    """After the peer ends the session, the user's texts go out neither in the clear nor under the old keys.

    That holds whatever arrives in between. Texts go out in the clear again only when the user has ended the session,
    too.
    """
    target, insider = context.encrypted()
    target.receive(insider.data(tlvs=[tlv(1)]))
    received = {
        "an empty message": b"",
        "plain text": b"plain words",
        "an OTR Error Message": b"?OTR Error: gone",
        "a Data Message": insider.data(b"still there"),
    }
    for name, message in received.items():
        target.receive(message)
        reply = target.user("send", text=SECRET)
        check(
            "text.sent-after-end",
            not reply.messages(Kind.DATA) and not any(SECRET in raw for raw in reply.raw),
            expected="the text does not go out",
            got=reply,
            case=f"a text after {name}",
        )
    target.user("end")
    reply = target.user("send", text=b"in the clear")
    check(
        "user.end-not-to-plaintext",
        any(b"in the clear" in raw for raw in reply.raw),
        expected=b"in the clear",
        got=reply,
        case="a text after the user's own end",
    )


@scenario(requirements=("!USER-STORED-4", "!ERROR-RESEND-1", "!USER-STORED-5"))
def resend_to_another_peer(context: Context) -> None:
    """The last text of a session is not sent again to a peer with another key.

    That holds even if an Error Message makes the target think that the text did not arrive.
    """
    policy = ALLOW[context.version] | Policy.ERROR_START_AKE if "policy" in context.target.capabilities else None
    target, insider = context.encrypted(policy=policy)
    target.assert_sends_text(insider, SECRET)
    target.receive(b"?OTR Error: An encrypted message could not be read.")
    thief = target.insider("carol", insider.tag, b"thief")
    reply = target.handshake_by_insider(thief)
    for message in reply.messages(Kind.DATA):
        text = target.read(thief, message).text
        check(
            "user.text-sent-to-another-key",
            SECRET not in text,
            expected="no text for the first key",
            got=text,
            case="a Data Message to the second key",
        )


@scenario(needs=("policy",), requirements=("POLICY-REQUIRE-1", "!POLICY-REQUIRE-1", "!USER-STORED-2", "!USER-SEND-1"))
def required_encryption_prevents_cleartext(context: Context) -> None:
    """With REQUIRE_ENCRYPTION no text leaves in the clear in any state, whatever an attacker sends."""
    target = context.target_session(policy=ALLOW[context.version] | Policy.REQUIRE_ENCRYPTION)
    insider = target.insider()

    def typed(case: object) -> None:
        reply = target.user("send", text=SECRET)
        leaks = [raw for raw in reply.raw if SECRET in raw]
        check("policy.text-sent-in-clear", not leaks, expected="no text in the clear", got=leaks, case=case)

    injected = (b"plain words", b"?OTR Error: no", b"?OTRv1?", b"?OTR?", insider.commit())
    typed("at first")
    for message in injected:
        target.receive(message)
        typed(message)
    target.establish(target.insider(seed=b"a good one"))
    typed("in a session")
    target.user("end")
    typed("after the user's end")


@scenario(requirements=("!ROBUST-INPUT-3", "!STATE-SECRECY-2", "STATE-NETWORK-1"))
def forgeries_do_not_stop_a_conversation(context: Context) -> None:
    """A forgery with a bit flipped in any field is refused, for all messages of a conversation.

    The genuine message is shown, and both sides can go on.
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
                        continue  # another tag makes it a message for another client
                    forged = flip_bit(genuine, 8 * (field.offset + len(field.raw)) - 1)
                    pair.deliver(TARGET, forged).assert_rejected(
                        "state.attacker-adds-text", f"a bit inverted in {field.name}"
                    )
            pair.deliver(receiver, genuine).assert_shown(
                "robustness.forgery-changes-session",
                b"number %d" % number,
                case=f"the genuine message to the {receiver}",
            )
            pair.drop_all(TARGET)
            pair.drop_all(PEER)
    pair.say(TARGET, b"all is well", check_id="robustness.forgery-changes-session")
    pair.say(PEER, b"it is", check_id="robustness.forgery-changes-session")


@scenario(requirements=("!DATA-HEARTBEAT-1", "!DATA-RECV-11", "!ROBUST-LOOP-1"))
def messages_without_text_are_not_answered_endlessly(context: Context) -> None:
    """Messages without text, however many, show nothing, and at most one of them is answered."""
    target, insider = context.encrypted()
    target.assert_sends_text(insider, b"I have just written")
    answers = 0
    for number in range(10):
        reply = target.receive(insider.data(b"", tlvs=[tlv(0, bytes(number))]))
        check(
            "data.empty-text-shown",
            not reply.secure and not reply.clear,
            expected="no text is shown",
            got=reply,
            case=f"a Data Message without text, with {number} bytes of padding",
        )
        answers += len(reply.of(OutgoingMessage))
    check(
        "data.heartbeats-endless",
        answers <= 1,
        expected="at most one answer",
        got=f"{answers} answers",
        case="ten Data Messages without text",
    )
