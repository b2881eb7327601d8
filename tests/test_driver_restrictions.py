"""What a driver says that its target can't be told to do otherwise: a fixed policy, and the longest text."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from otterproof.harness.runs.runner import run
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import DriverTarget, TargetDesync, TargetUnsupported
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.implementations.contract import PartyConfig, Policy

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
            for name in ("interop.handshake_asked_by_target", "interop.texts_of_all_sizes")
        }
        assert verdicts == {
            "interop.handshake_asked_by_target": Verdict.PASS,
            "interop.texts_of_all_sizes": Verdict.UNSUPPORTED,
        }
    finally:
        restricted.close()
