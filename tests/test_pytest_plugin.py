"""The pytest plugin in a user's project without a conftest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.reproduce import as_test
from otterproof.harness.simulation.moves import Inject, Settle
from otterproof.harness.targets.registry import open_target

pytestmark = pytest.mark.slow

BAD = "fault:counter-starts-at-0"
TWO = "otterproof::conformance.data_counters::counter_0"


def run(folder: Path, *words: str) -> tuple[int, str]:
    """pytest in a project; returns its exit code and its output."""
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", *words]
    # It is not a worker of the pytest that runs this test.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, timeout=300, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'mine'\nversion = '1'\n")
    return tmp_path


def test_a_failing_target(project: Path) -> None:
    code, out = run(project, "--otterproof-target", BAD, TWO, "--junitxml", "junit.xml", "--otterproof-report", "told")
    assert code == 1
    assert f"FAILED {TWO}[v2] - form.counter-" in out
    assert "explain   otterproof explain form.counter-zero" in out
    assert "must   DATA-CTR-2: form.counter-zero (2 scenarios)" in out
    assert "cells of the state tables were not visited" in out or "report: told" in out
    assert list((project / "told").rglob("*.jsonl"))
    cases = list(ElementTree.parse(project / "junit.xml").iter("testcase"))
    assert {(case.get("classname"), case.get("name")) for case in cases} == {
        ("otterproof.conformance.data_counters", f"counter_0[v{version}]") for version in (2, 3)
    }
    code, out = run(project, "--otterproof-target", BAD, "--lf", "-q")
    assert code == 1
    assert "2 failed" in out


def test_the_card_of_a_part(project: Path) -> None:
    """Scenarios that were not selected do not count; the command repeats the run without pytest."""
    (project / "otterproof.toml").write_text(
        f'target = "{BAD}"\nknown = "known.toml"\nreport = "told"\nstrict = true\ntimeout = 5\n'
    )
    (project / "known.toml").write_text("")
    code, out = run(project, "-q", "otterproof", "-k", "counter_0")
    assert code == 1
    assert "replay    otterproof replay" in out
    assert "--timeout 5" in out
    card = json.loads((project / "told" / "otr-card.json").read_text())
    assert (card["ending"], card["not_run"]) == ("complete", [])
    assert card["target"]["randomness"] == "tape"
    options = ["--known", "known.toml", "--timeout", "5", "--strict"]
    only = [word for one in card["scenarios"] for word in ("--only", one["id"])]
    assert card["command"] == ["otterproof", "check", BAD, *options, *only]


def test_a_full_disk_is_no_failure_of_the_target(project: Path) -> None:
    (project / "conftest.py").write_text(
        "import errno\nfrom otterproof.harness.support.outputs import OutputError\n"
        "from otterproof.harness.ui.reports import writing\n\n\n"
        "def full(path, *_):\n    raise OutputError(path, OSError(errno.ENOSPC, 'no space left'))\n\n\n"
        "writing.write_whole = full\n"
    )
    code, out = run(project, "--otterproof-target", "reference", TWO, "--otterproof-report", "told")
    assert code == 3
    assert "not written: can't write told/otr-card.json: no space left" in out
    assert "2 passed" in out


def test_without_a_place_for_transcripts_nothing_is_run(project: Path) -> None:
    (project / "otterproof-failures").write_text("no folder")
    command = [sys.executable, "-m", "pytest", "--otterproof-target", "reference", TWO]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 4
    assert "nothing can be written to otterproof-failures" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_selection(project: Path) -> None:
    listing = ("--otterproof-target", "reference", "--collect-only", "-q")
    code, out = run(project, *listing, f"{TWO}[v3]")
    assert (code, out.split()[0]) == (0, f"{TWO}[v3]")
    counts = {}
    for words in (
        ("-k", "DATA-CTR-2"),
        ("-m", "otr_kind(name='attacks')"),
        ("-m", "otr_requirement(id='DATA-CTR-2')"),
        ("-m", "otr_level(name='advice')"),
    ):
        code, out = run(project, *listing, *words)
        assert code == 0
        counts[words[1]] = sum(line.startswith("otterproof::") for line in out.splitlines())
    assert all(0 < count < 200 for count in counts.values()), counts


def test_an_id_selects_all_that_begins_with_it(project: Path) -> None:
    found = {}
    for word in ("otterproof::attacks", "otterproof::attacks.parsing"):
        code, out = run(project, "--otterproof-target", "reference", "--collect-only", "-q", word)
        found[word] = {line for line in out.splitlines() if line.startswith("otterproof::")}
        assert code == 0
    kind, module = found.values()
    assert kind > module
    assert module
    assert all(line.startswith("otterproof::attacks.parsing::") for line in module)


def test_a_reproducer_shows_the_failure_and_no_traceback(project: Path) -> None:
    """As `fuzz` writes it; a target that can't be started is no failure."""
    target = open_target("fault:error-answered-with-error")
    made = Program(Setup(target=target, oracles=("states",)), (Inject("alice", b"?OTR Error: no"), Settle()))
    failure = attempt(made)
    assert failure is not None
    reproducer = project / "test_found.py"
    reproducer.write_text(as_test("found", made, failure, "Found."))
    code, out = run(project, "-q", "test_found.py")
    assert code == 1
    assert "\nFAIL  states.wrong-answer-to-error\n  must, ERROR-START-1" in out
    assert "explain   otterproof explain states.wrong-answer-to-error" in out
    assert "Traceback" not in out
    assert "harness" not in out
    for command in ("exec:../driver", f"exec:{sys.executable} ../driver.py"):
        reproducer.write_text(as_test("found", made, failure, "Found.", command))
        code, out = run(project, "-q", "-rs", "test_found.py")
        assert code == 0
        assert "nothing was tested, because the target could not be started: " in out


