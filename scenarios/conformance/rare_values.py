"""Values that a client seldom meets: MACs, hashes and keys that begin with a zero byte or contain one.

One value in 256 begins with a zero byte. A client that stores bytes as a number, or as a string that ends at a NUL,
fails with such values only. The insider tries its own numbers until they give the value it wants. [Data types,
Computing AES keys, MAC keys, and the secure session id]
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from otterproof.harness import wire
from otterproof.harness.testkit.context import (
    CheckFailed,
    Context,
    TargetSession,
    check_equal,
    check_told,
    who_begins,
)
from otterproof.harness.testkit.insider import Insider, SignatureOptions
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.reply import fail
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_session import SmpSession
from otterproof.harness.wire import DH_GENERATOR, Kind, Message, crypto
from otterproof.harness.wire.crypto import HandshakeKeys, SessionKeys
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.numbers import dsa_sign, fingerprint, mpi, power
from otterproof.harness.wire.signed import SignedMessage
from otterproof.implementations.contract import DsaPrivateKey, DsaPublicKey, ExtraKeyDerived, SessionEstablished
from otterproof.scenarios.conformance.encoding_keys import check_signature
from otterproof.scenarios.conformance.handshake_play import (
    commit_for_query,
    dh_key_for,
    refused,
    reveal_of,
    signature_of,
    start_over,
)

EXTRA_KEY = 8


def _begins_with_zero(value: bytes) -> bool:
    return value[0] == 0


def _ends_with_zero(value: bytes) -> bool:
    return value[-1] == 0


def _has_zero(value: bytes) -> bool:
    """Whether there is a zero byte that is neither the first nor near the end."""
    return 0 in value[1:12]


#: MACs that a client may truncate or compare only in part, by what is special about them.
SPECIAL: dict[str, Callable[[bytes], bool]] = {
    "that begins with a zero byte": _begins_with_zero,
    "that ends with a zero byte": _ends_with_zero,
    "with a zero byte inside": _has_zero,
}


def _changed_behind_zero(mac: bytes) -> bytes:
    """A MAC that differs from this one in every byte after its first zero byte, and in none before."""
    at = mac.index(0) + 1
    return mac[:at] + bytes(byte ^ 0xFF or 1 for byte in mac[at:])


def _with_mac(insider: Insider, text: bytes, first: int, wanted: Callable[[bytes], bool]) -> Message:
    """A data message whose MAC has the wanted property; counters are tried from `first` on."""
    for ctr in range(first, first + 10_000):
        message = wire.parse(insider.data(text, ctr=ctr))
        if wanted(message.data("mac")):
            return message
    raise AssertionError("one MAC in 256 begins with a zero byte")


@scenario(requirements=("DATA-MAC-1", "!DATA-MAC-1", "TYPES-MAC-1"))
def macs_are_compared_behind_zero_bytes(context: Context) -> None:
    """A correct MAC with zero bytes is accepted, and one that is wrong after its first zero byte is refused."""
    target, insider = context.encrypted()
    for number, (what, wanted) in enumerate(SPECIAL.items()):
        # Each message has its own counter, so that only its MAC can be the reason to refuse it.
        if wanted is not _ends_with_zero:
            right = _with_mac(insider, b"a wrong MAC", 2 * number + 1 << 16, wanted)
            lie = right.with_value("mac", _changed_behind_zero(right.data("mac")))
            case = f"a MAC {what}, wrong in all bytes behind that"
            target.receive(wire.build(lie)).assert_rejected("data.mac-not-verified", case)
        right = _with_mac(insider, b"a rare MAC", 2 * number + 2 << 16, wanted)
        reply = target.receive(wire.build(right))
        reply.assert_shown("data.rare-mac-refused", b"a rare MAC", case=f"a right MAC {what}")
    target.assert_sends_text(insider, b"for new keys")
    target.assert_session_alive(insider)


def _text_for_mac(insider: Insider, last: Message, wanted: Callable[[bytes], bool]) -> bytes:
    """A text that gives the target's next message a MAC with the wanted property, if the rest of it is as predicted.

    last: the target's last message with a text, under the same keys. Its counter is expected to rise by one.
    """
    keys = insider.keys(last.number("recipient_keyid"), last.number("sender_keyid"))
    ctr = int.from_bytes(last.data("ctr")) + 1
    behind = crypto.decrypt_data(last, keys.receiving_aes).partition(b"\0")
    message = last.with_value("ctr", ctr.to_bytes(8))
    for number in range(10_000):
        text = b"text %d" % number
        plaintext = text + b"".join(behind[1:])
        changed = crypto.encrypt_data(message, keys.receiving_aes, plaintext)
        if wanted(crypto.data_mac(changed, keys.receiving_mac)):
            return text
    raise AssertionError("one MAC in 256 begins with a zero byte")


@scenario(requirements=("DATA-MAC-1", "TYPES-MAC-1"))
def sent_macs_with_leading_zeros(context: Context) -> None:
    """The target's MACs are correct when they have zero bytes: its user types texts chosen to give such MACs."""
    target, insider = context.encrypted()
    for wanted in (_begins_with_zero, _ends_with_zero):
        last = target.assert_sends_text(insider, b"text 0")
        target.assert_sends_text(insider, _text_for_mac(insider, last, wanted))
        target.assert_receives_text(insider, b"for new keys")


