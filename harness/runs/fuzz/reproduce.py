"""How a failure is kept: the transcript of a run in which it happens, and a test that fails until it is fixed."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.case import case_source
from otterproof.harness.runs.fuzz.execute import BREAKDOWN_ORACLE, ENGINES_AGREE, Failure, Watched, attempt
from otterproof.harness.runs.fuzz.folder import write_here
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.serialize import program_to_json
from otterproof.harness.runs.fuzz.shrink import Budget
from otterproof.harness.runs.fuzz.source import Source
from otterproof.harness.simulation.record import write_step
from otterproof.harness.simulation.transcript import Header, PartyInfo, TranscriptWriter, Verdict
from otterproof.harness.simulation.world import Step
from otterproof.harness.support.printable import printable
from otterproof.implementations.entropy import Tape

#: Plays the parties that are not judged.
PEER = "reference"

#: The profile of a campaign's transcripts.
PROFILE = "fuzz"

#: The public name of what makes a case in a test.
MAKER = "pytest_case"

#: The detail in the transcript of a run that passed.
NOT_AGAIN = "it failed in the campaign, and did not when it was run again"


def narrowed(program: Program, objecting: str, at_end: bool) -> Program:
    """The program, judged only by the oracle that objected, so that other mistakes of the target do not interfere."""
    oracle = BREAKDOWN_ORACLE if objecting == ENGINES_AGREE else objecting
    oracles = tuple(dict.fromkeys([oracle, "healing"] if at_end else [oracle]))
    return replace(program, setup=replace(program.setup, oracles=oracles))


def header_of(program: Program, tapes: Mapping[str, Tape] | None = None) -> Header:
    """The header of a program's transcript. tapes: what parties drew that does not follow from the program's seed."""
    told = tapes or {}
    setup = program.setup
    target = setup.target.name if setup.target is not None else PEER
    parties = {
        name: PartyInfo(target if name == setup.role else PEER, config, told.get(name, {}))
        for name, config in setup.configs().items()
    }
    return Header(program.setup.seed, parties, PROFILE, judged=setup.role, program=program_to_json(program))


def write_transcript(
    path: Path,
    program: Program,
    verdict: Verdict,
    detail: str,
    steps: Sequence[Step] = (),
    tapes: Mapping[str, Tape] | None = None,
) -> None:
    """Write the transcript of a run, whole or not at all. tapes: as for `header_of`. OutputError."""
    content = io.StringIO()
    writer = TranscriptWriter(content, header_of(program, tapes))
    for step in steps:
        write_step(writer, step)
    writer.verdict(verdict, detail)
    write_here(path, content.getvalue())


def run_and_write(path: Path, program: Program) -> Failure | None:
    """Run a program from the very beginning, and write the transcript; returns what failed."""
    steps: list[Step] = []
    watched = Watched()
    failure = attempt(program, fresh=True, watch=steps.append, watched=watched)
    verdict, detail = (Verdict.PASS, NOT_AGAIN) if failure is None else (failure.verdict, failure.detail)
    write_transcript(path, program, verdict, detail, steps, watched.tapes)
    return failure


def as_test(name: str, program: Program, failure: Failure, found: str, command: str | None = None) -> str:
    """A test file for pytest, which needs an installed otterproof and nothing else.

    found: where the failure comes from. command: exec:COMMAND, if the target is the user's own command.
    """
    setup = program.setup
    target = command or (setup.target.name if setup.target is not None else PEER)
    made = case_source(setup, f"target={target!r}, role={setup.role!r}", MAKER)
    source = Source(made, program.moves, MAKER)
    words = docstring(f"{found} Fails for as long as the target does this:\n\n{failure.detail}")
    return f"{words}\n\n{source.imports()}\n\ndef test_{name.replace('-', '_')}() -> None:\n{source.body('    ')}"


def docstring(text: str) -> str:
    """A docstring literal with this text, made printable. The text may come from the target, so from anybody.

    It can't end the literal early: every backslash is doubled, and every triple quote is escaped.
    """
    inside = printable(text, lines=True).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{inside}\n"""'


class FailsAlike:
    """Whether programs fail for the same cause, and no later. Attempts that hang are charged to the budget.

    sent: for each move of the last program that failed so, how many messages had been sent before it.
    """

    def __init__(self, bucket: Bucket, at_end: bool, budget: Budget) -> None:
        self._bucket, self._at_end, self._budget = bucket, at_end, budget
        self.sent: Sequence[int] = ()

    def __call__(self, program: Program) -> bool:
        """Whether a program does."""
        watched = Watched()
        again = attempt(program, watched=watched)
        if again is not None and again.verdict is Verdict.HANG:
            self._budget.hangs -= 1
        alike = again is not None and again.bucket.shares_cause_with(self._bucket) and again.at_end <= self._at_end
        if alike:
            self.sent = watched.sent
        return alike