def card_of(project: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((project / "told" / "otr-card.json").read_text())
    return card


def test_a_scenario_that_is_run_again_is_in_the_card_once(project: Path) -> None:
    (project / "conftest.py").write_text(
        "import pytest\nfrom _pytest.runner import runtestprotocol\n\n\n"
        "def pytest_runtest_protocol(item, nextitem):\n"
        "    runtestprotocol(item, nextitem=item, log=True)\n"
        "    runtestprotocol(item, nextitem=nextitem, log=True)\n"
        "    return True\n"
    )
    code, out = run(project, "--otterproof-target", "reference", TWO, "--otterproof-report", "told")
    assert code == 0
    assert "4 passed" in out
    assert len(card_of(project)["scenarios"]) == 2


@pytest.mark.parametrize("processes", ["0", "2"])
def test_an_interrupted_run_leaves_a_card(processes: str, project: Path) -> None:
    (project / "conftest.py").write_text(
        "import os\nimport signal\n\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored where the tests run\n\n\n"
        "def pytest_runtest_logreport(report):\n"
        "    if report.when == 'call' and 'PYTEST_XDIST_WORKER' not in os.environ:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
    )
    words = ("--otterproof-target", "reference", "otterproof::conformance.data_counters", "--otterproof-report", "told")
    code, out = run(project, *words, "-n", processes)
    assert code == 2
    card = card_of(project)
    assert card["ending"] == "interrupted"
    assert len(card["scenarios"]) + len(card["not_run"]) == 18
    assert f"interrupted: {len(card['not_run'])} of 18 scenarios were not run" in out


def test_the_card_of_several_processes_is_that_of_one(project: Path) -> None:
    """Also if one of them dies: the scenario it was running could not be judged."""
    words = ("--otterproof-target", BAD, TWO, "--otterproof-report", "told")
    cards = []
    for processes in ("0", "2"):
        code, _ = run(project, *words, "-n", processes)
        assert code == 1
        cards.append(card_of(project))
        shutil.rmtree(project / "told")
    for card in cards:
        card["seconds"] = 0
        for one in card["scenarios"]:
            one["seconds"] = 0
    assert cards[0] == cards[1]
    (project / "conftest.py").write_text(
        "import os\n\n\ndef pytest_runtest_setup(item):\n    if '[v3]' in item.nodeid:\n        os._exit(9)\n"
    )
    code, out = run(project, *words, "-n", "2")
    assert code == 1
    assert "crashed while running" in out
    assert {one["id"][-4:]: one["verdict"] for one in card_of(project)["scenarios"]} == {
        "[v2]": "fail",
        "[v3]": "infra",
    }


def test_a_project_with_settings_known_deviations_and_tests(project: Path) -> None:
    (project / "otterproof.toml").write_text(f'target = "{BAD}"\nknown = "known.toml"\n')
    entry = 'check = "form.counter-zero"\nreason = "It starts with 0."\n'
    (project / "known.toml").write_text(
        f'[[deviation]]\nscenario = "conformance.data_counters.counter_0"\n{entry}'
        f'[[deviation]]\nscenario = "conformance.negotiation_queries.unknown_versions_are_skipped"\n{entry}'
    )
    (project / "test_mine.py").write_text(
        "def test_a_text(otr_session, otr_insider):\n"
        '    otr_session.assert_receives_text(otr_insider, b"hello")\n'
        "def test_a_pair(otr_peer):\n"
        "    otr_peer.establish('peer')\n"
    )
    code, out = run(project, "-q")
    assert code == 0
    assert "2 passed" in out
    code, out = run(
        project, "-q", TWO, "otterproof::conformance.negotiation_queries::unknown_versions_are_skipped[v3]", "-n", "2"
    )
    assert code == 1
    assert "2 xfailed" in out
    assert "1 failed" in out
    assert "it passes; remove the entry" in out


def test_scenarios_of_ones_own(project: Path) -> None:
    (project / "my_scenarios.py").write_text(
        '"""Ours."""\nfrom otterproof import scenario\n\n\n@scenario(versions=(3,))\ndef greets(context):\n'
        '    """It greets."""\n    context.pair().establish("target")\n'
    )
    (project / "pytest.ini").write_text("[pytest]\npythonpath = .\notterproof_scenarios = my_scenarios\n")
    code, out = run(project, "--otterproof-target", "reference", "-k", "greets", "-v")
    assert code == 0
    assert "otterproof::my_scenarios::greets[v3] PASSED" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--otterproof-target", "libotter"), "no target 'libotter'"),
        (("--otterproof-target", "exec:false"), "ended"),
        (("--otterproof-target", "reference", "--otterproof-known", "absent.toml"), "absent.toml"),
        (("--otterproof-target", "reference", f"{TWO}0"), f"near to it: {TWO}[v"),
        (("--otterproof-target", "reference", "--otterproof-report", "pyproject.toml"), "with --otterproof-report"),
        (("otterproof",), "no target to judge; name it with --otterproof-target"),
    ],
)
def test_wrong_requests_are_told_in_a_sentence(words: tuple[str, ...], says: str, project: Path) -> None:
    command = [sys.executable, "-m", "pytest", *words]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 4
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_without_a_target_the_plugin_does_nothing(project: Path) -> None:
    (project / "otterproof").mkdir()
    (project / "otterproof" / "test_theirs.py").write_text("def test_it(): pass\n")
    code, out = run(project, "otterproof", "-q")
    assert code == 0
    assert "1 passed" in out
