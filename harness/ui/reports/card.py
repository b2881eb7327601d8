"""The card of a run: what was judged, with what, and the results, as JSON according to card.schema.json.

Cards are for keeping, comparing and publishing. They contain no times of day and no paths except those of transcripts
beside them, so two runs with the same results have the same cards, except for the date and the seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from otterproof.harness.runs.causes import Cause
from otterproof.harness.runs.events import AlphabetExplored, Ending, Judged
from otterproof.harness.runs.explore.certificate import certificates_to_json
from otterproof.harness.runs.failure import lines_of
from otterproof.harness.runs.judgement import counts
from otterproof.harness.runs.runner import Result
from otterproof.harness.runs.tally import measured_readings, of_requirements
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec import requirements
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.version import tool_version
from otterproof.harness.ui.reports.files import beside, clean, read_checked

#: The file name of a card, and its schema.
FILE, FORMAT, VERSION = "otr-card.json", "otterproof-card", 1

SCHEMA = Path(__file__).with_name("card.schema.json")

Card = dict[str, Any]


def card_of(judged: Judged, command: Sequence[str], today: date, folder: Path) -> Card:
    """The card of a run, with all texts made printable.

    command: the words that repeat the run. folder: the card's folder, to which paths are relative.
    """
    started, causes, finished = judged
    table = requirements.load()
    results = sorted(finished.results, key=lambda result: result.scenario)
    card: Card = clean(
        {
            "format": FORMAT,
            "version": VERSION,
            "tool": tool_version(),
            "texts": {str(text.version): text.sha256 for text in table.texts},
            "date": today.isoformat(),
            "target": {
                "name": started.target,
                "version": started.version,
                "capabilities": sorted(started.capabilities),
                "randomness": started.randomness,
            },
            "seed": started.seed,
            "command": list(command),
            "ending": finished.ending.value,
            "seconds": round(finished.seconds, 1),
            "not_run": judged.not_run,
            "requirements": _requirements(results),
            "readings": measured_readings(results),
            "visited": sorted({cell for result in results for cell in result.visited}),
            "scenarios": [_scenario(result, folder, started.least) for result in results],
            "causes": [_cause(cause, folder) for cause in causes],
            "stale": [str(entry) for entry in finished.stale],
            "certificates": [_certificate(one, started.least) for one in finished.explored],
        }
    )
    return card


def _requirements(results: Sequence[Result]) -> dict[str, dict[str, str]]:
    """The verdict on each requirement with its level; "known" if all its failures are known."""
    table = requirements.load().requirements
    unknown = of_requirements(result for result in results if not result.known)
    every = of_requirements(results)
    told = {}
    for name, verdict in every.items():
        known = verdict is not unknown.get(name) and any(result.known and name in result.claimed for result in results)
        shown = "known" if known else verdict.value
        told[name] = {"level": table[name].level.value if name in table else "must", "verdict": shown}
    return told


def _scenario(result: Result, folder: Path, least: Level) -> dict[str, Any]:
    return {
        "id": result.scenario,
        "verdict": result.verdict.value,
        "counts": counts(result.verdict, result.failure, least),
        "check": result.check,
        "known": result.known,
        "detail": result.detail,
        "requirements": list(result.requirements),
        "transcripts": list(beside(result.transcripts, folder)),
        "picture": _picture(result, folder),
        "seconds": round(result.seconds, 3),
    }


def _certificate(explored: AlphabetExplored, least: Level) -> dict[str, Any]:
    (told,) = certificates_to_json([explored.certificate])
    return told | {"counts": any(one.level.at_least(least) and not one.counterexample.known for one in explored.found)}


def _cause(cause: Cause, folder: Path) -> dict[str, Any]:
    failure = cause.failure
    return {
        "check": cause.first.check,
        "verdict": cause.first.verdict.value,
        "level": cause.level.value,
        "requirements": list(cause.told),
        "rule": failure.rule,
        "expected": failure.expected,
        "got": failure.got,
        "record": list(lines_of(failure)),
        "consequence": cause.consequence,
        "first": cause.first.scenario,
        "scenarios": sorted(one.scenario for one in cause.results),
        "transcripts": list(beside(cause.first.transcripts, folder)),
        "picture": _picture(cause.first, folder),
    }


def _picture(result: Result, folder: Path) -> str:
    """The picture of the user's screen at a failure, stored beside the transcript; "" without one."""
    name = result.failure.picture if result.failure is not None else ""
    paths = [str(Path(path).with_name(name)) for path in result.transcripts[:1] if name]
    return next(beside(paths, folder), "")


def read_card(path: Path) -> Card:
    """Read a card, and make its texts printable. Raises CardError, InputError."""
    return read_checked(path, SCHEMA, "a card")


def conclusion(card: Card) -> str:
    """What the run says about the target, in a few words."""
    scenarios = card["scenarios"]
    failed = any(one["counts"] and not one["known"] for one in scenarios)
    if failed or any(one["counts"] for one in card["certificates"]):
        return "does not conform"
    if all(one["verdict"] == Verdict.UNSUPPORTED.value for one in scenarios):
        return "not judged"
    if card["ending"] != Ending.COMPLETE.value or any(one["verdict"] == Verdict.INFRA.value for one in scenarios):
        return "not judged by all scenarios"
    if card["stale"]:
        return "known deviations are out of date"
    return "conforms except for known deviations" if any(one["known"] for one in scenarios) else "conforms"
