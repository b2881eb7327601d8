"""The project's own drivers end as required, on request or at the end of input: with exit code 0 and no more output."""

from __future__ import annotations

import select
from collections.abc import Sequence
from pathlib import Path

import pytest

from otterproof.harness.runs.runner import ENDS, run
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import THIRD_PARTIES, DriverTarget, TargetMissing
from otterproof.harness.targets.driver.guarded import Guarded
from otterproof.harness.targets.driver.third_party import ENGINE_DRIVERS
from otterproof.harness.testkit.scenario import load, scenarios
from tests.driver_templates import TEMPLATES, built

load()


def command(name: str, folder: Path) -> Sequence[str]:
    if name in TEMPLATES:
        return built(name, folder)
    if name in ENGINE_DRIVERS:
        return ENGINE_DRIVERS[name]
    if not THIRD_PARTIES[name].is_built():
        pytest.skip(f"not installed: otterproof targets install {name}")
    try:
        return THIRD_PARTIES[name].ready()
    except TargetMissing as error:
        pytest.skip(str(error))


NAMES = [*ENGINE_DRIVERS, *THIRD_PARTIES, *TEMPLATES]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_ends_when_it_is_asked_to(name: str, tmp_path: Path) -> None:
    target = DriverTarget(name, command(name, tmp_path))
    try:
        for scenario in scenarios(ENDS):
            result = run(scenario, target, b"seed")
            assert result.verdict in (Verdict.PASS, Verdict.UNSUPPORTED), result.detail
        target.reset()
        target.leave()
    finally:
        target.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_ends_when_its_input_ends(name: str, tmp_path: Path) -> None:
    process = Guarded(list(command(name, tmp_path)), None)
    process.close_stdin()
    while not process.ended:
        select.select([process.told], [], [])
    code = process.code
    process.close()
    process.close_pipes()
    assert code == 0
