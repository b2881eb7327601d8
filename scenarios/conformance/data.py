"""Data Messages: their fields, their flags, their key ids, and the text in them. [Data Message]"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, TargetSession, check, check_equal
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.layers import tlv, with_tlvs

IGNORE_UNREADABLE = 0x01

#: Texts that a client might change or mistake for something else.
TEXTS = (
    b"plain",
    "Otter \u00fc\u4e2d \U0001f9a6".encode(),
    b"<b>bold</b> &amp; <a href='x'>",
    b" spaces and tabs around \t ",
    b"\r\nlines\n\n",
    b"?OTR:AAMD.",
    b"?OTRv23? is no query in here",
    b"?OTR Error: neither this",
    b"a tag \x20\x09\x20\x20\x09\x09\x09\x09\x20\x09\x20\x09\x20\x09\x20\x20\x20\x20\x09\x09\x20\x20\x09\x09 of spaces",
)

#: The check that fails when a wrong value in a header field is accepted.
NOT_CHECKED = {
    "version": "data.version-not-checked",
    "type": "data.type-not-checked",
    "sender_tag": "data.tags-not-checked",
    "receiver_tag": "data.tags-not-checked",
}


@scenario(
    requirements=("DATA-FORM-1", "DATA-FORM-2", "DATA-FORM-3", "DATA-FORM-4", "DATA-FORM-5", "DATA-FORM-6"),
)
def fields_of_a_data_message(context: Context) -> None:
    """A Data Message has a version, a type, both instance tags (in version 3), and then its eight fields in order."""
    target, insider = context.encrypted()
    for message in (
        target.assert_sends_text(insider, b"first"),
        target.exchange_texts(insider),
        target.exchange_texts(insider),
    ):
        # A message with another type or without one of its fields is no Data Message and has failed already.
        # Its form is judged in every step. [otterproof.harness.judges.oracles.form]
        if context.version == 3:
            check_equal("data.wrong-receiver-tag", message.number("receiver_tag"), insider.tag)


@scenario(
    requirements=("!DATA-FORM-1", "!DATA-FORM-2", "!DATA-FORM-3", "!DATA-FORM-4", "!DATA-FORM-5"),
)
def message_with_a_wrong_header_is_not_read(context: Context) -> None:
    """A Data Message with a wrong version or type, or in version 3 with wrong instance tags, is not read."""
    target, insider = context.encrypted()
    changes = [("version", 0), ("version", 1), ("version", 4), ("version", 0x0300), ("version", 5 - context.version)]
    changes += [("type", 0), ("type", 4), ("type", 0x13), ("type", 0x83)]
    if context.version == 3:
        changes += [("sender_tag", 0x2B2C), ("sender_tag", 0), ("sender_tag", insider.target_tag)]
        changes += [("receiver_tag", insider.target_tag ^ 0x10000), ("receiver_tag", 1), ("receiver_tag", insider.tag)]
    for name, value in changes:
        genuine = wire.parse(insider.data(b"with another header"))
        header = b"".join(
            (value.to_bytes(len(field.raw)) if field.name == name else field.raw)
            for field in genuine.fields[: genuine.fields.index(genuine.field("mac"))]
        )
        target.receive(insider.seal(header)).assert_rejected(NOT_CHECKED[name], f"a message with {name} {value:#x}")
    target.assert_session_alive(insider)


@scenario(requirements=("!DATA-FORM-6",))
def misordered_fields_are_not_read(context: Context) -> None:
    """A message with fields missing, doubled or out of order is not read, and the session goes on."""
    target, insider = context.encrypted()
    target.exchange_texts(insider)  # makes the two key ids differ
    insider.data()
    for change in (
        "flags next_dh sender_keyid recipient_keyid ctr encrypted_message",
        "flags sender_keyid recipient_keyid ctr next_dh encrypted_message",
        "flags sender_keyid recipient_keyid next_dh encrypted_message ctr",
        "sender_keyid recipient_keyid flags next_dh ctr encrypted_message",
        "flags sender_keyid next_dh ctr encrypted_message",
        "flags sender_keyid recipient_keyid ctr encrypted_message",
        "flags sender_keyid recipient_keyid next_dh encrypted_message",
        "flags sender_keyid recipient_keyid next_dh ctr",
        "flags sender_keyid recipient_keyid next_dh ctr ctr encrypted_message",
    ):
        genuine = wire.parse(insider.data(b"with other fields"))
        names = ["version", "type", *(["sender_tag", "receiver_tag"] if context.version == 3 else []), *change.split()]
        sealed = insider.seal(b"".join(genuine.raw(name) for name in names))
        target.receive(sealed).assert_rejected("data.wrong-fields-accepted", f"a message with the fields {change}")
    for cut in ("encrypted_message", "mac", "old_mac_keys"):
        genuine = wire.parse(insider.data(b"cut short"))
        short = wire.armour(genuine.body[: genuine.field(cut).offset])
        target.receive(short).assert_rejected("data.wrong-fields-accepted", f"a message that ends before {cut}")
    # The target may have seen odd counters under the old pair of keys.
    target.assert_receives_text(insider, b"under other keys", under=(1, 2))
    target.assert_sends_text(insider, b"for new keys")
    target.assert_session_alive(insider)


@scenario(requirements=("DATA-TEXT-1", "!DATA-TEXT-1", "DATA-RECV-2"))
def texts_pass_unchanged(context: Context) -> None:
    """Text passes unchanged, even with markup, non-ASCII characters or outer white space, or if it looks like OTR."""
    target, insider = context.encrypted()
    for text in TEXTS:
        reply = target.assert_receives_text(insider, text, check_id="data.text-changed")
        quiet = set(reply.kinds) <= {Kind.DATA}
        check("data.text-taken-for-protocol", quiet, expected="no answer but a heartbeat", got=reply, case=text)
    for text in TEXTS[:4]:
        target.assert_sends_text(insider, text, check_id="data.text-changed-when-sent")


@scenario(
    requirements=("DATA-TEXT-2", "!DATA-TEXT-2", "DATA-ENC-3", "!DATA-ENC-3", "!TYPES-DATA-2"),
)
def texts_of_any_length(context: Context) -> None:
    """Text of any length arrives whole, and nothing but text and TLVs is encrypted.

    A message that announces more encrypted bytes than it has is not read.
    """
    target, insider = context.encrypted()
    for length in (1, 15, 16, 17, 0xFF, 0x100, 0xFFFF, 0x10000, 100_001):
        case = f"a text of {length} bytes"
        text = (b"long, long text. " * (length // 17 + 1))[:length]
        target.assert_receives_text(insider, text, check_id="data.long-text-lost")
        sent = target.read(insider, target.user("send", text=text).message(Kind.DATA))
        check_equal("data.long-text-not-sent", sent.text, text, case=case)
        stray = sent.rest + b"".join(record.value for record in sent.tlvs if len(record.value) != record.length)
        check("data.stray-bytes-encrypted", sent.whole, expected="text, and whole TLVs behind it", got=stray, case=case)
    genuine = wire.parse(insider.data(b"shorter than it says"))
    raw = genuine.raw("encrypted_message")
    for more in (1, 24, 0x7FFFFFFF):
        head = genuine.mac_input()[: -len(raw)] + (len(raw) - 4 + more).to_bytes(4) + raw[4:]
        reply = target.receive(insider.seal(head))
        reply.assert_rejected("encoding.length-beyond-message", f"encrypted text that announces {more} bytes too many")
    target.assert_session_alive(insider)


@scenario(
    requirements=("DATA-TEXT-3", "!DATA-TEXT-3", "DATA-HEARTBEAT-1", "!DATA-HEARTBEAT-1", "!DATA-RECV-2", "DATA-RECV-3")
)
def only_text_is_shown(context: Context) -> None:
    """Text is shown if there is any, with or without TLVs after it; a message without text also changes keys."""
    target, insider = context.encrypted()
    padding = with_tlvs(b"", [tlv(0, b"\0" * 20)])
    for plaintext, texts in (
        (b"text", [b"text"]),
        (b"text" + padding, [b"text"]),
        (b"text\0", [b"text"]),
        (b"", []),
        (b"\0", []),
        (padding, []),
    ):
        check_id = "data.text-not-shown" if texts else "data.empty-text-shown"
        target.receive(insider.data(plaintext)).assert_shown(check_id, *texts, case=plaintext)
        message = target.assert_sends_text(insider, b"an answer")
        assert_newest_key_used(message, insider.our_keyid - 1)


def assert_newest_key_used(message: Message, keyid: int) -> None:
    """Demand that the target's message goes to the insider's key with this id, the newest that the target has."""
    found = message.number("recipient_keyid")
    check("keys.wrong-recipient-key", found == keyid, expected=f"recipient key id {keyid}", got=found)


def _damaged(insider: Insider, flags: int) -> bytes:
    """A message whose MAC is wrong in its last bit."""
    raw = insider.data(b"damaged", flags=flags)
    mac = wire.parse(raw).data("mac")
    return wire.build(wire.parse(raw).with_value("mac", mac[:-1] + bytes([mac[-1] ^ 1])))


@scenario(requirements=("DATA-FLAGS-1", "DATA-FLAGS-2", "!DATA-FLAGS-2", "DATA-FLAGS-3"))
def flags_of_sent_messages(context: Context) -> None:
    """Ordinary messages have no flags, even in reply to flagged ones; the last may have only IGNORE_UNREADABLE."""
    target, insider = context.encrypted()
    for flags in (0, IGNORE_UNREADABLE):
        target.assert_receives_text(insider, b"with flags %d" % flags, flags=flags)
        found = target.assert_sends_text(insider, b"an ordinary message").number("flags")
        check_equal("data.flags-not-zero", found, 0, case=f"after a message with flags {flags}")
    target.user("end").message(Kind.DATA)


@scenario(requirements=("DATA-FLAGS-4", "!DATA-FLAGS-4", "DATA-FLAGS-5", "!DATA-FLAGS-5"))
def ignore_unreadable(context: Context) -> None:
    """A message with IGNORE_UNREADABLE is silently ignored if its MAC is wrong or its keys are unknown.

    Without the flag, the user is told or an Error Message is sent. A readable message is read with or without the flag.
    """
    target, insider = context.encrypted()
    for flags in (0, IGNORE_UNREADABLE):
        wrong = {
            "a wrong MAC": _damaged(insider, flags),
            "an unknown sender key": insider.data(b"unknown", flags=flags, sender_keyid=77),
            "an unknown recipient key": insider.data(b"unknown", flags=flags, recipient_keyid=77),
        }
        for what, message in wrong.items():
            case = f"a message with flags {flags} and {what}"
            reply = target.receive(message)
            reply.assert_rejected("data.unreadable-accepted", case)
            if flags:
                check(
                    "data.ignore-unreadable-not-honoured", not reply.noticed, expected="silence", got=reply, case=case
                )
            else:
                wanted = "a notice to the user, or an OTR Error Message"
                check("data.unreadable-passed-over", reply.noticed, expected=wanted, got=reply, case=case)
        check_id = "data.flagged-message-not-read" if flags else ""
        target.assert_receives_text(insider, b"readable", check_id=check_id, flags=flags)
    target.assert_session_alive(insider)


@scenario(requirements=("DATA-FLAGS-6", "!DATA-FLAGS-3", "!DATA-FLAGS-1"))
def undefined_flags(context: Context) -> None:
    """All undefined flags are treated alike; they do not count as IGNORE_UNREADABLE, and do not hide it."""
    target, insider = context.encrypted()
    read = set()
    for flags in (0x02, 0x10, 0x80, 0xFE, 0xFF):
        reply = target.receive(insider.data(b"flags %#04x" % flags, flags=flags))
        read.add(tuple(reply.secure) == (b"flags %#04x" % flags,))
        if read != {True}:
            reply.assert_rejected("data.undefined-flags-inconsistent", f"flags {flags:#04x}, after others were refused")
    check("data.undefined-flags-inconsistent", len(read) == 1, got="some messages are read, and others refused")
    reply = target.receive(_damaged(insider, 0xFE))
    case = "a message with flags 0xfe and a wrong MAC"
    check("data.undefined-flags-silence", reply.noticed, expected="a notice or an error", got=reply, case=case)
    if read == {True}:
        for flags in (0x81, 0xFF):
            reply = target.receive(_damaged(insider, flags))
            case = f"a message with flags {flags:#04x} and a wrong MAC"
            check("data.ignore-unreadable-not-honoured", not reply.noticed, expected="silence", got=reply, case=case)
    target.assert_session_alive(insider)


def _old_key_ids_are_refused(context: Context) -> None:
    """Demand that ids of keys dropped long ago are refused: if they are not, accepting id 0 shows nothing more."""
    target, insider = context.encrypted()
    for _ in range(3):
        target.exchange_texts(insider)
    case = "a key id of 1, long after its key was dropped"
    for age in (0, 1):
        under = (insider.our_keyid - 1, insider.their_keyid - age)
        reply = target.receive(insider.data(b"sender 1", sender_keyid=1, under=under))
        reply.assert_rejected("keys.unknown-sender-key-accepted", case)
        reply = target.receive(insider.data(b"recipient 1", recipient_keyid=1, under=under))
        reply.assert_rejected("keys.unknown-recipient-key-accepted", case)


@scenario(requirements=("DATA-KEYID-5", "!DATA-KEYID-5", "!DATA-KEYID-1", "!DATA-KEYID-3"))
def key_id_0_is_refused(context: Context) -> None:
    """A message with key id 0 is not read, right after the handshake or later; with the right ids it is."""
    _old_key_ids_are_refused(context)
    target, insider = context.encrypted()
    for _ in range(3):
        for sender, recipient in ((0, None), (None, 0), (0, 0)):
            message = insider.data(b"id 0", sender_keyid=sender, recipient_keyid=recipient)
            named = " and ".join(
                f"{name} key id 0" for name, keyid in (("sender", sender), ("recipient", recipient)) if keyid == 0
            )
            target.receive(message).assert_rejected("data.key-id-0-accepted", f"a message with {named}")
        target.assert_receives_text(insider, b"the same with its ids")
        target.assert_sends_text(insider, b"an answer")


def _sent(target: TargetSession, insider: Insider, text: bytes, own_keyid: int) -> Message:
    """The message with a text of the target's user. Its key ids are judged before the insider reads it."""
    message = target.user("send", text=text).message(Kind.DATA)
    check_equal("keys.own-key-id-not-in-step", message.number("sender_keyid"), own_keyid, case=text)
    found = target.read(insider, message).text
    check_equal("text.changed-on-the-way", found, text)
    return message


