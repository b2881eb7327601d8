"""Otterproof: conformance and fuzzing test harness for Off-the-Record messaging (OTR v2 and v3).

These names are the public API; everything else may change without notice.

Scenarios, in a package of your own: `scenario`, `Context`, `TargetSession`, `Pair`, `Reply`, `Insider`,
`SignatureOptions`, `check`, `check_equal`, `check_told`, `fail`, `CheckFailed`, `Unsupported`, `probe`,
`published_key`.

Drivers in Python: `serve`, `Driver`, `DriverParty`, `DriverInfo`, `ActionUnsupported`.

Judging a target by all scenarios: `run`, and its events `RunStarted`, `ScenarioStarted`, `ScenarioFinished`,
`DeviationsRewritten`, `CauseFound`, `RunFinished`, with `Result`, `Verdict`, `Failure`, `Cause`, `Ending`.

Running single scenarios: `open_target`, `Target`, `run_scenario`, `load_scenarios`, `scenarios`, `Scenario`.

Reproducing a failure: `Case`, `pytest_case`, and the module `moves`.

Vectors: `load_vectors`, `load_all_vectors`, `VectorFile`, `VectorError`.

The protocol's types: `Policy`, `PartyConfig`, and the module `contract`, which has every event.

Errors: `OtterproofError` is the base of what the harness raises on purpose, `TargetError` of what targets do.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otterproof.harness.runs.causes import Cause
    from otterproof.harness.runs.events import (
        CauseFound,
        DeviationsRewritten,
        Ending,
        RunFinished,
        RunStarted,
        ScenarioFinished,
    )
    from otterproof.harness.runs.failure import Failure
    from otterproof.harness.runs.fuzz.case import Case
    from otterproof.harness.runs.fuzz.pytest_case import pytest_case
    from otterproof.harness.runs.judging import run
    from otterproof.harness.runs.runner import Result, ScenarioStarted
    from otterproof.harness.runs.runner import run as run_scenario
    from otterproof.harness.simulation import moves
    from otterproof.harness.simulation.transcript import Verdict
    from otterproof.harness.support.errors import OtterproofError
    from otterproof.harness.targets.driver.errors import TargetError
    from otterproof.harness.targets.engines import Target
    from otterproof.harness.targets.registry import open_target
    from otterproof.harness.testkit.context import Context
    from otterproof.harness.testkit.insider import Insider, SignatureOptions
    from otterproof.harness.testkit.keys import published_key
    from otterproof.harness.testkit.pair import Pair
    from otterproof.harness.testkit.probe import reading as probe
    from otterproof.harness.testkit.reply import CheckFailed, Reply, Unsupported, check, check_equal, check_told, fail
    from otterproof.harness.testkit.scenario import Scenario, scenario, scenarios
    from otterproof.harness.testkit.scenario import load as load_scenarios
    from otterproof.harness.testkit.target_session import TargetSession
    from otterproof.implementations import contract
    from otterproof.implementations.contract import PartyConfig, Policy
    from otterproof.implementations.drivers.adapter import About as DriverInfo
    from otterproof.implementations.drivers.adapter import Adapted as DriverParty
    from otterproof.implementations.drivers.adapter import Adapter as Driver
    from otterproof.implementations.drivers.linejson import Unsupported as ActionUnsupported
    from otterproof.implementations.drivers.linejson import serve
    from otterproof.vectors import VectorError, VectorFile
    from otterproof.vectors import load as load_vectors
    from otterproof.vectors import load_all as load_all_vectors

__all__ = [
    "ActionUnsupported",
    "Case",
    "Cause",
    "CauseFound",
    "CheckFailed",
    "Context",
    "DeviationsRewritten",
    "Driver",
    "DriverInfo",
    "DriverParty",
    "Ending",
    "Failure",
    "Insider",
    "OtterproofError",
    "Pair",
    "PartyConfig",
    "Policy",
    "Reply",
    "Result",
    "RunFinished",
    "RunStarted",
    "Scenario",
    "ScenarioFinished",
    "ScenarioStarted",
    "SignatureOptions",
    "Target",
    "TargetError",
    "TargetSession",
    "Unsupported",
    "VectorError",
    "VectorFile",
    "Verdict",
    "check",
    "check_equal",
    "check_told",
    "contract",
    "fail",
    "load_all_vectors",
    "load_scenarios",
    "load_vectors",
    "moves",
    "open_target",
    "probe",
    "published_key",
    "pytest_case",
    "run",
    "run_scenario",
    "scenario",
    "scenarios",
    "serve",
]

#: Where each name is, as "module" or "module:name there". A name is imported when it is first used, so that
#: `import otterproof` takes no time and `otterproof.vectors` needs the standard library alone.
_HOMES = {
    "ActionUnsupported": "implementations.drivers.linejson:Unsupported",
    "Case": "harness.runs.fuzz.case:Case",
    "Cause": "harness.runs.causes:Cause",
    "CauseFound": "harness.runs.events:CauseFound",
    "CheckFailed": "harness.testkit.reply:CheckFailed",
    "Context": "harness.testkit.context:Context",
    "DeviationsRewritten": "harness.runs.events:DeviationsRewritten",
    "Driver": "implementations.drivers.adapter:Adapter",
    "DriverInfo": "implementations.drivers.adapter:About",
    "DriverParty": "implementations.drivers.adapter:Adapted",
    "Ending": "harness.runs.events:Ending",
    "Failure": "harness.runs.failure:Failure",
    "Insider": "harness.testkit.insider:Insider",
    "OtterproofError": "harness.support.errors:OtterproofError",
    "Pair": "harness.testkit.pair:Pair",
    "PartyConfig": "implementations.contract:PartyConfig",
    "Policy": "implementations.contract:Policy",
    "Reply": "harness.testkit.reply:Reply",
    "Result": "harness.runs.runner:Result",
    "RunFinished": "harness.runs.events:RunFinished",
    "RunStarted": "harness.runs.events:RunStarted",
    "Scenario": "harness.testkit.scenario:Scenario",
    "ScenarioFinished": "harness.runs.events:ScenarioFinished",
    "ScenarioStarted": "harness.runs.runner:ScenarioStarted",
    "SignatureOptions": "harness.testkit.insider:SignatureOptions",
    "Target": "harness.targets.engines:Target",
    "TargetError": "harness.targets.driver.errors:TargetError",
    "TargetSession": "harness.testkit.target_session:TargetSession",
    "Unsupported": "harness.testkit.reply:Unsupported",
    "VectorError": "vectors:VectorError",
    "VectorFile": "vectors:VectorFile",
    "Verdict": "harness.simulation.transcript:Verdict",
    "check": "harness.testkit.reply:check",
    "check_equal": "harness.testkit.reply:check_equal",
    "check_told": "harness.testkit.reply:check_told",
    "contract": "implementations.contract",
    "fail": "harness.testkit.reply:fail",
    "load_all_vectors": "vectors:load_all",
    "load_scenarios": "harness.testkit.scenario:load",
    "load_vectors": "vectors:load",
    "moves": "harness.simulation.moves",
    "open_target": "harness.targets.registry:open_target",
    "probe": "harness.testkit.probe:reading",
    "published_key": "harness.testkit.keys:published_key",
    "pytest_case": "harness.runs.fuzz.pytest_case:pytest_case",
    "run": "harness.runs.judging:run",
    "run_scenario": "harness.runs.runner:run",
    "scenario": "harness.testkit.scenario:scenario",
    "scenarios": "harness.testkit.scenario:scenarios",
    "serve": "implementations.drivers.linejson:serve",
}


def __getattr__(name: str) -> object:
    """A public name, imported when it is first used."""
    if name not in _HOMES:
        raise AttributeError(
            f"module 'otterproof' has no attribute {name!r}; its public names are in otterproof.__all__"
        )
    module, _, there = _HOMES[name].partition(":")
    found: object = import_module(f"otterproof.{module}")
    if there:
        found = getattr(found, there)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
