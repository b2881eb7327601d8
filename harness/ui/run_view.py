"""The output of a running check: a bar on a terminal, lines in a log, and each failure when it happens.

It returns what the events said in the end, for the reports that follow.
"""

from __future__ import annotations

from collections.abc import Generator

from otterproof.harness.runs.causes import Cause
from otterproof.harness.runs.events import (
    AlphabetExplored,
    CauseFound,
    DeviationsRewritten,
    Event,
    Judged,
    RunFinished,
    RunStarted,
    ScenarioFinished,
)
from otterproof.harness.runs.explore.alphabet import ALPHABETS
from otterproof.harness.runs.judgement import BAD
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.ui.messages import complain
from otterproof.harness.ui.progress import Tracker
from otterproof.harness.ui.screen import line


def follow_run(events: Generator[Event, None, None]) -> Judged:
    """Follow a run's events to the end, showing progress. Ctrl-C ends the run; results up to then count."""
    started = next(events)
    assert isinstance(started, RunStarted)
    view = _View(started)
    interrupt: KeyboardInterrupt | None = None
    with view.progress:
        while True:
            try:
                event = next(events) if interrupt is None else events.throw(interrupt)
                interrupt = None
                view.show(event)
            except StopIteration:
                break
            except KeyboardInterrupt as error:  # here or in the run, which raises it again when everything is reported
                if view.finished is not None:
                    break
                if interrupt is error:
                    raise  # the run had ended before it could report anything
                interrupt = error
    assert view.finished is not None
    return Judged(started, tuple(view.causes), view.finished)


class _View:
    """What is shown while a run goes on: a bar on a terminal, lines in a log, and each failure as it comes."""

    def __init__(self, started: RunStarted) -> None:
        self.causes: list[Cause] = []
        self.finished: RunFinished | None = None
        self.progress = Tracker(f"judging {started.target}", len(started.chosen))
        self._failed = self._explored = 0
        self._target = started.target

    def show(self, event: Event) -> None:
        match event:
            case ScenarioFinished(result, done, total):
                if not result.known and result.verdict in (*BAD, Verdict.INFRA):
                    self._failed += 1
                    verdict = result.verdict.value, "magenta" if result.verdict is Verdict.INFRA else "red"
                    check = f": {result.check}" if result.check else ""
                    self.progress.keep(line(verdict, " ", result.scenario, check))
                if done == total:
                    self.progress.stop_beating()  # the explorations that may follow fork this process
                self.progress.update(done, self._title())
            case AlphabetExplored(certificate, _):
                self._explored += 1
                self.progress.update(what=f"explored {certificate.alphabet}, {self._explored} of {len(ALPHABETS)}")
            case CauseFound(cause):
                self.causes.append(cause)
            case DeviationsRewritten(file, removed, added, unexplained):
                open_ones = f"; still without a reason: {unexplained}" if unexplained else ""
                complain(f"{file}: entries removed: {removed}, added: {added}{open_ones}")
            case RunFinished():
                self.finished = event
                if event.why:
                    complain(event.why)

    def _title(self) -> str:
        """What is being judged, and how many scenarios failed so far."""
        failed = f", {self._failed} failed" if self._failed else ""
        return f"judging {self._target}{failed}"
