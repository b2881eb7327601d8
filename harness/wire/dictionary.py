"""The dictionary for byte mutations: words of the protocol, in the file format of libFuzzer and AFL."""

from __future__ import annotations

from collections.abc import Mapping

from otterproof.harness.wire.layouts import DH_PRIME, SMP_NUMBERS, TAG_BASE, TAG_VERSIONS, TLV_TYPES, TYPES

#: Words by name: prefixes and tags for the text on the wire; headers, lengths and numbers for the binary message.
WORDS: Mapping[str, bytes] = {
    "query_v1": b"?OTR?",
    "query_v2": b"?OTRv2?",
    "query_v3": b"?OTRv3?",
    "query_v23": b"?OTRv23?",
    "error": b"?OTR Error:",
    "armour": b"?OTR:",
    "armour_end": b".",
    "fragment_v2": b"?OTR,1,2,",
    "fragment_v3": b"?OTR|00002b2b|00001a1a,1,2,",
    "fragment_65535": b",65535,65535,",
    "tag": TAG_BASE,
    **{f"tag_v{version}": tag for version, tag in TAG_VERSIONS.items()},
    **{f"v{version}_{name}": version.to_bytes(2) + bytes([code]) for version in (2, 3) for code, name in TYPES.items()},
    **{f"tlv_{name}": kind.to_bytes(2) + bytes(2) for kind, name in TLV_TYPES.items()},
    **{f"smp_count_{len(names)}": len(names).to_bytes(4) for names in SMP_NUMBERS.values()},
    "nul": b"\0",
    "int_0": bytes(4),
    "int_1": b"\0\0\0\1",
    "int_most": b"\xff" * 4,
    "int_signed_most": b"\x7f\xff\xff\xff",
    "int_negative": b"\x80\0\0\0",
    "short_most": b"\xff\xff",
    "mpi_1": b"\0\0\0\1\1",
    "mpi_leading_zero": b"\0\0\0\2\0\1",
    "mpi_p": (192).to_bytes(4) + DH_PRIME.to_bytes(192),
    "mpi_p_less_1": (192).to_bytes(4) + (DH_PRIME - 1).to_bytes(192),
}


def as_file() -> str:
    """The dictionary as a file: lines of name="value", in which all but plain characters are in hexadecimal."""
    return "".join(f'{name}="{"".join(map(_escaped, word))}"\n' for name, word in WORDS.items())


def _escaped(byte: int) -> str:
    plain = 0x20 <= byte < 0x7F and byte not in b'"\\'
    return chr(byte) if plain else f"\\x{byte:02x}"
