"""What a client does with a Data Message, readable or not, in each message state; heartbeats.

[Receiving a Data Message]
"""

from __future__ import annotations

from collections.abc import Iterator

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, Reply, TargetSession, check, check_equal
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import MessageUnreadable, PeerEndedSession, UserEndedSession
from otterproof.scenarios.conformance.data import assert_newest_key_used

IGNORE_UNREADABLE = 0x01


def _unreadable(insider: Insider) -> dict[str, bytes]:
    """Messages that can't be read in a session that has just begun, by what is wrong with them."""
    genuine = wire.parse(insider.data(b"text"))
    return {
        "a wrong MAC": insider.data(b"text", mac=bytes(range(20))),
        "another text inserted": wire.build(genuine.with_value("encrypted_message", b"other")),
        "an unknown sender key": insider.data(b"text", sender_keyid=9),
        "an unknown recipient key": insider.data(b"text", recipient_keyid=9),
        "a previous key that does not exist": insider.data(b"text", sender_keyid=0),
    }


@scenario(requirements=("DATA-RECV-6", "!DATA-RECV-6"))
def the_user_is_told_of_unreadable_messages(context: Context) -> None:
    """The user is told of each message that can't be verified or is a replay, and not of readable ones."""
    target, insider = context.encrypted()
    for what, message in _unreadable(insider).items():
        reply = target.receive(message)
        reply.one(MessageUnreadable, "data.unreadable-not-told", case=f"a message with {what}")
    message = insider.data(b"readable")
    reply = target.receive(message)
    check("data.readable-called-unreadable", not reply.of(MessageUnreadable), got=reply)
    reply, case = target.receive(message), "a message that comes again"
    check(
        "data.unreadable-not-told",
        bool(reply.of(MessageUnreadable)),
        expected="MessageUnreadable",
        got=reply,
        case=case,
    )


@scenario(requirements=("DATA-RECV-7", "!DATA-RECV-7"))
def unreadable_messages_are_answered(context: Context) -> None:
    """Each message that can't be verified or is a replay gets an Error Message; readable ones do not."""
    target, insider = context.encrypted()
    for what, message in _unreadable(insider).items():
        reply = target.receive(message)
        reply.assert_sent("data.unreadable-not-answered", Kind.ERROR, case=f"a message with {what}")
    message = insider.data(b"readable")
    reply = target.receive(message)
    check("data.readable-answered-with-error", Kind.ERROR not in reply.kinds, got=reply)
    reply = target.receive(message)
    reply.assert_sent("data.unreadable-not-answered", Kind.ERROR, case="a message that comes again")


@scenario(requirements=("DATA-RECV-10", "!DATA-RECV-10", "!DATA-RECV-3", "KEYMGMT-ROTATE-5", "!KEYMGMT-ROTATE-5"))
def unreadable_messages_change_nothing(context: Context) -> None:
    """Messages that can't be read leave the session and its keys unchanged."""
    target, insider = context.encrypted()
    for _ in range(3):
        before = target.assert_sends_text(insider, b"before")
        for what, message in _unreadable(insider).items():
            target.receive(message).assert_rejected("data.unreadable-accepted", f"a message with {what}")
        after = target.assert_sends_text(insider, b"after")
        for name in ("sender_keyid", "recipient_keyid", "next_dh"):
            wanted, found = before.number(name), after.number(name)
            check_equal("keys.changed-by-forgery", found, wanted, case=name)
        target.assert_receives_text(insider, b"and now the keys change", ctr=100)
        changed = target.assert_sends_text(insider, b"they did")
        assert_newest_key_used(changed, before.number("recipient_keyid") + 1)


def _outside(context: Context) -> Iterator[tuple[str, TargetSession, Insider]]:
    """A target in PLAINTEXT after its user's end, then one in FINISHED; the insider still has the session's keys."""
    target, insider = context.encrypted()
    target.user("end").one(UserEndedSession)
    yield "PLAINTEXT, after the user's end", target, insider
    target, insider = context.encrypted()
    target.receive(insider.data(tlvs=[tlv(1)])).one(PeerEndedSession)
    yield "FINISHED", target, insider


@scenario(requirements=("DATA-RECV-8", "!DATA-RECV-8"))
def the_user_is_told_outside_a_session(context: Context) -> None:
    """In PLAINTEXT and FINISHED, the user is told of a Data Message of the ended session; its text is not shown."""
    for state, target, insider in _outside(context):
        with context.case(state):
            for text in (b"good before", b""):
                reply = target.receive(insider.data(text))
                case = f"{'a text' if text else 'an empty message'} in {state}"
                reply.assert_rejected("state.ended-session-read", case)
                reply.one(MessageUnreadable, "data.outside-session-not-told", case=case)
            plain = target.receive(b"in the clear")
            check("text.clear-text-called-unreadable", not plain.of(MessageUnreadable), got=plain, case=state)
            shown_in_clear = plain.clear == [b"in the clear"]
            check("text.not-shown-as-clear", shown_in_clear, expected=b"in the clear", got=plain, case=state)


