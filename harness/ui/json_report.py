"""A run as JSON, for programs: counts, a verdict for each scenario and requirement, causes, readings, cells."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from otterproof.harness.runs.events import Judged
from otterproof.harness.runs.judgement import counts
from otterproof.harness.runs.tally import COLUMNS, cells, column, measured_readings, of_requirements
from otterproof.harness.ui.exploration import as_json as explored_as_json


def as_json(judged: Judged) -> dict[str, Any]:
    """The whole run as plain JSON values. A requirement has the worst verdict of its scenarios."""
    started, causes, finished = judged
    results = finished.results
    count = Counter(map(column, results))
    return {
        "target": started.target,
        "version": started.version,
        "seed": started.seed,
        "counts": {name: count[name] for name in COLUMNS},
        "scenarios": [
            asdict(result)
            | {"verdict": result.verdict.value, "transcripts": list(result.transcripts), "visited": len(result.visited)}
            | {"counts": counts(result.verdict, result.failure, started.least)}
            for result in sorted(results, key=lambda result: result.scenario)
        ],
        "causes": [
            {"check": cause.first.check, "first": cause.first.scenario, "consequence": cause.consequence}
            | {"requirements": list(cause.told), "scenarios": [one.scenario for one in cause.results]}
            for cause in causes
        ],
        "not_run": judged.not_run,
        "requirements": {name: verdict.value for name, verdict in of_requirements(results).items()},
        "readings": measured_readings(results),
        "cells": cells(results),
        "known": sum(bool(result.known) for result in results),
        "stale": [str(entry) for entry in finished.stale],
        "explored": explored_as_json(finished.explored),
    }
