"""Handshake messages as a malicious peer would change them: one part is altered, and the rest is made to fit.

A D-H Commit can commit to another g^x, or to malformed bytes, with the right hash or a wrong one. A signed message can
have another key id, public key or signature, signed again or not, or another block X; it is encrypted and authenticated
again. A message without the part, or with a part that can't hold the value, is left unchanged. [D-H Commit Message,
Signature Message]
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from otterproof.harness.wire import crypto
from otterproof.harness.wire.fields import FieldError
from otterproof.harness.wire.handshake_lies import (
    HASHED_AGAIN,
    MALFORMED_GX,
    WRONG_ENCRYPTION,
    WRONG_HASHES,
    WRONG_MACS,
    WRONG_REVEAL_MACS,
    WRONG_SIGNATURES,
    WRONG_STRUCTURE,
    flipped,
)
from otterproof.harness.wire.layers import parse_signature_block
from otterproof.harness.wire.message import Message, build, parse, parse_once
from otterproof.harness.wire.mutate import inverted_after, splice_bytes
from otterproof.harness.wire.numbers import dsa_sign, dsa_signatures, mpi, power, public_key
from otterproof.harness.wire.signed import NONCE, SignedMessage, secrets_of
from otterproof.implementations.contract import DsaPrivateKey, DsaPublicKey

#: The key sizes of AES in bytes; OTR uses only the first.
_AES = (16, 24, 32)

#: The maximum size in bytes of a value that an insider puts in a field.
_MOST = 1 << 12

T = TypeVar("T")


# ---- commits


@dataclass(frozen=True, slots=True)
class OpenCommit:
    """A D-H Commit Message, the key that opens it, and what it encrypts."""

    message: Message
    key: bytes
    gxmpi: bytes

    @property
    def gx(self) -> int:
        """The number in `gxmpi`, whatever its length field says."""
        return int.from_bytes(self.gxmpi[4:])

    def to(self, gxmpi: bytes, key: bytes | None = None) -> OpenCommit:
        """A commit to another value, well formed or not, or under another key, with the right hash."""
        key = self.key if key is None else key
        return OpenCommit(crypto.with_gxmpi(self.message, gxmpi, key), key, gxmpi)


def opened(message: Message, key: bytes) -> OpenCommit | None:
    """A commit opened with a key; None if the key does not open it."""
    if not message.has("encrypted_gx") or not message.has("hashed_gx") or len(key) not in _AES:
        return None
    gxmpi = crypto.committed_gxmpi(message, key)
    return OpenCommit(message, key, gxmpi) if hashlib.sha256(gxmpi).digest() == message.data("hashed_gx") else None


def _gx(commit: OpenCommit, _: int, value: int | bytes) -> OpenCommit | None:
    """Commit to another g^x; nobody knows the exponent of most values."""
    return commit.to(mpi(value)) if isinstance(value, int) and 0 <= value < 1 << 8 * _MOST else None


#: A wrong hash that a C string comparison accepts: the right one begins with a zero byte, and so does this.
_HASH_CUT_SHORT = "a hash that is right up to the zero byte that it begins with"
_HASHES = (*WRONG_HASHES, _HASH_CUT_SHORT)


#: The smallest power of g whose MPI has a hash that begins with a zero byte.
_ZERO_FIRST = 1 << 37


def _gx_encoding(commit: OpenCommit, number: int, _: int | bytes) -> OpenCommit:
    return commit.to(_nth(list(MALFORMED_GX.values()), number)(commit.gxmpi))


def _gx_hash(commit: OpenCommit, number: int, _: int | bytes) -> OpenCommit:
    lie = _nth(_HASHES, number)
    if lie == _HASH_CUT_SHORT:
        commit = commit.to(mpi(_ZERO_FIRST))
        hashed = inverted_after(hashlib.sha256(commit.gxmpi).digest(), 1)
    else:
        hashed = WRONG_HASHES[lie](commit.gxmpi)
    return replace(commit, message=commit.message.with_value("hashed_gx", hashed))


def _gx_key(commit: OpenCommit, _: int, value: int | bytes) -> OpenCommit | None:
    """Encrypt under another AES key, which need not have 16 bytes."""
    return commit.to(commit.gxmpi, value) if isinstance(value, bytes) and len(value) in _AES else None


#: The parts of a D-H Commit that an insider can change, by name.
COMMIT_PARTS: Mapping[str, Callable[[OpenCommit, int, int | bytes], OpenCommit | None]] = {
    "gx": _gx,
    "gx_encoding": _gx_encoding,
    "gx_hash": _gx_hash,
    "gx_key": _gx_key,
}


def altered_commit(commit: OpenCommit, part: str, number: int, value: int | bytes) -> OpenCommit | None:
    """Change one part of a commit. None if nothing changes."""
    made = COMMIT_PARTS[part](commit, number, value)
    return None if made is None or made.message.body == commit.message.body else made


def altered_dh_key(raw: bytes, value: int | bytes) -> bytes | None:
    """Change g^y in a D-H Key Message. None if nothing changes."""
    try:
        made = build(parse_once(raw).with_value("gy", value))
    except FieldError:
        return None
    return None if made == raw else made


# ---- signed messages


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A D-H key of the insider's client in an existing session."""

    keyid: int
    exponent: int


