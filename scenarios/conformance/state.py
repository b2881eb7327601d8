"""Message states: how PLAINTEXT, ENCRYPTED and FINISHED are entered and left, and what an attacker can do about it.

A text that the user types reveals the message state: it goes out as it is, in a Data Message, or not at all. [Very high
level overview, The protocol state machine, Message state, Authentication state]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from otterproof.harness import wire
from otterproof.harness.testkit.context import PEER, TARGET, Context, TargetSession, check, who_begins
from otterproof.harness.testkit.insider import Insider, SignatureOptions
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_session import SmpSession
from otterproof.harness.wire import Kind
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import SessionEstablished, TextReceived
from otterproof.scenarios.conformance.handshake_play import LATER, commit_for_query, dh_key_for

#: A Signature or Reveal Signature that does not verify.
BAD = SignatureOptions(mac=bytes(20))

#: The check that fails if a signature with a wrong MAC is accepted, by whether the target began the handshake.
MAC_NOT_VERIFIED = {
    False: "handshake.reveal-signature-mac-not-verified",
    True: "handshake.signature-message-mac-not-verified",
}

#: Texts that claim that a session is over, and an unencrypted plaintext with a Disconnected TLV.
_WORDS = (b"Bob has ended the private conversation", b"\0\0\1\0\0", b"?OTR Error: the session has ended")


def from_the_network(target: TargetSession, session: Insider) -> Iterator[bytes]:
    """Messages with which an attacker without keys may try to end encryption: texts, new handshakes, forgeries."""
    yield b"Hello, in the clear"
    yield from _WORDS
    yield b"?OTRv%d?" % target.version
    stranger = target.insider("carol", seed=b"stranger")
    stranger.target_tag = session.target_tag
    yield stranger.commit()
    yield stranger.dh_key()
    yield session.data(tlvs=[tlv(1)], mac=bytes(20))
    yield session.data(b"forged", mac=bytes(20))


def handshake_steps(
    target: TargetSession, insider: Insider, *, target_begins: bool
) -> Iterator[Callable[[SignatureOptions], bytes]]:
    """Go through a handshake up to its last message, stopping in each authentication state on the way.

    Each stop yields a function that makes the last message. The one made at the last stop completes the handshake,
    unless the target received other handshake messages in between.
    """
    if target_begins:
        commit = wire.build(commit_for_query(target))
        yield lambda signed: insider.signature(1 << 100, signed)
        reveal = wire.build(target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE))
        yield lambda signed: insider.signature(insider.decommit(commit, reveal), signed)
    else:
        dh_key = wire.build(dh_key_for(target, insider))
        yield lambda signed: insider.reveal_signature(dh_key, signed)


@scenario(requirements=("STATE-PLAINTEXT-1", "!STATE-PLAINTEXT-1", "STATE-PLAINTEXT-2", "!STATE-ENCRYPTED-1"))
def conversations_begin_in_plaintext(context: Context) -> None:
    """Before any handshake, texts pass in the clear in both directions, and nothing encrypted is read."""
    target = context.target_session()
    target.assert_sent_in_clear(b"hello", "state.not-plaintext-at-first")
    target.receive(b"hello yourself").assert_shown("text.not-shown-as-clear", b"hello yourself", secure=False)
    insider = target.insider()
    insider.assume_session()
    target.receive(insider.data(b"secret")).assert_rejected("data.read-outside-session", "before any handshake")
    target.assert_sent_in_clear(b"still in the clear", "state.not-plaintext-at-first")


@scenario(
    requirements=(
        "STATE-PLAINTEXT-3",
        "!STATE-PLAINTEXT-3",
        "STATE-SECRECY-1",
        "!STATE-SECRECY-1",
        "STATE-ENCRYPTED-1",
        "!STATE-FINISHED-2",
        "!STATE-SECRECY-2",
    )
)
def only_the_user_returns_to_plaintext(context: Context) -> None:
    """Whatever arrives from the network during a session, texts are encrypted until the user ends it."""
    target, insider = context.encrypted()
    for number, message in enumerate(from_the_network(target, insider)):
        target.tick(LATER)
        target.receive(message)
        target.assert_sends_text(insider, b"private text %d" % number, check_id="state.network-ends-encryption")
    target.assert_receives_text(insider, b"still there", check_id="state.network-ends-encryption")
    target.user("end")
    target.assert_sent_in_clear(b"in the open", "user.end-not-to-plaintext")


@scenario(requirements=("STATE-FINISHED-1", "!STATE-PLAINTEXT-3", "USER-SEND-10", "!USER-END-4"))
def network_messages_do_not_leave_finished(context: Context) -> None:
    """When the peer has ended the session, nothing that arrives from the network lets texts go out."""
    target, insider = context.encrypted()
    target.end_by_peer(insider)
    for number, message in enumerate(from_the_network(target, insider)):
        target.tick(LATER)
        target.receive(message)
        target.assert_not_sent(b"private text %d" % number, "state.finished-left")


@scenario(
    requirements=(
        "STATE-ENCRYPTED-2",
        "!STATE-ENCRYPTED-2",
        "!STATE-ENCRYPTED-1",
        "!STATE-ENCRYPTED-3",
        "STATE-AUTH-6",
        "!STATE-AUTH-6",
        "STATE-PLAINTEXT-2",
        "!USER-SEND-6",
    )
)
def only_a_completed_handshake_encrypts(context: Context) -> None:
    """Texts go out in the clear during a handshake and after one that fails; only a completed one changes that."""
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            target = context.target_session()
            insider = target.insider()
            for number, _ in enumerate(handshake_steps(target, insider, target_begins=target_begins)):
                target.assert_sent_in_clear(b"step %d" % number, "state.encrypted-too-early")
            target = context.target_session()
            insider = target.insider()
            *_, last = handshake_steps(target, insider, target_begins=target_begins)
            target.receive(last(BAD)).assert_rejected(MAC_NOT_VERIFIED[target_begins], "a MAC of zeros")
            target.assert_sent_in_clear(b"after a failure", "state.encrypted-too-early")
            target.tick(LATER)
            target.establish(insider, target_begins=target_begins)
            target.assert_session_alive(insider)


@scenario(requirements=("STATE-ENCRYPTED-3", "STATE-ENCRYPTED-4", "STATE-ENCRYPTED-1", "USER-SEND-6"))
def texts_stay_encrypted_during_another_handshake(context: Context) -> None:
    """The first session is used in every authentication state of a second handshake, and the second one after it."""
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            target, old = context.encrypted(target_begins=target_begins)
            new, kept = target.insider(seed=b"again"), "state.session-not-kept-during-handshake"
            steps: list[Callable[[SignatureOptions], bytes]] = []
            for step in handshake_steps(target, new, target_begins=target_begins):
                steps.append(step)
                target.assert_sends_text(old, b"under the old keys %d" % len(steps), check_id=kept)
                target.assert_receives_text(old, b"yes %d" % len(steps), check_id=kept)
            kept_back = old.data(b"too late")
            established = target.receive(steps[-1](SignatureOptions())).one(SessionEstablished)
            if established.refreshed is not None:
                check("state.refresh-not-reported", established.refreshed, expected="refreshed", got=established)
            target.receive(kept_back).assert_rejected("state.replaced-session-read", "a message that was kept back")
            target.assert_session_alive(new)


@scenario(requirements=("!STATE-ENCRYPTED-4", "STATE-SECRECY-2", "!STATE-AUTH-6"))
def failed_handshakes_leave_the_session(context: Context) -> None:
    """A second handshake whose signature is wrong, or that stops halfway, does not affect the session."""
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            target, insider = context.encrypted(target_begins=target_begins)
            for key in ("mallory", "carol"):
                other = target.insider(key, seed=b"other")
                *_, last = handshake_steps(target, other, target_begins=target_begins)
                target.assert_sends_text(insider, b"half way", check_id="state.session-not-kept-during-handshake")
                target.receive(last(BAD)).assert_rejected(MAC_NOT_VERIFIED[target_begins], "a MAC of zeros")
                target.assert_session_alive(insider, "state.session-not-kept-after-failure")


@scenario(needs=("smp",), requirements=("STATE-ENCRYPTED-4", "!STATE-ENCRYPTED-4", "AKE-HIDE-1", "AKE-VERIFY-6"))
def failed_handshakes_leave_the_secrets(context: Context) -> None:
    """A second handshake whose signature is wrong does not change the session id: SMP succeeds with the first one."""
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            target, insider = context.encrypted(target_begins=target_begins)
            *_, last = handshake_steps(target, target.insider(seed=b"other"), target_begins=target_begins)
            target.receive(last(BAD)).assert_rejected(MAC_NOT_VERIFIED[target_begins], "a MAC of zeros")
            target.assert_session_alive(insider, "state.session-not-kept-after-failure")
            smp_session = SmpSession(target, insider)
            check_id = "handshake.failed-one-changes-session"
            smp_session.asked(smp_session.liar()).tells(True, check_id=check_id, case="the peer asks")
            smp_session.asks(smp_session.liar(target_asks=True)).tells(True, check_id=check_id, case="the target asks")


@scenario(
    requirements=(
        "STATE-FINISHED-1",
        "!STATE-FINISHED-1",
        "STATE-FINISHED-2",
        "!STATE-FINISHED-2",
        "STATE-ENDED-2",
        "!STATE-ENDED-2",
        "!USER-SEND-10",
    )
)
def only_the_peers_end_leads_to_finished(context: Context) -> None:
    """A type 1 TLV leads to FINISHED, where no text goes out; other TLVs and the user's own end do not."""
    target, insider = context.encrypted()
    for kind in (0, 9, 0x0100, 0xFFFF):
        reply = target.receive(insider.data(b"with TLV %d" % kind, tlvs=[tlv(kind, b"\0\1\0\0")]))
        reply.assert_shown("text.not-delivered", b"with TLV %d" % kind)
        target.assert_sends_text(insider, b"still encrypted", check_id="state.finished-without-end")
    target.end_by_peer(insider)
    target.assert_not_sent(b"not any more", "state.not-finished")
    target.assert_not_sent(b"nor this", "state.not-finished")
    target, insider = context.encrypted()
    target.user("end")
    target.assert_sent_in_clear(b"in PLAINTEXT", "user.end-not-to-plaintext")


