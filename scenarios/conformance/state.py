"""Message states: what enters and leaves PLAINTEXT, ENCRYPTED and FINISHED, and what an attacker can do about it.

The message state is told by what becomes of a text that the user types: it goes out as it is, in a Data Message, or not
at all. [Very high level overview, The protocol state machine, Message state, Authentication state]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from otterproof.harness import wire
from otterproof.harness.testkit.context import PEER, TARGET, Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider, SignatureOptions
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import Established, TextReceived
from otterproof.scenarios.conformance.handshake_play import LATER, commit_for_query, dh_key_for

#: A Signature or Reveal Signature that fails.
BAD = SignatureOptions(mac=bytes(20))

#: Text that says that a session is over, and a plaintext with a Disconnected TLV that nobody encrypted.
_WORDS = (b"Bob has ended the private conversation", b"\0\0\1\0\0", b"?OTR Error: the session has ended")


def from_the_network(target: TargetSession, session: Insider) -> Iterator[bytes]:
    """What somebody without keys can send in the hope that encryption ends: words, beginnings, forged messages."""
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
    """Go through a handshake up to its last message, and stop on the way in each authentication state.

    What is given each time makes the message that would complete it, in the states that await one. The target must
    have been left in peace in between.
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
    """Before any handshake texts pass in the clear in both directions, and nothing encrypted is read."""
    target = context.target_session()
    target.assert_sent_in_clear(b"hello")
    target.receive(b"hello yourself").assert_shown(b"hello yourself", secure=False)
    insider = target.insider()
    insider.assume_session()
    target.receive(insider.data(b"secret")).assert_rejected("a Data Message before any handshake")
    target.assert_sent_in_clear(b"still in the clear")


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
def nobody_else_brings_back_plaintext(context: Context) -> None:
    """Whatever comes over the network in a session, the user's texts are encrypted until he ends it."""
    target, insider = context.encrypted()
    for number, message in enumerate(from_the_network(target, insider)):
        target.tick(LATER)
        target.receive(message)
        target.assert_sends_text(insider, b"private text %d" % number)
    target.assert_receives_text(insider, b"still there")
    target.user("end")
    target.assert_sent_in_clear(b"in the open")


@scenario(requirements=("STATE-FINISHED-1", "!STATE-PLAINTEXT-3", "USER-SEND-10", "!USER-END-4"))
def nobody_else_leads_out_of_finished(context: Context) -> None:
    """When the correspondent has ended the session nothing that comes over the network lets texts go out."""
    target, insider = context.encrypted()
    target.end_by_peer(insider)
    for number, message in enumerate(from_the_network(target, insider)):
        target.tick(LATER)
        target.receive(message)
        target.assert_not_sent(b"private text %d" % number)


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
    """At each step of a handshake, and after one that fails, texts pass in the clear; only its success changes that."""
    for target_begins in (False, True):
        target = context.target_session()
        insider = target.insider()
        for number, _ in enumerate(handshake_steps(target, insider, target_begins=target_begins)):
            target.assert_sent_in_clear(b"step %d" % number)
        target = context.target_session()
        insider = target.insider()
        *_, last = handshake_steps(target, insider, target_begins=target_begins)
        target.receive(last(BAD)).assert_rejected("a signature whose MAC is wrong")
        target.assert_sent_in_clear(b"after a failure")
        target.tick(LATER)
        target.establish(insider, target_begins=target_begins)
        target.assert_session_alive(insider)


@scenario(requirements=("STATE-ENCRYPTED-3", "STATE-ENCRYPTED-4", "STATE-ENCRYPTED-1", "USER-SEND-6"))
def texts_stay_encrypted_during_another_handshake(context: Context) -> None:
    """In every authentication state of a second handshake the first session is used; then the second one is."""
    for target_begins in (False, True):
        target, old = context.encrypted(target_begins=target_begins)
        new = target.insider(seed=b"again")
        steps: list[Callable[[SignatureOptions], bytes]] = []
        for step in handshake_steps(target, new, target_begins=target_begins):
            steps.append(step)
            target.assert_sends_text(old, b"under the old keys %d" % len(steps))
            target.assert_receives_text(old, b"yes %d" % len(steps))
        kept_back = old.data(b"too late")
        established = target.receive(steps[-1](SignatureOptions())).one(Established)
        if target.tells("established", "refreshed"):
            check(established.refreshed, "a session that takes the place of another is reported as refreshed")
        target.receive(kept_back).assert_rejected("a message of the session that was replaced")
        target.assert_session_alive(new)


