"""Data types: integers, MPIs, opaque data, counters and MACs, and the Diffie-Hellman group. [Data types]"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, check, check_equal, check_told, who_begins
from otterproof.harness.testkit.insider import SignatureOptions
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import SmpPeer
from otterproof.harness.testkit.smp_session import ABORT, MESSAGE_1, SmpSession
from otterproof.harness.wire import DH_PRIME, Kind, Message, Type, build
from otterproof.harness.wire.fields import Field
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.numbers import mpi, power
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import (
    MessageRejected,
    MessageUnreadable,
    PeerEndedSession,
    SessionEstablished,
)
from otterproof.scenarios.conformance.encoding_armour import assert_field_named, has_its_effect, refused, steps

#: Lengths that exceed any message; some are negative when read as signed.
TOO_LONG = (0x7FFFFFFF, 0x80000000, 0xFFFFFFE0, 0xFFFFFFFC, 0xFFFFFFFF)

#: A seed with which an engine's first D-H key, written in 192 bytes, has a leading zero byte.
LEADING_ZERO_SEED = b"leading zero 320"


def fields_with_length(message: Message) -> Iterator[Field]:
    """The fields of a message that begin with a length."""
    return (field for field in message.fields if field.type in (Type.MPI, Type.DATA))


@scenario(
    requirements=(
        "TYPES-DATA-2",
        "!TYPES-DATA-2",
        "TYPES-DATA-3",
        "!TYPES-DATA-3",
        "!TYPES-DATA-1",
        "!TYPES-MPI-1",
    )
)
def excessive_lengths_are_refused(context: Context) -> None:
    """A message with a length beyond its end, by one byte or by far, is refused as malformed and does no harm."""
    for target, insider, message in steps(context):
        with context.case():
            genuine = wire.parse(message)
            for field in fields_with_length(genuine):
                rest = len(genuine.body) - field.offset - 4
                for length in (rest + 1, *TOO_LONG):
                    lie = genuine.with_raw(field.name, length.to_bytes(4) + field.raw[4:])
                    case = f"{field.name} with a length of {length:#x}"
                    reply = refused(target, "encoding.length-beyond-message", wire.armour(lie.body), case)
                    if "lockstep" in context.target.capabilities:
                        assert_field_named((*reply.of(MessageRejected), *reply.of(MessageUnreadable)), field.name, case)
            has_its_effect(target, "encoding.bad-length-changes-state", insider, message)


@scenario(requirements=("TYPES-DATA-1", "TYPES-MPI-1"))
def long_data_arrives_whole(context: Context) -> None:
    """All four length bytes of DATA count: texts of more than 65535 bytes arrive, in both directions."""
    target, insider = context.encrypted()
    text = b"".join(b"%d " % number for number in range(13_000))  # 66,890 bytes
    reply = target.receive(insider.data(text))
    read = bool(reply.secure)  # with a misread length nothing verifies: a target that shows a part has read it all
    reply.assert_shown("data.long-text-lost" if read else "encoding.data-length-cut", text)
    target.assert_sends_text(insider, text, check_id="data.long-text-not-sent")


@scenario(requirements=("TYPES-INT-1", "!TYPES-INT-1"))
def key_ids_are_unsigned_and_big_endian(context: Context) -> None:
    """Key ids of 2^31 and above work like small ones, and a key id with its bytes reversed is a different one."""
    for keyid in (0x7FFFFFFF, 0x80000001, 0xFFFFFF00):
        with context.case(f"keyid {keyid}"):
            target, insider = context.encrypted(signed=SignatureOptions(keyid=keyid))
            swapped = int.from_bytes(keyid.to_bytes(4), "little")
            lie = insider.data(b"bytes in the other order", sender_keyid=swapped)
            case = f"sender key id {swapped:#x} in place of {keyid:#x}"
            target.receive(lie).assert_rejected("encoding.int-byte-order-ignored", case)
            target.assert_session_alive(insider, "encoding.int-misread")


@scenario(versions=(3,), requirements=("TYPES-INT-1",))
def instance_tags_are_unsigned(context: Context) -> None:
    """Instance tags of 2^31 and above work like small ones."""
    for tag in (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        with context.case(f"tag {tag}"):
            target = context.target_session()
            insider = target.insider(tag=tag)
            target.establish(insider)
            message = target.assert_sends_text(insider, b"hello")
            found = message.number("receiver_tag")
            check_equal("encoding.int-misread", found, tag, case="receiver tag")


@scenario(requirements=("TYPES-SHORT-1", "!TYPES-SHORT-1"))
def shorts_are_unsigned_and_big_endian(context: Context) -> None:
    """TLVs of more than 32767 bytes are skipped correctly, and a version with its bytes swapped is not accepted."""
    target, insider = context.encrypted()
    target.end_by_peer(insider)
    target, insider = context.encrypted()
    lie = wire.parse(insider.data(b"swapped version"))
    unknown = 0x0707  # unknown in either byte order
    for version in (unknown, context.version << 8, 0x0100 | context.version, 0xFF00 | context.version):
        changed = lie.with_value("version", version).body
        sealed = insider.seal(changed[: lie.field("mac").offset])
        check_id = "encoding.unknown-version-accepted" if version == unknown else "encoding.short-byte-order-ignored"
        refused(target, check_id, sealed, f"version {version:#06x}")
    target.assert_session_alive(insider)
    long_ones = [tlv(0, bytes(0x8001)), tlv(0, bytes(0xFF00))]
    reply = target.receive(insider.data(tlvs=[*long_ones, tlv(1)]))
    reply.one(PeerEndedSession, "encoding.short-misread", case="a type 1 TLV behind TLVs of 0x8001 and 0xff00 bytes")


@scenario(requirements=("TYPES-BYTE-1", "!TYPES-BYTE-1"))
def byte_fields_have_one_byte(context: Context) -> None:
    """Type and flags have one byte each: a message in which either has none or two is refused."""
    target, insider = context.encrypted()
    genuine = wire.parse(insider.data(b"a text"))
    for name in ("type", "flags"):
        for raw in (b"", b"\0" + genuine.raw(name), genuine.raw(name) + b"\0"):
            body = b"".join(raw if field.name == name else field.raw for field in genuine.fields)
            at = len(body) - len(genuine.body) + genuine.field("mac").offset
            refused(target, "encoding.byte-wrong-size-accepted", insider.seal(body[:at]), f"{name} of {len(raw)} bytes")
    target.assert_receives_text(insider, b"a text")


@scenario(requirements=("TYPES-CTR-1", "!TYPES-CTR-1"))
def counter_has_eight_bytes(context: Context) -> None:
    """All eight bytes of a counter are used, in both directions; a message with fewer or more bytes is refused."""
    target, insider = context.encrypted()
    first = wire.parse(insider.data(b"a text", ctr=0x0102030405060708))
    for raw in (first.raw("ctr")[:4], first.raw("ctr")[:7], first.raw("ctr") + b"\0", bytes(8) + first.raw("ctr")):
        body = b"".join(raw if field.name == "ctr" else field.raw for field in first.fields)
        at = len(body) - len(first.body) + first.field("mac").offset
        case = f"a counter of {len(raw)} bytes"
        refused(target, "encoding.counter-wrong-size-accepted", insider.seal(body[:at]), case)
    cut = "encoding.counter-cut"
    target.assert_receives_text(insider, b"a text", check_id=cut, ctr=0x0102030405060709)
    target.receive(insider.data(b"a high one", ctr=0x7EDCBA9876543210)).assert_shown(cut, b"a high one")
    target.assert_sends_text(insider, b"hello", check_id=cut)


@scenario(requirements=("TYPES-MAC-1", "!TYPES-MAC-1"))
def mac_has_twenty_bytes(context: Context) -> None:
    """All twenty bytes of a MAC are checked: part of it, or another part of the hash it is cut from, is refused."""
    target, insider = context.encrypted()
    genuine = wire.parse(insider.data(b"a text"))
    mac = genuine.raw("mac")
    for raw in (b"", mac[:4], mac[:10], mac[:19], mac[:19] + bytes([mac[19] ^ 1])):
        body = b"".join(raw if field.name == "mac" else field.raw for field in genuine.fields)
        case = f"a Data Message with a wrong MAC of {len(raw)} bytes"
        refused(target, "encoding.mac-cut-accepted", wire.armour(body), case)
    target.assert_receives_text(insider, b"a text")
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    dh_key = build(target.receive(insider.commit()).message(Kind.DH_KEY))
    reveal = wire.parse(insider.reveal_signature(dh_key))
    whole = hmac.digest(insider.handshake.m2, reveal.raw("encrypted_signature"), "sha256")
    for raw in (whole[12:], whole[:19]):
        body = b"".join(raw if field.name == "mac" else field.raw for field in reveal.fields)
        case = f"a Reveal Signature Message with a wrong MAC of {len(raw)} bytes"
        refused(target, "encoding.mac-cut-accepted", wire.armour(body), case)


@scenario(requirements=("TYPES-MPI-2", "TYPES-MPI-4"))
def numbers_are_sent_in_minimal_form(context: Context) -> None:
    """No MPI that is sent, encrypted or not, has a leading zero byte, even when its highest bit is set."""
    context.seed = LEADING_ZERO_SEED
    for begins in (False, True):
        with context.case(who_begins(begins)):
            target = context.target_session()
            insider = target.insider()
            target.establish(insider, target_begins=begins)
            for _ in range(4):
                target.exchange_texts(insider)
            for message in target.replies(0, "target").sent:
                if message.has("encrypted_signature"):
                    # This contains p and q of the target's key, whose highest bits are always set.
                    assert_shortest(insider.identity(message).fields, "the encrypted signature")


def assert_shortest(fields: Iterable[Field], where: str) -> None:
    """Demand that the MPIs among some fields have no leading zero byte, whether as a sign byte or as padding."""
    for field in fields:
        if field.type is Type.MPI:
            check("form.mpi-not-minimal", field.raw[4:5] != b"\0", got=field.raw, case=f"{field.name} of {where}")


@scenario(requirements=("!TYPES-MPI-2", "!TYPES-MPI-4", "TYPES-MPI-5", "!TYPES-MPI-5"))
def leading_zeros_do_not_change_a_number(context: Context) -> None:
    """A D-H key with a leading zero byte is refused, or read as the number without it."""
    target = context.target_session()
    insider = target.insider()
    commit = build(target.query().message(Kind.DH_COMMIT))
    public = mpi(power(2, insider.x))
    padded = (len(public) - 4 + 1).to_bytes(4) + b"\0" + public[4:]
    lie = wire.parse(insider.dh_key()).with_raw("gy", padded)
    answer = target.receive(build(lie))
    if "lockstep" in context.target.capabilities:
        answer.assert_sent("encoding.leading-zeros-accepted", case="a D-H key with a leading zero byte")
    if not answer.raw:
        answer = target.receive(insider.dh_key())
    reveal = build(answer.message(Kind.REVEAL_SIGNATURE))
    check_id = "encoding.leading-zeros-make-another-number"
    established = target.receive(insider.signature(insider.decommit(commit, reveal))).one(SessionEstablished, check_id)
    check_told(check_id, established.ssid, insider.ssid, case="ssid")
    target.assert_session_alive(insider)


@scenario(requirements=("TYPES-GROUP-1", "!TYPES-GROUP-1"))
def shared_secrets_use_the_1536_bit_group(context: Context) -> None:
    """Both sides compute the same secret modulo the prime; a D-H key that is not below the prime is refused."""
    for begins in (False, True):
        with context.case(who_begins(begins)):
            target, insider = context.encrypted(target_begins=begins)
            target.assert_session_alive(insider, "encoding.other-group")
    target = context.target_session()
    insider = target.insider()
    target.query()
    for public in (DH_PRIME, DH_PRIME + power(2, insider.x), DH_PRIME + 2, (1 << 2047) + 12345):
        reply = target.receive(insider.dh_key(public))
        ignored = not reply.messages(Kind.REVEAL_SIGNATURE)
        case = f"a D-H key of {shown(public)}"
        check("handshake.gy-range-not-checked", ignored, expected="no answer", got=reply, case=case)
    target.receive(insider.dh_key()).assert_sent("message.reveal-signature-not-sent", Kind.REVEAL_SIGNATURE)


@scenario(needs=("smp",), requirements=("TYPES-GROUP-2", "!TYPES-GROUP-2", "TYPES-GROUP-3", "!TYPES-GROUP-3"))
def smp_uses_the_1536_bit_group(context: Context) -> None:
    """SMP uses powers of 2 modulo the same prime: proofs made with another generator or modulus are refused."""
    smp_session = SmpSession(*context.encrypted())
    run = smp_session.liar()
    forged = run.message_1()
    forged["c2"] += 1
    requests = smp_session.tell(MESSAGE_1, forged).requests
    check(
        "smp.message-1-proof-not-verified", not requests, expected="no request to the user", got=requests, case="c2 + 1"
    )
    smp_session.give(ABORT)
    for generator, modulus in ((3, DH_PRIME), (5, DH_PRIME), (2, DH_PRIME - 2)):
        wrong = _first_message(run, generator, modulus)
        requests = smp_session.tell(MESSAGE_1, wrong).requests
        case = f"SMP message 1 with generator {generator} and modulus {'p' if modulus == DH_PRIME else 'p - 2'}"
        check("smp.other-group-accepted", not requests, expected="no request to the user", got=requests, case=case)
    smp_session.asked(smp_session.liar()).tells(True)
    smp_session.asks(smp_session.liar(target_asks=True)).tells(True)


def _first_message(run: SmpPeer, generator: int, modulus: int) -> dict[str, int]:
    """SMP message 1 of a peer that uses another group, with proofs that are valid in that group."""
    numbers = run.message_1()
    order = (DH_PRIME - 1) // 2
    for element, challenge, proof, prefix, exponent, r in (
        ("g2a", "c2", "D2", 1, run.e2, run.r[2]),
        ("g3a", "c3", "D3", 2, run.e3, run.r[3]),
    ):
        hashed = bytes([prefix]) + mpi(pow(generator, r, modulus))
        c = int.from_bytes(hashlib.sha256(hashed).digest())
        numbers[element] = pow(generator, exponent, modulus)
        numbers[challenge], numbers[proof] = c, (r - exponent * c) % order
    return numbers
