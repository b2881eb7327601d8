"""The table of checks: it is valid, code and table have the same ids, and some fault trips every check."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from otterproof import harness
from otterproof.harness.runs.faults.detect import ScenarioTask, notices
from otterproof.harness.runs.faults.trips import tripped_checks, untripped_checks
from otterproof.harness.spec import requirements
from otterproof.harness.spec.checks import CHECK_ID, checks, lint, read
from otterproof.harness.targets.faults import FaultTarget
from otterproof.harness.testkit import reply
from otterproof.harness.testkit.reply import CheckFailed, Reply, check, check_equal
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.harness.wire import Kind
from otterproof.harness.wire.shown import shown

#: The folders whose code makes demands.
FOLDERS = [Path(str(harness.__file__)).parents[1] / name for name in ("harness", "scenarios")]

#: Functions that make a demand, and which argument is the id of the check.
DEMANDS = dict.fromkeys(("check", "check_equal", "check_told", "fail", "assert_sent", "assert_shown"), 0) | {
    "assert_rejected": 0,
    "assert_ignored": 0,
    "refused": 1,
}


@cache
def sources() -> list[tuple[Path, ast.Module]]:
    paths = [path for folder in FOLDERS for path in sorted(folder.rglob("*.py"))]
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def texts() -> Iterator[str]:
    """Every string in the code that looks like an id."""
    for _, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CHECK_ID.fullmatch(node.value):
                yield node.value


def test_the_files_can_be_read_and_name_requirements_that_exist() -> None:
    found, problems = read()
    assert [str(one) for one in (*problems, *lint(found, requirements.load().requirements))] == []


def test_a_rule_of_more_than_one_line_is_a_problem(tmp_path: Path) -> None:
    text = '[data.example]\nrule = """A rule that goes on \\\nfield = "mac"\nin another line."""\n'
    (tmp_path / "data.toml").write_text(text, encoding="utf-8")
    assert [one.what for one in read(tmp_path)[1]] == ["rule has more than one line"]


def test_what_is_presumed_exists_and_leads_back_to_no_check(tmp_path: Path) -> None:
    entries = {"a": ["data.b"], "b": ["data.c"], "c": ["data.b"], "d": ["data.nowhere"]}
    text = "".join(
        f'[data.{name}]\nrule = "Rule {name}."\npresumes = {presumed}\n' for name, presumed in entries.items()
    )
    (tmp_path / "data.toml").write_text(text, encoding="utf-8")
    found, problems = read(tmp_path)
    assert problems == []
    told = [f"{one.where}: {one.what}" for one in lint(found, ())]
    assert told == [
        "data.b: it presumes itself",
        "data.c: it presumes itself",
        "data.d: there is no check data.nowhere to presume",
    ]


def test_every_check_is_used() -> None:
    used = set(texts())
    assert [name for name in checks() if name not in used] == []


def test_every_demand_has_an_id_of_the_table() -> None:
    wrong = []
    for path, tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            place = DEMANDS.get(name)
            if place is None or len(node.args) <= place:
                continue
            check_id = node.args[place]
            if isinstance(check_id, ast.Constant) and check_id.value not in checks():
                wrong.append(f"{path.name}:{node.lineno}: {check_id.value!r}")
    assert wrong == []


def test_every_check_has_a_fault_that_trips_it_or_a_reason() -> None:
    load()
    tripped, reasons = tripped_checks(), untripped_checks()
    known = {one.id for one in scenarios()}
    assert [name for name in checks() if name not in tripped and name not in reasons] == []
    assert [name for name in (*tripped, *reasons) if name not in checks()] == []
    assert [name for name in tripped if name in reasons] == []
    assert [scenario for _, scenario in tripped.values() if scenario not in known] == []


@pytest.mark.usefixtures("powers_remembered")
@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_every_check_is_tripped(part: int) -> None:
    """By the fault that the file of its area names, in the scenario named there."""
    load()
    missed = []
    for name, (fault, scenario) in sorted(tripped_checks().items())[part::8]:
        found = [one for one in notices(ScenarioTask(scenario), FaultTarget(fault)) if not one.error]
        seen = [check for one in found for check in (one.check, *one.others)]
        if name not in seen:
            missed.append(f"{name}: {scenario} with fault:{fault} gives {seen}")
    assert missed == []


def test_a_demand_that_does_not_hold() -> None:
    with pytest.raises(CheckFailed) as failed:
        check("data.mac-wrong", False, expected=b"\x01\xff", got=3, case="the third")
    assert failed.value.check == "data.mac-wrong"
    assert str(failed.value).splitlines() == [
        checks()["data.mac-wrong"].rule,
        "  case      the third",
        "  expected  01ff (2 bytes)",
        "  got       3",
    ]


def test_a_demand_that_two_values_are_equal() -> None:
    check_equal("data.text-changed", 3, 3)
    with pytest.raises(CheckFailed) as failed:
        check_equal("data.text-changed", 2, 3, case="the third")
    assert (failed.value.check, failed.value.got, failed.value.expected) == ("data.text-changed", "2", "3")
    assert failed.value.case == "the third"


def test_a_demand_of_a_users_own() -> None:
    with pytest.raises(CheckFailed, match=r"^Mine holds\.\n  got       no$"):
        check("mine.does-not-hold", False, got=False, rule="Mine holds.")
    check("mine.does-not-hold", True)


def test_every_default_of_the_testkit_is_in_the_table() -> None:
    assert {*reply.EVENT_CHECKS.values(), *reply.MESSAGE_CHECKS.values()} <= set(checks())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        (True, "yes"),
        ([], "nothing"),
        ([1, b"ab"], '1, "ab"'),
        (b"", "no bytes"),
        (b"\x00" * 50, "00" * 40 + "... (50 bytes)"),
        ("\x1b[2J", r"\x1b[2J"),
        (Kind.DH_KEY, "a D-H Key Message"),
        (Reply(()), "nothing"),
        (1 << 70, "0x400000000000000000"),
    ],
)
def test_values_in_words(value: object, words: str) -> None:
    assert shown(value) == words
