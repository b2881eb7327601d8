"""The evidence for a finding: one folder with everything that a reader who was not there needs.

It is made from a run of the small program from its very beginning, and from further runs, which show whether the
failure recurs and, for each move, whether the run passes without it. The page is made by a function of the user
interface.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeAlias

from otterproof.harness.runs.failure import Failure as Record
from otterproof.harness.runs.failure import record_to_json
from otterproof.harness.runs.fuzz.driver_script import DriverRun, driver_run, script
from otterproof.harness.runs.fuzz.execute import Failure, attempt
from otterproof.harness.runs.fuzz.folder import ANSWERS_FILE, REQUESTS, SCRIPT, STDERR
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.reproduce import as_test
from otterproof.harness.runs.fuzz.serialize import move_as_json
from otterproof.harness.runs.fuzz.state import REPORT, TRANSCRIPT, Finding, test_name
from otterproof.harness.simulation.moves import Move
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.targets.registry import EXEC, command_of, title

#: The format of the record file.
FORMAT, VERSION = "otterproof-finding", 1

#: The most moves of a program for which it is tried what happens without each of them.
MOST_MOVES = 40


@dataclass(frozen=True, slots=True)
class Needed:
    """A move of a small program. without: the outcome if it is left out."""

    move: Move
    without: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a finding when it is written down. target, version, seed: of the campaign.

    record: of the run in the transcript. needed: the outcome without each move; () if that was not tried. script: why
    there is no script for the driver, "" if there is one.
    """

    finding: Finding
    target: str
    version: str
    seed: str
    record: Record
    needed: tuple[Needed, ...] = ()
    script: str = "there is no small program that has failed again"

    def as_json(self) -> dict[str, Any]:
        """The content of the record file."""
        one = self.finding
        written: dict[str, Any] = {"format": FORMAT, "version": VERSION, "name": one.name}
        written |= {"target": title(self.target), "target_version": self.version, "seed": self.seed}
        written |= {"verdict": one.verdict.value, "level": one.level.value, "impact": one.impact.value}
        written |= {"bucket": asdict(one.bucket)}
        written |= {"others": list(one.others), "confirmed": one.confirmed, "runs": one.runs}
        written["record"] = record_to_json(self.record)
        written["moves"] = [move_as_json(one.move) | {"without": one.without} for one in self.needed]
        return written | {"script": self.script or f"sh {SCRIPT}"}


def record_of(finding: Finding, failure: Failure | None) -> Record:
    """The record of a finding. failure: of the run in its transcript, if that run failed.

    If that run did not show the finding, the record has what was kept of the run that did.
    """
    if failure is not None and failure.record is not None and failure.check == finding.check:
        return failure.record
    rule, *rest = finding.detail.split("\n")
    notes = tuple(dedent("\n".join(rest)).split("\n")) if rest else ()
    return Record(finding.check, rule, level=finding.level, notes=notes)


#: Makes the page of a finding, given its evidence and the path of its transcript.
Page: TypeAlias = Callable[[Evidence, Path], str]


def files_of(evidence: Evidence, program: Program, failure: Failure) -> tuple[Evidence, Mapping[str, str]]:
    """The files of a finding that failed again, by name, except for its transcript and its page.

    program: the small one, with a target. failure: of the run in the transcript.
    """
    finding, target = evidence.finding, program.setup.target
    files = {}
    run = driver_run(program, target) if isinstance(target, DriverTarget) else None
    evidence = replace(evidence, script=_why_not(run, target, finding.check))
    if run is not None and run.stderr and run.failure is not None and run.failure.check == finding.check:
        files[STDERR] = run.stderr
    if run is not None and not evidence.script:
        files[REQUESTS] = "".join(f"{line}\n" for line in run.requests)
        files[ANSWERS_FILE] = "".join(f"{line}\n" for line in run.answers)
        files[SCRIPT] = script(evidence.record, title(evidence.target), _command(evidence.target), run)
    found = f"Found by `otterproof fuzz` in {title(evidence.target)} {evidence.version}, seed {evidence.seed!r}."
    files[test_name(finding.name)] = as_test(finding.name, program, failure, found, command_of(evidence.target))
    return evidence, files


def record_text(evidence: Evidence) -> str:
    """The text of the record file."""
    return json.dumps(evidence.as_json(), indent=1) + "\n"


def _why_not(run: DriverRun | None, target: object, check: str) -> str:
    if not isinstance(target, DriverTarget):
        return "the target runs without a driver"
    if run is None:
        return "the driver could not be started again"
    if run.failure is None or run.failure.check != check:
        return "the failure did not occur in the run in which the requests to the driver were recorded"
    if not run.is_text:
        return "the driver's answers are not UTF-8"
    return "" if run.repeats else "the driver answered the same requests otherwise when they were given to it again"


def _command(target: str) -> Sequence[str]:
    """The words of the user's own command; () for other targets, whose commands exist on this machine only."""
    command = command_of(target)
    return shlex.split(command.removeprefix(EXEC)) if command is not None else ()


def needed(program: Program, failure: Failure) -> tuple[Needed, ...]:
    """For each move of a program, the outcome without it. () if that would take too long."""
    if failure.verdict is Verdict.HANG or len(program.moves) > MOST_MOVES:
        return ()
    found = []
    for at, move in enumerate(program.moves):
        left = replace(program, moves=program.moves[:at] + program.moves[at + 1 :])
        found.append(Needed(move, _outcome(attempt(left), failure)))
    return tuple(found)


def _outcome(seen: Failure | None, failure: Failure) -> str:
    if seen is None:
        return "passes"
    return "fails in the same way" if seen.check == failure.check else f"fails by {seen.check}"


def written_files(evidence: Evidence, files: Mapping[str, str], page: Page | None, folder: Path) -> Mapping[str, str]:
    """All files of a finding except its transcript, which is in the folder already."""
    if evidence.finding.stderr:
        files = {STDERR: printable(evidence.finding.stderr, lines=True), **files}
    if page is None:
        return files
    return {**files, REPORT: page(evidence, folder / evidence.finding.name / TRANSCRIPT)}