@scenario(requirements=("STATE-FINISHED-3", "!STATE-FINISHED-3"))
def handshake_leaves_finished(context: Context) -> None:
    """In FINISHED, a handshake that fails changes nothing, and one that completes leads to a new session."""
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            target, insider = context.encrypted()
            target.end_by_peer(insider)
            new = target.insider(seed=b"again")
            *_, last = handshake_steps(target, new, target_begins=target_begins)
            target.receive(last(BAD)).assert_rejected(MAC_NOT_VERIFIED[target_begins], "a MAC of zeros")
            target.assert_not_sent(b"still finished", "state.finished-left")
            target, insider = context.encrypted()
            target.end_by_peer(insider)
            target.tick(LATER)
            new = target.insider(seed=b"again")
            target.establish(new, target_begins=target_begins)
            target.assert_session_alive(new, "state.no-session-after-finished")


@scenario(
    requirements=(
        "STATE-ENDED-1",
        "!STATE-ENDED-1",
        "STATE-ENDED-3",
        "!STATE-ENDED-3",
        "USER-END-5",
        "!USER-END-5",
    )
)
def messages_of_an_ended_session_are_not_read(context: Context) -> None:
    """After either side has ended a session, none of its messages is read, old or new; a new session works."""
    for by_user in (False, True):
        with context.case():
            target, insider = context.encrypted()
            target.assert_session_alive(insider)
            kept_back = [insider.data(b"kept back"), insider.data(b"kept back, too")]
            if by_user:
                target.user("end")
            else:
                target.end_by_peer(insider)
            case = f"a message after the {'user' if by_user else 'peer'} ended the session"
            for message in (*kept_back, insider.data(b"made later"), insider.data(tlvs=[tlv(1)])):
                reply = target.receive(message)
                reply.assert_rejected("state.ended-session-read", case)
                texts = reply.of(TextReceived)
                check("state.ended-session-read", not texts, expected="no text", got=texts, case=case)
            new = target.insider(seed=b"again")
            target.tick(LATER)
            target.establish(new)
            for message in kept_back:
                target.receive(message).assert_rejected("state.ended-session-read", "a message, in the next session")
            target.assert_session_alive(new)


