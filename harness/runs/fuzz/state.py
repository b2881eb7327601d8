"""The state of a campaign: what it has done and found.

A finding moves through stages: FOUND, then SHRUNK, then one in which nothing is left to do. The campaign's database
always has the last stage that was reached, and a later run takes up what is unfinished. The whole state is one
immutable value, so it is consistent whenever it is written, even if the program is interrupted. It holds no times, so
an interrupted campaign has the same state as an uninterrupted one.

The database may come from anybody, so everything is checked when it is read: each value by the schema, and the
relations between values by the code here. The names of a finding's files follow from the finding's name, so no file
outside the campaign's folder is ever written or removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from functools import cache
from itertools import chain, count
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from otterproof.harness.judges.oracles import ORACLES, Impact
from otterproof.harness.runs.fuzz.behaviour import Area, Behaviour
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.edges import MOST as MOST_EDGES
from otterproof.harness.runs.fuzz.execute import ENGINES_AGREE, Failure
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.schedule import Parents, Result, Schedule, schedule_from_json, schedule_to_json
from otterproof.harness.runs.fuzz.serialize import program_from_json, program_to_json
from otterproof.harness.simulation.transcript import SCHEMA as TRANSCRIPT_SCHEMA
from otterproof.harness.simulation.transcript import TranscriptError, Verdict
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.exits import USAGE

#: The version of the database format.
VERSION = 5
SCHEMA = Path(__file__).parent / "campaign.schema.json"

#: The files that the folder of every finding has, and the file of its page.
TRANSCRIPT, RECORD, REPORT = "transcript.jsonl", "record.json", "report.html"


class CampaignError(CommandError, ValueError):
    """The folder can't be used for this campaign."""

    exit_code = USAGE


class FindingStage(Enum):
    """How far a finding has got."""

    #: Its transcript has the program that failed. Next: shrink it.
    FOUND = "found"
    #: The smallest program is known. Next: run it again, and write the evidence.
    SHRUNK = "shrunk"
    #: The smallest program failed in the same way each time it was run again.
    CONFIRMED = "confirmed"
    #: The smallest program failed during shrinking, but not each time it was run again.
    FLAKY = "flaky"
    #: The program that failed was not shrunk: it did not fail again, or the failure is Otterproof's or the machine's.
    ONCE = "once"
    #: It no longer fails.
    FIXED = "fixed"


#: The most behaviour remembered besides edges; a target that does ever new things would fill memory and the disk.
MOST_SEEN = 20_000

#: The stages in which something is left to do.
UNFINISHED = frozenset({FindingStage.FOUND, FindingStage.SHRUNK})


@dataclass(frozen=True, slots=True)
class Finding:
    """A failure that was found. first: the number of the first program that ran into it. examples: how many did.

    oracle, bucket, at_end: as in Failure. program: the smallest known one that shows it, without a target. is_shrunk:
    that program is the result of shrinking. confirmed: how many of `runs` repetitions failed in the same way. others:
    the checks that fail after it in the same run. aliases: the causes of failures that turned out to be the same when
    they were shrunk. stderr: the end of the driver's standard error in a run that failed, "" if its process lived on.
    """

    name: str
    stage: FindingStage
    oracle: str
    verdict: Verdict
    bucket: Bucket
    detail: str
    at_end: bool
    first: int
    program: Program
    is_shrunk: bool = False
    examples: int = 1
    confirmed: int = 0
    runs: int = 0
    others: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    stderr: str = ""

    @property
    def check(self) -> str:
        return self.bucket.check

    @property
    def level(self) -> Level:
        """How binding the broken requirement is. A target that breaks down breaks a binding one."""
        return self.bucket.level if self.verdict is Verdict.FAIL else Level.MUST

    @property
    def impact(self) -> Impact:
        """What is at risk."""
        if self.verdict not in (Verdict.FAIL, Verdict.INFRA):
            return Impact.STABILITY
        return ORACLES[self.oracle].impact if self.oracle in ORACLES else Impact.INTEROPERABILITY

    @property
    def finished(self) -> bool:
        return self.stage not in UNFINISHED

    @property
    def again(self) -> bool:
        """Whether the small program failed when it was run again, so that there is a test."""
        return self.is_shrunk and self.confirmed > 0

    @property
    def follows(self) -> tuple[str, ...]:
        """The known failures that precede it in its small program, and without which it was not seen to happen."""
        return self.program.setup.excused if self.is_shrunk else ()

    def is_of(self, failure: Bucket) -> bool:
        """Whether a failure counts as one more example of this finding, without a closer look."""
        return self.is_shrunk and (failure.shares_cause_with(self.bucket) or cause_in_words(failure) in self.aliases)

    @property
    def flaky(self) -> bool:
        """Whether it fails only sometimes, as far as is known."""
        return self.stage in (FindingStage.FLAKY, FindingStage.ONCE) and self.verdict is not Verdict.INFRA

    @property
    def transcript(self) -> Path:
        """The file with a run that fails, relative to the campaign's folder."""
        return Path(self.name, TRANSCRIPT)

    @property
    def test(self) -> Path | None:
        """The test file, relative to the campaign's folder; None unless the small program failed again."""
        return Path(self.name, test_name(self.name)) if self.again else None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that every finished finding has, relative to the campaign's folder."""
        return (self.transcript, Path(self.name, RECORD), *([self.test] if self.test is not None else []))


