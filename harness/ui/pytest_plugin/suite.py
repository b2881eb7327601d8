"""The suite in a run of pytest: the target, the collected scenarios, and their results.

The verdicts are those of `otterproof check`: both run scenarios through `runs.runner`. Under pytest-xdist, each worker
has its own target, and sends its results to the main process with its reports.
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
from pathlib import Path
from typing import Any

import pytest

from otterproof.harness.runs.causes import causes
from otterproof.harness.runs.deviations import Known, entries_of, file_for
from otterproof.harness.runs.deviations.known import Stale
from otterproof.harness.runs.events import Ending, Judged, RunFinished, RunStarted, not_run
from otterproof.harness.runs.run_folder import run_folder
from otterproof.harness.runs.runner import ENDS, Result, ending, results_of, run, with_ending_result
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.defaults import GIVE_UP_AFTER, PROFILES, TIME_LIMIT
from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.outputs import OutputError
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import Limits
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.registry import open_target, title, with_name
from otterproof.harness.testkit.scenario import Scenario, chosen, load, scenarios
from otterproof.harness.ui.failures import Commands, commands_for
from otterproof.harness.ui.pytest_plugin.items import ROOT, Judging, Root, ScenarioItem, node_id
from otterproof.harness.ui.pytest_plugin.summary import write_section
from otterproof.harness.ui.reports.writing import check_report, write_reports
from otterproof.harness.ui.settings import Settings, settings_of
from otterproof.implementations.inputs import InputError

#: The name of the suite among pytest's plugins.
PLUGIN = "otterproof-suite"

#: Where an xdist worker finds the folder of the run, and where its reports carry results.
_FOLDER, _RESULT = "otterproof_folder", "otterproof_result"


def settings_for(config: pytest.Config) -> Settings:
    """The project's settings, overridden by pytest's command line. Raises pytest's UsageError.

    Without a pytest.ini or similar, pytest takes a folder of tests for the root; the settings are then those where
    pytest was called, as for `otterproof check`.
    """
    try:
        found = settings_of(config.rootpath)
        if found.file is None:
            found = settings_of(config.invocation_params.dir)
    except (CommandError, InputError) as error:
        raise _wrong(error) from error
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
    """The suite of this run; if the command line names no target, with the target of the project's settings."""
    found = config.pluginmanager.get_plugin(PLUGIN)
    if not isinstance(found, Suite):
        found = Suite(config, (), collected=False)
        config.pluginmanager.register(found, PLUGIN)
    return found


