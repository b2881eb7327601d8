"""Which D-H keys a client has at the start of a conversation, and after a new handshake. [Key Management]"""

from __future__ import annotations

from otterproof.harness.testkit.context import Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider, SignatureOptions
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message


def _ids(message: Message) -> tuple[int, int]:
    return message.number("sender_keyid"), message.number("recipient_keyid")


@scenario(requirements=("KEYMGMT-START-1", "!KEYMGMT-START-1", "KEYMGMT-AKE-1"))
def keys_at_the_start(context: Context) -> None:
    """A client begins with two keys: that of the handshake, with the id told there, which it uses, and the next one,
    which it announces; it has no third.
    """
    for target_begins in (False, True):
        target = context.target_session()
        insider = target.insider()
        since = len(target.log)
        target.establish(insider, target_begins=target_begins)
        replies = target.replies(since, target.name)
        signed = replies.message(Kind.REVEAL_SIGNATURE if target_begins else Kind.SIGNATURE)
        keyid = int(insider.identity(signed).value("keyid"))
        message = target.assert_sends_text(insider, b"first")
        check(message.number("sender_keyid") == keyid, f"the first message has the handshake's key id, {keyid}")
        first, second = insider.their_keyid - 1, insider.their_keyid
        check(first == keyid, "the key announced is the one after that of the handshake")
        for recipient in (0, first - 1, second + 1, second + 2):
            for used in (first, second):
                third = insider.data(b"no such key", under=(1, used), recipient_keyid=recipient)
                target.receive(third).assert_rejected(f"a message to key {recipient} of {first} and {second}")
        target.assert_receives_text(insider, b"to the handshake's key", under=(1, first))
        target.assert_receives_text(insider, b"to the key announced", under=(1, second))


@scenario(requirements=("!KEYMGMT-AKE-1", "KEYMGMT-AKE-3", "!KEYMGMT-AKE-3", "KEYMGMT-RECV-4", "!KEYMGMT-RECV-4"))
def the_handshake_names_the_key(context: Context) -> None:
    """After a first handshake the correspondent's only key is that of the handshake under the id given there: it is the
    one that is used, and there is no previous one.
    """
    for keyid in (1, 2, 7, 0x80000001):
        target, insider = context.encrypted(signed=SignatureOptions(keyid=keyid))
        for previous in (keyid - 1, keyid + 1):
            unknown = insider.data(b"no such key", sender_keyid=previous)
            target.receive(unknown).assert_rejected(f"a message under key {previous} when the only one is {keyid}")
        message = target.assert_sends_text(insider, b"to your key")
        check(_ids(message)[1] == keyid, f"the target sends to the key id of the handshake, {keyid}")
        target.assert_receives_text(insider, b"from that key, which announces the next", ctr=10)
        message = target.assert_sends_text(insider, b"to the next one")
        check(_ids(message)[1] == keyid + 1, f"the target sends to the key announced, {keyid + 1}")


def _again(target: TargetSession, insider: Insider, keyid: int, exponent: int) -> None:
    """A second handshake, in which the insider shows a key with an id, and forgets none."""
    kept = dict(insider.exponents)
    insider.x = exponent
    target.establish(insider, signed=SignatureOptions(keyid=keyid))
    insider.exponents = kept | {keyid: exponent}


@scenario(requirements=("KEYMGMT-AKE-2",))
def known_keys_are_kept(context: Context) -> None:
    """A new handshake under the correspondent's current or previous key and its id leaves his keys as they are: the
    current one is used, the previous one can be.
    """
    for keyid in (2, 1):
        target, insider = context.encrypted()
        target.exchange_texts(insider)
        _again(target, insider, keyid, insider.exponents[keyid])
        message = target.assert_sends_text(insider, b"to the latest key")
        check(_ids(message)[1] == 2, f"the target sends to the latest key, 2, after a handshake under {keyid}")
        ours = insider.their_keyid - 1
        target.assert_receives_text(insider, b"late, under the previous key", under=(1, ours))
        target.assert_receives_text(insider, b"under the current key", under=(2, ours))


@scenario(requirements=("!KEYMGMT-AKE-2", "KEYMGMT-AKE-4", "!KEYMGMT-AKE-4", "KEYMGMT-AKE-3"))
def other_keys_replace_those_known(context: Context) -> None:
    """A new handshake under a known key id with another key, or under a known key with another id, leaves no earlier
    key of the correspondent's.
    """
    for turns, keyid, same in (
        (1, 1, False),
        (1, 2, False),
        (1, 3, False),
        (1, 9, True),
        (3, 1, False),
        (3, 3, False),
        (3, 4, False),
        (3, 9, True),
    ):
        target, insider = context.encrypted()
        for _ in range(turns):
            target.exchange_texts(insider)
        old = insider.exponents[turns + 1]
        _again(target, insider, keyid, old if same else insider.draw(40))
        insider.exponents[99], insider.exponents[keyid + 1] = old, insider.draw(40)
        insider.our_keyid = keyid + 1
        ours = insider.their_keyid
        message = target.assert_sends_text(insider, b"to the new key")
        check(_ids(message)[1] == keyid, f"the target sends to the handshake's key id, {keyid}, not {_ids(message)[1]}")
        for label in () if same else (turns, turns + 1):
            late = insider.data(b"late", under=(99, ours), sender_keyid=label, next_dh=4, ctr=50)
            target.receive(late).assert_rejected(f"a message under a key from before the handshake, as {label}")
        target.assert_receives_text(insider, b"under the new key", under=(keyid, ours), ctr=1 << 20)
