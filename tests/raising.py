"""Expected errors, identified by the id of the check, which never changes, rather than by their wording."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from otterproof.harness.support.errors import DemandFailed
from otterproof.harness.targets.driver import TargetError


@contextmanager
def raises_check(check_id: str) -> Iterator[None]:
    """Expects the error with this id, from a judge or from a target that breaks down."""
    with pytest.raises((DemandFailed, TargetError)) as caught:
        yield
    error = caught.value
    assert isinstance(error, DemandFailed | TargetError)
    assert error.check == check_id, f"{error.check}: {error}"
