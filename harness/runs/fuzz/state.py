"""What a campaign has done and found, as it is kept in the campaign's own file.

A finding moves through stages, and the file always has the last one that was reached: FOUND, then SHRUNK, then one of
those in which nothing is left to do. A later run takes up what is unfinished. The whole state is one immutable value,
so that it is consistent whenever it is written, also when the program is interrupted.

The file may come from anybody. Every value is checked when it is read: the schema says what each one can be, and the
code here what must hold between them. The names of a finding's files follow from the finding's name, so that no file
outside the campaign's folder is ever written or removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from itertools import chain, count
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from otterproof.harness.judges.oracles import ORACLES
from otterproof.harness.runs.fuzz.execute import AGREE, Failure
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.serialize import program_from_json, program_to_json
from otterproof.harness.simulation.transcript import SCHEMA as TRANSCRIPT_SCHEMA
from otterproof.harness.simulation.transcript import TranscriptError, Verdict
from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.exits import USAGE
from otterproof.harness.support.inputs import LIMITS, parse_json, read_input
from otterproof.harness.support.printable import printable

#: The campaign's own file in its folder.
STATE = "campaign.json"

FORMAT = "otterproof-campaign"
VERSION = 2
SCHEMA = Path(__file__).parent / "campaign.schema.json"


class CampaignError(CommandError, ValueError):
    """The folder can't be used for this campaign."""

    exit_code = USAGE


class FindingStage(Enum):
    """How far a finding has got."""

    #: Its transcript has the program that failed. Next: shrink it.
    FOUND = "found"
    #: The smallest program is known. Next: run it again, and write its transcript and its test.
    SHRUNK = "shrunk"
    #: The smallest program failed again in the same way; there are a transcript and a test.
    CONFIRMED = "confirmed"
    #: The smallest program failed while it was looked for, but not when it was run again.
    UNCONFIRMED = "unconfirmed"
    #: The program that failed was not shrunk: it did not fail again, or the failure is Otterproof's or the machine's.
    ONCE = "once"


#: The stages in which something is left to do.
UNFINISHED = frozenset({FindingStage.FOUND, FindingStage.SHRUNK})


@dataclass(frozen=True, slots=True)
class Finding:
    """A failure that was found. first: the number of the first program that ran into it; examples: how many did.

    oracle, check, at_end: see Failure. program: the smallest one known that shows it; it has no target. confirmed: how
    many runs of the shrunk program failed in the same way.
    """

    name: str
    stage: FindingStage
    oracle: str
    verdict: Verdict
    check: str
    detail: str
    at_end: bool
    first: int
    program: Program
    examples: int = 1
    confirmed: int = 0

    @property
    def finished(self) -> bool:
        return self.stage not in UNFINISHED

    @property
    def shrunk(self) -> bool:
        """Whether the program is the result of shrinking."""
        return self.stage not in (FindingStage.FOUND, FindingStage.ONCE)

    @property
    def transcript(self) -> str:
        """The name of the file with a run that fails."""
        return f"{self.name}.jsonl"

    @property
    def test(self) -> str:
        """The name of the test file, "" if there is none: it is written when the finding is confirmed."""
        return test_name(self.name) if self.stage is FindingStage.CONFIRMED else ""


def test_name(name: str) -> str:
    """The name of the test file of a finding of that name."""
    return f"test_{name.replace('-', '_')}.py"


@dataclass(frozen=True, slots=True)
class State:
    """A moment of a campaign. done: how many programs have been run, from number 0 on.

    waiting: failures of the last of them that nothing has been done about yet. not_kept: how many failures were not
    kept because there were too many findings.
    """

    done: int = 0
    waiting: tuple[Failure, ...] = ()
    findings: tuple[Finding, ...] = ()
    not_kept: int = 0

    def with_finding(self, finding: Finding) -> State:
        """With a finding in place of the one of its name. A new one takes the first waiting failure's place."""
        if any(one.name == finding.name for one in self.findings):
            return replace(self, findings=self._with(finding))
        return replace(self, findings=(*self.findings, finding), waiting=self.waiting[1:])

    def without(self, finding: Finding, known: Finding) -> State:
        """Without a finding that is the same as a known one, which gets its examples."""
        more = replace(known, examples=known.examples + finding.examples)
        return replace(self, findings=tuple(one for one in self._with(more) if one.name != finding.name))

    def _with(self, finding: Finding) -> tuple[Finding, ...]:
        return tuple(finding if one.name == finding.name else one for one in self.findings)

    def counted(self, known: Finding | None) -> State:
        """With the first waiting failure counted as one more example of a known finding, or as not kept."""
        later = replace(self, waiting=self.waiting[1:])
        if known is None:
            return replace(later, not_kept=self.not_kept + 1)
        return replace(later, findings=self._with(replace(known, examples=known.examples + 1)))

    def next_name(self, check: str) -> str:
        """The name of the next finding of a check: counters-not-higher, and counters-not-higher-2 if that is taken."""
        return next_name(check, {one.name for one in self.findings})


def next_name(check: str, taken: Collection[str]) -> str:
    """A name that is not taken, made of the id of a check; it is a name for a file, and no other character is in it."""
    first = re.sub(r"[^a-z0-9]+", "-", check).strip("-")
    names = chain([first], (f"{first}-{number}" for number in count(2)))
    return next(name for name in names if name not in taken)


