"""A campaign: many random programs against one target; each new failure is shrunk, confirmed and stored.

Processes run the programs, whose results come in the order of their numbers, so that a campaign is the same whatever
their count. This process shrinks and writes.

A campaign can be interrupted or killed at any moment, and a later run goes on with the same results. For that, what is
known is one immutable `State`, replaced as a whole. The files of a finding are written before the state names them,
and removed after it has stopped naming them; what is done between two saved states gives the same result again, since
it follows from the first of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from otterproof.harness.runs.fuzz.execute import Failure, attempt
from otterproof.harness.runs.fuzz.folder import clean, locked, remove, write_here
from otterproof.harness.runs.fuzz.generate import Program, program
from otterproof.harness.runs.fuzz.reproduce import as_test, fails_alike, narrowed, run_and_write, write_transcript
from otterproof.harness.runs.fuzz.shrink import ATTEMPTS, HANGS, SECONDS, Budget, Shrinker
from otterproof.harness.runs.fuzz.state import STATE, Finding, FindingStage, State, as_json, read_state, test_name
from otterproof.harness.runs.fuzz.workers import DIED, results
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import USUAL, Limits
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.registry import command_of, open_target, title

#: How often a shrunk failure is run again before it is called confirmed.
CONFIRM = 3

#: Findings that are kept. A target that breaks down in ever new ways would otherwise fill the disk.
MOST = 200

#: Seconds after which progress is saved, at the latest with the next program that ends.
SAVE_EVERY = 2.0

#: Findings as they are finished.
Found: TypeAlias = Generator[list[Finding], None, None]


@dataclass(slots=True)
class Campaign:
    """What is known of a campaign; `opened` makes one. Nobody else may use its folder while it runs.

    attempts, hangs, seconds: what may be spent on shrinking one failure (shrink.Budget). clock: in seconds.
    limits: how long the target is waited for. time_up: whether the last run ended because of its max_time.
    """

    target: str
    seed: str
    folder: Path
    state: State = field(default_factory=State)
    version: str = ""
    attempts: int = ATTEMPTS
    hangs: int = HANGS
    seconds: float = SECONDS
    clock: Callable[[], float] = time.monotonic
    limits: Limits = USUAL
    time_up: bool = False
    _saved: float = 0.0

    @property
    def done(self) -> int:
        """How many programs have been run, from number 0 on."""
        return self.state.done

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.state.findings

    def run(self, examples: int, processes: int, max_time: float | None = None) -> Found:
        """Finish what an earlier run has left unfinished, and run so many more programs.

        Gives a list of each finding that is finished, and an empty one after each program. max_time: seconds after
        which no further program begins; at least one is run. TargetError when the target can't be run at all,
        OutputError when something can't be written. Whatever ends the run, what was found is stored. Close the
        generator if it is not used up.
        """
        began = self.clock()
        self.time_up = False
        target = open_target(self.target, self.limits)
        try:
            self.version = target.version[:200]
            self.state = self._with_missing_unfinished()
            self._save()
            yield from self._settle(target)
            numbers = range(self.done, self.done + examples)
            for number, failed in results(self.target, self.seed, numbers, processes, target, self.limits):
                self._note(replace(self.state, done=number + 1, waiting=tuple(failed)))
                yield from self._settle(target)
                yield []
                if max_time is not None and self.clock() - began >= max_time and self.done < numbers.stop:
                    self.time_up = True
                    break
        finally:
            try:
                self._save()
            finally:
                target.close()

    def _with_missing_unfinished(self) -> State:
        """The state in which a finding is unfinished if one of its files is missing, so that it is written again."""
        findings = []
        for one in self.findings:
            files = [self.folder / name for name in (one.transcript, one.test) if name]
            if one.finished and not all(file.is_file() and not file.is_symlink() for file in files):
                one = replace(one, stage=FindingStage.SHRUNK if one.shrunk else FindingStage.FOUND, confirmed=0)
            findings.append(one)
        return replace(self.state, findings=tuple(findings))

    def _save(self) -> None:
        write_here(self.folder / STATE, as_json(self.state, title(self.target), self.version, self.seed))
        self._saved = self.clock()

    def _note(self, state: State) -> None:
        """Go on to a state that names the same files. It is saved now and then."""
        self.state = state
        if self.clock() - self._saved >= SAVE_EVERY:
            self._save()

    def _keep(self, finding: Finding) -> None:
        """Note how far a finding has got. Its files are there already."""
        self.state = self.state.with_finding(finding)
        self._save()

    def _drop(self, finding: Finding, known: Finding) -> None:
        """Take a finding for one more example of a known one."""
        self.state = self.state.without(finding, known)
        self._save()
        remove(self.folder / finding.transcript)

    def _settle(self, target: Target) -> Found:
        """Finish all findings, and take all failures that wait; whatever is finished."""
        for finding in [one for one in self.findings if not one.finished]:
            yield from self._finish(finding, target)
        while self.state.waiting:
            yield from self._take(self.state.waiting[0], target)

    def _take(self, failure: Failure, target: Target) -> Found:
        """Make a finding of a failure, or count it as one more example of a check that is known to fail.

        A failure that did not come again the first time gets another chance.
        """
        alike = [one for one in self.findings if one.check == failure.check]
        shrunk = [one for one in alike if one.shrunk]
        if shrunk or (alike and failure.verdict is Verdict.INFRA) or len(self.findings) >= MOST:
            self._note(self.state.counted(next(iter([*shrunk, *alike]), None)))
            return
        number = self.done - 1
        drawn = program(self.seed, number, target)
        if failure.check != DIED:
            drawn = replace(drawn, moves=drawn.moves[: failure.made])
        drawn = narrowed(drawn, failure.oracle, failure.at_end)
        name = self.state.next_name(failure.check)
        finding = Finding(
            name,
            FindingStage.FOUND,
            failure.oracle,
            failure.verdict,
            failure.check,
            failure.detail,
            failure.at_end,
            number,
            _played(drawn, None),
        )
        self._save()  # that the failure waits, so that files of the finding are known to be its own [folder.clean]
        yield from self._finish(finding, target)

    def _finish(self, finding: Finding, target: Target) -> Found:
        """Take a finding to the stage in which nothing is left to do, from the one in which it is."""
        small = self._shrunk(finding, target) if finding.stage is FindingStage.FOUND else finding
        if small is not None and not small.finished:
            small = self._confirmed(small, target)
        if small is not None:
            yield [small]

    def _shrunk(self, finding: Finding, target: Target) -> Finding | None:
        """A finding whose program has been shrunk, or that can't be; None if it is one more example of a known one."""
        found = _played(finding.program, target)
        path = self.folder / finding.transcript
        if finding.check == DIED:
            seen = None
            write_transcript(path, found, finding.verdict, finding.detail)  # what kills one process may kill another
        else:
            seen = run_and_write(path, found)
        self._keep(finding)
        if finding.verdict is Verdict.INFRA or seen is None or seen.check != finding.check:
            alike = [one for one in self.findings if one.check == finding.check and one.name != finding.name]
            known = next((one for one in alike if one.stage is FindingStage.ONCE), None)
            if known is not None:
                self._drop(finding, known)
                return None
            result = replace(finding, stage=FindingStage.ONCE)
        else:
            budget = Budget(self.attempts, self.hangs, self.seconds, self.clock)
            small = Shrinker(fails_alike(finding.check, finding.at_end, budget), budget).shrink(found)
            result = replace(finding, stage=FindingStage.SHRUNK, program=_played(small, None))
        self._keep(result)
        return result

    def _confirmed(self, finding: Finding, target: Target) -> Finding:
        """Run the shrunk program again, and write the first run that fails as a transcript and as a test."""
        small = _played(finding.program, target)
        first: Failure | None = None
        confirmed = 0
        for _ in range(CONFIRM):
            if first is None:
                seen = run_and_write(self.folder / finding.transcript, small)
            else:
                seen = attempt(small, fresh=True)
            if seen is not None and seen.check == finding.check:
                confirmed += 1
                first = first or seen
        if first is None:
            finding = replace(finding, stage=FindingStage.UNCONFIRMED)
        else:
            origin = f"Found by `otterproof fuzz` in {title(self.target)} {self.version}, seed {self.seed!r}."
            test = as_test(finding.name, small, first, origin, command_of(self.target))
            write_here(self.folder / test_name(finding.name), test)
            finding = replace(finding, stage=FindingStage.CONFIRMED, confirmed=confirmed, detail=first.detail)
        self._keep(finding)
        return finding


def _played(given: Program, target: Target | None) -> Program:
    """A program with a target for its role; without one it can be compared and kept."""
    return replace(given, setup=replace(given.setup, target=target))


@contextmanager
def opened(target: str, seed: str, folder: Path) -> Iterator[Campaign]:
    """The campaign of a folder, which is nobody else's meanwhile; the one that is there goes on.

    CampaignError when another campaign runs there, or the folder's campaign is another one or can't be read.
    InputError, OutputError.
    """
    with locked(folder):
        state = read_state(folder, title(target), seed)
        clean(folder, state)
        yield Campaign(target, seed, folder, state)
