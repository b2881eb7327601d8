"""What is judged in a run of pytest: the target, the scenarios that are collected, and the results that they leave.

The verdicts are those of `otterproof check`: both run scenarios through `runs.runner`. Under pytest-xdist each worker
has a target of its own, and sends its results to the main process with its reports.
"""

from __future__ import annotations

import base64
import pickle
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from otterproof.harness.runs.causes import causes
from otterproof.harness.runs.deviations import Known, entries_of, file_for
from otterproof.harness.runs.events import Ending, Judged, RunFinished, RunStarted
from otterproof.harness.runs.judging import PROFILES
from otterproof.harness.runs.run_folder import run_folder
from otterproof.harness.runs.runner import ENDS, Result, ending, run
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.errors import CommandError
from otterproof.harness.targets.driver import GIVE_UP_AFTER, Limits
from otterproof.harness.targets.driver.process import TIME_LIMIT
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.registry import open_target, title, with_name
from otterproof.harness.testkit.scenario import Scenario, load, scenarios
from otterproof.harness.ui.pytest_plugin.items import ROOT, Root, ScenarioItem, node_id
from otterproof.harness.ui.pytest_plugin.summary import write_section
from otterproof.harness.ui.reports.writing import write_reports
from otterproof.harness.ui.settings import Settings, settings_of
from otterproof.implementations.inputs import InputError

#: What the suite is called among the plugins of pytest.
PLUGIN = "otterproof-suite"

#: Where an xdist worker finds the folder of the run, and where its reports carry results.
_FOLDER, _RESULT = "otterproof_folder", "otterproof_result"


def settings_for(config: pytest.Config) -> Settings:
    """The settings of the project, with what pytest's command line says in their place. UsageError of pytest's."""
    try:
        found = settings_of(config.rootpath)
    except (CommandError, InputError) as error:
        raise pytest.UsageError(str(error)) from error
    found = found.for_target(config.getoption("otterproof_target"))
    changed: dict[str, Any] = {}
    for key in ("target", "name", "known", "profile", "report"):
        given = config.getoption(f"otterproof_{key}")
        if given is not None:
            changed[key] = Path(given) if key in ("known", "report") else given
    found = replace(found, **changed)
    strict = found.strict or bool(config.getoption("otterproof_strict"))
    return replace(found, strict=strict, scenarios=(*found.scenarios, *config.getini("otterproof_scenarios")))


def suite_for_fixtures(config: pytest.Config) -> Suite:
    """What is judged in this run; where the command line names no target, that of the project's settings."""
    found = config.pluginmanager.get_plugin(PLUGIN)
    if not isinstance(found, Suite):
        found = Suite(config, (), collected=False)
        config.pluginmanager.register(found, PLUGIN)
    return found


