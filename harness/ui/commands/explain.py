"""`otterproof explain`: what an id in a report means."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from textwrap import wrap

from otterproof.harness.runs.explain import Explanation, all_ids, explain
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS
from otterproof.harness.support.printable import printable
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui.results import check_json, put_result, shows_text
from otterproof.harness.ui.screen import console, line
from otterproof.harness.ui.table import print_table

#: The width of the column of headings, and the longest and shortest lines.
_WORD, _WIDTH, _LEAST = 16, 100, 30


def run(options: argparse.Namespace) -> int:
    """Explain an id; return the exit code. Raises UsageError."""
    check_json(options)
    load()
    if options.list:
        return _list(options)
    if options.id is None:
        raise UsageError("explain takes an ID; `otterproof explain --list` lists all of them")
    found = explain(options.id)
    if shows_text(options):
        _print(found)
    put_result(options, "explain", asdict(found))
    return CONFORMS


def _list(options: argparse.Namespace) -> int:
    wanted = (options.id or "").lower()
    ids = [(name, kind) for name, kind in all_ids().items() if wanted in name.lower()]
    if not ids:
        raise UsageError(f"no id contains {options.id!r:.200}; leave it out to list all")
    if shows_text(options):
        print_table(console(), ("id", "what it is"), ids)
    put_result(options, "explain", {"ids": [{"id": name, "kind": kind} for name, kind in ids]})
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