def for_commit(
    signed: SignedMessage, commit: OpenCommit, number: int, own: OwnKey | None = None
) -> SignedMessage | None:
    """The valid Reveal Signature Message for a commit that its sender's client did not make.

    None if nobody knows the shared secret. own: the key that is committed to, if it belongs to an existing session.
    number: which secret to use, where two are possible; with an own key, an even number means the key id of that
    session.
    """
    gx = commit.gx
    secrets = (None,) if gx == signed.ours else secrets_of(gx, signed.theirs)
    if own is not None:
        secrets = (power(signed.theirs, own.exponent),)
    if not secrets:
        return None
    secret = _nth(secrets, number)
    keys = signed.keys if secret is None else crypto.handshake_keys(secret)
    identity = signed.identity
    if own is not None and number % 2 == 0:
        identity = identity[:-4] + own.keyid.to_bytes(4)
    message = signed.message.with_value("revealed_key", commit.key)
    made = replace(signed, message=message, keys=keys, ours=gx)
    return replace(made, message=parse(made.with_identity(identity)))


def _keyid(of: SignedMessage, _: int, value: int | bytes) -> bytes | None:
    if not isinstance(value, int) or not 0 <= value <= 0xFFFFFFFF:
        return None
    return of.with_identity(of.identity[:-4] + value.to_bytes(4))


def _key_type(of: SignedMessage, number: int, value: int | bytes) -> bytes | None:
    """Give the public key another type. The signature covers the new type or, with an odd number, the old one."""
    if not isinstance(value, int) or not 0 <= value <= 0xFFFF:
        return None
    identity = value.to_bytes(2) + of.identity[2:]
    return of.signing(of.m(), identity) if number % 2 else of.with_identity(identity)


#: A public key, and a function that signs a value under it, as r and s. Under some keys anybody can sign.
_PublicKeys = Callable[[SignedMessage], tuple[DsaPublicKey, Callable[[bytes], tuple[int, int]]]]


def _pair(key: DsaPrivateKey) -> tuple[DsaPublicKey, Callable[[bytes], tuple[int, int]]]:
    return key.public, lambda value: dsa_sign(key, value, NONCE)


def _with_g_of_1(own: DsaPublicKey) -> tuple[DsaPublicKey, Callable[[bytes], tuple[int, int]]]:
    r = pow(own.y, 3, own.p) % own.q
    return replace(own, g=1), lambda _: (r, r * pow(3, -1, own.q) % own.q)


def _changed(own: DsaPublicKey, **numbers: int) -> tuple[DsaPublicKey, Callable[[bytes], tuple[int, int]]]:
    """A key with some numbers replaced, and the signature (1, 1), which is valid only if g and y are 1."""
    return replace(own, **numbers), lambda _: (1, 1)


def _with_long_p(of: SignedMessage) -> DsaPrivateKey:
    return max(of.others, key=lambda one: one.public.p)


