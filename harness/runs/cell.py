"""A cell of the matrix: two targets in a protocol version, and the results of their conversations."""

from __future__ import annotations

from dataclasses import dataclass

from otterproof.harness.runs.runner import Result
from otterproof.harness.simulation.transcript import Verdict


@dataclass(frozen=True, slots=True)
class Cell:
    """A pair of targets in a version, and the verdict of each scenario that both can take part in."""

    left: str
    right: str
    version: int
    results: tuple[Result, ...]

    @property
    def passed(self) -> int:
        return sum(result.verdict is Verdict.PASS for result in self.results)

    @property
    def label(self) -> str:
        return f"v{self.version} {self.passed}/{len(self.results)}"
