"""`otterproof explain`: what an id in a report means."""

from __future__ import annotations

import argparse
from textwrap import wrap

from otterproof.harness.runs.explain import Explanation, explain
from otterproof.harness.support.exits import CONFORMS
from otterproof.harness.support.printable import printable
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui.screen import console, line

#: The columns of the words that say what a line is, the longest line and the shortest.
_WORD, _WIDTH, _LEAST = 16, 100, 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `explain`."""
    parser.add_argument(
        "id",
        metavar="ID",
        help="the id of a check, a requirement, a scenario, an oracle, a reading, a verdict or a fault",
    )


def run(options: argparse.Namespace) -> int:
    """Explain an id; the exit code. UsageError."""
    load()
    _print(explain(options.id))
    return CONFORMS


def _print(found: Explanation) -> None:
    out = console()
    width = max(min(out.width, _WIDTH), _LEAST)
    out.print(line((found.id, "bold"), f"  ({found.kind})"))
    for paragraph in found.text.split("\n"):
        for part in wrap(printable(paragraph), width - 2) or [""]:
            out.print(line("  ", part), soft_wrap=True)
    wrong = tuple(f"{target}: {reason}" for target, reason in found.wrong.items())
    for word, texts in (*found.facts, *([("gets it wrong", wrong)] if wrong else [])):
        for number, text in enumerate(texts):
            command = text.startswith("otterproof ")
            parts = [printable(text)] if command else wrap(printable(text), width - 2 - _WORD, subsequent_indent="  ")
            for at, part in enumerate(parts):
                out.print(line("  ", (f"{'' if number or at else word:{_WORD}}", "dim"), part), soft_wrap=True)
