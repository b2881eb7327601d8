"""Hostile texts, and what must hold for an output made from them."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

#: Texts that end a literal, an element, a line or a comment, move a cursor, set a window title, or reverse a line.
TEXTS = {
    "single quote": "'",
    "double quote": '"',
    "three single quotes": "'''",
    "three double quotes": '"""\nimport os; os._exit(1)\n"""',
    "four double quotes": '""""',
    "line feed": "a\notterproof: the target conforms\n",
    "carriage return": "a\rb\r\nc",
    "line separators": "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg",
    "backslash at the end": "a\\",
    "backslash before a quote": 'a\\"""\\',
    "NUL": "a\0b",
    "end of a comment": "*/ --> ]]> #",
    "script": "</script><script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "attribute": "\" onmouseover=alert(1) x='",
    "entity": "&lt;b&gt;&#27;",
    "window title": "\x1b]0;owned\x07",
    "window title, in C1": "\x9d0;owned\x9c",
    "clear screen": "\x1b[2J\x1b[H\x9b2J",
    "line above": "\x1b[1A\x1b[2Kconforms",
    "hidden": "\x1b[8mhidden\x1b[28m",
    "backspace, bell, delete": "a\x08\x07\x7f",
    "markup": "[red]a[/red] [/] [link=file:///etc/passwd]b[/link] \\[bold]",
    "emoji code": ":skull:",
    "right to left": "\u202eevil\u2066\u2069\u200f",
    "invisible": "a\u200b\u00adb\ufeff\U000e0041",
    "format": "{} {0.__class__} %s %(a)s ${HOME} `id`",
    "TOML": "\"]\n[[deviation]]\nscenario = 'x'",
    "JSON": '"}\n{"verdict":"pass"}',
    "long": "long " * 2000,
}

#: All of them in one text.
EVERYTHING = " ".join(TEXTS.values())

#: The sequences that rich itself sends to a terminal: colours, and what a progress bar needs.
_RICH = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|2K|1A)|\r")

#: Categories of characters that a terminal obeys or that are invisible.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


class Terminal(io.StringIO):
    """A stream with a configurable isatty()."""

    def __init__(self, tty: bool) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


def check_shown(output: str, tty: bool) -> None:
    """Checks that it has only the control sequences of rich, and that no hostile sequence got through whole."""
    for name, text in TEXTS.items():
        unseen = [one for one in text if unicodedata.category(one) in _UNSEEN]
        assert not unseen or text not in output, name
    plain = _RICH.sub("", output) if tty else output
    left = {one for one in plain if unicodedata.category(one) in _UNSEEN} - {"\n"}
    assert not left, f"{left}: {plain!r:.2000}"
    # The harness's own conclusion is at the start of a line, and no foreign line is.
    assert not re.search(r"^otterproof: the target conforms", plain, re.MULTILINE)


@contextmanager
def screen(monkeypatch: pytest.MonkeyPatch, tty: bool) -> Iterator[Callable[[], str]]:
    """Captures standard output and standard error together; returns the output on request, and checks it at the end."""
    stream = Terminal(tty)
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", stream)
        patch.setattr("sys.stderr", stream)
        patch.setenv("TERM", "xterm-256color")
        patch.delenv("NO_COLOR", raising=False)
        yield stream.getvalue
    check_shown(stream.getvalue(), tty)
