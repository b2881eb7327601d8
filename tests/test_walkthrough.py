"""The walkthrough as a page: it is what a run tells, and it tells nothing when a step does not hold."""

from __future__ import annotations

import pytest

from otterproof.harness.targets.faults import FaultTarget
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.reply import CheckFailed
from otterproof.scenarios.walkthrough import Story, tell


def test_a_step_that_does_not_hold_ends_the_story() -> None:
    context = Context(FaultTarget("fault:mac-not-checked"), 3, b"walkthrough")
    with pytest.raises(CheckFailed, match="inverted bit"):
        tell(context.target_session(), Story())
