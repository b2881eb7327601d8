"""Demands that are suspended for a while, so that a run continues past a non-binding failure.

Failing a mere recommendation stops a scenario like any other failure. The scenario is then run again without that
demand, whether a scenario, a helper or an oracle makes it. [otterproof.harness.runs.judgement.judge_scenario] A random
run of `fuzz` continues past the known deviations of its target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_excused: ContextVar[frozenset[str]] = ContextVar("excused", default=frozenset())
_fits: ContextVar[Callable[[str], bool] | None] = ContextVar("fits", default=None)
_met: ContextVar[set[str] | None] = ContextVar("met", default=None)


@contextmanager
def excusing(check_ids: Iterable[str], fits: Callable[[str], bool] | None = None) -> Iterator[set[str]]:
    """A context in which these and already excused demands are not made; yields those that would have failed.

    fits: asked at each failure of one of them whether it is excused there; None: it always is.
    """
    met: set[str] = set()
    tokens = _excused.set(_excused.get() | frozenset(check_ids)), _met.set(met), _fits.set(fits)
    try:
        yield met
    finally:
        _excused.reset(tokens[0])
        _met.reset(tokens[1])
        _fits.reset(tokens[2])


def is_excused(check_id: str) -> bool:
    """Whether a demand that does not hold is excused now."""
    fits = _fits.get()
    if check_id not in _excused.get() or (fits is not None and not fits(check_id)):
        return False
    if (met := _met.get()) is not None:
        met.add(check_id)
    return True
