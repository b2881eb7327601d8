"""Messages that are not encoded: telling them apart, queries, whitespace tags, and the form of a fragment.

Received bytes are sorted by the first description that fits, so that a fragment is seen before the encoded message
that its first piece starts with. [Unencoded messages, Fragmentation; choice text.kind-order]
"""

from __future__ import annotations

from dataclasses import dataclass
from re import compile as regex

from implementations.contract import Policy

_ALLOW = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}

_TAG_BASE = bytes.fromhex("20092020090909092009200920092020")
_TAG_VERSION = {2: bytes.fromhex("2020090920200920"), 3: bytes.fromhex("2020090920200909")}

_FRAGMENT = regex(rb"\?OTR[|,]")
_FRAGMENT_V3 = regex(rb"\?OTR\|([0-9a-fA-F]{1,8})\|([0-9a-fA-F]{1,8}),([0-9]{1,5}),([0-9]{1,5}),([^,]+),")
_FRAGMENT_V2 = regex(rb"\?OTR,([0-9]{1,5}),([0-9]{1,5}),([^,]+),")
_QUERY = regex(rb"\?OTR(?:\?v([^?\x00-\x20\x7f]*)\?|v([^?\x00-\x20\x7f]*)\?|\?)")
_TAG = regex(_TAG_BASE + rb"((?:[ \t]{8})+)")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of a message; tags are 0 in version 2. k and n are as written, not yet checked."""

    version: int
    sender: int
    receiver: int
    k: int
    n: int
    piece: bytes


@dataclass(frozen=True, slots=True)
class BadFragment:
    """It says that it is a fragment, and does not have the form of one."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Everything after "?OTR:"."""

    text: bytes


@dataclass(frozen=True, slots=True)
class ErrorText:
    """Everything after "?OTR Error:"."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Query:
    versions: frozenset[int]


@dataclass(frozen=True, slots=True)
class Tagged:
    """Text that had a whitespace tag, without it."""

    text: bytes
    versions: frozenset[int]


@dataclass(frozen=True, slots=True)
class Plain:
    text: bytes


def classify(message: bytes) -> Fragment | BadFragment | Encoded | ErrorText | Query | Tagged | Plain:
    """What kind of message this is; every byte string is of one."""
    if b"?OTR" in message:
        if marker := _FRAGMENT.search(message):
            return _fragment(message, marker.start())
        _, found, rest = message.partition(b"?OTR:")
        if found:
            return Encoded(rest)
        _, found, rest = message.partition(b"?OTR Error:")
        if found:
            return ErrorText(rest)
        if query := _QUERY.search(message):
            identifiers = query[1] or query[2] or b""
            return Query(frozenset(version for version in _ALLOW if b"%d" % version in identifiers))
    if tag := _TAG.search(message):
        found = tag[1]  # taken once, for match[1] is a copy each time
        groups = {found[at : at + 8] for at in range(0, len(found), 8)}
        offered = frozenset(version for version, group in _TAG_VERSION.items() if group in groups)
        return Tagged(message[: tag.start()] + message[tag.end() :], offered)
    return Plain(message)


def _fragment(message: bytes, at: int) -> Fragment | BadFragment:
    if match := _FRAGMENT_V3.match(message, at):
        return Fragment(3, int(match[1], 16), int(match[2], 16), int(match[3]), int(match[4]), match[5])
    if match := _FRAGMENT_V2.match(message, at):
        return Fragment(2, 0, 0, int(match[1]), int(match[2]), match[3])
    return BadFragment()


def allowed(policy: Policy, version: int) -> bool:
    """Whether the policy lets us speak this version."""
    return _ALLOW[version] in policy


def best_version(offered: frozenset[int], policy: Policy) -> int | None:
    """The highest version that is offered and allowed."""
    return max((version for version in offered if allowed(policy, version)), default=None)


def query(policy: Policy) -> bytes:
    """The query that offers what the policy allows."""
    return b"?OTRv%s?" % b"".join(b"%d" % version for version in sorted(_ALLOW) if allowed(policy, version))


def whitespace_tag(policy: Policy) -> bytes:
    """The tag that offers what the policy allows."""
    return _TAG_BASE + b"".join(group for version, group in sorted(_TAG_VERSION.items()) if allowed(policy, version))


def split(message: bytes, limit: int | None, version: int, sender: int, receiver: int) -> list[bytes]:
    """An encoded message as it is transmitted: whole, or in fragments that fill `limit` bytes each."""
    if limit is None or len(message) <= limit:
        return [message]
    front = b"?OTR" if version == 2 else b"?OTR|%08x|%08x" % (sender, receiver)
    room = limit - len(front) - len(b",00001,00001,,")
    pieces = [message[at : at + room] for at in range(0, len(message), room)]
    return [b"%s,%05d,%05d,%s," % (front, k, len(pieces), piece) for k, piece in enumerate(pieces, start=1)]