def test_name(name: str) -> str:
    """The name of the test file of a finding of that name."""
    return f"test_{name.replace('-', '_')}.py"


def severity(finding: Finding) -> tuple[int, int, int, str]:
    """The order in which findings are listed: by level, by what is at risk, and by how many programs ran into them."""
    return list(Level).index(finding.level), list(Impact).index(finding.impact), -finding.examples, finding.name


@dataclass(frozen=True, slots=True)
class State:
    """A moment of a campaign. done: how many programs have been run, from number 0 on.

    waiting: the failure of the last program, if it has not been handled yet. not_kept: how many failures were dropped
    because there were too many findings. seen: the behaviour shown so far, and the first program that showed it. known:
    how many programs ran into each known failure. schedule: what the next programs depend on. edges: whether edges of
    the target's code count as behaviour.
    """

    done: int = 0
    waiting: Failure | None = None
    findings: tuple[Finding, ...] = ()
    not_kept: int = 0
    seen: Mapping[Behaviour, int] = field(default_factory=dict)
    known: Mapping[str, int] = field(default_factory=dict)
    schedule: Schedule = field(default_factory=Schedule)
    edges: bool = False

    def after(
        self,
        number: int,
        failure: Failure | None,
        seen: Mapping[Behaviour, int],
        known: Iterable[str],
        parents: Parents = (),
    ) -> State:
        """The state after one more program.

        seen: the behaviour it has shown, and after how many moves. known: the excuses it needed. parents: what it was
        made from.
        """
        unseen = sorted(one for one in seen if one not in self.seen)
        new = dict.fromkeys(self._remembered(unseen) if unseen else (), number)
        counted = frozenset(one for one in seen if one in self.seen or one in new)
        places = tuple(seen[one] for one in new)
        result = Result(parents, counted, tuple(new), places) if failure is None else Result(parents, counted)
        met = {one: self.known.get(one, 0) + 1 for one in sorted(known)}
        return replace(
            self,
            done=number + 1,
            waiting=failure,
            seen={**self.seen, **new} if new else self.seen,
            known={**self.known, **met} if met else self.known,
            schedule=self.schedule.after(result),
        )

    def _remembered(self, unseen: Sequence[Behaviour]) -> list[Behaviour]:
        """The part of the unseen behaviour that is remembered; there is one limit for edges and one for the rest."""
        edges = sum(area is Area.EDGE for area, _ in self.seen)
        left = {True: MOST_EDGES - edges, False: MOST_SEEN - (len(self.seen) - edges)}
        kept = []
        for one in unseen:
            is_edge = one[0] is Area.EDGE
            if left[is_edge] > 0:
                left[is_edge] -= 1
                kept.append(one)
        return kept

    @property
    def newest(self) -> int:
        """How many programs had been run when new behaviour was last seen."""
        return max(self.seen.values(), default=-1) + 1

    def with_finding(self, finding: Finding) -> State:
        """The state with a finding in place of the one of its name. A new one takes the waiting failure's place."""
        if any(one.name == finding.name for one in self.findings):
            return replace(self, findings=self._with(finding))
        return replace(self, findings=(*self.findings, finding), waiting=None)

    def without(self, finding: Finding, known: Finding) -> State:
        """The state without a finding that has the cause of a known one, which gets its examples."""
        aliases = tuple(dict.fromkeys([*known.aliases, cause_in_words(finding.bucket)]))[:MOST_ALIASES]
        more = replace(known, examples=known.examples + finding.examples, aliases=aliases)
        return replace(self, findings=tuple(one for one in self._with(more) if one.name != finding.name))

    def _with(self, finding: Finding) -> tuple[Finding, ...]:
        return tuple(finding if one.name == finding.name else one for one in self.findings)

    def counted(self, known: Finding | None) -> State:
        """The state with the waiting failure counted as one more example of a finding, or as not kept."""
        later = replace(self, waiting=None)
        if known is None:
            return replace(later, not_kept=self.not_kept + 1)
        return replace(later, findings=self._with(replace(known, examples=known.examples + 1)))

    def counted_as_known(self, excuse: str) -> State:
        """The state with one more program that ran into a failure covered by an excuse."""
        return replace(self, known={**self.known, excuse: self.known.get(excuse, 0) + 1})

    def next_name(self, check: str) -> str:
        """The name of the next finding of a check: counters-not-higher, and counters-not-higher-2 if that is taken."""
        return next_name(check, {one.name for one in self.findings})


#: The most causes remembered that turned out to be the same as a finding's.
MOST_ALIASES = 20


def cause_in_words(bucket: Bucket) -> str:
    """The cause of a bucket's failures, as text."""
    return ": ".join(filter(None, bucket.cause))


