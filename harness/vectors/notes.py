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
    "Query": Note(
        "a search for the mark and single letters where a form is prescribed",
        "text of people starts handshakes, or a version is spoken that was not offered or not allowed",
        "protocol text, OTR Query Messages",
    ),
    "Tag": Note(
        "blanks are taken for a whitespace tag, or a tag for blanks",
        "text is changed, or handshakes start that nobody offered",
        "protocol text, Tagged plaintext messages",
    ),
    "ErrorMark": Note(
        "a mark is looked for that is not the prescribed one",
        "text is hidden from the user",
        "protocol text, OTR Error Messages",
    ),
    "Order": Note(
        "fragments are collected in any order, or not forgotten when they must be",
        "parts of different messages are put together",
        "protocol text, Receiving Fragments",
    ),
    "IllegalFragment": Note(
        "a header read with scanf, or numbers that wrap around",
        "memory that grows without bound, writes out of bounds, or text that is taken for a fragment",
        "protocol text, Receiving Fragments; scanf formats in a widely used library",
    ),
    "Tags": Note(
        "a message for another client, or with a tag that nobody can have, is looked at",
        "sessions of several clients of one account disturb each other",
        "protocol text, Instance Tags",
    ),
    "KeyType": Note(
        "the type of a public key is not looked at",
        "numbers of another kind of key are used as DSA parameters",
        "protocol text, Public keys, signatures, and fingerprints",
    ),
    "KeyRange": Note(
        "absurd DSA parameters are used",
        "anybody can sign for such a key, or the arithmetic fails",
        "protocol text, Public keys, signatures, and fingerprints; FIPS 186 domain parameters",
    ),
    "DsaValue": Note(
        "DSA of a library that hashes the value again, or cuts it to its leftmost 160 bits",
        "signatures that nobody else accepts, once in many runs or always",
        "protocol text, Public keys, signatures, and fingerprints: the 32 bytes are a number modulo q",
    ),
    "DsaZeros": Note(
        "r or s is not padded on the left to 20 bytes",
        "one handshake in about 128 fails",
        "protocol text, data type SIG",
    ),
    "DsaRange": Note(
        "r and s are not checked to be from 1 to q - 1",
        "a signature that verifies for every value and key, or several for one value",
        "FIPS 186, DSA signature verification",
    ),
}
