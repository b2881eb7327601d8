"""Data types, and the armour of binary messages. [Encoded messages]"""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode

from otterproof.harness.vectorgen.builder import SEED, FileBuilder, GroupBuilder, invalid, valid
from otterproof.harness.wire import DH_PRIME, SMP_ORDER
from otterproof.implementations.entropy import SeededEntropy

#: Names and values of numbers to write as MPI.
_NUMBERS = {
    "zero": 0,
    "one": 1,
    "two": 2,
    "127": 0x7F,
    "128": 0x80,
    "255": 0xFF,
    "256": 0x100,
    "32767": 0x7FFF,
    "32768": 0x8000,
    "65535": 0xFFFF,
    "65536": 0x10000,
    "2-31-less-1": 0x7FFFFFFF,
    "2-31": 0x80000000,
    "2-32-less-1": 0xFFFFFFFF,
    "2-32": 1 << 32,
    "2-63": 1 << 63,
    "2-64": 1 << 64,
    "prime": DH_PRIME,
    "prime-less-1": DH_PRIME - 1,
    "prime-less-2": DH_PRIME - 2,
    "order": SMP_ORDER,
    "zeros-inside": 0x1000000000000001,
    "zeros-at-end": 0xAB << 64,
}

_FIXED = {"BYTE": 1, "SHORT": 2, "INT": 4, "CTR": 8, "MAC": 20}

#: The requirement that a field of this type shows.
_SHOWS = {
    "BYTE": "TYPES-BYTE-1",
    "SHORT": "TYPES-SHORT-1",
    "INT": "TYPES-INT-1",
    "MPI": "TYPES-MPI-1",
    "DATA": "TYPES-DATA-1",
    "CTR": "TYPES-CTR-1",
    "MAC": "TYPES-MAC-1",
}


def random(name: str, size: int) -> bytes:
    """Bytes that depend only on the name and the size."""
    return SeededEntropy(SEED.encode()).child("bytes").draw(name, 0, size)


def encodings(file: FileBuilder) -> None:
    """All data types: values at the ends of their ranges, truncated, too long."""
    for kind, size in _FIXED.items():
        _fixed(file.group(kind.lower(), f"The data type {kind}.", "value", type=kind), kind, size)
    _mpi(file.group("mpi", "The data type MPI.", "value", type="MPI"))
    _data(file.group("data", "The data type DATA.", "value", type="DATA"))


def _fixed(group: GroupBuilder, kind: str, size: int) -> None:
    shows = _SHOWS[kind]
    values = {0, 1, 0x7F, 0x80, 0xFF}
    values |= {(1 << bits) + more for bits in (8 * size - 1, 8 * (size - 1)) for more in (-1, 0, 1)}
    values |= {(1 << 8 * size) - 1, (1 << 8 * size) - 2, int.from_bytes(random(kind, size))}
    for value in sorted(value for value in values if 0 <= value < 1 << 8 * size):
        high = value >> (8 * size - 1)
        group.case(
            f"value-{value:x}",
            f"{value:#x} in {size} bytes",
            shows,
            flags="HighBit" if high else "Boundary",
            encoded=value.to_bytes(size),
        )
    for length in range(size):
        group.case(
            f"short-{length}",
            f"{length} bytes where {size} are needed",
            f"{shows} ARMOUR-PARSE-6",
            reaction="refused",
            flags="CutShort",
            encoded=bytes(range(1, length + 1)),
        )
    for more in (1, 2, 20):
        group.case(
            f"long-{more}",
            f"{more} bytes too many",
            f"{shows} ARMOUR-PARSE-7",
            reaction="refused",
            flags="TrailingBytes",
            encoded=bytes(range(1, size + more + 1)),
        )


def _mpi(group: GroupBuilder) -> None:
    for name, number in _NUMBERS.items():
        size = (number.bit_length() + 7) // 8
        shows = "TYPES-MPI-1 TYPES-MPI-2" + ("" if number else " TYPES-MPI-3")
        high = number >> (8 * size - 1) & 1 if size else 0
        group.case(
            name,
            f"{size} bytes" + (", the highest bit set: there is no sign byte" if high else ""),
            shows + (" TYPES-MPI-4" if high else ""),
            flags="HighBit" if high else "Boundary",
            encoded=size.to_bytes(4) + number.to_bytes(size),
        )
    for size in (1, 2, 3, 4, 5, 8, 16, 20, 31, 32, 33, 64, 127, 128, 129, 191, 192, 193, 255, 256, 384):
        raw = bytes([0x5A]) + random(f"mpi {size}", size - 1)
        group.case(
            f"size-{size}", f"a number of {size} bytes", "TYPES-MPI-1 TYPES-MPI-2", encoded=size.to_bytes(4) + raw
        )
    for zeros in (1, 2, 3, 4, 16, 64):
        for name, number in (("zero", 0), ("one", 1), ("128", 0x80), ("prime-less-2", DH_PRIME - 2)):
            raw = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)
            group.case(
                f"zeros-{zeros}-{name}",
                f"{zeros} leading zero bytes before {name}",
                "TYPES-MPI-2 TYPES-MPI-5",
                reaction="refused",
                flags="LeadingZeros",
                ours="TYPES-MPI-ZEROS:reject",
                others={"TYPES-MPI-ZEROS:normalise": valid(number=number), "TYPES-MPI-ZEROS:raw": valid(number=number)},
                encoded=len(raw).to_bytes(4) + raw,
            )
    _lengths(group, "MPI")