PUBLIC_KEYS: Mapping[str, _PublicKeys] = {
    "another's public key": lambda of: _pair(of.others[0]),
    "the receiver's public key": lambda of: _pair(of.others[-1]),
    "a public key whose y is 1": lambda of: _pair(DsaPrivateKey(replace(of.signer.public, y=1), 0)),
    "a public key whose g is 1": lambda of: _with_g_of_1(of.signer.public),
    "a public key whose g and y are 1": lambda of: _changed(of.signer.public, g=1, y=1),
    "a public key with the same y and another g": lambda of: _pair(
        DsaPrivateKey(replace(of.signer.public, g=of.signer.public.y), 1)
    ),
    "a public key whose q has 256 bits": lambda of: _changed(of.signer.public, q=(1 << 255) + 95),
    "a public key whose y is p": lambda of: _changed(of.signer.public, y=of.signer.public.p),
    "a public key whose p is a bit shorter": lambda of: _changed(of.signer.public, p=of.signer.public.p >> 1),
    "a public key whose p has 2048 bits": lambda of: _pair(_with_long_p(of)),
    "a public key of zeros": lambda of: _changed(of.signer.public, p=0, q=0, g=0, y=0),
}


def _public_key(of: SignedMessage, number: int, _: int | bytes) -> bytes:
    key, sign = _nth(list(PUBLIC_KEYS.values()), number)(of)
    identity = public_key(key) + of.identity[-4:]
    return of.with_signature(sign(of.m(identity=identity)), identity)


def _signed_until(of: SignedMessage, wanted: Callable[[int, int], bool]) -> tuple[int, int]:
    """A valid signature with a wanted property, found by trying nonces."""
    return next(one for one in dsa_signatures(of.signer, of.m(), NONCE) if wanted(*one))


def _with_q(of: SignedMessage) -> tuple[int, int]:
    """A valid signature with q added to r, which is the same modulo q."""
    q = of.signer.public.q
    r, s = _signed_until(of, lambda r, _: r + q < 1 << 160)
    return r + q, s


def _without_zero(of: SignedMessage) -> bytes:
    """A valid signature whose r begins with a zero byte, without that byte."""
    r, s = _signed_until(of, lambda r, _: r < 1 << 152)
    return of.with_block(of.identity + r.to_bytes(19) + s.to_bytes(20))


def _swapped(of: SignedMessage) -> tuple[int, int]:
    r, s = dsa_sign(of.signer, of.m(), NONCE)
    return s, r


#: Signatures whose r or s is out of range or has a rare form, and others that do not verify.
SIGNATURES: Mapping[str, Callable[[SignedMessage], bytes]] = {
    "an r and an s of 0": lambda of: of.with_signature((0, 0)),
    "an r of 0": lambda of: of.with_signature((0, 1)),
    "an s of 0": lambda of: of.with_signature((1, 0)),
    "an r equal to q": lambda of: of.with_signature((of.signer.public.q, 1)),
    "an s equal to q": lambda of: of.with_signature((1, of.signer.public.q)),
    "q added to r": lambda of: of.with_signature(_with_q(of)),
    "s before r": lambda of: of.with_signature(_swapped(of)),
    "one bit of s inverted": lambda of: of.with_block(flipped(of.block, 0)),
    "an r that begins with a zero byte": lambda of: of.with_signature(_signed_until(of, lambda r, _: r < 1 << 152)),
    "an s that begins with a zero byte": lambda of: of.with_signature(_signed_until(of, lambda _, s: s < 1 << 152)),
    "an r without its first byte, which is zero": _without_zero,
}


def _made_in_other_direction(of: SignedMessage, _: int, __: int | bytes) -> bytes:
    """Make the message with the keys of the other direction, and sign it for that direction."""
    c, m1, m2 = of.opposite
    identity = of.identity
    r, s = dsa_sign(of.signer, of.m(key=m1), NONCE)
    block = identity + r.to_bytes(20) + s.to_bytes(20)
    return build(crypto.with_signature_block(of.message, block, c, m2))


def _block_bytes(of: SignedMessage, number: int, value: int | bytes) -> bytes | None:
    """Overwrite bytes of X, or append some; the signature stays as it was."""
    return of.with_block(splice_bytes(of.block, number, len(value), value)) if isinstance(value, bytes) else None


