"""`otterproof replay`: run a transcript, or all transcripts in a folder, again, and say whether they still fail."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from otterproof.harness.runs.casting import Casting
from otterproof.harness.runs.fuzz.folder import ANSWERS_FILE, REQUESTS
from otterproof.harness.runs.rerun import Outcome, RerunStatus, again
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS, DEVIATES, NOT_RUN
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import Limits
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.results import check_json, put_result, shows_text
from otterproof.harness.wire.shown import counted

#: The exit codes of `replay`.
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
    if not options.transcript.is_dir():
        outcome = _replay(options.transcript, casting, options)
        put_result(options, "replay", _as_json(options.transcript, outcome))
        return _code(outcome, options)
    paths = transcripts_in(options.transcript)
    if not paths:
        raise UsageError(f"{options.transcript} has no transcripts; name the folder that check or fuzz has written to")
    outcomes = [_replay(path, casting, options) for path in paths]
    counts = Counter(outcome.fate.value for outcome in outcomes)
    told = ", ".join(f"{counts[one.value]} {one.value}" for one in RerunStatus if counts[one.value])
    if shows_text(options):
        say(f"{counted(len(outcomes), 'transcript')}: {told}")
    pairs = zip(paths, outcomes, strict=True)
    put_result(options, "replay", {"transcripts": [_as_json(path, outcome) for path, outcome in pairs]})
    codes = {_code(outcome, options) for outcome in outcomes}
    return next(code for code in (DEVIATES, NOT_RUN, CONFORMS) if code in codes)


def transcripts_in(folder: Path) -> list[Path]:
    """The transcripts in a folder and its subfolders, without other JSON-lines files.

    Symbolic links are not followed.
    """
    found = [path for path in folder.rglob("*.jsonl") if path.is_file() and not path.is_symlink()]
    return sorted(path for path in found if path.name not in (REQUESTS, ANSWERS_FILE))


def _replay(path: Path, casting: Casting, options: argparse.Namespace) -> Outcome:
    """Replay a transcript, and print the outcome."""
    outcome = again(read_transcript(path), casting)
    told = f"{outcome.fate.value} ({outcome.level.value})" if _is_lesser(outcome) else outcome.fate.value
    if shows_text(options):
        say(f"{told} {printable(str(path))}: {outcome.detail}")
        if outcome.drift:
            say(outcome.drift)
    return outcome


def _as_json(path: Path, outcome: Outcome) -> Mapping[str, Any]:
    content = asdict(outcome) | {"fate": outcome.fate.value, "level": outcome.level.value}
    return {"transcript": str(path), **content}


def _is_lesser(outcome: Outcome) -> bool:
    return outcome.fate is RerunStatus.FAILED and outcome.level is not Level.MUST


def _code(outcome: Outcome, options: argparse.Namespace) -> int:
    if _is_lesser(outcome) and not (options.strict and outcome.level is Level.SHOULD):
        return CONFORMS
    return FATES[outcome.fate]