def _data(group: GroupBuilder) -> None:
    for size in (0, 1, 2, 3, 4, 15, 16, 17, 20, 32, 127, 128, 255, 256, 257, 1000):
        content = random(f"data {size}", size)
        group.case(f"size-{size}", f"{size} bytes", "TYPES-DATA-1", encoded=size.to_bytes(4) + content)
    for name, content in {
        "zeros": bytes(20),
        "ones": b"\xff" * 20,
        "zero-first": b"\0abc",
        "length-inside": bytes(4),
    }.items():
        group.case(name, "the content is not looked at", "TYPES-DATA-1", encoded=len(content).to_bytes(4) + content)
    _lengths(group, "DATA")


def _lengths(group: GroupBuilder, kind: str) -> None:
    """Lengths of MPI and DATA that do not match the content."""
    shows = _SHOWS[kind]
    for size in range(4):
        group.case(
            f"length-cut-{size}",
            f"the length itself is cut short after {size} bytes",
            f"{shows} ARMOUR-PARSE-6",
            reaction="refused",
            flags="CutShort",
            encoded=bytes([0, 0, 0, 2])[:size],
        )
    for said, there in (
        (1, 0),
        (2, 1),
        (4, 3),
        (5, 4),
        (20, 19),
        (192, 191),
        (193, 192),
        (256, 0),
        (65536, 16),
        (0x01000000, 4),
    ):
        group.case(
            f"announces-{said}-has-{there}",
            f"{said} bytes are announced and {there} are there",
            f"{shows} TYPES-DATA-2 ARMOUR-PARSE-6",
            reaction="refused",
            flags="CutShort",
            encoded=said.to_bytes(4) + b"\x5a" * there,
        )
    for said in (
        0x7FFFFFFB,
        0x7FFFFFFF,
        0x80000000,
        0x80000004,
        0xFFFFFFF0,
        0xFFFFFFFB,
        0xFFFFFFFC,
        0xFFFFFFFE,
        0xFFFFFFFF,
    ):
        group.case(
            f"announces-{said:x}",
            f"{said:#x} bytes are announced and 8 are there",
            f"{shows} TYPES-DATA-2 TYPES-DATA-3",
            reaction="refused",
            flags="HugeLength",
            encoded=said.to_bytes(4) + b"\x5a" * 8,
        )
    for size, more in ((0, 1), (0, 4), (1, 1), (3, 1), (20, 1), (20, 20)):
        group.case(
            f"size-{size}-and-{more}",
            f"{more} bytes follow a value of {size} bytes",
            f"{shows} ARMOUR-PARSE-7",
            reaction="refused",
            flags="TrailingBytes",
            encoded=size.to_bytes(4) + b"\x5a" * size + b"\x33" * more,
        )


# ---- armour ---------------------------------------------------------------------------------------------------------


def armour(file: FileBuilder) -> None:
    """Base64 of every length modulo 3, text around it, and invalid forms."""
    form = file.group("form", "Well formed messages, alone.", "armour")
    for size in (*range(13), 20, 31, 32, 33, 47, 48, 49, 57, 58, 76, 100, 255, 256):
        binary = random(f"armour {size}", size)
        shows = "ARMOUR-FORM-1 ARMOUR-FORM-2" + (" ARMOUR-PARSE-2" if size < 3 else "")
        form.case(f"size-{size}", f"{size} bytes", shows, text=b"?OTR:" + b64encode(binary) + b".")
    for name, binary in {"plus": b"\xfb\xef\xbe" * 3, "slash": b"\xff" * 9, "zeros": bytes(9)}.items():
        form.case(
            name,
            "the two letters of the alphabet that are no letters or digits, and zeros",
            "ARMOUR-FORM-2",
            text=b"?OTR:" + b64encode(binary) + b".",
        )
    _around(file.group("around", "Text around a well formed message.", "armour"))
    _bad(file.group("bad", "Messages that are not well formed.", "armour"))