# ---- the file --------------------------------------------------------------------------------------------------------


def as_json(state: State, target: str, version: str, seed: str) -> str:
    """What the campaign's file has in it. version: of the target."""
    content: dict[str, Any] = {"format": FORMAT, "version": VERSION, "target": target, "target_version": version}
    content |= {"seed": seed, "done": state.done, "not_kept": state.not_kept}
    content["waiting"] = [_failure_to_json(one) for one in state.waiting]
    content["findings"] = [_finding_to_json(one) for one in state.findings]
    return json.dumps(content, indent=1) + "\n"


def _failure_to_json(failure: Failure) -> dict[str, Any]:
    written: dict[str, Any] = {"oracle": failure.oracle, "verdict": failure.verdict.value, "check": failure.check}
    return written | {"detail": failure.detail, "at_end": failure.at_end, "made": failure.made}


def _finding_to_json(finding: Finding) -> dict[str, Any]:
    written: dict[str, Any] = {"name": finding.name, "state": finding.stage.value, "oracle": finding.oracle}
    written |= {"verdict": finding.verdict.value, "check": finding.check, "detail": finding.detail}
    written |= {"at_end": finding.at_end, "first": finding.first, "examples": finding.examples}
    written |= {"confirmed": finding.confirmed, "transcript": finding.transcript, "test": finding.test}
    return written | {"program": program_to_json(finding.program)}


def read_state(folder: Path, target: str, seed: str) -> State:
    """The state of the campaign in a folder; the first one if there is none.

    CampaignError when the file is of another campaign or of none, InputError when it is no file that can be read.
    """
    path = folder / STATE
    if not path.is_symlink() and not path.exists():
        return State()
    data = read_input(path, limit=LIMITS["campaign"], what="a campaign file")
    try:
        written = parse_json(data, whole=True)
        _check_format(written)
        state = _state(written)
    except ValueError as error:
        why = printable(str(error))[:300]
        raise CampaignError(f"{printable(str(path))} can't be used: {why}; name another folder with --out") from error
    if (written["target"], written["seed"]) != (target, seed):
        raise CampaignError(
            f"{printable(str(folder))} has a campaign against {printable(written['target'])[:200]} with seed "
            f"{printable(written['seed'])[:200]!r}; name another folder with --out"
        )
    return state


def _check_format(written: object) -> None:
    if not isinstance(written, dict) or written.get("format") != FORMAT:
        raise ValueError(
            f'it has no "format": "{FORMAT}", so it is not a campaign file, or one of an earlier version of Otterproof'
        )
    if written.get("version") == 1:
        raise ValueError(
            "it was written by an earlier version of Otterproof, in which failures had no ids, and that campaign can't "
            "be resumed; begin a new one"
        )
    if type(written.get("version")) is not int or written["version"] != VERSION:
        raise ValueError(
            f"it has version {written.get('version')!r:.40} of the format, and this version of Otterproof knows only "
            f"version {VERSION}"
        )
    error = next(_validator().iter_errors(written), None)
    if error is not None:
        raise ValueError(f"{error.json_path.removeprefix('$.')}: {error.message:.200}")


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    known = json.loads(TRANSCRIPT_SCHEMA.read_text(encoding="utf-8"))["$defs"]
    schema["$defs"] = {
        **known,
        "program": known["header"]["properties"]["program"],
        "oracle": {"enum": [*ORACLES, AGREE]},
        "check": {"type": "string", "pattern": "^[a-z][a-z0-9_.-]*$", "maxLength": 100},
        "judgement": {"enum": [one.value for one in Verdict]},
    }
    return Draft202012Validator(schema)


def _state(written: Mapping[str, Any]) -> State:
    """The state in a file that fits the schema. ValueError when something does not hold between its values."""
    waiting = tuple(Failure(**{**one, "verdict": Verdict(one["verdict"])}) for one in written["waiting"])
    findings = tuple(_finding(one, written["done"]) for one in written["findings"])
    if waiting and not written["done"]:
        raise ValueError("waiting: there are failures, but no program has been run")
    taken: set[str] = set()
    for one in findings:
        if one.name != (right := next_name(one.check, taken)):
            raise ValueError(f"findings: {one.name} is a finding of {one.check}, and must have the name {right}")
        taken.add(one.name)
    return State(written["done"], waiting, findings, written["not_kept"])


def _finding(written: Mapping[str, Any], done: int) -> Finding:
    try:
        program = program_from_json(written["program"], None)
    except TranscriptError as error:
        raise ValueError(f"{written['name']}: {error}") from error
    finding = Finding(
        written["name"],
        FindingStage(written["state"]),
        written["oracle"],
        Verdict(written["verdict"]),
        written["check"],
        written["detail"],
        written["at_end"],
        written["first"],
        program,
        written["examples"],
        written["confirmed"],
    )
    for name in ("transcript", "test"):
        derived = getattr(finding, name)
        if written[name] != derived:
            raise ValueError(f"{finding.name}: {name} is {written[name]!r:.80}, and must be {derived!r:.80}")
    if finding.first >= done:
        raise ValueError(f"{finding.name}: first is {finding.first}, and only {done} programs have been run")
    if (finding.confirmed > 0) is not (finding.stage is FindingStage.CONFIRMED):
        raise ValueError(f"{finding.name}: it is {finding.stage.value}, and was confirmed {finding.confirmed} times")
    return finding
