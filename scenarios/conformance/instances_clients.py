"""Several clients of one account: sessions that stay apart, handshakes that do not disturb each other, forged tags.

[Instance Tags, The protocol state machine]
"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, TargetSession, check, check_equal, who_begins
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import PeerEndedSession, SessionEstablished
from otterproof.scenarios.conformance.handshake_play import (
    LATER,
    commit_for_query,
    dh_key_for,
    refused,
    reveal_of,
    signature_of,
)

#: How many tags an attacker invents: more than any account has clients.
MANY = 100


def _clients(target: TargetSession) -> tuple[Insider, Insider]:
    """Two clients of one account: one long-term key, two tags."""
    return target.insider(tag=0x2B2B, seed=b"first"), target.insider(tag=0xA3C3C3C3, seed=b"second")


def _two_sessions(context: Context) -> tuple[TargetSession, Insider, Insider]:
    """A target in sessions with two clients; the second session is the later one."""
    target = context.target_session()
    first, second = _clients(target)
    target.establish(first)
    target.assert_sends_text(first, b"to the first")
    target.tick(LATER)
    target.establish(second)
    return target, first, second


def _completes(target: TargetSession, insider: Insider, commit: Message, reveal: Message, check_id: str = "") -> None:
    """Demand that the insider's Signature Message completes the handshake."""
    target.receive(signature_of(insider, commit, reveal).raw).one(SessionEstablished, check_id)


@scenario(versions=(3,), requirements=("INSTANCE-MULTI-1", "!INSTANCE-MULTI-1"))
def sessions_with_two_clients(context: Context) -> None:
    """Two clients have a session each, with its own keys; a handshake with one does not end the other's session.

    Texts of both are shown, but not a text of one under the other's tag. When one session ends, the other goes on.
    """
    target, first, second = _two_sessions(context)
    apart = "instance.sessions-interfere"
    check(apart, first.ssid != second.ssid, expected="two different ssids", got=first.ssid)
    for number in range(2):
        target.assert_receives_text(first, b"from the first %d" % number, check_id=apart)
        target.assert_receives_text(second, b"from the second %d" % number, check_id=apart)
    own, first.tag = first.tag, second.tag
    reply = target.receive(first.data(b"under the wrong name"))
    reply.assert_rejected("instance.read-under-another-tag", "a Data Message of one client under the other's tag")
    first.tag = own
    target.receive(first.data(tlvs=[tlv(1)])).one(PeerEndedSession)
    target.assert_receives_text(second, b"still here", check_id=apart)


@scenario(versions=(3,), needs=("lockstep",), requirements=("INSTANCE-MULTI-1",))
def texts_go_to_the_latest_session(context: Context) -> None:
    """The user's texts go to the client with the latest handshake, whichever client has written since.

    (Engines only: applications decide where a text goes that names no client.)
    """
    target, first, second = _two_sessions(context)
    target.assert_receives_text(first, b"from the first")
    _sends_text_to(target, second, b"to the second")
    target.assert_receives_text(first, b"from the first again")
    _sends_text_to(target, second, b"to the second again")


def _sends_text_to(target: TargetSession, insider: Insider, text: bytes) -> None:
    """Demand that the user's text is addressed to this client, which can read it."""
    check_id = "instance.text-not-to-latest"
    message = target.user("send", text=text).message(Kind.DATA, check_id)
    receiver = message.number("receiver_tag")
    check(check_id, receiver == insider.tag, expected=f"{insider.tag:#x}", got=f"{receiver:#x}", case="receiver tag")
    found = target.read(insider, message)
    check_equal(check_id, found.text, text)


@scenario(versions=(3,), requirements=("INSTANCE-MULTI-1", "!INSTANCE-MULTI-1"))
def fragments_of_two_clients(context: Context) -> None:
    """Fragmented messages of two clients, one after the other, are shown, each in its own session."""
    target, first, second = _two_sessions(context)
    for insider, text in ((first, b"from the first " * 20), (second, b"from the second " * 20)):
        pieces = wire.fragment(insider.data(text), 200, 3, (insider.tag, insider.target_tag))
        shown = [shown for piece in pieces for shown in target.receive(piece).secure]
        check_equal("fragment.not-put-together", shown, [text])


