"""The extra symmetric key, and the TLV that announces its use. [Extra symmetric key, Data Message]"""

from __future__ import annotations

from otterproof.harness.testkit.context import Context, Reply, TargetSession, check, check_equal, check_told
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.layers import Tlv, tlv
from otterproof.implementations.contract import ExtraKeyDerived

EXTRA_KEY = 8

#: Uses with their data: numbers that a client might read as negative, data that it might mistake for something else.
REQUESTS = (
    (0, b""),
    (1, b"a file"),
    (0x12345678, b"with a \0 inside"),
    (0x7FFFFFFF, b"?OTRv23?"),
    (0x80000000, bytes(300)),
    (0xFFFFFFFF, "\u00fc".encode()),
)

#: Data for use 1, a file: file names. The user of any client can ask for this use.
NAMES = (b"a file", b"x", "\u00fc".encode(), b"?OTRv23?", b"long " * 100)


def _asked(
    target: TargetSession, insider: Insider, use: int, data: bytes
) -> tuple[ExtraKeyDerived, Message, list[Tlv]]:
    """The target's user requests the key: the event, the message, and its type 8 TLVs."""
    reply = target.user("extra_key", use=use, data=data)
    event, message = reply.one(ExtraKeyDerived), reply.message(Kind.DATA)
    return event, message, [found for found in target.read(insider, message).tlvs if found.type == EXTRA_KEY]


def _pair(message: Message) -> tuple[int, int]:
    """(our key id, theirs) in a message from the target."""
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
        "DATA-FLAGS-3",
    ),
)
def target_requests_the_key(context: Context) -> None:
    """The target announces the key in one type 8 TLV: a four-byte use and data, without the key itself.

    The key is derived from the message's own pair of keys. Unless the user asks for it, no such TLV is sent.
    """
    target, insider = context.encrypted()
    for data in NAMES:
        event, message, tlvs = _asked(target, insider, 1, data)
        check_equal("extra-key.not-announced-once", len(tlvs), 1, case="type 8 TLVs")
        value, wanted = tlvs[0].value, b"\0\0\0\1" + data
        check_equal("extra-key.tlv-value-wrong", value, wanted)
        _assert_key(event.key, insider, _pair(message), "extra-key.derived-wrongly")
        plain = target.read(insider, target.user("send", text=b"text").message(Kind.DATA))
        types = [found.type for found in plain.tlvs]
        check("extra-key.announced-unasked", EXTRA_KEY not in types, expected="no TLV of type 8", got=types)
        target.exchange_texts(insider)


def _assert_key(found: bytes, insider: Insider, pair: tuple[int, int], check_id: str, case: str = "") -> None:
    """Demand that a key is the extra key of a pair of key ids: (ours, theirs)."""
    expected = insider.keys(*pair).extra_key
    check_equal(check_id, found, expected, case=case)


def _assert_reported(
    target: TargetSession, reply: Reply, insider: Insider, pair: tuple[int, int], use: int = 0, data: bytes = b""
) -> None:
    """Demand that the target's user is told the key of a pair, its use, and the data."""
    event = reply.one(ExtraKeyDerived)
    _assert_key(event.key, insider, pair, "extra-key.receiver-differs")
    check_told("extra-key.value-misread", event.use, use, case="use")
    check_told("extra-key.value-misread", event.data, data, case="data")


@scenario(
    versions=(3,), needs=("extra_key",), requirements=("EXTRA-KEY-3", "EXTRA-KEY-2", "TLV-EXTRA-2", "!EXTRA-KEY-3")
)
def target_receives_a_request(context: Context) -> None:
    """The receiver of the TLV computes the same key, and gets the use and data as they were sent."""
    target, insider = context.encrypted()
    for use, data in REQUESTS:
        pair = (insider.our_keyid - 1, insider.their_keyid)
        for text in (b"", b"with a text"):
            reply = target.receive(insider.data(text, tlvs=[tlv(EXTRA_KEY, use.to_bytes(4) + data)]))
            _assert_reported(target, reply, insider, pair, use, data)
            if text:
                reply.assert_shown("data.text-not-shown", text, case="a text with a type 8 TLV")
            else:
                reply.assert_shown("data.empty-text-shown", case="a type 8 TLV without text")
        target.assert_sends_text(insider, b"for new keys")


