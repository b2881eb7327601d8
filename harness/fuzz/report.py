"""What a person sees of a campaign: progress while it runs, each finding as it is made, and all of them at the end.

On a terminal a bar moves; elsewhere, in a log, a line now and then says how far it is.
"""

from __future__ import annotations

from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from harness.fuzz.campaign import CONFIRM, Campaign, Finding
from harness.printable import printable
from harness.screen import block, console, line, progress

#: Lines that tell the progress of a campaign where there is no terminal.
LINES = 10


def show_campaign(campaign: Campaign, examples: int, processes: int) -> bool:
    """Run a campaign and show how it goes; whether it was interrupted with Ctrl-C."""
    title = f"fuzzing {printable(campaign.target)}"
    with progress(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task(title, total=examples)
        try:
            for count, new in enumerate(campaign.run(examples, processes), start=1):
                found = len(campaign.findings)
                bar.update(task, advance=1, description=f"{title}: {found} found")
                for finding in new:
                    bar.console.print(line((finding.verdict, "red"), " ", _line(finding)))
                if not bar.console.is_terminal and count * LINES // examples > (count - 1) * LINES // examples:
                    bar.console.print(f"{count} of {examples} programs, {found} found")
        except KeyboardInterrupt:
            return True
    return False


def _line(finding: Finding) -> str:
    return f"{finding.name} ({len(finding.shape)} moves): must hold: {finding.demand[:100]}"


def campaign_summary(campaign: Campaign) -> None:
    """Print what was found, with the files that have it."""
    out = console()
    if campaign.findings:
        headings = ("finding", "verdict", "programs", "moves", "again", "must hold")
        table = Table(*headings, title=line(campaign.target))
        for one in campaign.findings:
            moves = str(len(one.shape)) if one.test else "-"
            again = f"{one.confirmed} of {CONFIRM}" if one.verdict != "infra" else "-"
            table.add_row(*map(line, (one.name, one.verdict, str(one.examples), moves, again, one.demand[:200])))
        out.print(table)
        for one in campaign.findings:
            files = " ".join(str(campaign.folder / file) for file in (one.transcript, one.test) if file)
            out.print()
            out.print(line((one.name, "red")))
            out.print(block(one.detail[:600]))
            out.print(line("  ", files), soft_wrap=True)
    found = f"{len(campaign.findings)} found" if campaign.findings else "nothing found"
    out.print(line(f"{campaign.target}: {campaign.done} programs, {found}; {campaign.folder}"))
