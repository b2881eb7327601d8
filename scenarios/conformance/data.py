"""Data messages: their fields, their flags, and the text in them. [Data Message]"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import BODIES, Kind
from otterproof.harness.wire.layers import tlv, with_tlvs

IGNORE_UNREADABLE = 0x01

#: Texts that a client may be tempted to touch, or to take for something else.
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


@scenario(
    requirements=("DATA-FORM-1", "DATA-FORM-2", "DATA-FORM-3", "DATA-FORM-4", "DATA-FORM-5", "DATA-FORM-6"),
)
def fields_of_a_data_message(context: Context) -> None:
    """A data message has version, type, in version 3 both instance tags, and then its eight fields in order."""
    target, insider = context.encrypted()
    for message in (
        target.assert_sends_text(insider, b"first"),
        target.exchange_texts(insider),
        target.exchange_texts(insider),
    ):
        check(not message.problems, f"the message is well formed, and has: {', '.join(map(str, message.problems))}")
        check(message.number("version") == context.version, f"the version is {context.version}")
        check(message.number("type") == 3, "the type is 3")
        names = [field.name for field in message.fields]
        expected = ["version", "type", *(["sender_tag", "receiver_tag"] if context.version == 3 else [])]
        expected += [part.name for part in BODIES["data"]]
        check(names == expected, f"the fields are {expected}, and were {names}")
        if context.version == 3:
            tags = message.number("sender_tag"), message.number("receiver_tag")
            check(tags[0] == insider.target_tag, f"the sender tag is the one of the handshake, and was {tags[0]:#x}")
            check(tags[1] == insider.tag, f"the receiver tag is the correspondent's, and was {tags[1]:#x}")


@scenario(
    requirements=("!DATA-FORM-1", "!DATA-FORM-2", "!DATA-FORM-3", "!DATA-FORM-4", "!DATA-FORM-5"),
)
def another_header_is_not_read(context: Context) -> None:
    """A message of another version or type, or in version 3 between other clients, is not read even if its MAC is
    right.
    """
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
        target.receive(insider.seal(header)).assert_rejected(f"a message with {name} {value:#x}")
    target.assert_session_alive(insider)


@scenario(requirements=("!DATA-FORM-6",))
def fields_in_another_order_are_not_read(context: Context) -> None:
    """A message with fields left out, doubled or in another order is not read, and the session goes on."""
    target, insider = context.encrypted()
    target.exchange_texts(insider)  # so that the two key ids are different
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
        target.receive(sealed).assert_rejected(f"a message with the fields {change}")
    for cut in ("encrypted_message", "mac", "old_mac_keys"):
        genuine = wire.parse(insider.data(b"cut short"))
        short = wire.armour(genuine.body[: genuine.field(cut).offset])
        target.receive(short).assert_rejected(f"a message that ends before {cut}")
    target.assert_receives_text(insider, b"under other keys", under=(1, 2))  # those above may have got odd counters
    target.assert_sends_text(insider, b"for new keys")
    target.assert_session_alive(insider)


@scenario(requirements=("DATA-TEXT-1", "!DATA-TEXT-1", "DATA-RECV-2"))
def texts_pass_unchanged(context: Context) -> None:
    """Text passes as it is: not ASCII, with markup, with white space around it, and if it looks like OTR itself."""
    target, insider = context.encrypted()
    for text in TEXTS:
        reply = target.assert_receives_text(insider, text)
        check(set(reply.kinds) <= {Kind.DATA}, f"{text!r} is no protocol message, and is not answered as one: {reply}")
    for text in TEXTS[:4]:
        target.assert_sends_text(insider, text)


@scenario(requirements=("DATA-TEXT-2", "!DATA-TEXT-2", "DATA-ENC-3", "!DATA-ENC-3"))
def texts_of_any_length(context: Context) -> None:
    """Text of any length arrives whole, and nothing but text and TLVs is encrypted; a message that announces more than
    there is is not read.
    """
    target, insider = context.encrypted()
    for length in (1, 15, 16, 17, 0xFF, 0x100, 0xFFFF, 0x10000, 100_001):
        text = (b"long, long text. " * (length // 17 + 1))[:length]
        target.assert_receives_text(insider, text)
        sent = target.read(insider, target.user("send", text=text).message(Kind.DATA))
        whole = all(len(record.value) == record.length for record in sent.tlvs) and not sent.rest
        check(sent.text == text and whole, f"{length} bytes of text are encrypted, TLVs behind them, and nothing more")
    genuine = wire.parse(insider.data(b"shorter than it says"))
    raw = genuine.raw("encrypted_message")
    for more in (1, 24, 0x7FFFFFFF):
        head = genuine.mac_input()[: -len(raw)] + (len(raw) - 4 + more).to_bytes(4) + raw[4:]
        target.receive(insider.seal(head)).assert_rejected(f"text that lacks {more} of the bytes announced")
    target.assert_session_alive(insider)


@scenario(
    requirements=("DATA-TEXT-3", "!DATA-TEXT-3", "DATA-HEARTBEAT-1", "!DATA-HEARTBEAT-1", "!DATA-RECV-2", "DATA-RECV-3")
)
def only_text_is_shown(context: Context) -> None:
    """Text is shown if there is some, with TLVs behind it or not; without, nothing is shown, and keys change still."""
    target, insider = context.encrypted()
    padding = with_tlvs(b"", [tlv(0, b"\0" * 20)])
    for plaintext, shown in (
        (b"text", [b"text"]),
        (b"text" + padding, [b"text"]),
        (b"text\0", [b"text"]),
        (b"", []),
        (b"\0", []),
        (padding, []),
    ):
        target.receive(insider.data(plaintext)).assert_shown(*shown)
        message = target.assert_sends_text(insider, b"an answer")
        check(message.number("recipient_keyid") == insider.our_keyid - 1, "the answer is to the latest key announced")


def _damaged(insider: Insider, flags: int) -> bytes:
    """A message whose MAC is wrong in its last bit."""
    raw = insider.data(b"damaged", flags=flags)
    mac = wire.parse(raw).data("mac")
    return wire.build(wire.parse(raw).with_value("mac", mac[:-1] + bytes([mac[-1] ^ 1])))


@scenario(requirements=("DATA-FLAGS-1", "DATA-FLAGS-2", "!DATA-FLAGS-2", "DATA-FLAGS-3"))
def flags_of_what_is_sent(context: Context) -> None:
    """Ordinary messages have no flags, in answer to flagged ones too; the end has no other than IGNORE_UNREADABLE."""
    target, insider = context.encrypted()
    for flags in (0, IGNORE_UNREADABLE):
        target.assert_receives_text(insider, b"with flags %d" % flags, flags=flags)
        found = target.assert_sends_text(insider, b"an ordinary message").number("flags")
        check(found == 0, f"an ordinary message has flags 0, and not {found:#04x}")
    end = target.user("end").message(Kind.DATA)
    check(end.number("flags") in (0, IGNORE_UNREADABLE), f"only defined flags are set, not {end.number('flags'):#04x}")


@scenario(requirements=("DATA-FLAGS-4", "!DATA-FLAGS-4", "DATA-FLAGS-5", "!DATA-FLAGS-5"))
def ignore_unreadable(context: Context) -> None:
    """With IGNORE_UNREADABLE a message with a wrong MAC or an unknown key is passed over in silence; without, it is
    not; and one that can be read is read.
    """
    target, insider = context.encrypted()
    for flags in (0, IGNORE_UNREADABLE):
        wrong = {
            "a wrong MAC": _damaged(insider, flags),
            "an unknown sender key": insider.data(b"unknown", flags=flags, sender_keyid=77),
            "an unknown recipient key": insider.data(b"unknown", flags=flags, recipient_keyid=77),
        }
        for what, message in wrong.items():
            reply = target.receive(message)
            reply.assert_rejected(what)
            check(
                reply.noticed == (not flags), f"{what} with flags {flags} is {'' if flags else 'not '}silent: {reply}"
            )
        target.assert_receives_text(insider, b"readable", flags=flags)
    target.assert_session_alive(insider)


@scenario(requirements=("DATA-FLAGS-6", "!DATA-FLAGS-3", "!DATA-FLAGS-1"))
def flags_without_a_meaning(context: Context) -> None:
    """All flags that are not defined are treated alike, they do not mean IGNORE_UNREADABLE, nor hide it."""
    target, insider = context.encrypted()
    read = set()
    for flags in (0x02, 0x10, 0x80, 0xFE, 0xFF):
        reply = target.receive(insider.data(b"flags %#04x" % flags, flags=flags))
        read.add(tuple(reply.secure) == (b"flags %#04x" % flags,))
        if read != {True}:
            reply.assert_rejected("a message that is refused for its flags")
    check(len(read) == 1, "messages with unknown flags are all read or all refused")
    check(target.receive(_damaged(insider, 0xFE)).noticed, "other flags than IGNORE_UNREADABLE do not make for silence")
    if read == {True}:
        for flags in (0x81, 0xFF):
            reply = target.receive(_damaged(insider, flags))
            check(not reply.noticed, f"IGNORE_UNREADABLE counts beside other flags, {flags:#04x}: {reply}")
    target.assert_session_alive(insider)


@scenario(requirements=("DATA-KEYID-5", "!DATA-KEYID-5", "!DATA-KEYID-1", "!DATA-KEYID-3"))
def key_id_0_is_refused(context: Context) -> None:
    """A message with a key id of 0 is not read, right after the handshake and later; with the right ids it is."""
    target, insider = context.encrypted()
    for _ in range(3):
        for sender, recipient in ((0, None), (None, 0), (0, 0)):
            message = insider.data(b"id 0", sender_keyid=sender, recipient_keyid=recipient)
            target.receive(message).assert_rejected("a message with a key id of 0")
        target.assert_receives_text(insider, b"the same with its ids")
        target.assert_sends_text(insider, b"an answer")


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
def key_ids_of_what_is_sent(context: Context) -> None:
    """Key ids are above 0; the sender's rises by one with each change of key, and only then; each key was announced
    before it is used.
    """
    target, insider = context.encrypted()
    announced = dict(insider.theirs)
    for turn in range(1, 6):
        target.assert_receives_text(insider, b"go on")
        for _ in range(2):
            message = target.assert_sends_text(insider, b"turn %d" % turn)
            ours, theirs = message.number("sender_keyid"), message.number("recipient_keyid")
            check(ours > 0 and theirs > 0, f"key ids are above 0, and were {ours} and {theirs}")
            check(ours == turn, f"with each turn the sender's key id rises by one, to {turn}, and was {ours}")
            known = announced.setdefault(ours + 1, message.number("next_dh"))
            check(known == message.number("next_dh"), f"the key with id {ours + 1} is always the same")
    check(len(set(announced.values())) == len(announced), "each key is another one")


@scenario(requirements=("!DATA-NEXT-1", "DATA-KEYID-4", "!DATA-KEYID-4", "KEYMGMT-RECV-1", "!KEYMGMT-RECV-1"))
def key_ids_must_fit_the_keys(context: Context) -> None:
    """A message is read under the keys that its ids name, and under no other ones, be they live ones too."""
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
                target.receive(message).assert_rejected(f"a message under keys {used} that names {named}")
    insider.exponents[99] = insider.draw(40)
    never = insider.data(b"never announced", under=(99, 2), sender_keyid=3, next_dh=insider.theirs[1], ctr=50)
    target.receive(never).assert_rejected("a message under a key that was not announced")
    for pair in ((2, 2), (3, 2), (3, 3)):
        target.assert_receives_text(insider, b"the right keys", under=pair, ctr=100)
