"""Suggestions for a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches

#: The most names that are suggested.
MOST = 3

#: Omit a name whose similarity (1 means equal) is lower than the best one's by more than this.
CLOSE = 0.1

#: A longer name is no typing error, and comparing it with all others would take long.
LONGEST = 200


def nearest(wanted: str, known: Iterable[str]) -> list[str]:
    """The known names most similar to an unknown one, best first, ignoring case."""
    if len(wanted) > LONGEST:
        return []
    names = {name.lower(): name for name in known}
    longer = [name for name in names if len(wanted) > 1 and name.startswith(wanted.lower())]
    if 0 < len(longer) <= MOST:
        return [names[name] for name in longer]
    near = get_close_matches(wanted.lower(), names, n=MOST)
    likeness = {name: SequenceMatcher(None, name, wanted.lower()).ratio() for name in near}
    return [names[name] for name in near if likeness[name] >= likeness[near[0]] - CLOSE]


def did_you_mean(wanted: str, known: Iterable[str], otherwise: str = "") -> str:
    """The end of a message about an unknown name: similar names, or else other advice."""
    near = nearest(wanted, known)
    if near:
        return f"; did you mean {' or '.join([', '.join(near[:-1]), near[-1]] if near[1:] else near)}?"
    return f"; {otherwise}" if otherwise else ""