@scenario(versions=(3,), requirements=("INSTANCE-MULTI-2", "!INSTANCE-MULTI-2", "!INSTANCE-REPLY-1"))
def two_clients_answer_the_target_at_once(context: Context) -> None:
    """When two clients of the correspondent both send a commit, each gets a D-H Key addressed to it.

    Both handshakes complete although they interleave.
    """
    target = context.target_session()
    clients = _clients(target)
    target.user("start")
    keys = []
    for insider in clients:
        dh_key = target.receive(insider.commit()).message(Kind.DH_KEY, "instance.handshakes-interfere")
        _check_addressed(dh_key, insider)
        keys.append(dh_key)
    for insider, dh_key in zip(clients, keys, strict=True):
        target.receive(reveal_of(insider, dh_key).raw).one(SessionEstablished, "instance.handshakes-interfere")
    for insider in clients:
        target.assert_receives_text(insider, b"here", check_id="instance.sessions-interfere")


def _check_addressed(message: Message, insider: Insider) -> None:
    """Demand that a message is addressed to the client that it answers."""
    receiver = message.number("receiver_tag")
    right, got = receiver == insider.tag, f"{receiver:#x}"
    check("instance.wrong-receiver-tag", right, expected=f"{insider.tag:#x}", got=got, case=message.kind)


@scenario(versions=(3,), requirements=("INSTANCE-MULTI-2", "!INSTANCE-MULTI-2", "DHKEY-SIG-2"))
def two_clients_answer_one_commit(context: Context) -> None:
    """When two clients answer one D-H Commit, both complete the handshake, or only the first does.

    Each client that completes it gets its own Reveal Signature; a second client without one is ignored.
    """
    target = context.target_session()
    first, second = _clients(target)
    commit = commit_for_query(target)
    reveals = {first.tag: target.receive(first.dh_key()).message(Kind.REVEAL_SIGNATURE)}
    reply = target.receive(second.dh_key())
    if reply.messages(Kind.REVEAL_SIGNATURE):
        reveals[second.tag] = reply.message(Kind.REVEAL_SIGNATURE)
    else:
        reply.assert_ignored("handshake.other-dh-key-not-ignored", "the D-H Key Message of a second client")
    for insider in (first, second):
        if insider.tag in reveals:
            _check_addressed(reveals[insider.tag], insider)
            _completes(target, insider, commit, reveals[insider.tag])
    for insider in (first, second):
        if insider.tag in reveals:
            target.assert_receives_text(insider, b"here")


@scenario(versions=(3,), needs=("lockstep",), requirements=("INSTANCE-MULTI-2",))
def every_client_is_answered(context: Context) -> None:
    """Every client that answers a D-H Commit gets a Reveal Signature and a session.

    (Engines only: in another reading of the text only the first one does.)
    """
    target = context.target_session()
    first, second = _clients(target)
    commit = commit_for_query(target)
    for insider in (first, second):
        reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE, "instance.client-not-answered")
        _completes(target, insider, commit, reveal)
    target.assert_receives_text(first, b"here")
    target.assert_sends_text(second, b"and you")


@scenario(versions=(3,), requirements=("COMMIT-FORM-5", "!COMMIT-FORM-5", "INSTANCE-ZERO-1", "INSTANCE-MULTI-2"))
def query_during_two_sessions(context: Context) -> None:
    """A target in sessions with two clients answers a query with a D-H Commit to receiver tag 0.

    The query names no client, and a new handshake with either client completes. (The user's texts may go to either:
    libotr takes the client that was heard last, to the second.)
    """
    for which in (0, 1):
        with context.case(which):
            target, *clients = _two_sessions(context)
            commit = commit_for_query(target)
            receiver = commit.number("receiver_tag")
            check("instance.commit-to-guessed-client", receiver == 0, expected=0, got=f"{receiver:#x}")
            asker = target.insider(tag=clients[which].tag, seed=b"another x")
            _completes(target, asker, commit, target.receive(asker.dh_key()).message(Kind.REVEAL_SIGNATURE))
            target.assert_receives_text(asker, b"here")


@scenario(versions=(3,), requirements=("INSTANCE-MULTI-3", "!INSTANCE-MULTI-3"))
def inner_tag_selects_the_session(context: Context) -> None:
    """A Data Message belongs to the session that its inner tag names, even if its fragments have another client's tag.

    A message with a wrong inner tag is refused, whatever its fragments say.
    """
    target, first, second = _two_sessions(context)
    pieces = wire.fragment(first.data(b"from the first"), 200, 3, (second.tag, second.target_tag))
    shown = [shown for piece in pieces for shown in target.receive(piece).secure]
    check_equal("instance.fragment-tag-decides", shown, [b"from the first"])
    message = wire.parse(first.data(b"under a wrong name")).with_value("sender_tag", second.tag)
    for piece in wire.fragment(wire.build(message), 200, 3, (first.tag, first.target_tag)):
        target.receive(piece).assert_rejected(
            "instance.read-under-another-tag", "a Data Message whose tag inside is another client's"
        )
    target.assert_receives_text(first, b"from the first again")


