"""`otterproof replay`: run a transcript again, and say whether it still fails."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from otterproof.harness.runs.casting import Casting
from otterproof.harness.runs.rerun import RerunStatus, again
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.exits import CONFORMS, DEVIATES, NOT_RUN
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import Limits
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.results import check_json, put_result, shows_text

#: What `replay` ends with.
FATES = {
    RerunStatus.SAME: CONFORMS,
    RerunStatus.FIXED: CONFORMS,
    RerunStatus.FAILED: DEVIATES,
    RerunStatus.DRIFTED: DEVIATES,
    RerunStatus.ERROR: NOT_RUN,
}


def run(options: argparse.Namespace) -> int:
    check_json(options)
    casting = Casting(options.target, options.peer, options.allow_exec, Limits(options.timeout))
    outcome = again(read_transcript(options.transcript), casting)
    lesser = outcome.fate is RerunStatus.FAILED and outcome.level is not Level.MUST
    told = f"{outcome.fate.value} ({outcome.level.value})" if lesser else outcome.fate.value
    if shows_text(options):
        say(f"{told} {printable(str(options.transcript))}: {outcome.detail}")
        if outcome.drift:
            say(outcome.drift)
    content = asdict(outcome) | {"fate": outcome.fate.value, "level": outcome.level.value}
    put_result(options, "replay", {"transcript": str(options.transcript), **content})
    if lesser and not (options.strict and outcome.level is Level.SHOULD):
        return CONFORMS
    return FATES[outcome.fate]
