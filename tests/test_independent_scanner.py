"""The independent engine's text scanner: properties that hold for every message, whatever its bytes.

The engine parses text by hand, so that it shares no pattern, and no misreading, with anything that judges it.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import otterproof.implementations.independent
from otterproof.implementations.contract import RejectReason
from otterproof.implementations.independent.fragments import Fragment, parse
from otterproof.implementations.independent.growing import Chain, Members
from otterproof.implementations.independent.text import (
    EncodedText,
    ErrorText,
    FragmentText,
    PlainText,
    QueryText,
    armour,
    classify,
    unarmour,
)
from otterproof.implementations.independent.wire import Fault
from tests.independent_pair import TAG_A, TAG_BASE, TAG_V2, TAG_V3

#: Markers and near-markers.
_MARKS = st.sampled_from(
    [b"?OTR|", b"?OTR,", b"?OTR:", b"?OTR Error:", b"?OTR Error", b"?OTR?", b"?OTRv", b"?OTR?v", b"?OTRv23?", b"?OTR"]
)
#: Parts of markers, queries and tags, and what follows them.
_REST = st.sampled_from([b"?", b"v", b"2", b"3", b" ", b"\t", b"\0", b".", b",", b"|", b" Error:", TAG_BASE, TAG_V2])
MESSAGES = st.lists(st.one_of(_MARKS, _REST, st.binary(max_size=3)), max_size=8).map(b"".join)

#: Messages whose markers, if any, rank below a fragment's.
UNFRAGMENTED = MESSAGES.map(lambda message: message.translate(None, b"|,"))

#: Text in which no marker or tag can begin.
HARMLESS = st.binary(max_size=20).map(lambda text: text.translate(None, b"? \t"))

#: Bytes allowed between the "v" and the "?" of a query.
_IDENTIFIER = st.one_of(st.sampled_from(b"23"), st.sampled_from([c for c in range(0x21, 0x100) if c not in b"?\x7f"]))
IDENTIFIERS = st.lists(_IDENTIFIER, max_size=4).map(bytes)

#: Bytes not allowed there.
NOT_IDENTIFIERS = bytes(range(0x21)) + b"\x7f"

BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def fault(message: bytes, version: int = 3) -> RejectReason | None:
    """Why the text at the start of a message is not a fragment; None if it is one."""
    try:
        parse(message, 0, version, TAG_A)
    except Fault as found:
        return found.reason
    return None


@given(st.one_of(MESSAGES, UNFRAGMENTED))
@example(b"?OTR Error: ?OTR:.")
@example(b"?OTR: ?OTR:.")
@example(b"?OTRv3? ?OTR Error: ?OTRv2?")
def test_the_rank_of_markers(message: bytes) -> None:
    kind = classify(message)
    starts = {message.find(mark): version for mark, version in ((b"?OTR|", 3), (b"?OTR,", 2)) if mark in message}
    if starts:
        first = min(starts)
        assert kind == FragmentText(starts[first], first)
    elif b"?OTR:" in message:
        assert kind == EncodedText(message.index(b"?OTR:"))
    elif b"?OTR Error:" in message:
        assert kind == ErrorText(message.partition(b"?OTR Error:")[2])
    elif b"?OTR?" in message:
        assert isinstance(kind, QueryText)
    elif b"?OTRv" not in message:
        assert isinstance(kind, PlainText)


@given(HARMLESS, st.sampled_from([b"?OTRv", b"?OTR?v"]), IDENTIFIERS, UNFRAGMENTED)
def test_the_first_query_counts(before: bytes, start: bytes, listed: bytes, after: bytes) -> None:
    kind = classify(before + start + listed + b"?" + after)
    if isinstance(kind, QueryText):
        assert kind.offers == {version for version in (2, 3) if str(version).encode() in listed}
    else:
        assert b"?OTR:" in b"?" + after or b"?OTR Error:" in b"?" + after


@given(HARMLESS, IDENTIFIERS, IDENTIFIERS)
def test_a_list_of_versions_has_no_blanks(before: bytes, listed: bytes, more: bytes) -> None:
    for byte in NOT_IDENTIFIERS:
        rest = listed + bytes([byte]) + more
        assert classify(before + b"?OTRv" + rest + b"?") == PlainText(before + b"?OTRv" + rest + b"?")
        assert classify(before + b"?OTR?v" + rest + b"?") == QueryText(frozenset())
        # A complete one may follow.
        assert classify(before + b"?OTRv" + rest + b"?OTRv3?") == QueryText(frozenset({3}))
    assert classify(before + b"?OTRv" + listed) == PlainText(before + b"?OTRv" + listed)


@given(
    HARMLESS,
    st.lists(st.lists(st.sampled_from(b" \t"), min_size=8, max_size=8).map(bytes), min_size=1, max_size=5),
    st.lists(st.sampled_from(b" \t"), max_size=7).map(bytes),
    HARMLESS,
)
def test_a_tag_is_all_whole_groups_of_blanks(before: bytes, groups: list[bytes], blanks: bytes, after: bytes) -> None:
    offers = frozenset(version for version, group in ((2, TAG_V2), (3, TAG_V3)) if group in groups)
    shown = PlainText(before + blanks + after, offers)
    assert classify(before + TAG_BASE + b"".join(groups) + blanks + after) == shown
    alone = before + TAG_BASE + blanks + (after or b"x")
    assert classify(alone) == PlainText(alone)


def test_what_is_too_short_for_a_tag_is_passed_over() -> None:
    # Only four blanks follow the first 16 bytes.
    message = TAG_BASE + TAG_BASE[:4] + b"x" + TAG_BASE + TAG_V3
    assert classify(message) == PlainText(message[:21], frozenset({3}))


TAGS = st.integers(0x100, 0xFFFFFFFF)
PIECES = st.binary(min_size=1, max_size=20).map(lambda piece: piece.replace(b",", b"."))


@given(TAGS, st.sampled_from([0, TAG_A]), st.integers(1, 0xFFFF), st.integers(1, 0xFFFF), PIECES, MESSAGES)
def test_fragments_are_read_as_they_were_written(
    sender: int, receiver: int, one: int, other: int, piece: bytes, after: bytes
) -> None:
    k, n = sorted((one, other))
    for form in (b"?OTR|%x|%x,%d,%d,%s,", b"?OTR|%08X|%08x,%05d,%05d,%s,"):
        message = form % (sender, receiver, k, n, piece)
        assert parse(b"??" + message + after, 2, 3, TAG_A) == Fragment(sender, k, n, piece)
        assert fault(message[:-1]) is RejectReason.BAD_FRAGMENT
        assert fault(form % (sender, receiver, k, n, b"") + after) is RejectReason.BAD_FRAGMENT
    message = b"?OTR,%d,%d,%s," % (k, n, piece)
    assert parse(message + after, 0, 2, TAG_A) == Fragment(0, k, n, piece)
    assert fault(message[:-1], 2) is RejectReason.BAD_FRAGMENT
    assert fault(b"?OTR,%d,%d,," % (k, n) + after, 2) is RejectReason.BAD_FRAGMENT
    assert k == n or fault(b"?OTR,%d,%d,%s," % (n, k, piece), 2) is RejectReason.BAD_FRAGMENT


@pytest.mark.parametrize(
    "number",
    [b"", b"123456", b"1_2", b"+1", b"-1", b" 1", b"1 ", b"0x1", b"1e1", b"a", "\u0661".encode(), b"1" * 10**6],
)
def test_numbers_are_digits_and_few(number: bytes) -> None:
    assert fault(b"?OTR,%s,5,x," % number, 2) is RejectReason.BAD_FRAGMENT
    assert fault(b"?OTR,1,%s,x," % number, 2) is RejectReason.BAD_FRAGMENT
    tag = {b"123456": b"123456789", b"1e1": b"1g", b"a": b"g"}.get(number, number)
    for fields in ((tag, b"500", b"1", b"5"), (b"500", tag, b"1", b"5"), (b"500", b"0", number, b"5")):
        assert fault(b"?OTR|%s|%s,%s,%s,x," % fields) is RejectReason.BAD_FRAGMENT


@given(st.binary(max_size=50), st.data())
def test_armour_is_base64_and_nothing_else(raw: bytes, data: st.DataObject) -> None:
    message = armour(raw)
    assert unarmour(b"?OTR" + message + b"rest.", 4) == raw
    at = data.draw(st.integers(5, len(message) - 1))
    wrong = data.draw(st.integers(0, 0xFF).filter(lambda byte: byte not in BASE64 + b".="))
    inserted = (bytes([wrong]), bytes([wrong]) * 4, b"A", b"AA", b"AAA")
    for broken in (message[:at] + more + message[at:] for more in inserted):
        with pytest.raises(Fault) as found:
            unarmour(broken, 0)
        assert found.value.reason is RejectReason.BAD_ARMOUR


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8])
def test_padding_that_is_too_long(count: int) -> None:
    encoded = b"A" * (-count % 4) + b"=" * count
    if count <= 2:
        assert unarmour(b"?OTR:" + encoded + b".", 0) == bytes(3 - count)
        encoded += b"AAAA"
    with pytest.raises(Fault):
        unarmour(b"?OTR:" + encoded + b".", 0)


@given(st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=12))
def test_what_grows_leaves_what_it_grew_from_alone(additions: list[list[int]]) -> None:
    chains: list[tuple[Chain[int], tuple[int, ...]]] = [(Chain(), ())]
    sets: list[tuple[Members, frozenset[int]]] = [(Members(), frozenset())]
    for added in additions:
        chain, expected = chains[-1]
        chains.append((chain.plus(added), (*expected, *added)))
        for number in added:
            members, among = sets[-1]
            sets.append((members.plus(number), among | {number}))
    assert all(tuple(chain) == expected for chain, expected in chains)
    assert all({n for n in range(10) if n in members} == among for members, among in sets)


def test_no_regular_expressions() -> None:
    names = set()
    for path in Path(otterproof.implementations.independent.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=imported):
                    names |= {alias.name for alias in imported}
                case ast.ImportFrom(module=str(module)):
                    names.add(module)
    assert "binascii" in names
    assert not {"re", "regex", "fnmatch"} & names