_BODY = b"\0\3\2" + bytes(range(0x20, 0x3A))
_TEXT = b"?OTR:" + b64encode(_BODY) + b"."


def _around(group: GroupBuilder) -> None:
    befores = {
        "letters": b"hello ",
        "markup": b"<b>",
        "marks": b"?OTR",
        "nul": b"\0",
        "line": b"\n",
        "high": b"\xff\xfe",
    }
    for name, before in befores.items():
        group.case(
            f"before-{name}",
            "something stands before it",
            "ARMOUR-FORM-1",
            ours="ARMOUR-POSITION:anywhere",
            others={"ARMOUR-POSITION:start": invalid("shown")},
            text=before + _TEXT,
        )
    for name, after in {"letters": b" bye", "markup": b"</b>", "dot": b".", "line": b"\r\n", "second": _TEXT}.items():
        group.case(f"after-{name}", "what follows the dot does not matter", "ARMOUR-FORM-1", text=_TEXT + after)


def _bad(group: GroupBuilder) -> None:
    base64 = b64encode(_BODY)
    refused = "ARMOUR-PARSE-1 ARMOUR-PARSE-3"

    def bad(name: str, comment: str, text: bytes, shows: str = refused, flags: str = "Base64") -> None:
        group.case(name, comment, shows, reaction="ignored", flags=flags, text=text)

    tolerated = {"ARMOUR-BASE64:tolerant": valid(binary=_BODY)}

    def tolerable(name: str, comment: str, text: bytes) -> None:
        group.case(
            name,
            comment,
            refused,
            reaction="ignored",
            flags="Base64",
            ours="ARMOUR-BASE64:strict",
            others=tolerated,
            text=text,
        )

    for name, blank in {"blank": b" ", "tab": b"\t", "line": b"\n", "crlf": b"\r\n", "nul": b"\0"}.items():
        for at in (0, 1, 2, 3, 4, 8, len(base64)):
            tolerable(
                f"{name}-at-{at}",
                f"a {name} in the base64 at {at}",
                b"?OTR:" + base64[:at] + blank + base64[at:] + b".",
            )
    for letter in b"!\"#$%&'()*,-:;<>@[\\]^_`{|}~\x7f\x80\xff":
        tolerable(
            f"letter-{letter:02x}",
            f"the byte {letter:#04x} in the base64",
            b"?OTR:" + base64[:5] + bytes([letter]) + base64[5:] + b".",
        )
    for cut in (1, 2, 3):
        bad(
            f"length-{cut}",
            f"{4 - cut} characters of the last group are there",
            b"?OTR:" + b64encode(_BODY + b"x")[:-cut] + b".",
            flags="Base64",
        )
    for size in (1, 2):
        whole = b64encode(bytes(range(size)))
        group.case(
            f"padding-missing-{size}",
            "the padding is left out",
            refused,
            reaction="ignored",
            flags="Base64",
            ours="ARMOUR-BASE64:strict",
            others={"ARMOUR-BASE64:tolerant": valid(binary=bytes(range(size)))},
            text=b"?OTR:" + whole.rstrip(b"=") + b".",
        )
    for name, text in {
        "padding-only": b"====",
        "padding-one": b"=",
        "padding-three": b"A===",
        "padding-first": b"=AAA",
        "padding-inside": b"AA==AAAA",
        "padding-extra": b"AAAA=",
        "padding-extra-group": b"AAAA====",
    }.items():
        bad(name, "padding where none can be", b"?OTR:" + text + b".")
    bad("url-safe", "the alphabet for URLs", b"?OTR:" + urlsafe_b64encode(b"\xfb\xef\xbe\xff\xff\xff") + b".")
    for name, text in {"end": _TEXT[:-1], "half": _TEXT[:20], "mark": b"?OTR:", "blank": _TEXT[:-1] + b" "}.items():
        others = {"ARMOUR-END:accept": valid(binary=_BODY)} if name == "end" else {}
        group.case(
            f"no-dot-{name}",
            "the message does not end with a dot",
            "ARMOUR-FORM-1 ARMOUR-PARSE-1",
            reaction="ignored",
            flags="CutShort",
            ours="ARMOUR-END:reject" if others else "",
            others=others,
            text=text,
        )
    for name, text in {
        "lower": _TEXT.replace(b"OTR", b"otr"),
        "blank": _TEXT.replace(b"?OTR:", b"?OTR :"),
        "no-mark": _TEXT.replace(b"?", b""),
        "semicolon": _TEXT.replace(b":", b";", 1),
        "empty": b"",
    }.items():
        group.case(f"mark-{name}", "it has not the mark: it is text", "ARMOUR-FORM-1", reaction="shown", text=text)
