"""Messages that are not encoded: telling them apart, queries, whitespace tags, and the form of a fragment.

Received bytes are sorted by the first description that fits, so that a fragment is seen before the encoded message
that its first piece starts with. [Unencoded messages, Fragmentation; choice text.kind-order]
"""

from __future__ import annotations

from dataclasses import dataclass
from re import compile as regex

from otterproof.implementations.contract import Policy
from otterproof.implementations.values import quickly_made

_ALLOW = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}

#: [TAG-FORM-2]
_TAG_BASE = bytes.fromhex("20092020090909092009200920092020")
#: [TAG-FORM-6, TAG-FORM-7]
_TAG_VERSION = {2: bytes.fromhex("2020090920200920"), 3: bytes.fromhex("2020090920200909")}

_FRAGMENT = regex(rb"\?OTR[|,]")
#: Decimal and hexadecimal digits alone, leading zeros included. [FRAGMENT-RECV-3, FRAGMENT-RECV-4, FRAGMENT-RECV-20]
_FRAGMENT_V3 = regex(rb"\?OTR\|([0-9a-fA-F]{1,8})\|([0-9a-fA-F]{1,8}),([0-9]{1,5}),([0-9]{1,5}),([^,]+),")
#: [FRAGMENT-RECV-17, FRAGMENT-RECV-18]
_FRAGMENT_V2 = regex(rb"\?OTR,([0-9]{1,5}),([0-9]{1,5}),([^,]+),")
#: The groups are the version bytes behind "v", up to the closing "?", with and without version 1 in front.
#: [QUERY-FORM-1, QUERY-FORM-3, QUERY-PARSE-5, QUERY-PARSE-7, QUERY-PARSE-11]
_QUERY = regex(rb"\?OTR(?:\?v([^?\x00-\x20\x7f]*)\?|v([^?\x00-\x20\x7f]*)\?|\?)")
#: The base and at least one group. [TAG-FORM-3, TAG-PARSE-2]
_TAG = regex(_TAG_BASE + rb"((?:[ \t]{8})+)")


@quickly_made
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


@quickly_made
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
    """What kind of message this is; every byte string is of one.

    A mark is found wherever it stands. [QUERY-PARSE-10, TAG-PARSE-1] What has no mark, or only a part of one, is plain
    text. [QUERY-PARSE-13, TAG-PARSE-5]
    """
    if b"?OTR" in message:
        if marker := _FRAGMENT.search(message):  # [FRAGMENT-RECV-2]
            return _fragment(message, marker.start())
        _, found, rest = message.partition(b"?OTR:")
        if found:
            return Encoded(rest)
        _, found, rest = message.partition(b"?OTR Error:")  # [ERROR-FORM-1]
        if found:
            return ErrorText(rest)
        if query := _QUERY.search(message):
            # Without "v", or with nothing behind it, it offers none of our versions.
            # [QUERY-PARSE-2, QUERY-PARSE-8, QUERY-PARSE-9]
            identifiers = query[1] or query[2] or b""
            # Each version is looked for by itself, so that order, repetitions and unknown bytes don't matter.
            # [QUERY-FORM-4, QUERY-FORM-5, QUERY-PARSE-1, QUERY-PARSE-3, QUERY-PARSE-4, QUERY-PARSE-6, QUERY-PARSE-12]
            return Query(frozenset(version for version in _ALLOW if b"%d" % version in identifiers))
    if tag := _TAG.search(message):
        found = tag[1]  # taken once, for match[1] is a copy each time
        groups = {found[at : at + 8] for at in range(0, len(found), 8)}
        # [TAG-PARSE-3, TAG-PARSE-4]
        offered = frozenset(version for version, group in _TAG_VERSION.items() if group in groups)
        return Tagged(message[: tag.start()] + message[tag.end() :], offered)  # [TAG-SHOW-1]
    return Plain(message)


def _fragment(message: bytes, at: int) -> Fragment | BadFragment:
    if match := _FRAGMENT_V3.match(message, at):
        return Fragment(3, int(match[1], 16), int(match[2], 16), int(match[3]), int(match[4]), match[5])
    if match := _FRAGMENT_V2.match(message, at):
        return Fragment(2, 0, 0, int(match[1]), int(match[2]), match[3])
    return BadFragment()


def allowed(policy: Policy, version: int) -> bool:
    """Whether the policy lets us speak this version. [POLICY-V2-1, POLICY-V3-1]"""
    return _ALLOW[version] in policy


def best_version(offered: frozenset[int], policy: Policy) -> int | None:
    """The highest version that is offered and allowed.

    [QUERY-ANSWER-2, QUERY-ANSWER-3, QUERY-ANSWER-4, TAG-START-1, TAG-START-2, TAG-START-3]
    """
    return max((version for version in offered if allowed(policy, version)), default=None)


def query(policy: Policy) -> bytes:
    """The query that offers what the policy allows.

    [QUERY-FORM-3, QUERY-FORM-4, QUERY-FORM-5, QUERY-FORM-6, QUERY-FORM-7, QUERY-PURPOSE-1]
    """
    return b"?OTRv%s?" % b"".join(b"%d" % version for version in sorted(_ALLOW) if allowed(policy, version))


def whitespace_tag(policy: Policy) -> bytes:
    """The tag that offers what the policy allows. [QUERY-PURPOSE-1, TAG-FORM-3, TAG-FORM-8]"""
    return _TAG_BASE + b"".join(group for version, group in sorted(_TAG_VERSION.items()) if allowed(policy, version))


def split(message: bytes, limit: int | None, version: int, sender: int, receiver: int) -> list[bytes]:
    """An encoded message as it is transmitted: whole, or in fragments that fill `limit` bytes each.

    The limits of what is sent and of `limit` keep the number of pieces below 65536. [FRAGMENT-SEND-4, FRAGMENT-SEND-5,
    FRAGMENT-SEND-6, FRAGMENT-SEND-7, FRAGMENT-SEND-8]
    """
    if limit is None or len(message) <= limit:
        return [message]
    # [FRAGMENT-SEND-2, FRAGMENT-SEND-3, INSTANCE-HEADER-2, INSTANCE-HEADER-3]
    front = b"?OTR" if version == 2 else b"?OTR|%08x|%08x" % (sender, receiver)
    room = limit - len(front) - len(b",00001,00001,,")
    pieces = [message[at : at + room] for at in range(0, len(message), room)]
    return [b"%s,%05d,%05d,%s," % (front, k, len(pieces), piece) for k, piece in enumerate(pieces, start=1)]
