"""Scenarios as pytest items: their names, their markers, and how a result is reported.

An id is `otterproof::MODULE::NAME[vVERSION]`. A known deviation is an expected failure, and so is a failure of a mere
recommendation; what the target does not claim is skipped.
"""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from otterproof.harness.runs.failure import explain_command, leveled_lines
from otterproof.harness.runs.runner import Result
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec import requirements
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.printable import printable
from otterproof.harness.testkit.scenario import Scenario

#: The prefix of the scenarios' ids.
ROOT = "otterproof"


class Judging(NamedTuple):
    """How scenarios are judged.

    judge: runs one, and returns what is wrong with its known deviations alone, "" if nothing is. least: the lowest
    level at which failures count. replay: the arguments for a command that replays a transcript.
    """

    judge: Callable[[Scenario], tuple[Result, str]]
    least: Level
    replay: Sequence[str]


def node_id(scenario: Scenario) -> str:
    """The id of a scenario on pytest's command line."""
    module, name = _parts(scenario)
    return f"{ROOT}::{module}::{name}"


def _parts(scenario: Scenario) -> tuple[str, str]:
    """The module and the name with its version: conformance.data, key_id_0[v3]."""
    whole, _, version = scenario.id.rpartition("[")
    module, _, name = whole.rpartition(".")
    return module, f"{name}[{version}"


class _Node(pytest.Collector):
    """A node above scenarios."""

    def __init__(self, *, chosen: Sequence[Scenario], judging: Judging, **known: Any) -> None:
        super().__init__(**known)
        self._chosen, self._judging = chosen, judging


class Root(_Node):
    """All collected scenarios."""

    def collect(self) -> Iterator[pytest.Collector]:
        for module, chosen in groupby(self._chosen, key=lambda one: _parts(one)[0]):
            yield Module.from_parent(self, name=module, chosen=[*chosen], judging=self._judging)


class Module(_Node):
    """The scenarios of one module."""

    def collect(self) -> Iterator[pytest.Item]:
        for one in self._chosen:
            # The id is given, because pytest 9 would take the version in the name for a parameter.
            known: dict[str, Any] = {"name": _parts(one)[1], "nodeid": node_id(one)}
            yield ScenarioItem.from_parent(self, scenario=one, judging=self._judging, **known)


class ScenarioFailed(Exception):
    """A scenario failed. The text is everything known about it, safe for a terminal."""

    def __init__(self, result: Result, replay: Sequence[str] = ()) -> None:
        self.result = result
        super().__init__(printable("\n".join(text_of(result, replay)), lines=True))


class ScenarioItem(pytest.Item):
    """A scenario in one version of the protocol. result: None before it was run."""

    def __init__(self, *, scenario: Scenario, judging: Judging, **known: Any) -> None:
        super().__init__(**known)
        self.scenario = scenario
        self.result: Result | None = None
        self._judging = judging
        claimed = [*scenario.claimed]
        table = requirements.load().requirements
        levels = [level for level in Level if level in {table[one].level for one in claimed if one in table}]
        self.add_marker(pytest.mark.otr_kind(name=scenario.kind))
        for level in levels[:1]:
            self.add_marker(pytest.mark.otr_level(name=level.value))
        for one in claimed:
            self.add_marker(pytest.mark.otr_requirement(id=one))
        self.extra_keyword_matches.update(claimed)
        self.user_properties.append(("requirements", " ".join(claimed)))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The location of the scenario, for readers."""
        code = inspect.unwrap(self.scenario.run).__code__
        return Path(code.co_filename), code.co_firstlineno - 1, self.name

    def runtest(self) -> None:
        """Run it. Failures become ScenarioFailed; what is expected or not tested becomes an outcome of pytest's."""
        self.result, stale = self._judging.judge(self.scenario)
        result = self.result
        if result.check:
            self.user_properties.append(("check", result.check))
        if stale:
            pytest.fail(printable(f"known deviations: {stale}", lines=True), pytrace=False)
        if result.known:
            pytest.xfail(printable(result.known))
        if result.verdict is Verdict.UNSUPPORTED:
            pytest.skip(printable(result.detail))
        lesser = result.failure.level if result.failure is not None and not result.counts else None
        if lesser is not None and not (lesser is Level.SHOULD and self._judging.least is Level.SHOULD):
            pytest.xfail(f"only {lesser.value}: {result.check}")
        if result.verdict is not Verdict.PASS:
            raise ScenarioFailed(result, self._judging.replay)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The record of the failure instead of a traceback."""
        if isinstance(excinfo.value, ScenarioFailed):
            return _Shown(excinfo.value)
        return super().repr_failure(excinfo, style)


class _Shown:
    """A failure as pytest shows it: its text, and what follows the id in the list of failures."""

    def __init__(self, failed: ScenarioFailed) -> None:
        self._text = str(failed)
        result = failed.result
        rule = result.failure.rule if result.failure is not None else result.detail.partition("\n")[0]
        self.reprcrash = SimpleNamespace(message=printable(f"{result.check or result.verdict.value}: {rule}"))

    def toterminal(self, writer: Any) -> None:
        writer.line(self._text)

    def __str__(self) -> str:
        return self._text


def text_of(result: Result, replay: Sequence[str]) -> Iterator[str]:
    """Everything known about a failure, and the next commands. replay: as in Judging."""
    yield f"{result.verdict.value.upper()}  {result.check or result.scenario}"
    yield from leveled_lines(result.failure) if result.failure is not None else [f"  {result.detail}"]
    yield from (f"  replay    {shlex.join(['otterproof', 'replay', path, *replay])}" for path in result.transcripts)
    if result.check:
        yield f"  explain   {explain_command(result.check)}"
