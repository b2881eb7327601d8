"""When D-H keys change, and which are used for sending and for reading. [Key Management, Exchanging data]

The insider chooses the keys of each message, and so what the message acknowledges and announces.
"""

from __future__ import annotations

import random

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, TargetSession, check, check_equal
from otterproof.harness.testkit.insider import Insider, SignatureOptions
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import DH_PRIME, Kind


def _sends_under(
    target: TargetSession,
    insider: Insider,
    text: bytes,
    *,
    case: str,
    own: int,
    theirs: int | None = None,
    check_id: str = "",
) -> int:
    """Demand that the target's next text is sent under its own key `own`, and to the key `theirs` if given.

    The key that the text announces. check_id: the check that fails instead of the one on a wrong key.
    """
    message = target.user("send", text=text).message(Kind.DATA)
    sender, recipient = message.number("sender_keyid"), message.number("recipient_keyid")
    named = "sender key id %s"
    check(check_id or "keys.wrong-sender-key", sender == own, expected=named % own, got=named % sender, case=case)
    right = theirs in (recipient, None)
    named = "recipient key id %s"
    check(check_id or "keys.wrong-recipient-key", right, expected=named % theirs, got=named % recipient, case=case)
    check_equal("text.changed-on-the-way", target.read(insider, message).text, text, case=case)
    return message.number("next_dh")


@scenario(
    requirements=(
        "KEYMGMT-SEND-1",
        "!KEYMGMT-SEND-1",
        "KEYMGMT-PICK-1",
        "!KEYMGMT-PICK-1",
        "KEYMGMT-PICK-2",
        "!KEYMGMT-PICK-2",
    )
)
def keys_used_for_sending(context: Context) -> None:
    """The target sends under its latest acknowledged key, to the latest key received in a verified message.

    Forged acknowledgements and announcements change neither.
    """
    target, insider = context.encrypted()
    for own in range(1, 4):
        for _ in range(2):
            _sends_under(target, insider, b"go on", case="nothing has arrived since", own=own, theirs=own)
        forged = insider.data(b"forged", under=(own, own), recipient_keyid=own + 1, mac=bytes(20))
        target.receive(forged).assert_rejected("data.mac-not-verified", "a forged acknowledgement")
        forged = insider.data(b"forged", mac=bytes(20))
        target.receive(forged).assert_rejected("data.mac-not-verified", "a forged announcement")
        case = "after forged messages"
        _sends_under(
            target, insider, b"nothing new", case=case, own=own, theirs=own, check_id="keys.changed-by-forgery"
        )
        new = b"a new key, no acknowledgement"
        target.assert_receives_text(insider, new, under=(own, own), ctr=20, check_id="keys.live-key-not-accepted")
        case = "a key was announced, and the target's own key was not acknowledged"
        _sends_under(target, insider, b"to it", case=case, own=own, theirs=own + 1)
        late = insider.data(b"late, and older", under=(own, own), ctr=21)
        target.receive(late).assert_shown("keys.live-key-not-accepted", b"late, and older", case="a late message")
        case, check_id = "after a late message under older keys", "keys.changed-by-old-message"
        _sends_under(target, insider, b"still to it", case=case, own=own, theirs=own + 1, check_id=check_id)
        insider.exponents[own + 2] = insider.exponents.get(own + 2) or insider.draw(40)
        acknowledgement = insider.data(b"your key is here", under=(own, own + 1), ctr=50)
        target.receive(acknowledgement).assert_shown("keys.live-key-not-accepted", b"your key is here")
        case = "the target's key was acknowledged"
        _sends_under(target, insider, b"then I use it", case=case, own=own + 1, theirs=own + 1)


@scenario(requirements=("KEYMGMT-RECV-2", "!KEYMGMT-RECV-2", "KEYMGMT-RECV-3", "!KEYMGMT-RECV-3", "KEYMGMT-KEEP-1"))
def two_keys_per_side_are_kept(context: Context) -> None:
    """A message is read under the current and the previous key of each side, and under no other key id.

    Ids of forgotten or future keys are refused, whatever keys the message is made with.
    """
    target, insider = context.encrypted()
    for _ in range(3):
        target.exchange_texts(insider)
    target.assert_receives_text(insider, b"and one more")
    target.assert_sends_text(insider, b"which makes ids 4 and 5 here, 3 and 4 there")
    live = [(mine, yours) for mine in (4, 5) for yours in (4, 5)]
    for wrong in (0, 1, 2, 3, 6, 7, 0x7FFFFFFF, 0xFFFFFFFF):
        for mine, yours in live:
            for sender, recipient in ((wrong, yours), (mine, wrong), (wrong, wrong)):
                message = insider.data(
                    b"wrong ids", under=(mine, yours), sender_keyid=sender, recipient_keyid=recipient, ctr=5
                )
                to_wrong = recipient == wrong
                check_id = "keys.unknown-recipient-key-accepted" if to_wrong else "keys.unknown-sender-key-accepted"
                case = f"sender key id {sender} and recipient key id {recipient}, when those in use are 4 and 5"
                target.receive(message).assert_rejected(check_id, case)
    for pair in ((4, 4), (5, 4), (5, 5)):
        target.assert_receives_text(insider, b"right ids", under=pair, ctr=10, check_id="keys.live-key-not-accepted")


