"""Compare known deviations with results: which failures are known, and which entries no longer fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from otterproof.harness.runs.deviations.entries import VERDICTS, Deviation
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.excuses import known_by
from otterproof.harness.runs.runner import Result
from otterproof.harness.simulation.transcript import Verdict

#: The most cases that a message names.
_LISTED = 3


@dataclass(frozen=True, slots=True)
class Stale:
    """An entry that does not fit the results. passes: it is no longer needed; otherwise it fails in another way."""

    entry: Deviation
    passes: bool
    text: str

    def __str__(self) -> str:
        return f"{self.entry}: {self.text}"


class Known:
    """The entries of a file, for one run."""

    def __init__(self, entries: Sequence[Deviation] = ()) -> None:
        self.entries = tuple(entries)

    def mark(self, results: Iterable[Result]) -> Iterator[Result]:
        """The results, with the reason of its entry on each known failure."""
        for result in results:
            entry = next((entry for entry in self.entries if entry.explains(result)), None)
            yield result if entry is None else replace(result, known=entry.reason)

    def reason_of(self, check: str) -> str:
        """Why failures of this check are accepted, at least in some cases; "" if they are not."""
        fitting = (entry for entry in self.entries if entry.about != "vector" and entry.check == check)
        return next((entry.reason for entry in fitting), "")

    def checks(self) -> frozenset[str]:
        """The checks whose failures are accepted in random runs, at least in some cases."""
        return frozenset(entry.check for entry in self.entries if entry.about != "vector")

    def excuses(self) -> Mapping[str, str]:
        """The failures after which a program of `fuzz` continues, each with the first reason for it. [Excuse]"""
        reasons: dict[str, str] = {}
        for entry in self.entries:
            if entry.about != "vector":
                reasons.setdefault(str(entry.excuse), entry.reason)
        return reasons

    def reason_of_bucket(self, bucket: Bucket) -> str:
        """Why failures of a bucket are accepted in random runs; "" if they are not."""
        return self.excuses().get(known_by(bucket, self.excuses()), "")

    def reason_of_vector(self, case: str, check: str) -> str:
        """Why a wrong answer to a vector case is accepted; "" if it is not."""
        return next((one.reason for one in self.entries if one.check == check and one.speaks_of_vector(case)), "")

    def stale(self, results: Sequence[Result]) -> list[Stale]:
        """The entries that do not fit these results. Entries about no scenario among them are not judged."""
        return [stale for entry in self.entries if (stale := _stale(entry, results)) is not None]

    def stale_for(self, result: Result) -> str:
        """What is wrong with an entry for this scenario, judged by this result alone; "" if nothing is.

        One result can't refute an entry for a requirement, which fits while any of its scenarios fails, or an entry for
        both versions if the target speaks only one.
        """
        if result.verdict is Verdict.UNSUPPORTED:
            return ""
        of_scenarios = [entry for entry in self.entries if entry.about == "scenario"]
        return "\n".join(str(stale) for entry in of_scenarios if (stale := _stale(entry, [result])) is not None)


def _stale(entry: Deviation, results: Sequence[Result]) -> Stale | None:
    covered = [result for result in results if entry.covers(result)]
    failed = [result for result in covered if result.verdict in VERDICTS]
    explained = [result for result in failed if entry.explains(result)]
    if not covered or Verdict.INFRA in {result.verdict for result in covered}:
        return None
    if entry.flaky and {result.verdict for result in covered} != {Verdict.UNSUPPORTED}:
        return None  # it may pass, and failures of other checks are reported as such
    if not failed:
        fate = "is not asked of this target" if {r.verdict for r in covered} == {Verdict.UNSUPPORTED} else "passes"
        return Stale(entry, True, f"it {fate}; remove the entry, or run with --fix")
    if entry.about == "requirement":  # some scenarios may pass
        others = [] if explained else failed
    else:
        others = [result for result in covered if result not in explained and result.verdict is not Verdict.UNSUPPORTED]
    for result in explained:
        if passing := entry.passing_cases(result):
            text = f"{result.scenario} passes in some cases ({_listed(passing)}); take them out, or run with --fix"
            return Stale(entry, False, text)
    for result in others:
        if result.check == entry.check and (unnamed := entry.unnamed_cases(result)):
            text = f"{result.scenario} fails in more cases ({_listed(unnamed)}); add them, or run with --fix"
            return Stale(entry, False, text)
        if result.verdict is Verdict.PASS:
            text = f"{result.scenario} passes; name the version that fails in the entry, or run with --fix"
            return Stale(entry, False, text)
        came = f"{result.check}: {result.detail.partition(chr(10))[0][:160]}"
        text = f"{result.scenario} fails by another check ({came}); correct the entry, or run with --fix"
        return Stale(entry, False, text)
    return None


def _listed(cases: Sequence[str]) -> str:
    """The first few cases, as text."""
    more = f", and {len(cases) - _LISTED} more" if len(cases) > _LISTED else ""
    return ", ".join(cases[:_LISTED]) + more