def _key_begins_with_zero(name: str, keys: SessionKeys | HandshakeKeys) -> bool:
    """Whether the key of that name begins with a zero byte."""
    return bool(getattr(keys, name)[0] == 0)


#: The session keys of a pair that may begin with a zero byte, each with the check that fails if it is not used whole.
_SESSION_KEYS = {
    "sending_aes": "derivation.rare-aes-key-differs",
    "sending_mac": "derivation.rare-mac-key-differs",
    "receiving_aes": "derivation.rare-aes-key-differs",
    "receiving_mac": "derivation.rare-mac-key-differs",
}

#: The same for the keys of a handshake.
_HANDSHAKE_KEYS = {
    "ssid": "derivation.rare-ssid-differs",
    "c": "derivation.rare-c-differs",
    "c_primed": "derivation.rare-c-differs",
    "m1": "derivation.rare-m1-differs",
    "m2": "derivation.rare-m2-differs",
    "m1_primed": "derivation.rare-m1-primed-differs",
    "m2_primed": "derivation.rare-m2-primed-differs",
}


@contextmanager
def _told_as(check_id: str, case: str) -> Iterator[None]:
    """Report a failure inside as one of the check for the rare value, since it would not occur with other values."""
    try:
        yield
    except CheckFailed as failed:
        fail(check_id, expected=failed.expected, got=f"{failed.got} ({failed.check})", case=case)


def _pair_with(
    target: TargetSession, insider: Insider, wanted: Callable[[SessionKeys], bool], check_id: str
) -> tuple[int, int]:
    """Make both sides use a pair of keys whose session keys have the wanted property; its key ids, ours first.

    The target must send a text under it; if it does not, that check fails. Our key was announced, and is the latest.
    """
    theirs = insider.theirs[insider.their_keyid]

    def fits(public: int, secret: int) -> bool:
        return wanted(crypto.session_keys(public, theirs, secret))

    insider.exponents[insider.our_keyid] = insider.exponent(theirs, fits)
    with _told_as(check_id, "a key that begins with a zero byte"):
        target.exchange_texts(insider)
    return insider.our_keyid - 1, insider.their_keyid - 1


@scenario(requirements=("DERIVE-DATA-4", "DERIVE-DATA-5", "DERIVE-DATA-6", "DERIVE-DATA-7", "MACREVEAL-WHAT-4"))
def session_keys_with_leading_zeros(context: Context) -> None:
    """AES and MAC keys that begin with a zero byte are used in full, in both directions."""
    target, insider = context.encrypted()
    target.exchange_texts(insider)
    for name, check_id in _SESSION_KEYS.items():
        pair = _pair_with(target, insider, partial(_key_begins_with_zero, name), check_id)
        target.assert_receives_text(insider, b"under rare keys", check_id=check_id, under=pair, ctr=70)
        target.assert_sends_text(insider, b"to the key after it")
    target.assert_session_alive(insider)


