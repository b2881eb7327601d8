"""A file with how each scenario judged each fault, so that a measurement can be resumed and need not be repeated.

Each line is a JSON object, and a later one replaces an earlier one. A line has the keys of the scenarios when the lines
below it were written (otterproof.harness.runs.faults.dependence), what a scenario does with the genuine engine, or the
scenarios that a fault does not pass. A line counts for the scenarios whose keys are those of the present sources. An
incomplete last line, as an interrupted run leaves it, is ignored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from otterproof.harness.runs.failure import Failure, Place
from otterproof.harness.runs.faults.detect import Reach
from otterproof.harness.runs.faults.reach import Line
from otterproof.harness.runs.runner import Result
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec.checks import level_of, rule
from otterproof.harness.spec.requirements import Level
from otterproof.harness.spec.requirements import load as load_table
from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.outputs import OutputError
from otterproof.harness.testkit.scenario import scenario_of


class JudgedFileError(CommandError, ValueError):
    """A file can't be resumed. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a scenario that did not pass ended: as much of its result as is needed to tell causes apart.

    check: of the failure, "" if nothing failed. level: of the check at that time. shape, refused: as in Place. reading:
    a measured answer that is not the project's, as in TLV-AFTER-END:process; "" if there is none.
    """

    scenario: str
    verdict: Verdict
    check: str
    steps: int
    level: Level = Level.MUST
    shape: tuple[str, ...] = ()
    refused: bool = False
    reading: str = ""

    @property
    def outdated(self) -> bool:
        """Whether the check is now more or less binding. A scenario goes on after advice, so it may end otherwise."""
        return self.verdict is Verdict.FAIL and self.level is not level_of(self.check)

    def as_result(self) -> Result:
        """The result that it was made from, with what the tables now say about its scenario and its check."""
        failure = None
        if self.check:
            place = Place(self.steps, "", "", shape=self.shape, refused=self.refused) if self.shape else None
            failure = Failure(self.check, rule(self.check), level=level_of(self.check), place=place)
        claimed = scenario_of(self.scenario).requirements
        return Result(self.scenario, claimed, self.verdict, "", self.steps, 0.0, self.check, failure=failure)


def outcome_of(result: Result) -> Outcome:
    """The part of a result that is kept."""
    failure = result.failure
    if failure is None:
        return Outcome(result.scenario, result.verdict, "", result.steps, reading=_other_answer(result.readings))
    place = failure.place
    shape, refused = (place.shape, place.refused) if place is not None else ((), False)
    return Outcome(result.scenario, result.verdict, result.check, result.steps, failure.level, shape, refused)


def _other_answer(measured: Mapping[str, str]) -> str:
    """The first answer to a question left open by the texts that is not the project's; "" if all answers are."""
    table = load_table()
    others = (f"{name}:{option}" for name, option in measured.items() if option != table.reading(name).ours)
    return next(others, "")


@dataclass(frozen=True, slots=True)
class Judged:
    """How a fault was judged. edits: the digest of its edits. outcomes: of the scenarios that did not pass.

    keys: of each scenario that judged it, or does not reach what it changes.
    """

    fault: str
    edits: str
    keys: Mapping[str, str]
    outcomes: tuple[Outcome, ...]


@dataclass(slots=True)
class JudgedFile:
    """What is known of scenarios and faults, kept in a file if there is one. keys: the scenarios' present keys."""

    path: Path | None
    keys: Mapping[str, str]
    surveys: dict[str, Reach] = field(default_factory=dict)
    judged: dict[str, Judged] = field(default_factory=dict)

    def begin(self) -> None:
        """Read the file, if it exists, and write the present keys to it. JudgedFileError, OutputError."""
        if self.path is None:
            return
        keys: Mapping[str, str] = {}
        for number, line in enumerate(_whole_lines(self.path), start=1):
            try:
                value = json.loads(line)
                if "keys" in value:
                    keys = value["keys"]
                elif "survey" in value:
                    self._take_survey(value, keys)
                else:
                    judged = _judged(value, keys)
                    self.judged[judged.fault] = judged
            except (ValueError, TypeError, KeyError) as error:
                raise JudgedFileError(
                    f"{self.path}, line {number}, is no judgement: {error}; name another file"
                ) from error
        if keys != self.keys:
            self._add({"keys": dict(self.keys)})

    def note_survey(self, found: Reach) -> None:
        """Keep what a scenario does with the genuine engine. OutputError."""
        self.surveys[found.scenario] = found
        examples = {str(number): _masks(lines) for number, lines in found.examples.items()}
        known = {"passed": found.passed, "detail": found.detail, "seconds": round(found.seconds, 4)}
        self._add({"survey": found.scenario, **known, "reached": _masks(found.reached), "examples": examples})

    def note_fault(self, judged: Judged) -> None:
        """Keep how a fault was judged with the present keys. OutputError."""
        self.judged[judged.fault] = judged
        self._add({"fault": judged.fault, "edits": judged.edits, "outcomes": [_plain(one) for one in judged.outcomes]})

    def _add(self, value: Mapping[str, Any]) -> None:
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(value, separators=(",", ":")) + "\n")
        except OSError as error:
            raise OutputError(self.path, error) from error

    def _take_survey(self, value: Mapping[str, Any], keys: Mapping[str, str]) -> None:
        name = value["survey"]
        if name in self.keys and keys.get(name) == self.keys[name]:
            examples = {int(number): _lines(masks) for number, masks in value["examples"].items()}
            known = value["passed"], value["detail"], value["seconds"], _lines(value["reached"])
            self.surveys[name] = Reach(name, *known, examples)


def _whole_lines(path: Path) -> list[str]:
    """The complete lines of a file, [] if it does not exist. An incomplete last one is cut off. JudgedFileError."""
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            os.truncate(path, len(whole.encode()))
    except (OSError, ValueError) as error:
        raise JudgedFileError(f"{path} can't be read: {error}; name another file") from error
    return whole.splitlines()


def _judged(value: Mapping[str, Any], keys: Mapping[str, str]) -> Judged:
    outcomes = tuple(
        Outcome(name, Verdict(verdict), check, steps, Level(level), tuple(shape), refused, *reading)
        for name, verdict, check, steps, level, shape, refused, *reading in value["outcomes"]
    )
    return Judged(value["fault"], value["edits"], keys, outcomes)


def _plain(one: Outcome) -> list[Any]:
    plain = [one.scenario, one.verdict.value, one.check, one.steps, one.level.value, one.shape, one.refused]
    return [*plain, one.reading] if one.reading else plain


def _masks(lines: Iterable[Line]) -> dict[str, str]:
    """For each file, one hexadecimal number, whose bits are its lines."""
    by_file = groupby(sorted(lines), key=lambda line: line[0])
    return {file: f"{sum(1 << number for _, number in some):x}" for file, some in by_file}


def _lines(masks: Mapping[str, str]) -> frozenset[Line]:
    found: set[Line] = set()
    for file, mask in masks.items():
        bits = f"{int(mask, 16):b}"
        found.update((file, len(bits) - 1 - at) for at, bit in enumerate(bits) if bit == "1")
    return frozenset(found)