@scenario(
    requirements=("KEYMGMT-RECV-8", "!KEYMGMT-RECV-8", "!KEYMGMT-KEEP-1", "KEYMGMT-ROTATE-7", "!KEYMGMT-ROTATE-7")
)
def messages_one_rotation_late_are_read(context: Context) -> None:
    """A message is read if its keys have become the previous ones; once they are forgotten, it is refused."""
    target, insider = context.encrypted()
    late = [insider.data(b"late", ctr=100)]
    for turn in range(4):
        target.exchange_texts(insider)
        if turn > 1:
            target.receive(late[turn - 2]).assert_rejected("keys.forgotten-key-accepted", "a message that was read")
        target.receive(late[turn]).assert_shown("keys.live-key-not-accepted", b"late", case="late by one change")
        later = insider.data(b"later", under=(turn + 1, turn + 1), ctr=101)
        target.receive(later).assert_shown("keys.live-key-not-accepted", b"later", case="late by one change")
        if turn:
            for pair, case in (
                ((turn, turn), "a new message under keys that both are forgotten"),
                ((turn, turn + 1), "a new message under a forgotten key of the sender's"),
                ((turn + 1, turn), "a new message to a forgotten key of the receiver's"),
            ):
                forgotten = insider.data(b"too late", under=pair, ctr=200)
                target.receive(forgotten).assert_rejected("keys.forgotten-key-accepted", case)
        late.append(insider.data(b"late", ctr=100))


@scenario(requirements=("KEYMGMT-ROTATE-1", "!KEYMGMT-ROTATE-1", "KEYMGMT-ROTATE-2", "!KEYMGMT-ROTATE-2"))
def own_keys_change_when_acknowledged(context: Context) -> None:
    """When its latest key is first used, the target forgets the key before it and announces a new one.

    Messages to the previous key have neither effect.
    """
    target, insider = context.encrypted()
    seen = {insider.theirs[1], _sends_under(target, insider, b"first", case="nothing has arrived", own=1)}
    for own in range(1, 5):
        case, old = "after a message to the previous key", "keys.changed-by-old-message"
        for number in range(2):
            previous = b"to the previous key"
            target.assert_receives_text(
                insider, previous, under=(1, own), ctr=10 + number, check_id="keys.live-key-not-accepted"
            )
            announced = _sends_under(target, insider, b"nothing new", case=case, own=own, check_id=old)
            check(old, announced in seen, expected="the next key announced before", got="a new one", case=case)
        latest = b"to the latest key"
        target.assert_receives_text(insider, latest, under=(1, own + 1), ctr=1, check_id="keys.live-key-not-accepted")
        case = "after the first message to the latest key"
        announced = _sends_under(target, insider, b"a new one", case=case, own=own + 1)
        check("keys.next-key-not-new", announced not in seen, got="a key announced before", case=case)
        seen.add(announced)
        forgotten = insider.data(b"to the forgotten key", under=(1, own), ctr=90)
        target.receive(forgotten).assert_rejected("keys.forgotten-key-accepted", "a message to the target's key before")


@scenario(requirements=("KEYMGMT-ROTATE-3", "!KEYMGMT-ROTATE-3", "KEYMGMT-ROTATE-4", "!KEYMGMT-ROTATE-4"))
def their_keys_change_when_used(context: Context) -> None:
    """When the correspondent's latest key is first used, the key announced in that message becomes the next one.

    Messages under the previous key change nothing, whatever they announce.
    """
    target, insider = context.encrypted()
    for theirs in range(1, 5):
        insider.exponents[theirs + 1] = insider.draw(40)
        new = b"with a new key"
        target.assert_receives_text(insider, new, under=(theirs, 1), ctr=1, check_id="keys.live-key-not-accepted")
        _sends_under(target, insider, b"to it", case="after a key was announced", own=1, theirs=theirs + 1)
        case, check_id = (
            "after a message under the previous key that announces another key",
            "keys.changed-by-old-message",
        )
        for other in (4, insider.theirs[1]):
            ctr = 2 + (other > 4)
            another = b"with another one"
            target.assert_receives_text(
                insider, another, under=(theirs, 1), next_dh=other, ctr=ctr, check_id="keys.live-key-not-accepted"
            )
            same = b"to the same as before"
            _sends_under(target, insider, same, case=case, own=1, theirs=theirs + 1, check_id=check_id)
        _sends_under(target, insider, b"again", case=case, own=1, theirs=theirs + 1, check_id=check_id)


