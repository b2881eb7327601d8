"""`otterproof fuzz`: run random programs against a target, and shrink the failures."""

from __future__ import annotations

import argparse
from pathlib import Path

from otterproof.harness.runs import deviations
from otterproof.harness.runs.fuzz.campaign import Campaign, opened
from otterproof.harness.runs.fuzz.corpus import digest_of, read
from otterproof.harness.runs.fuzz.edges import EdgesFailed
from otterproof.harness.runs.fuzz.evidence import Evidence
from otterproof.harness.runs.fuzz.excuses import Excuse, baseline_of
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.identity import seed_with
from otterproof.harness.runs.fuzz.state import FindingStage
from otterproof.harness.runs.judgement import BAD
from otterproof.harness.runs.workers import WorkersDied
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS, DEVIATES, INTERRUPTED, NOT_RUN
from otterproof.harness.support.outputs import OutputError
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import Limits
from otterproof.harness.targets.registry import file_name, title, with_name
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui.fuzz_findings import counts
from otterproof.harness.ui.fuzz_progress import Meter, show_campaign
from otterproof.harness.ui.fuzz_summary import campaign_as_json, campaign_summary
from otterproof.harness.ui.messages import complain
from otterproof.harness.ui.options import check_file
from otterproof.harness.ui.results import check_json, put_result, shows_text
from otterproof.harness.wire.shown import counted

#: The number of programs if nothing else limits the run.
EXAMPLES = 1000


def run(options: argparse.Namespace) -> int:
    check_json(options)
    load()
    target = with_name(options.target, options.name)
    known = _known(options, target)
    folder = options.out or Path("otterproof-fuzz") / file_name(target)
    examples = options.examples or (None if options.max_time else EXAMPLES)
    corpus = _corpus(options)
    seed = seed_with(options.seed, digest_of(corpus)) if corpus else options.seed
    with opened(target, seed, folder) as campaign:
        _check_resumed(campaign, resume=options.resume, edges=options.edges)
        campaign.limits = Limits(options.timeout)
        campaign.seconds = options.shrink_time
        campaign.excused = frozenset(known.excuses())
        campaign.corpus = corpus
        campaign.scheduler = options.scheduler
        campaign.edges = options.edges
        campaign.page = _page
        meter = Meter(campaign, known)
        jobs = min(options.jobs, examples or options.jobs)
        try:
            interrupted = show_campaign(campaign, examples, jobs, options.max_time, options.max_failures, meter)
        except (OutputError, WorkersDied, EdgesFailed):  # still show what was found so far
            _tell(options, campaign, known, meter)
            raise
        _tell(options, campaign, known, meter)
        _tell_end(campaign, options, interrupted=interrupted)
        if options.update_baseline and not interrupted:
            return _update(campaign, options.known)
    if interrupted:
        return INTERRUPTED
    if any(counts(finding, known, strict=options.strict) for finding in campaign.findings):
        return DEVIATES
    there = [one for one in campaign.findings if one.stage is not FindingStage.FIXED]
    return NOT_RUN if any(finding.verdict not in BAD for finding in there) else CONFORMS


def _corpus(options: argparse.Namespace) -> tuple[Program, ...]:
    """The programs of --corpus. Raises UsageError if there are none."""
    if options.corpus is None:
        return ()
    programs, _ = read([options.corpus])
    if not programs:
        raise UsageError(f"{printable(str(options.corpus))} has no transcript from which a program could be made")
    return programs


def _known(options: argparse.Namespace, target: str) -> deviations.Known:
    """The known deviations of the target. Raises UsageError if they are to be updated and there is no file."""
    if options.update_baseline:
        if options.known is None or options.known == deviations.NONE:
            raise UsageError("--update-baseline writes to the file of --known; name one")
        check_file(options.known, "--known")
        if not options.known.exists():
            return deviations.Known()
    return deviations.Known(deviations.entries_of(deviations.file_for(title(target), options.known)))


def _check_resumed(campaign: Campaign, *, resume: bool, edges: bool) -> None:
    """Raise UsageError if the folder has a campaign that must not be continued, or not with these options.

    edges: whether edges count.
    """
    if campaign.done and not resume:
        raise UsageError(
            f"{campaign.folder} has a campaign ({counted(campaign.done, 'program')}, "
            f"{counted(len(campaign.findings), 'finding')}); "
            "continue it with --resume, or name another folder with --out"
        )
    if campaign.done and campaign.state.edges != edges:
        does, change = ("does not count edges", "leave --edges out") if edges else ("counts edges", "add --edges")
        raise UsageError(f"the campaign in {campaign.folder} {does}; {change}, or name another folder with --out")
    if campaign.done:
        complain(
            f"going on after {counted(campaign.done, 'program')} in {campaign.folder}; "
            f"{counted(len(campaign.findings), 'finding')} to be run again first"
        )


def _page(evidence: Evidence, transcript: Path) -> str:
    from otterproof.harness.ui.site.finding import finding_page  # slow to import

    return finding_page(evidence, transcript)


def _tell_end(campaign: Campaign, options: argparse.Namespace, *, interrupted: bool) -> None:
    if interrupted:
        complain("interrupted; --resume goes on with the next program")
    elif campaign.time_up:
        complain("the time of --max-time is up; --resume goes on with the next program")
    elif campaign.failure_limit_reached:
        complain(
            f"stopped after {counted(options.max_failures, 'new finding')}; --resume goes on with the next program"
        )


def _update(campaign: Campaign, path: Path) -> int:
    """Update the file of known deviations with the findings. Raises OutputError, DeviationError."""
    there = [one for one in campaign.findings if one.stage is not FindingStage.FIXED and one.verdict in BAD]
    failing = {baseline_of(one.bucket, one.aliases) for one in there}
    found = {one.check for one in there}
    failing |= {Excuse(check) for one in there for check in one.others if check not in found}
    fixed = {one.bucket for one in campaign.findings if one.stage is FindingStage.FIXED}
    removed, added = deviations.fix_fuzz(path, failing, fixed)
    ask = f"; write the reason of {'the new entry' if added == 1 else 'each new entry'}" if added else ""
    complain(f"{path}: {counted(added, 'entry', 'entries')} added, {removed} removed{ask}")
    return CONFORMS


def _tell(options: argparse.Namespace, campaign: Campaign, known: deviations.Known, meter: Meter) -> None:
    if shows_text(options):
        campaign_summary(campaign, known, meter, strict=options.strict)
    put_result(options, "fuzz", campaign_as_json(campaign, known, meter, strict=options.strict))
