"""Known deviations: they do not fail a run, an entry that does not fit fails it, and --fix updates the entries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from otterproof.harness.runs.causes import is_general
from otterproof.harness.runs.deviations import DeviationError, Known, fix, load
from otterproof.harness.runs.deviations.entries import FOLDER
from otterproof.harness.runs.deviations.reasons import NOT_LOOKED_AT
from otterproof.harness.runs.failure import Failure
from otterproof.harness.runs.runner import Result, run
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec.requirements import load as load_requirements
from otterproof.harness.support import exits
from otterproof.harness.support.inputs import InputError
from otterproof.harness.targets.driver import THIRD_PARTIES
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.scenario import load as load_scenarios
from otterproof.harness.testkit.scenario import scenarios
from otterproof.harness.ui import cli

IDS = ["area.one[v2]", "area.one[v3]", "area.two[v3]"]
REQUIREMENTS = ["DATA-CTR-2", "DATA-CTR-3"]
ENTRY = '[[deviation]]\nscenario = "area.one"\ncheck = "data.counter-not-higher"\nreason = "Counters."\n'


def result(scenario: str, verdict: Verdict = Verdict.FAIL, check: str = "data.counter-not-higher") -> Result:
    passed = verdict is Verdict.PASS
    return Result(scenario, ("!DATA-CTR-2",), verdict, "" if passed else "why", 1, 0.0, "" if passed else check)


PASSED = [result(name, Verdict.PASS) for name in IDS]


def known(tmp_path: Path, text: str, today: date | None = None) -> Known:
    path = tmp_path / "known.toml"
    path.write_text(text)
    return Known(load(path, IDS, REQUIREMENTS, today))


def stale(known_: Known, results: Sequence[Result]) -> str:
    return "\n".join(map(str, known_.stale(results)))


def test_a_failure_that_is_known(tmp_path: Path) -> None:
    entries = known(tmp_path, ENTRY)
    results = [result("area.one[v2]"), result("area.one[v3]"), result("area.two[v3]")]
    assert [one.known for one in entries.mark(results)] == ["Counters.", "Counters.", ""]
    assert entries.stale(results) == []


def test_an_entry_for_one_version(tmp_path: Path) -> None:
    entries = known(tmp_path, ENTRY.replace("area.one", "area.one[v2]"))
    results = [result("area.one[v2]"), result("area.one[v3]")]
    assert [one.known for one in entries.mark(results)] == ["Counters.", ""]


def in_cases(*cases: str) -> Result:
    failure = Failure("data.counter-not-higher", "a rule", failed_cases=cases)
    return replace(result("area.two[v3]"), failure=failure)


CASES = ENTRY.replace("area.one", "area.two") + 'cases = ["first", "second"]\n'


def test_an_entry_for_some_cases(tmp_path: Path) -> None:
    entries = known(tmp_path, CASES)
    assert [one.known for one in entries.mark([in_cases("first", "second")])] == ["Counters."]
    assert entries.stale([in_cases("first", "second")]) == []
    assert [one.known for one in entries.mark([in_cases("first")])] == ["Counters."]
    assert "area.two[v3] passes in some cases (second)" in stale(entries, [in_cases("first")])
    assert [one.known for one in entries.mark([in_cases("first", "third")])] == [""]
    assert "area.two[v3] fails in more cases (third)" in stale(entries, [in_cases("first", "third")])


def test_fixing_keeps_an_entry_to_the_cases_that_fail(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text(CASES)
    assert fix(path, [in_cases("second", "third")]) == (1, 1, 1)
    (entry,) = load(path, IDS, REQUIREMENTS)
    assert (entry.cases, entry.reason) == (("second", "third"), "Counters. Not looked at yet: third.")
    assert fix(path, [in_cases("second", "third")]) == (0, 0, 1)
    path.write_text(CASES)
    assert fix(path, [in_cases("second")]) == (1, 1, 0)
    (entry,) = load(path, IDS, REQUIREMENTS)
    assert (entry.cases, entry.reason) == (("second",), "Counters.")


def test_the_cells_that_fail_are_cases() -> None:
    load_scenarios()
    chosen = scenarios("conformance.cells.tagged_plaintext_in_encrypted")
    found = [run(one, open_target("fault:tag-shown"), b"seed") for one in chosen]
    failures = [one.failure for one in found if one.failure is not None]
    assert failures
    assert all(len(one.failed_cases) > 1 and one.failed_cases[0] in one.case for one in failures)


def test_an_entry_for_a_requirement(tmp_path: Path) -> None:
    entries = known(tmp_path, ENTRY.replace('scenario = "area.one"', 'requirement = "DATA-CTR-2"'))
    results = [result("area.one[v2]"), result("area.two[v3]", Verdict.PASS), result("area.one[v3]", check="data.other")]
    assert [one.known for one in entries.mark(results)] == ["Counters.", "", ""]
    assert entries.stale(results) == []
    assert "it passes; remove the entry" in stale(entries, PASSED)
    assert "area.one[v3] fails by another check (data.other: why)" in stale(entries, results[1:])


def test_a_crash_is_known_by_its_signature_alone(tmp_path: Path) -> None:
    entries = known(tmp_path, ENTRY)
    crash = [result("area.one[v2]", Verdict.CRASH, "crash.receive.sigsegv"), result("area.one[v3]")]
    assert [one.known for one in entries.mark(crash)] == ["", "Counters."]
    assert "area.one[v2] fails by another check (crash.receive.sigsegv: why)" in stale(entries, crash)
    assert known(tmp_path, ENTRY.replace("data.counter-not-higher", "crash.receive.sigsegv")).stale(crash[:1]) == []


@pytest.mark.parametrize(
    ("results", "text"),
    [
        (PASSED, "entry 1 (scenario area.one): it passes; remove the entry, or run with --fix"),
        ([result("area.one[v2]", Verdict.UNSUPPORTED)], "it is not asked of this target"),
        ([result("area.one[v2]"), result("area.one[v3]", Verdict.PASS)], "area.one[v3] passes; name the version"),
        ([result("area.one[v2]", check="data.else")], "area.one[v2] fails by another check (data.else: why)"),
    ],
)
def test_an_entry_that_does_not_fit(tmp_path: Path, results: Sequence[Result], text: str) -> None:
    assert text in stale(known(tmp_path, ENTRY), results)


def test_what_did_not_run_is_not_judged(tmp_path: Path) -> None:
    assert known(tmp_path, ENTRY).stale([result("area.two[v3]", Verdict.PASS)]) == []
    assert known(tmp_path, ENTRY).stale([result("area.one[v2]", Verdict.INFRA)]) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTRY.replace("area.one", "area.wun"), r"there is no such scenario; did you mean area"),
        (ENTRY.replace("scenario", "requirement"), "there is no such requirement"),
        (ENTRY + ENTRY, r"entry 2 .*entry 1 \(scenario area.one\) already covers this"),
        (ENTRY + ENTRY.replace("area.one", "area.one[v3]"), "already covers this"),
        (ENTRY + "expires = 2026-01-31\n", "expired on 2026-01-31; fix the target, or decide again"),
        (ENTRY + 'expires = "soon"\n', "expires is not a date. Write it without quotes: 2027"),
        (ENTRY + 'requirement = "DATA-CTR-2"\n', "it has 2 of scenario, requirement, vector, fuzz"),
        (ENTRY.replace("reason", "raison"), "unknown field 'raison'.*\n.*the field 'reason' is missing"),
        (
            ENTRY.replace("check", "message"),
            r"1 of 1 entries use the old format \(a failure's text instead of its check\); run with --fix",
        ),
        (ENTRY.replace("deviation", "deviatoin"), r"unknown key 'deviatoin'; entries begin with \[\[deviation\]\]"),
        ("[[deviation", "is not TOML"),
        ("deviation = [1]\n", "entry 1: it is not a table"),
        ("deviation = 5\n", r"'deviation' is 5; entries begin with"),
    ],
)
def test_a_file_with_a_mistake(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DeviationError, match=message):
        known(tmp_path, text, date(2026, 2, 1))


def test_not_expired_yet(tmp_path: Path) -> None:
    assert known(tmp_path, ENTRY + "expires = 2026-02-01\n", date(2026, 2, 1)).entries


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read as a file of known deviations: No such file"):
        load(tmp_path / "none.toml", IDS, REQUIREMENTS)


def test_fixing(tmp_path: Path) -> None:
    """Entries that fit stay unchanged, comments included; others are removed; new ones are added."""
    path = tmp_path / "known.toml"
    keep = ENTRY.replace('"area.two"', "") + "expires = 2020-01-01 # long ago\n"
    gone = ENTRY.replace("area.one", "area.gone") + ENTRY.replace("area.one", "area.two").replace(
        "data.counter-not-higher", "data.else"
    )
    path.write_text(f"# The first line.\n\n{keep}\n{gone}")
    results = [
        *map(result, IDS),
        result("area.new[v2]", Verdict.CRASH, "crash.send.exit-1"),
        result("area.new[v3]", Verdict.PASS),
    ]
    assert fix(path, results) == (2, 2, 1)
    text = path.read_text()
    assert text.startswith("# The first line.")
    assert "expires = 2020-01-01 # long ago" in text
    again = Known(load(path, [one.scenario for one in results], REQUIREMENTS))
    names = [(one.name, one.check, one.reason) for one in again.entries]
    assert names == [
        ("area.one", "data.counter-not-higher", "Counters."),
        ("area.new[v2]", "crash.send.exit-1", "Not looked at yet."),
        ("area.two", "data.counter-not-higher", "Counters."),
    ]
    assert again.stale(results) == []
    assert all(one.known for one in again.mark(results) if one.verdict is not Verdict.PASS)
    before = path.read_text()
    assert fix(path, results) == (0, 0, 1)
    assert path.read_text() == before


def test_an_entry_of_an_earlier_version_is_converted(tmp_path: Path) -> None:
    """Its reason is kept unless its versions now fail several checks, as it is unclear which one it was given for."""
    path = tmp_path / "known.toml"
    path.write_text(ENTRY.replace('check = "data.counter-not-higher"', 'message = "a counter"\nverdict = "crash"'))
    assert fix(path, [result("area.one[v2]"), result("area.one[v3]", check="data.other")]) == (1, 2, 2)
    path.write_text(ENTRY.replace('check = "data.counter-not-higher"', 'message = "a counter"\nverdict = "crash"'))
    assert fix(path, [result("area.one[v2]"), result("area.one[v3]")]) == (1, 1, 0)
    names = [(one.name, one.check, one.reason) for one in load(path, IDS, REQUIREMENTS)]
    assert names == [("area.one", "data.counter-not-higher", "Counters.")]


def reasons_after(tmp_path: Path, text: str, results: Sequence[Result]) -> dict[str, str]:
    """The reasons of the entries by name, after the file was updated."""
    path = tmp_path / "known.toml"
    path.write_text(text)
    fix(path, results)
    return {one.name: one.reason for one in load(path, [one.scenario for one in results], REQUIREMENTS)}


OTHER = "data.used-before-mac"


def test_a_reason_is_not_carried_over_to_another_check(tmp_path: Path) -> None:
    changed = [result("area.one[v2]", check=OTHER), result("area.one[v3]", check=OTHER)]
    assert reasons_after(tmp_path, ENTRY, changed) == {"area.one": NOT_LOOKED_AT}
    assert reasons_after(tmp_path, ENTRY, [*changed[:1], result("area.one[v3]")]) == {
        "area.one[v2]": NOT_LOOKED_AT,
        "area.one[v3]": "Counters.",
    }
    crashed = [result("area.one[v2]", Verdict.CRASH, "crash.receive.sigsegv")]
    assert reasons_after(tmp_path, ENTRY, crashed) == {"area.one": NOT_LOOKED_AT}


def entry(name: str, check: str, reason: str) -> str:
    return f'[[deviation]]\nscenario = "{name}"\ncheck = "{check}"\nreason = "{reason}"\n'


def test_a_changed_check_takes_the_reason_that_its_area_gives(tmp_path: Path) -> None:
    """If the entries of the area with that check agree on it, whatever the entries of other areas say."""
    macs = entry("area.two", OTHER, "MACs.") + entry("elsewhere.two", OTHER, "Other MACs.")
    results = [result(name, check=OTHER) for name in ("area.one[v2]", "area.two[v3]", "area.three[v3]")]
    results.append(result("elsewhere.two[v3]", check=OTHER))
    expected = {"area.two": "MACs.", "elsewhere.two": "Other MACs.", "area.one": "MACs.", "area.three": "MACs."}
    assert reasons_after(tmp_path, ENTRY + macs, results) == expected
    several = macs + entry("area.three", OTHER, "MACs, too.")
    assert reasons_after(tmp_path, ENTRY + several, results)["area.one"] == NOT_LOOKED_AT
    unlooked = macs + entry("area.three", OTHER, NOT_LOOKED_AT)
    assert reasons_after(tmp_path, ENTRY + unlooked, results)["area.one"] == "MACs."


def test_a_general_check_takes_no_reason_from_its_area(tmp_path: Path) -> None:
    """There are countless reasons why a text may not arrive."""
    lost = "text.not-delivered"
    assert is_general(lost)
    results = [result("area.one[v2]", check=lost), result("area.two[v3]", check=lost)]
    found = reasons_after(tmp_path, ENTRY + entry("area.two", lost, "Lost."), results)
    assert found == {"area.one": NOT_LOOKED_AT, "area.two": "Lost."}


def test_versions_with_reasons_of_their_own_are_not_put_together(tmp_path: Path) -> None:
    cases = [CASES.replace("area.two", f"area.two[{version}]") for version in ("v2", "v3")]
    text = cases[0] + cases[1].replace("Counters.", "In 3.")
    results = [replace(in_cases("first"), scenario=f"area.two[{version}]") for version in ("v2", "v3")]
    assert reasons_after(tmp_path, text, results) == {"area.two[v2]": "Counters.", "area.two[v3]": "In 3."}
    assert reasons_after(tmp_path, cases[0] + cases[1], results) == {"area.two": "Counters."}


def test_a_narrowed_entry_keeps_its_date(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text(ENTRY + "expires = 2027-02-01\n")
    fix(path, [result("area.one[v2]"), result("area.one[v3]", Verdict.PASS)])
    (left,) = load(path, IDS, REQUIREMENTS)
    assert (left.name, left.reason, left.expires) == ("area.one[v2]", "Counters.", date(2027, 2, 1))


def test_a_requirement_gives_its_reason_to_the_scenarios_that_follow_it(tmp_path: Path) -> None:
    text = ENTRY.replace('scenario = "area.one"', 'requirement = "DATA-CTR-2"') * 2
    results = [result("area.one[v2]"), result("area.two[v3]", check=OTHER)]
    found = reasons_after(tmp_path, text, results)
    assert found == {"DATA-CTR-2": "Counters.", "area.two": NOT_LOOKED_AT}


@pytest.mark.parametrize("others", [(), ("area.two[v3]",)])
def test_fixing_leaves_random_runs_and_vectors(tmp_path: Path, others: Sequence[str]) -> None:
    path = tmp_path / "known.toml"
    text = ENTRY.replace('scenario = "area.one"', "fuzz = true")
    text += ENTRY.replace('scenario = "area.one"', 'vector = "queries.parse-v3"')
    path.write_text(text)
    assert fix(path, PASSED[:2], others) == (0, 0, 0)
    assert path.read_text() == text


@pytest.mark.slow
def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A fault is accepted while its failure is known; the same file fails an engine without the fault."""
    path, told = tmp_path / "known.toml", tmp_path / "told.json"
    check = ["--only", "counter_0_is_refused", "--jobs", "1", "--transcripts", str(tmp_path), "--json", str(told)]
    fault = "fault:counter-0-accepted"
    assert cli.main(["check", fault, *check]) == exits.DEVIATES
    (first, _) = json.loads(told.read_text())["runs"][0]["scenarios"]
    entry = f'scenario = "{first["scenario"][:-4]}"\ncheck = "{first["check"]}"\nreason = "It is a fault."\n'
    path.write_text(f"[[deviation]]\n{entry}")
    assert cli.main(["check", fault, *check, "--known", str(path)]) == exits.CONFORMS
    assert json.loads(told.read_text())["runs"][0]["known"] == 2
    assert "conforms except for 2 known deviations" in capsys.readouterr().out
    assert cli.main(["check", "reference", *check, "--known", str(path)]) == exits.DEVIATES
    assert "1 known deviation is out of date" in capsys.readouterr().out
    assert cli.main(["check", "reference", *check, "--known", "none"]) == exits.CONFORMS
    path.write_text("")
    assert cli.main(["check", fault, *check, "--known", str(path), "--fix"]) == exits.CONFORMS
    assert "entries removed: 0, added: 1; still without a reason: 1" in capsys.readouterr().err


