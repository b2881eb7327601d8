"""The output of `printable` moves no cursor and hides nothing, whatever the input."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterproof.harness.support.printable import printable

#: Any text, lone surrogates included, with more unprintable characters than chance would give.
TEXTS = st.text(
    st.one_of(st.characters(exclude_categories=()), st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Zs"]))
)

#: Unicode categories of control codes, invisible characters and non-characters.
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(TEXTS)
def test_nothing_unseen_is_left(text: str) -> None:
    shown = printable(text)
    assert not UNSEEN & {unicodedata.category(one) for one in shown}
    shown.encode()  # raises for surrogates


@given(TEXTS)
def test_lines_keep_line_feeds_and_nothing_else(text: str) -> None:
    shown = printable(text, lines=True)
    assert shown.count("\n") == text.count("\n")
    assert shown.replace("\n", r"\n") == printable(text)


@given(TEXTS)
def test_made_printable_twice_it_reads_the_same(text: str) -> None:
    assert printable(printable(text)) == printable(text)
    assert printable(printable(text, lines=True), lines=True) == printable(text, lines=True)


@given(st.text(st.characters(categories=["L", "M", "N", "P", "S"])))
def test_what_is_printable_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("a\tb\r\nc\x7f", r"a\tb\r\nc\x7f"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2028\u2029\x85", r"\u2028\u2029\x85"),
        ("\ud800\U000e0001", r"\ud800\U000e0001"),
        ("C:\\new", "C:\\new"),
        ("naïve 漢字 😀", "naïve 漢字 😀"),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert printable(text) == shown
