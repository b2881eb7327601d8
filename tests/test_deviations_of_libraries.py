"""Known deviations of a library: they count in random runs of programs that use it."""

from __future__ import annotations

from pathlib import Path

import pytest

from otterproof.harness.runs.deviations import Deviation, DeviationError, Known, fix_fuzz, load
from otterproof.harness.runs.deviations.entries import FOLDER
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.excuses import Excuse
from otterproof.harness.runs.runner import Result
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec.requirements import load as load_requirements
from otterproof.harness.testkit.scenario import load as load_scenarios
from otterproof.harness.testkit.scenario import scenarios

OWN = '[[deviation]]\nfuzz = true\ncheck = "data.counter-not-higher"\nreason = "Counters."\n'


def read(path: Path, text: str | None = None) -> list[Deviation]:
    """The entries of a file. text: what to write to it first."""
    if text is not None:
        path.write_text(text)
    load_scenarios()
    return load(path, [scenario.id for scenario in scenarios()], list(load_requirements().requirements))


def test_what_is_known_of_a_library_counts_in_random_runs(tmp_path: Path) -> None:
    """It comes after the target's own entries, and says nothing about scenarios."""
    of_library = next(one for one in read(FOLDER / "potr.toml") if one.about == "scenario")
    known = Known(read(tmp_path / "known.toml", f'library = "potr"\n{OWN}'))
    assert known.reason_of_bucket(Bucket("data.counter-not-higher")) == "Counters."
    assert known.reason_of_bucket(Bucket(of_library.check)) == f"potr: {of_library.reason}"
    passed = Result(of_library.name, (), Verdict.PASS, "", 1, 0.0)
    failed = Result(of_library.name, (), Verdict.FAIL, "why", 1, 0.0, of_library.check)
    assert known.stale([passed]) == []
    assert [one.known for one in known.mark([failed])] == [""]


def test_what_is_known_of_a_library_is_not_added_to_the_file(tmp_path: Path) -> None:
    excuse = next(one.excuse for one in read(FOLDER / "potr.toml") if one.about == "fuzz")
    path = tmp_path / "known.toml"
    path.write_text('library = "potr"\n')
    assert fix_fuzz(path, {excuse, Excuse("a.new")}, ()) == (0, 1)
    assert path.read_text().startswith('library = "potr"\n')
    assert [one.check for one in read(path) if not one.library] == ["a.new"]


@pytest.mark.parametrize("name", ['"libottr"', "7", '"known"'])
def test_an_unknown_library_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DeviationError, match="no file is shipped for library = "):
        read(tmp_path / "known.toml", f"library = {name}\n{OWN}")
