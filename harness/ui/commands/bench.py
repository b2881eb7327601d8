"""`otterproof bench`: how fast engines and drivers are, what each figure means, and whether it is within its limit."""

from __future__ import annotations

import argparse

from otterproof.harness.runs import bench
from otterproof.harness.runs.bench import Figure
from otterproof.harness.runs.events import Ending
from otterproof.harness.support.exits import CONFORMS, DEVIATES
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.progress import follow
from otterproof.harness.ui.results import check_json, put_result, shows_text
from otterproof.harness.ui.screen import console
from otterproof.harness.ui.table import Cell, print_table

#: What is said of a figure that is within its limit, that is not, and that has none.
_VERDICTS = {True: ("ok", "green"), False: ("slow", "red"), None: ("-", "")}


def run(options: argparse.Namespace) -> int:
    """Measure; the exit code. With --strict, 1 if a figure is not within its limit."""
    check_json(options)
    measured, ending = follow(
        bench.measure(), bench.MEASUREMENTS, lambda done: f"measured {done[0].name}" if done else "measuring"
    )
    if ending is Ending.INTERRUPTED:
        raise KeyboardInterrupt
    there = {figure.name: figure for group in measured for figure in group}
    figures = [there[name] for name in bench.FIGURES if name in there]
    if shows_text(options):
        _print(figures)
    put_result(options, "bench", {"figures": [_as_json(one) for one in figures]})
    return DEVIATES if options.strict and any(one.within is False for one in figures) else CONFORMS


def _print(figures: list[Figure]) -> None:
    rows = [
        (one.name, f"{one.value:.4g} {one.meaning.unit}".strip(), _limit(one), _VERDICTS[one.within], one.meaning.text)
        for one in figures
    ]
    print_table(console(), ("figure", "value", "limit", "verdict", "what it is"), rows)
    slow = [one.name for one in figures if one.within is False]
    limited = sum(one.within is not None for one in figures)
    say(f"slow: {', '.join(slow)}; is the machine idle?" if slow else f"all {limited} figures are within their limits")


def _limit(figure: Figure) -> Cell:
    meaning = figure.meaning
    return "-" if meaning.limit is None else f"{meaning.bound.value} {meaning.limit:g} {meaning.unit}".strip()


def _as_json(figure: Figure) -> dict[str, object]:
    meaning = figure.meaning
    return {
        "name": figure.name,
        "value": figure.value,
        "unit": meaning.unit,
        "meaning": meaning.text,
        "bound": None if meaning.limit is None else meaning.bound.value,
        "limit": meaning.limit,
        "within": figure.within,
    }
