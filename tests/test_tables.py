"""Tables and progress fit their output: a terminal of any width, or a pipe."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence

import pytest
from rich.console import Console
from rich.text import Text

from otterproof.harness.ui import progress, screen
from otterproof.harness.ui.progress import Status, Tracker
from otterproof.harness.ui.table import Cell, lines_of

HEADINGS = ("scenario", "steps", "what it judges")
LONG = "conformance.data.a_scenario_with_a_name_that_is_longer_than_many_terminals_are_wide[v3]"
PROSE = "A counter is higher than every earlier one under the same pair of keys, and all\x1b[2J sent it."
ROWS: Sequence[Sequence[Cell]] = [("conformance.data.one[v2]", "7", ("short", "red")), (LONG, "112", PROSE)]


def shown(width: int | None) -> list[str]:
    return [text.plain for text in lines_of(HEADINGS, ROWS, width)]


def test_in_a_pipe_a_row_is_a_line_and_nothing_is_cut() -> None:
    heading, first, second = shown(None)
    assert heading.split("  ")[0] == "scenario"
    assert first.split() == ["conformance.data.one[v2]", "7", "short"]
    assert second.startswith(LONG)
    assert second.endswith(r"and all\x1b[2J sent it.")
    assert first.index(" 7") + 2 == second.index("112") + 3, "numbers end in the same column"


@pytest.mark.parametrize("width", [40, 80, 130])
def test_on_a_terminal_prose_is_broken_and_ids_are_not(width: int) -> None:
    lines = shown(width)
    assert any(line.startswith(LONG) for line in lines)
    prose = [line for line in lines if LONG not in line and not line.startswith(("scenario", "conformance"))]
    assert prose, "it does not fit"
    assert all(len(line) <= width for line in prose)
    assert " ".join(" ".join(lines).split()).endswith("sent it.")


def test_wide_characters_take_two_columns() -> None:
    heading, row = (text.plain for text in lines_of(("a", "b"), [("日本", "x y")], None))
    assert heading == "a     b"
    assert row == "日本  x y"


# ---- progress


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [30, 40, 80, 200])
def test_the_bar_fits_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()

    def console(*, error: bool = False) -> Console:
        return Console(file=out, width=width, force_terminal=True, color_system=None)

    monkeypatch.setattr(screen, "console", console)
    bar = screen.progress(counted=True)
    bar.add_task("judging a-target-with-a-long-name, 1172 failed", total=1172, completed=1000)
    with bar.console.capture() as capture:
        bar.console.print(bar.get_renderable())
    (line,) = capture.get().splitlines()
    assert len(line) <= width
    assert "1000/1172" in line
    assert "━" in line


def test_a_log_is_told_while_a_single_item_takes_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = threading.Event()
    monkeypatch.setattr(progress, "SECONDS", 0.01)
    with Tracker("building it", clock=iter(range(1_000_000)).__next__) as tracker:
        keep = tracker._bar.console.print

        def noticed(*args: object, **options: object) -> None:
            keep(*args, **options)  # type: ignore[arg-type]
            told.set()

        monkeypatch.setattr(tracker._bar.console, "print", noticed)
        assert told.wait(60), "nothing was told"
    assert "building it: " in capsys.readouterr().err


@pytest.mark.parametrize("width", [24, 40, 80])
def test_permanent_lines_are_broken_between_words_on_a_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()

    def console(*, error: bool = False) -> Console:
        return Console(file=out, width=width, force_terminal=True, color_system=None)

    monkeypatch.setattr(screen, "console", console)
    text = "fail limits.text-lost: A text that arrives, however long, is shown and nothing of it is ever lost."
    tracker = Tracker("judging it")
    tracker.keep(Text(text))
    first, *others = out.getvalue().splitlines()
    assert " ".join([first, *others]).split() == text.split()
    assert all(len(one.rstrip()) <= width for one in (first, *others))
    assert others
    assert all(one.startswith("  ") for one in others), "none looks like a line of its own"


def test_what_is_known_and_what_is_done_now_are_both_told(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    status = Status("fuzzing it", None, lambda: now)
    status.more, status.now = "1 found", "shrinking one"
    now = progress.SECONDS
    assert status.due() == "fuzzing it: 10 s; 1 found; shrinking one"
    out = Terminal()
    monkeypatch.setattr(screen, "console", lambda *, error=False: Console(file=out, width=80, force_terminal=True))
    tracker = Tracker("fuzzing it")
    tracker.update(1, more="1 found", now="shrinking one")
    (task,) = tracker._bar.tasks
    assert task.description.splitlines() == ["fuzzing it", "1 found", "shrinking one"]
