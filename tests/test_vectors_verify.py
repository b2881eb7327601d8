"""Generating and verifying: either engine makes the same bytes, and a mistake seeded into a vector is reported.

A separate step of CI generates all files with both engines, since that takes half a minute.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from otterproof import vectors
from otterproof.harness.targets.registry import open_target
from otterproof.harness.ui.cli import main
from otterproof.harness.vectorgen import generate
from otterproof.harness.vectorgen.builder import FileBuilder
from otterproof.harness.vectorgen.generate import make, stale, subject
from otterproof.harness.vectorgen.notes import NOTES
from otterproof.harness.vectorgen.play_builder import ClaimError, gives
from otterproof.harness.vectorgen.verify import Report, verify, verify_target
from otterproof.harness.vectorgen.wrong import Wrong
from otterproof.implementations.reference import ReferenceEngine
from otterproof.vectors import VectorFile, load, parse, render

Change = Callable[[dict[str, Any]], object]

#: Kinds that are quick to generate, with functions, fresh clients and plays.
QUICK = ("armour", "queries", "extra_key", "smp_secrets", "found")


@pytest.mark.slow
@pytest.mark.parametrize("kind", QUICK)
@pytest.mark.parametrize("engine", ["reference", "independent"])
def test_what_is_committed_is_what_an_engine_makes(kind: str, engine: str) -> None:
    assert stale(generate.made(engine, [kind])) == []
    assert render(make(kind, engine)) == (vectors.FOLDER / f"{kind}.json").read_text()


def test_another_file_is_stale(tmp_path: Path) -> None:
    generate.write(tmp_path, generate.made("reference", ["smp_secrets"]))
    made = generate.made("independent", ["smp_secrets"])
    assert stale(made, tmp_path) == []
    path = tmp_path / "smp_secrets.json"
    path.write_text(path.read_text().replace("a word", "a sentence"))
    assert stale(made, tmp_path) == ["smp_secrets"]
    assert main(["vectors", "generate", "--check", "--kind", "smp_secrets", "--out", str(tmp_path)]) == 1
    assert main(["vectors", "generate", "--kind", "smp_secrets", "--out", str(tmp_path)]) == 0
    assert main(["vectors", "generate", "--check", "--kind", "smp_secrets", "--out", str(tmp_path)]) == 0


# ---- claims ----------------------------------------------------------------------------------------------------------


def builder(engine: str = "reference") -> FileBuilder:
    return FileBuilder("armour", subject(engine), ReferenceEngine, NOTES)


def test_a_claim_that_the_engine_denies_stops_the_generator() -> None:
    group = builder().group("bad", "Wrong claims.", "armour")
    with pytest.raises(ClaimError, match="finds it invalid"):
        group.case("one", "not base64", "ARMOUR-FORM-2", text=b"?OTR:#.")
    with pytest.raises(ClaimError, match="finds it valid"):
        group.case("two", "base64", "ARMOUR-FORM-2", reaction="ignored", text=b"?OTR:AAAA.")
    with pytest.raises(ClaimError, match="name our reading and the others"):
        group.case("three", "base64", "ARMOUR-FORM-2", ours="ARMOUR-END:reject", text=b"?OTR:AAAA.")


def test_a_claim_about_a_play_is_compared() -> None:
    group = builder().plays("bad", "Wrong claims.")
    with pytest.raises(ClaimError, match="the claim is valid, and the engine's answer is ignored"):
        group.play("one", "nobody waits for it", "DHKEY-NONE-1", lambda session: session.give(session.insider.dh_key()))
    with pytest.raises(ClaimError, match="the claim is ignored"):
        group.play("two", "text", "STATE-CLEAR-1", gives(b"hello"), reaction="ignored")
    with pytest.raises(ClaimError, match="nothing is done"):
        group.play("three", "nothing", "STATE-CLEAR-1", lambda session: None)


def test_a_sequel_that_comes_out_differently_stops_the_generator() -> None:
    # The sequel differs after a case: its message depends on how often it was made.
    made: list[int] = []

    def sequel(session: Any) -> None:
        made.append(1)
        session.give(b"text %d" % len(made))

    group = builder().plays("bad", "A sequel that changes.", sequel=sequel)
    with pytest.raises(ClaimError, match="the steps that follow it have different results"):
        group.play(
            "one", "ignored", "DHKEY-NONE-1", lambda session: session.give(session.insider.dh_key()), reaction="ignored"
        )


def test_a_flag_without_a_note_stops_the_generator() -> None:
    file = builder()
    file.group("form", "A flag.", "armour").case("one", "-", "ARMOUR-FORM-1", flags="Unheard", text=b"?OTR:AAAA.")
    with pytest.raises(ClaimError, match="no note for the flags Unheard"):
        file.file()


# ---- verifying -------------------------------------------------------------------------------------------------------


def changed(kind: str, case_id: str, change: Change) -> VectorFile:
    """A committed file with a mistake in one case."""
    content = json.loads((vectors.FOLDER / f"{kind}.json").read_text())
    found = [case for group in content["groups"] for case in group["cases"] if case["id"] == case_id]
    assert len(found) == 1, case_id
    content["groups"] = [
        {**group, "cases": found}
        for group in content["groups"]
        if any(case["id"] == case_id for case in group["cases"])
    ]
    before = copy.deepcopy(found[0])
    change(found[0])
    assert found[0] != before
    content["cases"], content["invalid"] = 1, int(found[0].get("result") == "invalid")
    content["notes"] = {flag: note for flag, note in content["notes"].items() if flag in found[0]["flags"]}
    return parse(json.dumps(content), f"{kind}.json")


def failing(reports: Iterable[Report]) -> set[str]:
    return {report.name for report in reports if report.failures}


BOTH = {"reference", "independent"}
ALL = BOTH | {"harness"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", QUICK)
def test_the_committed_files_are_right(kind: str) -> None:
    reports = list(verify([load(kind)]))
    assert failing(reports) == set()
    assert {report.name: report.checked for report in reports}.keys() == ALL
    assert all(report.checked for report in reports[:2])


def shorter(case: dict[str, Any]) -> None:
    case["encoded"] = case["encoded"][:-2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "case", "change", "who"),
    [
        ("encodings", "encodings.mpi.256", shorter, ALL),
        ("encodings", "encodings.mpi.256", lambda case: case["expect"].update(number="ff"), ALL),
        (
            "encodings",
            "encodings.mpi.announces-2-has-1",
            lambda case: case.update(encoded="000000015a"),
            ALL,
        ),
        ("armour", "armour.form.size-3", lambda case: case["expect"].update(binary="00"), ALL),
        ("queries", "queries.parse-v23.23", lambda case: case["expect"].update(version=2), BOTH),
        ("queries", "queries.parse-v23.4", lambda case: case.update(text="?OTRv2?"), BOTH),
        ("fragments", "fragments.v3-orders.123", lambda case: case["messages"].reverse(), BOTH),
        ("public_keys", "public_keys.good.test-bob", lambda case: case["expect"].update(fingerprint="00" * 20), ALL),
        ("signatures", "signatures.sign-bob.value-q", lambda case: case.update(mac="00" * 31 + "01"), ALL),
        ("signatures", "signatures.verify-bob.value-q", lambda case: case.update(mac="00" * 31 + "01"), ALL),
        ("handshake_keys", "handshake_keys.derive.size-9", lambda case: case["expect"].update(m2="00" * 32), ALL),
        (
            "session_keys",
            "session_keys.pairs.random-1-a",
            lambda case: case["expect"].update(high_end=True),
            ALL,
        ),
        ("dh_commit", "dh_commit.open.random-1", lambda case: case["expect"].update(gx="5"), ALL),
        ("reveal_signature", "reveal_signature.open.key-bob", lambda case: case["expect"].update(keyid=2), ALL),
        ("data_messages", "data_messages.v3-open.text-one", lambda case: case["expect"].update(plaintext="b"), ALL),
        ("tlvs", "tlvs.split.text-padding", lambda case: case["expect"].update(text="hell"), ALL),
        ("smp_secrets", "smp_secrets.typed.word", lambda case: case.update(secret="swords"), ALL),
        ("smp_proofs", "smp_proofs.runs.unequal", lambda case: case["expect"].update(equal=True), ALL),
        (
            "smp_proofs",
            "smp_proofs.message-1.g2a-0",
            lambda case: case["expect"].clear() or case.update(value=""),
            set(),
        ),
        ("extra_key", "extra_key.v3-encrypted.sent-0", lambda case: case["steps"][0]["args"].update(use=1), BOTH),
        ("extra_key", "extra_key.v3-encrypted.sent-0", lambda case: case["expect"].update(unchanged=True), BOTH),
        ("extra_key", "extra_key.v3-encrypted.sent-0", lambda case: case["expect"].update(sends=["query"]), BOTH),
        ("extra_key", "extra_key.v2.sent", lambda case: case["expect"].update(reason="wrong_state"), BOTH),
        ("extra_key", "extra_key.v2.sent", lambda case: case.update(reaction="ignored"), BOTH),
    ],
)
def test_a_seeded_mistake_is_told(kind: str, case: str, change: Change, who: set[str]) -> None:
    if case.endswith("random-1-a"):
        right = next(one for _, one in load(kind) if one.id == case).outcome().expect.truth("high_end")
        change = lambda given: given["expect"].update(high_end=not right)  # noqa: E731
    assert failing(verify([changed(kind, case, change)])) == who


def conversation(change: Change) -> VectorFile:
    return changed("conversations", "conversations.v3-alice-asks-alice.whole", change)


def test_a_mistake_in_a_conversation_is_told_by_its_values_too() -> None:
    def key(case: dict[str, Any]) -> None:
        values = case["expect"]["values"]
        values.update({name: "00" * 20 for name in values if name.endswith("sending_mac")})

    assert "harness" in failing(verify([conversation(key)]))

    def event(case: dict[str, Any]) -> None:
        case["steps"][-1]["events"].append({"event": "user_ended_session", "instance": 0})

    assert failing(verify([conversation(event)])) == BOTH

    def message(case: dict[str, Any]) -> None:
        sent = next(
            one
            for step in case["steps"]
            for one in step["events"]
            if one["event"] == "outgoing_message" and "?OTR:" in one["message"]
        )
        sent["message"] = "?OTR:AAMK."

    assert failing(verify([conversation(message)])) == ALL


def test_a_prefix_and_a_sequel_are_compared_too() -> None:
    kind, name = "dh_key", "dh_key.v3.limit-2"

    def whole(where: str) -> VectorFile:
        content = json.loads(render(changed(kind, name, lambda case: case.update(comment="changed"))))
        content["groups"][0][where][0]["events"] = []
        return parse(json.dumps(content), "dh_key.json")

    assert failing(verify([whole("prefix")])) == BOTH
    name = "dh_key.v3.outside-0"
    assert failing(verify([whole("sequel")])) == BOTH


def test_a_target_is_asked_by_its_clients_alone() -> None:
    target = open_target("independent")
    files = [load("smp_secrets"), load("queries"), load("extra_key"), load("found")]
    report = verify_target(files, target)
    assert report.failures == {}
    assert report.kinds["smp_secrets"].checked == 0
    assert sum(report.kinds["smp_secrets"].skipped.values()) == 36
    assert report.kinds["queries"].checked == load("queries").count
    assert report.kinds["extra_key"].checked == load("extra_key").count
    assert report.kinds["found"].checked == 0
    assert report.readings["QUERY-CLOSING"].keys() == {"required"}


def test_a_target_with_a_tape_runs_plays_again() -> None:
    command = f"exec:{sys.executable} -m otterproof.implementations.drivers.engine.driver independent"
    target = open_target(command)
    wrong = changed("extra_key", "extra_key.v3-encrypted.sent-0", lambda case: case["steps"][0]["args"].update(use=1))
    try:
        report = verify_target([load("found"), load("smp_secrets")], target)
        assert (report.failures, report.kinds["found"].checked, report.kinds["smp_secrets"].checked) == ({}, 1, 0)
        assert list(verify_target([wrong], target).failures) == ["extra_key.v3-encrypted.sent-0"]
    finally:
        target.close()


def test_a_target_that_is_wrong_is_told() -> None:
    target = open_target("fault:counter-constant")
    assert verify_target([load("queries")], target).failures == {}
    report = verify_target(
        [changed("queries", "queries.parse-v3.3", lambda case: case["expect"].update(version=2))], target
    )
    assert list(report.failures) == ["queries.parse-v3.3"]


def test_two_readings_at_once_are_a_failure() -> None:
    report = Report("somebody", "target")
    cases = [case for _, case in load("queries") if "QUERY-CLOSING:required" in case.outcomes][:2]
    for case, option in zip(cases, ("required", "optional"), strict=True):
        problems = {reading: None if reading.endswith(option) else Wrong("it differs") for reading in case.outcomes}
        report.judge("queries", case, problems)
    assert list(report.failures) == ["reading QUERY-CLOSING"]