@scenario(versions=(3,), needs=("extra_key",), requirements=("EXTRA-KEY-1", "EXTRA-KEY-3"))
def extra_keys_with_leading_zeros(context: Context) -> None:
    """An extra symmetric key that begins with a zero byte has 32 bytes, whichever side asks for it."""
    target, insider = context.encrypted()
    pair = _pair_with(target, insider, lambda keys: keys.extra_key[0] == 0, "data.text-not-shown")
    key = insider.keys(*pair).extra_key
    request = insider.data(tlvs=[tlv(EXTRA_KEY, bytes(4))], under=pair, ctr=70)
    check_equal("extra-key.receiver-differs", target.receive(request).one(ExtraKeyDerived).key, key)
    target.assert_sends_text(insider, b"to the key after it")
    pair = _pair_with(target, insider, lambda keys: keys.extra_key[0] == 0, "data.text-not-shown")
    reply = target.user("extra_key", use=1, data=b"a file")  # under the same pair, for nothing has arrived since
    check_equal("extra-key.derived-wrongly", reply.one(ExtraKeyDerived).key, insider.keys(*pair).extra_key)


@scenario(
    requirements=(
        "DERIVE-AKE-1",
        "DERIVE-AKE-2",
        "DERIVE-AKE-3",
        "DERIVE-AKE-4",
        "DERIVE-AKE-5",
        "DERIVE-AKE-6",
        "DERIVE-AKE-7",
    )
)
def handshake_keys_with_leading_zeros(context: Context) -> None:
    """A handshake succeeds whichever of its derived values, including the ssid, begins with a zero byte.

    The insider sends a second commit once it has seen the target's key, which the target then repeats.
    """
    for name, check_id in _HANDSHAKE_KEYS.items():
        with context.case(f"{name} begins with a zero byte"):
            target = context.target_session()
            insider = target.insider()
            gy = dh_key_for(target, insider).number("gy")

            def fits(_: int, secret: int, name: str = name) -> bool:
                return _key_begins_with_zero(name, crypto.handshake_keys(secret))

            insider.x = insider.exponent(gy, fits)
            repeated = target.receive(insider.commit()).message(Kind.DH_KEY)
            check_equal("handshake.dh-key-not-repeated", repeated.number("gy"), gy)
            reply = target.receive(insider.reveal_signature(wire.build(repeated)))
            session = reply.one(SessionEstablished, check_id, case=name)
            check_told(check_id, session.ssid, insider.ssid, case=name)
            target.assert_established(reply, insider)
            signature = reply.message(Kind.SIGNATURE)
            mac = hmac.digest(insider.handshake.m2_primed, signature.raw("encrypted_signature"), "sha256")[:20]
            check_equal(check_id, signature.data("mac"), mac, case=signature.kind)
            with _told_as(check_id, name):
                check_signature(insider, signature, gy)
            if name == "ssid" and "smp" in context.target.capabilities:
                SmpSession(target, insider).asked(SmpSession(target, insider).liar()).tells(True)


def _signed_until(of: SignedMessage, wanted: Callable[[bytes], bool]) -> tuple[Message, SignatureOptions]:
    """The signed message, tried over key ids, whose MAC has the wanted property, and how it was signed."""
    nonce, q = 0x1234567890ABCDEF1234567, of.signer.public.q
    r, _ = dsa_sign(of.signer, bytes(32), nonce)
    inverse = pow(nonce, -1, q)
    for keyid in range(1, 10_000):
        identity = of.identity[:-4] + keyid.to_bytes(4)
        s = inverse * (int.from_bytes(of.m(identity=identity)) + of.signer.x * r) % q
        message = wire.parse(of.with_block(identity + r.to_bytes(20) + s.to_bytes(20)))
        if wanted(message.data("mac")):
            return message, SignatureOptions(keyid=keyid, signature=(r, s))
    raise AssertionError("one MAC in 256 begins with a zero byte")


