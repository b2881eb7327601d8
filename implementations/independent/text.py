"""Messages as text: what a received one is, and how the ones we send look.

`classify` sorts every received message into one of a few kinds by the markers it contains, in the order that the
contract fixes. Queries, whitespace tags, error messages and the base-64 armour are all here; fragments are only
recognized here and taken apart in `fragments`. [Unencoded messages, Encoded messages]
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import Final

from implementations.contract import Policy, Reason

from .wire import Fault

ARMOUR: Final = b"?OTR:"
ERROR: Final = b"?OTR Error:"
FRAGMENT_V3: Final = b"?OTR|"
FRAGMENT_V2: Final = b"?OTR,"

_TAG_BASE: Final = b"\x20\x09\x20\x20\x09\x09\x09\x09\x20\x09\x20\x09\x20\x09\x20\x20"
_TAG_VERSIONS: Final = {
    2: b"\x20\x20\x09\x09\x20\x20\x09\x20",
    3: b"\x20\x20\x09\x09\x20\x20\x09\x09",
}
_TAG_GROUP: Final = 8

_POLICY_OF_VERSION: Final = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}

#: Group 1: the identifiers of a "?OTR?v...?"; group 2: those of a "?OTRv...?". A bare "?OTR?" has neither.
_QUERY: Final = re.compile(rb"\?OTR(?:\?v([^?\x00-\x20\x7f]*)\?|v([^?\x00-\x20\x7f]*)\?|\?)")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_BLANKS: Final = re.compile(rb"[ \t]*")


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
    """What a received message is, when OTR is not disabled altogether."""
    v3, v2 = message.find(FRAGMENT_V3), message.find(FRAGMENT_V2)
    if v3 >= 0 and (v2 < 0 or v3 < v2):
        return FragmentText(3, v3)
    if v2 >= 0:
        return FragmentText(2, v2)
    start = message.find(ARMOUR)
    if start >= 0:
        return EncodedText(start)
    start = message.find(ERROR)
    if start >= 0:
        return ErrorText(message[start + len(ERROR) :])
    query = _QUERY.search(message)
    if query is not None:
        identifiers: bytes = query[1] or query[2] or b""
        return QueryText(frozenset(version for version in (2, 3) if b"%d" % version in identifiers))
    return _untag(message)


def _untag(message: bytes) -> PlainText:
    start = -1
    while (start := message.find(_TAG_BASE, start + 1)) >= 0:
        first_group = start + len(_TAG_BASE)
        blanks = _BLANKS.match(message, first_group)
        length = (blanks.end() - first_group) // _TAG_GROUP * _TAG_GROUP if blanks else 0
        if length:
            end = first_group + length
            groups = {message[i : i + _TAG_GROUP] for i in range(first_group, end, _TAG_GROUP)}
            offers = frozenset(version for version, group in _TAG_VERSIONS.items() if group in groups)
            return PlainText(message[:start] + message[end:], offers)
    return PlainText(message)


def allowed_versions(policy: Policy) -> tuple[int, ...]:
    """The versions that a policy lets us speak, in rising order. [Policies]"""
    return tuple(version for version, flag in _POLICY_OF_VERSION.items() if flag in policy)


def query(versions: tuple[int, ...]) -> bytes:
    """The Query Message that offers `versions`. [OTR Query Messages]"""
    return b"?OTRv%s?" % b"".join(b"%d" % version for version in versions)


def whitespace_tag(versions: tuple[int, ...]) -> bytes:
    """The tag that offers `versions`. [Tagged plaintext messages]"""
    return _TAG_BASE + b"".join(_TAG_VERSIONS[version] for version in versions)


def armour(raw: bytes) -> bytes:
    """An encoded message as it is transmitted. [Encoded messages]"""
    return ARMOUR + binascii.b2a_base64(raw, newline=False) + b"."


def unarmour(message: bytes, start: int) -> bytes:
    """The bytes of the encoded message whose marker is at `start`. Raises Fault(BAD_ARMOUR)."""
    first = start + len(ARMOUR)
    end = message.find(b".", first)
    if end < 0:
        raise Fault(Reason.BAD_ARMOUR)
    encoded = message[first:end]
    # a2b_base64 skips what it does not know, so the form is judged first.
    if len(encoded) % 4 or not _BASE64.fullmatch(encoded):
        raise Fault(Reason.BAD_ARMOUR)
    return binascii.a2b_base64(encoded)
