"""What is done with a data message in each message state: unreadable ones, heartbeats. [Receiving a Data Message]"""

from __future__ import annotations

from collections.abc import Iterator

from harness import wire
from harness.insider import Insider
from harness.scenario import scenario
from harness.stage import Reply, Stage, Subject, check
from harness.wire import Kind, Message
from harness.wire.layers import tlv
from implementations.contract import Ended, Finished, Unreadable

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
def the_user_is_told_of_unreadable_messages(stage: Stage) -> None:
    """The user is told of each message that can't be verified, a replayed one too, and not of readable ones."""
    subject, insider = stage.encrypted()
    for what, message in _unreadable(insider).items():
        reply = subject.give(message)
        check(len(reply.of(Unreadable)) == 1, f"the user is told of a message with {what}: {reply}")
    message = insider.data(b"readable")
    check(not subject.give(message).of(Unreadable), "nobody is told that a readable message can't be read")
    check(bool(subject.give(message).of(Unreadable)), "the user is told of a message that comes again")


@scenario(requirements=("DATA-RECV-7", "!DATA-RECV-7"))
def unreadable_messages_are_answered(stage: Stage) -> None:
    """Each message that can't be verified is answered with an Error Message, a replayed one too, and readable ones are
    not.
    """
    subject, insider = stage.encrypted()
    for what, message in _unreadable(insider).items():
        reply = subject.give(message)
        check(reply.kinds == [Kind.ERROR], f"a message with {what} is answered with an error: {reply}")
    message = insider.data(b"readable")
    check(Kind.ERROR not in subject.give(message).kinds, "no error comes of a readable message")
    check(subject.give(message).kinds == [Kind.ERROR], "a message that comes again is answered with an error")


@scenario(requirements=("DATA-RECV-10", "!DATA-RECV-10", "!DATA-RECV-3", "KEYMGMT-ROTATE-5", "!KEYMGMT-ROTATE-5"))
def unreadable_messages_change_nothing(stage: Stage) -> None:
    """After messages that can't be read the session, its keys and what is read under them are as before."""
    subject, insider = stage.encrypted()
    for _ in range(3):
        before = subject.says(insider, b"before")
        for what, message in _unreadable(insider).items():
            subject.give(message).accepts_nothing(f"a message with {what}")
        after = subject.says(insider, b"after")
        for name in ("sender_keyid", "recipient_keyid", "next_dh"):
            check(before.number(name) == after.number(name), f"{name} is the same as before unreadable messages")
        subject.hears(insider, b"and now the keys change", ctr=100)
        changed = subject.says(insider, b"they did")
        ids = before.number("recipient_keyid") + 1, changed.number("recipient_keyid")
        check(ids[0] == ids[1], f"a readable message makes {ids[0]} the key in use, and not {ids[1]}")


def _outside(stage: Stage) -> Iterator[tuple[str, Subject, Insider]]:
    """The target in PLAINTEXT from the start and after its own end, and in FINISHED; the insider has the old keys."""
    subject, insider = stage.encrypted()
    subject.user("end").one(Ended)
    yield "PLAINTEXT, after the user's end", subject, insider
    subject, insider = stage.encrypted()
    subject.give(insider.data(tlvs=[tlv(1)])).one(Finished)
    yield "FINISHED", subject, insider


@scenario(requirements=("DATA-RECV-8", "!DATA-RECV-8"))
def the_user_is_told_outside_a_session(stage: Stage) -> None:
    """In PLAINTEXT and FINISHED the user is told of a data message, which would have been readable before; it is not
    shown.
    """
    for state, subject, insider in _outside(stage):
        for text in (b"good before", b""):
            reply = subject.give(insider.data(text))
            reply.accepts_nothing(f"a data message in {state}")
            check(len(reply.of(Unreadable)) == 1, f"the user is told of a data message in {state}: {reply}")
        plain = subject.give(b"in the clear")
        check(not plain.of(Unreadable) and plain.clear == [b"in the clear"], f"other messages are shown in {state}")


