"""Whether subjects give the answers that the committed vectors say: both engines, the harness's own codec, a target.

What could not be asked is counted with the reason, so that nobody takes silence for agreement. A target may follow
another reading than the project: then any listed result counts, and which reading it was is told; a target that
follows two readings of one question is told so, as a failure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.vectors.answers import Answer, Subject, Unanswerable, answer
from harness.vectors.generate import subject
from harness.vectors.tools_own import OwnTools
from vectors import Case, Group, Outcome, VectorFile


@dataclass(slots=True)
class Tally:
    """What became of the cases of one kind. skipped: by reason. failures: case id -> what is wrong."""

    checked: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """What became of all cases, for one subject. readings: reading -> option -> the cases in which it was followed."""

    name: str
    kinds: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    readings: dict[str, dict[str, list[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    @property
    def checked(self) -> int:
        return sum(tally.checked for tally in self.kinds.values())

    @property
    def failures(self) -> dict[str, str]:
        """All failures, those of an inconsistent reading among them."""
        found = {case: what for tally in self.kinds.values() for case, what in tally.failures.items()}
        for reading, options in self.readings.items():
            if len(options) > 1:
                cases = "; ".join(f"{option}: {', '.join(names[:3])}" for option, names in sorted(options.items()))
                found[f"reading {reading}"] = f"it follows several at once ({cases})"
        return found


#: Checks one case of a subject: (group, case, outcome allowed) -> what is wrong, "" if nothing. Unanswerable.
Checker = Callable[[Group, Case], Answer]


def differs(found: Answer, outcome: Outcome) -> str:
    """In what an answer is not an outcome; "" if it is."""
    if found.valid != outcome.valid:
        return f"it is {'valid' if found.valid else 'invalid'} to it, and must be {'valid' if outcome.valid else 'not'}"
    for name, right in outcome.expect.items():
        if name in found.expect and found.expect[name] != right:
            return f"{name} is {_short(found.expect[name])}, and must be {_short(right)}"
    return ""


def _short(value: Any) -> str:
    text = value.hex() if isinstance(value, bytes) else f"{value:#x}" if type(value) is int else repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def check(report: Report, files: Iterable[VectorFile], ask: Checker, strict: bool) -> Report:
    """Ask for all cases. strict: only the project's own readings count."""
    for file in files:
        tally = report.kinds[file.kind]
        for group, case in file:
            try:
                found = ask(group, case)
            except Unanswerable as reason:
                tally.skipped[str(reason)] += 1
                continue
            except ValueError as error:
                tally.failures[case.id] = str(error)
                tally.checked += 1
                continue
            tally.checked += 1
            _judge(report, tally, case, found, strict)
    return report


def _judge(report: Report, tally: Tally, case: Case, found: Answer, strict: bool) -> None:
    problems = {reading: differs(found, outcome) for reading, outcome in case.outcomes.items()}
    first = next(iter(problems))
    followed = [reading for reading, problem in problems.items() if not problem]
    if not followed or (strict and problems[first]):
        tally.failures[case.id] = problems[first]
    elif "" not in case.outcomes and len(followed) == 1:
        name, _, option = followed[0].partition(":")
        report.readings[name][option].append(case.id)


def functions(asked: Subject) -> Checker:
    """A checker for the operations that ask for a function or a fresh client."""

    def ask(group: Group, case: Case) -> Answer:
        return answer(asked, group.operation, group.fields, case.fields)

    return ask


def own_subjects() -> Mapping[str, Subject]:
    """Who is always asked."""
    return {
        "reference": subject("reference"),
        "independent": subject("independent"),
        "harness": Subject("harness", OwnTools(), None),
    }


def verify(files: Sequence[VectorFile]) -> list[Report]:
    """Both engines and the harness's own codec."""
    return [check(Report(name), files, functions(one), strict=True) for name, one in own_subjects().items()]
