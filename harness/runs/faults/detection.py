"""How many programs `fuzz` needs until it notices a fault, for several ways of drawing programs.

Each fault is fuzzed with several seeds: the programs of a campaign run until one fails, or until a limit is reached. A
fault that is not noticed counts as taking longer than any other. Seconds are processor time.

A fault can be judged by the oracles alone, as a third party's implementation would be; then programs and oracles are
measured together. Or it can be compared with a genuine engine, which answers otherwise as soon as a program brings the
fault about; then only the programs are measured. [brought_about.py]
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from otterproof.harness.runs.faults.brought_about import brought_about
from otterproof.harness.runs.faults.detect import Lost, results
from otterproof.harness.runs.faults.drawn import drawn
from otterproof.harness.runs.faults.fuzzed import evenly
from otterproof.harness.runs.faults.sightings_file import sources
from otterproof.harness.runs.faults.ways import Way
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import Pool
from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.faults.entries import OBSERVERS, Fault
from otterproof.harness.targets.faults.target import FaultTarget

#: No further program begins after this many seconds. A fault not noticed by then is not noticed within a minute.
SECONDS = 60.0

#: A fault, a seed, and the way in which programs are drawn.
Key = tuple[str, str, Way]


class DetectionFileError(CommandError, ValueError):
    """A file can't be resumed. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """How long it took to notice a fault. programs: how many were run, including the one that failed; 0 if none failed.

    check: the one that failed; "" if answers were compared instead of judged.
    """

    programs: int
    seconds: float
    check: str = ""


def notice(target: Target, seed: str, most: int, way: Way, seconds: float = SECONDS) -> Noticed:
    """Run at most `most` programs, until one fails."""
    began = time.process_time()
    for number, (program, watched) in enumerate(islice(drawn(target, seed, way), most), start=1):
        failure = attempt(program, watched=watched)
        taken = time.process_time() - began
        if failure is not None:
            return Noticed(number, taken, failure.check)
        if taken >= seconds:
            break
    return Noticed(0, time.process_time() - began)


@dataclass(slots=True)
class DetectionMeasurement:
    """How faults are noticed, as far as the measurement has got.

    most: programs of a run. every: how many faults exist. compared: whether answers are compared with a genuine
    engine's instead of judged.
    """

    faults: Mapping[str, Fault]
    seeds: tuple[str, ...]
    most: int
    every: int
    compared: bool = False
    ways: tuple[Way, ...] = tuple(Way)
    found: dict[Key, Noticed] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)

    @property
    def wanted(self) -> list[Key]:
        """All runs to be made; those of one fault and seed, in all ways, follow each other."""
        return [(name, seed, way) for seed in self.seeds for name in self.faults for way in self.ways]

    def of(self, way: Way) -> dict[Key, Noticed]:
        """The runs of one way, for the faults and seeds that have been run in all ways."""
        return {
            key: self.found[key]
            for key in self.wanted
            if key[2] is way and all((*key[:2], other) in self.found for other in self.ways)
        }

    def median_programs(self, way: Way) -> float:
        """The median number of programs until a fault is noticed; infinite if most are not noticed."""
        return median([one.programs or math.inf for one in self.of(way).values()] or [math.inf])

    def share(self, way: Way) -> float:
        """The share of runs in which a fault is noticed within the limits."""
        ran = self.of(way).values()
        return sum(one.programs > 0 for one in ran) / len(ran) if ran else 0.0

    def shares(self, way: Way) -> dict[str, tuple[int, int]]:
        """By who can see a fault: the number of runs in which it is noticed, and of all runs."""
        ran = self.of(way)
        counts = {}
        for observer in OBSERVERS:
            those = [one for (name, _, _), one in ran.items() if self.faults[name].observer == observer]
            if those:
                counts[observer] = sum(one.programs > 0 for one in those), len(those)
        return counts

    @property
    def ratio(self) -> float | None:
        """The median of `fuzz` over that of single acts; None if either is not known."""
        ours, theirs = self.median_programs(Way.FEEDBACK), self.median_programs(Way.SINGLE_ACTS)
        return None if math.isinf(ours) or math.isinf(theirs) else ours / theirs

    @property
    def unnoticed(self) -> list[str]:
        """The faults that no run in the way of `fuzz` notices."""
        ran = self.of(Way.FEEDBACK)
        there = dict.fromkeys(name for name, _, _ in ran)
        return [name for name in there if not any(one.programs for key, one in ran.items() if key[0] == name)]

    def as_json(self) -> dict[str, Any]:
        """The figures and each run, as plain values; a median that is not known is null."""

        def figures(way: Way) -> dict[str, Any]:
            middle = self.median_programs(way)
            return {
                "programs_median": None if math.isinf(middle) else middle,
                "share": self.share(way),
                "by_observer": {name: list(pair) for name, pair in self.shares(way).items()},
            }

        return {
            "faults": self.every,
            "sample": len(self.faults),
            "seeds": list(self.seeds),
            "programs": self.most,
            "seconds": SECONDS,
            "lockstep": self.compared,
            "ways": {str(way): figures(way) for way in self.ways},
            "ratio": self.ratio,
            "unnoticed": self.unnoticed,
            "runs": [_run_as_json(key, self.found[key]) for key in self.wanted if key in self.found],
            "lost": [str(one) for one in self.lost],
        }


def choose(
    faults: Mapping[str, Fault],
    sample: int | None,
    seeds: int,
    most: int,
    *,
    compared: bool = False,
    ways: Sequence[Way] = tuple(Way),
) -> DetectionMeasurement:
    """An empty record for a sample of the faults, taken evenly from all areas, or for all of them."""
    every = tuple(str(number) for number in range(1, seeds + 1))
    chosen = {name: faults[name] for name in evenly(faults, sample)}
    return DetectionMeasurement(chosen, every, most, len(faults), compared, tuple(ways))


def detect(record: DetectionMeasurement, pool: Pool) -> Iterator[str]:
    """Run what has not been run yet, in a pool of processes; yields what has been run, in words, as it comes."""
    missing = [key for key in record.wanted if key not in record.found]
    if not record.compared:
        for key, noticed in results(pool, _notice, [(*key, record.most) for key in missing], record.lost):
            record.found[key] = noticed
            yield key[0]
        return
    by_campaign: dict[tuple[str, Way], list[str]] = defaultdict(list)
    for name, seed, way in missing:
        by_campaign[seed, way].append(name)
    tasks = [(f"seed {seed}, {way}", seed, way, names, record.most) for (seed, way), names in by_campaign.items()]
    for words, found in results(pool, _compare, tasks, record.lost):
        record.found |= found
        yield words


def _notice(_: WorkerContext, task: tuple[str, str, Way, int]) -> tuple[Key, Noticed]:
    name, seed, way, most = task
    return (name, seed, way), notice(FaultTarget(name), seed, most, way)


def _compare(_: WorkerContext, task: tuple[str, str, Way, list[str], int]) -> tuple[str, dict[Key, Noticed]]:
    words, seed, way, names, most = task
    found: dict[Key, Noticed] = {(name, seed, way): Noticed(0, SECONDS) for name in names}
    for one in brought_about(names, seed, way, most, SECONDS):
        found[one.fault, seed, way] = Noticed(one.programs, one.seconds)
    return words, found


# ---- a file, so that a measurement can be interrupted


def _run_as_json(key: Key, noticed: Noticed) -> dict[str, Any]:
    name, seed, way = key
    return {"fault": name, "seed": seed, "way": str(way), **asdict(noticed)}


def read(path: Path, record: DetectionMeasurement) -> None:
    """Take over the runs of a record that a file has, if it exists. DetectionFileError."""
    if not path.exists():
        return
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        written = content["sources"], content["programs"], content["lockstep"]
        found = {
            (str(one["fault"]), str(one["seed"]), Way(one["way"])): Noticed(
                int(one["programs"]), float(one["seconds"]), str(one["check"])
            )
            for one in content["runs"]
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DetectionFileError(f"{path} is no file of detection: {error!r:.200}; name another file") from error
    if written != (sources(), record.most, record.compared):
        raise DetectionFileError(
            f"{path} is of other sources, of another --programs, or of another judge (--lockstep); "
            "delete it to begin again"
        )
    wanted = set(record.wanted)
    record.found.update((key, one) for key, one in found.items() if key in wanted)


def kept(path: Path, record: DetectionMeasurement, stream: Iterable[str]) -> Iterator[str]:
    """The same stream; after each item, all runs are written to a file. OutputError."""
    for one in stream:
        runs = [_run_as_json(key, noticed) for key, noticed in record.found.items()]
        content = {"sources": sources(), "programs": record.most, "lockstep": record.compared, "runs": runs}
        write_whole(path, json.dumps(content, indent=0) + "\n", durable=False)
        yield one