@scenario(versions=(3,), needs=("extra_key",), requirements=("!EXTRA-KEY-2", "EXTRA-KEY-4", "!EXTRA-KEY-4"))
def extra_key_matches_the_keys_of_its_message(context: Context) -> None:
    """The extra key changes with the D-H keys, and only then; a late message requests the key of its older pair."""
    target, insider = context.encrypted()
    seen: set[bytes] = set()
    for _ in range(4):
        pair = (insider.our_keyid - 1, insider.their_keyid)
        late = insider.data(b"late", tlvs=[tlv(EXTRA_KEY, bytes(4))], ctr=100)
        first = target.receive(insider.data(tlvs=[tlv(EXTRA_KEY, bytes(4))], ctr=50)).one(ExtraKeyDerived)
        check("extra-key.not-changed-with-keys", first.key not in seen, got=first.key, case="the target is asked")
        _assert_key(first.key, insider, pair, "extra-key.of-another-pair", "a message that itself changes keys")
        event, message, _ = _asked(target, insider, 1, b"a file")
        again, *_ = _asked(target, insider, 1, b"another")
        check_equal("extra-key.changed-without-new-keys", again.key, event.key)
        check("extra-key.not-changed-with-keys", event.key not in seen, got=event.key, case="the target asks")
        _assert_key(event.key, insider, _pair(message), "extra-key.of-another-pair", "a message of the target's")
        _assert_reported(target, target.receive(late), insider, pair)
        seen |= {first.key, event.key}


@scenario(
    versions=(3,), needs=("extra_key",), requirements=("TLV-EXTRA-4", "!TLV-EXTRA-4", "!TLV-EXTRA-2", "!EXTRA-KEY-3")
)
def tlv_without_use_yields_no_key(context: Context) -> None:
    """A type 8 TLV of fewer than four bytes yields no key and does no harm; four bytes are enough."""
    target, insider = context.encrypted()
    for size in range(4):
        reply = target.receive(insider.data(tlvs=[tlv(EXTRA_KEY, bytes(size))]))
        reply.assert_rejected("extra-key.short-tlv-accepted", f"a type 8 TLV of {size} bytes")
        target.assert_receives_text(insider, b"nothing has happened")
    pair = (insider.our_keyid - 1, insider.their_keyid)
    _assert_reported(target, target.receive(insider.data(tlvs=[tlv(EXTRA_KEY, bytes(4))])), insider, pair)
    target.receive(insider.data(tlvs=[tlv(9, bytes(4))])).assert_rejected("tlv.unknown-type-acted-on", "a type 9 TLV")
    target.assert_session_alive(insider)


@scenario(versions=(2,), requirements=("EXTRA-KEY-5", "!EXTRA-KEY-5", "TLV-FORM-4"))
def version_2_ignores_the_tlv(context: Context) -> None:
    """In version 2 a type 8 TLV has no meaning: it is skipped whatever its value, and the text is shown."""
    target, insider = context.encrypted()
    for value in (bytes(4), b"\0\0\0\1a file", b"", b"\0"):
        reply = target.receive(insider.data(b"beside it", tlvs=[tlv(EXTRA_KEY, value)]))
        case = f"a type 8 TLV of {len(value)} bytes"
        check(
            "extra-key.tlv-read-where-undefined", not reply.of(ExtraKeyDerived), expected="no key", got=reply, case=case
        )
        reply.assert_shown("tlv.unknown-type-hides-text", b"beside it", case=case)
    target.assert_session_alive(insider)


@scenario(versions=(2,), needs=("extra_key",), requirements=("EXTRA-KEY-5", "!EXTRA-KEY-5"))
def no_extra_key_is_offered_in_version_2(context: Context) -> None:
    """When the user asks for the extra symmetric key in a version 2 session, no type 8 TLV is sent."""
    target, insider = context.encrypted()
    reply = target.user("extra_key", use=1, data=b"a file")
    sent = [found for message in reply.messages(Kind.DATA) for found in target.read(insider, message).tlvs]
    offered = any(found.type == EXTRA_KEY for found in sent)
    check("extra-key.granted-where-undefined", not offered, expected="no type 8 TLV", got=sent)
    target.assert_session_alive(insider)
