"""The page of a finding: one self-contained file for readers who were not involved."""

from __future__ import annotations

import shlex
from pathlib import Path

from otterproof.harness.runs.failure import lines_of
from otterproof.harness.runs.fuzz.evidence import Evidence
from otterproof.harness.runs.fuzz.folder import SCRIPT
from otterproof.harness.runs.fuzz.shrink import is_adversarial
from otterproof.harness.simulation.describe import describe_move
from otterproof.harness.simulation.diagram import diagram_of
from otterproof.harness.simulation.transcript import TranscriptError
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.spec import requirements
from otterproof.harness.support.inputs import InputError
from otterproof.harness.targets.registry import command_of, title
from otterproof.harness.ui.site import environment
from otterproof.harness.ui.site.diagram import as_svg


def finding_page(evidence: Evidence, transcript: Path) -> str:
    """The page. transcript: the file with the run, from which the diagram is drawn."""
    try:
        picture = as_svg(diagram_of(read_transcript(transcript)))
    except (TranscriptError, InputError):
        picture = ""
    table = requirements.load().requirements
    sources = [(name, table[name].text if name in table else "") for name in evidence.record.requirements]
    command = command_of(evidence.target)
    replay = ["otterproof", "replay", transcript.name, *(["--target", command] if command else [])]
    repeat = [shlex.join(replay)]
    if evidence.finding.test is not None:
        repeat.append(shlex.join(["pytest", evidence.finding.test.name]))
    if evidence.finding.again and not evidence.script:
        repeat.append(f"sh {SCRIPT} COMMAND")
    moves = [(describe_move(one.move), is_adversarial(one.move), one.without) for one in evidence.needed]
    return (
        environment()
        .get_template("finding.html")
        .render(
            evidence=evidence,
            finding=evidence.finding,
            target=title(evidence.target),
            record=list(lines_of(evidence.record)),
            sources=sources,
            moves=moves,
            repeat=repeat,
            picture=picture,
        )
    )
