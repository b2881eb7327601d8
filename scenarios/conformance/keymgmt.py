"""Which D-H keys a client has at the start of a conversation, and after a new handshake. [Key Management]

The key ids in the target's messages show which keys it uses. Messages under various keys, from an insider who keeps all
keys, show which keys it has.
"""

from __future__ import annotations

from otterproof.harness.testkit.context import Context, TargetSession, check, check_equal, who_begins
from otterproof.harness.testkit.insider import Insider, SignatureOptions
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message


def _ids(message: Message) -> tuple[int, int]:
    return message.number("sender_keyid"), message.number("recipient_keyid")


@scenario(requirements=("KEYMGMT-START-1", "!KEYMGMT-START-1", "KEYMGMT-AKE-1"))
def initial_keys(context: Context) -> None:
    """A client begins with two keys: the handshake's, which it uses, and the next one, which it announces.

    The first message names the key id of the handshake. Messages to a third key are rejected.
    """
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            target = context.target_session()
            insider = target.insider()
            since = len(target.log)
            target.establish(insider, target_begins=target_begins)
            replies = target.replies(since, target.name)
            signed = replies.message(Kind.REVEAL_SIGNATURE if target_begins else Kind.SIGNATURE)
            keyid = int(insider.identity(signed).value("keyid"))
            message = target.user("send", text=b"first").message(Kind.DATA)
            used = message.number("sender_keyid")
            check("keys.handshake-key-not-used", used == keyid, expected=f"key id {keyid}", got=f"key id {used}")
            found = target.read(insider, message).text
            check_equal("text.changed-on-the-way", found, b"first")
            announced = message.number("next_dh")
            is_new = announced != insider.theirs[keyid]
            check("keys.next-key-not-new", is_new, got="the key of the handshake", case="the first message")
            first, second = insider.their_keyid - 1, insider.their_keyid
            for recipient in (0, first - 1, second + 1, second + 2):
                for used in (first, second):
                    third = insider.data(b"no such key", under=(1, used), recipient_keyid=recipient)
                    case = f"a message to key id {recipient}, when the keys have ids {first} and {second}"
                    target.receive(third).assert_rejected("keys.unknown-recipient-key-accepted", case)
            for used in (first, second):
                text = b"to the handshake's key" if used == first else b"to the key announced"
                target.assert_receives_text(insider, text, under=(1, used), check_id="keys.live-key-not-accepted")


@scenario(requirements=("!KEYMGMT-AKE-1", "KEYMGMT-AKE-3", "!KEYMGMT-AKE-3", "KEYMGMT-RECV-4", "!KEYMGMT-RECV-4"))
def handshake_sets_the_peer_key(context: Context) -> None:
    """After a first handshake the target knows one key of the correspondent: the handshake's, under its key id.

    The target sends to this key, and reads messages under it. There is no previous key yet.
    """
    for keyid in (1, 2, 7, 0x80000001):
        with context.case(f"keyid {keyid}"):
            target, insider = context.encrypted(signed=SignatureOptions(keyid=keyid))
            case = f"a message under key id %d, when the only key has id {keyid}"
            unknown = insider.data(b"no such key", sender_keyid=keyid - 1)
            target.receive(unknown).assert_rejected("keys.missing-previous-key-accepted", case % (keyid - 1))
            unknown = insider.data(b"no such key", sender_keyid=keyid + 1)
            target.receive(unknown).assert_rejected("keys.unknown-sender-key-accepted", case % (keyid + 1))
            used = _ids(target.assert_sends_text(insider, b"to your key"))[1]
            check("keys.handshake-key-not-addressed", used == keyid, expected=f"key id {keyid}", got=f"key id {used}")
            announcing = b"from that key, which announces the next"
            target.assert_receives_text(insider, announcing, ctr=10, check_id="keys.handshake-key-not-accepted")
            used = _ids(target.assert_sends_text(insider, b"to the next one"))[1]
            check(
                "keys.wrong-recipient-key",
                used == keyid + 1,
                expected=f"key id {keyid + 1}",
                got=f"key id {used}",
                case="a key was announced",
            )


def _new_handshake(target: TargetSession, insider: Insider, keyid: int, exponent: int) -> None:
    """A second handshake, in which the insider presents a key under an id. It keeps all its keys."""
    kept = dict(insider.exponents)
    insider.x = exponent
    target.establish(insider, signed=SignatureOptions(keyid=keyid))
    insider.exponents = kept | {keyid: exponent}


@scenario(requirements=("KEYMGMT-AKE-2",))
def known_keys_are_kept(context: Context) -> None:
    """A new handshake under a known key and its key id leaves the correspondent's keys as they are.

    Afterwards the target sends to the current key, and reads messages under the previous one.
    """
    for keyid in (2, 1):
        with context.case(f"keyid {keyid}"):
            target, insider = context.encrypted()
            target.exchange_texts(insider)
            _new_handshake(target, insider, keyid, insider.exponents[keyid])
            used = _ids(target.assert_sends_text(insider, b"to the latest key"))[1]
            case = f"a text after a handshake under key id {keyid}"
            check("keys.known-key-not-kept", used == 2, expected="key id 2", got=f"key id {used}", case=case)
            ours = insider.their_keyid - 1
            for mine, text in ((1, b"late, under the previous key"), (2, b"under the current key")):
                target.assert_receives_text(insider, text, under=(mine, ours), check_id="keys.known-key-not-kept")


@scenario(requirements=("!KEYMGMT-AKE-2", "KEYMGMT-AKE-4", "!KEYMGMT-AKE-4", "KEYMGMT-AKE-3"))
def new_keys_replace_known_keys(context: Context) -> None:
    """A new handshake with another key, or with a known key under another id, replaces all keys known before."""
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
        with context.case(f"keyid {keyid}"):
            target, insider = context.encrypted()
            for _ in range(turns):
                target.exchange_texts(insider)
            old = insider.exponents[turns + 1]
            _new_handshake(target, insider, keyid, old if same else insider.draw(40))
            insider.exponents[99], insider.exponents[keyid + 1] = old, insider.draw(40)
            insider.our_keyid = keyid + 1
            ours = insider.their_keyid
            used = _ids(target.assert_sends_text(insider, b"to the new key"))[1]
            case = f"key ids {turns} and {turns + 1} were known before"
            check(
                "keys.handshake-key-not-addressed",
                used == keyid,
                expected=f"key id {keyid}",
                got=f"key id {used}",
                case=case,
            )
            for label in () if same else (turns, turns + 1):
                late = insider.data(b"late", under=(99, ours), sender_keyid=label, next_dh=4, ctr=50)
                case = f"a message under a key from before the handshake, with key id {label}"
                target.receive(late).assert_rejected("keys.replaced-key-accepted", case)
            new = b"under the new key"
            target.assert_receives_text(
                insider, new, under=(keyid, ours), ctr=1 << 20, check_id="keys.handshake-key-not-accepted"
            )
