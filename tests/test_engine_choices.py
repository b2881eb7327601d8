"""[choice handshake.dh-key-reused], which no honest run exercises, tested on both engines in lockstep."""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.wire.mutate import change_field
from otterproof.implementations.contract import MessageRejected, OutgoingMessage, PartyConfig, Policy, RejectReason
from otterproof.implementations.entropy import SeededEntropy


def test_a_dh_key_answers_an_announced_commit_once() -> None:
    target = EngineTarget("reference")
    alice, bob = (
        target.engine(PartyConfig(published_key(name), Policy.ALLOW_V3, tag), SeededEntropy(name.encode()))
        for name, tag in (("alice", 0x1A1A), ("bob", 0x2B2B))
    )
    (commit,) = bob.receive(b"?OTRv3?")
    assert isinstance(commit, OutgoingMessage)
    (dh_key,) = alice.receive(commit.message)
    assert isinstance(dh_key, OutgoingMessage)
    assert isinstance(bob.receive(dh_key.message)[0], OutgoingMessage)
    assert bob.receive(change_field(dh_key.message, "sender_tag", 0x3C3C)) == [MessageRejected(RejectReason.UNEXPECTED)]


def test_the_own_dh_key_is_no_answer() -> None:
    """Both engines refuse our own g^y from a D-H Key Message and accept another one."""
    party = EngineTarget("reference").engine(
        PartyConfig(published_key("alice"), Policy.ALLOW_V3, 0x1A1A), SeededEntropy(b"own key")
    )
    party.receive(b"?OTRv3?")
    first, second = (Insider(published_key("bob"), 0x1A1A, tag=tag) for tag in (0x2B2B, 0x3C3C))
    (reply,) = party.receive(first.commit(hashed=b"\xff" * 32))  # the highest hash: the other side yields
    assert isinstance(reply, OutgoingMessage)
    own = wire.parse(reply.message).number("gy")
    assert party.receive(second.dh_key(own)) == [MessageRejected(RejectReason.UNEXPECTED)]
    assert isinstance(party.receive(second.dh_key())[0], OutgoingMessage)
