"""Choices of the contract that no honest run meets, checked on both engines at once."""

from __future__ import annotations

from harness.keys import test_key
from harness.network import change_field
from harness.targets import EngineTarget
from implementations.contract import Outgoing, PartyConfig, Policy, Reason, Rejected
from implementations.entropy import SeededEntropy


def test_a_dh_key_answers_an_announced_commit_once() -> None:
    target = EngineTarget("reference")
    alice, bob = (
        target.engine(PartyConfig(test_key(name), Policy.ALLOW_V3, tag), SeededEntropy(name.encode()))
        for name, tag in (("alice", 0x1A1A), ("bob", 0x2B2B))
    )
    (commit,) = bob.receive(b"?OTRv3?")
    assert isinstance(commit, Outgoing)
    (dh_key,) = alice.receive(commit.message)
    assert isinstance(dh_key, Outgoing)
    assert isinstance(bob.receive(dh_key.message)[0], Outgoing)
    assert bob.receive(change_field(dh_key.message, "sender_tag", 0x3C3C)) == [Rejected(Reason.UNEXPECTED)]
