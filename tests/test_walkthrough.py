"""The walkthrough as a page: it is what a run tells, and it tells nothing when a step does not hold."""

from __future__ import annotations

import pytest

from harness.course import CheckFailed
from harness.faults import FaultTarget
from harness.stage import Stage
from scenarios.walkthrough import PAGE, Story, page, tell


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m scenarios`"


def test_a_step_that_does_not_hold_ends_the_story() -> None:
    stage = Stage(FaultTarget("fault:mac-not-checked"), 3, b"walkthrough")
    with pytest.raises(CheckFailed, match="inverted bit"):
        tell(stage.subject(), Story())