@scenario(requirements=("STATE-NETWORK-1", "!STATE-NETWORK-1"))
def session_survives_lost_messages(context: Context) -> None:
    """Whichever messages the network loses, a new handshake completes, and the texts that arrive are read."""
    pair = context.pair()
    for steps in range(1, 4):  # the first handshakes lose their second, third and fourth message
        pair.tick(LATER)
        pair.do(PEER, "start", {})
        names = (TARGET, PEER) * 2
        for name in names[:steps]:
            pair.deliver_next(name)
        pair.drop_all(names[steps])
    pair.tick(LATER)
    pair.establish(PEER)
    for number in range(3):
        for name in pair.names:
            pair.do(name, "send", {"text": b"lost"})
            pair.drop_all(pair.other(name))
            pair.say(name, b"%d from %s" % (number, name.encode()), check_id="state.lost-messages-block")


@scenario(requirements=("STATE-SECRECY-2", "!STATE-SECRECY-2"))
def altered_and_replayed_messages_are_rejected(context: Context) -> None:
    """Messages altered or repeated on the way are rejected; those that arrive as they were sent are read."""
    target, insider = context.encrypted()
    for number in range(3):
        text = b"text %d" % number
        genuine = insider.data(text)
        message = wire.parse(genuine)
        for name in ("flags", "ctr", "encrypted_message", "mac", "next_dh"):
            field = message.field(name)
            raw = field.raw[:-1] + bytes([field.raw[-1] ^ 1])
            changed = wire.build(message.with_raw(name, raw))
            case = f"a message with a change in its field {name}"
            target.receive(changed).assert_rejected("state.attacker-adds-text", case)
        target.receive(genuine).assert_shown("text.not-delivered", text)
        target.receive(genuine).assert_rejected("state.attacker-adds-text", "a message that arrives again")
        target.assert_sends_text(insider, b"answer %d" % number)


@scenario(requirements=("STATE-SEPARATE-1", "!STATE-SEPARATE-1"))
def conversations_are_independent(context: Context) -> None:
    """Two conversations of one program each have their own state, whatever happens in the other."""
    first, second = context.target_twice()
    apart = "state.conversations-interfere"
    one, other = first.insider(), second.insider("carol", tag=0x3C3C, seed=b"other")
    first.establish(one)
    second.assert_sent_in_clear(b"not encrypted here", apart)
    second.establish(other, target_begins=True)
    first.assert_session_alive(one, apart)
    second.assert_session_alive(other, apart)
    first.end_by_peer(one)
    first.assert_not_sent(b"finished here", apart)
    second.assert_session_alive(other, apart)
    second.receive(one.data(b"in the wrong place")).assert_rejected(apart, "a message of the other conversation")
    second.user("end")
    first.assert_not_sent(b"still finished here", apart)