@scenario(requirements=("DATA-RECV-9", "!DATA-RECV-9"))
def data_outside_a_session_is_answered(stage: Stage) -> None:
    """In PLAINTEXT and FINISHED a data message is answered with an Error Message; text in the clear is not."""
    for state, subject, insider in _outside(stage):
        for text in (b"good before", b""):
            reply = subject.give(insider.data(text))
            check(reply.kinds == [Kind.ERROR], f"a data message in {state} is answered with an error: {reply}")
        subject.give(b"in the clear").sends()


@scenario(requirements=("DATA-HEARTBEAT-2", "!DATA-HEARTBEAT-2"))
def messages_without_text_change_keys(stage: Stage) -> None:
    """An empty message acknowledges and announces keys like any other; one under older keys changes none."""
    subject, insider = stage.encrypted()
    for turn, plaintext in enumerate((b"", b"\0", b"", b"\0\0\0\0\0"), start=1):
        subject.give(insider.data(plaintext)).shows()
        message = subject.says(insider, b"an answer")
        ids = message.number("sender_keyid"), message.number("recipient_keyid")
        check(ids == (turn, turn + 1), f"empty messages change keys to {(turn, turn + 1)}, and they were {ids}")
    late = insider.data(b"", under=(insider.our_keyid - 2, insider.their_keyid - 1), ctr=50)
    subject.give(late).shows()
    again = subject.says(insider, b"nothing has changed")
    check(again.number("recipient_keyid") == message.number("recipient_keyid"), "a late empty message changes no keys")


#: Seconds between heartbeats, which all targets that can be told the time can have.
INTERVAL = 60


def _heartbeats(subject: Subject, insider: Insider, reply: Reply) -> list[Message]:
    """The data messages without text among what was sent, all of which must be such."""
    messages = reply.messages(Kind.DATA)
    for message in messages:
        check(not subject.read(insider, message).text, "what is sent by itself has no text")
    return messages


@scenario(needs=("time", "heartbeat"), requirements=("DATA-RECV-4", "!DATA-RECV-4", "DATA-RECV-5", "!DATA-RECV-5"))
def heartbeats(stage: Stage) -> None:
    """When nothing was sent for the interval, a readable message is answered with a heartbeat, flagged
    IGNORE_UNREADABLE; an unreadable one is not, nor is anything before.
    """
    subject, insider = stage.encrypted()
    for _ in range(3):
        subject.says(insider, b"something is sent")
        subject.tick(INTERVAL // 2)
        early = subject.hears(insider, b"before it is due")
        check(not _heartbeats(subject, insider, early), "no heartbeat is sent before the interval is over")
        subject.tick(INTERVAL)
        unreadable = subject.give(insider.data(b"forged", mac=bytes(20)))
        check(not unreadable.messages(Kind.DATA), "an unreadable message is not answered with a heartbeat")
        beats = _heartbeats(subject, insider, subject.hears(insider, b"now it is due"))
        check(len(beats) == 1, f"one heartbeat is sent when it is due, and there were {len(beats)}")
        check(beats[0].number("flags") == IGNORE_UNREADABLE, "a heartbeat has the flag IGNORE_UNREADABLE")
        message = subject.says(insider, b"something is said")
        check(message.number("flags") == 0, "a message of the user's has no flag, after a heartbeat neither")


@scenario(needs=("time", "heartbeat"), requirements=("DATA-RECV-11", "!DATA-RECV-11", "!DATA-RECV-4"))
def heartbeats_come_to_rest(stage: Stage) -> None:
    """Heartbeats do not go to and fro without end, answered or not; what the user sends counts as well as one."""
    subject, insider = stage.encrypted()
    subject.says(insider, b"something is sent")
    subject.tick(2 * INTERVAL)
    beats = _heartbeats(subject, insider, subject.give(insider.data(b"", flags=IGNORE_UNREADABLE)))
    check(len(beats) <= 1, f"a heartbeat that comes when one is due is answered once at most, not {len(beats)} times")
    for _ in range(4):
        again = subject.give(insider.data(b"", flags=IGNORE_UNREADABLE))
        check(not again.messages(Kind.DATA), f"the answer to a heartbeat is not answered: {again}")
    subject.tick(2 * INTERVAL)
    subject.says(insider, b"the user says something")
    again = subject.give(insider.data(b""))
    check(not again.messages(Kind.DATA), f"no heartbeat is due after a message of the user's: {again}")
