"""What is done with a data message in each message state: unreadable ones, heartbeats. [Receiving a Data Message]"""

from __future__ import annotations

from collections.abc import Iterator

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, Reply, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import Ended, Finished, Unreadable

IGNORE_UNREADABLE = 0x01


def _unreadable(insider: Insider) -> dict[str, bytes]:
    """Messages that can't be read in an encrypted session that has just begun, and why."""
    genuine = wire.parse(insider.data(b"text"))
    return {
        "a wrong MAC": insider.data(b"text", mac=bytes(range(20))),
        "another text put in": wire.build(genuine.with_value("encrypted_message", b"other")),
        "an unknown sender key": insider.data(b"text", sender_keyid=9),
        "an unknown recipient key": insider.data(b"text", recipient_keyid=9),
        "a previous key that is not there": insider.data(b"text", sender_keyid=0),
    }


@scenario(requirements=("DATA-RECV-6", "!DATA-RECV-6"))
def the_user_is_told_of_unreadable_messages(context: Context) -> None:
    """The user is told of each message that can't be verified, a replayed one too, and not of readable ones."""
    target, insider = context.encrypted()
    for what, message in _unreadable(insider).items():
        reply = target.receive(message)
        check(len(reply.of(Unreadable)) == 1, f"the user is told of a message with {what}: {reply}")
    message = insider.data(b"readable")
    check(not target.receive(message).of(Unreadable), "nobody is told that a readable message can't be read")
    check(bool(target.receive(message).of(Unreadable)), "the user is told of a message that comes again")


@scenario(requirements=("DATA-RECV-7", "!DATA-RECV-7"))
def unreadable_messages_are_answered(context: Context) -> None:
    """Each message that can't be verified is answered with an Error Message, a replayed one too, and readable ones are
    not.
    """
    target, insider = context.encrypted()
    for what, message in _unreadable(insider).items():
        reply = target.receive(message)
        check(reply.kinds == [Kind.ERROR], f"a message with {what} is answered with an error: {reply}")
    message = insider.data(b"readable")
    check(Kind.ERROR not in target.receive(message).kinds, "no error comes of a readable message")
    check(target.receive(message).kinds == [Kind.ERROR], "a message that comes again is answered with an error")


@scenario(requirements=("DATA-RECV-10", "!DATA-RECV-10", "!DATA-RECV-3", "KEYMGMT-ROTATE-5", "!KEYMGMT-ROTATE-5"))
def unreadable_messages_change_nothing(context: Context) -> None:
    """After messages that can't be read the session, its keys and what is read under them are as before."""
    target, insider = context.encrypted()
    for _ in range(3):
        before = target.assert_sends_text(insider, b"before")
        for what, message in _unreadable(insider).items():
            target.receive(message).assert_rejected(f"a message with {what}")
        after = target.assert_sends_text(insider, b"after")
        for name in ("sender_keyid", "recipient_keyid", "next_dh"):
            check(before.number(name) == after.number(name), f"{name} is the same as before unreadable messages")
        target.assert_receives_text(insider, b"and now the keys change", ctr=100)
        changed = target.assert_sends_text(insider, b"they did")
        ids = before.number("recipient_keyid") + 1, changed.number("recipient_keyid")
        check(ids[0] == ids[1], f"a readable message makes {ids[0]} the key in use, and not {ids[1]}")


def _outside(context: Context) -> Iterator[tuple[str, TargetSession, Insider]]:
    """The target in PLAINTEXT from the start and after its own end, and in FINISHED; the insider has the old keys."""
    target, insider = context.encrypted()
    target.user("end").one(Ended)
    yield "PLAINTEXT, after the user's end", target, insider
    target, insider = context.encrypted()
    target.receive(insider.data(tlvs=[tlv(1)])).one(Finished)
    yield "FINISHED", target, insider


@scenario(requirements=("DATA-RECV-8", "!DATA-RECV-8"))
def the_user_is_told_outside_a_session(context: Context) -> None:
    """In PLAINTEXT and FINISHED the user is told of a data message, which would have been readable before; it is not
    shown.
    """
    for state, target, insider in _outside(context):
        for text in (b"good before", b""):
            reply = target.receive(insider.data(text))
            reply.assert_rejected(f"a data message in {state}")
            check(len(reply.of(Unreadable)) == 1, f"the user is told of a data message in {state}: {reply}")
        plain = target.receive(b"in the clear")
        check(not plain.of(Unreadable) and plain.clear == [b"in the clear"], f"other messages are shown in {state}")


