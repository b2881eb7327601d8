"""What a person sees of a campaign: progress while it runs, each finding as it is made, and all of them at the end.

On a terminal a bar moves; elsewhere, in a log, a line now and then says how far it is.
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from harness.fuzz.campaign import CONFIRM, Campaign, Finding

#: Lines that tell the progress of a campaign where there is no terminal.
LINES = 10


def show_campaign(campaign: Campaign, examples: int, processes: int) -> bool:
    """Run a campaign and show how it goes; whether it was interrupted with Ctrl-C."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, *times, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"fuzzing {campaign.target}", total=examples)
        try:
            for count, new in enumerate(campaign.run(examples, processes), start=1):
                found = len(campaign.findings)
                progress.update(task, advance=1, description=f"fuzzing {campaign.target}: {found} found")
                for finding in new:
                    progress.console.print(f"[red]{finding.verdict}[/] {escape(_line(finding))}")
                if not console.is_terminal and count * LINES // examples > (count - 1) * LINES // examples:
                    console.print(f"{count} of {examples} programs, {found} found", highlight=False)
        except KeyboardInterrupt:
            return True
    return False


def _line(finding: Finding) -> str:
    return f"{finding.name} ({len(finding.shape)} moves): must hold: {finding.demand[:100]}"


def campaign_summary(campaign: Campaign) -> None:
    """Print what was found, with the files that have it."""
    console = Console(width=None if sys.stdout.isatty() else 120)
    if campaign.findings:
        table = Table("finding", "verdict", "programs", "moves", "again", "must hold", title=campaign.target)
        for one in campaign.findings:
            moves = str(len(one.shape)) if one.test else "-"
            again = f"{one.confirmed} of {CONFIRM}" if one.verdict != "infra" else "-"
            table.add_row(one.name, one.verdict, str(one.examples), moves, again, escape(one.demand[:200]))
        console.print(table)
        for one in campaign.findings:
            files = " ".join(str(campaign.folder / file) for file in (one.transcript, one.test) if file)
            console.print(
                f"\n[red]{one.name}[/] {escape(one.detail[:600])}\n  {files}", soft_wrap=True, highlight=False
            )
    found = f"{len(campaign.findings)} found" if campaign.findings else "nothing found"
    console.print(f"{campaign.target}: {campaign.done} programs, {found}; {campaign.folder}", highlight=False)