def test_fixing_a_part_leaves_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text(f"# Of mylib.\n{ENTRY}\n{ENTRY.replace('area.one', 'area.two[v3]')}")
    run = [result("area.one[v3]", check="data.counter-0-accepted")]
    assert fix(path, run, {"area.one[v2]", "area.two[v3]"}) == (1, 2, 1)
    entries = load(path, IDS, REQUIREMENTS)
    assert [(entry.name, entry.check) for entry in entries] == [
        ("area.two[v3]", "data.counter-not-higher"),
        ("area.one[v2]", "data.counter-not-higher"),
        ("area.one[v3]", "data.counter-0-accepted"),
    ]
    assert [entry.reason for entry in entries] == ["Counters.", "Counters.", NOT_LOOKED_AT]
    assert path.read_text().startswith("# Of mylib.")
    assert fix(path, [result("area.one[v3]", Verdict.PASS)], {"area.one[v2]", "area.two[v3]"}) == (1, 0, 0)
    assert [entry.name for entry in load(path, IDS, REQUIREMENTS)] == ["area.two[v3]", "area.one[v2]"]


def test_fixing_a_part_names_no_version_that_was_not_run(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    fix(path, [result("area.one[v3]")], {"area.one[v2]"})
    assert [entry.name for entry in load(path, IDS, REQUIREMENTS)] == ["area.one[v3]"]


def test_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "reference", "--fix"]) == exits.USAGE
    assert "name it with --known FILE" in capsys.readouterr().err
    path = tmp_path / "known.toml"
    path.write_text("[[deviation]]\n")
    assert cli.main(["check", "reference", "--known", str(path)]) == exits.USAGE
    assert "it has 0 of scenario, requirement, vector, fuzz" in capsys.readouterr().err


