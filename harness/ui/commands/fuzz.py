"""`otterproof fuzz`: run random programs against a target, and make small what fails."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from otterproof.harness.runs.fuzz.campaign import opened
from otterproof.harness.runs.runner import BAD
from otterproof.harness.runs.workers import WorkersDied
from otterproof.harness.support.exits import CONFORMS, DEVIATES, INTERRUPTED, NOT_RUN
from otterproof.harness.support.outputs import OutputError
from otterproof.harness.targets.driver import Limits
from otterproof.harness.targets.registry import file_name, with_name
from otterproof.harness.ui.fuzz_progress import campaign_summary, show_campaign
from otterproof.harness.ui.messages import complain
from otterproof.harness.ui.options import add_name, add_timeout, positive, seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `fuzz`."""
    parser.add_argument("target", help="target to judge")
    parser.add_argument("--examples", type=positive, default=1000, help="number of programs (default: %(default)s)")
    parser.add_argument("--seed", default="otterproof", help="seed of the programs (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for the findings; an earlier campaign there is continued"
    )
    parser.add_argument(
        "--max-time",
        type=seconds,
        metavar="SECONDS",
        help="start no program after SECONDS; the same command continues later (default: no limit)",
    )
    parser.add_argument(
        "--jobs", type=positive, default=os.cpu_count() or 1, help="number of processes (default: all cores)"
    )
    add_name(parser)
    add_timeout(parser)


def run(options: argparse.Namespace) -> int:
    target = with_name(options.target, options.name)
    folder = options.out or Path("otterproof-fuzz") / file_name(target)
    with opened(target, options.seed, folder) as campaign:
        campaign.limits = Limits(options.timeout)
        if campaign.done:
            complain(f"going on after {campaign.done} programs in {folder}")
        jobs = min(options.jobs, options.examples)
        try:
            interrupted = show_campaign(campaign, options.examples, jobs, options.max_time)
        except (OutputError, WorkersDied):  # what was found so far is at least shown
            campaign_summary(campaign)
            raise
        campaign_summary(campaign)
    if campaign.time_up:
        complain("the time of --max-time is up; the same command goes on with the next program")
    if interrupted:
        return INTERRUPTED
    verdicts = {finding.verdict for finding in campaign.findings}
    if verdicts & BAD:
        return DEVIATES
    return NOT_RUN if verdicts else CONFORMS