@scenario(requirements=("KEYMGMT-ROTATE-6", "!KEYMGMT-ROTATE-6"))
def losses_do_not_end_the_conversation(context: Context) -> None:
    """Whatever messages are lost, and whatever they acknowledged or announced, either side reads a new message.

    A message that arrives two key changes late is refused and does no harm.
    """
    choose = random.Random(context.seed)
    target, insider = context.encrypted()
    broken = "keys.lost-messages-break-session"
    for number in range(24):
        text = b"number %d" % number
        match choose.randrange(4):
            case 0:
                insider.data(b"lost")
            case 1:
                reply = target.user("send", text=b"lost")
                check("message.data-not-sent", bool(reply.sent), expected=Kind.DATA, got=reply, case="a text")
            case 2:
                target.assert_receives_text(insider, text, check_id=broken)
            case _:
                target.assert_sends_text(insider, text, check_id=broken)
        if insider.our_keyid > 3:
            ancient = insider.data(b"ancient", under=(insider.our_keyid - 3, insider.their_keyid - 1), ctr=1 << 20)
            target.receive(ancient).assert_rejected("keys.forgotten-key-accepted", "a message two changes late")
    target.assert_session_alive(insider, broken)


@scenario(requirements=("KEYMGMT-NEXT-1", "!KEYMGMT-NEXT-1"))
def next_keys_out_of_range(context: Context) -> None:
    """Next keys outside 2 to p - 2 are all refused or all stored; those at the ends of the range are accepted."""
    values = (0, 1, DH_PRIME - 1, DH_PRIME, DH_PRIME + 1, (1 << 1544) - 1)
    names = dict(zip(values, ("0", "1", "p - 1", "p", "p + 1", "2^1544 - 1"), strict=True))
    read = {}
    for value in values:
        with context.case(value):
            target, insider = context.encrypted()
            reply = target.receive(insider.data(b"an odd key", next_dh=value))
            read[names[value]] = "stored" if reply.secure else "refused"
            if not reply.secure:
                case = f"a message that announces {names[value]} as the next key"
                reply.assert_rejected("keys.refused-next-key-has-effect", case)
                target.assert_receives_text(insider, b"with a good key", check_id="keys.refused-next-key-has-effect")
                target.assert_sends_text(insider, b"to that", check_id="keys.refused-next-key-has-effect")
    one_way = len({*read.values()}) == 1
    check("keys.range-checked-in-part", one_way, expected="all are refused, or all are stored", got=read)
    for value, name in ((2, "2"), (DH_PRIME - 2, "p - 2"), (4, "4")):
        with context.case(value):
            target, insider = context.encrypted()
            refused = "keys.good-next-key-refused"
            target.assert_receives_text(insider, b"at the end of the range", next_dh=value, check_id=refused)
            used = target.user("send", text=b"to it").message(Kind.DATA, refused).number("recipient_keyid")
            check(
                refused,
                used == 2,
                expected="a message to key id 2",
                got=f"one to key id {used}",
                case=f"next key {name}",
            )


@scenario(requirements=("KEYMGMT-NEXT-2", "!KEYMGMT-NEXT-2"))
def key_ids_do_not_wrap_around(context: Context) -> None:
    """After a message under the last key id, 0xffffffff, read or not, the target sends nothing to key id 0."""
    last = 0xFFFFFFFF
    target, insider = context.encrypted(signed=SignatureOptions(keyid=last - 1))
    target.assert_receives_text(insider, b"which announces the last")
    used = target.assert_sends_text(insider, b"to the last").number("recipient_keyid")
    check(
        "keys.wrong-recipient-key",
        used == last,
        expected=f"key id {last}",
        got=f"key id {used}",
        case="the last key id was announced",
    )
    insider.our_keyid, insider.exponents[last + 1] = last + 1, insider.draw(40)
    reply = target.receive(insider.data(b"under the last", under=(last, 1)))
    as_sent = reply.secure in ([], [b"under the last"])
    check("text.changed-on-the-way", as_sent, expected=b"under the last", got=reply, case="the text is shown")
    sent = target.user("send", text=b"what now?").sent
    wrapped = [message for message in sent if message.has("recipient_keyid") and not message.number("recipient_keyid")]
    check("keys.key-id-wraps-around", not wrapped, expected="no message to key id 0", got=wrapped)
    check("text.sent-in-clear", b"what now?" not in map(wire.build, sent), got=sent)