def next_name(check: str, taken: Collection[str]) -> str:
    """A name that is not taken, made from the id of a check; it is safe as the name of a file."""
    first = re.sub(r"[^a-z0-9]+", "-", check.lower()).strip("-")
    names = chain([first], (f"{first}-{number}" for number in count(2)))
    return next(name for name in names if name not in taken)


# ---- as values of JSON -----------------------------------------------------------------------------------------------


def as_json(state: State, target: str, version: str, seed: str) -> dict[str, Any]:
    """All that is known of a campaign. version: of the target."""
    return {
        "version": VERSION,
        "target": target,
        "target_version": version,
        "seed": seed,
        "edges": state.edges,
        "done": state.done,
        "not_kept": state.not_kept,
        "waiting": None if state.waiting is None else failure_to_json(state.waiting),
        "findings": [finding_to_json(one) for one in state.findings],
        "seen": [[area.value, name, first] for (area, name), first in state.seen.items()],
        "known": dict(state.known),
        "schedule": schedule_to_json(state.schedule, state.seen),
    }


def failure_to_json(failure: Failure) -> dict[str, Any]:
    """The waiting failure."""
    written: dict[str, Any] = {"oracle": failure.oracle, "verdict": failure.verdict.value}
    written |= {"bucket": asdict(failure.bucket), "detail": failure.detail}
    return written | {"at_end": failure.at_end, "made": failure.made, "stderr": failure.stderr}


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """A finding, without the names of its files, which follow from its own."""
    written: dict[str, Any] = {"name": finding.name, "stage": finding.stage.value, "oracle": finding.oracle}
    written |= {"verdict": finding.verdict.value, "bucket": asdict(finding.bucket), "detail": finding.detail}
    written |= {"at_end": finding.at_end, "first": finding.first, "small": finding.is_shrunk}
    written |= {"examples": finding.examples, "confirmed": finding.confirmed, "runs": finding.runs}
    written |= {"others": list(finding.others), "aliases": list(finding.aliases), "stderr": finding.stderr}
    return written | {"program": program_to_json(finding.program)}


def state_of(written: Any) -> State:
    """The state in values of JSON. ValueError if they do not fit the schema, or contradict each other."""
    error = next(_validator().iter_errors(written), None)
    if error is not None:
        raise ValueError(f"{error.json_path.removeprefix('$.')}: {error.message:.200}")
    waiting = written["waiting"]
    if waiting is not None:
        if not written["done"]:
            raise ValueError("waiting: there is a failure, but no program has been run")
        bucket = Bucket(**waiting["bucket"])
        waiting = Failure(**{**waiting, "verdict": Verdict(waiting["verdict"]), "bucket": bucket})
    findings = tuple(_finding(one, written["done"]) for one in written["findings"])
    taken: set[str] = set()
    for one in findings:
        if one.name != (right := next_name(one.check, taken)):
            raise ValueError(f"findings: {one.name} is a finding of {one.check}, and must have the name {right}")
        taken.add(one.name)
    seen = {(Area(area), name): first for area, name, first in written["seen"]}
    if any(first >= written["done"] for first in seen.values()):
        raise ValueError(f"seen: only {written['done']} programs have been run")
    if not written["edges"] and any(area is Area.EDGE for area, _ in seen):
        raise ValueError("seen: there are edges, and they do not count in this campaign")
    schedule = schedule_from_json(written["schedule"], written["done"], seen)
    edges = written["edges"]
    return State(written["done"], waiting, findings, written["not_kept"], seen, written["known"], schedule, edges)


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    known = json.loads(TRANSCRIPT_SCHEMA.read_text(encoding="utf-8"))["$defs"]
    schema["$defs"] |= {
        **known,
        "program": known["header"]["properties"]["program"],
        "oracle": {"enum": [*ORACLES, ENGINES_AGREE]},
        "judgement": {"enum": [one.value for one in Verdict]},
    }
    return Draft202012Validator(schema)


def _finding(written: Mapping[str, Any], done: int) -> Finding:
    try:
        program = program_from_json(written["program"], None)
    except TranscriptError as error:
        raise ValueError(f"{written['name']}: {error}") from error
    finding = Finding(
        written["name"],
        FindingStage(written["stage"]),
        written["oracle"],
        Verdict(written["verdict"]),
        Bucket(**written["bucket"]),
        written["detail"],
        written["at_end"],
        written["first"],
        program,
        written["small"],
        written["examples"],
        written["confirmed"],
        written["runs"],
        tuple(written["others"]),
        tuple(written["aliases"]),
        written.get("stderr", ""),  # campaigns of earlier versions have none
    )
    if finding.first >= done:
        raise ValueError(f"{finding.name}: first is {finding.first}, and only {done} programs have been run")
    if finding.confirmed > finding.runs:
        raise ValueError(f"{finding.name}: {finding.confirmed} of {finding.runs} runs can't have failed")
    if not finding.finished and finding.runs:
        raise ValueError(f"{finding.name}: it is {finding.stage.value}, and was run again {finding.runs} times")
    if finding.stage is FindingStage.CONFIRMED and not finding.again:
        raise ValueError(f"{finding.name}: it is confirmed, and no run of a small program has failed")
    return finding
