"""A sequence diagram as an SVG picture, and as a page. This module computes all positions; templates do the drawing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap

from otterproof.harness.simulation.diagram import BEGINS, Arrow, Change, Diagram, Note, diagram_of
from otterproof.harness.simulation.transcript import TranscriptError
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.support.inputs import LIMITS, InputError, read_input
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver.target import PNG
from otterproof.harness.ui.site import environment

#: Sizes in pixels: between lanes, beside them, of a line of text, above the first row, and the characters of a line.
_GAP, _SIDE, _LINE, _HEAD, _CHARACTERS = 270, 120, 16, 54, 40


@dataclass(frozen=True, slots=True)
class Drawn:
    """A row with its position. kind: arrow or note; start, end, y: of the arrow, or where the note begins.

    anchor: whether a note's text begins or ends at its lane. style: class names of the arrow and the text. change: the
    bytes that were changed on the way, shown below the text.
    """

    kind: str
    step: str
    start: int
    end: int
    y: int
    lines: tuple[tuple[int, str], ...]
    anchor: str = "start"
    style: str = ""
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a lane during which its party is in a message state."""

    x: int
    start: int
    end: int
    state: str


def as_svg(diagram: Diagram) -> str:
    """The picture. It follows the reader's choice of light or dark, and is self-contained."""
    at = {name: _SIDE + _GAP * number for number, name in enumerate(diagram.lanes)}
    rows: list[Drawn] = []
    spans = [Span(at[name], _HEAD - _LINE, 0, BEGINS) for name in diagram.targets]
    y, before = _HEAD, 0
    for row in diagram.rows:
        step = "" if row.step == before else str(row.step)
        before = row.step
        drawn = _arrow(row, step, at, y, diagram) if isinstance(row, Arrow) else _note(row, step, at, y, diagram)
        rows.append(drawn)
        if isinstance(row, Note) and row.state:
            spans = [replace(one, end=y) if one.x == at[row.lane] and not one.end else one for one in spans]
            spans.append(Span(at[row.lane], y, 0, row.text))
        y = drawn.y + _LINE
    width, height = _SIDE + _GAP * len(diagram.lanes) + _LINE, y + _LINE
    lanes = [(name, diagram.targets.get(name, ""), x) for name, x in at.items()]
    spans = [one if one.end else replace(one, end=height) for one in spans]
    return (
        environment()
        .get_template("diagram.svg")
        .render(diagram=diagram, lanes=lanes, spans=spans, rows=rows, width=width, height=height, head=_HEAD - _LINE)
    )


def picture_of(folder: Path, transcripts: Sequence[str]) -> str:
    """The picture of the first of a run's transcripts; "" if it can't be read. Names are relative to the folder."""
    for name in transcripts[:1]:
        try:
            return as_svg(diagram_of(read_transcript(folder / name)))
        except (TranscriptError, InputError):
            return ""
    return ""


def screen_of(folder: Path, name: str) -> str:
    """A picture of a screen, in base64; "" if none can be shown. The name is relative to the folder."""
    if not name or not (folder / name).resolve().is_relative_to(folder.resolve()):
        return ""
    try:
        content = read_input(folder / name, limit=LIMITS["picture"], what="a picture")
    except InputError:
        return ""
    return b64encode(content).decode() if content.startswith(PNG) else ""


def as_page(diagram: Diagram) -> str:
    """A page with the picture, the verdict and what is known about the failure."""
    return environment().get_template("diagram.html").render(diagram=diagram, picture=as_svg(diagram))


def _style(row: Arrow | Note, diagram: Diagram) -> str:
    lost = isinstance(row, Arrow) and row.lost
    return " ".join(name for name, is_so in (("marked", diagram.stands_out(row)), ("lost", lost)) if is_so)


def _arrow(row: Arrow, step: str, at: dict[str, int], y: int, diagram: Diagram) -> Drawn:
    start, end = at[row.sender], at[row.receiver]
    texts = _wrapped(printable(row.label), 4, max(abs(start - end) // _GAP, 1))
    lines = tuple((y + _LINE * (number + 1), text) for number, text in enumerate(texts))
    bottom = y + _LINE * (len(lines) + (row.change is not None)) + 8
    return Drawn("arrow", step, start, end, bottom, lines, "middle", _style(row, diagram), row.change)


def _note(row: Note, step: str, at: dict[str, int], y: int, diagram: Diagram) -> Drawn:
    x = at[row.lane]
    if row.state:
        return Drawn("state", step, x, x, y + _LINE + 4, ((y + _LINE, row.text),), "middle", "state")
    texts = _wrapped(printable(row.text), 6) or [""]
    lines = tuple((y + _LINE * (number + 1), text) for number, text in enumerate(texts))
    style = " ".join(filter(None, (_style(row, diagram), "adversary" if row.adversary else "event")))
    return Drawn("note", step, x + 8, x + 8, y + _LINE * len(lines) + 4, lines, "start", style)


def _wrapped(text: str, most: int, gaps: int = 1) -> list[str]:
    """A text in at most this many lines, as wide as this many gaps between lanes; three dots mark an omission."""
    return wrap(text, _CHARACTERS * gaps, max_lines=most, placeholder=" ...")
