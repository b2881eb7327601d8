"""Failures while a driver resets or shuts down get a verdict, attributed to the scenario that led to them."""

from __future__ import annotations

import json
import select
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.runner import ENDS, Job, Result, judge, results_of, run, with_ending_result
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import DriverTarget, TargetDesync
from otterproof.harness.targets.driver import target as driver_target
from otterproof.harness.testkit.context import TARGET, Context
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.scenario import Scenario, load, scenarios
from otterproof.harness.ui import cli
from otterproof.implementations.contract import PartyConfig
from tests.driver_clock import AFTER_AN_ANSWER, AFTER_THE_FIRST_WORDS, AT_ONCE, Clock, clock
from tests.raising import raises_check

__all__ = ["clock"]

load()
SABOTEUR = Path(__file__).with_name("saboteur.py")

#: The time limit of a call in seconds; no driver here needs it, however busy the machine is.
LIMIT = 60.0

Make = Callable[[str, str], DriverTarget]


def command(method: str, statement: str) -> list[str]:
    return [sys.executable, "-S", "-E", str(SABOTEUR), method, statement]


@pytest.fixture
def saboteur() -> Iterator[Make]:
    """Makes a target whose driver runs a statement in place of a good answer to a method."""
    made = []

    def make(method: str, statement: str) -> DriverTarget:
        made.append(DriverTarget("saboteur", command(method, statement), LIMIT))
        return made[-1]

    yield make
    for target in made:
        target.close()


def _asks(context: Context) -> None:
    context.target_session().world.user(TARGET, "start")


#: A scenario that passes whatever the target says; it is in no table.
ASKS = Scenario("test.asks[v3]", "test", "It asks.", 3, (), frozenset({"v3"}), frozenset({"v3"}), _asks)


#: Method, statement, and the verdict for the scenario that led to it.
AFTER_A_CASE = [
    ("reset", "import os; os.abort()", Verdict.CRASH, "crash.reset.sigabrt"),
    ("reset", "import os; os._exit(0)", Verdict.CRASH, "crash.reset.exit-0"),
    ("reset", "import os; good(); os._exit(6)", Verdict.CRASH, "crash.reset.exit-6"),
    ("reset", "good(); good()", Verdict.DESYNC, "desync.reset"),
    ("reset", "import os; os.write(1, b'what?' + bytes([10]))", Verdict.DESYNC, "desync.reset"),
    (
        "start",
        "import time; good(); time.sleep(0.02); good()",
        Verdict.DESYNC,
        "desync.reset",
    ),
]


@pytest.mark.parametrize(("method", "statement", "verdict", "check"), AFTER_A_CASE)
def test_who_can_not_forget_fails_the_scenario(
    saboteur: Make, method: str, statement: str, verdict: Verdict, check: str
) -> None:
    target = saboteur(method, statement)
    for _ in range(2):  # the next scenario has a new process, which does the same
        result = run(ASKS, target, b"seed")
        assert (result.verdict, result.check) == (verdict, check), result.detail
    target.leave()  # no failure is left to report


def test_who_does_not_forget_in_time_hangs(saboteur: Make, clock: Clock) -> None:
    target = saboteur("reset", "import os, time; os.write(2, b'what now?'); time.sleep(300)")

    def asks(context: Context) -> None:
        _asks(context)
        clock.jump(AFTER_THE_FIRST_WORDS)

    result = run(replace(ASKS, run=asks), target, b"seed")
    assert result.verdict is Verdict.HANG


def test_an_error_of_the_library_over_forgetting_is_a_crash(saboteur: Make) -> None:
    result = run(ASKS, saboteur("reset", "fail(-32002, 'double free')"), b"seed")
    assert (result.verdict, result.check) == (Verdict.CRASH, "exception.reset")
    assert "double free" in result.detail


def test_a_driver_must_know_how_to_forget(saboteur: Make) -> None:
    result = run(ASKS, saboteur("reset", "fail(-32601, 'no method')"), b"seed")
    assert result.verdict is Verdict.DESYNC
    assert "it answered reset with an error" in result.detail


def test_a_program_of_a_campaign_is_to_blame_for_what_comes_after_it(saboteur: Make) -> None:
    target = saboteur("reset", "import os; os.abort()")
    failure = attempt(Program(Setup(start="scratch", target=target), ()))
    assert failure is not None
    assert failure.verdict in (Verdict.CRASH, Verdict.FAIL)


#: The statement in place of the answer to `shutdown`, and the id of the failure.
ENDINGS = [
    ("import os; os.abort()", "crash.exit.sigabrt"),
    ("import os; good(); os.write(2, b'free(): invalid'); os.abort()", "crash.exit.sigabrt"),
    ("import os; good(); os._exit(3)", "crash.exit.exit-3"),
    ("import os; os._exit(0)", "crash.exit.exit-0"),
    ("good(); good()", "desync.exit"),
    ("import os, time; good(); time.sleep(0.02); os.write(1, b'bye' + bytes([10]))", "desync.exit"),
    ("import os, time; good(); os.close(0); time.sleep(300)", "hang.exit"),
    ("import time; time.sleep(300)", "hang.exit"),
]


