"""The table of requirements: every normative sentence of the two protocol texts, and the register of readings.

The table is data (the TOML files of this package); the modules load it (`load`), check it (`lint`, `check_texts`) and
make a page of it (`render`). A requirement is one demand of the texts in the project's own words, under an id that
never changes. A reading is an answer to a question that the texts leave open. Scenarios name the requirements they
judge (`Claim`), verdicts and known deviations name them too, so all of them speak of the same things.
"""

from __future__ import annotations

from otterproof.harness.spec.entries import Problem, TableError
from otterproof.harness.spec.requirements.coverage import (
    MIN_BOTH_SIDES,
    Claim,
    ClaimError,
    Coverage,
    Polarity,
    check_coverage,
    measure,
    requirement_ids,
)
from otterproof.harness.spec.requirements.lint import check, lint
from otterproof.harness.spec.requirements.loader import FOLDER, load, read
from otterproof.harness.spec.requirements.page import render
from otterproof.harness.spec.requirements.table import (
    Level,
    Reading,
    Requirement,
    RequirementClass,
    Section,
    Table,
    Text,
    UnknownId,
)
from otterproof.harness.spec.requirements.texts import check_texts, headings

__all__ = [
    "FOLDER",
    "MIN_BOTH_SIDES",
    "Claim",
    "ClaimError",
    "Coverage",
    "Level",
    "Polarity",
    "Problem",
    "Reading",
    "Requirement",
    "RequirementClass",
    "Section",
    "Table",
    "TableError",
    "Text",
    "UnknownId",
    "check",
    "check_coverage",
    "check_texts",
    "headings",
    "lint",
    "load",
    "measure",
    "read",
    "render",
    "requirement_ids",
]
