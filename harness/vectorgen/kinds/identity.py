"""Long-term keys: their encoding, their fingerprints, and signatures of MAC values.
[Public keys, signatures, and fingerprints]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha1, sha256

from otterproof.harness.testkit.keys import NAMES, published_key
from otterproof.harness.vectorgen.builder import FileBuilder, GroupBuilder, valid
from otterproof.harness.vectorgen.kinds.encodings import random
from otterproof.harness.wire.numbers import public_key
from otterproof.implementations.contract import DsaPrivateKey, DsaPublicKey


def _fields(key: DsaPublicKey) -> dict[str, int]:
    return {"p": key.p, "q": key.q, "g": key.g, "y": key.y}


def _mpi(raw: bytes) -> bytes:
    return len(raw).to_bytes(4) + raw


def _number(value: int, zeros: int = 0) -> bytes:
    return _mpi(bytes(zeros) + value.to_bytes((value.bit_length() + 7) // 8))


def _encoded(key: DsaPublicKey, kind: int = 0, zeros: Mapping[str, int] | None = None) -> bytes:
    """PUBKEY with leading zeros before some of its numbers."""
    before = zeros or {}
    return kind.to_bytes(2) + b"".join(_number(getattr(key, name), before.get(name, 0)) for name in "pqgy")


# ---- public keys -----------------------------------------------------------------------------------------------------


def public_keys(file: FileBuilder) -> None:
    """Keys of each size, and invalid keys."""
    good = file.group("good", "Keys that are to be accepted.", "public_key")
    form = "KEYS-PUBKEY-2 KEYS-PUBKEY-3 KEYS-FPR-1 KEYS-FPR-2"
    for name in NAMES:
        good.case(
            f"test-{name}",
            f"the test key of {name}",
            f"{form} KEYS-FPR-3",
            encoded=public_key(published_key(name).public),
        )
    key = published_key("alice").public
    for bits in (1024, 2048, 3072):
        for number in range(3):
            p = int.from_bytes(random(f"p {bits} {number}", bits // 8)) | 1 << bits - 1 | 1
            q = int.from_bytes(random(f"q {number}", 20)) | 1 << 159 | 1
            large = DsaPublicKey(p, q, p // 3 + number, p // 7 + number)
            good.case(
                f"p-{bits}-{number}",
                f"p of {bits} bits; primes are not looked for",
                f"{form} KEYS-PARAMS-2 KEYS-FPR-5",
                encoded=public_key(large),
            )
    for name, changed in {
        "y-2": replace(key, y=2),
        "g-2": replace(key, g=2),
        "y-p-less-1": replace(key, y=key.p - 1),
        "g-p-less-1": replace(key, g=key.p - 1),
        "y-short": replace(key, y=key.y >> 16),
        "y-one-byte-less": replace(key, y=key.y >> 8 & ~(0x80 << 1008)),
        "g-short": replace(key, g=key.g >> 64),
    }.items():
        good.case(
            name,
            "at the end of its range, or shorter than others",
            f"{form} KEYS-PARAMS-1",
            flags="Boundary",
            encoded=public_key(changed),
        )
    _bad(file.group("bad", "What is no key that can be accepted.", "public_key"), key)


def _bad(group: GroupBuilder, key: DsaPublicKey) -> None:
    encoded = public_key(key)
    for kind in (1, 2, 0x100, 0x7FFF, 0x8000, 0xFFFF):
        group.case(
            f"type-{kind:x}",
            f"a key of type {kind:#06x}",
            "KEYS-PUBKEY-4",
            reaction="refused",
            flags="KeyType",
            encoded=public_key(key, kind),
        )
    ranges = {
        "g-0": replace(key, g=0),
        "g-1": replace(key, g=1),
        "g-p": replace(key, g=key.p),
        "g-p-and-1": replace(key, g=key.p + 1),
        "y-0": replace(key, y=0),
        "y-1": replace(key, y=1),
        "y-p": replace(key, y=key.p),
        "y-p-and-1": replace(key, y=key.p + 1),
        "q-0": replace(key, q=0),
        "q-1": replace(key, q=1),
        "q-159-bits": replace(key, q=key.q >> 1),
        "q-161-bits": replace(key, q=key.q << 1),
        "q-256-bits": replace(key, q=key.q << 96),
        "q-224-bits": replace(key, q=key.q << 64),
        "p-0": replace(key, p=0),
        "p-512-bits": DsaPublicKey((1 << 511) + 1, key.q, 3, 5),
        "p-1023-bits": replace(key, p=key.p >> 1, g=2, y=3),
        "p-4096-bits": replace(key, p=(1 << 4095) + 1),
        "all-0": DsaPublicKey(0, 0, 0, 0),
    }
    for name, changed in ranges.items():
        # In one reading only q is checked, so errors elsewhere pass.
        readings = ["KEYS-DSA-CHECK:none"] + (["KEYS-DSA-CHECK:size"] if changed.q.bit_length() == 160 else [])
        shows = "KEYS-PARAMS-1" + (" KEYS-SIG-2" if name.startswith("q-") else "")
        expect = {**_fields(changed), "fingerprint": _fingerprint(changed)}
        others = {reading: valid(**expect) for reading in readings}
        group.case(
            name,
            "parameters out of their ranges",
            shows,
            reaction="refused",
            flags="KeyRange",
            ours="KEYS-DSA-CHECK:ranges",
            others=others,
            encoded=public_key(changed),
        )
    expect = {**_fields(key), "fingerprint": _fingerprint(key)}
    for name in "pqgy":
        for zeros in (1, 2, 4):
            raw = _encoded(key, zeros={name: zeros})
            others = {
                "TYPES-MPI-ZEROS:normalise": valid(**expect),
                "TYPES-MPI-ZEROS:raw": valid(**{**expect, "fingerprint": _hash(raw[2:])}),
            }
            group.case(
                f"zeros-{name}-{zeros}",
                f"{zeros} leading zero bytes before {name}: there must not be two fingerprints of one key",
                "TYPES-MPI-5 KEYS-FPR-5 TYPES-MPI-2",
                reaction="refused",
                flags="LeadingZeros",
                ours="TYPES-MPI-ZEROS:reject",
                others=others,
                encoded=raw,
            )
    ends = [0, 1, 2, 3, 5, 6, 7]
    at = 2
    for name in "pqgy":
        size = len(_number(getattr(key, name)))
        ends += [at + 4, at + size // 2, at + size - 1]
        at += size
        if at < len(encoded):
            ends.append(at)
    for end in sorted(set(ends)):
        group.case(
            f"cut-{end}",
            f"cut short after {end} bytes",
            "ARMOUR-PARSE-6 TYPES-DATA-2",
            reaction="refused",
            flags="CutShort",
            encoded=encoded[:end],
        )
    for more in (1, 4, 20):
        group.case(
            f"more-{more}",
            f"{more} bytes follow",
            "ARMOUR-PARSE-7",
            reaction="refused",
            flags="TrailingBytes",
            encoded=encoded + bytes(more),
        )
    for offset, name in ((2, "p"), (2 + len(_number(key.p)), "q")):
        for said in (0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF):
            changed_length = encoded[:offset] + said.to_bytes(4) + encoded[offset + 4 :]
            group.case(
                f"length-{name}-{said:x}",
                f"{name} announces {said:#x} bytes",
                "TYPES-DATA-3",
                reaction="refused",
                flags="HugeLength",
                encoded=changed_length,
            )


def _hash(raw: bytes) -> bytes:
    return sha1(raw).digest()


def _fingerprint(key: DsaPublicKey) -> bytes:
    return _hash(public_key(key)[2:])


# ---- signatures ------------------------------------------------------------------------------------------------------


def _macs(key: DsaPublicKey) -> dict[str, tuple[int, str]]:
    """MAC values, as numbers, that reveal a mistake in reducing them modulo q."""
    q = key.q
    top = (1 << 256) - 1
    return {
        "zero": (0, "0"),
        "one": (1, "1"),
        "q-less-1": (q - 1, "one less than q"),
        "q": (q, "q itself, which is 0 modulo q"),
        "q-and-1": (q + 1, "one more than q"),
        "2-160-less-1": ((1 << 160) - 1, "160 ones at the right end"),
        "2-160": (1 << 160, "one bit above the lowest 160"),
        "top-160": (((1 << 160) - 1) << 96, "160 ones at the left end: what cutting to 160 bits would keep"),
        "low-96": ((1 << 96) - 1, "the leftmost 160 bits are zero"),
        "ones": (top, "256 ones"),
        "high-bit": (1 << 255, "the highest bit alone"),
        "multiple": (q * (top // q), "the largest multiple of q"),
        "zeros-first": (int.from_bytes(random("mac zeros", 30)), "two zero bytes first"),
    }


def signatures(file: FileBuilder) -> None:
    """Signatures made with given nonces, and verified; every way in which r, s and the value can be wrong."""
    for name in ("alice", "bob"):
        _sign(file, name)
        _verify(file, name)


def _key_fields(key: DsaPrivateKey) -> dict[str, int]:
    return {**_fields(key.public), "x": key.x}


def _sign(file: FileBuilder, name: str) -> None:
    key = published_key(name)
    group = file.group(f"sign-{name}", f"Signatures by the test key of {name}.", "sign", key=_key_fields(key))
    shows = "KEYS-SIG-1 KEYS-SIG-2 KEYS-SIG-4 REVEAL-SIG-7 SIG-SIG-7"
    for case, (value, comment) in _macs(key.public).items():
        group.case(
            f"value-{case}",
            f"the value is {comment}",
            shows,
            flags="DsaValue",
            mac=value.to_bytes(32),
            random=random(f"nonce {name} {case}", 28),
        )
    for number in range(6):
        group.case(
            f"random-{number}",
            "a random value",
            shows,
            mac=random(f"mac {name} {number}", 32),
            random=random(f"nonce {name} {number}", 28),
        )
    for case, nonce, comment in _nonces(key):
        more = " KEYS-SIG-3" if "zero" in comment else ""
        group.case(
            f"nonce-{case}", comment, shows + more, flags="DsaZeros", mac=random(f"mac {name} 0", 32), random=nonce
        )


def _nonces(key: DsaPrivateKey) -> list[tuple[str, bytes, str]]:
    """Nonces at the ends of their range, and nonces for which r or s begins with zero bytes."""
    q = key.public.q
    found = [
        ("1", bytes(28), "the smallest nonce, 1"),
        ("2", (1).to_bytes(28), "the nonce 2"),
        ("q-less-1", (q - 2).to_bytes(28), "the largest nonce, q - 1"),
        ("wraps", (q - 1).to_bytes(28), "the random number is q - 1, which is 0 modulo q - 1: the nonce is 1"),
        ("ones", b"\xff" * 28, "the largest random number"),
    ]
    mac = int.from_bytes(random(f"mac {_name(key)} 0", 32))
    wanted = {"r", "s"}
    number = 0
    while wanted:
        k = number + 3
        r = pow(key.public.g, k, key.public.p) % q
        s = pow(k, -1, q) * (mac + key.x * r) % q
        for part, value in (("r", r), ("s", s)):
            if part in wanted and value >> 152 == 0:
                wanted.remove(part)
                found.append((f"{part}-zeros", (k - 1).to_bytes(28), f"{part} begins with a zero byte"))
        number += 1
    return found


def _name(key: DsaPrivateKey) -> str:
    return next(name for name in NAMES if published_key(name) == key)


def _signed(key: DsaPrivateKey, value: int, k: int) -> tuple[int, int]:
    p, q = key.public.p, key.public.q
    r = pow(key.public.g, k, p) % q
    return r, pow(k, -1, q) * (value + key.x * r) % q


def _verify(file: FileBuilder, name: str) -> None:
    key = published_key(name)
    q = key.public.q
    group = file.group(
        f"verify-{name}", f"Signatures to be verified by the test key of {name}.", "verify", key=_fields(key.public)
    )
    shows = "KEYS-SIG-1 KEYS-SIG-2 KEYS-SIG-4"
    for number, (case, (value, comment)) in enumerate(_macs(key.public).items(), 3):
        r, s = _signed(key, value, number)
        group.case(
            f"value-{case}",
            f"the value is {comment}",
            shows,
            flags="DsaValue",
            mac=value.to_bytes(32),
            signature=r.to_bytes(20) + s.to_bytes(20),
        )
    for case, nonce, comment in _nonces(key):
        value = int.from_bytes(random(f"mac {name} 0", 32))
        r, s = _signed(key, value, int.from_bytes(nonce) % (q - 1) + 1)
        group.case(
            f"nonce-{case}",
            comment,
            f"{shows} KEYS-SIG-3",
            flags="DsaZeros",
            mac=value.to_bytes(32),
            signature=r.to_bytes(20) + s.to_bytes(20),
        )
    value = int.from_bytes(random(f"mac {name} 1", 32))
    r, s = _signed(key, value, 0x1234567)
    mac = value.to_bytes(32)
    good = r.to_bytes(20) + s.to_bytes(20)
    group.case(
        "same-modulo-q",
        "another value that is the same modulo q",
        "KEYS-SIG-4",
        flags="DsaValue",
        mac=(value % q + q).to_bytes(32),
        signature=good,
    )
    _wrong(group, mac, good, r, s, q)
    _other_values(group, key, value, good)


def _wrong(group: GroupBuilder, mac: bytes, good: bytes, r: int, s: int, q: int) -> None:
    """Wrong pairs (r, s) for one value."""
    top = (1 << 160) - 1
    pairs = {
        "both-0": (0, 0),
        "r-0": (0, s),
        "s-0": (r, 0),
        "both-1": (1, 1),
        "r-1": (1, s),
        "s-1": (r, 1),
        "r-q": (q, s),
        "s-q": (r, q),
        "both-q": (q, q),
        "r-q-less-1": (q - 1, s),
        "s-q-less-1": (r, q - 1),
        "r-top": (top, s),
        "s-top": (r, top),
        "both-top": (top, top),
        "swapped": (s, r),
        "r-negative": (q - r, s),
        "s-negative": (r, q - s),
        "both-negative": (q - r, q - s),
        "r-and-1": (r + 1, s),
        "s-and-1": (r, s + 1),
    }
    if r + q <= top:
        pairs["r-and-q"] = (r + q, s)
    if s + q <= top:
        pairs["s-and-q"] = (r, s + q)
    for name, (first, second) in pairs.items():
        outside = not 0 < first < q or not 0 < second < q
        shows = "KEYS-SIG-5" if outside else "AKE-VERIFY-3 AKE-VERIFY-5"
        group.case(
            name,
            "out of range" if outside else "another pair",
            shows,
            reaction="refused",
            flags="DsaRange",
            mac=mac,
            signature=first.to_bytes(20) + second.to_bytes(20),
        )
    for bit in (0, 7, 80, 159, 160, 200, 319):
        changed = (int.from_bytes(good) ^ 1 << bit).to_bytes(40)
        group.case(
            f"bit-{bit}",
            f"bit {bit} from the right inverted",
            "AKE-VERIFY-3 AKE-VERIFY-5",
            reaction="refused",
            flags="DsaRange",
            mac=mac,
            signature=changed,
        )
    for size in (0, 1, 20, 39, 41, 60):
        group.case(
            f"size-{size}",
            f"{size} bytes where 40 are prescribed",
            "KEYS-SIG-1 KEYS-SIG-2",
            reaction="refused",
            flags="CutShort" if size < 40 else "TrailingBytes",
            mac=mac,
            signature=(good + bytes(20))[:size],
        )
    for bit in (0, 95, 96, 159, 160, 255):
        changed = (int.from_bytes(mac) ^ 1 << bit).to_bytes(32)
        group.case(
            f"value-bit-{bit}",
            f"bit {bit} of the value, from the right, inverted",
            "KEYS-SIG-4",
            reaction="refused",
            flags="DsaValue",
            mac=changed,
            signature=good,
        )


def _other_values(group: GroupBuilder, key: DsaPrivateKey, value: int, good: bytes) -> None:
    """Signatures that are correct for what a mistaken client would sign."""
    mac = value.to_bytes(32)
    mistaken = {
        "leftmost-160": (value >> 96, "the leftmost 160 bits of the value, as DSA in most libraries has it"),
        "rightmost-160": (value & (1 << 160) - 1, "the rightmost 160 bits of the value"),
        "hashed-sha1": (int.from_bytes(sha1(mac).digest()), "the SHA-1 hash of the value"),
        "hashed-sha256": (int.from_bytes(sha256(mac).digest()), "the SHA-256 hash of the value"),
        "little-endian": (int.from_bytes(mac, "little"), "the value read from the other end"),
        "leftmost-20-hashed": (int.from_bytes(sha1(mac[:20]).digest()), "the hash of its first 20 bytes"),
    }
    q = key.public.q
    for number, (name, (other, comment)) in enumerate(mistaken.items(), 77):
        if other % q == value % q:
            continue
        r, s = _signed(key, other, number)
        group.case(
            f"signs-{name}",
            f"it signs {comment}",
            "KEYS-SIG-4 REVEAL-SIG-7 SIG-SIG-7",
            reaction="refused",
            flags="DsaValue",
            mac=mac,
            signature=r.to_bytes(20) + s.to_bytes(20),
        )
    group.case(
        "other-value",
        "the signature of another value",
        "KEYS-SIG-4",
        reaction="refused",
        flags="DsaValue",
        mac=random("mac other", 32),
        signature=good,
    )
