"""What campaigns make of the faults of the catalogue: whether a fault is found, as how many findings, and how large.

One fault is one mistake, so it should be one finding. Each fault of a sample is fuzzed in its own campaign of a given
number of programs, against the engine alone, in a folder that is removed afterwards. The results hold for that sample
and that number of programs: more programs find more faults, and may make more findings of one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from otterproof.harness.runs.faults.detect import Lost, results
from otterproof.harness.runs.fuzz.campaign import opened
from otterproof.harness.runs.fuzz.shrink import is_adversarial
from otterproof.harness.runs.fuzz.state import Finding
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import Pool
from otterproof.harness.targets.faults.entries import Fault
from otterproof.harness.targets.faults.target import PREFIX

#: The seed of the campaigns.
SEED = "faults"


@dataclass(frozen=True, slots=True)
class FindingSize:
    """A finding: its bucket, the number of moves of its program, and how many of them are the adversary's."""

    bucket: str
    moves: int
    adversarial: int


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """What a campaign made of a fault. first: how many programs were run until it was found, 0 if it was not."""

    fault: str
    first: int
    findings: tuple[FindingSize, ...]


@dataclass(slots=True)
class Fuzzing:
    """What campaigns have made of faults so far. programs: of each campaign. every: how many faults exist."""

    faults: Mapping[str, Fault]
    programs: int
    every: int
    fuzzed: dict[str, Fuzzed] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)

    @property
    def found(self) -> list[Fuzzed]:
        """The faults that were found, in the order of the catalogue."""
        return [one for name in self.faults if (one := self.fuzzed.get(name)) is not None and one.findings]

    @property
    def counts(self) -> list[int]:
        """How many findings each found fault has, in rising order."""
        return sorted(len(one.findings) for one in self.found)

    @property
    def adversarial(self) -> list[int]:
        """How many adversarial moves each finding has, in rising order."""
        return sorted(finding.adversarial for one in self.found for finding in one.findings)

    def as_json(self) -> dict[str, Any]:
        """The figures, and the result for each fault, as plain values."""
        return {
            "faults": self.every,
            "judged": len(self.fuzzed),
            "programs": self.programs,
            "found": len(self.found),
            "findings_median": median(self.counts or [0]),
            "findings_95_percent": share_of(self.counts),
            "adversarial_moves_median": median(self.adversarial or [0]),
            "fuzzed": [asdict(self.fuzzed[name]) for name in self.faults if name in self.fuzzed],
            "lost": [str(one) for one in self.lost],
        }


def share_of(numbers: Sequence[int], percent: int = 95) -> int:
    """The number that so many percent of some numbers, given in rising order, do not exceed; 0 without numbers."""
    return numbers[-(-len(numbers) * percent // 100) - 1] if numbers else 0


def choose(chosen: Mapping[str, Fault], programs: int, sample: int | None = None) -> Fuzzing:
    """An empty record for some faults, or for a sample of them, taken evenly from all areas of the catalogue."""
    return Fuzzing({name: chosen[name] for name in evenly(chosen, sample)}, programs, len(chosen))


def evenly(chosen: Collection[str], sample: int | None) -> list[str]:
    """A sample of some faults, taken evenly from all areas of the catalogue; all of them if `sample` is None."""
    names = list(chosen)
    if sample is None or sample >= len(names):
        return names
    return [names[number * len(names) // sample] for number in range(sample)]


def fuzz(record: Fuzzing, pool: Pool) -> Iterator[str]:
    """Run the campaigns in a pool of processes; yields the names of the faults as they are done."""
    tasks = [(name, record.programs) for name in record.faults]
    for found in results(pool, _campaign, tasks, record.lost):
        record.fuzzed[found.fault] = found
        yield found.fault


# ---- in the worker processes ----------------------------------------------------------------------------------------


def _campaign(_: WorkerContext, task: tuple[str, int]) -> Fuzzed:
    name, programs = task
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(PREFIX + name, SEED, Path(folder)) as campaign,
        closing(campaign.run(programs, 1)) as run,
    ):
        for _event in run:
            pass
        findings = campaign.findings
    first = min((one.first + 1 for one in findings), default=0)
    return Fuzzed(name, first, tuple(map(_size_of, findings)))


def _size_of(finding: Finding) -> FindingSize:
    moves = finding.program.moves
    return FindingSize(str(finding.bucket), len(moves), sum(map(is_adversarial, moves)))
