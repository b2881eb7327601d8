"""The signed half of the handshake as a function: encrypted signatures under given keys.
[Reveal Signature Message, Signature Message]
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from otterproof.harness.testkit.keys import published_key
from otterproof.harness.vectorgen.builder import GroupBuilder, valid
from otterproof.harness.vectorgen.kinds.derive import exponent
from otterproof.harness.wire import Type, crypto
from otterproof.harness.wire.fields import encode
from otterproof.harness.wire.numbers import dsa_sign, fingerprint, mpi, power, public_key
from otterproof.vectors import Outcome

KEY = published_key("mallory")


def named(shows: str, prefix: str) -> str:
    """The full ids of requirements on X: SIG-n and MAC-n are those of the message itself."""
    return " ".join(f"{prefix}-{one}" if one.startswith(("SIG-", "MAC-")) else one for one in shows.split())


@dataclass(frozen=True, slots=True)
class Proof:
    """An encrypted signature and its MAC."""

    encrypted: bytes
    mac: bytes

    def fields(self) -> dict[str, Any]:
        return {"encrypted_signature": self.encrypted, "mac": self.mac}


class Prover:
    """Makes proofs for one side of a handshake. primed: for a Signature Message."""

    def __init__(self, number: int, primed: bool) -> None:
        ours, theirs = int.from_bytes(exponent(number)), int.from_bytes(exponent(number + 1))
        self.ours, self.theirs = power(2, ours), power(2, theirs)
        keys = crypto.handshake_keys(power(self.theirs, ours))
        self.c, self.m1, self.m2 = (
            (keys.c_primed, keys.m1_primed, keys.m2_primed) if primed else (keys.c, keys.m1, keys.m2)
        )
        self.others = (keys.c, keys.m1, keys.m2) if primed else (keys.c_primed, keys.m1_primed, keys.m2_primed)

    def group(self) -> dict[str, bytes | int]:
        return {"signer_public": self.ours, "other_public": self.theirs, "c": self.c, "m1": self.m1, "m2": self.m2}

    def value(self, identity: bytes, m1: bytes | None = None, publics: bytes | None = None) -> bytes:
        before = mpi(self.ours) + mpi(self.theirs) if publics is None else publics
        return hmac.digest(self.m1 if m1 is None else m1, before + identity, "sha256")

    def identity(self, name: str = "mallory", keyid: int = 1) -> bytes:
        return public_key(published_key(name).public) + keyid.to_bytes(4)

    def seal(self, block: bytes, *, c: bytes | None = None, m2: bytes | None = None, mac: bytes | None = None) -> Proof:
        encrypted = crypto.aes_ctr(self.c if c is None else c, bytes(8), block)
        right = hmac.digest(self.m2 if m2 is None else m2, encode(Type.DATA, encrypted, "X"), "sha256")[:20]
        return Proof(encrypted, right if mac is None else mac)

    def block(self, identity: bytes, value: bytes, name: str = "mallory", nonce: int = 0x5EED) -> bytes:
        r, s = dsa_sign(published_key(name), value, nonce)
        return identity + r.to_bytes(20) + s.to_bytes(20)

    def honest(self, name: str = "mallory", keyid: int = 1, nonce: int = 0x5EED) -> bytes:
        identity = self.identity(name, keyid)
        return self.block(identity, self.value(identity), name, nonce)


def functions(group: GroupBuilder, prover: Prover, prefix: str) -> None:
    """Proofs under given keys, correct and wrong."""
    verified = "AKE-VERIFY-2 AKE-VERIFY-3" if prefix == "REVEAL" else "AKE-VERIFY-4 AKE-VERIFY-5"
    shows = f"{named('SIG-2 SIG-5 SIG-6 SIG-7 SIG-8 MAC-1 MAC-2', prefix)} {verified} DERIVE-AKE-8"

    def good(name: str, comment: str, block: bytes, more: str = "", flags: str = "") -> None:
        group.case(name, comment, f"{shows} {more}".strip(), flags=flags, **prover.seal(block).fields())

    def bad(
        name: str,
        comment: str,
        proof: Proof,
        requirements: str,
        flags: str,
        ours: str = "",
        others: Mapping[str, Outcome] | None = None,
    ) -> None:
        group.case(
            name,
            comment,
            named(requirements, prefix),
            reaction="refused",
            flags=flags,
            ours=ours,
            others=others,
            **proof.fields(),
        )

    for name in ("alice", "bob", "carol", "mallory"):
        good(f"key-{name}", f"by the test key of {name}", prover.honest(name))
    for keyid in (1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        good(f"keyid-{keyid:x}", f"key id {keyid:#x}", prover.honest(keyid=keyid), named("SIG-4", prefix), "KeyId")
    bad("keyid-0", "key id 0", prover.seal(prover.honest(keyid=0)), "SIG-3", "KeyId")
    identity = prover.identity()
    swapped = mpi(prover.theirs) + mpi(prover.ours)
    values = {
        "swapped": (prover.value(identity, publics=swapped), "the two D-H keys change places"),
        "ours-twice": (prover.value(identity, publics=mpi(prover.ours) * 2), "one D-H key twice"),
        "no-lengths": (
            prover.value(identity, publics=mpi(prover.ours)[4:] + mpi(prover.theirs)[4:]),
            "the D-H keys without their lengths",
        ),
        "no-publics": (prover.value(identity, publics=b""), "the D-H keys left out"),
        "no-keyid": (prover.value(identity[:-4]), "the key id left out"),
        "other-keyid": (prover.value(prover.identity(keyid=2)), "another key id"),
        "no-type": (prover.value(identity[2:]), "the key without its type"),
        "m2": (prover.value(identity, prover.m2), "m2 in the place of m1"),
        "other-m1": (prover.value(identity, prover.others[1]), "the MAC key of the other message"),
        "sha1": (prover.value(identity)[:20], "the value cut to 20 bytes"),
    }
    for name, (value, comment) in values.items():
        bad(
            f"signs-{name}",
            f"what is signed: {comment}",
            prover.seal(prover.block(identity, value)),
            "SIG-5 SIG-7",
            "Signed",
        )
    bad(
        "other-signer",
        "signed by another key than the one shown",
        prover.seal(prover.block(identity, prover.value(identity), "bob")),
        "SIG-6",
        "Signed",
    )
    whole = prover.honest()
    for at in (0, 3, 80, 400, len(whole) - 42, len(whole) - 40, len(whole) - 1):
        flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        bad(
            f"bit-at-{at}",
            f"a bit of X at {at} inverted, under a right MAC",
            prover.seal(flipped),
            "SIG-6",
            "Signed",
        )
    for size in (0, 1, 2, 6, len(whole) - 44, len(whole) - 40, len(whole) - 20, len(whole) - 1):
        bad(f"cut-{size}", f"X cut short after {size} bytes", prover.seal(whole[:size]), "SIG-9", "CutShort")
    accepted = {"fingerprint": _fingerprint(), "keyid": 1}
    for more in (1, 40):
        bad(
            f"more-{more}",
            f"{more} bytes after the signature",
            prover.seal(whole + bytes(more)),
            "SIG-9",
            "TrailingBytes",
            "ARMOUR-TRAILING:reject",
            {"ARMOUR-TRAILING:accept": valid(**accepted)},
        )
    right = prover.seal(whole)
    macs = {
        "zeros": (bytes(20), "zeros"),
        "first-bit": (bytes([right.mac[0] ^ 0x80]) + right.mac[1:], "the first bit inverted"),
        "last-bit": (right.mac[:-1] + bytes([right.mac[-1] ^ 1]), "the last bit inverted"),
        "short": (right.mac[:19], "19 bytes"),
        "empty": (b"", "no bytes"),
        "other-m2": (prover.seal(whole, m2=prover.others[2]).mac, "made with the MAC key of the other message"),
        "m1": (prover.seal(whole, m2=prover.m1).mac, "made with m1"),
        "no-length": (hmac.digest(prover.m2, right.encrypted, "sha256")[:20], "made without the length of the field"),
        "sha1": (hmac.digest(prover.m2, encode(Type.DATA, right.encrypted, "X"), "sha1"), "a SHA1-HMAC"),
        "trailing": (
            hmac.digest(prover.m2, encode(Type.DATA, right.encrypted, "X"), "sha256")[12:],
            "the last 20 bytes of the HMAC",
        ),
        "of-plain": (
            hmac.digest(prover.m2, encode(Type.DATA, whole, "X"), "sha256")[:20],
            "over what was not encrypted yet",
        ),
    }
    for name, (mac, comment) in macs.items():
        bad(f"mac-{name}", f"the MAC: {comment}", prover.seal(whole, mac=mac), "MAC-1 MAC-2", "Mac")
    bad(
        "other-c",
        "encrypted with the AES key of the other message",
        prover.seal(whole, c=prover.others[0]),
        "SIG-8",
        "Signed",
    )
    bad(
        "other-message",
        "the whole proof made with the keys of the other message",
        prover.seal(
            prover.block(identity, prover.value(identity, prover.others[1])), c=prover.others[0], m2=prover.others[2]
        ),
        "SIG-8 MAC-1",
        "Signed",
    )


def _fingerprint() -> bytes:
    return fingerprint(KEY.public)
