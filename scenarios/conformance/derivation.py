"""How keys are derived from shared secrets. [Computing AES keys, MAC keys, and the secure session id]"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from otterproof.harness.testkit.context import Context, TargetSession, check, check_equal, check_told, who_begins
from otterproof.harness.testkit.insider import Insider, SignatureOptions
from otterproof.harness.testkit.reply import Unsupported
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import DH_GENERATOR, Kind, build, crypto
from otterproof.harness.wire.crypto import HandshakeKeys, SessionKeys, h1, h2, handshake_keys
from otterproof.harness.wire.numbers import power
from otterproof.implementations.contract import SessionEstablished
from otterproof.scenarios.conformance.encoding_keys import check_signature


@scenario(
    requirements=(
        "DERIVE-SECRET-1",
        "DERIVE-AKE-1",
        "DERIVE-AKE-2",
        "DERIVE-AKE-3",
        "DERIVE-AKE-4",
        "DERIVE-AKE-5",
        "DERIVE-AKE-6",
        "DERIVE-AKE-7",
        "DERIVE-AKE-8",
    )
)
def keys_of_the_handshake(context: Context) -> None:
    """In either role the target makes and reads signed blocks with the seven values derived from the shared secret.

    Both sides have the same ssid.
    """
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            target = context.target_session()
            insider = target.insider()
            since = len(target.log)
            target.establish(insider, target_begins=target_begins)
            kind = Kind.REVEAL_SIGNATURE if target_begins else Kind.SIGNATURE
            message = target.replies(since, target.name).message(kind)
            theirs = insider.theirs[int(insider.identity(message).value("keyid"))]
            # This decrypts it with c and verifies it with m1, or with c' and m1'.
            check_signature(insider, message, theirs)
            keys = insider.handshake
            m2 = keys.m2 if target_begins else keys.m2_primed
            mac = hmac.digest(m2, message.raw("encrypted_signature"), "sha256")[:20]
            found = message.data("mac")
            check_equal("derivation.signature-mac-wrong", found, mac, case=kind)
            target.assert_session_alive(insider)


def _changed(change: Callable[[HandshakeKeys], HandshakeKeys]) -> Callable[[int], HandshakeKeys]:
    return lambda secret: change(handshake_keys(secret))


def _unprefixed(secret: int) -> HandshakeKeys:
    """Keys derived from s without its length."""
    number = secret.to_bytes(192).lstrip(b"\0")
    hashed = [hashlib.sha256(bytes([byte]) + number).digest() for byte in range(6)]
    return HandshakeKeys(hashed[0][:8], hashed[1][:16], hashed[1][16:], *hashed[2:])


def _sha1(secret: int) -> HandshakeKeys:
    """Keys derived with SHA-1."""
    hashed = [h1(byte, secret) + h1(byte, secret)[:12] for byte in range(6)]
    return HandshakeKeys(hashed[0][:8], hashed[1][:16], hashed[1][16:], *hashed[2:])


#: Wrong ways to derive the keys of a handshake: the check that fails, what is wrong, and the derivation.
WRONG_HANDSHAKES: tuple[tuple[str, str, Callable[[int], HandshakeKeys]], ...] = (
    (
        "derivation.wrong-c-accepted",
        "c and c' exchanged",
        _changed(lambda keys: replace(keys, c=keys.c_primed, c_primed=keys.c)),
    ),
    (
        "derivation.wrong-m1-accepted",
        "m1 and m1' exchanged",
        _changed(lambda keys: replace(keys, m1=keys.m1_primed, m1_primed=keys.m1)),
    ),
    (
        "derivation.wrong-m2-accepted",
        "m2 and m2' exchanged",
        _changed(lambda keys: replace(keys, m2=keys.m2_primed, m2_primed=keys.m2)),
    ),
    (
        "derivation.wrong-m1-accepted",
        "m1 and m2 exchanged",
        _changed(
            lambda keys: replace(keys, m1=keys.m2, m2=keys.m1, m1_primed=keys.m2_primed, m2_primed=keys.m1_primed)
        ),
    ),
    (
        "derivation.wrong-m1-accepted",
        "m1 of 128 bits",
        _changed(lambda keys: replace(keys, m1=keys.m1[:16], m1_primed=keys.m1_primed[:16])),
    ),
    (
        "derivation.wrong-m2-accepted",
        "m2 of 160 bits",
        _changed(lambda keys: replace(keys, m2=keys.m2[:20], m2_primed=keys.m2_primed[:20])),
    ),
    ("derivation.wrong-hash-accepted", "s hashed without its length", _unprefixed),
    ("derivation.wrong-hash-accepted", "SHA-1 in place of SHA256", _sha1),
    ("derivation.wrong-hash-accepted", "another secret", lambda secret: handshake_keys(secret ^ 1)),
)


@scenario(
    requirements=(
        "!DERIVE-SECRET-1",
        "!DERIVE-AKE-1",
        "!DERIVE-AKE-3",
        "!DERIVE-AKE-4",
        "!DERIVE-AKE-5",
        "!DERIVE-AKE-6",
        "!DERIVE-AKE-7",
        "!DERIVE-AKE-8",
        "!DERIVE-SECRET-2",
    )
)
def wrong_handshake_keys_are_refused(context: Context) -> None:
    """A signature that is encrypted, made or authenticated with other keys makes no session, in either role."""
    for check_id, what, derive in WRONG_HANDSHAKES:
        with context.case(what):
            for target_begins in (False, True):
                target = context.target_session()
                insider = target.insider()
                signed = SignatureOptions(derive=derive)
                reply = (
                    target.handshake_by_target(insider, signed)
                    if target_begins
                    else target.handshake_by_insider(insider, signed)
                )
                reply.assert_rejected(check_id, f"a handshake with {what}")


@scenario(requirements=("!DERIVE-AKE-2",))
def each_handshake_has_its_own_ssid(context: Context) -> None:
    """Each handshake gives a new ssid, even between the same people, and the ssid is never transmitted."""
    for seed in (b"first", b"second"):
        with context.case():
            target = context.target_session()
            established = target.establish(target.insider(seed=seed))
            if established.ssid is not None:
                transmitted = b"".join(message.body for message in target.replies(0, target.name).sent)
                check("derivation.ssid-transmitted", established.ssid not in transmitted, got=established.ssid)


@scenario(requirements=("DERIVE-SSID-2", "!DERIVE-SSID-2"))
def who_sent_the_reveal_signature(context: Context) -> None:
    """Each client knows which half of the ssid is its own, from whether it sent the Reveal Signature Message.

    What counts is the handshake of this session, not an earlier one.
    """
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            target = context.target_session()
            insider = target.insider()
            established = target.establish(insider, target_begins=target_begins)
            if established.sent_reveal_signature is None:
                raise Unsupported("the target does not tell who sent the Reveal Signature Message")
            _assert_role(established, target_begins, "the first handshake")
    insider.x = insider.draw(40)
    again = target.handshake_by_insider(insider).one(SessionEstablished)
    _assert_role(again, False, "a second handshake, in which the other side committed")


def _assert_role(established: SessionEstablished, revealed: bool, case: str) -> None:
    """Demand that the target reports correctly whether it sent the Reveal Signature Message."""
    check_told("derivation.ssid-half-wrong", established.sent_reveal_signature, revealed, case=case)


def _short(public: int, secret: int) -> bool:
    """Whether the secret has a leading zero byte."""
    return secret.bit_length() <= 1528


def _padded(keys: SessionKeys, high: bool, secret: int) -> SessionKeys:
    """Session keys from a secret of 192 bytes, leading zeros included."""
    secbytes = (192).to_bytes(4) + secret.to_bytes(192)
    send, receive = (b"\1", b"\2") if high else (b"\2", b"\1")
    sending, receiving = (hashlib.sha1(byte + secbytes).digest()[:16] for byte in (send, receive))
    return replace(keys, sending_aes=sending, sending_mac=hashlib.sha1(sending).digest(), receiving_aes=receiving)


@scenario(requirements=("DERIVE-SECRET-2", "!DERIVE-SECRET-2"))
def secrets_with_leading_zeros(context: Context) -> None:
    """A shared secret that begins with zero bytes is hashed without them, for Data Messages in both directions."""
    target, insider = context.encrypted()
    theirs = insider.theirs[1]
    insider.exponents[2] = exponent = insider.exponent(theirs, _short)
    insider.exponents[3] = insider.draw(40)
    target.assert_receives_text(insider, b"which announces the key")
    public, secret = power(DH_GENERATOR, exponent), power(theirs, exponent)
    wrong = _padded(insider.keys(2, 1), public > theirs, secret)
    target.receive(insider.data(b"padded", under=(2, 1), keys=wrong)).assert_rejected(
        "derivation.leading-zeros-hashed", "a secret hashed with its zeros"
    )
    zeros = "derivation.leading-zeros-hashed"
    target.assert_sends_text(insider, b"under it", check_id=zeros)
    target.assert_receives_text(insider, b"under it", check_id=zeros, under=(2, 1), ctr=10)


@scenario(requirements=("DERIVE-SECRET-2",))
def handshake_secrets_with_leading_zeros(context: Context) -> None:
    """A handshake whose shared secret begins with zero bytes succeeds.

    Once the insider has seen the target's key, it commits again; the target then repeats its key.
    """
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    gy = target.receive(insider.commit()).message(Kind.DH_KEY).number("gy")
    insider.x = insider.exponent(gy, _short)
    repeated = target.receive(insider.commit()).message(Kind.DH_KEY)
    check_equal("handshake.dh-key-not-repeated", repeated.number("gy"), gy)
    target.receive(insider.reveal_signature(build(repeated))).one(SessionEstablished, "derivation.leading-zeros-hashed")
    insider.exponents[2] = insider.draw(40)
    target.assert_session_alive(insider)


def _ordered(theirs: int, high: bool, high_below: bool, public: int, _secret: int) -> bool:
    """Whether our public value is the greater one exactly if `high`, and so are its low 64 bits if `high_below`."""
    below = 1 << 64
    return (public > theirs) == high and (public % below > theirs % below) == high_below


def _text_is_read(context: Context, high: bool) -> bool:
    """Whether the target reads the first text of a session in which our public value is the greater one, or is not.

    If the first session fails, a second one is tried: a target may misread some keys because of their value.
    """
    tried = 0
    for number in range(64):
        target = context.target_session()
        insider = target.insider(seed=b"end %d" % number)
        target.establish(insider)
        ours, theirs = power(DH_GENERATOR, insider.x), insider.theirs[insider.their_keyid]
        if (ours > theirs) == high:
            tried += 1
            is_read = target.receive(insider.data(b"hello")).secure == [b"hello"]
            if is_read or tried == 2:
                return is_read
    raise AssertionError("each is the greater one in half of the sessions")


@scenario(requirements=("DERIVE-DATA-2", "DERIVE-DATA-3", "DERIVE-DATA-4", "!DERIVE-DATA-2", "!DERIVE-DATA-3"))
def high_and_low_end(context: Context) -> None:
    """For each pair of keys, the side with the numerically greater public key is the high end.

    Texts pass both ways, whichever key has the greater low 64 bits.
    """
    read = {high: _text_is_read(context, high) for high in (False, True)}
    check(
        "text.not-delivered", any(read.values()), expected="a text that is shown", got="none, whichever key is greater"
    )
    for high, is_read in read.items():
        case = f"the peer's key is the {'greater' if high else 'smaller'} one"
        check("derivation.wrong-end", is_read, expected="a text that is shown", got="none", case=case)
    for first in (False, True):
        with context.case():
            target, insider = context.encrypted()
            target.user("send", text=b"to nobody").message(Kind.DATA)
            wanted = first
            for turn in range(1, 5):
                theirs = insider.theirs[insider.their_keyid]
                wanted = not wanted
                fits = partial(_ordered, theirs, wanted, wanted != (turn % 2 == 0))
                insider.exponents[insider.our_keyid] = insider.exponent(theirs, fits)
                target.exchange_texts(insider, check_id="derivation.wrong-end")
                under = (insider.our_keyid - 1, insider.their_keyid - 1)
                target.assert_receives_text(insider, b"and under it", check_id="derivation.wrong-end", under=under)
                insider.exponents.setdefault(insider.our_keyid, insider.draw(40))
                target.assert_sends_text(insider, b"from the target", check_id="derivation.wrong-end")


def _wrong_keys(insider: Insider, ours: int, theirs: int) -> dict[str, SessionKeys]:
    """Session keys for a pair of key ids, derived in wrong ways, by what is wrong; in some, only the MAC key."""
    right = insider.keys(ours, theirs)
    secret = power(insider.theirs[theirs], insider.exponents[ours])
    public = power(DH_GENERATOR, insider.exponents[ours])
    send = 1 if public > insider.theirs[theirs] else 2

    def made(aes: bytes, mac: bytes | None = None) -> SessionKeys:
        return replace(right, sending_aes=aes, sending_mac=hashlib.sha1(aes).digest() if mac is None else mac)

    number = secret.to_bytes(192).lstrip(b"\0")
    return {
        "those of the other direction": made(right.receiving_aes),
        "byte 0": made(h1(0, secret)[:16]),
        "SHA256": made(h2(send, secret)[:16]),
        "s without its length": made(hashlib.sha1(bytes([send]) + number).digest()[:16]),
        "the last 16 bytes": made(h1(send, secret)[4:]),
        "a MAC key of the whole hash": made(right.sending_aes, hashlib.sha1(h1(send, secret)).digest()),
        "a MAC key by SHA256": made(right.sending_aes, hashlib.sha256(right.sending_aes).digest()),
        "a MAC key by SHA256, cut": made(right.sending_aes, hashlib.sha256(right.sending_aes).digest()[:20]),
        "the AES key for the MAC": made(right.sending_aes, right.sending_aes),
    }


@scenario(requirements=("!DERIVE-DATA-4", "!DERIVE-DATA-5", "!DERIVE-DATA-6", "!DERIVE-DATA-7"))
def wrong_session_keys_are_refused(context: Context) -> None:
    """A message under wrong session keys is not read: those of the other direction, or derived in other ways.

    Nor is one of the target's own messages that is sent back to it.
    """
    target, insider = context.encrypted()
    for _ in range(2):
        pair = (insider.our_keyid - 1, insider.their_keyid)
        for what, keys in _wrong_keys(insider, *pair).items():
            mac_alone = keys.sending_aes == insider.keys(*pair).sending_aes
            wrong = "derivation.wrong-mac-key-accepted" if mac_alone else "derivation.wrong-session-keys-accepted"
            reply = target.receive(insider.data(b"wrong keys", keys=keys))
            reply.assert_rejected(wrong, f"session keys: {what}")
        reflected = target.assert_sends_text(insider, b"from the target")
        target.receive(build(reflected)).assert_rejected("data.own-message-accepted", "a message of the target's own")
        swapped = reflected
        if context.version == 3:
            swapped = swapped.with_value("sender_tag", insider.tag).with_value("receiver_tag", insider.target_tag)
        target.receive(build(swapped)).assert_rejected(
            "data.own-message-accepted", "a message of the target's own, with the instance tags exchanged"
        )
        target.assert_receives_text(insider, b"the right keys", ctr=100)


@scenario(requirements=("DERIVE-DATA-1", "!DERIVE-DATA-1", "DERIVE-DATA-5", "DERIVE-DATA-6", "DERIVE-DATA-7"))
def keys_of_each_pair(context: Context) -> None:
    """Each pair of keys has its own session keys; those of the handshake or of the pair before do not work."""
    target, insider = context.encrypted()
    before = insider.keys(1, 1)
    for _ in range(3):
        _in_both_directions(target, insider)
        ours, theirs = insider.our_keyid - 1, insider.their_keyid
        stale = insider.data(b"under the keys before", keys=before)
        case = f"key ids {ours} and {theirs} with the session keys of the pair before"
        target.receive(stale).assert_rejected("derivation.stale-session-keys-accepted", case)
        before = insider.keys(ours, theirs)


def _in_both_directions(target: TargetSession, insider: Insider) -> None:
    """Demand that a text passes each way, and that the target's message is authenticated under the pair it names."""
    target.assert_receives_text(insider, b"to the target", check_id="derivation.session-keys-differ")
    message = target.user("send", text=b"from the target").message(Kind.DATA)
    pair = message.number("recipient_keyid"), message.number("sender_keyid")
    case = f"recipient key id {pair[0]}, sender key id {pair[1]}"
    verifies = crypto.verifies(message, insider.keys(*pair).receiving_mac)
    check("derivation.session-keys-differ", verifies, got=message.data("mac"), case=f"the MAC under {case}")
    found = target.read(insider, message).text
    check_equal("derivation.session-keys-differ", found, b"from the target", case=case)
