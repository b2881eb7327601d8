"""What an exploration can certify: what was explored, how deep, and which rules were broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from otterproof.harness.runs.explore.solo import Counterexample
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.version import tool_version

#: The schema of certificates in `explore --json` and in the results of `check`.
SCHEMA = Path(__file__).parent / "certificate.schema.json"


@dataclass(slots=True)
class Certificate:
    """What has been explored so far.

    target, version: who plays the party of that role, or all parties if there is no role. depth: all runs of this many
    moves were explored. states: their number, including the first one. steps: the number of moves explored. parties:
    how many states each party can be in. healed: up to this depth, the parties can talk again from every pair of
    states. seconds: the duration. found: one run for each broken check. Such a run is one move longer than the depth,
    except if the failure shows only at the end of a run, or if the exploration continued after it.
    """

    alphabet: str
    target: str
    version: str
    role: str = ""
    depth: int = 0
    states: int = 1
    steps: int = 0
    parties: list[int] = field(default_factory=list)
    healed: int = 0
    seconds: float = 0.0
    found: list[Counterexample] = field(default_factory=list)

    def mark_known(self, reason_of: Callable[[str], str]) -> None:
        """Mark known deviations. reason_of: why a check's failures are accepted; "" if they are not."""
        self.found = [replace(one, known=reason_of(one.check)) for one in self.found]


def certificates_to_json(certificates: Sequence[Certificate]) -> list[dict[str, Any]]:
    """Certificates as plain JSON values, following certificate.schema.json."""
    return [
        {
            "alphabet": one.alphabet,
            "target": one.target,
            "version": one.version,
            "role": one.role,
            "otterproof": tool_version(),
            "depth": one.depth,
            "states": one.states,
            "transitions": one.steps,
            "healed": one.healed,
            "seconds": round(one.seconds, 1),
            "found": len(one.found),
            "known": sum(bool(each.known) for each in one.found),
            "levels": {
                level.value: sum(each.level is level and not each.known for each in one.found) for level in Level
            },
        }
        for one in certificates
    ]
