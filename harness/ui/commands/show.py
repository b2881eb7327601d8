"""`otterproof show`: a transcript as a sequence diagram, in the terminal, as SVG or as a page."""

from __future__ import annotations

import argparse
from pathlib import Path

from otterproof.harness.simulation.diagram import Diagram, diagram_of
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.support.exits import CONFORMS
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.support.printable import printable
from otterproof.harness.ui.diagram_text import lines_of
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.options import check_file
from otterproof.harness.ui.screen import block, console, line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `show`."""
    parser.add_argument("transcript", type=Path, help="transcript file, as failed runs of check and fuzz leave it")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the diagram to FILE as a picture")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the diagram to FILE as a page")


def run(options: argparse.Namespace) -> int:
    """Show a transcript; the exit code. TranscriptError, InputError, OutputError."""
    for path, option in ((options.svg, "--svg"), (options.html, "--html")):
        if path:
            check_file(path, option)
    diagram = diagram_of(read_transcript(options.transcript))
    if options.svg or options.html:
        from otterproof.harness.ui.site.diagram import as_page, as_svg  # takes a while

        for path, made in ((options.svg, as_svg), (options.html, as_page)):
            if path:
                write_whole(path, made(diagram))
                say(f"{path}: {len(diagram.rows)} rows")
        return CONFORMS
    _print(diagram)
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
        out.print(block(diagram.detail))
