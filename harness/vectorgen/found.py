"""Vectors from findings, of fuzzing or of any other recorded run: one command makes them.

From a transcript, what one party was given is kept: its configuration, its randomness and its inputs, as a JSON file in
the folder `found`. `found.json` is made from these files like every other kind, by either engine.

A transcript of fuzzing contains the program of moves that made the run. The program is run again with the engines in
place of the target, because the target's keys are not ours. Without a program the inputs are taken as recorded, which
only makes sense if the party drew its randomness the way engines do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from otterproof.harness.runs.fuzz.execute import Watched, attempt
from otterproof.harness.runs.fuzz.serialize import program_from_json
from otterproof.harness.simulation.transcript import Header, Transcript, TranscriptError
from otterproof.harness.simulation.world import Step as WorldStep
from otterproof.harness.spec.requirements import load as load_requirements
from otterproof.harness.support.inputs import LIMITS, InputError, parse_json, read_input
from otterproof.harness.targets.engines import ENGINES, EngineTarget
from otterproof.harness.targets.faults.target import PREFIX
from otterproof.harness.vectorgen.builder import FileBuilder
from otterproof.harness.vectorgen.client_session import Step, party_fields, reaction, seen, state
from otterproof.harness.vectorgen.play_builder import ClaimError, steps_fields, tape_fields
from otterproof.implementations.actions import args_from_json, args_to_json, perform
from otterproof.implementations.contract import Entropy, OtrError
from otterproof.implementations.entropy import RecordingEntropy, Tape, entropy_of
from otterproof.implementations.jsonform import config_from_json, config_to_json
from otterproof.implementations.reference import ReferenceEngine
from otterproof.vectors import Case, Fields, Group, Outcome

#: Where the source files are.
FOLDER = Path(__file__).parent / "found"

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class AddError(Exception):
    """A transcript that can't be made into a vector, or an invalid request."""


