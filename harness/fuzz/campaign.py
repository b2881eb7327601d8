"""A campaign: many random programs against one target; each new failure is made small, confirmed and stored.

Processes run the programs, whose results come in the order of their numbers, so that a campaign is the same whatever
their count. This process shrinks and writes. A failure is on disk as soon as it is known, as it was found, and is
replaced by what becomes of it; with the campaign's own file a later run goes on where this one ended, Ctrl-C or not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.fuzz.attempt import ANSWERS, Failure, attempt, failures
from harness.fuzz.programs import Program, program
from harness.fuzz.reproduce import as_test, narrowed, run_and_write, same, shape
from harness.fuzz.shrink import ATTEMPTS, Shrinker
from harness.pool import pool
from harness.roster import make
from harness.targets import Target
from harness.transcript import Verdict

#: The campaign's own file in its folder.
STATE = "campaign.json"

#: How often a shrunk failure is run again before it is called confirmed.
CONFIRM = 3

#: Failures of one kind that are shrunk: they may have several causes, but not many. Others are only counted.
SHRUNK = 3


class CampaignError(ValueError):
    """The folder can't be used for this campaign."""


@dataclass(slots=True)
class Finding:
    """A failure that was found. examples: how many programs ran into it; first: the number of the first one.

    shape: the moves of the shrunk program by name. confirmed: how many of CONFIRM runs of it failed in the same way.
    """

    name: str
    oracle: str
    verdict: str
    demand: str
    detail: str
    first: int
    examples: int = 1
    shape: tuple[str, ...] = ()
    confirmed: int = 0
    transcript: str = ""
    test: str = ""

    @property
    def kind(self) -> tuple[str, str, str]:
        return self.oracle, self.verdict, self.demand


@dataclass(slots=True)
class Campaign:
    """What is known of a campaign. done: how many programs have been run, from number 0 on.

    attempts: how many may be spent on shrinking one failure.
    """

    target: str
    seed: str
    folder: Path
    attempts: int = ATTEMPTS
    version: str = ""
    done: int = 0
    findings: list[Finding] = field(default_factory=list)

    @classmethod
    def in_folder(cls, target: str, seed: str, folder: Path) -> Campaign:
        """The campaign of that folder, gone on with if there is one. CampaignError if that is another one."""
        campaign = cls(target, seed, folder)
        path = folder / STATE
        if not path.exists():
            return campaign
        try:
            stored = json.loads(path.read_text())
            campaign.done, there = int(stored["done"]), (stored["target"], stored["seed"])
            campaign.findings = [Finding(**{**one, "shape": tuple(one["shape"])}) for one in stored["findings"]]
        except (ValueError, KeyError, TypeError) as error:
            raise CampaignError(f"{path} can't be read ({error!r}); name another folder with --out") from error
        if there != (target, seed):
            raise CampaignError(
                f"{folder} has a campaign against {there[0]} with seed {there[1]!r}; name another folder with --out"
            )
        return campaign

    def save(self) -> None:
        """Write the campaign's file, whole or not at all."""
        content: dict[str, Any] = {"target": self.target, "version": self.version, "seed": self.seed}
        content |= {"done": self.done, "findings": [asdict(one) for one in self.findings]}
        new = self.folder / f"{STATE}.new"
        new.write_text(json.dumps(content, indent=1) + "\n")
        os.replace(new, self.folder / STATE)

    def run(self, examples: int, processes: int) -> Iterator[list[Finding]]:
        """Run so many more programs; for each, what was found that is new.

        TargetError when the target can't be run at all. Whatever ends the run, what was found is stored.
        """
        target = make(self.target)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.version = target.version
        numbers = range(self.done, self.done + examples)
        try:
            self.save()
            for number, failed in _results(self.target, self.seed, numbers, processes, target):
                taken = [self._take(number, failure, target) for failure in failed]
                new = [finding for finding in taken if finding is not None]
                self.done = number + 1
                if new:
                    self.save()
                yield new
        finally:
            self.save()
            target.close()

    def _take(self, number: int, failure: Failure, target: Target) -> Finding | None:
        """Make of a failure what it is worth: a new finding, or one more example of an old one."""
        alike = [one for one in self.findings if one.kind == failure.kind]
        if len(alike) >= SHRUNK or (alike and failure.verdict is Verdict.INFRA):
            alike[0].examples += 1
            return None
        drawn = program(self.seed, number, target)
        drawn = narrowed(replace(drawn, moves=drawn.moves[: failure.made]), failure)
        count = 1 + sum(one.oracle == failure.oracle for one in self.findings)
        name = f"{failure.oracle}-{count}".lower()
        finding = Finding(name, *failure.kind, failure.detail, number, transcript=f"{name}.jsonl")
        path = self.folder / finding.transcript
        seen = run_and_write(path, drawn)
        self.findings.append(finding)
        self.save()
        if failure.verdict is Verdict.INFRA or seen is None or seen.kind != failure.kind:
            return finding  # as it is: ours to mend, or not to be had again
        small = Shrinker(same(failure), self.attempts).shrink(drawn)
        known = next((one for one in alike if one.shape == shape(small)), None)
        if known is not None:
            known.examples += 1
            self.findings.remove(finding)
            path.unlink()
            return None
        finding.shape = shape(small)
        self._confirm(finding, failure, small, path)
        return finding

    def _confirm(self, finding: Finding, failure: Failure, small: Program, path: Path) -> None:
        """Run what was shrunk again, and write down the first run that fails, as a transcript and as a test."""
        for _ in range(CONFIRM):
            seen = attempt(small, fresh=True) if finding.confirmed else run_and_write(path, small)
            if seen is not None and seen.kind == failure.kind:
                finding.confirmed += 1
                failure = seen
        finding.detail = failure.detail
        if finding.confirmed:
            found = f"Found by `otterproof fuzz` in {self.target} {self.version}, seed {self.seed!r}."
            finding.test = f"test_{finding.name.replace('-', '_')}.py"
            (self.folder / finding.test).write_text(as_test(finding.name, small, failure, found))


_target: Target | None = None
_seed = ""


def _start_worker(target: str, seed: str) -> Callable[[], None]:
    global _target, _seed
    _target, _seed = make(target), seed
    return _target.close


def _run_number(number: int) -> tuple[int, list[Failure]]:
    if _target is None:
        raise RuntimeError("a worker process was not started by a campaign")
    return number, failures(program(_seed, number, _target))


def _lost(number: int, why: str) -> tuple[int, list[Failure]]:
    """What comes of a program whose worker died: nobody knows how many moves it had made."""
    return number, [Failure(ANSWERS, Verdict.INFRA, "a worker process must not die", why, False, 0)]


def _results(
    name: str, seed: str, numbers: range, processes: int, target: Target
) -> Iterator[tuple[int, list[Failure]]]:
    """What comes of the programs of these numbers, in order."""
    if processes <= 1:
        yield from ((number, failures(program(seed, number, target))) for number in numbers)
        return
    with pool(processes, _start_worker, name, seed) as workers:
        yield from workers.ordered(_run_number, numbers, _lost)
