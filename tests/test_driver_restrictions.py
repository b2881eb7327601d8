"""What a driver declares about its target besides capabilities: fixed settings, and what its user is shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest

from otterproof.harness.runs.failure import place_of
from otterproof.harness.runs.runner import run
from otterproof.harness.simulation.record import Record
from otterproof.harness.simulation.transcript import Header, PartyInfo, Verdict
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.simulation.world import World
from otterproof.harness.targets.driver import DriverParty, DriverTarget, TargetDesync, TargetUnsupported
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.reply import CheckFailed, Reply, Unsupported
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.implementations.contract import PartyConfig, PeerEndedSession, Policy, SessionEstablished

DRIVER = """
import json
import sys
from otterproof.implementations.drivers.engine.driver import Driver
from otterproof.implementations.drivers.linejson import serve

driver = Driver("reference")
serve(driver.methods() | {"hello": lambda params: driver.hello(params) | json.loads(sys.argv[1])})
"""

BOTH = Policy.ALLOW_V2 | Policy.ALLOW_V3


def target(tmp_path: Path, **more: object) -> DriverTarget:
    path = tmp_path / "driver.py"
    path.write_text(DRIVER)
    return DriverTarget("restricted", [sys.executable, path, json.dumps(more)])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"fixed_policy": ["allow_v4"]}, "'allow_v4' is not a valid Policy"),
        ({"fixed_policy": 3}, "expected a list"),
        ({"longest_text": 0}, "longest_text is 0"),
        ({"longest_text": True}, "longest_text is True"),
        ({"silent_refresh": 1}, "silent_refresh is 1"),
        ({"coverage": "yes"}, "coverage is 'yes'; it must be true or false"),
        ({"longest_test": 9}, "unknown member 'longest_test'"),
    ],
)
def test_hello_is_checked(tmp_path: Path, more: dict[str, object], words: str) -> None:
    with pytest.raises(TargetDesync, match=words):
        target(tmp_path, **more)


def test_what_a_target_can_not_do_is_unsupported(tmp_path: Path) -> None:
    load()
    restricted = target(tmp_path, fixed_policy=["allow_v2", "allow_v3"], longest_text=20)
    try:
        assert (restricted.fixed_policy, restricted.longest_text) == (BOTH, 20)
        with pytest.raises(TargetUnsupported, match="policy of this target is fixed"):
            restricted.party("alice", PartyConfig(published_key("alice"), Policy.ALLOW_V3), b"seed")
        alice = restricted.party("alice", PartyConfig(published_key("alice"), BOTH), b"seed")
        assert alice.send(b"x" * 20)
        with pytest.raises(TargetUnsupported, match="texts of at most 20 bytes, and this one has 21"):
            alice.send(b"x" * 21)
        verdicts = {
            name: run(next(scenarios(f"conformance.{name}[v3]")), restricted, b"seed").verdict
            for name in ("interop.handshake_asked_by_target", "data.texts_of_any_length")
        }
        assert verdicts == {
            "interop.handshake_asked_by_target": Verdict.PASS,
            "data.texts_of_any_length": Verdict.UNSUPPORTED,
        }
    finally:
        restricted.close()


class Teller:
    """A target whose user is shown a given event."""

    def __init__(self, shown: object) -> None:
        self.shown = shown

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        if method == "create":
            return {"instance_tag": None, "fingerprint": "00" * 20}
        return {"events": [], "shown": self.shown}

    def desync(self, what: str) -> NoReturn:
        raise TargetDesync(what)


def party_of(teller: Teller) -> DriverParty:
    return DriverParty(teller, "alice", PartyConfig(published_key("alice"), BOTH), b"seed", frozenset({"v3"}))


def test_the_screen_is_in_the_transcript_and_in_the_failure(tmp_path: Path) -> None:
    lines = ["<bob> hello", "\x1b[2J \u202e gone"]
    config = PartyConfig(published_key("alice"), BOTH)
    record = Record(Header(b"seed", {"alice": PartyInfo("teller", config)}))
    world = World({"alice": party_of(Teller(lines))}, {"alice": []}, [record.add])
    world.user("alice", "start")
    record.write(tmp_path / "run.jsonl", "test", Verdict.FAIL, "")
    (step,) = read_transcript(tmp_path / "run.jsonl").steps()
    assert list(step.shown) == lines
    place = place_of(record.log)
    assert place is not None
    assert place.screen == ("<bob> hello", "\\x1b[2J \\u202e gone")


@pytest.mark.parametrize("shown", ["a line", [1], None, {"line": "x"}])
def test_what_is_shown_is_a_list_of_lines(shown: object) -> None:
    with pytest.raises(TargetDesync, match="as shown, not a list of lines"):
        party_of(Teller(shown)).start()


def test_a_renewal_that_need_not_be_told_is_not_missed() -> None:
    with pytest.raises(Unsupported, match="not told of every handshake"):
        Reply((), silent_refresh=True).one(SessionEstablished)
    with pytest.raises(CheckFailed):
        Reply((), silent_refresh=True).one(PeerEndedSession)
    with pytest.raises(CheckFailed):
        Reply(()).one(SessionEstablished)
