"""The section about each oracle in docs/explanation/oracles.md, from the oracles' own descriptions."""

from __future__ import annotations

import inspect

from otterproof.harness.judges.oracles import ORACLES
from otterproof.harness.spec import pages

PAGE = "explanation/oracles.md"


def render() -> str:
    """A section for each oracle: its rule, what that means in detail, and what is at risk."""
    lines = []
    for name, oracle in ORACLES.items():
        rule, _, rest = inspect.cleandoc(oracle.__doc__ or "").partition("\n\n")
        lines += [f"## {name}", "", f"**{' '.join(rule.split())}** {' '.join(rest.split())}".strip(), ""]
        lines += [f"At risk: {oracle.impact.value}.", ""]
    return "\n".join(lines).rstrip() + "\n"


pages.register(PAGE, lambda: pages.with_part(PAGE, "oracles", render()))
