"""How Data Messages are encrypted and authenticated. [Data Message, Exchanging data]"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, TargetSession, check, check_equal
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message, crypto
from otterproof.harness.wire.data_lies import OLD_KEYS, OTHER_ORDER, TOO_LITTLE, TOO_MUCH, Covered, Sealed
from otterproof.harness.wire.layers import tlv

#: Eight blocks of AES.
LONG = b"0123456789abcdef" * 8


def _blocks(target: TargetSession, insider: Insider, text: bytes) -> list[bytes]:
    """The keystream of a message with this text from the target, in blocks of 16 bytes."""
    message = target.user("send", text=text).message(Kind.DATA)
    check_equal("data.encrypted-wrongly", target.read(insider, message).text, text)
    content = message.data("encrypted_message")[: len(text)]
    stream = bytes(a ^ b for a, b in zip(content, text, strict=True))
    return [stream[at : at + 16] for at in range(0, len(stream), 16)]


@scenario(requirements=("DATA-ENC-1", "DATA-ENC-2", "!DATA-ENC-2", "DATA-ENC-3", "KEYMGMT-SEND-3", "KEYMGMT-RECV-7"))
def encryption_of_data_messages(context: Context) -> None:
    """Texts of many blocks are encrypted with AES in counter mode, each starting at its own counter.

    No block of the keystream is used twice.
    """
    target, insider = context.encrypted()
    seen: list[bytes] = []
    for ctr in (1, 2, 0x0102030405060708):
        text = LONG + b"and a part of one"
        reply = target.receive(insider.data(text, ctr=ctr))
        # A text that is cut short or not shown says nothing about the encryption.
        check("text.not-delivered", bool(reply.secure), expected="a text", got=reply)
        if not text.startswith(reply.secure[0]):
            reply.assert_shown("data.decrypted-wrongly", text)
        reply.assert_shown("data.long-text-lost", text)
        for _ in range(3):
            seen += _blocks(target, insider, LONG)
    got = f"{len({*seen})} different blocks"
    check("data.keystream-reused", len({*seen}) == len(seen), expected=f"{len(seen)} different blocks", got=got)


def _printable(aes: bytes, real: bytes, first: int, zero: bool) -> tuple[int, bytes]:
    """A counter from `first` on and "text", encrypted under `aes` or counter 0 so that it decrypts to other text."""
    for ctr in range(first, first + 100_000):
        encrypted = crypto.aes_ctr(aes, bytes(8) if zero else ctr.to_bytes(8), b"text")
        if all(0x20 < byte < 0x7F for byte in crypto.aes_ctr(real, ctr.to_bytes(8), encrypted)):
            return ctr, encrypted
    raise AssertionError("one counter in fifty gives a text")


@scenario(requirements=("!DATA-ENC-1", "!KEYMGMT-RECV-7", "!KEYMGMT-SEND-3"))
def wrong_keys_and_counters_do_not_decrypt(context: Context) -> None:
    """Text encrypted with another key or counter than the message names is not recovered."""
    target, insider = context.encrypted()
    target.exchange_texts(insider)
    keys, other = insider.keys(2, 2), insider.keys(1, 1)
    ctr = 0
    for what, aes in (
        ("the receiving key", keys.receiving_aes),
        ("the sending key of another pair", other.sending_aes),
        ("the MAC key, cut", keys.sending_mac[:16]),
        ("a counter of 0", keys.sending_aes),
    ):
        ctr, encrypted = _printable(aes, keys.sending_aes, ctr + 1, what == "a counter of 0")
        message = wire.parse(insider.data(ctr=ctr)).with_value("encrypted_message", encrypted)
        texts = target.receive(wire.build(crypto.mac_data(message, keys.sending_mac))).secure
        wanted = "other text than was encrypted"
        check("data.decrypted-wrongly", b"text" not in texts, expected=wanted, got=texts, case=what)
    target.assert_sends_text(insider, LONG, check_id="data.encrypted-wrongly")
    target.assert_session_alive(insider)


@scenario(requirements=("DATA-MAC-1", "!DATA-MAC-1", "!KEYMGMT-RECV-5", "KEYMGMT-RECV-5", "DATA-RECV-12"))
def wrong_mac_is_refused(context: Context) -> None:
    """Any MAC but the SHA1-HMAC under the pair's sending key is refused, however close, and the text is not shown."""
    target, insider = context.encrypted()
    for text in (b"first", b"second"):
        genuine = wire.parse(insider.data(text))
        keys, right, covered = insider.keys(*_ids(genuine)), genuine.data("mac"), genuine.mac_input()
        for what, mac in {
            "with the first bit wrong": bytes([right[0] ^ 0x80]) + right[1:],
            "with the last bit wrong": right[:-1] + bytes([right[-1] ^ 1]),
            "with the second half wrong": right[:10] + bytes(10),
            "with the first half wrong": bytes(10) + right[10:],
            "with a byte in the middle wrong": right[:9] + bytes([right[9] ^ 0xFF]) + right[10:],
            "of zeros": bytes(20),
            "of ones": b"\xff" * 20,
            "backwards": right[::-1],
            "with the receiving key": hmac.digest(keys.receiving_mac, covered, "sha1"),
            "with the AES key": hmac.digest(keys.sending_aes, covered, "sha1"),
            "with SHA256": hmac.digest(keys.sending_mac, covered, "sha256")[:20],
            "without a key": hmac.digest(b"", covered, "sha1"),
        }.items():
            reply = target.receive(wire.build(genuine.with_value("mac", mac)))
            reply.assert_rejected("data.mac-not-verified", f"a message with a MAC {what}")
        target.assert_receives_text(insider, text)
        target.assert_sends_text(insider, b"an answer")