class Suite:
    """The scenarios that one process of pytest runs against the target.

    named: the ids on the command line; all scenarios if there are none. collected: False if the target is there only
    for the fixtures.
    """

    def __init__(self, config: pytest.Config, named: Sequence[str], *, collected: bool) -> None:
        """Raises pytest's UsageError if the target can't run, or if the settings or a named id are wrong."""
        self.config = config
        self.settings = settings = settings_for(config)
        #: The result of each scenario, the last one if it was run again, and problems when targets ended.
        self._results: dict[str, Result] = {}
        self._ends: list[Result] = []
        #: The ids of the selected tests, and what could not be written.
        self._selected: set[str] = set()
        self._unwritten = ""
        self._collected = collected
        self._began = time.monotonic()
        self._leaving = ExitStack()
        self._folder: Path | None = None
        if not settings.target:
            raise pytest.UsageError("no target to judge; name it with --otterproof-target, or in otterproof.toml")
        try:
            settings.find_scenarios()
            load(settings.scenarios)
            whole = with_name(settings.target, settings.name)
            #: The name of the target in reports.
            self.called = title(whole)
            self.known = Known(entries_of(file_for(self.called, settings.known)))
            self.target: Target = open_target(whole, Limits(settings.timeout or TIME_LIMIT, GIVE_UP_AFTER))
            if collected and settings.report is not None and not hasattr(config, "workerinput"):
                check_report(settings.report, "--otterproof-report")
        except (CommandError, InputError) as error:
            raise _wrong(error) from error
        self._leaving.callback(self.target.close)
        self.chosen = self._chosen(named)

    def _chosen(self, named: Sequence[str]) -> tuple[Scenario, ...]:
        """The scenarios to collect: those of the settings, or those of them that are named."""
        only, without = self.settings.only, self.settings.without
        able = [one for one in scenarios() if one.needs <= self.target.capabilities or not one.internal]
        ids = {node_id(one): one for one in chosen(only, without, able)}
        for word in named:
            if not any(_is_within(word, each) for each in ids):
                near = get_close_matches(word, ids, n=2, cutoff=0.5)
                advice = f"near to it: {', '.join(near)}" if near else "`pytest --collect-only otterproof` lists all"
                raise pytest.UsageError(f"there is no scenario {word} for {self.called}; {advice}")
        return tuple(one for each, one in ids.items() if not named or any(_is_within(word, each) for word in named))

    def judge(self, scenario: Scenario) -> tuple[Result, str]:
        """Run a scenario; return the result, marked if it is known, and what is wrong with its known deviations."""
        effort = PROFILES[self.settings.profile]
        seed = self.settings.seed.encode(errors="surrogatepass")
        result = run(scenario, self.target, seed, self.folder, effort=effort)
        result = next(self.known.mark([result]))
        if scenario.id.startswith(ENDS):  # it may still fail when the target ends
            return result, ""
        return result, self.known.stale_for(result)

    @property
    def folder(self) -> Path:
        """The folder for transcripts, one for the run, shared by all processes. Raises pytest's UsageError."""
        if self._folder is None:
            if given := getattr(self.config, "workerinput", {}).get(_FOLDER):
                self._folder = Path(given)
            else:
                report = self.settings.report
                where = None if report is None else report / "transcripts"
                try:
                    self._folder = self._leaving.enter_context(run_folder(where, self.called, date.today()))
                except CommandError as error:
                    raise _wrong(error) from error
        return self._folder

    def collectors(self, session: pytest.Session) -> Iterator[pytest.Collector]:
        """The parent node of all scenarios."""
        if self._collected:
            judging = Judging(self.judge, self._least, self._commands.replay)
            yield Root.from_parent(session, name=ROOT, nodeid=ROOT, chosen=self.chosen, judging=judging)

    # ---- hooks of pytest ---------------------------------------------------------------------------------------------

    def pytest_report_header(self) -> str:
        return f"otterproof: judging {self.called} {self.target.version}".rstrip()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a starting xdist worker the run's folder for transcripts."""
        node.workerinput[_FOLDER] = str(self.folder)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._selected |= {item.nodeid for item in session.items}

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Used in the main process, which collects nothing by itself."""
        self._selected |= set(ids)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Run no scenario if transcripts can't be written."""
        if not self.config.option.collectonly and any(isinstance(item, ScenarioItem) for item in session.items):
            _ = self.folder

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if isinstance(item, ScenarioItem) and report.when == "call" and item.result is not None:
            if hasattr(self.config, "workerinput"):
                setattr(report, _RESULT, _packed(item.result))
            else:
                self._results[item.scenario.id] = item.result
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """In the main process: take the result that a worker has sent.

        If a worker has died, xdist reports the test that it was running.
        """
        if hasattr(self.config, "workerinput"):
            return
        if sent := getattr(report, _RESULT, None):
            result = _unpacked(sent)
            self._results[result.scenario] = result
        elif report.when not in ("setup", "call", "teardown"):
            for one in self.chosen:
                if node_id(one) == report.nodeid:
                    why = "the process of pytest-xdist that ran it has ended"
                    self._results[one.id] = Result(one.id, one.requirements, Verdict.INFRA, why, 0, 0.0)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Judge the end of the target as well, and entries of the known deviations that cover several scenarios.

        The latter need all results. A file that can't be written is no failure of the target: pytest ends with 3, an
        error.
        """
        late = ending(self.target)
        if hasattr(self.config, "workeroutput"):
            if late is not None:
                self.config.workeroutput[_RESULT] = _packed(late)
            return
        if late is not None:
            self._ends.append(late)
        results = self.results
        self._unwritten = next((one.unwritten for one in results if one.unwritten), "")
        if self.settings.report is not None and results:
            try:
                write_reports(self.judged, self._commands.whole, self.settings.report)
            except OutputError as error:
                self._unwritten = str(error)
        bad = any(one.scenario.startswith(ENDS) and one.counts and not one.known for one in results)
        if session.exitstatus == 0 and (bad or (results and self.stale)):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        elif session.exitstatus == 0 and self._unwritten:
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take from a finished xdist worker how its target ended."""
        if sent := getattr(node, "workeroutput", {}).get(_RESULT):
            self._ends.append(_unpacked(sent))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.results:
            write_section(terminalreporter, self.judged, self.settings.report, self._unwritten)

    def pytest_unconfigure(self) -> None:
        self._leaving.close()

    # ---- the run as a whole ------------------------------------------------------------------------------------------

    @property
    def results(self) -> list[Result]:
        """The results so far. Problems when targets ended are the result of one scenario, as in `check`."""
        return [*self.known.mark(results_of(with_ending_result([*self._results.values()], lambda: self._ends)))]

    @property
    def stale(self) -> tuple[Stale, ...]:
        """The known deviations that do not fit; none unless all scenarios were run."""
        results = self.results
        whole = {one.id for one in self.chosen} <= {result.scenario for result in results}
        return tuple(self.known.stale(results)) if whole else ()

    @property
    def _selection(self) -> tuple[Scenario, ...]:
        """The scenarios whose tests were not deselected."""
        return tuple(one for one in self.chosen if node_id(one) in self._selected)

    @property
    def judged(self) -> Judged:
        """The run, as reports take it. Deselected scenarios do not count as chosen."""
        target, results = self.target, self.results
        started = RunStarted(
            self.called,
            target.version,
            target.capabilities,
            self.settings.seed,
            self._selection,
            target.randomness,
            self._least,
        )
        ended = Ending.INTERRUPTED if not_run(started, results) else Ending.COMPLETE
        seconds = time.monotonic() - self._began
        finished = RunFinished(ended, tuple(results), self.stale, self.folder, seconds)
        return Judged(started, tuple(causes(results)), finished)

    @property
    def _least(self) -> Level:
        """The lowest level at which failures count."""
        return Level.SHOULD if self.settings.strict else Level.MUST

    @property
    def _commands(self) -> Commands:
        """The commands with which a user can continue without pytest."""
        settings = self.settings
        part = len(self._selection) < len(self.chosen)
        return commands_for(
            settings.target,
            name=settings.name,
            known=settings.known,
            seed=settings.seed,
            profile=settings.profile,
            timeout=settings.timeout or TIME_LIMIT,
            strict=settings.strict,
            only=[one.id for one in self._selection] if part else settings.only,
            without=() if part else settings.without,
            settings=settings,
        )


def _wrong(error: Exception) -> pytest.UsageError:
    """An error in the request as a pytest error, safe for a terminal."""
    return pytest.UsageError(printable(str(error), lines=True))


def _packed(result: Result) -> str:
    """A result in the form in which a worker sends it to the main process."""
    return base64.b64encode(pickle.dumps(result)).decode()


def _unpacked(sent: str) -> Result:
    result: Result = pickle.loads(base64.b64decode(sent))
    return result


def _is_within(word: str, node: str) -> bool:
    """Whether a node's id is the given one, or below it: otterproof::KIND has all scenarios of that kind."""
    return node == word or node.startswith((f"{word}.", f"{word}::", f"{word}["))
