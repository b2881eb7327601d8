"""Engines that conform, and differ from the reference engine in what the protocol texts leave open.

A variant is data (odd_engines.toml): edits in the reference engine's source, like those of a fault, but only to what
the texts do not require. An odd target has one or several variants. [otterproof.harness.targets.odd]
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from otterproof.harness.targets.faults.entries import Edit
from otterproof.harness.targets.faults.loader import make_engine
from otterproof.implementations.drivers.engine.driver import Make

TABLE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True, slots=True)
class Variant:
    """An entry. section: where the protocol texts leave it open."""

    summary: str
    section: str
    edits: tuple[Edit, ...]


@cache
def variants() -> Mapping[str, Variant]:
    """All variants, by name."""
    entries = tomllib.loads(TABLE.read_text(encoding="utf-8"))["variant"]
    return {
        one["name"]: Variant(one["summary"], one["section"], tuple(Edit(**edit) for edit in one["edits"]))
        for one in entries
    }


@cache
def odd_engine(names: tuple[str, ...]) -> Make:
    """The reference engine with these variants; FaultError if an edit does not match its source."""
    return cast(Make, make_engine(f"odd-{'-'.join(names)}", edits_of(names)))


def edits_of(names: Sequence[str]) -> list[Edit]:
    """The edits of several variants."""
    return [edit for name in names for edit in variants()[name].edits]
