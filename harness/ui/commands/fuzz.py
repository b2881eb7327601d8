"""`otterproof fuzz`: run random programs against a target, and make small what fails."""

from __future__ import annotations

import argparse
from pathlib import Path

from otterproof.harness.runs import deviations
from otterproof.harness.runs.fuzz.campaign import Campaign, opened
from otterproof.harness.runs.fuzz.state import Finding
from otterproof.harness.runs.runner import BAD
from otterproof.harness.runs.workers import WorkersDied
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec.checks import level_of
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.exits import CONFORMS, DEVIATES, INTERRUPTED, NOT_RUN
from otterproof.harness.support.outputs import OutputError
from otterproof.harness.targets.driver import Limits
from otterproof.harness.targets.registry import file_name, title, with_name
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui.fuzz_progress import campaign_as_json, campaign_summary, show_campaign
from otterproof.harness.ui.messages import complain
from otterproof.harness.ui.results import check_json, put_result, shows_text


def run(options: argparse.Namespace) -> int:
    check_json(options)
    load()
    target = with_name(options.target, options.name)
    known = deviations.Known(deviations.entries_of(deviations.file_for(title(target), options.known)))
    folder = options.out or Path("otterproof-fuzz") / file_name(target)
    with opened(target, options.seed, folder) as campaign:
        campaign.limits = Limits(options.timeout)
        if campaign.done:
            complain(f"going on after {campaign.done} programs in {folder}")
        jobs = min(options.jobs, options.examples)
        try:
            interrupted = show_campaign(campaign, options.examples, jobs, options.max_time)
        except (OutputError, WorkersDied):  # what was found so far is at least shown
            _tell(options, campaign, known)
            raise
        _tell(options, campaign, known)
    if campaign.time_up:
        complain("the time of --max-time is up; the same command goes on with the next program")
    if interrupted:
        return INTERRUPTED
    if any(_counts(finding, known, strict=options.strict) for finding in campaign.findings):
        return DEVIATES
    return NOT_RUN if any(finding.verdict not in BAD for finding in campaign.findings) else CONFORMS


def _tell(options: argparse.Namespace, campaign: Campaign, known: deviations.Known) -> None:
    if shows_text(options):
        campaign_summary(campaign, known)
    put_result(options, "fuzz", campaign_as_json(campaign, known))


def _counts(finding: Finding, known: deviations.Known, *, strict: bool) -> bool:
    """Whether a target does not conform for what was found."""
    if finding.verdict not in BAD or known.reason_of(finding.check):
        return False
    least = (Level.MUST, Level.SHOULD) if strict else (Level.MUST,)
    return finding.verdict is not Verdict.FAIL or level_of(finding.check) in least