@scenario(
    requirements=(
        "DATA-KEYID-1",
        "DATA-KEYID-2",
        "!DATA-KEYID-2",
        "DATA-KEYID-3",
        "DATA-NEXT-1",
        "KEYMGMT-SEND-2",
        "!KEYMGMT-SEND-2",
    )
)
def key_ids_of_sent_messages(context: Context) -> None:
    """Key ids are above 0, and the sender's rises by one each time its key changes, and only then.

    Each key is announced in an earlier message before it is used.
    """
    target, insider = context.encrypted()
    announced = dict(insider.theirs)
    for turn in range(1, 6):
        target.assert_receives_text(insider, b"go on")
        for _ in range(2):
            message = _sent(target, insider, b"turn %d" % turn, own_keyid=turn)
            ours, next_dh = message.number("sender_keyid"), message.number("next_dh")
            known = announced.setdefault(ours + 1, next_dh)
            check_equal("keys.announced-key-changed", next_dh, known, case=f"key id {ours + 1}")
    distinct = len(set(announced.values()))
    check_equal("keys.next-key-not-new", distinct, len(announced))


@scenario(requirements=("!DATA-NEXT-1", "DATA-KEYID-4", "!DATA-KEYID-4", "KEYMGMT-RECV-1", "!KEYMGMT-RECV-1"))
def key_ids_select_the_keys(context: Context) -> None:
    """A message is read only under the keys that its ids name, not under other keys that are live."""
    target, insider = context.encrypted()
    target.exchange_texts(insider)
    target.assert_receives_text(insider, b"now there are two keys of each side")
    target.assert_sends_text(insider, b"ids 2 and 3 on both sides")
    live = ((2, 2), (3, 2), (2, 3), (3, 3))
    for named in live:
        for used in live:
            if used != named:
                message = insider.data(
                    b"other keys", under=used, ctr=10, sender_keyid=named[0], recipient_keyid=named[1]
                )
                case = f"a message that names key ids {named[0]} and {named[1]}, made with {used[0]} and {used[1]}"
                target.receive(message).assert_rejected("data.key-ids-not-followed", case)
    insider.exponents[99] = insider.draw(40)
    never = insider.data(b"never announced", under=(99, 2), sender_keyid=3, next_dh=insider.theirs[1], ctr=50)
    target.receive(never).assert_rejected("data.key-ids-not-followed", "a message under a key that was never announced")
    for pair in ((2, 2), (3, 2), (3, 3)):
        target.assert_receives_text(
            insider, b"the right keys", check_id="keys.live-key-not-accepted", under=pair, ctr=100
        )
