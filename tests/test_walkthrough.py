"""The walkthrough as a page: it is what a run tells, and it tells nothing when a step does not hold."""

from __future__ import annotations

import pytest

from otterproof.harness import wire
from otterproof.harness.targets.faults import FaultTarget
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.reply import CheckFailed
from otterproof.harness.wire.numbers import public_key
from otterproof.scenarios.walkthrough import Story, assert_hidden, tell


def test_a_step_that_does_not_hold_ends_the_story() -> None:
    context = Context(FaultTarget("fault:mac-not-checked"), 3, b"walkthrough")
    with pytest.raises(CheckFailed) as failed:
        tell(context.target_session(), Story())
    assert failed.value.check == "data.mac-not-verified"


def test_a_long_term_key_in_a_message_is_found() -> None:
    key = published_key("bob").public
    hidden = wire.parse(wire.armour(b"\x00\x03\x11" + bytes(500)))
    assert_hidden([hidden], [key])
    shown = wire.parse(wire.armour(b"\x00\x03\x11" + public_key(key)))
    with pytest.raises(CheckFailed) as failed:
        assert_hidden([hidden, shown], [key])
    assert failed.value.check == "handshake.identity-in-clear"