@scenario(requirements=("!STATE-ENCRYPTED-4", "STATE-SECRECY-2", "!STATE-AUTH-6"))
def failed_handshakes_leave_the_session(context: Context) -> None:
    """A second handshake whose signature is wrong, or that stops half way, leaves the session as it was."""
    for target_begins in (False, True):
        target, insider = context.encrypted(target_begins=target_begins)
        for key in ("mallory", "carol"):
            other = target.insider(key, seed=b"other")
            *_, last = handshake_steps(target, other, target_begins=target_begins)
            target.assert_sends_text(insider, b"half way")
            target.receive(last(BAD)).assert_rejected("a signature whose MAC is wrong")
            target.assert_session_alive(insider)


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
def only_the_correspondents_end_finishes(context: Context) -> None:
    """A type 1 TLV leads to FINISHED, where no text goes out; other TLVs do not, nor does the user's own end."""
    target, insider = context.encrypted()
    for kind in (0, 9, 0x0100, 0xFFFF):
        reply = target.receive(insider.data(b"with TLV %d" % kind, tlvs=[tlv(kind, b"\0\1\0\0")]))
        reply.assert_shown(b"with TLV %d" % kind)
        target.assert_sends_text(insider, b"still encrypted")
    target.end_by_peer(insider)
    target.assert_not_sent(b"not any more")
    target.assert_not_sent(b"nor this")
    target, insider = context.encrypted()
    target.user("end")
    target.assert_sent_in_clear(b"in PLAINTEXT")


@scenario(requirements=("STATE-FINISHED-3", "!STATE-FINISHED-3"))
def a_handshake_leads_out_of_finished(context: Context) -> None:
    """In FINISHED a handshake that fails changes nothing, and one that completes leads to a new session."""
    for target_begins in (False, True):
        target, insider = context.encrypted()
        target.end_by_peer(insider)
        new = target.insider(seed=b"again")
        *_, last = handshake_steps(target, new, target_begins=target_begins)
        target.receive(last(BAD)).assert_rejected("a signature whose MAC is wrong")
        target.assert_not_sent(b"still finished")
        target, insider = context.encrypted()
        target.end_by_peer(insider)
        target.tick(LATER)
        new = target.insider(seed=b"again")
        target.establish(new, target_begins=target_begins)
        target.assert_session_alive(new)


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
def nothing_of_an_ended_session_is_read(context: Context) -> None:
    """After either side's end, messages of that session are not read, kept back or made later; a new session's are."""
    for by_user in (False, True):
        target, insider = context.encrypted()
        target.assert_session_alive(insider)
        kept_back = [insider.data(b"kept back"), insider.data(b"kept back, too")]
        if by_user:
            target.user("end")
        else:
            target.end_by_peer(insider)
        for message in (*kept_back, insider.data(b"made later"), insider.data(tlvs=[tlv(1)])):
            reply = target.receive(message)
            reply.assert_rejected("a message of a session that has ended")
            check(not reply.of(TextReceived), "a message of a session that has ended is not shown")
        new = target.insider(seed=b"again")
        target.tick(LATER)
        target.establish(new)
        for message in kept_back:
            target.receive(message).assert_rejected("a message of the session before")
        target.assert_session_alive(new)


@scenario(requirements=("STATE-NETWORK-1", "!STATE-NETWORK-1"))
def lost_messages_are_survived(context: Context) -> None:
    """Whichever messages a network loses, a handshake can be begun again, and texts that are not lost are read."""
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
            pair.say(name, b"%d from %s" % (number, name.encode()))


@scenario(requirements=("STATE-SECRECY-2", "!STATE-SECRECY-2"))
def an_attacker_adds_nothing(context: Context) -> None:
    """Messages that are changed, repeated or invented show nothing; those that come as they were sent, do."""
    target, insider = context.encrypted()
    for number in range(3):
        text = b"text %d" % number
        genuine = insider.data(text)
        message = wire.parse(genuine)
        for name in ("flags", "ctr", "encrypted_message", "mac", "next_dh"):
            field = message.field(name)
            raw = field.raw[:-1] + bytes([field.raw[-1] ^ 1])
            changed = wire.build(message.with_raw(name, raw))
            target.receive(changed).assert_rejected(f"a message whose {name} was changed")
        target.receive(genuine).assert_shown(text)
        target.receive(genuine).assert_rejected("a message that comes again")
        target.assert_sends_text(insider, b"answer %d" % number)


@scenario(requirements=("STATE-SEPARATE-1", "!STATE-SEPARATE-1"))
def conversations_do_not_touch_each_other(context: Context) -> None:
    """Of two conversations of one program each has its own state, whatever happens in the other."""
    first, second = context.target_twice()
    one, other = first.insider(), second.insider("carol", tag=0x3C3C, seed=b"other")
    first.establish(one)
    second.assert_sent_in_clear(b"not encrypted here")
    second.establish(other, target_begins=True)
    first.assert_session_alive(one)
    second.assert_session_alive(other)
    first.end_by_peer(one)
    first.assert_not_sent(b"finished here")
    second.assert_session_alive(other)
    second.receive(one.data(b"in the wrong place")).assert_rejected("a message of the other conversation")
    second.user("end")
    first.assert_not_sent(b"still finished here")