def _block_added(of: SignedMessage, _: int, value: int | bytes) -> bytes | None:
    return of.with_block(of.block + value[:_MOST]) if isinstance(value, bytes) else None


def _revealed_key(of: SignedMessage, _: int, value: int | bytes) -> bytes | None:
    if of.primed or not isinstance(value, bytes):
        return None
    return build(of.message.with_value("revealed_key", value[:_MOST]))


def _one_of(lies: Mapping[str, Callable[[SignedMessage], bytes]]) -> Callable[[SignedMessage, int, int | bytes], bytes]:
    chosen = list(lies.values())
    return lambda of, number, _: _nth(chosen, number)(of)


def _mac_cut_short(of: SignedMessage) -> bytes:
    """A wrong MAC that a C string comparison accepts: nonces are tried until the right one begins with a zero byte."""
    identity, signatures = of.identity, dsa_signatures(of.signer, of.m(), NONCE)
    tried = (parse(of.with_signature(one, identity)) for one in signatures)
    message = next(one for one in tried if one.data("mac")[0] == 0)
    return build(message.with_value("mac", inverted_after(message.data("mac"), 1)))


#: All wrong MACs of the encrypted signature.
_MACS: Mapping[str, Callable[[SignedMessage], bytes]] = {
    **WRONG_REVEAL_MACS,
    "a MAC that is right up to the zero byte that it begins with": _mac_cut_short,
}


def _mac(of: SignedMessage, number: int, _: int | bytes) -> bytes | None:
    lie = _nth(list(_MACS), number)
    return None if of.primed and lie in WRONG_REVEAL_MACS and lie not in WRONG_MACS else _MACS[lie](of)


#: The parts of a signed message that an insider can change, by name.
SIGNED_PARTS: Mapping[str, Callable[[SignedMessage, int, int | bytes], bytes | None]] = {
    "keyid": _keyid,
    "key_type": _key_type,
    "public_key": _public_key,
    "signature": _one_of(SIGNATURES),
    "signed_value": _one_of({**WRONG_SIGNATURES, **HASHED_AGAIN}),
    "signed_direction": _made_in_other_direction,
    "block_form": _one_of(WRONG_STRUCTURE),
    "block_cut": lambda of, number, _: of.with_block(of.block[: len(of.block) - number % (len(of.block) + 1)]),
    "block_added": _block_added,
    "block_bytes": _block_bytes,
    "block_encryption": _one_of(WRONG_ENCRYPTION),
    "block_mac": _mac,
    "revealed_key": _revealed_key,
}

#: The part that commits to a D-H key of the existing session. number: 0 for the previous key, 1 for the current one.
OWN_KEY = "own_key"

#: The part that makes a Reveal Signature Message fit a commit of the insider's own.
FOR_COMMIT = "for_commit"

#: The parts that depend on their number alone, with what each number stands for, in words.
VARIANTS: Mapping[str, Sequence[str]] = {
    "gx_encoding": tuple(MALFORMED_GX),
    "gx_hash": _HASHES,
    "public_key": tuple(PUBLIC_KEYS),
    "signature": tuple(SIGNATURES),
    "signed_value": (*WRONG_SIGNATURES, *HASHED_AGAIN),
    "signed_direction": ("the keys of the other direction",),
    "block_form": tuple(WRONG_STRUCTURE),
    "block_encryption": tuple(WRONG_ENCRYPTION),
    "block_mac": tuple(_MACS),
}

#: All parts of handshake messages that an insider can change.
HANDSHAKE_PARTS = (*COMMIT_PARTS, OWN_KEY, "gy", *SIGNED_PARTS, FOR_COMMIT)


def altered_signed(of: SignedMessage, part: str, number: int, value: int | bytes) -> SignedMessage | None:
    """Change one part of a signed message. None if nothing changes, or if its block X is malformed."""
    if parse_signature_block(of.block).problems:
        return None
    try:
        raw = SIGNED_PARTS[part](of, number, value)
    except FieldError:
        return None
    if raw is None:
        return None
    message = parse_once(raw)
    return None if message.body == of.message.body else replace(of, message=message)


def _nth(values: Sequence[T], number: int) -> T:
    """An item by its number, which wraps around."""
    return values[number % len(values)]
