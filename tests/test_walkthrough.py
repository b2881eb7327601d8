"""The walkthrough as a page: it shows what a run does, and nothing if a step fails."""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.targets.faults import FaultTarget
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.wire.numbers import public_key
from otterproof.scenarios.walkthrough import WalkthroughPage, assert_hidden, hold_conversation
from tests.raising import raises_check


def test_a_step_that_does_not_hold_ends_the_conversation() -> None:
    context = Context(FaultTarget("fault:mac-not-checked"), 3, b"walkthrough")
    with raises_check("data.mac-not-verified"):
        hold_conversation(context.target_session(), WalkthroughPage())


def test_a_long_term_key_in_a_message_is_found() -> None:
    key = published_key("bob").public
    hidden = wire.parse(wire.armour(b"\x00\x03\x11" + bytes(500)))
    assert_hidden([hidden], [key])
    shown = wire.parse(wire.armour(b"\x00\x03\x11" + public_key(key)))
    with raises_check("handshake.identity-in-clear"):
        assert_hidden([hidden, shown], [key])
