"""Shared secrets and the values derived from them: handshake values, keys for Data Messages, SMP secrets.
[Computing AES keys, MAC keys, and the secure session id; SMP, secret information]
"""

from __future__ import annotations

from collections.abc import Mapping

from otterproof.harness.testkit.keys import NAMES, published_key
from otterproof.harness.vectorgen.builder import FileBuilder, GroupBuilder
from otterproof.harness.vectorgen.kinds.encodings import random
from otterproof.harness.wire import DH_PRIME, SMP_ORDER
from otterproof.harness.wire.numbers import fingerprint, power

#: Exponents `random("exponent N", 40)` whose shared secret with THEIRS begins with one zero byte (or two), and some
#: whose public key does. Found by trying all N from 0 on.
SECRET_ZEROS = (255, 748, 1015)
SECRET_ZEROS_2 = (166753,)
PUBLIC_ZEROS = (210, 216, 266)
PUBLIC_ZEROS_2 = (3201,)

#: The other side's exponent in most cases.
THEIR_EXPONENT = int.from_bytes(random("their exponent", 40))
THEIRS = power(2, THEIR_EXPONENT)

#: Values that are not valid group elements.
OUTSIDE: Mapping[str, int] = {
    "0": 0,
    "1": 1,
    "p-less-1": DH_PRIME - 1,
    "p": DH_PRIME,
    "p-and-1": DH_PRIME + 1,
    "p-and-2": DH_PRIME + 2,
    "2p-less-2": 2 * DH_PRIME - 2,
    "2-1536": 1 << 1536,
    "2-1536-less-1": (1 << 1536) - 1,
    "2-2048": 1 << 2048,
}

#: The smallest and the largest valid element.
LIMITS: Mapping[str, int] = {"2": 2, "p-less-2": DH_PRIME - 2}

#: Other values that an implementation may mishandle.
_ELEMENTS: Mapping[str, int] = {
    **LIMITS,
    "3": 3,
    "order": SMP_ORDER,
    "255": 255,
    "256": 256,
    "65537": 65537,
    "2-1535": 1 << 1535,
    "p-less-3": DH_PRIME - 3,
    "p-halved": DH_PRIME >> 1,
}


def exponent(number: int) -> bytes:
    return random(f"exponent {number}", 40)


def handshake_keys(file: FileBuilder) -> None:
    """The exchange, and the seven values derived from its secret."""
    exchange = file.group("exchange", "Our exponent, their public key.", "exchange")
    shows = "DERIVE-SECRET-1 TYPES-GROUP-1 TYPES-GROUP-2 TYPES-GROUP-3 AKE-OUTLINE-2"
    for number in range(8):
        exchange.case(
            f"random-{number}",
            "random numbers",
            shows,
            private=exponent(number),
            their_public=power(2, int.from_bytes(exponent(1000 + number))),
        )
    for name, element in _ELEMENTS.items():
        more = " AKE-VALID-3" if name in LIMITS else ""
        exchange.case(
            f"element-{name}",
            f"their public key is {name}",
            shows + more,
            flags="GroupElement",
            private=exponent(3),
            their_public=element,
        )
    for name, element in OUTSIDE.items():
        exchange.case(
            f"outside-{name}",
            f"their public key is {name}, which is out of range",
            "AKE-VALID-1 AKE-VALID-2",
            reaction="refused",
            flags="GroupElement",
            private=exponent(3),
            their_public=element,
        )
    for name, private in {"1": 1, "2": 2, "small": 0x10001, "ones": (1 << 320) - 1, "zeros-first": 1 << 250}.items():
        exchange.case(
            f"private-{name}",
            f"the exponent is {name}",
            shows,
            flags="Boundary",
            private=private.to_bytes(40),
            their_public=THEIRS,
        )
    for number in (*SECRET_ZEROS, *SECRET_ZEROS_2):
        exchange.case(
            f"secret-zeros-{number}",
            "s begins with a zero byte or two",
            f"{shows} DERIVE-SECRET-2",
            flags="SecretZeros",
            private=exponent(number),
            their_public=THEIRS,
        )
    for number in (*PUBLIC_ZEROS, *PUBLIC_ZEROS_2):
        exchange.case(
            f"public-zeros-{number}",
            "our public key begins with a zero byte or two",
            shows,
            flags="SecretZeros",
            private=exponent(number),
            their_public=THEIRS,
        )
    _from_secret(file.group("derive", "The values derived from s.", "handshake_keys"))


def _from_secret(group: GroupBuilder) -> None:
    shows = " ".join(
        ["DERIVE-SECRET-2", *(f"DERIVE-AKE-{number}" for number in range(1, 9)), "REVEAL-SIG-1", "SIG-SIG-1"]
    )
    for number in range(8):
        group.case(
            f"random-{number}", "a random secret", shows, s=int.from_bytes(random(f"s {number}", 192)) % DH_PRIME
        )
    for size in range(1, 193, 8):
        value = int.from_bytes(b"\x7f" + random(f"s of {size}", size - 1))
        group.case(
            f"size-{size}",
            f"a secret of {size} bytes: it is hashed without leading zeros",
            shows,
            flags="SecretZeros" if size < 192 else "",
            s=value,
        )
    for zeros in (1, 2, 3, 4, 8, 16):
        value = int.from_bytes(b"\xff" + random(f"s zeros {zeros}", 191 - zeros))
        group.case(f"zeros-{zeros}", f"{zeros} bytes fewer than the prime has", shows, flags="SecretZeros", s=value)
    for name, value in {
        "2": 2,
        "p-less-2": DH_PRIME - 2,
        "128": 128,
        "255": 255,
        "256": 256,
        "high-bit": 1 << 1535,
    }.items():
        group.case(f"value-{name}", f"the secret is {name}", shows, flags="Boundary", s=value)


