"""A run as SARIF 2.1.0, for services that show findings: a rule for each check, a result for each cause.

A target is a black box, so a finding has no location in its source; its location is the transcript that shows it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from otterproof.harness.spec import requirements
from otterproof.harness.spec.checks import rule
from otterproof.harness.ui.reports.card import Card

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

#: The severity of a finding, by the level of its requirement.
_LEVELS = {"must": "error", "should": "warning"}


def as_sarif(card: Card) -> dict[str, Any]:
    """The causes of a card as results."""
    rules = list({_id(cause): _rule(cause) for cause in card["causes"]}.values())
    tool, _, version = card["tool"].partition(" ")
    driver = {"name": tool, "version": version or "0", "rules": rules}
    place = {one["id"]: number for number, one in enumerate(rules)}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "automationDetails": {"id": f"otterproof/{card['target']['name']}"},
                "results": [_result(cause, place[_id(cause)]) for cause in card["causes"]],
            }
        ],
    }


def _id(cause: Card) -> str:
    return str(cause["check"] or cause["verdict"])


def _rule(cause: Card) -> dict[str, Any]:
    text = rule(_id(cause)) or cause["rule"] or _id(cause)
    return {
        "id": _id(cause),
        "shortDescription": {"text": text},
        "help": {"text": _help(cause)},
        "properties": {"tags": list(cause["requirements"])},
    }


def _help(cause: Card) -> str:
    table = requirements.load().requirements
    lines = [f'{name}, "{table[name].section}": {table[name].text}' for name in cause["requirements"] if name in table]
    return "\n".join(lines) or "otterproof explain tells more."


def _result(cause: Card, number: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "ruleId": _id(cause),
        "ruleIndex": number,
        "level": _LEVELS.get(cause["level"], "note"),
        "message": {"text": "\n".join(cause["record"])},
        "partialFingerprints": {"check/v1": _id(cause)},
        "locations": [{"logicalLocations": [{"fullyQualifiedName": cause["first"], "kind": "function"}]}],
    }
    if cause["transcripts"]:
        made["locations"][0]["physicalLocation"] = {"artifactLocation": {"uri": quote(cause["transcripts"][0])}}
    return made
