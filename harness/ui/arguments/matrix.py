"""The arguments of `otterproof matrix`."""

from __future__ import annotations

from pathlib import Path

from otterproof.harness.ui.options import (
    FILE,
    TARGET,
    add_folder,
    add_jobs,
    add_json,
    add_seed,
    add_timeout,
    completed,
)
from otterproof.harness.ui.parser import Example, Parser

PURPOSE = "Have every pair of targets hold honest conversations, and show which side each failure lies with."

EXAMPLES: tuple[Example, ...] = (
    ("otterproof matrix", "pair all targets that can run here"),
    ("otterproof matrix reference libotr 'mylib=exec:./my-driver'", "pair some targets, one of them your own"),
    ("otterproof matrix reference libotr --list", "list the conversations"),
)


def add_arguments(parser: Parser) -> None:
    """The options of `matrix`."""
    targets = parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help="targets (default: all that can run here)"
    )
    completed(targets, TARGET)
    parser.takes_more = "targets"
    parser.add_argument("--list", action="store_true", help="list the conversations, and hold none")
    running = parser.add_argument_group("running")
    add_seed(running)
    add_jobs(running)
    add_timeout(running)
    known = running.add_argument(
        "--known",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="known deviations of the target that FILE is named after, or 'none'; may be given several times "
        "(default: the shipped files)",
    )
    completed(known, FILE)
    told = parser.add_argument_group("results")
    add_folder(
        told,
        "--out",
        "folder for transcripts, matrix.json, and pages that begin with matrix.html (default: %(default)s)",
        default=Path("otterproof-matrix"),
    )
    add_json(told, "the matrix")
