"""How many programs `fuzz` needs until it notices a fault, with and without the schedule that learns from results.

Each fault is fuzzed under several seeds: the programs of a campaign are run until one fails, or until a limit is
reached. Nothing is shrunk, for what counts is when the fault is noticed. A fault that is not noticed counts as one that
takes longer than any other. Seconds are those of a processor.

A fault is judged by the oracles alone, as a third party's implementation would be, so what is measured is programs and
oracles together; or in lockstep with a genuine engine, which differs as soon as a program brings the fault about, so
what is measured is the programs.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from otterproof.harness.runs.faults.detect import Lost, results
from otterproof.harness.runs.faults.fuzzed import evenly
from otterproof.harness.runs.faults.sightings_file import sources
from otterproof.harness.runs.fuzz.execute import Watched, attempt
from otterproof.harness.runs.fuzz.schedule import Programs
from otterproof.harness.runs.fuzz.state import State
from otterproof.harness.runs.fuzz.workers import Drawing
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import Pool
from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.faults.entries import OBSERVERS, Fault
from otterproof.harness.targets.faults.target import ComparedFaultTarget, FaultTarget

#: After so many seconds no further program begins; what is not noticed by then is not noticed in a minute.
SECONDS = 60.0

#: A fault, a seed, and whether results decide what comes next.
Key = tuple[str, str, bool]


class DetectionFileError(CommandError, ValueError):
    """A file can't be gone on with. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """How long it took. programs: that were run, the one that failed included; 0 if none did. check: that failed."""

    programs: int
    seconds: float
    check: str = ""


def notice(target: Target, seed: str, most: int, *, feedback: bool, seconds: float = SECONDS) -> Noticed:
    """Run programs until one fails, `most` at most. feedback: whether what they show decides what comes next."""
    began = time.process_time()
    state = State()
    drawing = Drawing(seed, Programs(seed, target), lambda: state.schedule)
    for number in range(most):
        parents, program = drawing.drawn(number) if feedback else ((), drawing.fresh(number))
        watched = Watched()
        failure = attempt(program, watched=watched)
        taken = time.process_time() - began
        if failure is not None:
            return Noticed(number + 1, taken, failure.check)
        if taken >= seconds:
            break
        if feedback:
            state = state.after(number, None, watched.seen, (), parents)
    return Noticed(0, time.process_time() - began)


@dataclass(slots=True)
class Detection:
    """How faults are noticed, as far as it has come. most: programs of a run; every: faults that there are.

    lockstep: whether a genuine engine runs beside each.
    """

    faults: Mapping[str, Fault]
    seeds: tuple[str, ...]
    most: int
    every: int
    lockstep: bool = False
    found: dict[Key, Noticed] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)

    @property
    def wanted(self) -> list[Key]:
        """The runs that there are to be: both ways of a fault and a seed, one after the other."""
        return [(name, seed, way) for seed in self.seeds for name in self.faults for way in (True, False)]

    def of(self, *, feedback: bool) -> dict[Key, Noticed]:
        """The runs of one way, of the faults and seeds that have been run both ways."""
        return {
            key: self.found[key]
            for key in self.wanted
            if key[2] is feedback and all((*key[:2], way) in self.found for way in (True, False))
        }

    def median_programs(self, *, feedback: bool) -> float:
        """The median of programs until a fault is noticed; infinity when most are not noticed."""
        return median([one.programs or math.inf for one in self.of(feedback=feedback).values()] or [math.inf])

    def share(self, *, feedback: bool) -> float:
        """The share that is noticed within the limits."""
        ran = self.of(feedback=feedback).values()
        return sum(one.programs > 0 for one in ran) / len(ran) if ran else 0.0

    def shares(self, *, feedback: bool) -> dict[str, tuple[int, int]]:
        """By who can see a fault: runs in which it is noticed, and all."""
        ran = self.of(feedback=feedback)
        counts = {}
        for observer in OBSERVERS:
            those = [one for (name, _, _), one in ran.items() if self.faults[name].observer == observer]
            if those:
                counts[observer] = sum(one.programs > 0 for one in those), len(those)
        return counts

    @property
    def ratio(self) -> float | None:
        """The median with the schedule over the one without; None where most faults are not noticed at all."""
        ours, theirs = self.median_programs(feedback=True), self.median_programs(feedback=False)
        return None if math.isinf(ours) or math.isinf(theirs) else ours / theirs

    @property
    def unnoticed(self) -> list[str]:
        """The faults that are noticed in no run with the schedule."""
        ran = self.of(feedback=True)
        there = dict.fromkeys(name for name, _, _ in ran)
        return [name for name in there if not any(one.programs for key, one in ran.items() if key[0] == name)]

    def as_json(self) -> dict[str, Any]:
        """The figures, and each run, as plain values; a median that is not known is null."""

        def way(*, feedback: bool) -> dict[str, Any]:
            middle = self.median_programs(feedback=feedback)
            return {
                "programs_median": None if math.isinf(middle) else middle,
                "share": self.share(feedback=feedback),
                "by_observer": {name: list(pair) for name, pair in self.shares(feedback=feedback).items()},
            }

        return {
            "faults": self.every,
            "sample": len(self.faults),
            "seeds": list(self.seeds),
            "programs": self.most,
            "seconds": SECONDS,
            "lockstep": self.lockstep,
            "with_feedback": way(feedback=True),
            "without_feedback": way(feedback=False),
            "ratio": self.ratio,
            "unnoticed": self.unnoticed,
            "runs": [_run_as_json(key, self.found[key]) for key in self.wanted if key in self.found],
            "lost": [str(one) for one in self.lost],
        }