def _ids(message: Message) -> tuple[int, int]:
    """The sender's and the recipient's key id."""
    return message.number("sender_keyid"), message.number("recipient_keyid")


@scenario(requirements=("DATA-MAC-2", "!DATA-MAC-2", "DATA-RECV-1"))
def mac_covers_all_preceding_fields(context: Context) -> None:
    """A message is not read if the first or last bit of any field before the MAC was changed.

    Each changed message has a counter above all before it, so that only the check of the MAC can refuse it.
    """
    target, insider = context.encrypted()
    target.exchange_texts(insider)
    under = (1, 2)  # a pair whose counters are not needed afterwards
    target.assert_receives_text(insider, b"every field counts", under=under)
    ctr = 2
    fields = wire.parse(insider.data(under=under)).fields
    names = [field.name for field in fields[: [field.name for field in fields].index("mac")]]
    for name in sorted(names, key="ctr".__eq__):  # last: with its first bit changed, ctr is above all to come
        for byte, bit in ((-1, 0x01), (0, 0x80)):
            ctr += 2
            genuine = wire.parse(insider.data(b"every field counts", under=under, ctr=ctr))
            raw = bytearray(genuine.raw(name))
            raw[byte] ^= bit
            changed = genuine.with_raw(name, bytes(raw))
            target.receive(wire.build(changed)).assert_rejected(
                "data.mac-covers-too-little", f"a message whose {name} was changed"
            )
        if name == "flags":
            for other, value in (("flags", 1), ("next_dh", insider.theirs[1])):
                ctr += 2
                changed = wire.parse(insider.data(b"every field counts", under=under, ctr=ctr)).with_value(other, value)
                target.receive(wire.build(changed)).assert_rejected(
                    "data.mac-covers-too-little", f"a message with another {other}"
                )
    target.assert_session_alive(insider)


@scenario(requirements=("!DATA-MAC-2", "!DATA-ORDER-1"))
def mac_over_fewer_fields_is_refused(context: Context) -> None:
    """A MAC over only some of the bytes before it, or with some of them replaced, is refused."""
    target, insider = context.encrypted()
    first = {what: covered for what, covered in TOO_LITTLE.items() if what != OTHER_ORDER}
    _refuses_macs(target, insider, "data.mac-covers-too-little", first, (1, 1))
    target.exchange_texts(insider)
    last = {OTHER_ORDER: TOO_LITTLE[OTHER_ORDER]}  # needs two key ids that differ
    _refuses_macs(target, insider, "data.mac-covers-too-little", last, (1, 2))
    target.assert_session_alive(insider)


def _refuses_macs(
    target: TargetSession, insider: Insider, check_id: str, lies: Mapping[str, Covered], under: tuple[int, int]
) -> None:
    """Demand that MACs over other bytes are refused, each in a message with a counter of its own."""
    clients = insider.tag.to_bytes(4) + insider.target_tag.to_bytes(4)
    for what, covered in lies.items():
        genuine = wire.parse(insider.data(b"under another MAC", under=under))
        keys = insider.keys(*_ids(genuine))
        lie = covered(Sealed(genuine, keys, insider.ssid, clients))
        if lie is not None:
            message = wire.build(genuine.with_value("mac", hmac.digest(keys.sending_mac, lie, "sha1")))
            target.receive(message).assert_rejected(check_id, f"a MAC that {what}")


@scenario(requirements=("!DATA-MAC-2", "!DATA-MAC-1", "!DATA-MAC-3"))
def mac_over_more_fields_is_refused(context: Context) -> None:
    """A MAC that covers more than the fields before it is refused."""
    target, insider = context.encrypted()
    _refuses_macs(target, insider, "data.mac-covers-old-keys", OLD_KEYS, (1, 1))
    _refuses_macs(target, insider, "data.mac-covers-more", TOO_MUCH, (1, 1))
    target.assert_session_alive(insider)