@scenario(versions=(3,), requirements=("INSTANCE-LEARN-1", "!INSTANCE-LEARN-1"))
def forged_tags_do_not_block_the_peer(context: Context) -> None:
    """Messages under forged tags do not keep the genuine client out, in either role, before or during a session."""
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            target = context.target_session()
            insider = target.insider()
            target.user("start")
            for number in range(3):
                stranger = target.insider("bob", tag=0x5000 + number, seed=b"%d" % number)
                for message in (stranger.commit(), stranger.dh_key(), _junk(stranger)):
                    target.receive(message).assert_rejected(
                        "instance.forged-tag-accepted", "a message under a forged tag"
                    )
            target.tick(LATER)
            if target_begins:
                commit = commit_for_query(target)
                reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE, "instance.bound-to-forged-tag")
                _completes(target, insider, commit, reveal, "instance.bound-to-forged-tag")
            else:
                target.user("start")
                dh_key = target.receive(insider.commit()).message(Kind.DH_KEY, "instance.bound-to-forged-tag")
                reply = target.receive(reveal_of(insider, dh_key).raw)
                reply.one(SessionEstablished, "instance.bound-to-forged-tag")
            stranger = target.insider("bob", tag=0x6000, seed=b"later")
            for message in (stranger.commit(), stranger.dh_key(), _junk(stranger)):
                target.receive(message).assert_rejected("instance.forged-tag-accepted", "a message under a forged tag")
            target.assert_session_alive(insider, "instance.bound-to-forged-tag")


def _junk(stranger: Insider) -> bytes:
    """A Signature Message that belongs to no handshake."""
    return stranger.signature(4)


@scenario(versions=(3,), requirements=("INSTANCE-LEARN-2",))
def handshakes_under_forged_tags_are_bounded(context: Context) -> None:
    """When an attacker begins a hundred handshakes under as many tags, the first and the last are not all kept."""
    target = context.target_session()
    strangers = [target.insider(tag=0x5000 + number) for number in range(MANY)]
    target.user("start")
    begun = []
    for number, stranger in enumerate(strangers, start=1000):
        stranger.x = number  # short exponents are quick
        begun += [(stranger, dh_key) for dh_key in target.receive(stranger.commit()).messages(Kind.DH_KEY)]
    completed = 0
    for stranger, dh_key in (*begun[:5], *begun[-5:]):
        completed += len(target.receive(reveal_of(stranger, dh_key).raw).of(SessionEstablished))
    bounded = len(begun) < MANY or completed < 10
    got = f"all {MANY} answered, and the first five and the last five complete"
    check("instance.sessions-not-bounded", bounded, expected="a bounded number of handshakes", got=got)
    check("message.dh-key-not-sent", bool(begun), expected="an answer to the first commit", got="none to any")


@scenario(versions=(3,), requirements=("!INSTANCE-LEARN-2", "INSTANCE-MULTI-1"))
def many_forged_tags_do_no_harm(context: Context) -> None:
    """While an attacker begins a hundred handshakes under as many tags, a session goes on.

    Another client completes a handshake, even with commits of the attacker between its messages.
    """
    harm = "instance.forged-tags-do-harm"
    target = context.target_session()
    first, second = _clients(target)
    stranger = target.insider("bob", seed=b"stranger")
    target.establish(first)
    commit = wire.parse(stranger.commit())

    def strangers(numbers: range) -> None:
        for number in numbers:
            message = commit.with_value("sender_tag", 0x5000 + number)
            target.receive(wire.build(message)).assert_rejected(
                "instance.forged-tag-accepted", "a D-H Commit Message under a forged tag"
            )

    strangers(range(MANY))
    target.assert_receives_text(first, b"still here", check_id=harm)
    dh_key = dh_key_for(target, second)
    strangers(range(MANY, MANY + 2))
    target.receive(reveal_of(second, dh_key).raw).one(SessionEstablished, harm)
    target.assert_receives_text(first, b"still here, too", check_id=harm)
    target.assert_receives_text(second, b"here", check_id=harm)
    refused(
        target.receive(wire.build(commit.with_value("receiver_tag", 0x7777))),
        "instance.for-another-client-not-discarded",
        "a D-H Commit Message for another client",
    )
