"""Whether the first cause reported for a fault names the requirement it breaks: the measure, and a few faults."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from otterproof.harness.runs.causes import Cause, accusation, causes
from otterproof.harness.runs.events import Ending
from otterproof.harness.runs.failure import Failure, Place
from otterproof.harness.runs.faults.dependence import key
from otterproof.harness.runs.faults.detect import workers
from otterproof.harness.runs.faults.judged_file import JudgedFile
from otterproof.harness.runs.faults.localise import Localisation, Localiser, Located, broken, choose, located
from otterproof.harness.runs.runner import Result
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec import requirements
from otterproof.harness.spec.checks import checks
from otterproof.harness.spec.requirements import Level
from otterproof.harness.targets.faults import faults
from otterproof.harness.testkit.scenario import scenarios
from otterproof.harness.ui import cli, terminal

FAULT = "counter-0-accepted"  # breaks DATA-CTR-2


def passed(scenario: str, *claimed: str) -> Result:
    return Result(scenario, claimed, Verdict.PASS, "", 1, 0.0)


def failed(scenario: str, check: str, *claimed: str) -> Result:
    return Result(scenario, claimed, Verdict.FAIL, "", 1, 0.0, check, failure=Failure(check, "A rule."))


def cause(*told: str) -> Cause:
    one = failed("conformance.made.up[v3]", "data.counter-reused")
    return Cause(one, (one,), False, told)


def test_the_rank_is_that_of_the_first_cause_that_tells_the_requirement() -> None:
    first, second = cause("DATA-CTR-1", "DATA-CTR-3"), cause("DATA-CTR-3", "DATA-CTR-2")
    assert located(FAULT, [second]).rank == 1
    found = located(FAULT, [first, second])
    assert (found.rank, found.told, found.failures, found.causes) == (2, ("DATA-CTR-1", "DATA-CTR-3"), 2, 2)
    assert located(FAULT, [first]).rank is None
    assert located(FAULT, []) == Located(FAULT, None)


def test_the_figures_are_of_the_faults_that_are_noticed() -> None:
    names = list(faults())[:4]
    record = Localisation({}, {name: faults()[name] for name in names})
    assert (record.share, record.median_rank) == (0.0, inf)
    for name, rank, failures in zip(names, (1, 3, None, None), (5, 5, 5, 0), strict=True):
        record.located[name] = Located(name, rank, failures=failures)
    assert record.share == pytest.approx(1 / 3)
    assert record.median_rank == 3
    assert [one.fault for one in record.missed] == names[1:3]
    assert record.unnoticed == names[3:]
    plain = json.loads(json.dumps(record.as_json()))
    assert (plain["judged"], plain["noticed"], plain["first"], plain["median_rank"]) == (4, 3, 1, 3)
    del record.located[names[0]], record.located[names[1]]
    assert record.as_json()["median_rank"] is None


def test_a_sample_is_taken_from_all_areas() -> None:
    sample = choose(faults(), 60)
    assert len(sample.faults) == 60
    sizes = Counter(fault.area for fault in faults().values())
    large = {area for area, size in sizes.items() if size * 60 >= len(faults())}
    assert large <= {fault.area for fault in sample.faults.values()}
    assert len(large) > 10
    assert len(choose(faults()).faults) == len(faults())
    assert sample.faults.keys() < choose(faults(), 90).faults.keys()
    assert sample.faults.keys() == choose(faults(), 60).faults.keys() != choose(faults(), 60, "2").faults.keys()
    assert sample.sample == f"a sample of 60 of {len(faults())} faults, seed 1"
    assert choose(faults()).sample == f"all {len(faults())} faults"
    assert not any(one.internal for one in sample.scenarios.values())


def test_a_requirement_is_accused_by_the_share_of_the_scenarios_that_fail() -> None:
    accused = accusation(
        [
            failed("conformance.a[v3]", "data.counter-replayed", "KEYMGMT-RECV-6"),
            *(failed(f"conformance.b{number}[v3]", "text.not-shown", "KEYMGMT-RECV-9") for number in range(9)),
            passed("conformance.c[v3]", "KEYMGMT-RECV-9"),
            passed("conformance.d[v3]", "DATA-MAC-1", "DATA-RECV-2"),
        ]
    )
    assert (accused["KEYMGMT-RECV-6"], accused["KEYMGMT-RECV-9"]) == (1, 0.9)
    assert accused["DATA-RECV-13"] == 1  # the failed check follows from it, and no scenario shows that it is met
    assert accused["DATA-RECV-2"] == 0
    assert "DATA-MAC-1" not in accused


def test_what_is_wrong_in_one_version_alone_is_as_wrong() -> None:
    results = [failed("conformance.a[v3]", "data.counter-replayed", "KEYMGMT-RECV-6")]
    results += [passed(f"conformance.{name}[v2]", "KEYMGMT-RECV-6") for name in "abc"]
    assert accusation(results)["KEYMGMT-RECV-6"] == 1


def test_a_requirement_of_another_version_is_not_told() -> None:
    (found,) = causes([failed("conformance.a[v3]", "data.version-not-checked", "DATA-FORM-1", "DATA-FORM-2")])
    assert found.told == ("DATA-FORM-2", "ARMOUR-PARSE-4")


def test_a_target_that_breaks_down_breaks_what_its_scenarios_put_to_the_test() -> None:
    crash = failed("conformance.a[v3]", "crash.receive.sigsegv", "!TLV-FORM-8", "TLV-FORM-5")
    (found,) = causes([crash, passed("conformance.b[v3]", "TLV-FORM-5")])
    assert found.told == ("TLV-FORM-8",)


def test_a_crash_tells_what_its_clearest_scenario_is_about() -> None:
    clear = failed("conformance.a[v3]", "crash.receive.sigsegv", "ARMOUR-PARSE-1")
    other = failed("conformance.b[v3]", "crash.receive.sigsegv", "QUERY-ANSWER-6", "QUERY-ANSWER-2")
    (found,) = causes([other, clear, passed("conformance.c[v3]", "ARMOUR-PARSE-1")])
    assert found.told == ("ARMOUR-PARSE-1",)


def test_a_crash_tells_what_fails_wherever_it_is_tried() -> None:
    """A query is answered in other scenarios, so it is not what makes the target crash."""
    clear = failed("conformance.a[v3]", "crash.receive.sigsegv", "QUERY-ANSWER-8")
    other = failed("conformance.b[v3]", "crash.receive.sigsegv", "SIG-DHKEY-1", "DHKEY-DHKEY-1")
    held = [passed(f"conformance.c{number}[v3]", "QUERY-ANSWER-8", "DHKEY-DHKEY-1") for number in range(3)]
    (found,) = causes([clear, other, *held])
    assert found.told == ("SIG-DHKEY-1",)
    assert found.first.scenario == "conformance.b[v3]"


def test_several_requirements_are_told_only_if_the_check_follows_from_all() -> None:
    (found,) = causes([failed("conformance.a[v3]", "data.counter-replayed", "KEYMGMT-RECV-6", "TLV-FORM-5")])
    assert found.told == ("KEYMGMT-RECV-6", "DATA-RECV-13", "DATA-RECV-1")
    (found,) = causes([failed("conformance.a[v3]", "reading.inconsistent", "TLV-FORM-5", "TLV-FORM-8")])
    assert found.told == ("TLV-FORM-5", "TLV-FORM-8")  # a probe follows from its claims


def test_a_general_check_that_holds_elsewhere_tells_what_its_scenario_is_about() -> None:
    held = [passed(f"conformance.b{number}[v3]", "DATA-RECV-2", "STATE-CLEAR-1") for number in range(9)]
    (found,) = causes([failed("conformance.a[v3]", "text.not-shown", "TLV-PADDING-2"), *held])
    assert found.told == ("TLV-PADDING-2",)


def test_a_restatement_of_the_requirement_names_it() -> None:
    assert faults()["counter-constant"].requirement == "DATA-CTR-3"  # which restates DATA-CTR-1
    assert located("counter-constant", [cause("DATA-CTR-1")]).rank == 1
    assert located("counter-constant", [cause("DATA-CTR-2")]).rank is None


def test_any_requirement_of_a_fault_names_it() -> None:
    both = replace(faults()["counter-constant"], also=("DATA-MAC-1",))
    assert broken(both) >= {"DATA-CTR-3", "DATA-CTR-1", "DATA-MAC-1"}


def test_what_says_little_comes_after_what_says_more() -> None:
    many = [failed(f"conformance.a{number}[v3]", "text.not-shown", "DATA-RECV-2") for number in range(9)]
    one = failed("conformance.encryption[v3]", "data.encrypted-wrongly", "DATA-ENC-1")
    found = causes([*many, one])
    assert [(each.first.check, each.consequence) for each in found] == [
        ("data.encrypted-wrongly", False),
        ("text.not-shown", True),
    ]
    assert [each.consequence for each in causes(many)] == [False]


def test_what_was_accepted_says_more_than_what_was_refused() -> None:
    def judged(scenario: str, check: str, refused: bool, claim: str) -> Result:
        place = Place(1, "the target receives a Data Message", "", refused=refused)
        return replace(failed(scenario, check, claim), failure=Failure(check, "A rule.", place=place))

    refused = judged("conformance.a[v3]", "data.flagged-message-not-read", True, "DATA-FLAGS-5")
    accepted = judged("conformance.b[v3]", "data.mac-covers-too-little", False, "DATA-MAC-2")
    assert [one.first.scenario for one in causes([refused, accepted])] == ["conformance.b[v3]", "conformance.a[v3]"]


def test_a_cause_comes_behind_what_its_check_presumes() -> None:
    many = [failed(f"conformance.end{number}[v3]", "state.finished-left", "STATE-FINISHED-3") for number in range(3)]
    kept = [
        passed(f"conformance.c{number}[v3]", "STATE-ENDED-2", "STATE-FINISHED-1", "USER-SEND-10") for number in range(9)
    ]
    entered = failed("conformance.entered[v3]", "state.not-finished", "STATE-ENDED-2")
    assert "state.not-finished" in checks()["state.finished-left"].presumes
    assert [one.first.check for one in causes([*many, *kept, entered])] == ["state.not-finished", "state.finished-left"]
    assert [one.first.check for one in causes([*many, *kept])] == ["state.finished-left"]


def test_a_cause_comes_behind_the_general_check_that_most_failures_are_of_which_look_alike() -> None:
    shape = ("target", "send", "sends plaintext")

    def looks_alike(number: int, check: str, claim: str) -> Result:
        alike = Failure(check, "A rule.", place=Place(1, "", "", shape=shape))
        return replace(failed(f"conformance.{check}{number}[v3]", check, claim), failure=alike)

    many = [looks_alike(number, "message.data-not-sent", "USER-SEND-6") for number in range(10)]
    kept = [passed(f"conformance.kept{number}[v3]", "USER-SEND-6") for number in range(50)]
    one = looks_alike(0, "encoding.int-misread", "TYPES-INT-1")
    assert checks()["message.data-not-sent"].general
    assert [each.first.check for each in causes([*many, *kept, one])] == [
        "message.data-not-sent",
        "encoding.int-misread",
    ]
    assert causes([*many[:9], *kept, one])[0].first.check == "encoding.int-misread"


def test_what_is_presumed_is_not_put_before_what_is_more_binding() -> None:
    binding = failed("conformance.a[v3]", "text.sent-after-end", "STATE-FINISHED-1")
    advised = failed("conformance.b[v3]", "state.not-finished", "STATE-ENDED-2")
    less = Failure("state.not-finished", "A rule.", level=Level.ADVICE)
    found = causes([binding, replace(advised, failure=less)])
    assert [one.first.check for one in found] == ["text.sent-after-end", "state.not-finished"]


def test_a_basic_check_comes_first() -> None:
    many = [failed(f"conformance.end{number}[v3]", "encoding.other-group", "TYPES-GROUP-1") for number in range(3)]
    kept = [passed(f"conformance.c{number}[v3]", "DERIVE-DATA-2") for number in range(9)]
    ends = failed("conformance.ends[v3]", "derivation.wrong-end", "DERIVE-DATA-2")
    assert checks()["derivation.wrong-end"].basic
    assert causes([*many, *kept, ends])[0].first.check == "derivation.wrong-end"


def test_a_few_faults_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("smp-pa-range-not-checked", "counter-signed", "tlv-length-signed")
    record = choose({name: faults()[name] for name in names})
    chosen = ("conformance.smp_ranges", "conformance.data_counters", "conformance.tlv.", "conformance.encoding_types")
    record.scenarios = {one.id: one for name in chosen for one in scenarios(name) if not one.internal}
    kept = JudgedFile(tmp_path / "state", {name: key(one) for name, one in record.scenarios.items()})
    with workers(1) as pool:
        assert terminal.collect_located(Localiser(record, pool, kept)) is Ending.COMPLETE
    ranks = {one.fault: one.rank for one in record.noticed}
    assert (ranks["smp-pa-range-not-checked"], ranks["counter-signed"]) == (1, 1)
    record.located["tlv-length-signed"] = Located("tlv-length-signed", 4, "a.check", "a.scenario", ("TLV-END-2",), 9, 5)
    capsys.readouterr()
    terminal.located(record)
    out = capsys.readouterr().out
    assert "tlv-length-signed breaks TLV-FORM-3: " in out
    assert "reported first: a.check (TLV-END-2), shown by a.scenario" in out
    assert "named by cause 4 of 5; 9 scenarios fail" in out
    assert "for 2 of 3 faults: 66.7%" in out
    assert "median rank of the cause that names it: 1\n" in out


def test_a_fault_that_is_another_answer_is_listed_apart(capsys: pytest.CaptureFixture[str]) -> None:
    name = "armour-at-the-start-only"
    record = choose({name: faults()[name]})
    record.scenarios = {one.id: one for one in scenarios("readings.handshake.text_around_a_commit")}
    kept = JudgedFile(None, {scenario: key(one) for scenario, one in record.scenarios.items()})
    with workers(1) as pool:
        assert terminal.collect_located(Localiser(record, pool, kept)) is Ending.COMPLETE
    reading = record.answers[name]
    known = requirements.load().reading(reading.partition(":")[0])
    assert reading.partition(":")[2] != known.ours
    assert (record.noticed, record.unnoticed, record.share) == ([], [], 0.0)
    assert json.loads(json.dumps(record.as_json()))["other_answers"] == {name: reading}
    capsys.readouterr()
    terminal.located(record)
    assert f"an open question of the protocol texts differently: {name} ({reading})" in capsys.readouterr().out


def test_an_interrupted_measure_tells_what_it_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "collect_located", lambda _: Ending.INTERRUPTED)
    command = ["faults", "--score", "--explain", "--only", "counter-constant", "--jobs", "1"]
    assert cli.main([*command, "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["judged"] == 0
    assert cli.main(command) == 130
    shown = capsys.readouterr().out
    assert "0 judged, 0 noticed" in shown
    assert "%" not in shown
