"""The output of a running campaign: how fast it is, what it has seen, and each finding when it is made."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from rich.text import Text

from otterproof.harness.runs.deviations import Known
from otterproof.harness.runs.fuzz.behaviour import Area, cells
from otterproof.harness.runs.fuzz.campaign import Campaign
from otterproof.harness.runs.fuzz.events import Examined, Finished, FuzzEvent, OtherVersion, ProgramRun, RunAgain
from otterproof.harness.runs.fuzz.state import FindingStage
from otterproof.harness.spec.requirements import Level
from otterproof.harness.targets.registry import title
from otterproof.harness.ui.fuzz_findings import in_a_line, is_new
from otterproof.harness.ui.messages import complain
from otterproof.harness.ui.progress import Tracker
from otterproof.harness.ui.screen import line
from otterproof.harness.wire.shown import counted


@dataclass(slots=True)
class Meter:
    """The progress of a campaign's run.

    known: the target's known deviations. clock: in seconds. count: programs so far; newest: when the last program with
    something new arrived.
    """

    campaign: Campaign
    known: Known = field(default_factory=Known)
    clock: Callable[[], float] = time.monotonic
    count: int = 0
    began: float = field(init=False)
    newest: float = field(init=False)
    _counts: Counter[Area] = field(default_factory=Counter, init=False)
    _counted: int = field(default=-1, init=False)
    _cells: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.began = self.newest = self.clock()

    def take(self, event: FuzzEvent) -> None:
        """Record an event."""
        if isinstance(event, ProgramRun):
            self.count += 1
            if event.new:
                self.newest = self.clock()

    @property
    def found(self) -> int:
        """The findings of the campaign so far, without those that are fixed or known."""
        return sum(is_new(one, self.known) for one in self.campaign.findings)

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return self.clock() - self.began

    @property
    def rate(self) -> float:
        """Programs per second."""
        return self.count / self.seconds if self.seconds > 0 else 0.0

    def words(self, *, waiting: bool = False) -> str:
        """The progress in words; the least important comes last, where a narrow terminal cuts it off.

        waiting: whether no program will be run for a while, so that a time would soon be wrong.
        """
        seen = self.campaign.state.seen
        if self._counted != len(seen):  # counting all after each program would take ever longer
            self._counts, self._counted = Counter(area for area, _ in seen), len(seen)
            self._cells = sum((Area.CELL, name) in seen for name in cells())
        told = [f"{self.found} found", f"{self.rate:.1f}/s", counted(self.count, "program")]
        told.append(f"{self._cells} of {len(cells())} cells")
        if not waiting:
            told.append(f"new {duration(self.clock() - self.newest)} ago")
        told.append(f"{self._counts[Area.TRANSITION]} transitions")
        if self.campaign.state.edges:
            told.append(f"{self._counts[Area.EDGE]} edges")
        return ", ".join(told)


def duration(seconds: float) -> str:
    """A time in words: 42 s, 12 min, 3.5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def show_campaign(
    campaign: Campaign,
    examples: int | None,
    processes: int,
    max_time: float | None,
    max_failures: int | None,
    meter: Meter,
) -> bool:
    """Run a campaign and show its progress; return whether Ctrl-C or another signal interrupted it.

    Raises what Campaign.run raises.
    """
    doing = f"fuzzing {title(campaign.target)}"
    with Tracker(doing, examples) as shown:
        try:
            with closing(campaign.run(examples, processes, max_time, max_failures)) as run:
                for event in run:
                    meter.take(event)
                    if isinstance(event, OtherVersion):
                        complain(f"the target was {event.earlier} when the campaign last ran, and is {event.now} now")
                    if isinstance(event, Finished | RunAgain):
                        shown.keep(told(event))
                    now = f"shrinking {event.finding.check}" if isinstance(event, Examined) else ""
                    shown.update(meter.count, more=meter.words(waiting=bool(now)), now=now)
        except KeyboardInterrupt:
            return True
    return False


def told(event: Finished | RunAgain) -> Text:
    """The permanent line for a finding that was made, or was run again."""
    finding = event.finding
    fixed = finding.stage is FindingStage.FIXED
    must = finding.level is Level.MUST
    verdict = finding.verdict.value if must else f"{finding.verdict.value} ({finding.level.value})"
    again = f"still {verdict}" if isinstance(event, RunAgain) else verdict
    style = "red" if must else "yellow"
    return line(("fixed", "green") if fixed else (again, style), " ", in_a_line(finding))
