"""The pytest plugin: runs the scenarios as tests of a user's own project, from an installed package.

`pytest --otterproof-target TARGET` collects them beside the project's tests; no conftest is needed. pytest loads the
plugin in every run where the package is installed, so it imports nothing until it is needed.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from otterproof.harness.ui.pytest_plugin.fixtures import (
    otr_context,
    otr_insider,
    otr_peer,
    otr_session,
    otr_target,
    otr_version,
)

if TYPE_CHECKING:
    from otterproof.harness.ui.pytest_plugin.suite import Suite

__all__ = ["otr_context", "otr_insider", "otr_peer", "otr_session", "otr_target", "otr_version"]

#: The name of the suite on pytest's command line, with which its ids begin.
WORD = "otterproof"

#: The markers of scenarios, with their descriptions in `pytest --markers`.
MARKERS = {
    "otr_kind(name)": "a scenario of this kind, such as conformance or attacks",
    "otr_requirement(id)": "a scenario that judges this requirement of the protocol texts",
    "otr_level(name)": "a scenario whose most binding requirement is of this level: must, should or advice",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("otterproof", "scenarios of Otterproof")
    group.addoption("--otterproof-target", metavar="TARGET", help="judge this target: its name, or exec:COMMAND")
    group.addoption("--otterproof-name", metavar="NAME", help="name for a target exec:COMMAND")
    group.addoption("--otterproof-known", metavar="FILE", help="the target's known deviations, or 'none'")
    group.addoption(
        "--otterproof-profile",
        choices=("ci", "nightly"),
        help="number of random runs (default: ci, the same on every run)",
    )
    group.addoption("--otterproof-report", metavar="DIR", help="write transcripts and reports to DIR")
    group.addoption("--otterproof-strict", action="store_true", help="fail on `should` requirements as well as `must`")
    parser.addini("otterproof_scenarios", "the project's own scenario modules", type="linelist")


def pytest_configure(config: pytest.Config) -> None:
    for marker, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: {meaning}")
    named = [word for word in config.args if _names_the_suite(config, word)]
    config.args[:] = [word for word in config.args if word not in named]
    if not named and config.getoption("otterproof_target") is None:
        return
    from otterproof.harness.ui.pytest_plugin.suite import PLUGIN, Suite

    by_default = config.args_source is not pytest.Config.ArgsSource.ARGS
    words = [f"{WORD}::{inside}" if inside else WORD for _, _, inside in (word.partition("::") for word in named)]
    config.pluginmanager.register(Suite(config, words, collected=bool(named) or by_default), PLUGIN)


def _names_the_suite(config: pytest.Config, word: str) -> bool:
    """Whether an argument is the suite or part of it, and not a folder of that name."""
    path, inside, _ = word.partition("::")
    place = config.invocation_params.dir / path
    return (path == WORD or place == config.rootpath / WORD) and (bool(inside) or not place.exists())


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Add the scenarios to what the session collects from files."""
    report = yield
    suite: Suite | None = collector.config.pluginmanager.get_plugin("otterproof-suite")
    if isinstance(collector, pytest.Session) and report.passed and suite is not None:
        report.result = [*report.result, *suite.collectors(collector)]
    return report
