"""Failure records, causes, and their presentation to users: judged with faults, as a third party is."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from otterproof.harness.judges.oracles import Observation, Oracles
from otterproof.harness.judges.oracles.exchange import Bounds
from otterproof.harness.runs.causes import ORDER, Cause, causes, is_general
from otterproof.harness.runs.failure import Failure, lines_of
from otterproof.harness.runs.judgement import counts
from otterproof.harness.runs.runner import Result, run
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec.checks import checks, level_of
from otterproof.harness.spec.requirements import Level
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.context import TARGET, Context
from otterproof.harness.testkit.reply import CheckFailed, Reply, Unsupported, check, check_told
from otterproof.harness.testkit.scenario import Scenario, load, scenarios
from otterproof.harness.ui.failures import Commands, entry
from otterproof.harness.wire import Type, parse
from otterproof.harness.wire.fields import encode
from otterproof.harness.wire.layouts import BODIES
from otterproof.implementations.contract import SessionEstablished

#: A check of level MUST, and one that is only advice.
MUST, ADVICE = "data.counter-not-higher", "robustness.messages-grow"


@cache
def judged(fault: str, pattern: str) -> list[Result]:
    """The results of the scenarios whose id contains a text, for the reference engine with a fault."""
    load()
    target = open_target(f"fault:{fault}")
    return [run(one, target, b"otterproof") for one in scenarios(pattern) if not one.internal]


def failure(fault: str, scenario: str) -> Failure:
    (result,) = judged(fault, scenario)
    assert result.failure is not None
    return result.failure


def made(body: object, version: int = 3) -> Scenario:
    """A scenario with this function as its body."""
    name = f"made.up[v{version}]"
    return Scenario(name, "made", "A made-up one.", version, (), frozenset(), frozenset(), body)  # type: ignore[arg-type]


def run_made(body: object) -> Result:
    return run(made(body), EngineTarget("reference"), b"seed")


def test_a_record_says_what_where_and_why() -> None:
    found = failure("counter-not-checked", "conformance.data_counters.counters_must_rise[v3]")
    assert found.check == "data.counter-replayed"
    assert found.requirements[0] == "KEYMGMT-RECV-6"
    assert found.level is Level.MUST
    assert (found.expected, found.got) == ("nothing is taken for genuine", 'shows "text" as secure')
    assert found.place is not None
    assert found.place.action == "the target receives a Data Message"
    assert [field.name for field in found.place.fields if field.marked] == ["ctr"]
    assert found.place.before[-1][1] == 'the target receives a Data Message: shows "text" as secure'
    text = "\n".join(lines_of(found))
    assert "<--" in text
    assert "Unreadable(" not in text


def test_what_shows_later_is_placed_where_it_happened() -> None:
    """The messages of a session are judged together at its end; the place is the wrong message."""
    (result,) = judged("live-mac-key-revealed", "conformance.smp.run_begun_by_the_peer[v3]")
    assert result.failure is not None
    place = result.failure.place
    assert place is not None
    assert result.failure.check.startswith("mac-reveal.")
    assert place.step < result.steps
    (marked,) = [line for line in place.fields if line.marked]
    assert "empty" not in str(marked)


def test_a_target_that_breaks_down_has_a_record(tmp_path: object) -> None:
    found = failure("smp-malformed-crashes", "conformance.smp_wrong.malformed_message_is_answered_with_an_abort[v3]")
    assert found.check.startswith("crash.receive.")
    assert found.place is not None
    assert found.place.result == "breaks down"


@pytest.mark.parametrize(
    ("fault", "pattern"),
    [
        ("mac-skips-flags", "conformance.data_protection"),
        ("counter-not-checked", "conformance.data_"),
        ("armour-in-another-alphabet", "conformance.encoding_armour"),
        ("smp-pa-range-not-checked", "conformance.smp_ranges"),
    ],
)
def test_an_entry_fits_on_a_screen(fault: str, pattern: str) -> None:
    found = causes(judged(fault, pattern))
    assert found
    for cause in found:
        shown = list(entry(cause, Commands(["otterproof", "check", f"fault:{fault}"]), 80, verbose=False))
        assert len(shown) <= 20, "\n".join(map(str, shown))
        free = [one.plain for one in shown if not one.plain.strip().startswith(("again", "replay", "explain"))]
        assert max(map(len, free)) <= 80
        assert any(one.plain.strip().startswith("again") for one in shown)


def test_a_program_is_left_to_verbose_and_replay_can_be_typed_as_it_stands() -> None:
    def body(context: Context) -> None:
        try:
            check(MUST, False, expected="one", got="another")
        except CheckFailed as error:
            error.add_note("the run as a program:\n\nfrom otterproof import Case")
            raise

    result = replace(run_made(body), transcripts=("folder/one.jsonl",))
    commands = Commands(["otterproof", "check", "exec:./mine"], ["--target", "exec:./mine"])
    for verbose in (False, True):
        told = [one.plain.strip() for one in entry(causes([result])[0], commands, 80, verbose=verbose)]
        assert any("as a program" in one for one in told) is verbose
        assert "" not in told or verbose
        assert "replay    otterproof replay folder/one.jsonl --target exec:./mine" in told


@pytest.mark.parametrize("established", [False, True])
def test_what_is_typed_without_a_session_may_go_out_in_the_clear(established: bool) -> None:
    def body(context: Context) -> None:
        pair = context.pair()
        if established:
            pair.establish(TARGET)
            pair.act_and_settle(TARGET, "end")
        pair.say(TARGET, b"nobody has asked for a session", check_id=ADVICE)

    result = run_made(body)
    assert (result.check, result.counts) == (ADVICE, False)


def test_the_wrong_mac_is_one_cause_and_comes_first() -> None:
    found = causes(judged("mac-skips-flags", "conformance.data"))
    assert found[0].first.check == "data.mac-covers-too-little"
    assert "the_mac" in found[0].first.scenario or "mac_over" in found[0].first.scenario
    assert all(cause.consequence for cause in found[1:] if is_general(cause.first.check))


def test_what_is_known_is_no_cause() -> None:
    results = judged("counter-not-checked", "conformance.data_counters")
    assert causes([*results]) != []
    known = [Result(one.scenario, (), one.verdict, "", 1, 0.0, one.check, known="yes") for one in results]
    assert causes(known) == []


def test_a_loop_goes_on_after_a_wrong_case() -> None:
    def body(context: Context) -> None:
        for number in range(1, 6):
            with context.case(f"number {number}"):
                check(MUST, number % 2 == 0, expected="even", got=number)

    result = run_made(body)
    assert (result.verdict, result.check) == (Verdict.FAIL, MUST)
    assert result.failure is not None
    assert result.failure.cases == (3, 5)
    assert result.failure.case == "number 1"


def test_a_wrong_case_does_not_hide_what_must_be() -> None:
    def body(context: Context) -> None:
        for name in (ADVICE, MUST):
            with context.case():
                check(name, False)

    assert run_made(body).check == MUST


def test_levels() -> None:
    assert (level_of(MUST), level_of(ADVICE)) == (Level.MUST, Level.ADVICE)
    assert level_of("text.not-delivered") is Level.MUST
    must, should, advice = (Failure("x.y", "Rule.", level=level) for level in (Level.MUST, Level.SHOULD, Level.ADVICE))
    assert [counts(Verdict.FAIL, one) for one in (must, should, advice)] == [True, False, False]
    assert [counts(Verdict.FAIL, one, Level.SHOULD) for one in (must, should, advice)] == [True, True, False]
    assert counts(Verdict.CRASH, advice)
    assert not counts(Verdict.PASS, None)


def test_advice_fails_nobody_and_hides_nothing() -> None:
    def advised(context: Context) -> None:
        check(ADVICE, False, expected="this", got="that")

    def both(context: Context) -> None:
        advised(context)
        check(MUST, False, expected="this", got="that")

    alone, more = run_made(advised), run_made(both)
    assert (alone.verdict, alone.check, alone.counts) == (Verdict.FAIL, ADVICE, False)
    assert (more.verdict, more.check, more.counts) == (Verdict.FAIL, MUST, True)
    assert Cause(alone, (alone,), False).level is Level.ADVICE


def test_a_scenario_that_cannot_go_on_keeps_its_failure() -> None:
    def body(context: Context) -> None:
        Reply(()).one(SessionEstablished, ADVICE)

    result = run_made(body)
    assert (result.verdict, result.check) == (Verdict.FAIL, ADVICE)


def test_a_text_that_is_not_shown_hides_nothing() -> None:
    def body(context: Context) -> None:
        Reply(()).assert_shown(ADVICE, b"a text")
        check(MUST, False)

    assert run_made(body).check == MUST


@pytest.mark.parametrize(
    "later", [Unsupported("not here"), IndexError("our own"), CheckFailed("data.mac-wrong", "Rule.")]
)
def test_a_wrong_case_outranks_what_follows(later: Exception) -> None:
    def body(context: Context) -> None:
        with context.case("one"):
            check(MUST, False)
        raise later

    assert run_made(body).check == MUST


def test_the_most_binding_failure_counts() -> None:
    should = next(one for one in checks() if level_of(one) is Level.SHOULD)

    def body(context: Context) -> None:
        check(ADVICE, False)
        check(should, False)

    result = run_made(body)
    assert result.check == should
    assert not result.counts
    assert counts(result.verdict, result.failure, Level.SHOULD)


def test_readings_are_kept_when_a_scenario_is_run_again() -> None:
    def body(context: Context) -> None:
        check(ADVICE, False)
        context.readings["SOME-READING"] = "yes"

    assert run_made(body).readings == {"SOME-READING": "yes"}


def test_our_own_encoding_mistake_is_no_failure_of_the_target() -> None:
    def encodes(context: Context) -> None:
        encode(Type.INT, 1 << 40, "number")

    def reads(context: Context) -> None:
        parse(b"hello").number("flags")

    assert run_made(encodes).verdict is Verdict.INFRA
    assert (run_made(reads).verdict, run_made(reads).check) == (Verdict.FAIL, "message.cut-short")


def test_what_is_not_told_is_not_judged() -> None:
    run_result = run_made(lambda context: check_told("session.ssid-differs", None, b"12345678"))
    assert run_result.verdict is Verdict.PASS
    assert run_made(lambda context: check_told("session.ssid-differs", b"1", b"2")).check == "session.ssid-differs"


def test_marked_fields_exist() -> None:
    names = {part.name for layout in BODIES.values() for part in layout} | {"version", "type"}
    names |= {"sender_tag", "receiver_tag"}
    assert {one.id: one.field for one in checks().values() if one.field and one.field not in names} == {}


def test_every_area_has_its_place_in_the_order_of_causes() -> None:
    assert set(ORDER) == {name.partition(".")[0] for name in checks()}


def test_what_an_oracle_advises_hides_nothing() -> None:
    """A run that breaks the advice of an oracle is completed without that check."""
    assert level_of("bounds.too-many-answers") is Level.ADVICE

    def body(context: Context) -> None:
        pair = context.pair()
        oracles = Oracles(pair.world, "bounds")
        pair.world.watchers.append(oracles)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Bounds, "observe", objecting)
            pair.world.user("target", "start")
        check(MUST, False)

    def objecting(oracle: Bounds, view: Observation) -> None:
        oracle.fail("bounds.too-many-answers", view, expected="few", got="many")

    result = run_made(body)
    assert (result.check, result.counts) == (MUST, True)
