"""When D-H keys change, which are used for sending, and which for reading. [Key Management, Exchanging data]"""

from __future__ import annotations

import random

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.insider import SignatureOptions
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import DH_PRIME, Message


def _ids(message: Message) -> tuple[int, int]:
    return message.number("sender_keyid"), message.number("recipient_keyid")


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
    """The target sends under its latest key that was acknowledged to the latest key that it got: not before that, and
    not under keys from messages that could not be verified.
    """
    target, insider = context.encrypted()
    for own in range(1, 4):
        for _ in range(2):
            check(
                _ids(target.assert_sends_text(insider, b"go on")) == (own, own),
                f"without news keys {own} and {own} are used",
            )
        forged = insider.data(b"forged", under=(own, own), recipient_keyid=own + 1, mac=bytes(20))
        target.receive(forged).assert_rejected("a forged acknowledgement")
        target.receive(insider.data(b"forged", mac=bytes(20))).assert_rejected("a forged announcement")
        check(
            _ids(target.assert_sends_text(insider, b"nothing new")) == (own, own),
            "what is not verified changes no keys",
        )
        target.assert_receives_text(insider, b"a new key, no acknowledgement", under=(own, own), ctr=20)
        check(
            _ids(target.assert_sends_text(insider, b"to it")) == (own, own + 1),
            "a new key is used, an own one not before it was",
        )
        late = insider.data(b"late, and older", under=(own, own), ctr=21)
        target.receive(late).assert_shown(b"late, and older")
        check(
            _ids(target.assert_sends_text(insider, b"still to it")) == (own, own + 1),
            "a late message does not bring keys back",
        )
        insider.exponents[own + 2] = insider.exponents.get(own + 2) or insider.draw(40)
        acknowledgement = insider.data(b"your key is here", under=(own, own + 1), ctr=50)
        target.receive(acknowledgement).assert_shown(b"your key is here")
        check(
            _ids(target.assert_sends_text(insider, b"then I use it")) == (own + 1, own + 1),
            "an acknowledged key is used",
        )


