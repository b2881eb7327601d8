"""Repeats a judgement under conditions that must not matter, and reports the differences.

`python -m tests.hostile.repetition DIR ENGINE` judges an engine of the project with all scenarios, in reverse order and
with another number of processes and another seed for Python's hashes than in DIR. It compares the result with the files
that `check` wrote to DIR: `verdicts.json`, and the transcripts in `transcripts`. Both engines of the project give the
same bytes for the same seed, so DIR may hold the judgement of either.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from otterproof.harness.runs.runner import Job, judge, results_of
from otterproof.harness.targets.engines import ENGINES
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.harness.ui.json_report import as_json
from tests.judged import judged

ROOT = Path(__file__).parents[2]

#: The files in the folder of a judgement.
VERDICTS, TRANSCRIPTS = "verdicts.json", "transcripts"

SEED = "otterproof"


def write_judgement(target: str, ids: Sequence[str], processes: int, *, backwards: bool = False) -> None:
    """Judge a target and write the results to the current folder. ids: of the scenarios; if empty, all of them."""
    load()
    chosen = [one for one in scenarios() if not ids or one.id in ids]
    if backwards:
        chosen.reverse()
    results = list(results_of(judge(Job(target, SEED.encode(), Path(TRANSCRIPTS), True), chosen, processes)))
    told = {"runs": [as_json(judged(results, target, "1", SEED, (), chosen))]}
    Path(VERDICTS).write_text(json.dumps(told))


def judge_apart(folder: Path, target: str, ids: Sequence[str], processes: int, hashes: int, *, backwards: bool) -> None:
    """The same in a separate process, in a folder. hashes: the seed of Python's hashes, on which sets depend."""
    call = f"repetition.write_judgement({target!r}, {list(ids)!r}, {processes}, backwards={backwards})"
    code = f"from tests.hostile import repetition\n{call}"
    environment = {**os.environ, "PYTHONHASHSEED": str(hashes), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"judging {target} apart ended with {done.returncode}:\n{done.stderr}")


def differences(one: Path, other: Path) -> Iterator[str]:
    """The differences between two judgements: verdicts apart from times, and transcripts byte by byte."""
    if _verdicts(one) != _verdicts(other):
        yield VERDICTS
    files = [{file.name for file in (folder / TRANSCRIPTS).glob("*.jsonl")} for folder in (one, other)]
    for name in sorted(files[0] | files[1]):
        if not (name in files[0] and name in files[1]):
            yield f"{TRANSCRIPTS}/{name} (only one has it)"
        elif _transcript(one, name) != _transcript(other, name):
            yield f"{TRANSCRIPTS}/{name}"


def _verdicts(folder: Path) -> Any:
    (content,) = json.loads((folder / VERDICTS).read_text())["runs"]
    content.pop("target")
    content.pop("explored", None)  # `check` also explores, which has nothing to do with the scenarios
    for scenario in content["scenarios"]:
        scenario.pop("seconds")
    return content


def _transcript(folder: Path, name: str) -> bytes:
    """A transcript, with the name of either engine replaced by the same one."""
    header, end, steps = (folder / TRANSCRIPTS / name).read_bytes().partition(b"\n")
    for engine in ENGINES:
        header = header.replace(b'"target":"%s"' % engine.encode(), b'"target":"engine"')
    return header + end + steps


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.repetition", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("engine", choices=list(ENGINES))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        judge_apart(Path(folder), options.engine, [], (os.cpu_count() or 1) + 1, 77, backwards=True)
        found = list(differences(options.folder, Path(folder)))
        count = len(list((Path(folder) / TRANSCRIPTS).glob("*.jsonl")))
    for difference in found:
        print(f"not the same twice: {difference}")
    print(f"{count} transcripts compared, {len(found)} differences")
    return 1 if found or not count else 0


if __name__ == "__main__":
    sys.exit(main())