def test_the_files_that_are_shipped() -> None:
    """They belong to existing targets, and every entry can be read."""
    load_scenarios()
    ids = [scenario.id for scenario in scenarios()]
    for path in FOLDER.glob("*.toml"):
        assert path.stem in THIRD_PARTIES
        assert load(path, ids, list(load_requirements().requirements))


FLAKY = ENTRY + "flaky = true\n"


@pytest.mark.parametrize("results", [PASSED, [result("area.one[v2]"), result("area.one[v3]", Verdict.PASS)]])
def test_a_flaky_entry_may_pass(tmp_path: Path, results: Sequence[Result]) -> None:
    assert stale(known(tmp_path, FLAKY), results) == ""


def test_a_flaky_entry_excuses_no_other_check(tmp_path: Path) -> None:
    entries = known(tmp_path, FLAKY)
    other = [result("area.one[v2]", check="data.mac-wrong")]
    assert [one.known for one in entries.mark(other)] == [""]
    both = known(tmp_path, FLAKY + FLAKY.replace("data.counter-not-higher", "data.mac-wrong"))
    assert [one.known for one in both.mark(other)] == ["Counters."]


def test_a_flaky_entry_that_is_never_asked_is_stale(tmp_path: Path) -> None:
    unasked = [result(name, Verdict.UNSUPPORTED) for name in IDS]
    assert "is not asked of this target" in stale(known(tmp_path, FLAKY), unasked)