@scenario(requirements=("KEYMGMT-RECV-2", "!KEYMGMT-RECV-2", "KEYMGMT-RECV-3", "!KEYMGMT-RECV-3", "KEYMGMT-KEEP-1"))
def only_two_keys_of_each_side(context: Context) -> None:
    """A message is read under the current and the previous key of each side; under any other key id, forgotten or yet
    to come, it is refused, whatever keys it is made with.
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
                target.receive(message).assert_rejected(f"a message under ids {sender} and {recipient}")
    for pair in ((4, 4), (5, 4), (5, 5)):
        target.assert_receives_text(insider, b"right ids", under=pair, ctr=10)


@scenario(
    requirements=("KEYMGMT-RECV-8", "!KEYMGMT-RECV-8", "!KEYMGMT-KEEP-1", "KEYMGMT-ROTATE-7", "!KEYMGMT-ROTATE-7")
)
def late_by_one_step_but_not_by_two(context: Context) -> None:
    """A message that comes after its keys have become the previous ones is still read, from either side's view; once
    they are forgotten it is refused.
    """
    target, insider = context.encrypted()
    late = [insider.data(b"late", ctr=100)]
    for turn in range(4):
        target.exchange_texts(insider)
        if turn > 1:
            target.receive(late[turn - 2]).assert_rejected("a message under keys that were forgotten")
        target.receive(late[turn]).assert_shown(b"late")
        target.receive(insider.data(b"later", under=(turn + 1, turn + 1), ctr=101)).assert_shown(b"later")
        if turn:
            forgotten = insider.data(b"too late", under=(turn, turn), ctr=200)
            target.receive(forgotten).assert_rejected("another message under keys that were forgotten")
            for pair in ((turn, turn + 1), (turn + 1, turn)):
                half = insider.data(b"too late", under=pair, ctr=200)
                target.receive(half).assert_rejected("a message under one live key and a forgotten one")
        late.append(insider.data(b"late", ctr=100))


@scenario(requirements=("KEYMGMT-ROTATE-1", "!KEYMGMT-ROTATE-1", "KEYMGMT-ROTATE-2", "!KEYMGMT-ROTATE-2"))
def own_keys_change_when_acknowledged(context: Context) -> None:
    """The first use of its latest key makes the target forget the one before, and announce a new one; messages to the
    previous key do neither.
    """
    target, insider = context.encrypted()
    seen = {insider.theirs[1], target.assert_sends_text(insider, b"first").number("next_dh")}
    for own in range(1, 5):
        for number in range(2):
            target.assert_receives_text(insider, b"to the previous key", under=(1, own), ctr=10 + number)
            message = target.assert_sends_text(insider, b"nothing new")
            check(_ids(message)[0] == own, f"the target's key is still {own}")
            check(message.number("next_dh") in seen, "no other key is announced than before")
        target.assert_receives_text(insider, b"to the latest key", under=(1, own + 1), ctr=1)
        message = target.assert_sends_text(insider, b"a new one")
        check(_ids(message)[0] == own + 1, f"the target's key is now {own + 1}")
        check(message.number("next_dh") not in seen, "the key announced is a new one")
        seen.add(message.number("next_dh"))
        forgotten = insider.data(b"to the forgotten key", under=(1, own), ctr=90)
        target.receive(forgotten).assert_rejected("a message to the key that was forgotten")


@scenario(requirements=("KEYMGMT-ROTATE-3", "!KEYMGMT-ROTATE-3", "KEYMGMT-ROTATE-4", "!KEYMGMT-ROTATE-4"))
def their_keys_change_when_used(context: Context) -> None:
    """The first use of the correspondent's latest key makes the key announced there the next; messages under the
    previous one, whatever they announce, change nothing.
    """
    target, insider = context.encrypted()
    for theirs in range(1, 5):
        insider.exponents[theirs + 1] = insider.draw(40)
        target.assert_receives_text(insider, b"with a new key", under=(theirs, 1), ctr=1)
        check(
            _ids(target.assert_sends_text(insider, b"to it"))[1] == theirs + 1,
            f"the target sends to the key announced, {theirs + 1}",
        )
        for other in (4, insider.theirs[1]):
            target.assert_receives_text(
                insider, b"with another one", under=(theirs, 1), next_dh=other, ctr=2 + (other > 4)
            )
            message = target.assert_sends_text(insider, b"to the same as before")
            check(_ids(message)[1] == theirs + 1, "a message under the previous key announces nothing")
        message = target.assert_sends_text(insider, b"again")
        check(_ids(message) == (1, theirs + 1), f"no keys have changed: {_ids(message)}")


@scenario(requirements=("KEYMGMT-ROTATE-6", "!KEYMGMT-ROTATE-6"))
def losses_do_not_end_the_conversation(context: Context) -> None:
    """However many messages get lost, and whatever keys they had acknowledged or announced, a fresh one is read on
    either side; one that comes two steps late is not, and does no harm.
    """
    choose = random.Random(context.seed)
    target, insider = context.encrypted()
    for number in range(24):
        text = b"number %d" % number
        match choose.randrange(4):
            case 0:
                insider.data(b"lost")
            case 1:
                check(bool(target.user("send", text=b"lost").sent), "the target sends something, which is lost")
            case 2:
                target.assert_receives_text(insider, text)
            case _:
                target.assert_sends_text(insider, text)
        if insider.our_keyid > 3:
            ancient = insider.data(b"ancient", under=(insider.our_keyid - 3, insider.their_keyid - 1), ctr=1 << 20)
            target.receive(ancient).assert_rejected("a message under a key that was forgotten")
    target.assert_session_alive(insider)


@scenario(requirements=("KEYMGMT-NEXT-1", "!KEYMGMT-NEXT-1"))
def next_keys_out_of_range(context: Context) -> None:
    """Next keys outside 2 to p - 2 are all refused or all stored; those at the ends of the range are taken."""
    read = set()
    for value in (0, 1, DH_PRIME - 1, DH_PRIME, DH_PRIME + 1, (1 << 1544) - 1):
        target, insider = context.encrypted()
        reply = target.receive(insider.data(b"an odd key", next_dh=value))
        read.add(bool(reply.secure))
        if not reply.secure:
            reply.assert_rejected(f"a message that announces a key of {value.bit_length()} bits that is out of range")
            target.assert_receives_text(insider, b"with a good key")
            target.assert_sends_text(insider, b"to that")
    check(len(read) == 1, "keys out of range are all refused or all stored")
    for value in (2, DH_PRIME - 2, 4):
        target, insider = context.encrypted()
        target.assert_receives_text(insider, b"at the end of the range", next_dh=value)
        message = target.user("send", text=b"to it").sent[0]
        check(message.number("recipient_keyid") == 2, "a key at the end of the range is taken")


@scenario(requirements=("KEYMGMT-NEXT-2", "!KEYMGMT-NEXT-2"))
def key_ids_do_not_wrap_around(context: Context) -> None:
    """After a message under the last key id, 0xffffffff, read or not, the target sends nothing to a key 0."""
    last = 0xFFFFFFFF
    target, insider = context.encrypted(signed=SignatureOptions(keyid=last - 1))
    target.assert_receives_text(insider, b"which announces the last")
    check(_ids(target.assert_sends_text(insider, b"to the last"))[1] == last, "the last key id can be used")
    insider.our_keyid, insider.exponents[last + 1] = last + 1, insider.draw(40)
    reply = target.receive(insider.data(b"under the last", under=(last, 1)))
    check(reply.secure in ([], [b"under the last"]), "the text is shown or not")
    sent = target.user("send", text=b"what now?").sent
    wrapped = [message for message in sent if message.has("recipient_keyid") and not message.number("recipient_keyid")]
    check(not wrapped, "no message goes to a key with id 0")
    check(b"what now?" not in map(wire.build, sent), "the text does not go out in the clear")
