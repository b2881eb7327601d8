"""Messages as text: what a received one is, and how the ones we send look.

`classify` sorts every received message into one of a few kinds by the markers it contains, in a fixed order
[choice text.kind-order]. It walks over the message once, from one "?OTR" to the next, and never reads a byte again for
each of them: the sender chooses how many there are [ROBUST-INPUT-1]. Queries, whitespace tags, error messages and the
base-64 armour are all here; fragments are only recognized here and taken apart in `fragments`.
[Unencoded messages, Encoded messages]
"""

from __future__ import annotations

import binascii
import string
from dataclasses import dataclass
from typing import Final

from otterproof.implementations.contract import Policy, RejectReason

from .wire import Fault

#: What every marker starts with; the bytes after it tell which one it is.
_MARKER: Final = b"?OTR"
_ARMOUR: Final = b"?OTR:"
_ERROR_REST: Final = b" Error:"  # [ERROR-FORM-1]

#: What a whitespace tag begins with. [TAG-FORM-2]
_TAG_BASE: Final = b"\x20\x09\x20\x20\x09\x09\x09\x09\x20\x09\x20\x09\x20\x09\x20\x20"
_TAG_VERSIONS: Final = {
    2: b"\x20\x20\x09\x09\x20\x20\x09\x20",  # [TAG-FORM-6]
    3: b"\x20\x20\x09\x09\x20\x20\x09\x09",  # [TAG-FORM-7]
}
_TAG_GROUP: Final = 8

_POLICY_OF_VERSION: Final = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}

_BLANK: Final = b" \t"
_BASE64: Final = (string.ascii_letters + string.digits + "+/").encode()
_PAD: Final = b"="

#: Bytes that end the list of versions in a query, so that it is no query: space and the control characters.
_NEVER_LISTED: Final = bytes(range(0x21)) + b"\x7f"


def consists_of(value: bytes, alphabet: bytes) -> bool:
    """Whether no byte of `value` is outside `alphabet`; true of an empty value."""
    return not value.translate(None, alphabet)


@dataclass(frozen=True, slots=True)
class FragmentText:
    """A fragment of version 2 or 3; it starts at `start`. [Fragmentation]"""

    version: int
    start: int


@dataclass(frozen=True, slots=True)
class EncodedText:
    """An encoded message; its marker starts at `start`. [Encoded messages]"""

    start: int


@dataclass(frozen=True, slots=True)
class ErrorText:
    """[OTR Error Messages]"""

    text: bytes


@dataclass(frozen=True, slots=True)
class QueryText:
    """A Query Message and the versions it offers, of those that we know. [OTR Query Messages]"""

    offers: frozenset[int]


@dataclass(frozen=True, slots=True)
class PlainText:
    """Text to show; `offers` comes from the whitespace tag that was removed. [Tagged plaintext messages]"""

    text: bytes
    offers: frozenset[int] = frozenset()


Kind = FragmentText | EncodedText | ErrorText | QueryText | PlainText


def classify(message: bytes) -> Kind:
    """What a received message is, when OTR is not disabled altogether.

    Its marker may stand anywhere in it. [QUERY-PARSE-10] Without any of the forms it is plain text. [QUERY-PARSE-13]
    """
    found: EncodedText | ErrorText | QueryText | None = None
    at = message.find(_MARKER)
    while at >= 0:
        after = at + len(_MARKER)
        # A kind of higher rank replaces the one found so far; of one kind, the first marker counts.
        match message[after : after + 1], found:
            case b"|", _:
                return FragmentText(3, at)  # before all others, for its piece may have their markers [FRAGMENT-RECV-2]
            case b",", _:
                return FragmentText(2, at)
            case b":", None | QueryText() | ErrorText():
                found = EncodedText(at)
            case b" ", None | QueryText() if message.startswith(_ERROR_REST, after):
                found = ErrorText(message[after + len(_ERROR_REST) :])
            case b"v", None:
                found = _read_offers(message, after + 1)
            case b"?", None:
                # With no list of versions, or one without an end, it is a query for version 1. [QUERY-PARSE-2]
                # With a list it offers version 1 as well, which we don't know. [QUERY-PARSE-5, QUERY-PARSE-8]
                listed = _read_offers(message, after + 2) if message.startswith(b"?v", after) else None
                found = listed or QueryText(frozenset())
        at = message.find(_MARKER, after)
    return _untag(message) if found is None else found


