"""What a person sees of a campaign: progress while it runs, each finding as it is made, and all of them at the end."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from otterproof.harness.runs.deviations import Known
from otterproof.harness.runs.fuzz.campaign import CONFIRM, MOST, Campaign
from otterproof.harness.runs.fuzz.state import Finding
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec import checks
from otterproof.harness.spec.checks import level_of
from otterproof.harness.targets.registry import title
from otterproof.harness.ui.progress import Tracker
from otterproof.harness.ui.screen import console, line, print_block
from otterproof.harness.ui.table import print_table


def show_campaign(campaign: Campaign, examples: int, processes: int, max_time: float | None) -> bool:
    """Run a campaign and show how it goes; whether it was interrupted with Ctrl-C, or by another signal.

    The exceptions are those of Campaign.run.
    """
    doing = f"fuzzing {title(campaign.target)}"
    began = campaign.done
    with Tracker(doing, examples) as shown:
        try:
            with closing(campaign.run(examples, processes, max_time)) as run:
                for new in run:
                    for finding in new:
                        shown.keep(line((finding.verdict.value, "red"), " ", _line(finding)))
                    shown.update(campaign.done - began, f"{doing}, {len(campaign.findings)} found")
        except KeyboardInterrupt:
            return True
    return False


def _line(finding: Finding) -> str:
    return f"{finding.check} ({len(finding.program.moves)} moves): {_rule(finding)}"


def _rule(finding: Finding) -> str:
    """The rule that was broken; for a target that broke down, what it did."""
    return checks.rule(finding.check) or finding.detail.partition("\n")[0]


def _level(finding: Finding, known: Known) -> str:
    return "known" if known.reason_of(finding.check) else level_of(finding.check).value


def campaign_summary(campaign: Campaign, known: Known) -> None:
    """Print what was found, with the files that have it. known: what is said of the target."""
    out = console()
    if campaign.findings:
        headings = ("check", "verdict", "level", "programs", "moves", "confirmed", "rule")
        rows = []
        for one in campaign.findings:
            moves = str(len(one.program.moves)) if one.test else "-"
            row = (one.check, one.verdict.value, _level(one, known), str(one.examples), moves, _again(one), _rule(one))
            rows.append(row)
        print_table(out, headings, rows)
        for one in campaign.findings:
            files = " ".join(str(campaign.folder / file) for file in (one.transcript, one.test) if file)
            out.print()
            out.print(line((one.check, "red")), soft_wrap=True)
            print_block(out, one.detail)
            if reason := known.reason_of(one.check):
                out.print(line("  known: ", reason), soft_wrap=True)
            out.print(line("  ", files), soft_wrap=True)
    found = f"{len(campaign.findings)} found" if campaign.findings else "nothing found"
    if campaign.state.waiting:
        found += f", {len(campaign.state.waiting)} failures of the last program not examined yet"
    if campaign.state.not_kept:
        found += f", {campaign.state.not_kept} more failures not kept (a campaign keeps {MOST} findings)"
    out.print(line(f"{title(campaign.target)}: {campaign.done} programs, {found}; {campaign.folder}"), soft_wrap=True)


def campaign_as_json(campaign: Campaign, known: Known) -> dict[str, Any]:
    """What was found, as plain JSON values; paths of files are relative to the campaign's folder."""
    return {
        "target": title(campaign.target),
        "seed": campaign.seed,
        "folder": str(campaign.folder),
        "programs": campaign.done,
        "findings": [
            {
                "check": one.check,
                "verdict": one.verdict.value,
                "level": level_of(one.check).value,
                "known": known.reason_of(one.check),
                "rule": _rule(one),
                "detail": one.detail,
                "programs": one.examples,
                "moves": len(one.program.moves),
                "confirmed": one.confirmed,
                "transcript": one.transcript,
                "test": one.test,
            }
            for one in campaign.findings
        ],
    }


def _again(finding: Finding) -> str:
    """How often the finding happened again when it was tried."""
    if not finding.finished:
        return "not tried yet"
    return f"{finding.confirmed} of {CONFIRM}" if finding.verdict is not Verdict.INFRA else "-"
