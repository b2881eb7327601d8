"""Make foreign text safe to show: what a terminal would obey, and what nobody can see, becomes a visible escape.

Targets, drivers and files may contain anything, and a terminal obeys control characters: it changes its title, clears
the screen, or shows a line from right to left. All text that is not the harness's own passes through here on its way to
a terminal or into a message. The result is for reading only: backslashes stay as they are, so that escaping twice gives
the same text as escaping once, and an escape can't be told from text that looked like one. Text that must be recovered
exactly is written with `repr` or as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable


def printable(text: str, *, lines: bool = False) -> str:
    r"""The text with everything unprintable as Python escapes, such as \n, \x1b, \u202e and \udc00.

    Printable is as Unicode defines it: letters, marks, numbers, punctuation, symbols and the space. Everything else is
    escaped: control and format characters (including those that change the direction of writing), all other separators,
    lone surrogates, private and unassigned characters. lines: keep line feeds, but nothing else that ends a line.
    """
    if text.isprintable():
        return text
    if lines:
        return "\n".join(map(printable, text.split("\n")))
    return "".join(_visible(text))


def _visible(text: str) -> Iterable[str]:
    return (one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
