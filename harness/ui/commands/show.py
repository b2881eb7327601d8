"""`otterproof show`: a transcript as a sequence diagram, in the terminal, as SVG or as a page."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from typing import Any

from otterproof.harness.simulation.diagram import Arrow, Diagram, diagram_of
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.support.exits import CONFORMS
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.support.printable import printable
from otterproof.harness.ui.diagram_text import lines_of
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.options import check_file
from otterproof.harness.ui.results import check_json, put_result, shows_text
from otterproof.harness.ui.screen import console, line, print_block


def run(options: argparse.Namespace) -> int:
    """Show a transcript; return the exit code. Raises TranscriptError, InputError, OutputError."""
    for path, option in ((options.svg, "--svg"), (options.html, "--html")):
        if path:
            check_file(path, option)
    check_json(options)
    diagram = diagram_of(read_transcript(options.transcript))
    if options.svg or options.html:
        from otterproof.harness.ui.site.diagram import as_page, as_svg  # slow to import

        for path, made in ((options.svg, as_svg), (options.html, as_page)):
            if path:
                write_whole(path, made(diagram))
                if shows_text(options):
                    say(f"{path}: {len(diagram.rows)} rows")
    elif shows_text(options):
        _print(diagram)
    put_result(options, "show", _as_json(diagram))
    return CONFORMS


def _print(diagram: Diagram) -> None:
    out = console()
    if diagram.title:
        out.print(line((printable(diagram.title), "bold")), soft_wrap=True)
    for text in lines_of(diagram, out.width):
        out.print(text, soft_wrap=True)
    if diagram.verdict:
        out.print(line(f"verdict: {diagram.verdict}"))
    if diagram.detail:
        print_block(out, diagram.detail)


def _as_json(diagram: Diagram) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for row in diagram.rows:
        if isinstance(row, Arrow):
            told = {name: value for name, value in asdict(row).items() if name != "fragment"}
            rows.append({"row": "arrow", **told, "fate": row.fate.value})
        else:
            rows.append({"row": "note", **asdict(row)})
    return asdict(replace(diagram, rows=())) | {"targets": dict(diagram.targets), "rows": rows}