def test_fixing_adds_no_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text(ENTRY + "\n" + ENTRY.replace("area.one", "area.two"))
    assert fix(path, [*PASSED[:2], result("area.two[v3]")]) == (1, 0, 0)
    assert path.read_text() == ENTRY.replace("area.one", "area.two")
    assert fix(path, [result(name) for name in IDS]) == (0, 1, 0)
    assert path.read_text().count("\n\n") == 1
    assert "\n\n\n" not in path.read_text()


def test_fixing_keeps_flaky_entries(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text(FLAKY)
    assert fix(path, PASSED) == (0, 0, 0)
    assert path.read_text() == FLAKY


def test_fixing_beside_a_flaky_entry_gives_a_file_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text(FLAKY)
    assert fix(path, [result("area.one[v2]", check="data.mac-wrong"), result("area.one[v3]", Verdict.PASS)]) == (
        0,
        1,
        1,
    )
    entries = load(path, IDS, REQUIREMENTS)
    assert [(one.check, one.flaky) for one in entries] == [("data.counter-not-higher", True), ("data.mac-wrong", True)]


def test_explore_knows_deviations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "known.toml"
    entry = 'scenario = "properties.runs.states"\ncheck = "states.wrong-answer-to-query"\nreason = "It is so."\n'
    file.write_text(f"[[deviation]]\n{entry}")
    target = "fault:query-ignored-when-encrypted"
    command = ["explore", target, "--alphabet", "refresh", "--depth", "1", "--jobs", "1", "--out", str(tmp_path)]
    assert cli.main(command) == exits.DEVIATES
    assert "1 found within" in capsys.readouterr().out
    assert cli.main([*command, "--known", str(file)]) == exits.CONFORMS
    out = capsys.readouterr().out
    assert "known: It is so." in out
    assert "1 found, 1 of them known within" in out
    assert cli.main([*command, "--known", str(tmp_path / "none.toml")]) == exits.USAGE