@scenario(requirements=("DATA-RECV-9", "!DATA-RECV-9"))
def data_outside_a_session_is_answered(context: Context) -> None:
    """In PLAINTEXT and FINISHED a Data Message is answered with an Error Message; text in the clear is not answered."""
    for state, target, insider in _outside(context):
        with context.case(state):
            for text in (b"good before", b""):
                reply = target.receive(insider.data(text))
                case = f"{'a text' if text else 'an empty message'} in {state}"
                reply.assert_sent("data.outside-session-not-answered", Kind.ERROR, case=case)
            target.receive(b"in the clear").assert_sent("text.answered", case=f"text in the clear in {state}")


@scenario(requirements=("DATA-HEARTBEAT-2", "!DATA-HEARTBEAT-2"))
def messages_without_text_change_keys(context: Context) -> None:
    """A message without text acknowledges and announces keys like any other; under older keys it changes none."""
    target, insider = context.encrypted()
    for turn, plaintext in enumerate((b"", b"\0", b"", b"\0\0\0\0\0"), start=1):
        target.receive(insider.data(plaintext)).assert_shown("data.empty-text-shown", case=plaintext)
        message = target.assert_sends_text(insider, b"an answer")
        ids, wanted = (message.number("sender_keyid"), message.number("recipient_keyid")), (turn, turn + 1)
        check_equal("keys.not-changed-by-empty-message", ids, wanted, case=plaintext)
    late = insider.data(b"", under=(insider.our_keyid - 2, insider.their_keyid - 1), ctr=50)
    target.receive(late).assert_shown("data.empty-text-shown", case="a late message")
    again = target.assert_sends_text(insider, b"nothing has changed").number("recipient_keyid")
    wanted_id = message.number("recipient_keyid")
    check_equal("keys.changed-by-old-message", again, wanted_id)


#: Seconds between heartbeats: an interval that every target with a clock supports.
INTERVAL = 60


def _heartbeats(target: TargetSession, insider: Insider, reply: Reply) -> list[Message]:
    """The Data Messages that were sent; none may have text."""
    messages = reply.messages(Kind.DATA)
    for message in messages:
        text = target.read(insider, message).text
        check("data.heartbeat-with-text", not text, expected="no text", got=text)
    return messages


@scenario(
    needs=("time", "heartbeat"),
    requirements=("DATA-RECV-4", "!DATA-RECV-4", "DATA-RECV-5", "!DATA-RECV-5", "DATA-FORM-6"),
)
def heartbeats(context: Context) -> None:
    """A readable message is answered with a heartbeat if nothing was sent for the interval.

    The heartbeat has the flag IGNORE_UNREADABLE. None is sent early, or in answer to an unreadable message.
    """
    target, insider = context.encrypted()
    for _ in range(3):
        target.assert_sends_text(insider, b"something is sent")
        target.tick(INTERVAL // 2)
        early = target.assert_receives_text(insider, b"before it is due")
        beats = _heartbeats(target, insider, early)
        check("data.heartbeat-too-early", not beats, expected="no heartbeat", got=early, case="half an interval later")
        target.tick(INTERVAL)
        unreadable = target.receive(insider.data(b"forged", mac=bytes(20)))
        silent = not unreadable.messages(Kind.DATA)
        check("data.heartbeat-for-unreadable", silent, expected="no heartbeat", got=unreadable)
        due = target.assert_receives_text(insider, b"now it is due")
        beats = _heartbeats(target, insider, due)
        check("data.heartbeat-not-sent", len(beats) == 1, expected="one heartbeat", got=due)
        flags = beats[0].number("flags")
        check_equal("data.heartbeat-not-flagged", flags, IGNORE_UNREADABLE)
        flags = target.assert_sends_text(insider, b"something is said").number("flags")
        check_equal("data.flags-not-zero", flags, 0, case="a message after a heartbeat")


@scenario(needs=("time", "heartbeat"), requirements=("DATA-RECV-11", "!DATA-RECV-11", "!DATA-RECV-4"))
def heartbeats_are_not_answered_endlessly(context: Context) -> None:
    """Heartbeats do not answer each other endlessly; a text from the user resets the interval as a heartbeat does."""
    target, insider = context.encrypted()
    target.assert_sends_text(insider, b"something is sent")
    target.tick(2 * INTERVAL)
    first = target.receive(insider.data(b"", flags=IGNORE_UNREADABLE))
    at_most_once = len(_heartbeats(target, insider, first)) <= 1
    case = "a heartbeat that arrives when one is due"
    check("data.heartbeats-endless", at_most_once, expected="one heartbeat at most", got=first, case=case)
    for _ in range(4):
        again = target.receive(insider.data(b"", flags=IGNORE_UNREADABLE))
        case = "a heartbeat that arrives right after one was sent"
        check("data.heartbeats-endless", not again.messages(Kind.DATA), expected="no answer", got=again, case=case)
    target.tick(2 * INTERVAL)
    target.assert_sends_text(insider, b"the user says something")
    again = target.receive(insider.data(b""))
    case = "right after a message of the user's"
    check("data.heartbeat-too-early", not again.messages(Kind.DATA), expected="no heartbeat", got=again, case=case)
