"""Foreign text made fit to be shown: what a terminal would obey, and what nobody can see, becomes a visible escape.

Targets, drivers and files say what they like, and a terminal obeys control characters: it changes its title, clears
the screen, or shows a line from right to left. All text that is not the harness's own passes through here on its way to
a terminal or into a message. The result is for reading: a backslash stays as it is, so that text which was made
printable twice reads like text which was made printable once, and what was an escape cannot be told from what was
spelled like one. Text that must come back exactly is written with `repr` or as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable


def printable(text: str, *, lines: bool = False) -> str:
    r"""The text with all that is not printable as escapes of Python, such as \n, \x1b, \u202e and \udc00.

    Printable is what Unicode calls so: letters, marks, numbers, punctuation, symbols and the space. Everything else is
    escaped: control and format characters (those that change the direction of writing among them), all other
    separators, lone surrogates, private and unassigned characters. lines: line feeds stay, and nothing else that ends
    a line.
    """
    if text.isprintable():
        return text
    if lines:
        return "\n".join(map(printable, text.split("\n")))
    return "".join(_visible(text))


def _visible(text: str) -> Iterable[str]:
    return (one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
