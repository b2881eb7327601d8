"""Hostile targets, files and disks: none of them may hurt the user, lie to them or lose what was found.

The reference engine does linear work on all that it can be fed, in every state, and on all that its user asks of it.
"""

from __future__ import annotations

import pytest

from otterproof.implementations.reference import ReferenceEngine
from tests.hostile.growth_engine import CASES


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_growth(case: str) -> None:
    CASES[case](ReferenceEngine)