@dataclass(frozen=True, slots=True)
class Found:
    """A case that was found. entropy: the seed, and the name under which the party's randomness is derived from it.

    tape: draws that do not follow from these, as label, index and value.
    """

    name: str
    comment: str
    requirements: tuple[str, ...]
    reaction: str
    entropy: tuple[str, str]
    config: Mapping[str, Any]
    steps: tuple[Mapping[str, Any], ...]
    tape: tuple[tuple[str, int, str], ...] = ()

    @property
    def source(self) -> Entropy:
        """The party's source of randomness. ValueError for a value that is not hexadecimal."""
        seed, name = self.entropy
        tape = {(label, index): bytes.fromhex(value) for label, index, value in self.tape}
        return entropy_of(name, bytes.fromhex(seed), tape)

    def to_json(self) -> str:
        left_out = {"name"} if self.tape else {"name", "tape"}
        fields = {name: getattr(self, name) for name in self.__slots__ if name not in left_out}
        return json.dumps(fields, indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Found:
        """ClaimError if the file is not in the form that `to_json` writes."""
        try:
            given = parse_json(read_input(path, limit=LIMITS["found case"], what="a found case"))
            lists: dict[str, Any] = {name: tuple(given[name]) for name in ("requirements", "entropy", "steps")}
            lists["tape"] = tuple((str(label), int(at), str(value)) for label, at, value in given.get("tape", ()))
            return cls(path.stem, **{**given, **lists})
        except (InputError, ValueError, TypeError, KeyError) as error:
            raise ClaimError(f"{path}: this is not a found case: {error}") from error


def found(file: FileBuilder, folder: Path = FOLDER) -> None:
    """All cases that were found, each in its own group."""
    for path in sorted(folder.glob("*.json")):
        _write(file, Found.read(path))


def _write(file: FileBuilder, case: Found) -> None:
    made = config_from_json(case.config)
    entropy = RecordingEntropy(case.source)
    engine = file.engine(made, entropy)
    steps: list[Step] = []
    before = engine.inspect()
    for given in case.steps:
        before = engine.inspect()
        if "time" in given:
            engine.set_time(given["time"])
        args = args_from_json(given["action"], given["args"])
        steps.append(Step(given.get("time"), given["action"], args, perform(engine, given["action"], args)))
    told, reason = reaction(steps[-1].events)
    if told != case.reaction:
        raise ClaimError(
            f"found.{case.name}: it was {case.reaction or 'valid'} when it was added, and is {told or 'valid'}"
        )
    after = engine.inspect()
    expect: dict[str, Any] = {"reason": reason} if told and reason else {}
    expect |= {**seen(steps[-1].events), "unchanged": before == after}
    if before != after:
        expect["state"] = state(after)
    group = f"{file.kind}.{case.name}"
    fields = {
        "party": party_fields(made),
        "entropy": tape_fields(entropy),
        "prefix": steps_fields(steps[:-1]),
    }
    last = Fields({"steps": steps_fields(steps[-1:])})
    written = Case(
        f"{group}.last",
        case.comment,
        case.requirements,
        ("Found",),
        last,
        {"": Outcome(not told, told, Fields(expect))},
    )
    file.written(Group(group, f"{case.comment}; its last step", "play", Fields(fields), (written,)))


# ---- adding ----------------------------------------------------------------------------------------------------------


def add(
    transcript: Transcript,
    name: str,
    comment: str,
    requirements: Sequence[str],
    *,
    party: str | None = None,
    last: int | None = None,
) -> Found:
    """Make a case from a transcript. party: whose inputs; default: the judged one. last: keep only this many inputs.

    AddError.
    """
    if not _NAME.fullmatch(name):
        raise AddError(f"the name {name!r} has not the form: lower-case letters, digits, and hyphens between")
    if not comment.strip():
        raise AddError("say what is special about the case: --comment TEXT")
    unknown = [one for one in requirements if one not in load_requirements().requirements] or ["none given"]
    if unknown != ["none given"] or not requirements:
        told = f"unknown: {', '.join(unknown)}"
        raise AddError(f"name requirements that it shows, as in docs/reference/requirements.md; {told}")
    header = transcript.header
    whose = party or header.judged
    if whose not in header.parties:
        raise AddError(f"no party {whose!r} in the transcript; there are {', '.join(header.parties)}")
    if header.program is not None:
        inputs, tape = _again(header, whose)
    else:
        inputs, tape = _recorded(transcript, whose), header.parties[whose].tape
    inputs = inputs[:last]
    if not inputs:
        raise AddError(f"{whose} was given nothing, so there is nothing to judge")
    config = header.parties[whose].config
    drawn = (header.seed.hex(), whose)
    drawn_before = tuple((label, index, value.hex()) for (label, index), value in sorted(tape.items()))
    case = Found(name, comment, tuple(requirements), "", drawn, config_to_json(config), tuple(inputs), drawn_before)
    return replace(case, reaction=_judged(case))


def _judged(case: Found) -> str:
    """The engine's reaction to the last input. AddError if the engine can't be given the inputs."""
    try:
        engine = ReferenceEngine(config_from_json(case.config), case.source)
        for given in case.steps:
            if "time" in given:
                engine.set_time(given["time"])
            events = perform(engine, given["action"], args_from_json(given["action"], given["args"]))
    except OtrError as error:
        raise AddError(f"the reference engine can't be given these inputs: {error}") from error
    return reaction(events)[0]


def _again(header: Header, whose: str) -> tuple[list[dict[str, Any]], Tape]:
    """A party's inputs when the program is run again with the engines, and the draws that the seed does not give."""
    if header.program is None:
        raise AddError("the transcript has no program")
    try:
        program = program_from_json(header.program, EngineTarget("reference"))
    except TranscriptError as error:
        raise AddError(f"the transcript's program can't be run: {error.problem}") from error
    steps: list[WorldStep] = []
    watched = Watched()
    failure = attempt(program, fresh=True, watch=steps.append, watched=watched)
    if failure is not None:
        raise AddError(f"the program fails with the engines, too: {failure.detail}; fix them first")
    inputs = _inputs([(step.now, step.action, step.args) for step in steps if step.party == whose])
    return inputs, watched.tapes.get(whose, {})


def _recorded(transcript: Transcript, whose: str) -> list[dict[str, Any]]:
    """A party's inputs as recorded."""
    player = transcript.header.parties[whose].target
    if player not in ENGINES and not player.startswith(PREFIX):
        raise AddError(
            f"{whose} was played by {player}, whose keys an engine does not have, and the transcript has no program to "
            "run again; give --party with a party that an engine played, or a transcript of `otterproof fuzz`"
        )
    return _inputs([(step.time, step.action, step.args) for step in transcript.steps() if step.party == whose])


def _inputs(steps: Sequence[tuple[int, str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Inputs in the form of a source file: the time is given only where it changes."""
    inputs, now = [], 0
    for time, action, args in steps:
        given = {key: value for key, value in args.items() if value is not None}
        step: dict[str, Any] = {"action": action, "args": args_to_json(action, given)}
        if time != now:
            now = step["time"] = time
        inputs.append(step)
    return inputs
