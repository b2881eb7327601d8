"""The flags of vectors: why the cases that have them exist, what a mistake leads to, and where it comes from."""

from __future__ import annotations

from vectors import Note

_DATA_TYPES = "protocol text, Encoded messages, data types"

NOTES = {
    "LeadingZeros": Note(
        "a number is not written with its least length",
        "one key has two fingerprints, or two sides hash different bytes for the same number",
        _DATA_TYPES,
    ),
    "CutShort": Note(
        "a length is trusted that is larger than what is there",
        "reading beyond the end of a buffer, or a crash",
        _DATA_TYPES,
    ),
    "HugeLength": Note(
        "a length near 2^31 or 2^32 is added to an offset, or allocated",
        "a wrapped offset that passes a check, a negative length, or memory that runs out",
        _DATA_TYPES,
    ),
    "TrailingBytes": Note(
        "bytes after the last field are taken for something, or kept",
        "two encodings of one message",
        _DATA_TYPES,
    ),
    "HighBit": Note(
        "a number whose top bit is set is taken for negative, or gets a sign byte",
        "keys derived from it differ in one of two runs",
        _DATA_TYPES,
    ),
    "Boundary": Note(
        "a value at the end of its range",
        "a comparison that is off by one",
        "every range in the protocol text",
    ),
    "Base64": Note(
        "a decoder that skips what it does not know",
        "many texts for one message; what a filter sees is not what the client reads",
        "protocol text, Encoded messages",
    ),
}
