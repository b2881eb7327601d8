"""The reference engine does linear work on all input, in every state, and on all requests of its user."""

from __future__ import annotations

import pytest

from otterproof.implementations.reference import ReferenceEngine
from tests.hostile.growth_engine import CASES


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_growth(case: str) -> None:
    CASES[case](ReferenceEngine)
