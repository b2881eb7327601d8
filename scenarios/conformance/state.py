"""Message states: what enters and leaves PLAINTEXT, ENCRYPTED and FINISHED, and what an attacker can do about it.

The message state is told by what becomes of a text that the user types: it goes out as it is, in a Data Message, or not
at all. [Very high level overview, The protocol state machine, Message state, Authentication state]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness import wire
from harness.insider import Insider, Signed
from harness.scenario import scenario
from harness.stage import PEER, TARGET, Stage, Subject, check
from harness.wire import Kind
from harness.wire.layers import tlv
from implementations.contract import Established, TextReceived
from scenarios.conformance.handshake_play import LATER, commit_for_query, dh_key_for

#: A Signature or Reveal Signature that fails.
BAD = Signed(mac=bytes(20))

#: Text that says that a session is over, and a plaintext with a Disconnected TLV that nobody encrypted.
_WORDS = (b"Bob has ended the private conversation", b"\0\0\1\0\0", b"?OTR Error: the session has ended")


def from_the_network(subject: Subject, session: Insider) -> Iterator[bytes]:
    """What somebody without keys can send in the hope that encryption ends: words, beginnings, forged messages."""
    yield b"Hello, in the clear"
    yield from _WORDS
    yield b"?OTRv%d?" % subject.version
    stranger = subject.insider("carol", seed=b"stranger")
    stranger.target_tag = session.target_tag
    yield stranger.commit()
    yield stranger.dh_key()
    yield session.data(tlvs=[tlv(1)], mac=bytes(20))
    yield session.data(b"forged", mac=bytes(20))


def handshake_steps(subject: Subject, insider: Insider, *, target_begins: bool) -> Iterator[Callable[[Signed], bytes]]:
    """Go through a handshake up to its last message, and stop on the way in each authentication state.

    What is given each time makes the message that would complete it, in the states that await one. The target must
    have been left in peace in between.
    """
    if target_begins:
        commit = wire.build(commit_for_query(subject))
        yield lambda signed: insider.signature(1 << 100, signed)
        reveal = wire.build(subject.give(insider.dh_key()).message(Kind.REVEAL_SIGNATURE))
        yield lambda signed: insider.signature(insider.opened(commit, reveal), signed)
    else:
        dh_key = wire.build(dh_key_for(subject, insider))
        yield lambda signed: insider.reveal_signature(dh_key, signed)


@scenario(requirements=("STATE-PLAINTEXT-1", "!STATE-PLAINTEXT-1", "STATE-PLAINTEXT-2", "!STATE-ENCRYPTED-1"))
def conversations_begin_in_plaintext(stage: Stage) -> None:
    """Before any handshake texts pass in the clear in both directions, and nothing encrypted is read."""
    subject = stage.subject()
    subject.in_clear(b"hello")
    subject.give(b"hello yourself").shows(b"hello yourself", secure=False)
    insider = subject.insider()
    insider.imagine()
    subject.give(insider.data(b"secret")).accepts_nothing("a Data Message before any handshake")
    subject.in_clear(b"still in the clear")


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
def nobody_else_brings_back_plaintext(stage: Stage) -> None:
    """Whatever comes over the network in a session, the user's texts are encrypted until he ends it."""
    subject, insider = stage.encrypted()
    for number, message in enumerate(from_the_network(subject, insider)):
        subject.tick(LATER)
        subject.give(message)
        subject.says(insider, b"private text %d" % number)
    subject.hears(insider, b"still there")
    subject.user("end")
    subject.in_clear(b"in the open")


@scenario(requirements=("STATE-FINISHED-1", "!STATE-PLAINTEXT-3", "USER-SEND-10", "!USER-END-4"))
def nobody_else_leads_out_of_finished(stage: Stage) -> None:
    """When the correspondent has ended the session nothing that comes over the network lets texts go out."""
    subject, insider = stage.encrypted()
    subject.finish(insider)
    for number, message in enumerate(from_the_network(subject, insider)):
        subject.tick(LATER)
        subject.give(message)
        subject.unsent(b"private text %d" % number)


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
def only_a_completed_handshake_encrypts(stage: Stage) -> None:
    """At each step of a handshake, and after one that fails, texts pass in the clear; only its success changes that."""
    for target_begins in (False, True):
        subject = stage.subject()
        insider = subject.insider()
        for number, _ in enumerate(handshake_steps(subject, insider, target_begins=target_begins)):
            subject.in_clear(b"step %d" % number)
        subject = stage.subject()
        insider = subject.insider()
        *_, last = handshake_steps(subject, insider, target_begins=target_begins)
        subject.give(last(BAD)).accepts_nothing("a signature whose MAC is wrong")
        subject.in_clear(b"after a failure")
        subject.tick(LATER)
        subject.establish(insider, target_begins=target_begins)
        subject.still_talks(insider)


@scenario(requirements=("STATE-ENCRYPTED-3", "STATE-ENCRYPTED-4", "STATE-ENCRYPTED-1", "USER-SEND-6"))
def texts_stay_encrypted_during_another_handshake(stage: Stage) -> None:
    """In every authentication state of a second handshake the first session is used; then the second one is."""
    for target_begins in (False, True):
        subject, old = stage.encrypted(target_begins=target_begins)
        new = subject.insider(seed=b"again")
        steps: list[Callable[[Signed], bytes]] = []
        for step in handshake_steps(subject, new, target_begins=target_begins):
            steps.append(step)
            subject.says(old, b"under the old keys %d" % len(steps))
            subject.hears(old, b"yes %d" % len(steps))
        kept_back = old.data(b"too late")
        established = subject.give(steps[-1](Signed())).one(Established)
        if subject.tells("established", "refreshed"):
            check(established.refreshed, "a session that takes the place of another is reported as refreshed")
        subject.give(kept_back).accepts_nothing("a message of the session that was replaced")
        subject.still_talks(new)