@scenario(requirements=("DATA-MAC-3", "!DATA-MAC-3", "DATA-OLDMACS-1", "!DATA-OLDMACS-1"))
def mac_does_not_cover_old_mac_keys(context: Context) -> None:
    """Inserting, changing or removing old MAC keys does no harm, and a MAC that covers them is refused.

    Messages whose old MAC keys are not a whole number of keys are either all read or all refused.
    """
    target, insider = context.encrypted()
    for before, after in ((b"", bytes(20)), (bytes(40), b""), (bytes(60), b"\xff" * 60)):
        genuine = wire.parse(insider.data(b"with old keys", old_mac_keys=before))
        reply = target.receive(wire.build(genuine.with_value("old_mac_keys", after)))
        case = f"{len(before)} bytes of old MAC keys become {len(after)}"
        reply.assert_shown("data.mac-covers-old-keys", b"with old keys", case=case)
    genuine = wire.parse(insider.data(b"a MAC over all", old_mac_keys=bytes(20)))
    covered = genuine.mac_input() + genuine.raw("old_mac_keys")
    mac = hmac.digest(insider.keys(*_ids(genuine)).sending_mac, covered, "sha1")
    target.receive(wire.build(genuine.with_value("mac", mac))).assert_rejected(
        "data.mac-covers-old-keys", "a MAC that covers the old MAC keys"
    )
    read = set()
    for size in (1, 19, 21, 39):
        reply = target.receive(insider.data(b"not whole", old_mac_keys=bytes(size)))
        read.add(tuple(reply.secure) == (b"not whole",))
    check("data.partial-old-key-inconsistent", len(read) == 1, got="some messages are read, and others refused")
    target.assert_session_alive(insider)


@scenario(requirements=("!DATA-RECV-12", "DATA-ORDER-1", "!DATA-ORDER-1", "!TLV-FORM-7", "TLV-FORM-7"))
def unverified_messages_have_no_effect(context: Context) -> None:
    """The keys, TLVs and counter of a message take effect only if its MAC is right."""
    target, insider = context.encrypted()
    target.exchange_texts(insider)
    bad = bytes(range(20))
    for what, message in {
        "a text": insider.data(b"a text", mac=bad),
        "the end": insider.data(tlvs=[tlv(1)], mac=bad),
        "text and the end": insider.data(b"good bye", tlvs=[tlv(1)], mac=bad),
        "an extra key": insider.data(tlvs=[tlv(8, bytes(8))], mac=bad),
        "an SMP message": insider.data(tlvs=[tlv(2, bytes(4))], mac=bad),
        "another key": insider.data(next_dh=insider.theirs[1], mac=bad),
    }.items():
        target.receive(message).assert_rejected("data.used-before-mac", f"{what} in a message with a wrong MAC")
    target.assert_sends_text(insider, b"nothing has happened", check_id="data.used-before-mac")
    target.receive(b"in the clear").assert_shown("text.not-shown-as-clear", b"in the clear", secure=False)
    target.receive(b"\0\0\1\0\0").assert_rejected("tlv.acted-on-in-clear", "a type 1 TLV in the clear")
    target.receive(b"in the clear\0\0\1\0\0").assert_rejected(
        "tlv.acted-on-in-clear", "a type 1 TLV behind a text in the clear"
    )
    said = target.assert_sends_text(insider, b"the session goes on", check_id="tlv.acted-on-in-clear")
    check("keys.changed-by-forgery", _ids(said) == (1, 2), expected="key ids 1 and 2", got=_ids(said))
    target.exchange_texts(insider)
    reply = target.receive(insider.data(tlvs=[tlv(1)]))
    check("session.end-not-reported", len(reply.accepted) == 1, expected="one Finished", got=reply)


@scenario(requirements=("DATA-ORDER-2", "!DATA-ORDER-2"))
def both_sides_derive_the_same_keys(context: Context) -> None:
    """Texts pass both ways under each pair of keys, in runs and alternating, and under pairs one step behind."""
    target, insider = context.encrypted()
    for turn in range(4):
        for _ in range(turn):
            target.assert_sends_text(insider, b"from the target", check_id="derivation.session-keys-differ")
        for _ in range(3 - turn):
            target.assert_receives_text(insider, b"from the insider", check_id="derivation.session-keys-differ")
        late = insider.data(b"late", ctr=1000)
        target.exchange_texts(insider)
        target.receive(late).assert_shown(
            "keys.live-key-not-accepted", b"late", case="a message under the previous keys"
        )