def choose(
    faults: Mapping[str, Fault], sample: int | None, seeds: int, most: int, *, lockstep: bool = False
) -> Detection:
    """An empty record for some of the faults, taken evenly from all areas, or for all of them."""
    every = tuple(str(number) for number in range(1, seeds + 1))
    return Detection({name: faults[name] for name in evenly(faults, sample)}, every, most, len(faults), lockstep)


def detect(record: Detection, pool: Pool) -> Iterator[str]:
    """Run what has not been run yet, with the processes of a pool; the names of the faults, as they come."""
    tasks = [
        (name, seed, way, record.most, record.lockstep)
        for name, seed, way in record.wanted
        if (name, seed, way) not in record.found
    ]
    for key, noticed in results(pool, _notice, tasks, record.lost):
        record.found[key] = noticed
        yield key[0]


def _notice(_: WorkerContext, task: tuple[str, str, bool, int, bool]) -> tuple[Key, Noticed]:
    name, seed, feedback, most, lockstep = task
    target = ComparedFaultTarget(name) if lockstep else FaultTarget(name)
    return (name, seed, feedback), notice(target, seed, most, feedback=feedback)


# ---- a file, so that a measurement can be interrupted


def _run_as_json(key: Key, noticed: Noticed) -> dict[str, Any]:
    name, seed, feedback = key
    return {"fault": name, "seed": seed, "feedback": feedback, **asdict(noticed)}


def read(path: Path, record: Detection) -> None:
    """Take over what a file has of a record's runs; nothing if it does not exist. DetectionFileError."""
    if not path.exists():
        return
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        written = content["sources"], content["programs"], content["lockstep"]
        found = {
            (str(one["fault"]), str(one["seed"]), bool(one["feedback"])): Noticed(
                int(one["programs"]), float(one["seconds"]), str(one["check"])
            )
            for one in content["runs"]
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DetectionFileError(f"{path} is no file of detection: {error!r:.200}; name another file") from error
    if written != (sources(), record.most, record.lockstep):
        raise DetectionFileError(
            f"{path} is of other sources, of another --programs, or of another judge (--lockstep); "
            "delete it to begin again"
        )
    wanted = set(record.wanted)
    record.found.update((key, one) for key, one in found.items() if key in wanted)


def kept(path: Path, record: Detection, stream: Iterable[str]) -> Iterator[str]:
    """The same stream; whenever one more run is there, all are written to a file. OutputError."""
    for one in stream:
        runs = [_run_as_json(key, noticed) for key, noticed in record.found.items()]
        content = {"sources": sources(), "programs": record.most, "lockstep": record.lockstep, "runs": runs}
        write_whole(path, json.dumps(content, indent=0) + "\n", durable=False)
        yield one
