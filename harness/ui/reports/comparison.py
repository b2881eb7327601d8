"""What changed between two runs: which scenarios fail that did not before, and the other way round.

A scenario that only the later run has, and that fails there, is a change for the worse: the failure is new.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from otterproof.harness.ui.reports.card import Card


@dataclass(frozen=True, slots=True)
class Change:
    """A scenario whose result changed. before, after: the results, in a word, with the failed check."""

    scenario: str
    before: str
    after: str
    requirements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs. worse, better: scenarios in which the target no longer conforms, or now conforms. other: the rest."""

    before: str
    after: str
    worse: tuple[Change, ...]
    better: tuple[Change, ...]
    other: tuple[Change, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]


#: The outcome of a scenario that a run does not have.
NOT_RUN = "not run"


def compare(before: Card, after: Card) -> Comparison:
    """The changes from one run to a later one."""
    old = {one["id"]: one for one in before["scenarios"]}
    new = {one["id"]: one for one in after["scenarios"]}
    worse: list[Change] = []
    better: list[Change] = []
    other: list[Change] = []
    for name in sorted(old.keys() & new.keys()):
        change = Change(name, _outcome(old[name]), _outcome(new[name]), tuple(new[name]["requirements"]))
        if change.before == change.after:
            continue
        bad = _is_bad(old[name]), _is_bad(new[name])
        (other if bad[0] == bad[1] else worse if bad[1] else better).append(change)
    fresh = sorted(new.keys() - old.keys())
    worse += [
        Change(name, NOT_RUN, _outcome(new[name]), tuple(new[name]["requirements"]))
        for name in fresh
        if _is_bad(new[name])
    ]
    return Comparison(
        _title(before),
        _title(after),
        tuple(worse),
        tuple(better),
        tuple(other),
        tuple(sorted(old.keys() - new.keys())),
        tuple(fresh),
    )


def _title(card: Card) -> str:
    return f"{card['target']['name']} {card['target']['version']}, {card['date']}, {card['tool']}"


def _is_bad(one: Card) -> bool:
    return bool(one["counts"] and not one["known"])


def _outcome(one: Card) -> str:
    verdict = "known" if one["known"] else one["verdict"]
    return f"{verdict}: {one['check']}" if one["check"] else str(verdict)


def _groups(found: Comparison) -> Iterator[tuple[str, Sequence[Change]]]:
    yield "worse", found.worse
    yield "better", found.better
    yield "other", found.other


def as_text(found: Comparison) -> str:
    """A line for each change."""
    lines = [f"from {found.before}", f"to   {found.after}"]
    for word, changes in _groups(found):
        lines += [f"{word:9} {one.scenario}: {one.before} -> {one.after}" for one in changes]
    lines += [f"gone      {name}" for name in found.only_before]
    lines += [f"new       {name}" for name in found.only_after]
    counts = ", ".join(f"{len(changes)} {word}" for word, changes in _groups(found))
    return "\n".join([*lines, counts])


def as_markdown(found: Comparison) -> str:
    """A table for a pull request."""
    lines = [f"**{len(found.worse)} worse, {len(found.better)} better, {len(found.other)} other**", ""]
    lines += [f"From {_code(found.before)} to {_code(found.after)}", ""]
    if any(changes for _, changes in _groups(found)):
        lines += ["| | scenario | before | after | requirements |", "|---|---|---|---|---|"]
    for word, changes in _groups(found):
        for one in changes:
            cells = (one.scenario, one.before, one.after, ", ".join(one.requirements))
            lines.append(f"| {' | '.join([word, *map(_code, cells)])} |")
    return "\n".join(lines)


def _code(text: str) -> str:
    """A card's text as code, in which nothing is markup, a link or a mention of somebody; "" stays ""."""
    plain = " ".join(text.split()).replace("`", "'").replace("|", "\\|")
    return f"`{plain}`" if plain else ""
