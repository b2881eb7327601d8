"""Probes of the readings on message states and policies. [User requests to end an OTR conversation, Policies]"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW, Context
from otterproof.harness.testkit.probe import reading
from otterproof.harness.wire import Kind


@reading("END-HANDSHAKE")
def a_handshake_when_the_session_ends(context: Context) -> str:
    target, _ = context.encrypted()
    new = target.insider(seed=b"again")
    target.user("start")
    dh_key = wire.build(target.receive(new.commit()).message(Kind.DH_KEY))
    target.user("end")
    reply = target.receive(new.reveal_signature(dh_key))
    if reply.messages(Kind.SIGNATURE):
        return "keep"
    reply.assert_rejected("handshake.given-up-goes-on", "a Reveal Signature Message for a handshake that was given up")
    return "drop"


@reading("POLICY-SESSION", needs=("policy", "v2", "v3"))
def a_policy_that_forbids_the_version_of_a_session(context: Context) -> str:
    target, insider = context.encrypted()
    target.world.step(target.name, "set_policy", {"policy": ALLOW[5 - context.version]})
    return "read" if b"text" in target.receive(insider.data(b"text")).secure else "refuse"
