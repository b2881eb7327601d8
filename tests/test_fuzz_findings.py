"""What a campaign makes of failures: buckets, small programs, a folder per finding, a baseline, fixed findings."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from otterproof.harness.runs.deviations import Known, fix_fuzz
from otterproof.harness.runs.failure import failure_of, record_to_json
from otterproof.harness.runs.fuzz.behaviour import Area, Tracker, cells, kinds, moves_of
from otterproof.harness.runs.fuzz.bucket import Bucket, bucket_of
from otterproof.harness.runs.fuzz.campaign import CONFIRM, GONE, RATE, Campaign, opened
from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.events import RunAgain
from otterproof.harness.runs.fuzz.excuses import Excuse
from otterproof.harness.runs.fuzz.execute import Failure, Watched, attempt
from otterproof.harness.runs.fuzz.generate import Program, program
from otterproof.harness.runs.fuzz.reproduce import FailsAlike, as_test
from otterproof.harness.runs.fuzz.schedule import drawn_afresh
from otterproof.harness.runs.fuzz.serialize import program_from_json, program_to_json
from otterproof.harness.runs.fuzz.shrink import Budget, Shrinker, gentler, is_adversarial
from otterproof.harness.runs.fuzz.state import Finding, FindingStage, severity
from otterproof.harness.runs.fuzz.store import read_state
from otterproof.harness.runs.fuzz.stories import moves_drawn
from otterproof.harness.simulation.moves import ChangeField, Deliver, Drop, FlipBit, Move, Settle, Tick, User
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.simulation.world import Step
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.targets.registry import open_target
from otterproof.harness.ui import cli
from otterproof.harness.ui.fuzz_findings import in_a_line
from otterproof.implementations.contract import OutgoingMessage, SessionEstablished
from tests.hostile.interruptions import SEED, TARGET, Workshop, finish

REFERENCE = EngineTarget("reference")
SAMPLE = Program(Setup(), (Settle(),))


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Workshop:
    return Workshop(monkeypatch)


# ---- buckets


def test_failures_of_one_cause_have_one_bucket_whatever_their_texts() -> None:
    buckets = set()
    target = open_target("fault:query-ends-the-session")
    for seed, number in (("s", 3), ("other", 0)):
        text = {"text": f"{seed} {number}".encode()}
        drawn = (User("bob", "send", text), Settle(), User("bob", "start", {}), Deliver("alice"))
        failure = attempt(Program(Setup(target=target), drawn))
        assert failure is not None
        buckets.add(failure.bucket)
    (bucket,) = buckets
    assert bucket.case == "encrypted/none: query: sends dh_commit"
    assert bucket.requirement == "STATE-ENCRYPTED-2"


def test_another_kind_of_message_is_another_cause_and_a_breakdown_in_another_state_as_well() -> None:
    one = Bucket("form.undefined-flags", cell="encrypted/none: data", kind="data")
    assert one.shares_cause_with(replace(one, cell="finished/none: send", observed="text_received"))
    assert one.shares_cause_with(replace(one, kind="fragment_v3")), "a fragment of what is not known"
    assert not one.shares_cause_with(replace(one, kind="dh_key"))
    assert one.shares_cause_with(replace(one, kind="")), "at the end of a run nobody knows"
    assert not one.shares_cause_with(replace(one, check="counters.other"))
    crash = Bucket("crash.receive.sigsegv", cell="encrypted/none: data")
    assert not crash.shares_cause_with(replace(crash, cell="finished/none: data"))


def test_what_does_not_matter_to_an_input_makes_no_other_bucket() -> None:
    """A handshake is irrelevant to data messages and users; a session is irrelevant to handshake messages."""
    crash = Bucket("crash.receive.sigsegv", cell="encrypted/none: data")
    assert crash.shares_cause_with(replace(crash, cell="encrypted/awaiting_sig: data"))
    assert not crash.shares_cause_with(replace(crash, cell="encrypted/awaiting_sig: dh_key"))
    assert not crash.shares_cause_with(replace(crash, cell="encrypted/none: fragment_v3"))
    handshake = replace(crash, cell="encrypted/awaiting_dhkey: dh_key")
    assert handshake.shares_cause_with(replace(crash, cell="plaintext/awaiting_dhkey: dh_key"))
    assert not handshake.shares_cause_with(replace(crash, cell="encrypted/none: dh_key"))
    pieces = Bucket("fragments.not-inert", cell="encrypted/none: fragment_v3", kind="data")
    assert pieces.shares_cause_with(replace(pieces, cell="plaintext/none: fragment_v3", kind="dh_key"))


def test_a_bucket_is_bounded() -> None:
    record = failure_of(ValueError("x"), "c" * 5000, (), [])
    assert len(bucket_of(record, "x" * 5000, at_end=False).check) <= 100


def test_must_comes_before_should_and_then_counts_what_is_at_risk() -> None:
    form = Finding(
        "form",
        FindingStage.CONFIRMED,
        "form",
        Verdict.FAIL,
        Bucket("form.undefined-flags"),
        "",
        False,
        0,
        Program(Setup(), ()),
    )
    crash = replace(form, name="crash", verdict=Verdict.CRASH, bucket=Bucket("crash.receive.sigsegv"))
    leak = replace(form, name="leak", oracle="leaks", bucket=Bucket("leaks.sent-unencrypted"))
    advice = replace(leak, name="advice", bucket=Bucket("smp.end-not-reported"))
    often = replace(form, name="often", examples=9)
    assert sorted([advice, form, crash, often, leak], key=severity) == [leak, crash, often, form, advice]


def test_findings_of_one_check_are_told_apart() -> None:
    """A breakdown in each of the three message states is a finding of its own; other failures differ by the message."""
    states = ("plaintext", "encrypted", "finished")
    one = Finding("a", FindingStage.CONFIRMED, "bounds", Verdict.CRASH, Bucket("x"), "killed", False, 0, SAMPLE)
    crashes = [Bucket("crash.smp_start.sigabrt", cell=f"{state}/none: smp_start") for state in states]
    assert [in_a_line(replace(one, bucket=bucket)) for bucket in crashes] == [
        f"crash.smp_start.sigabrt (cell: {state}/*: smp_start), 1 move: killed" for state in states
    ]
    about = replace(one, bucket=Bucket("form.undefined-flags", cell="encrypted/none: data", kind="data"))
    assert in_a_line(about).startswith("form.undefined-flags (kind: data), 1 move: ")
    assert in_a_line(replace(one, bucket=Bucket("form.undefined-flags"))).startswith("form.undefined-flags, 1 move: ")


# ---- behaviour


def test_the_state_is_followed_by_messages_and_events() -> None:
    tracker = Tracker("alice", established=False)

    def step(action: str, *events: Any, **args: object) -> None:
        tracker(Step(1, 0, "alice", action, args, events, None, None, None))

    step("start", OutgoingMessage(b"?OTRv3?"))
    step("receive", OutgoingMessage(b"?OTR:AAMKAAAAAAAAAAA=."), message=b"?OTR:AAMCAAAAAAAAAAA=.")
    assert tracker.cell == "plaintext/none: commit"
    step("receive", SessionEstablished(3, 1, b"", b"", False, False, True), message=b"?OTR:AAMRAAAAAAAAAAA=.")
    assert tracker.cell == "plaintext/awaiting_revealsig: reveal"
    step("send", text=b"x")
    assert tracker.cell == "encrypted/none: send"
    assert (Area.CELL, "plaintext/awaiting_revealsig: reveal") in tracker.seen
    assert {name for area, name in tracker.seen if area is Area.CELL} <= cells()


@pytest.mark.slow
def test_programs_show_much_of_what_there_is() -> None:
    watched = Watched()
    for number in range(40):
        assert attempt(program("s", number, REFERENCE), watched=watched) is None
    seen = {area: {name for one, name in watched.seen if one is area} for area in Area}
    drawn = {one for number in range(200) for one in moves_of(drawn_afresh("s", number, REFERENCE).moves)}
    assert {name for _, name in drawn} == moves_drawn()
    assert len(seen[Area.KIND] & kinds()) > 20
    assert len(seen[Area.CELL] & cells()) > 40


# ---- what is known is passed over


def test_a_run_goes_on_beyond_what_is_known() -> None:
    target = open_target("fault:query-ends-the-session")
    drawn = Program(Setup(target=target), (User("bob", "start", {}), Deliver("alice")))
    first = attempt(drawn)
    assert first is not None
    watched = Watched()
    second = attempt(replace(drawn, setup=replace(drawn.setup, excused=(first.check,))), watched=watched)
    assert watched.excuses_used == {first.check}
    assert second is not None
    assert second.check != first.check


def test_a_program_says_what_it_passes_over() -> None:
    """In a transcript, and in a test, which then fails only by what comes later."""
    target = open_target("fault:query-ends-the-session")
    drawn = Program(Setup(target=target), (User("bob", "start", {}), Deliver("alice")))
    excused = ("agreement.state-not-as-reported",)
    made = replace(drawn, setup=replace(drawn.setup, excused=excused))
    assert program_from_json(json.loads(json.dumps(program_to_json(made))), target) == made
    failure = attempt(made)
    assert failure is not None
    space: dict[str, Any] = {}
    exec(compile(as_test("passed-over", made, failure, "Found."), "test", "exec"), space)
    with pytest.raises(pytest.fail.Exception) as raised:
        space["test_passed_over"]()
    assert failure.check not in excused
    assert str(raised.value).startswith(f"FAIL  {failure.check}\n")


# ---- small programs


def test_the_adversary_goes_first_and_a_changed_field_is_better_than_a_flipped_bit() -> None:
    def fails(tried: Program) -> bool:
        kinds = {type(move) for move in tried.moves}
        return bool(kinds & {FlipBit, ChangeField}) and User in kinds

    moves: list[Move] = [FlipBit("bob", 0, 7), Drop("bob", 2), User("alice", "send", {"text": b"x"}), Tick(1)] * 3
    small = Shrinker(fails, Budget()).shrink(Program(Setup(target=REFERENCE), tuple(moves)))
    assert [type(move) for move in small.moves if is_adversarial(move)] == [ChangeField]
    assert len(small.moves) == 2


def test_gentler_moves_end() -> None:
    for move in program("s", 1, REFERENCE).moves:
        tried, current = 0, move
        while (following := next(gentler(current), None)) is not None:
            current, tried = following, tried + 1
            assert tried < 10
        assert not list(gentler(current))


# ---- the folder of a finding


@pytest.mark.slow
def test_a_folder_has_all_that_is_known(tmp_path: Path) -> None:
    target = "fault:counter-constant"
    assert cli.main(["fuzz", target, "--examples", "5", "--jobs", "1", "--out", str(tmp_path)]) == 1
    finding = read_state(tmp_path, target, "otterproof").findings[0]
    folder = tmp_path / finding.name
    names = {"transcript.jsonl", "record.json", "report.html", f"test_{finding.name.replace('-', '_')}.py"}
    assert {path.name for path in folder.iterdir()} == names, "there is no driver that a script could be for"
    written = json.loads((folder / "record.json").read_text())
    assert written["bucket"]["check"] == written["record"]["check"] == finding.check
    assert {one["without"] for one in written["moves"]} <= {"passes", f"fails by {finding.check}"}
    assert "passes" in [one["without"] for one in written["moves"]]
    page = (folder / "report.html").read_text()
    assert all(words in page for words in (finding.check, "<svg", "without this move"))


def test_the_record_is_plain() -> None:
    record = failure_of(ValueError("x\ny"), "internal.valueerror", (), [])
    assert json.loads(json.dumps(record_to_json(record)))["notes"] == ["y"]


# ---- findings of earlier runs


def _fixed(workshop: Workshop, keep: Callable[[Failure], bool]) -> None:
    """From now on only some failures occur."""
    genuine = workshop.attempt

    def mended(*given: Any, **options: Any) -> Failure | None:
        failure = genuine(*given, **options)
        return failure if failure is not None and keep(failure) else None

    workshop.attempt = mended


def _campaign(campaign: Campaign) -> Campaign:
    campaign.attempts = 12
    return campaign


def test_a_mended_target_turns_green(workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = workshop.run(tmp_path, 4)
    confirmed = {one.name for one in found.findings if one.stage is FindingStage.CONFIRMED}
    assert confirmed
    _fixed(workshop, lambda _: False)
    command = ["fuzz", TARGET, "--seed", SEED, "--jobs", "1", "--examples", "1", "--out", str(tmp_path), "--resume"]
    assert cli.main(command) == (1 if len(found.findings) > len(confirmed) else 0), "what came once is still told"
    state = read_state(tmp_path, TARGET, SEED)
    assert {one.name for one in state.findings if one.stage is FindingStage.FIXED} == confirmed
    assert "fixed:" in capsys.readouterr().out


def test_what_was_fixed_and_fails_again_is_a_finding_again(workshop: Workshop, tmp_path: Path) -> None:
    before = workshop.run(tmp_path, 4)
    genuine = workshop.attempt
    _fixed(workshop, lambda _: False)
    workshop.run(tmp_path, 5)
    workshop.attempt = genuine
    with opened(TARGET, SEED, tmp_path) as campaign:
        events = list(_campaign(campaign).run(0, 1))
        after = campaign.state
    assert after.findings == before.findings
    assert not [one for one in events if isinstance(one, RunAgain) and one.finding.stage is FindingStage.FIXED]


def test_what_happens_sometimes_is_told_with_its_rate(workshop: Workshop, tmp_path: Path) -> None:
    """Every third run from the very beginning passes."""
    genuine, fresh_runs = workshop.attempt, [0]

    def flaky(given: Program, *, fresh: bool = False, **options: Any) -> Failure | None:
        fresh_runs[0] += fresh
        passes = fresh and fresh_runs[0] % 3 == 0
        failure = None if passes else genuine(given, fresh=fresh, **options)
        return failure if failure is not None and failure.oracle == "counters" else None

    workshop.attempt = flaky
    state = workshop.run(tmp_path, 12)
    finding = next(one for one in state.findings if one.is_shrunk)
    assert finding.stage is FindingStage.FLAKY
    assert finding.runs == RATE > finding.confirmed > CONFIRM
    assert workshop.run(tmp_path, 12).findings == state.findings, "it still happens"
    workshop.attempt = lambda *_, **__: None
    assert workshop.run(tmp_path, 12).findings == state.findings, f"it did not in {GONE} runs, which may be chance"


def test_a_campaign_ends_after_so_many_findings(workshop: Workshop, tmp_path: Path) -> None:
    with opened(TARGET, SEED, tmp_path) as campaign:
        list(_campaign(campaign).run(100, 1, max_failures=1))
        assert campaign.failure_limit_reached
        assert len(campaign.findings) == 1
        assert campaign.done < 100


def test_a_known_breakdown_is_counted(workshop: Workshop, tmp_path: Path) -> None:
    bucket = Bucket("crash.receive.sigsegv")
    workshop.attempt = lambda *_, **__: Failure("bounds", Verdict.CRASH, bucket, "killed", False, 1)
    with opened(TARGET, SEED, tmp_path) as campaign:
        campaign.excused = frozenset({bucket.check})
        state = finish(_campaign(campaign), 3)
    assert not state.findings
    assert state.known == {bucket.check: 3}


# ---- the baseline


def test_a_file_is_made_to_fit_a_campaign(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    one, two, three = (Excuse(f"a.{name}") for name in ("one", "two", "three"))
    assert fix_fuzz(path, {one, two}, ()) == (0, 2)
    path.write_text(path.read_text().replace("Not looked at yet.", "Ours.", 1) + "\n# kept\n")
    assert fix_fuzz(path, {one, three}, {Bucket("a.two")}) == (1, 1)
    entries = tomllib.loads(path.read_text())["deviation"]
    assert [(one["check"], one["reason"]) for one in entries] == [("a.one", "Ours."), ("a.three", "Not looked at yet.")]
    assert fix_fuzz(path, {one, three}, ()) == (0, 0)


def test_the_baseline_counts_afterwards(workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = tmp_path / "known.toml"
    command = ["fuzz", TARGET, "--seed", SEED, "--jobs", "1", "--examples", "4", "--known", str(known), "--out"]
    assert cli.main([*command, str(tmp_path / "a"), "--update-baseline"]) == 0
    first = {one.check for one in read_state(tmp_path / "a", TARGET, SEED).findings}
    entries = tomllib.loads(known.read_text())["deviation"]
    assert first <= {one["check"] for one in entries}
    said = f"{known}: {len(entries)} entries added, 0 removed; write the reason of each new entry\n"
    assert said in capsys.readouterr().err
    assert cli.main([*command, str(tmp_path / "b")]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert any(text.startswith("known: ") for text in shown)
    passed_over = read_state(tmp_path / "b", TARGET, SEED).known
    assert passed_over
    assert all(sum(text.startswith(f"  {check}, ") for text in shown) == 1 for check in passed_over)
    assert Known().checks() == frozenset()
    _fixed(workshop, lambda _: False)
    assert cli.main([*command, str(tmp_path / "a"), "--resume", "--update-baseline"]) == 0
    assert re.search(r"known\.toml: 0 entries added, [1-9] removed$", capsys.readouterr().err, re.MULTILINE)


def test_a_baseline_needs_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fuzz", "reference", "--update-baseline", "--out", str(tmp_path)]) == 2
    assert "--update-baseline writes to the file of --known" in capsys.readouterr().err


# ---- replaying a folder


def test_a_folder_without_transcripts_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "repro.jsonl").write_text("{}\n")
    assert cli.main(["replay", str(tmp_path)]) == 2
    assert "has no transcripts" in capsys.readouterr().err


@pytest.mark.slow
def test_a_folder_is_a_regression_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, fault in enumerate(("counter-constant", "query-ends-the-session")):
        with opened(f"fault:{fault}", "s", tmp_path / str(number)) as campaign:
            campaign.attempts = 20
            list(campaign.run(60, 1, max_failures=1))
    assert cli.main(["replay", str(tmp_path)]) == 1
    assert "2 transcripts: 2 FAILED" in capsys.readouterr().out
    assert cli.main(["replay", str(tmp_path), "--target", "reference"]) == 0
    assert "2 transcripts: 2 FIXED" in capsys.readouterr().out
    assert cli.main(["replay", str(tmp_path), "--target", "fault:counter-constant"]) == 1
    assert "1 FAILED, 1 FIXED" in capsys.readouterr().out
    assert cli.main(["replay", str(tmp_path / "0")]) == 1
    assert "1 transcript: 1 FAILED" in capsys.readouterr().out
    assert cli.main(["replay", str(tmp_path), "--target", "exec:/nowhere/at/all"]) == 3


def test_what_is_small_fails_for_the_same_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that fails the same check with another kind of message is another finding."""
    wanted = Bucket("rejection.wrong-answer", kind="data")
    for kind, same in (("data", True), ("signature", False), ("fragment_v3", True)):
        failure = Failure("rejection", Verdict.FAIL, Bucket("rejection.wrong-answer", kind=kind), "", False, 1)
        monkeypatch.setattr("otterproof.harness.runs.fuzz.reproduce.attempt", lambda *_, given=failure, **__: given)
        assert FailsAlike(wanted, False, Budget())(Program(Setup(), ())) is same
