"""Demands that are not made for a while, so that a run goes on beyond a failure that does not bind.

What a text only advises stops a scenario as any other failure does. The scenario is then run again without that demand,
whether a scenario, a helper or an oracle makes it. [otterproof.harness.runs.runner.judge_scenario]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_excused: ContextVar[frozenset[str]] = ContextVar("excused", default=frozenset())


@contextmanager
def excusing(check_ids: Iterable[str]) -> Iterator[None]:
    """Inside, these demands are not made."""
    token = _excused.set(frozenset(check_ids))
    try:
        yield
    finally:
        _excused.reset(token)


def is_excused(check_id: str) -> bool:
    """Whether a demand is not made now."""
    return check_id in _excused.get()
