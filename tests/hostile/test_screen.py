"""Everything is written to the screen in one place, which accepts all text, whatever the terminal's encoding."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from otterproof.harness.ui import cli
from otterproof.harness.ui.messages import complain, say, show_all_text

HARNESS = Path(__file__).parents[2] / "harness"

#: The modules that may write to the screen: the renderer, and code that must work before anything can be imported.
ALLOWED = {"ui/screen.py", "ui/messages.py", "ui/entry.py"}


def calls(path: Path) -> Iterator[str]:
    """Calls in a module that write to the screen directly. JSON is for programs, and is in ASCII."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        json = bool(node.args) and ast.unparse(node.args[0]).startswith("json.dumps(")
        if name.rpartition(".")[2] in ("Console", "Progress", "from_markup", "from_ansi"):
            yield name
        if (name == "print" and not json) or name in ("sys.stdout.write", "sys.stderr.write"):
            yield name


@pytest.mark.slow
def test_nothing_else_writes_to_the_screen() -> None:
    found = {str(path.relative_to(HARNESS)): list(calls(path)) for path in HARNESS.rglob("*.py")}
    assert {name: what for name, what in found.items() if what and name not in ALLOWED} == {}
    assert found["ui/screen.py"], "it is seen where it is"


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_all_text_can_be_shown(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setattr("sys.stderr", stream)
    show_all_text()
    say("caf\u00e9 \u2603 \ud800")
    complain("caf\u00e9 \u2603 \ud800")
    assert cli.main(["check", "caf\u00e9 \u2603 \ud800"]) == 2
    stream.flush()
    shown = raw.getvalue().decode(encoding).encode("ascii", "backslashreplace").decode()
    assert shown.count(r"caf\xe9 \u2603 \ud800") == 3


def test_lines_after_the_first_are_indented(capsys: pytest.CaptureFixture[str]) -> None:
    say("one\notterproof: conforms\r\nthree")
    complain("one\notterproof: conforms\r\nthree")
    shown = capsys.readouterr()
    assert shown.out == "one\n  otterproof: conforms\\r\n  three\n"
    assert shown.err == "otterproof: one\n  otterproof: conforms\\r\n  three\n"
