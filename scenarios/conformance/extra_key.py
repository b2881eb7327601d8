"""The extra symmetric key, and the TLV that asks for its use. [Extra symmetric key, Data Message]"""

from __future__ import annotations

from otterproof.harness.testkit.context import Context, Reply, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.layers import Tlv, tlv
from otterproof.implementations.contract import ExtraKey

EXTRA_KEY = 8

#: Uses and what follows them: numbers that a client may take for negative, data that it may take for something else.
WISHES = (
    (0, b""),
    (1, b"a file"),
    (0x12345678, b"with a \0 inside"),
    (0x7FFFFFFF, b"?OTRv23?"),
    (0x80000000, bytes(300)),
    (0xFFFFFFFF, "\u00fc".encode()),
)


#: What the user of any client can wish for: the use of a file, and its name.
NAMES = (b"a file", b"x", "\u00fc".encode(), b"?OTRv23?", b"long " * 100)


def _asked(target: TargetSession, insider: Insider, use: int, data: bytes) -> tuple[ExtraKey, Message, list[Tlv]]:
    """The target's user asks for the key: what he is told, the message, and its TLVs of type 8."""
    reply = target.user("extra_key", use=use, data=data)
    event, message = reply.one(ExtraKey), reply.message(Kind.DATA)
    return event, message, [found for found in target.read(insider, message).tlvs if found.type == EXTRA_KEY]


def _pair(message: Message) -> tuple[int, int]:
    """(our key id, theirs) of a message of the target's."""
    return message.number("recipient_keyid"), message.number("sender_keyid")


@scenario(
    versions=(3,),
    needs=("extra_key",),
    requirements=(
        "EXTRA-KEY-1",
        "EXTRA-KEY-2",
        "TLV-EXTRA-1",
        "!TLV-EXTRA-1",
        "TLV-EXTRA-2",
        "TLV-EXTRA-3",
        "!TLV-EXTRA-3",
        "!EXTRA-KEY-1",
    ),
)
def the_target_asks_for_the_key(context: Context) -> None:
    """The target says that it will use the key with one type 8 TLV: a use of four bytes, data, and not the key; the key
    is that of the message's own pair of keys. Without the wish there is no such TLV.
    """
    target, insider = context.encrypted()
    for data in NAMES:
        event, message, tlvs = _asked(target, insider, 1, data)
        check(len(tlvs) == 1, f"one type 8 TLV goes out, and there were {len(tlvs)}")
        value = tlvs[0].value
        check(value == b"\0\0\0\1" + data, f"the TLV holds the use and the data, and held {value[:40].hex()}")
        keys = insider.keys(*_pair(message))
        check(event.key == keys.extra_key, "the key is made from the secret of the message that asks")
        check(event.key[:8] != insider.ssid, "the key is not made like the ssid")
        plain = target.read(insider, target.user("send", text=b"text").message(Kind.DATA))
        check(all(found.type != EXTRA_KEY for found in plain.tlvs), "no other message asks")
        target.exchange_texts(insider)


def _told(reply: Reply, use: int, data: bytes, key: bytes, party: TargetSession) -> None:
    """The target's user must be told of the key, its use, and the data."""
    event = reply.one(ExtraKey)
    check(event.key == key, "the receiver computes the key from the secret of the message that asks")
    if party.tells("extra_key", "use"):
        check(event.use == use, f"the use is {use:#x}, and was told as {event.use:#x}")
    if party.tells("extra_key", "data"):
        check(event.data == data, f"the data is {data[:40]!r}, and was told as {event.data[:40]!r}")


@scenario(
    versions=(3,), needs=("extra_key",), requirements=("EXTRA-KEY-3", "EXTRA-KEY-2", "TLV-EXTRA-2", "!EXTRA-KEY-3")
)
def the_target_is_asked(context: Context) -> None:
    """The receiver of the TLV computes the same key, whoever has the greater public key, and gets use and data as they
    were sent.
    """
    target, insider = context.encrypted()
    for use, data in WISHES:
        keys = insider.keys(insider.our_keyid - 1, insider.their_keyid)
        for text in (b"", b"with a text"):
            reply = target.receive(insider.data(text, tlvs=[tlv(EXTRA_KEY, use.to_bytes(4) + data)]))
            _told(reply, use, data, keys.extra_key, target)
            reply.assert_shown(*[text] if text else [])
        target.assert_sends_text(insider, b"for new keys")


@scenario(versions=(3,), needs=("extra_key",), requirements=("!EXTRA-KEY-2", "EXTRA-KEY-4", "!EXTRA-KEY-4"))
def the_key_follows_the_message(context: Context) -> None:
    """The key is another one after each change of keys, the same before; a late message asks for the key of its own,
    older pair.
    """
    target, insider = context.encrypted()
    seen: set[bytes] = set()
    for _ in range(4):
        pair = (insider.our_keyid - 1, insider.their_keyid)
        late = insider.data(b"late", tlvs=[tlv(EXTRA_KEY, bytes(4))], ctr=100)
        first = target.receive(insider.data(tlvs=[tlv(EXTRA_KEY, bytes(4))], ctr=50)).one(ExtraKey)
        check(
            first.key == insider.keys(*pair).extra_key, "the key is that of the message, though keys have changed since"
        )
        event, message, _ = _asked(target, insider, 1, b"a file")
        again, *_ = _asked(target, insider, 1, b"another")
        check(event.key == again.key, "two messages under one pair of keys ask for one key")
        check(event.key == insider.keys(*_pair(message)).extra_key, "the target's own wish has the key of its message")
        _told(target.receive(late), 0, b"", insider.keys(*pair).extra_key, target)
        check(not {first.key, event.key} & seen, "after a change of keys the key is another one")
        seen |= {first.key, event.key}


@scenario(
    versions=(3,), needs=("extra_key",), requirements=("TLV-EXTRA-4", "!TLV-EXTRA-4", "!TLV-EXTRA-2", "!EXTRA-KEY-3")
)
def no_use_no_key(context: Context) -> None:
    """A type 8 TLV of fewer than four bytes leads to no key, and to no harm; four bytes are enough."""
    target, insider = context.encrypted()
    for size in range(4):
        reply = target.receive(insider.data(tlvs=[tlv(EXTRA_KEY, bytes(size))]))
        reply.assert_rejected(f"a type 8 TLV of {size} bytes")
        target.assert_receives_text(insider, b"nothing has happened")
    key = insider.keys(insider.our_keyid - 1, insider.their_keyid).extra_key
    _told(target.receive(insider.data(tlvs=[tlv(EXTRA_KEY, bytes(4))])), 0, b"", key, target)
    target.receive(insider.data(tlvs=[tlv(9, bytes(4))])).assert_rejected("a TLV of type 9")
    target.assert_session_alive(insider)


@scenario(versions=(2,), requirements=("EXTRA-KEY-5", "!EXTRA-KEY-5", "TLV-FORM-4"))
def version_2_ignores_the_tlv(context: Context) -> None:
    """In version 2 a type 8 TLV has no meaning: whatever it holds, it is passed over, and the text beside it shown."""
    target, insider = context.encrypted()
    for value in (bytes(4), b"\0\0\0\1a file", b"", b"\0"):
        reply = target.receive(insider.data(b"beside it", tlvs=[tlv(EXTRA_KEY, value)]))
        check(not reply.of(ExtraKey), "there is no extra symmetric key in version 2")
        reply.assert_shown(b"beside it")
    target.assert_session_alive(insider)
