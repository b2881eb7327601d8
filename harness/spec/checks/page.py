"""The page docs/reference/checks.md: every check by area, with its rule and its requirements."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from otterproof.harness.spec import pages
from otterproof.harness.spec.checks.table import Check, checks

_OPENING = """\
# Checks

Everything that a scenario, an oracle or the comparison of the engines demands has an id that never changes. A failure
is reported with it, and files of known deviations, results in JSON and findings of fuzzing use it. The rule says what
an implementation must do, and the [requirements](requirements.md) say where that comes from. Checks without
requirements are made in many scenarios; a failure is then about the requirements of the scenario.

A target that breaks down has an id that says how. METHOD is a method of the [driver protocol](driver-protocol.md).

- `crash.METHOD.HOW`: the process died; HOW is the signal or the exit code, or after a sanitizer's report the error
  and the innermost functions.
- `hang.METHOD`: there was no answer in time.
- `desync.METHOD`: the answer is not one that the driver protocol allows.
- `exception.METHOD.CLASS`: the implementation raised an error of its own.

The page is made from the files in `harness/spec/checks/`; do not edit it. `otterproof docs` writes it.
"""


def render(found: Iterable[Check]) -> str:
    """The page."""
    lines = [_OPENING]
    ordered = sorted(found, key=lambda check: (_area(check), check.id))
    for area, group in groupby(ordered, key=_area):
        lines += [f"## {area}", "", "| check | rule | requirements |", "|---|---|---|"]
        for check in group:
            rule = check.rule.replace("|", r"\|")
            lines.append(f"| `{check.id}` | {rule} | {', '.join(check.requirements)} |")
        lines.append("")
    return "\n".join(lines)


def _area(check: Check) -> str:
    return check.id.partition(".")[0]


pages.register("reference/checks.md", lambda: render(checks().values()))
