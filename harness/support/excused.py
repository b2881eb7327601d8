"""Demands that are not made for a while, so that a run goes on beyond a failure that does not bind.

What a text only advises stops a scenario as any other failure does. The scenario is then run again without that demand,
whether a scenario, a helper or an oracle makes it. [otterproof.harness.runs.judgement.judge_scenario] A random run of
`fuzz` goes on beyond what is known of its target.
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
    """Inside, these demands are not made, nor those that are excused outside; gives those that would have failed.

    fits: is asked at each failure of one of them whether it is excused in that place; None: wherever it fails.
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
    """Whether a demand, which does not hold, is not made now."""
    fits = _fits.get()
    if check_id not in _excused.get() or (fits is not None and not fits(check_id)):
        return False
    if (met := _met.get()) is not None:
        met.add(check_id)
    return True