def session_keys(file: FileBuilder) -> None:
    """Both ends of pairs of keys."""
    group = file.group("pairs", "A pair of D-H keys, from each side.", "session_keys")
    shows = (
        " ".join(f"DERIVE-DATA-{number}" for number in range(1, 8))
        + " DERIVE-SECRET-1 DERIVE-SECRET-2 DATA-ORDER-2 EXTRA-KEY-1"
    )
    for number in range(10):
        ours, theirs = exponent(2 * number), exponent(2 * number + 1)
        for side, (first, second) in {"a": (ours, theirs), "b": (theirs, ours)}.items():
            public = power(2, int.from_bytes(second))
            high = power(2, int.from_bytes(first)) > public
            group.case(
                f"random-{number}-{side}",
                f"the {'high' if high else 'low'} end",
                shows,
                flags="Ends",
                private=first,
                their_public=public,
            )
    for name, element in _ELEMENTS.items():
        group.case(
            f"element-{name}",
            f"their public key is {name}",
            shows,
            flags="GroupElement",
            private=exponent(5),
            their_public=element,
        )
    for name, element in OUTSIDE.items():
        group.case(
            f"outside-{name}",
            f"their public key is {name}, which is out of range",
            "KEYMGMT-NEXT-1",
            reaction="refused",
            flags="GroupElement",
            private=exponent(5),
            their_public=element,
        )
    in_secret = "s begins with a zero byte or two"
    in_public = "our public key begins with zero bytes: the low end, though its next byte is high"
    zeros = (
        ("secret", in_secret, "SecretZeros", sorted({*SECRET_ZEROS, *SECRET_ZEROS_2})),
        ("public", in_public, "Ends", [*PUBLIC_ZEROS, *PUBLIC_ZEROS_2]),
    )
    for what, comment, flags, numbers in zeros:
        for number in numbers:
            name, ours = f"{what}-zeros-{number}", exponent(number)
            group.case(name, comment, shows, flags=flags, private=ours, their_public=THEIRS)
            group.case(
                f"{name}-b",
                "the same from the other side",
                shows,
                flags=flags,
                private=THEIR_EXPONENT.to_bytes(40),
                their_public=power(2, int.from_bytes(ours)),
            )
    group.case(
        "equal",
        "both keys are the same: neither is greater, so it is the low end",
        "DERIVE-DATA-2",
        flags="Ends",
        private=exponent(7),
        their_public=power(2, int.from_bytes(exponent(7))),
    )
    # A client that compares signed numbers gets this wrong, because of the top bit.
    group.case(
        "top-bit",
        "their key has its highest bit set",
        shows,
        flags="HighBit",
        private=(2).to_bytes(40),
        their_public=DH_PRIME - 5,
    )


#: What the users type: name -> (secret, comment).
_SECRETS: Mapping[str, tuple[bytes, str]] = {
    "word": (b"secret", "a word"),
    "empty": (b"", "nothing"),
    "one-byte": (b"x", "one byte"),
    "nul": (b"\0", "a NUL"),
    "nul-inside": (b"a\0b", "a NUL inside: all of it counts"),
    "blank-after": (b"secret ", "a blank at the end counts"),
    "blank-before": (b" secret", "a blank at the beginning counts"),
    "capital": (b"Secret", "large letters count"),
    "utf-8": ("gehëim".encode(), "UTF-8"),
    "latin-1": (b"geh\xebim", "the same in Latin-1 is another"),
    "invalid-utf-8": (b"\xff\xfe\x80", "bytes that are no text"),
    "line": (b"secret\n", "a line end counts"),
    "long": (b"correct horse battery staple " * 40, "1160 bytes"),
    "62-bytes": (b"y" * 62, "the hash ends with a full block"),
    "63-bytes": (b"y" * 63, "the hash ends one byte into a block"),
    "ones": (b"\xff" * 32, "32 bytes of ones"),
}


def smp_secrets(file: FileBuilder) -> None:
    """Each side's secret, for several inputs, fingerprints and ssids."""
    shows = " ".join(f"SMP-SECRET-{number}" for number in range(1, 7)) + " KEYS-FPR-3"
    prints = {name: fingerprint(published_key(name).public) for name in NAMES}
    ssid = random("ssid", 8)
    group = file.group("typed", "What the user typed, byte for byte.", "smp_secret")
    for name, (secret, comment) in _SECRETS.items():
        group.case(
            name,
            comment,
            f"{shows} SMP-SECRET-8",
            flags="SmpSecret",
            initiator=prints["alice"],
            responder=prints["bob"],
            ssid=ssid,
            secret=secret,
        )
    order = file.group("order", "Initiator and responder, and the session.", "smp_secret")
    for first in NAMES:
        for second in NAMES:
            order.case(
                f"{first}-{second}",
                f"{first} began, {second} answers",
                f"{shows} SMP-SECRET-7 SMP-SECRET-9",
                flags="SmpSecret",
                initiator=prints[first],
                responder=prints[second],
                ssid=ssid,
                secret=b"secret",
            )
    for name, other in {
        "zeros": bytes(8),
        "ones": b"\xff" * 8,
        "zero-first": b"\0" + ssid[1:],
        "other": random("ssid 2", 8),
    }.items():
        order.case(
            f"ssid-{name}",
            "another session gives another number",
            f"{shows} SMP-SECRET-9 SMP-STATE-4",
            flags="SmpSecret",
            initiator=prints["alice"],
            responder=prints["bob"],
            ssid=other,
            secret=b"secret",
        )
