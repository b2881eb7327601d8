"""`otterproof bench`: how fast engines and drivers are, what each figure means, and whether it is within its limit."""

from __future__ import annotations

import argparse
import math

from otterproof.harness.runs import bench
from otterproof.harness.runs.bench import Figure
from otterproof.harness.runs.events import Ending
from otterproof.harness.runs.faults import detection
from otterproof.harness.runs.faults.detect import workers
from otterproof.harness.runs.faults.ways import WORDS, Way
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS, DEVIATES, NOT_RUN
from otterproof.harness.targets.faults import faults
from otterproof.harness.ui.arguments.bench import FAULTS, PROGRAMS, SEEDS
from otterproof.harness.ui.messages import fail, say
from otterproof.harness.ui.options import check_file
from otterproof.harness.ui.progress import follow
from otterproof.harness.ui.results import check_json, put_result, shows_text
from otterproof.harness.ui.screen import console
from otterproof.harness.ui.table import Cell, print_table

#: How a figure is labelled: within its limit, beyond it, or without a limit.
_VERDICTS = {True: ("ok", "green"), False: ("slow", "red"), None: ("-", "")}


def run(options: argparse.Namespace) -> int:
    """Measure, and return the exit code: with --strict, 1 if a figure is not within its limit."""
    check_json(options)
    if options.detection:
        return _detection(options)
    _refuse_for_speed(options)
    following = iter(bench.MEASUREMENTS)
    measured, ending = follow(
        bench.measure(), len(bench.MEASUREMENTS), lambda _: f"measuring {next(following, 'nothing more')}"
    )
    if ending is Ending.INTERRUPTED:
        raise KeyboardInterrupt
    there = {figure.name: figure for group in measured for figure in group}
    figures = [there[name] for name in bench.FIGURES if name in there]
    if shows_text(options):
        _print(figures)
    put_result(options, "bench", {"figures": [_as_json(one) for one in figures]})
    return DEVIATES if options.strict and any(one.within is False for one in figures) else CONFORMS


def _refuse_for_speed(options: argparse.Namespace) -> None:
    """Raise UsageError for options that require --detection."""
    given = [
        name for name in ("faults", "all", "seeds", "programs", "way", "lockstep", "state") if getattr(options, name)
    ]
    if given:
        raise UsageError(
            f"--{given[0]} has a meaning only with --detection; add --detection, or leave --{given[0]} out"
        )


def _detection(options: argparse.Namespace) -> int:
    """Measure how soon faults are noticed. Results up to an interruption are shown."""
    sample = None if options.all else options.faults or FAULTS
    seeds, programs = options.seeds or SEEDS, options.programs or PROGRAMS
    ways = [Way(one) for one in dict.fromkeys(options.way)] or list(Way)
    record = detection.choose(faults(), sample, seeds, programs, compared=options.lockstep, ways=ways)
    if options.state:
        check_file(options.state, "--state")
        detection.read(options.state, record)
    left = [key for key in record.wanted if key not in record.found]
    wanted = len({key[1:] for key in left}) if record.compared else len(left)
    with workers(options.jobs, remembering=False) as pool:
        stream = detection.detect(record, pool)
        if options.state:
            stream = detection.kept(options.state, record, stream)
        _, ending = follow(stream, wanted, lambda words: f"fuzzed: {words}" if words else "fuzzing faults")
    figures = _detection_figures(record)
    if shows_text(options):
        _tell_detection(record, figures)
    put_result(options, "bench", {"figures": list(map(_as_json, figures)), "detection": record.as_json()})
    for one in record.lost:
        fail(one, NOT_RUN)
    if ending.code is not None:
        return ending.code
    if record.lost:
        return NOT_RUN
    return DEVIATES if options.strict and any(one.within is False for one in figures) else CONFORMS


def _detection_figures(record: detection.DetectionMeasurement) -> list[Figure]:
    if not record.of(Way.FEEDBACK):
        return []
    ratio = [Figure("detection_ratio", record.ratio)] if record.ratio is not None else []
    return [*ratio, Figure("detection_share", record.share(Way.FEEDBACK))]


def _tell_detection(record: detection.DetectionMeasurement, figures: list[Figure]) -> None:
    """Print how soon faults are noticed, for each way of generating programs."""
    rows: list[tuple[Cell, ...]] = []
    for way in record.ways:
        programs = record.median_programs(way)
        told = ", ".join(f"{noticed} of {every} {name}" for name, (noticed, every) in record.shares(way).items())
        middle = "-" if math.isinf(programs) else f"{programs:g}"
        rows.append((WORDS[way], middle, f"{record.share(way):.1%}", told))
    print_table(console(), ("programs are drawn", "median until noticed", "noticed", "by who can see the fault"), rows)
    for one in figures:
        kept_to = "within" if one.within else "not within"
        say(f"{one.name}: {one.value:.4g}, {kept_to} its limit ({_limit(one)}): {one.meaning.text}")
    if record.unnoticed:
        say(f"not noticed {WORDS[Way.FEEDBACK]}: {', '.join(record.unnoticed)}")
    runs = len(record.of(record.ways[0]))
    judged = "compared with a genuine engine" if record.compared else "judged by the oracles, as a third party's"
    say(
        f"{len(record.faults)} of {record.every} faults, {judged}, {len(record.seeds)} "
        f"seed{'' if len(record.seeds) == 1 else 's'}, {record.most} programs and {detection.SECONDS:g} s at most: "
        f"{runs} of {len(record.wanted) // len(record.ways)} run in all ways"
    )


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