@scenario(requirements=("DATA-RECV-9", "!DATA-RECV-9"))
def data_outside_a_session_is_answered(context: Context) -> None:
    """In PLAINTEXT and FINISHED a data message is answered with an Error Message; text in the clear is not."""
    for state, target, insider in _outside(context):
        for text in (b"good before", b""):
            reply = target.receive(insider.data(text))
            check(reply.kinds == [Kind.ERROR], f"a data message in {state} is answered with an error: {reply}")
        target.receive(b"in the clear").assert_sent()


@scenario(requirements=("DATA-HEARTBEAT-2", "!DATA-HEARTBEAT-2"))
def messages_without_text_change_keys(context: Context) -> None:
    """An empty message acknowledges and announces keys like any other; one under older keys changes none."""
    target, insider = context.encrypted()
    for turn, plaintext in enumerate((b"", b"\0", b"", b"\0\0\0\0\0"), start=1):
        target.receive(insider.data(plaintext)).assert_shown()
        message = target.assert_sends_text(insider, b"an answer")
        ids = message.number("sender_keyid"), message.number("recipient_keyid")
        check(ids == (turn, turn + 1), f"empty messages change keys to {(turn, turn + 1)}, and they were {ids}")
    late = insider.data(b"", under=(insider.our_keyid - 2, insider.their_keyid - 1), ctr=50)
    target.receive(late).assert_shown()
    again = target.assert_sends_text(insider, b"nothing has changed")
    check(again.number("recipient_keyid") == message.number("recipient_keyid"), "a late empty message changes no keys")


#: Seconds between heartbeats, which all targets that can be told the time can have.
INTERVAL = 60


def _heartbeats(target: TargetSession, insider: Insider, reply: Reply) -> list[Message]:
    """The data messages without text among what was sent, all of which must be such."""
    messages = reply.messages(Kind.DATA)
    for message in messages:
        check(not target.read(insider, message).text, "what is sent by itself has no text")
    return messages


@scenario(needs=("time", "heartbeat"), requirements=("DATA-RECV-4", "!DATA-RECV-4", "DATA-RECV-5", "!DATA-RECV-5"))
def heartbeats(context: Context) -> None:
    """When nothing was sent for the interval, a readable message is answered with a heartbeat, flagged
    IGNORE_UNREADABLE; an unreadable one is not, nor is anything before.
    """
    target, insider = context.encrypted()
    for _ in range(3):
        target.assert_sends_text(insider, b"something is sent")
        target.tick(INTERVAL // 2)
        early = target.assert_receives_text(insider, b"before it is due")
        check(not _heartbeats(target, insider, early), "no heartbeat is sent before the interval is over")
        target.tick(INTERVAL)
        unreadable = target.receive(insider.data(b"forged", mac=bytes(20)))
        check(not unreadable.messages(Kind.DATA), "an unreadable message is not answered with a heartbeat")
        beats = _heartbeats(target, insider, target.assert_receives_text(insider, b"now it is due"))
        check(len(beats) == 1, f"one heartbeat is sent when it is due, and there were {len(beats)}")
        check(beats[0].number("flags") == IGNORE_UNREADABLE, "a heartbeat has the flag IGNORE_UNREADABLE")
        message = target.assert_sends_text(insider, b"something is said")
        check(message.number("flags") == 0, "a message of the user's has no flag, after a heartbeat neither")


@scenario(needs=("time", "heartbeat"), requirements=("DATA-RECV-11", "!DATA-RECV-11", "!DATA-RECV-4"))
def heartbeats_come_to_rest(context: Context) -> None:
    """Heartbeats do not go to and fro without end, answered or not; what the user sends counts as well as one."""
    target, insider = context.encrypted()
    target.assert_sends_text(insider, b"something is sent")
    target.tick(2 * INTERVAL)
    beats = _heartbeats(target, insider, target.receive(insider.data(b"", flags=IGNORE_UNREADABLE)))
    check(len(beats) <= 1, f"a heartbeat that comes when one is due is answered once at most, not {len(beats)} times")
    for _ in range(4):
        again = target.receive(insider.data(b"", flags=IGNORE_UNREADABLE))
        check(not again.messages(Kind.DATA), f"the answer to a heartbeat is not answered: {again}")
    target.tick(2 * INTERVAL)
    target.assert_sends_text(insider, b"the user says something")
    again = target.receive(insider.data(b""))
    check(not again.messages(Kind.DATA), f"no heartbeat is due after a message of the user's: {again}")