class Suite:
    """The scenarios that one process of pytest runs against the target.

    named: the ids on the command line, all scenarios if there are none. collected: False where the target is there for
    the fixtures alone.
    """

    def __init__(self, config: pytest.Config, named: Sequence[str], *, collected: bool) -> None:
        """UsageError of pytest's where the target can't be run, or where the settings or a named id are wrong."""
        self.config = config
        self.settings = settings = settings_for(config)
        self.results: list[Result] = []
        self._collected = collected
        self._began = time.monotonic()
        self._leaving = ExitStack()
        self._folder: Path | None = None
        if not settings.target:
            raise pytest.UsageError("no target to judge; name it with --otterproof-target, or in otterproof.toml")
        try:
            load(settings.scenarios)
            whole = with_name(settings.target, settings.name)
            #: What the target is called.
            self.called = title(whole)
            self.known = Known(entries_of(file_for(self.called, settings.known)))
            self.target: Target = open_target(whole, Limits(settings.timeout or TIME_LIMIT, GIVE_UP_AFTER))
        except (CommandError, InputError) as error:
            raise pytest.UsageError(str(error)) from error
        self._leaving.callback(self.target.close)
        self.chosen = self._chosen(named)

    def _chosen(self, named: Sequence[str]) -> tuple[Scenario, ...]:
        """The scenarios to collect: those of the settings, or of them those that are named."""
        only, without = self.settings.only, self.settings.without
        able = [one for one in scenarios() if one.needs <= self.target.capabilities or not one.internal]
        able = [one for one in able if not only or any(text in one.id for text in only)]
        ids = {node_id(one): one for one in able if not any(text in one.id for text in without)}
        for word in named:
            if not any(_is_within(word, each) for each in ids):
                near = get_close_matches(word, ids, n=2, cutoff=0.5)
                advice = f"near to it: {', '.join(near)}" if near else "`pytest --collect-only otterproof` lists all"
                raise pytest.UsageError(f"there is no scenario {word} for {self.called}; {advice}")
        return tuple(one for each, one in ids.items() if not named or any(_is_within(word, each) for word in named))

    def judge(self, scenario: Scenario) -> tuple[Result, str]:
        """Run a scenario; the result, marked if its failure is known, and what is wrong with what is known of it."""
        effort = PROFILES[self.settings.profile]
        seed = self.settings.seed.encode(errors="surrogatepass")
        result = run(scenario, self.target, seed, self.folder, effort=effort)
        result = next(self.known.mark([result]))
        return result, self.known.stale_for(result)

    @property
    def folder(self) -> Path:
        """Where transcripts go: the run's own folder, which all processes share."""
        if self._folder is None:
            if given := getattr(self.config, "workerinput", {}).get(_FOLDER):
                self._folder = Path(given)
            else:
                report = self.settings.report
                where = None if report is None else report / "transcripts"
                self._folder = self._leaving.enter_context(run_folder(where, self.called, date.today()))
        return self._folder

    def collectors(self, session: pytest.Session) -> Iterator[pytest.Collector]:
        """The node under which all scenarios are."""
        if self._collected:
            least = Level.SHOULD if self.settings.strict else Level.MUST
            yield Root.from_parent(session, name=ROOT, nodeid=ROOT, chosen=self.chosen, judge=self.judge, least=least)

    # ---- hooks of pytest ---------------------------------------------------------------------------------------------

    def pytest_report_header(self) -> str:
        return f"otterproof: judging {self.called} {self.target.version}".rstrip()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """A worker of xdist begins: its transcripts go to the folder of the run."""
        node.workerinput[_FOLDER] = str(self.folder)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if isinstance(item, ScenarioItem) and report.when == "call" and item.result is not None:
            if hasattr(self.config, "workerinput"):
                setattr(report, _RESULT, _packed(item.result))
            else:
                self.results.append(item.result)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """In the main process: take the result that a worker has sent."""
        sent = getattr(report, _RESULT, None)
        if sent is not None and not hasattr(self.config, "workerinput"):
            self.results.append(_unpacked(sent))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """The end of the target is judged as well; entries of the known deviations that speak of several scenarios are
        held against all results.
        """
        late = ending(self.target)
        if late is not None and hasattr(self.config, "workeroutput"):
            self.config.workeroutput[_RESULT] = _packed(late)
        elif late is not None:
            self.results.append(late)
        bad = any(one.scenario.startswith(ENDS) and one.counts and not one.known for one in self.results)
        if self.settings.report is not None and self.results and not hasattr(self.config, "workerinput"):
            command = ["otterproof", "check", self.settings.target]
            write_reports(self.judged, command, self.settings.report)
        if session.exitstatus == 0 and (bad or (self.results and self.stale)):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker of xdist has ended, and says how its target did."""
        if sent := getattr(node, "workeroutput", {}).get(_RESULT):
            self.results.append(_unpacked(sent))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.results:
            write_section(terminalreporter, self.judged, self.settings.report)

    def pytest_unconfigure(self) -> None:
        self._leaving.close()

    # ---- the run as a whole ------------------------------------------------------------------------------------------

    @cached_property
    def stale(self) -> tuple[Any, ...]:
        """The known deviations that do not fit; none where not all scenarios were run."""
        return tuple(self.known.stale(self.results)) if len(self.results) >= len(self.chosen) else ()

    @property
    def judged(self) -> Judged:
        """The run, as reports take it."""
        started = RunStarted(
            self.called, self.target.version, self.target.capabilities, self.settings.seed, self.chosen
        )
        ended = Ending.COMPLETE if len(self.results) >= len(self.chosen) else Ending.INTERRUPTED
        seconds = time.monotonic() - self._began
        finished = RunFinished(ended, tuple(self.results), self.stale, self.folder, seconds)
        return Judged(started, tuple(causes(self.results)), finished)


def _packed(result: Result) -> str:
    """A result as a worker can send it to the main process."""
    return base64.b64encode(pickle.dumps(result)).decode()


def _unpacked(sent: str) -> Result:
    result: Result = pickle.loads(base64.b64decode(sent))
    return result


def _is_within(word: str, node: str) -> bool:
    """Whether an id of a node is the one on the command line, or below it."""
    return node == word or node.startswith((f"{word}::", f"{word}["))