def _read_offers(message: bytes, start: int) -> QueryText | None:
    """The query whose list of versions begins at `start`, or None if the list has no end. [OTR Query Messages]

    A list stops at the next "?", so no later than at the next marker: all lists together are read once.
    [QUERY-PARSE-11]
    """
    end = message.find(b"?", start)
    if end < 0:
        return None
    identifiers = message[start:end]
    if len(identifiers.translate(None, _NEVER_LISTED)) < len(identifiers):
        return None
    # Each known version is looked for, so order, repetitions and unknown bytes don't matter, and an empty list offers
    # nothing. [QUERY-PARSE-1, QUERY-PARSE-3, QUERY-PARSE-4, QUERY-PARSE-6, QUERY-PARSE-7, QUERY-PARSE-9,
    # QUERY-PARSE-12]
    return QueryText(frozenset(version for version in _TAG_VERSIONS if b"%d" % version in identifiers))


def _untag(message: bytes) -> PlainText:
    """Plain text, without the whitespace tag if there is one: its 16 bytes and at least one group of blanks.

    The tag may stand anywhere. [Tagged plaintext messages; TAG-PARSE-1]
    """
    start = message.find(_TAG_BASE)
    while start >= 0:
        end = first_group = start + len(_TAG_BASE)
        groups: set[bytes] = set()
        while len(group := message[end : end + _TAG_GROUP]) == _TAG_GROUP and consists_of(group, _BLANK):
            groups.add(group)  # known or not, in any order [TAG-PARSE-3, TAG-PARSE-4]
            end += _TAG_GROUP
        if end > first_group:  # else it is no tag, and stays in the text [TAG-PARSE-2, TAG-PARSE-5]
            offers = frozenset(version for version, group in _TAG_VERSIONS.items() if group in groups)
            return PlainText(message[:start] + message[end:], offers)
        start = message.find(_TAG_BASE, start + 1)
    return PlainText(message)


def allowed_versions(policy: Policy) -> tuple[int, ...]:
    """The versions that a policy lets us speak, in rising order. [Policies; POLICY-V2-1, POLICY-V3-1]"""
    return tuple(version for version, flag in _POLICY_OF_VERSION.items() if flag in policy)


def query(versions: tuple[int, ...]) -> bytes:
    """The Query Message that offers `versions`, each of them once.
    [OTR Query Messages; QUERY-FORM-1, QUERY-FORM-3, QUERY-FORM-4, QUERY-FORM-5, QUERY-FORM-6]
    """
    return b"?OTRv%s?" % b"".join(b"%d" % version for version in versions)


def whitespace_tag(versions: tuple[int, ...]) -> bytes:
    """The tag that offers `versions`, of which there is at least one. [Tagged plaintext messages; TAG-FORM-3]"""
    return _TAG_BASE + b"".join(_TAG_VERSIONS[version] for version in versions)


def armour(raw: bytes) -> bytes:
    """An encoded message as it is transmitted. [Encoded messages; ARMOUR-FORM-1, ARMOUR-FORM-2]"""
    return _ARMOUR + binascii.b2a_base64(raw, newline=False) + b"."


def unarmour(message: bytes, start: int) -> bytes:
    """The bytes of the encoded message whose marker is at `start`. Raises Fault(BAD_ARMOUR)."""
    first = start + len(_ARMOUR)
    end = message.find(b".", first)
    if end < 0:
        raise Fault(RejectReason.BAD_ARMOUR)
    encoded = message[first:end]
    digits = encoded.rstrip(_PAD)
    # a2b_base64 skips what it does not know, so the form is judged first. [ARMOUR-PARSE-1]
    if len(encoded) % 4 or len(encoded) - len(digits) > 2 or not consists_of(digits, _BASE64):
        raise Fault(RejectReason.BAD_ARMOUR)
    return binascii.a2b_base64(encoded)
