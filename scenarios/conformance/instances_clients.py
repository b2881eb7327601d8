"""Several clients of one account: sessions that stay apart, handshakes that do not disturb each other, tags that an
attacker makes up. [Instance Tags, The protocol state machine]
"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import Established, Finished
from otterproof.scenarios.conformance.handshake_play import (
    LATER,
    commit_for_query,
    dh_key_for,
    refused,
    reveal_of,
    signature_of,
)

#: How many tags an attacker makes up; more than anybody has clients.
MANY = 100


def _clients(target: TargetSession) -> tuple[Insider, Insider]:
    """Two clients of one account: one long-term key, two tags."""
    return target.insider(tag=0x2B2B, seed=b"first"), target.insider(tag=0xA3C3C3C3, seed=b"second")


def _two_sessions(context: Context) -> tuple[TargetSession, Insider, Insider]:
    """A target in sessions with two clients, the later one with the second."""
    target = context.target_session()
    first, second = _clients(target)
    target.establish(first)
    target.assert_sends_text(first, b"to the first")
    target.tick(LATER)
    target.establish(second)
    return target, first, second


def _completes(target: TargetSession, insider: Insider, commit: Message, reveal: Message) -> None:
    target.receive(signature_of(insider, commit, reveal).raw).one(Established)


@scenario(versions=(3,), requirements=("INSTANCE-MULTI-1", "!INSTANCE-MULTI-1"))
def sessions_with_two_clients(context: Context) -> None:
    """Two clients each have a session, with keys of their own, which another handshake does not end: texts of both are
    shown, those of one under the tag of the other are not, and when one ends the other goes on.
    """
    target, first, second = _two_sessions(context)
    check(first.ssid != second.ssid, "the sessions are different ones")
    for number in range(2):
        target.assert_receives_text(first, b"from the first %d" % number)
        target.assert_receives_text(second, b"from the second %d" % number)
    own, first.tag = first.tag, second.tag
    target.receive(first.data(b"under the wrong name")).assert_rejected("a text of one client under the other's tag")
    first.tag = own
    target.receive(first.data(tlvs=[tlv(1)])).one(Finished)
    target.assert_receives_text(second, b"still here")


@scenario(versions=(3,), needs=("lockstep",), requirements=("INSTANCE-MULTI-1",))
def texts_go_to_the_latest_session(context: Context) -> None:
    """The user's texts go to the client whose handshake was the last, whoever has written since. (Engines: to which
    client a text goes that names none is for applications to decide.)
    """
    target, first, second = _two_sessions(context)
    target.assert_receives_text(first, b"from the first")
    target.assert_sends_text(second, b"to the second")
    target.assert_receives_text(first, b"from the first again")
    target.assert_sends_text(second, b"to the second again")


@scenario(versions=(3,), requirements=("INSTANCE-MULTI-1", "!INSTANCE-MULTI-1"))
def fragments_of_two_clients(context: Context) -> None:
    """Messages of two clients in fragments, each whole before the other begins, are shown, each in its own session."""
    target, first, second = _two_sessions(context)
    for insider, text in ((first, b"from the first " * 20), (second, b"from the second " * 20)):
        pieces = wire.fragment(insider.data(text), 200, 3, (insider.tag, insider.target_tag))
        shown = [shown for piece in pieces for shown in target.receive(piece).secure]
        check(shown == [text], f"a text in fragments is shown once, and there was {shown}")


@scenario(versions=(3,), requirements=("INSTANCE-MULTI-2", "!INSTANCE-MULTI-2", "!INSTANCE-REPLY-1"))
def two_clients_answer_the_target_at_once(context: Context) -> None:
    """When both clients of the correspondent send a commit, each gets a D-H Key addressed to it, and both handshakes
    complete, interleaved as they are.
    """
    target = context.target_session()
    clients = _clients(target)
    target.user("start")
    keys = []
    for insider in clients:
        dh_key = target.receive(insider.commit()).message(Kind.DH_KEY)
        check(dh_key.number("receiver_tag") == insider.tag, "the D-H Key is addressed to the client that it answers")
        keys.append(dh_key)
    for insider, dh_key in zip(clients, keys, strict=True):
        target.receive(reveal_of(insider, dh_key).raw).one(Established)
    for insider in clients:
        target.assert_receives_text(insider, b"here")


@scenario(versions=(3,), requirements=("INSTANCE-MULTI-2", "!INSTANCE-MULTI-2", "DHKEY-SIG-2"))
def two_clients_answer_one_commit(context: Context) -> None:
    """Two clients answer a D-H Commit: each gets a Reveal Signature and completes; or the first one does, and the other
    is ignored.
    """
    target = context.target_session()
    first, second = _clients(target)
    commit = commit_for_query(target)
    reveals = {first.tag: target.receive(first.dh_key()).message(Kind.REVEAL_SIGNATURE)}
    reply = target.receive(second.dh_key())
    if reply.messages(Kind.REVEAL_SIGNATURE):
        reveals[second.tag] = reply.message(Kind.REVEAL_SIGNATURE)
    else:
        reply.assert_ignored("the D-H Key of a second client")
    for insider in (first, second):
        if insider.tag in reveals:
            receiver = reveals[insider.tag].number("receiver_tag")
            check(receiver == insider.tag, "a Reveal Signature is addressed to the client that it answers")
            _completes(target, insider, commit, reveals[insider.tag])
    for insider in (first, second):
        if insider.tag in reveals:
            target.assert_receives_text(insider, b"here")


@scenario(versions=(3,), needs=("lockstep",), requirements=("INSTANCE-MULTI-2",))
def each_client_has_its_answer(context: Context) -> None:
    """Every client that answers a D-H Commit gets a Reveal Signature, and a session. (Engines: the text can be read so
    that only the first one does.)
    """
    target = context.target_session()
    first, second = _clients(target)
    commit = commit_for_query(target)
    for insider in (first, second):
        _completes(target, insider, commit, target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE))
    target.assert_receives_text(first, b"here")
    target.assert_sends_text(second, b"and you")


@scenario(versions=(3,), requirements=("COMMIT-FORM-5", "!COMMIT-FORM-5", "INSTANCE-ZERO-1", "INSTANCE-MULTI-2"))
def commit_when_any_client_may_have_asked(context: Context) -> None:
    """A query names no client: with sessions with two, the D-H Commit in answer is addressed to no one in particular,
    and a new handshake with either completes.
    """
    for which in (0, 1):
        target, *clients = _two_sessions(context)
        commit = commit_for_query(target)
        receiver = commit.number("receiver_tag")
        check(receiver == 0, f"the D-H Commit has receiver tag 0, for the asker is not known, and has {receiver:#x}")
        asker = target.insider(tag=clients[which].tag, seed=b"another x")
        _completes(target, asker, commit, target.receive(asker.dh_key()).message(Kind.REVEAL_SIGNATURE))
        target.assert_session_alive(asker)


@scenario(versions=(3,), requirements=("INSTANCE-MULTI-3", "!INSTANCE-MULTI-3"))
def tag_inside_decides(context: Context) -> None:
    """A data message in fragments whose headers bear the other client's tag belongs to the session that it names
    inside; one that names the wrong session inside is refused whatever its fragments say.
    """
    target, first, second = _two_sessions(context)
    pieces = wire.fragment(first.data(b"from the first"), 200, 3, (second.tag, second.target_tag))
    shown = [shown for piece in pieces for shown in target.receive(piece).secure]
    check(shown == [b"from the first"], f"the text is shown, and there was {shown}")
    message = wire.parse(first.data(b"under a wrong name")).with_value("sender_tag", second.tag)
    for piece in wire.fragment(wire.build(message), 200, 3, (first.tag, first.target_tag)):
        target.receive(piece).assert_rejected("a message whose tag inside is another client's")
    target.assert_receives_text(first, b"from the first again")


@scenario(versions=(3,), requirements=("INSTANCE-LEARN-1", "!INSTANCE-LEARN-1"))
def made_up_tags_bind_nobody(context: Context) -> None:
    """Messages under tags that somebody makes up do not keep the genuine client out, in either role, before or in a
    session.
    """
    for target_begins in (False, True):
        target = context.target_session()
        insider = target.insider()
        target.user("start")
        for number in range(3):
            stranger = target.insider("bob", tag=0x5000 + number, seed=b"%d" % number)
            for message in (stranger.commit(), stranger.dh_key(), _junk(stranger)):
                target.receive(message).assert_rejected("a message under a tag that was made up")
        target.tick(LATER)
        if target_begins:
            commit = commit_for_query(target)
            _completes(target, insider, commit, target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE))
        else:
            target.receive(reveal_of(insider, dh_key_for(target, insider)).raw).one(Established)
        stranger = target.insider("bob", tag=0x6000, seed=b"later")
        for message in (stranger.commit(), stranger.dh_key(), _junk(stranger)):
            target.receive(message).assert_rejected("a message under a tag that was made up")
        target.assert_session_alive(insider)


def _junk(stranger: Insider) -> bytes:
    """A Signature Message that belongs to nothing."""
    return stranger.signature(4)


@scenario(versions=(3,), requirements=("INSTANCE-LEARN-2",))
def made_up_tags_are_bounded(context: Context) -> None:
    """Of a hundred handshakes that somebody begins under as many tags, the first and the last are not both kept."""
    target = context.target_session()
    strangers = [target.insider(tag=0x5000 + number) for number in range(MANY)]
    target.user("start")
    begun = []
    for number, stranger in enumerate(strangers, start=1000):
        stranger.x = number  # short exponents are quick
        begun += [(stranger, dh_key) for dh_key in target.receive(stranger.commit()).messages(Kind.DH_KEY)]
    completed = 0
    for stranger, dh_key in (*begun[:5], *begun[-5:]):
        completed += len(target.receive(reveal_of(stranger, dh_key).raw).of(Established))
    check(len(begun) < MANY or completed < 10, "the number of sessions that are kept is bounded")


@scenario(versions=(3,), requirements=("!INSTANCE-LEARN-2",))
def many_made_up_tags_do_no_harm(context: Context) -> None:
    """While somebody begins a hundred handshakes under as many tags, a session goes on, and another client completes a
    handshake, though strangers come in between its messages.
    """
    target = context.target_session()
    first, second = _clients(target)
    stranger = target.insider("bob", seed=b"stranger")
    target.establish(first)
    commit = wire.parse(stranger.commit())

    def strangers(numbers: range) -> None:
        for number in numbers:
            message = commit.with_value("sender_tag", 0x5000 + number)
            target.receive(wire.build(message)).assert_rejected("a commit of a stranger")

    strangers(range(MANY))
    target.assert_receives_text(first, b"still here")
    dh_key = dh_key_for(target, second)
    strangers(range(MANY, MANY + 2))
    target.receive(reveal_of(second, dh_key).raw).one(Established)
    target.assert_receives_text(first, b"still here, too")
    target.assert_receives_text(second, b"here")
    refused(
        target.receive(wire.build(commit.with_value("receiver_tag", 0x7777))),
        "instance.for-another-client-not-discarded",
        "a commit for somebody else",
    )