@scenario(requirements=("!STATE-ENCRYPTED-4", "STATE-SECRECY-2", "!STATE-AUTH-6"))
def failed_handshakes_leave_the_session(stage: Stage) -> None:
    """A second handshake whose signature is wrong, or that stops half way, leaves the session as it was."""
    for target_begins in (False, True):
        subject, insider = stage.encrypted(target_begins=target_begins)
        for key in ("mallory", "carol"):
            other = subject.insider(key, seed=b"other")
            *_, last = handshake_steps(subject, other, target_begins=target_begins)
            subject.says(insider, b"half way")
            subject.give(last(BAD)).accepts_nothing("a signature whose MAC is wrong")
            subject.still_talks(insider)


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
def only_the_correspondents_end_finishes(stage: Stage) -> None:
    """A type 1 TLV leads to FINISHED, where no text goes out; other TLVs do not, nor does the user's own end."""
    subject, insider = stage.encrypted()
    for kind in (0, 9, 0x0100, 0xFFFF):
        reply = subject.give(insider.data(b"with TLV %d" % kind, tlvs=[tlv(kind, b"\0\1\0\0")]))
        reply.shows(b"with TLV %d" % kind)
        subject.says(insider, b"still encrypted")
    subject.finish(insider)
    subject.unsent(b"not any more")
    subject.unsent(b"nor this")
    subject, insider = stage.encrypted()
    subject.user("end")
    subject.in_clear(b"in PLAINTEXT")


@scenario(requirements=("STATE-FINISHED-3", "!STATE-FINISHED-3"))
def a_handshake_leads_out_of_finished(stage: Stage) -> None:
    """In FINISHED a handshake that fails changes nothing, and one that completes leads to a new session."""
    for target_begins in (False, True):
        subject, insider = stage.encrypted()
        subject.finish(insider)
        new = subject.insider(seed=b"again")
        *_, last = handshake_steps(subject, new, target_begins=target_begins)
        subject.give(last(BAD)).accepts_nothing("a signature whose MAC is wrong")
        subject.unsent(b"still finished")
        subject, insider = stage.encrypted()
        subject.finish(insider)
        subject.tick(LATER)
        new = subject.insider(seed=b"again")
        subject.establish(new, target_begins=target_begins)
        subject.still_talks(new)


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
def nothing_of_an_ended_session_is_read(stage: Stage) -> None:
    """After either side's end, messages of that session are not read, kept back or made later; a new session's are."""
    for by_user in (False, True):
        subject, insider = stage.encrypted()
        subject.still_talks(insider)
        kept_back = [insider.data(b"kept back"), insider.data(b"kept back, too")]
        if by_user:
            subject.user("end")
        else:
            subject.finish(insider)
        for message in (*kept_back, insider.data(b"made later"), insider.data(tlvs=[tlv(1)])):
            reply = subject.give(message)
            reply.accepts_nothing("a message of a session that has ended")
            check(not reply.of(TextReceived), "a message of a session that has ended is not shown")
        new = subject.insider(seed=b"again")
        subject.tick(LATER)
        subject.establish(new)
        for message in kept_back:
            subject.give(message).accepts_nothing("a message of the session before")
        subject.still_talks(new)


@scenario(requirements=("STATE-NETWORK-1", "!STATE-NETWORK-1"))
def lost_messages_are_survived(stage: Stage) -> None:
    """Whichever messages a network loses, a handshake can be begun again, and texts that are not lost are read."""
    pair = stage.pair()
    for steps in range(1, 4):  # the first handshakes lose their second, third and fourth message
        pair.tick(LATER)
        pair.do(PEER, "start", {})
        names = (TARGET, PEER) * 2
        for name in names[:steps]:
            pair.pass_on(name)
        pair.lose(names[steps])
    pair.tick(LATER)
    pair.establish(PEER)
    for number in range(3):
        for name in pair.names:
            pair.do(name, "send", {"text": b"lost"})
            pair.lose(pair.other(name))
            pair.say(name, b"%d from %s" % (number, name.encode()))


@scenario(requirements=("STATE-SECRECY-2", "!STATE-SECRECY-2"))
def an_attacker_adds_nothing(stage: Stage) -> None:
    """Messages that are changed, repeated or invented show nothing; those that come as they were sent, do."""
    subject, insider = stage.encrypted()
    for number in range(3):
        text = b"text %d" % number
        genuine = insider.data(text)
        message = wire.parse(genuine)
        for name in ("flags", "ctr", "encrypted_message", "mac", "next_dh"):
            field = message.field(name)
            raw = field.raw[:-1] + bytes([field.raw[-1] ^ 1])
            changed = wire.build(message.with_raw(name, raw))
            subject.give(changed).accepts_nothing(f"a message whose {name} was changed")
        subject.give(genuine).shows(text)
        subject.give(genuine).accepts_nothing("a message that comes again")
        subject.says(insider, b"answer %d" % number)


@scenario(requirements=("STATE-SEPARATE-1", "!STATE-SEPARATE-1"))
def conversations_do_not_touch_each_other(stage: Stage) -> None:
    """Of two conversations of one program each has its own state, whatever happens in the other."""
    first, second = stage.two_subjects()
    one, other = first.insider(), second.insider("carol", tag=0x3C3C, seed=b"other")
    first.establish(one)
    second.in_clear(b"not encrypted here")
    second.establish(other, target_begins=True)
    first.still_talks(one)
    second.still_talks(other)
    first.finish(one)
    first.unsent(b"finished here")
    second.still_talks(other)
    second.give(one.data(b"in the wrong place")).accepts_nothing("a message of the other conversation")
    second.user("end")
    first.unsent(b"still finished here")
