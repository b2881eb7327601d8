"""`otterproof replay`: run a transcript again, and say whether it still fails."""

from __future__ import annotations

import argparse
from pathlib import Path

from otterproof.harness.runs.casting import Casting
from otterproof.harness.runs.rerun import RerunStatus, again
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.exits import CONFORMS, DEVIATES, NOT_RUN
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import Limits
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.options import add_timeout

#: What `replay` ends with.
FATES = {
    RerunStatus.SAME: CONFORMS,
    RerunStatus.FIXED: CONFORMS,
    RerunStatus.FAILED: DEVIATES,
    RerunStatus.DRIFTED: DEVIATES,
    RerunStatus.ERROR: NOT_RUN,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `replay`."""
    parser.add_argument("transcript", type=Path, help="transcript file, as failed runs of check and fuzz leave it")
    parser.add_argument("--target", help="target that plays the judged party (default: the one in the transcript)")
    parser.add_argument("--peer", help="target that plays all other parties (default: those in the transcript)")
    parser.add_argument(
        "--allow-exec",
        action="store_true",
        help="run the commands that the transcript names as targets (exec:COMMAND); only for files that you trust. "
        "Without it, such a command runs only if you give the same one with --target or --peer",
    )
    parser.add_argument(
        "--strict", action="store_true", help="count what the texts say a client should do, and not only what it must"
    )
    add_timeout(parser)


def run(options: argparse.Namespace) -> int:
    casting = Casting(options.target, options.peer, options.allow_exec, Limits(options.timeout))
    outcome = again(read_transcript(options.transcript), casting)
    lesser = outcome.fate is RerunStatus.FAILED and outcome.level is not Level.MUST
    told = f"{outcome.fate.value} ({outcome.level.value})" if lesser else outcome.fate.value
    say(f"{told} {printable(str(options.transcript))}: {outcome.detail}")
    if outcome.drift:
        say(outcome.drift)
    if lesser and not (options.strict and outcome.level is Level.SHOULD):
        return CONFORMS
    return FATES[outcome.fate]
