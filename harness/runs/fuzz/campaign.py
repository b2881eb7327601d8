"""A campaign: run many random programs against one target; shrink, confirm and write down each new failure.

Worker processes run the programs. Their results are taken in the order of the programs' numbers, so a campaign does not
depend on the number of processes. The main process draws the programs from what has been shown so far [schedule.py],
shrinks failures and writes files.

A campaign can be interrupted or killed at any moment, and a later run resumes it with the same results. To allow that,
everything known is one immutable `State`, which is replaced as a whole. A finding's files are written before the state
names them, and removed once it no longer does. Work between two saved states can be repeated with the same result,
because it depends only on the first of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.edges import telling
from otterproof.harness.runs.fuzz.events import Examined, Finished, FuzzEvent, OtherVersion, ProgramRun, RunAgain
from otterproof.harness.runs.fuzz.evidence import (
    Evidence,
    Page,
    files_of,
    needed,
    record_of,
    record_text,
    written_files,
)
from otterproof.harness.runs.fuzz.excuses import check_in, known_by
from otterproof.harness.runs.fuzz.execute import Failure, Watched, attempt, checks_failing
from otterproof.harness.runs.fuzz.folder import (
    SCRIPT,
    check_unused,
    clean,
    finding_folder,
    locked,
    remove_finding,
    write_here,
)
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.reproduce import FailsAlike, narrowed, run_and_write, write_transcript
from otterproof.harness.runs.fuzz.schedule import Programs
from otterproof.harness.runs.fuzz.shrink import ATTEMPTS, HANGS, Budget, Shrinker
from otterproof.harness.runs.fuzz.state import RECORD, Finding, FindingStage, State
from otterproof.harness.runs.fuzz.store import Store, exists, opened_store
from otterproof.harness.runs.fuzz.workers import DIED, Drawing, results
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec.checks import checks
from otterproof.harness.support.defaults import SHRINK_TIME
from otterproof.harness.support.errors import UsageError
from otterproof.harness.targets.driver import USUAL, Limits
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.registry import open_target, title

#: Repetitions before a shrunk failure counts as confirmed; and repetitions of a failure that does not always recur.
CONFIRM, RATE = 3, 10

#: Repetitions without a failure before an intermittent failure counts as fixed.
GONE = 30

#: The most findings of one check, and in all. A target that breaks down in ever new ways would fill the disk.
MOST_ALIKE, MOST = 3, 200

#: More programs than any campaign runs.
LAST = 1 << 53

#: Progress is saved after this many seconds, as soon as the next program ends.
SAVE_EVERY = 2.0

#: The events of a campaign.
Events: TypeAlias = Generator[FuzzEvent, None, None]


@dataclass(slots=True)
class Campaign:
    """All that is known of a campaign; `opened` makes one. Nobody else may use its folder while it runs.

    excused: checks that are known to fail, perhaps only in some buckets [Excuse]; programs go on past them. corpus:
    programs that come first. page: makes the page of a finding, if wanted. attempts, hangs, seconds: the budget for
    shrinking one failure (shrink.Budget). clock: in seconds. limits: how long to wait for the target. time_up,
    failure_limit_reached: whether the last run ended because of its max_time or max_failures. version: of the target;
    earlier: its version when the campaign last ran, "" before the first run. scheduler: the address of a Dask scheduler
    whose workers run the programs, "" for local processes. edges: whether edges of the target's code count as
    behaviour; a resumed campaign must keep it.
    """

    target: str
    seed: str
    folder: Path
    store: Store
    state: State
    excused: frozenset[str] = frozenset()
    corpus: tuple[Program, ...] = ()
    page: Page | None = None
    attempts: int = ATTEMPTS
    hangs: int = HANGS
    seconds: float = SHRINK_TIME
    clock: Callable[[], float] = time.monotonic
    limits: Limits = USUAL
    scheduler: str = ""
    edges: bool = False
    time_up: bool = False
    failure_limit_reached: bool = False
    version: str = ""
    earlier: str = ""
    _saved: float = 0.0
    _programs: Programs = field(init=False)

    @property
    def done(self) -> int:
        """How many programs have been run, from number 0 on."""
        return self.state.done

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.state.findings

    def run(
        self, examples: int | None, processes: int, max_time: float | None = None, max_failures: int | None = None
    ) -> Events:
        """Run the earlier findings again, finish what was left unfinished, and run more programs.

        examples: how many programs; None for as many as time allows. max_time: seconds after which no further program
        begins; at least one runs. max_failures: findings after which none begins. TargetError when the target can't be
        run at all; UsageError or EdgesFailed when edges count and the target does not report them; OutputError when a
        file can't be written. Whatever ends the run, findings are stored. Close the generator unless it is exhausted.
        """
        began, found = self.clock(), 0
        self.time_up = self.failure_limit_reached = False
        target = self._opened_target()
        self._programs = Programs(self.seed, target, self.corpus)
        try:
            self.earlier, self.version = self.store.version, target.version[:200]
            self.state = self._with_missing_unfinished()
            if self._is_other_version:
                yield OtherVersion(self.earlier, self.version)
            yield from self._again(target)
            self._save()
            for event in self._process_findings(target):
                found += isinstance(event, Finished)
                yield event
            numbers = range(self.done, self.done + examples if examples is not None else LAST)
            drawing, scheduler = self._drawing(), self.scheduler
            for ran in results(self.target, numbers, processes, drawing, self.limits, scheduler, edges=self.edges):
                before = len(self.state.seen)
                self._note(self.state.after(ran.number, ran.failure, ran.seen, ran.known, ran.parents))
                for event in self._process_findings(target):
                    found += isinstance(event, Finished)
                    yield event
                yield ProgramRun(ran.number, len(self.state.seen) - before)
                self.failure_limit_reached = max_failures is not None and found >= max_failures
                self.time_up = max_time is not None and self.clock() - began >= max_time and self.done < numbers.stop
                if self.time_up or self.failure_limit_reached:
                    break
        finally:
            try:
                self._save()
            finally:
                target.close()

    @property
    def _is_other_version(self) -> bool:
        """Whether the target has changed since the campaign last ran."""
        return bool(self.earlier) and self.earlier != self.version

    def _opened_target(self) -> Target:
        """The target. UsageError if edges are to count and it does not report them; TargetError."""
        target = open_target(self.target, self.limits)
        if self.edges and telling(target) is None:
            target.close()
            raise UsageError(
                f"{title(self.target)} does not tell the edges of its code; leave --edges out, or see "
                "docs/how-to/fuzz.md for the targets that do"
            )
        if not self.state.done:
            self.state = replace(self.state, edges=self.edges)
        return target

    def _drawing(self) -> Drawing:
        """The object that draws the programs of this run."""
        return Drawing(self.seed, self._programs, lambda: self.state.schedule, self._skipped_checks)

    @property
    def _skipped_checks(self) -> Collection[str]:
        """The checks that oracles skip. The ways in which a target breaks down can't be skipped; they are counted."""
        return sorted(one for one in self.excused if (name := check_in(one)) in checks() and checks()[name].of_oracle)

    def _with_missing_unfinished(self) -> State:
        """The state with a finding unfinished if one of its files is missing, so that the files are written again."""
        findings = []
        for one in self.findings:
            files = [self.folder / name for name in one.files]
            if one.finished and not all(file.is_file() and not file.is_symlink() for file in files):
                stage = FindingStage.SHRUNK if one.is_shrunk else FindingStage.FOUND
                one = replace(one, stage=stage, confirmed=0, runs=0)
            findings.append(one)
        return replace(self.state, findings=tuple(findings))

    def _save(self) -> None:
        self.store.save(self.state, self.version)
        self._saved = self.clock()

    def _note(self, state: State) -> None:
        """Go on to a state that names the same files, and save it now and then."""
        self.state = state
        if self.clock() - self._saved >= SAVE_EVERY:
            self._save()

    def _keep(self, finding: Finding) -> None:
        """Store how far a finding has got. Its files must exist already."""
        self.state = self.state.with_finding(finding)
        self._save()

    def _drop(self, finding: Finding, known: Finding) -> None:
        """Count a finding as one more example of a known one."""
        self.state = self.state.without(finding, known)
        self._save()
        remove_finding(self.folder, finding.name)

    def _known(self, bucket: Bucket) -> str:
        """The excuse that covers failures of a bucket, "" without one."""
        return known_by(bucket, sorted(self.excused))

    def _drop_known(self, finding: Finding, excuse: str) -> None:
        """Count a finding as one more known failure."""
        left = tuple(one for one in self.findings if one.name != finding.name)
        self.state = replace(self.state.counted_as_known(excuse), findings=left)
        self._save()
        remove_finding(self.folder, finding.name)

    # ---- findings of an earlier run

    def _again(self, target: Target) -> Events:
        """Run the earlier findings again: one that no longer fails is fixed, and a fixed one that fails is not."""
        for finding in [one for one in self.findings if one.finished]:
            fails = self._still_fails(finding, target)
            if fails is None:
                continue
            if not fails:
                finding = replace(finding, stage=FindingStage.FIXED)
            elif finding.stage is FindingStage.FIXED:
                stage = FindingStage.SHRUNK if finding.is_shrunk else FindingStage.FOUND
                finding = replace(finding, stage=stage, confirmed=0, runs=0)
            if finding not in self.findings:
                self._keep(finding)
            if finding.finished:
                yield RunAgain(finding)

    def _still_fails(self, finding: Finding, target: Target) -> bool | None:
        """Whether a finding still fails; None if runs can't tell and the target's version is the same as before."""
        changed = self._is_other_version
        if finding.verdict is Verdict.INFRA or (finding.flaky and not finding.confirmed):
            return False if changed else None
        program = _played(finding.program, target)
        for _ in range(GONE if finding.flaky else RATE):
            seen = attempt(program, fresh=True)
            if seen is not None and seen.check == finding.check:
                return True
        return False if changed or not finding.flaky else None

    # ---- new findings

    def _process_findings(self, target: Target) -> Events:
        """Finish all findings, then handle the waiting failure."""
        for finding in [one for one in self.findings if not one.finished]:
            yield from self._finish(finding, target)
        if self.state.waiting is not None:
            yield from self._process_failure(self.state.waiting, target)

    def _process_failure(self, failure: Failure, target: Target) -> Events:
        """Make a finding of a failure, or count it as one more example of a finding.

        A failure that did not recur at first gets another chance, and so does one that was fixed.
        """
        if excuse := self._known(failure.bucket):
            self._note(replace(self.state.counted_as_known(excuse), waiting=None))
            return
        alike = [one for one in self.findings if one.check == failure.check]
        small = [one for one in alike if one.is_shrunk]
        same = [one for one in small if one.is_of(failure.bucket)]
        if len(small) >= MOST_ALIKE or (failure.verdict is Verdict.INFRA and alike):
            same = same or small or alike
        if same and same[0].stage is FindingStage.FIXED:
            stage = FindingStage.SHRUNK
            self.state = self.state.counted(same[0])
            fixed = next(one for one in self.findings if one.name == same[0].name)
            yield from self._finish(replace(fixed, stage=stage, confirmed=0, runs=0), target)
            return
        if same or len(self.findings) >= MOST:
            self._note(self.state.counted(same[0] if same else None))
            return
        number = self.done - 1
        schedule = self.state.schedule
        program = self._drawing().made(number, schedule.parents_of_last(), schedule)
        if failure.check != DIED:
            program = replace(program, moves=program.moves[: failure.made])
        finding = Finding(
            self.state.next_name(failure.check),
            FindingStage.FOUND,
            failure.oracle,
            failure.verdict,
            failure.bucket,
            failure.detail,
            failure.at_end,
            number,
            _played(program, None),
            stderr=failure.stderr,
        )
        self._save()  # with the failure still waiting: from that, folder.clean knows the finding's files as ours
        yield from self._finish(finding, target)

    def _finish(self, finding: Finding, target: Target) -> Events:
        """Take a finding from its present stage to one in which nothing is left to do."""
        yield Examined(finding)
        small = self._shrunk(finding, target) if finding.stage is FindingStage.FOUND else finding
        if small is not None and not small.finished:
            small = self._confirmed(small, target)
        if small is not None:
            yield Finished(small)

    def _shrunk(self, finding: Finding, target: Target) -> Finding | None:
        """A finding whose program was shrunk, or can't be; None if it was one more example of a known finding."""
        found = _played(finding.program, target)
        path = finding_folder(self.folder, finding.name) / finding.transcript.name
        if finding.check == DIED:
            seen = None
            write_transcript(path, found, finding.verdict, finding.detail)  # what kills one process may kill another
        else:
            seen = run_and_write(path, found)
        self._write(self._evidence(finding, seen), {})
        self._keep(finding)
        if finding.verdict is Verdict.INFRA or seen is None or seen.check != finding.check:
            return self._seen_once(finding, found, seen)
        budget = Budget(self.attempts, self.hangs, self.seconds, self.clock)
        fails = FailsAlike(finding.bucket, finding.at_end, budget)
        shrinker = Shrinker(fails, budget, lambda: fails.sent)
        small = shrinker.shrink(found)
        small = shrinker.simplest(small, narrowed(small, finding.oracle, finding.at_end))
        small, last = self._without_known(small, finding.check)
        bucket = last.bucket if last is not None and last.check == finding.check else finding.bucket
        if excuse := self._known(bucket):
            self._drop_known(finding, excuse)
            return None
        same = [
            one
            for one in self.findings
            if one.is_shrunk and one.name != finding.name and bucket.shares_cause_with(one.bucket)
        ]
        if same:
            self._drop(finding, same[0])
            return None
        result = replace(
            finding, stage=FindingStage.SHRUNK, program=_played(small, None), bucket=bucket, is_shrunk=True
        )
        self._keep(result)
        return result

    def _without_known(self, small: Program, check: str) -> tuple[Program, Failure | None]:
        """A small program without excuses, or else with only those that it meets; and its failure."""
        bare = replace(small, setup=replace(small.setup, excused=()))
        failure = attempt(bare)
        same = failure is not None and failure.check == check and not self._known(failure.bucket)
        if bare == small or same:
            return bare, failure
        watched = Watched()
        failure = attempt(small, watched=watched)
        return replace(small, setup=replace(small.setup, excused=tuple(sorted(watched.excuses_used)))), failure

    def _seen_once(self, finding: Finding, program: Program, seen: Failure | None) -> Finding | None:
        """A finding that did not fail again, with its failure rate; None if its check already has such a finding."""
        alike = [one for one in self.findings if one.check == finding.check and one.name != finding.name]
        known = next((one for one in alike if one.stage is FindingStage.ONCE), None)
        if known is not None:
            self._drop(finding, known)
            return None
        result = replace(finding, stage=FindingStage.ONCE)
        if finding.verdict is not Verdict.INFRA:
            again = [seen, *(attempt(program, fresh=True) for _ in range(RATE - 1))]
            confirmed = sum(one is not None and one.check == finding.check for one in again)
            result = replace(result, confirmed=confirmed, runs=RATE)
        self._write(self._evidence(result, seen), {})
        self._keep(result)
        return result

    def _confirmed(self, finding: Finding, target: Target) -> Finding:
        """Run the shrunk program again, and write down all that is known of the first run that fails."""
        small = _played(finding.program, target)
        path = finding_folder(self.folder, finding.name) / finding.transcript.name
        first: Failure | None = None
        confirmed = runs = 0
        while runs < (CONFIRM if confirmed == runs else RATE):
            seen = run_and_write(path, small) if first is None else attempt(small, fresh=True)
            runs += 1
            if seen is not None and seen.check == finding.check:
                confirmed += 1
                first = first or seen
        stage = FindingStage.CONFIRMED if confirmed == runs else FindingStage.FLAKY
        finding = replace(finding, stage=stage, confirmed=confirmed, runs=runs)
        if first is None:
            self._write(self._evidence(finding, None), {})
        else:
            everything = replace(small, setup=replace(small.setup, oracles=()))
            others = [one for one in checks_failing(everything) if one != finding.check]
            finding = replace(
                finding,
                detail=first.detail,
                bucket=first.bucket,
                others=tuple(dict.fromkeys(others)),
                stderr=first.stderr or finding.stderr,
            )
            evidence = replace(self._evidence(finding, first), needed=needed(small, first))
            self._write(*files_of(evidence, small, first))
        self._keep(finding)
        return finding

    def _evidence(self, finding: Finding, failure: Failure | None) -> Evidence:
        """What is known of a finding. failure: of the run in its transcript, if that run failed."""
        return Evidence(finding, self.target, self.version, self.seed, record_of(finding, failure))

    def _write(self, evidence: Evidence, files: Mapping[str, str]) -> None:
        """Write a finding's files, its record and its page included."""
        folder = finding_folder(self.folder, evidence.finding.name)
        content = {RECORD: record_text(evidence), **files}
        for name, text in written_files(evidence, content, self.page, self.folder).items():
            write_here(folder / name, text, executable=name == SCRIPT)


def _played(given: Program, target: Target | None) -> Program:
    """A program whose role a target plays; without a target it can be compared and stored."""
    return replace(given, setup=replace(given.setup, target=target))


@contextmanager
def opened(target: str, seed: str, folder: Path) -> Iterator[Campaign]:
    """Open the campaign in a folder, or begin one. Nobody else can use the folder meanwhile.

    CampaignError when another campaign runs there, or the folder has a different campaign or one that can't be read.
    InputError, OutputError.
    """
    with locked(folder):
        if not exists(folder):
            check_unused(folder)
        with opened_store(folder, title(target), seed) as (store, state):
            clean(folder, state)
            yield Campaign(target, seed, folder, store, state)