@scenario(requirements=("AKE-VERIFY-2", "!AKE-VERIFY-2", "AKE-VERIFY-4", "!AKE-VERIFY-4", "REVEAL-MAC-1", "SIG-MAC-1"))
def handshake_macs_are_compared_behind_zero_bytes(context: Context) -> None:
    """In both signed messages, a correct MAC with zero bytes is accepted, and one that is wrong after the first is
    refused.
    """
    for target_begins in (False, True):
        check_id = (
            "handshake.signature-message-mac-not-verified"
            if target_begins
            else "handshake.reveal-signature-mac-not-verified"
        )
        for what, wanted in SPECIAL.items():
            with context.case(f"a MAC {what}, and {who_begins(target_begins)}"):
                if wanted is not _ends_with_zero:
                    target = context.target_session()
                    insider = target.insider()
                    genuine, _ = _signed_until(_moment(target, insider, target_begins), wanted)
                    lie = genuine.with_value("mac", _changed_behind_zero(genuine.data("mac")))
                    refused(target.receive(wire.build(lie)), check_id, f"a MAC {what}, wrong in all bytes behind that")
                target = context.target_session()
                insider = target.insider()
                moment = _moment(target, insider, target_begins)
                genuine, signed = _signed_until(moment, wanted)
                insider.exponents[signed.keyid] = insider.x
                reply = target.receive(wire.build(genuine))
                reply.one(SessionEstablished, "handshake.rare-mac-refused", case=f"a right MAC {what}")


def _moment(target: TargetSession, insider: Insider, target_begins: bool) -> SignedMessage:
    """The insider's genuine signed message in a handshake that has reached it."""
    if not target_begins:
        return reveal_of(insider, dh_key_for(target, insider))
    commit = commit_for_query(target)
    return signature_of(insider, commit, target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE))


@scenario(requirements=("AKE-VERIFY-1", "!AKE-VERIFY-1", "COMMIT-HASH-1"))
def commit_hash_is_compared_behind_zero_bytes(context: Context) -> None:
    """A g^x whose hash has zero bytes is accepted, and a hash that is wrong after its first zero byte is refused."""
    for what, wanted in SPECIAL.items():
        with context.case(f"a hash {what}"):
            target = context.target_session()
            insider = target.insider()

            def fits(public: int, _: int, wanted: Callable[[bytes], bool] = wanted) -> bool:
                return wanted(hashlib.sha256(mpi(public)).digest())

            insider.x = insider.exponent(DH_GENERATOR, fits)
            right = hashlib.sha256(mpi(power(DH_GENERATOR, insider.x))).digest()
            if not _ends_with_zero(right):
                dh_key = dh_key_for(target, insider, insider.commit(hashed=_changed_behind_zero(right)))
                lie = insider.reveal_signature(wire.build(dh_key))
                case = f"a Reveal Signature Message for a hash {what}, wrong in all bytes behind that"
                refused(target.receive(lie), "handshake.gx-hash-not-verified", case)
            start_over(target, insider)


def _key_with(wanted: Callable[[DsaPublicKey], bool]) -> DsaPrivateKey:
    """The first key with the parameters of a published one that has the wanted property."""
    parameters = published_key("mallory").public
    y = 1
    for x in range(1, 100_000):
        y = y * parameters.g % parameters.p
        key = DsaPublicKey(parameters.p, parameters.q, parameters.g, y)
        if x > 1000 and wanted(key):
            return DsaPrivateKey(key, x)
    raise AssertionError("one key in 256 is as wanted")


@scenario(requirements=("KEYS-FPR-1", "KEYS-PUBKEY-3", "TYPES-MPI-2", "AKE-VERIFY-3", "AKE-VERIFY-5"))
def long_term_keys_with_leading_zeros(context: Context) -> None:
    """A correspondent's key whose y or fingerprint begins with a zero byte works like any other, in either role.

    Its fingerprint has 20 bytes, in SMP too.
    """
    top = 1 << published_key("mallory").public.p.bit_length() - 8
    for what, wanted in (
        ("a fingerprint that begins with a zero byte", lambda key: fingerprint(key)[0] == 0),
        ("a y that begins with a zero byte", lambda key: key.y < top),
    ):
        key = _key_with(wanted)
        for target_begins in (False, True):
            with context.case(f"{what}, and {who_begins(target_begins)}"):
                target = context.target_session()
                insider = target.insider()
                insider.key = key
                target.establish(insider, target_begins=target_begins)
                target.assert_session_alive(insider)
                if "smp" in context.target.capabilities:
                    smp_session = SmpSession(target, insider)
                    smp_session.asked(smp_session.liar()).tells(True)
