"""The output of a running campaign: how fast it is, what it has seen, and each finding when it is made."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from rich.text import Text

from otterproof.harness.runs.fuzz.behaviour import Area
from otterproof.harness.runs.fuzz.campaign import Campaign
from otterproof.harness.runs.fuzz.events import Examined, Finished, FuzzEvent, ProgramRun, RunAgain
from otterproof.harness.runs.fuzz.state import Finding, FindingStage
from otterproof.harness.spec import checks
from otterproof.harness.targets.registry import title
from otterproof.harness.ui.progress import Tracker
from otterproof.harness.ui.screen import line


@dataclass(slots=True)
class Meter:
    """The progress of a campaign's run.

    clock: in seconds. count: programs so far; found: findings so far; newest: when the last program with something new
    arrived.
    """

    campaign: Campaign
    clock: Callable[[], float] = time.monotonic
    count: int = 0
    found: int = 0
    began: float = field(init=False)
    newest: float = field(init=False)
    _counts: Counter[Area] = field(default_factory=Counter, init=False)
    _counted: int = field(default=-1, init=False)

    def __post_init__(self) -> None:
        self.began = self.newest = self.clock()

    def take(self, event: FuzzEvent) -> None:
        """Record an event."""
        if isinstance(event, ProgramRun):
            self.count += 1
            if event.new:
                self.newest = self.clock()
        elif isinstance(event, Finished):
            self.found += 1

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return self.clock() - self.began

    @property
    def rate(self) -> float:
        """Programs per second."""
        return self.count / self.seconds if self.seconds > 0 else 0.0

    @property
    def words(self) -> str:
        """The progress in words; the least important comes last, where a narrow terminal cuts it off."""
        seen = self.campaign.state.seen
        if self._counted != len(seen):  # counting all after each program would take ever longer
            self._counts, self._counted = Counter(area for area, _ in seen), len(seen)
        cells, transitions = self._counts[Area.CELL], self._counts[Area.TRANSITION]
        newest = f"new {duration(self.clock() - self.newest)} ago"
        edges = f", {self._counts[Area.EDGE]} edges" if self.campaign.state.edges else ""
        return f"{self.found} found, {self.rate:.1f}/s, {newest}, {cells} cells, {transitions} transitions{edges}"


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
                    if isinstance(event, Finished | RunAgain):
                        shown.keep(told(event))
                    now = f"shrinking {event.finding.check}" if isinstance(event, Examined) else meter.words
                    shown.update(meter.count, more=now)
        except KeyboardInterrupt:
            return True
    return False


def told(event: Finished | RunAgain) -> Text:
    """The permanent line for a finding that was made, or was run again."""
    finding = event.finding
    fixed = finding.stage is FindingStage.FIXED
    again = f"still {finding.verdict.value}" if isinstance(event, RunAgain) else finding.verdict.value
    return line(("fixed", "green") if fixed else (again, "red"), " ", in_a_line(finding))


def in_a_line(finding: Finding) -> str:
    """The subject of a finding."""
    return f"{finding.bucket.check} ({moves(finding)}): {rule_of(finding)}"


def moves(finding: Finding) -> str:
    """The number of moves in its program."""
    count = len(finding.program.moves)
    return f"{count} move{'' if count == 1 else 's'}"


def rule_of(finding: Finding) -> str:
    """The rule that was broken; for a target that broke down, what it did."""
    return checks.rule(finding.check) or finding.detail.partition("\n")[0]
