"""`otterproof proxy between --explore`: repeat the conversation, and summarize the results."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otterproof.harness.runs import deviations
from otterproof.harness.runs.failure import Failure, record_to_json
from otterproof.harness.runs.proxy.actions import HOLD
from otterproof.harness.runs.proxy.between import Conversation
from otterproof.harness.runs.proxy.interleavings import Run, interleavings
from otterproof.harness.runs.proxy.relay import Always
from otterproof.harness.runs.proxy.turns import Turn
from otterproof.harness.runs.proxy.watched import Wanted
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.exits import CONFORMS, DEVIATES, INTERRUPTED
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.registry import file_name
from otterproof.harness.ui.messages import complain
from otterproof.harness.ui.progress import Tracker
from otterproof.harness.ui.proxy_lines import tell_failures
from otterproof.harness.ui.results import put_result, shows_text
from otterproof.harness.ui.screen import console, line

#: The most different outcomes that are shown.
_OUTCOMES = 12


@dataclass(slots=True)
class Summary:
    """The results of all runs. outcomes: the number of runs with each; firsts: the choices of the first of them."""

    runs: int = 0
    outcomes: Counter[tuple[tuple[str, int], ...]] = field(default_factory=Counter)
    firsts: dict[tuple[tuple[str, int], ...], tuple[str, ...]] = field(default_factory=dict)
    failures: dict[tuple[str, str], tuple[Failure, tuple[str, ...], str]] = field(default_factory=dict)
    complete: bool = False

    def add(self, run: Run, out: Path) -> None:
        """Add a finished run. Raises OutputError."""
        self.runs += 1
        self.outcomes[run.outcome] += 1
        self.firsts.setdefault(run.outcome, run.choices)
        for party, failure in run.failures:
            if (party, failure.check) not in self.failures:
                out.mkdir(parents=True, exist_ok=True)
                path = out / f"{file_name(f'{party}-{failure.check}'.replace('.', '-'))}.jsonl"
                run.conversation.write(path)
                self.failures[party, failure.check] = failure, run.choices, str(path)


def explore(
    options: argparse.Namespace,
    targets: tuple[Target, Target],
    turns: Sequence[Turn],
    known: Mapping[str, deviations.Known],
) -> int:
    """Play all runs, and report the results; return the exit code. Raises TargetError, OutputError."""
    out = options.out or Path("otterproof-proxy") / file_name(f"{targets[0].name}-{targets[1].name}")
    summary, interrupted = Summary(), False
    seed = options.seed.encode(errors="surrogatepass")

    excused = [check for one in known.values() for check in one.checks()]

    def begin() -> Conversation:
        return Conversation(targets, turns, Wanted(Always(HOLD), lambda _: None), seed, excused)

    with Tracker(f"exploring to depth {options.explore}") as shown:
        try:
            for run in interleavings(begin, options.explore, options.choose_from):
                summary.add(run, out)
                failed = f", {len(summary.failures)} kinds of failure" if summary.failures else ""
                shown.update(what=f"exploring to depth {options.explore}: {summary.runs} conversations{failed}")
                if options.max_runs and summary.runs >= options.max_runs:
                    break
            else:
                summary.complete = True
        except KeyboardInterrupt:
            interrupted = True
    reasons = {(party, check): known[party].reason_of(check) for party, check in summary.failures}
    if shows_text(options):
        _tell(summary, options, reasons)
    put_result(options, "proxy", _as_json(summary, options, reasons))
    if interrupted:
        return INTERRUPTED
    if not summary.complete:
        complain(f"stopped after {summary.runs} conversations; there are more to depth {options.explore}")
    levels = [failure.level for key, (failure, _, _) in summary.failures.items() if not reasons[key]]
    return DEVIATES if Level.MUST in levels else CONFORMS


def _tell(summary: Summary, options: argparse.Namespace, reasons: Mapping[tuple[str, str], str]) -> None:
    out = console()
    for key, (failure, choices, path) in summary.failures.items():
        tell_failures([(key[0], failure)], reasons)
        if not reasons[key]:
            for number, words in enumerate(choices, 1):
                out.print(line(f"  {'choices' if number == 1 else '':9} {number} {words}"), soft_wrap=True)
            out.print(line(f"  show      otterproof show {path}"), soft_wrap=True)
    complete = "all" if summary.complete else "not all"
    out.print(
        line(f"{summary.runs} conversations, {complete} to depth {options.explore} from message {options.choose_from}")
    )
    out.print(line(f"{len(summary.outcomes)} different outcomes, by what the users were told:"))
    for outcome, count in summary.outcomes.most_common(_OUTCOMES):
        told = ", ".join(f"{words} {times}" if times > 1 else words for words, times in outcome)
        out.print(line(f"  {count:5}  {told or 'nothing'}"), soft_wrap=True)
        out.print(line((f"         first: {'; '.join(summary.firsts[outcome]) or 'in order'}", "dim")), soft_wrap=True)
    if len(summary.outcomes) > _OUTCOMES:
        out.print(line(f"         and {len(summary.outcomes) - _OUTCOMES} more; --json has them all"))


def _as_json(summary: Summary, options: argparse.Namespace, reasons: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    return {
        "depth": options.explore,
        "from": options.choose_from,
        "runs": summary.runs,
        "complete": summary.complete,
        "outcomes": [
            {"runs": count, "told": dict(outcome), "first": list(summary.firsts[outcome])}
            for outcome, count in summary.outcomes.most_common()
        ],
        "failures": [
            {
                "party": party,
                "known": reasons[party, check],
                "choices": list(choices),
                "transcript": path,
                "failure": record_to_json(failure),
            }
            for (party, check), (failure, choices, path) in summary.failures.items()
        ],
    }
