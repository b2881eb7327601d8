"""What the folder of a finding has of the driver: the script with its lines, and standard error."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.driver_script import DriverRun
from otterproof.harness.runs.fuzz.evidence import _why_not
from otterproof.harness.runs.fuzz.execute import Failure
from otterproof.harness.runs.fuzz.state import FindingStage, State, as_json, state_of
from otterproof.harness.runs.fuzz.store import read_state
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.ui import cli

ROGUE = Path(__file__).parent / "rogue_driver.py"


@pytest.mark.slow
def test_a_driver_is_given_its_lines_again_without_otterproof(tmp_path: Path) -> None:
    driver = [sys.executable, str(ROGUE)]
    target = f"exec:{shlex.join([*driver, 'nulls'])}"
    assert cli.main(["fuzz", target, "--examples", "5", "--jobs", "1", "--out", str(tmp_path)]) == 1
    folder = next(path for path in sorted(tmp_path.iterdir()) if (path / "repro.sh").exists())
    for words, code in (([], 1), ([*driver, "nulls"], 1), ([*driver, "none"], 0), (["false"], 2), (["/nowhere"], 2)):
        done = subprocess.run(["sh", str(folder / "repro.sh"), *words], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
    assert cli.main(["replay", str(tmp_path), "--target", target]) == 1


@pytest.mark.slow
def test_the_script_shows_the_request_that_the_finding_is_about(tmp_path: Path) -> None:
    """Two requests follow it, which end the case."""
    target = f"exec:{shlex.join([sys.executable, str(ROGUE), 'none'])}"
    assert cli.main(["fuzz", target, "--examples", "10", "--jobs", "1", "--out", str(tmp_path)]) == 1
    (folder,) = tmp_path.glob("states-error-not-shown")
    done = subprocess.run(["sh", str(folder / "repro.sh")], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    shown = done.stdout.splitlines()[-4:]
    request = json.loads(shown[1])
    assert request["method"] == "receive"
    assert request["params"]["message"].startswith("?OTR Error:")
    assert json.loads(shown[3]) == {"jsonrpc": "2.0", "id": request["id"], "result": {"events": []}}


def test_what_is_seen_once_keeps_the_standard_error(tmp_path: Path) -> None:
    """It is the only evidence. The target crashes once and never again."""
    driver = tmp_path / "driver.py"
    driver.write_text(
        f"import os, sys\nsys.argv[1:] = ['none']\nsys.path.insert(0, {str(ROGUE.parent)!r})\nimport rogue_driver\n"
        "answer = rogue_driver.answer\n"
        "def once(request_id, **content):\n"
        f"    if content['result'] == rogue_driver.CREATED and not os.path.exists({str(tmp_path / 'crashed')!r}):\n"
        f"        open({str(tmp_path / 'crashed')!r}, 'w').close()\n"
        "        os.write(2, b'boom \\x1b[2J\\n')\n"
        "        os._exit(3)\n"
        "    answer(request_id, **content)\n"
        "rogue_driver.answer = once\n"
        "rogue_driver.main()\n"
    )
    target = f"exec:{shlex.join([sys.executable, str(driver)])}"
    out = tmp_path / "out"
    command = ["fuzz", target, "--examples", "1", "--jobs", "1", "--out", str(out)]
    assert cli.main([*command, "--name", "flaky"]) == 1
    (finding,) = read_state(out, "flaky", "otterproof").findings
    assert (finding.check, finding.stage, finding.confirmed) == ("crash.create.exit-3", FindingStage.ONCE, 0)
    folder = out / finding.name
    assert finding.stderr == (folder / "stderr.txt").read_text() == "boom \\x1b[2J\n"
    written = json.loads((folder / "record.json").read_text())
    assert written["record"]["check"] == finding.check
    assert "boom \\x1b[2J" in " ".join(written["record"]["notes"])
    assert not (folder / "repro.sh").exists()
    assert "repro.sh" not in written["script"] + (folder / "report.html").read_text()


def test_a_script_is_written_only_of_a_run_that_fails() -> None:
    """The driver may answer the same twice when it does not fail."""
    run = DriverRun(("hello",), ("{}",), True, "", None, 0, 1.0)
    target = DriverTarget("rogue", [sys.executable, str(ROGUE), "none"])
    try:
        assert "did not occur" in _why_not(run, target, "crash.start.exit-3")
        failure = Failure("bounds", Verdict.CRASH, Bucket("crash.start.exit-3"), "", False, 1)
        assert "did not occur" in _why_not(replace(run, failure=failure), target, "crash.start.exit-4")
        assert _why_not(replace(run, failure=failure), target, "crash.start.exit-3") == ""
        foreign = replace(run, failure=failure, answers=("\udcff",))
        assert "UTF-8" in _why_not(foreign, target, "crash.start.exit-3")
    finally:
        target.close()


def test_a_waiting_failure_keeps_the_standard_error() -> None:
    """A campaign that is killed before it has handled a failure knows what the driver said."""
    failure = Failure("bounds", Verdict.CRASH, Bucket("crash.start.exit-3"), "", False, 1, "boom")
    written = as_json(State().after(0, failure, {}, ()), "t", "", "s")
    waiting = state_of(json.loads(json.dumps(written))).waiting
    assert waiting is not None
    assert waiting.stderr == "boom"
