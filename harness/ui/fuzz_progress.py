"""What a person sees of a campaign: progress while it runs, each finding as it is made, and all of them at the end.

On a terminal a bar moves; elsewhere, in a log, a line now and then says how far it is.
"""

from __future__ import annotations

from contextlib import closing

from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from otterproof.harness.runs.deviations import Known
from otterproof.harness.runs.fuzz.campaign import CONFIRM, MOST, Campaign
from otterproof.harness.runs.fuzz.state import Finding
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec import checks
from otterproof.harness.spec.checks import level_of
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.registry import title
from otterproof.harness.ui.screen import block, console, line, progress

#: Lines that tell the progress of a campaign where there is no terminal.
LINES = 10


def show_campaign(campaign: Campaign, examples: int, processes: int, max_time: float | None) -> bool:
    """Run a campaign and show how it goes; whether it was interrupted with Ctrl-C, or by another signal.

    The exceptions are those of Campaign.run.
    """
    doing = f"fuzzing {printable(title(campaign.target))}"
    with progress(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task(doing, total=examples)
        began, shown = campaign.done, 0
        try:
            with closing(campaign.run(examples, processes, max_time)) as run:
                for new in run:
                    count, found = campaign.done - began, len(campaign.findings)
                    bar.update(task, completed=count, description=f"{doing}: {found} found")
                    for finding in new:
                        bar.console.print(line((finding.verdict.value, "red"), " ", _line(finding)))
                    if not bar.console.is_terminal and count * LINES // examples > shown:
                        shown = count * LINES // examples
                        bar.console.print(f"{count} of {examples} programs, {found} found")
        except KeyboardInterrupt:
            return True
    return False


def _line(finding: Finding) -> str:
    return f"{finding.check} ({len(finding.program.moves)} moves): {_rule(finding)[:100]}"


def _rule(finding: Finding) -> str:
    """The rule that was broken; for a target that broke down, what it did."""
    return checks.rule(finding.check) or finding.detail.partition("\n")[0]


def campaign_summary(campaign: Campaign, known: Known) -> None:
    """Print what was found, with the files that have it. known: what is said of the target."""
    out = console()
    if campaign.findings:
        headings = ("check", "verdict", "level", "programs", "moves", "confirmed", "rule")
        table = Table(*headings, title=line(title(campaign.target)))
        for one in campaign.findings:
            moves = str(len(one.program.moves)) if one.test else "-"
            level = "known" if known.reason_of(one.check) else level_of(one.check).value
            cells = (one.check, one.verdict.value, level, str(one.examples), moves, _again(one), _rule(one)[:200])
            table.add_row(*map(line, cells))
        out.print(table)
        for one in campaign.findings:
            files = " ".join(str(campaign.folder / file) for file in (one.transcript, one.test) if file)
            out.print()
            out.print(line((one.check, "red")))
            out.print(block(one.detail))
            if reason := known.reason_of(one.check):
                out.print(line("  known: ", reason))
            out.print(line("  ", files), soft_wrap=True)
    found = f"{len(campaign.findings)} found" if campaign.findings else "nothing found"
    if campaign.state.waiting:
        found += f", {len(campaign.state.waiting)} failures of the last program not examined yet"
    if campaign.state.not_kept:
        found += f", {campaign.state.not_kept} more failures not kept (a campaign keeps {MOST} findings)"
    out.print(line(f"{title(campaign.target)}: {campaign.done} programs, {found}; {campaign.folder}"))


def _again(finding: Finding) -> str:
    """How often the finding happened again when it was tried."""
    if not finding.finished:
        return "not tried yet"
    return f"{finding.confirmed} of {CONFIRM}" if finding.verdict is not Verdict.INFRA else "-"