@pytest.mark.parametrize(("statement", "check"), ENDINGS)
def test_how_a_driver_ends_is_seen(saboteur: Make, clock: Clock, statement: str, check: str) -> None:
    target = saboteur("shutdown", statement)
    if check.startswith("hang."):
        clock.jump(AFTER_AN_ANSWER if "good()" in statement else AT_ONCE)
    with raises_check(check):
        target.leave()
    target.leave()  # reported only once


def test_a_death_between_cases_is_told_at_the_end(saboteur: Make) -> None:
    target = saboteur("hello", "import os, threading; good(); threading.Timer(0.1, os._exit, (6,)).start()")
    pid = target.pid
    config = PartyConfig(published_key("alice"))
    while target.pid == pid:
        target.reset()
    target.party("alice", config, b"")
    with raises_check("crash.exit.exit-6"):
        target.leave()


def test_an_answer_that_comes_between_cases_is_told_at_the_end(saboteur: Make) -> None:
    late = "import threading\ngood()\nif count == 2: threading.Timer(0.02, good).start()"
    target = saboteur("reset", late)
    config = PartyConfig(published_key("alice"))
    target.party("alice", config, b"")
    pid = target.pid
    target.finish()
    select.select([target._process._out], [], [])
    target.party("alice", config, b"")
    assert target.pid != pid
    with pytest.raises(TargetDesync, match="unexpected output after its answer to reset"):
        target.leave()


def test_the_end_of_an_old_process_is_told_at_the_end(saboteur: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_target, "CASES_PER_PROCESS", 2)
    target = saboteur("shutdown", "import os; good(); os._exit(3)")
    pid = target.pid
    for _ in range(3):
        target.reset()
    assert target.pid != pid
    with raises_check("crash.exit.exit-3"):
        target.leave()


# ---- in a check ------------------------------------------------------------------------------------------------------


def _results(processes: int) -> dict[str, tuple[Verdict, str]]:
    target = "exec:" + shlex.join(command("shutdown", "import os; good(); os._exit(3)"))
    chosen = [one for one in scenarios("interop.handshake_asked") if one.version == 3]
    results = list(results_of(judge(Job(target, b"seed", None, False), chosen, processes)))
    return {one.scenario: (one.verdict, one.detail.partition("\n")[0]) for one in results}


@pytest.mark.slow
def test_a_bad_end_is_one_result_for_any_number_of_processes() -> None:
    one = _results(1)
    assert one == _results(2)
    assert one[f"{ENDS}[v3]"] == (
        Verdict.CRASH,
        f"between scenarios, or after all of them: exec:{shlex.join(command('shutdown', 'import os; good(); '))[:-1]}"
        "os._exit(3)': shutdown: ended with exit code 3",
    )


def _result(name: str, verdict: Verdict) -> Result:
    return Result(name, (), verdict, "", 0, 0.0)


END = _result(f"{ENDS}[v3]", Verdict.CRASH)


@pytest.mark.parametrize(
    ("own", "ends", "expected"),
    [
        (Verdict.PASS, [None, None], ["a pass", "ends pass"]),
        (Verdict.PASS, [None, END], ["a pass", "ends crash"]),
        (Verdict.PASS, [END, END], ["a pass", "ends crash"]),
        (Verdict.HANG, [END], ["a pass", "ends hang"]),
        (None, [END, None, END], ["a pass", "ends crash"]),
        (None, [None], ["a pass"]),
    ],
)
def test_the_end_takes_the_place_of_its_scenario(
    own: Verdict | None, ends: list[Result | None], expected: list[str]
) -> None:
    results = [] if own is None else [replace(END, verdict=own)]
    told = list(results_of(with_ending_result([*results, _result("a", Verdict.PASS)], lambda: ends)))
    assert sorted(f"{one.scenario} {one.verdict.value}".replace(END.scenario, "ends") for one in told) == expected


def test_the_command_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    driver = tmp_path / "driver.py"
    driver.write_text(
        "import os, signal\n"
        "from otterproof.implementations.drivers.engine.driver import Driver\n"
        "from otterproof.implementations.drivers.linejson import serve\n"
        "serve(Driver('reference').methods())\n"
        "os.write(2, b'double free or corruption')\n"
        "os.abort()\n"
    )
    target = f"exec:{sys.executable} {driver}"
    only = "conformance.interop.handshake_asked_by_peer[v3]"
    assert cli.main(["check", target, "--only", only, "--jobs", "1", "--json", "out.json"]) == 1
    printed = capsys.readouterr().out
    assert "killed by SIGABRT" in printed
    assert "double free or corruption" in printed
    found = {
        one["scenario"]: one["verdict"] for one in json.loads(Path("out.json").read_text())["runs"][0]["scenarios"]
    }
    assert found == {only: "pass", f"{ENDS}[v2]": "crash"}


def test_the_scenario_is_there() -> None:
    assert [one.version for one in scenarios(ENDS)] == [2, 3]
