"""What an exploration can certify: what was looked at, how deep, and what broke a rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from otterproof.harness.runs.explore.solo import Counterexample
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.version import tool_version

#: Describes what is told of explorations, in `explore --json` and in the result of `check`.
SCHEMA = Path(__file__).parent / "certificate.schema.json"


@dataclass(slots=True)
class Certificate:
    """What has been explored so far.

    target, version: who plays the party of that role, or all parties if there is none. depth: all runs of so many moves
    were looked at. states: how many there are, the first one included. steps: how many moves were looked at. parties:
    in how many states each party can be. healed: up to this depth, the parties can talk again from every pair of
    states. seconds: how long it took. found: runs that break a rule, one for each check; but for those that show only
    at their end, they are one move longer than the depth, unless the exploration went on beyond them.
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
        """Note what is a known deviation. reason_of: why a failure by a check is accepted; "" if it is not."""
        self.found = [replace(one, known=reason_of(one.check)) for one in self.found]


def certificates_to_json(certificates: Sequence[Certificate]) -> list[dict[str, Any]]:
    """Certificates as plain JSON values, as certificate.schema.json has them."""
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
