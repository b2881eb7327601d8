"""What explorations find of the faults: the measure, its storage, and its output."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from otterproof.harness.runs.explore.alphabet import ALPHABETS
from otterproof.harness.runs.faults.detect import workers
from otterproof.harness.runs.faults.explored import DEPTHS, ExploredFaults, shortest
from otterproof.harness.runs.faults.reach import about
from otterproof.harness.support.exits import CONFORMS, USAGE
from otterproof.harness.targets.faults import faults
from otterproof.harness.ui.cli import main


def test_the_shortest_run_of_all_alphabets_counts() -> None:
    depths = {"data": 2, "refresh": 2}
    names = ["query-ignored-when-encrypted", "gx-of-1-accepted", "tags-swapped-in-header"]
    record = ExploredFaults(names, shortest={name: shortest(name, depths) for name in names})
    one = record.shortest["query-ignored-when-encrypted"]
    assert (one.alphabet, one.moves) == ("refresh", 1)
    assert record.shortest["gx-of-1-accepted"].moves is None
    assert record.shortest["tags-swapped-in-header"].moves == 0
    assert str(record) == "found by exploring alone: 2 of 3 faults, median number of moves: 0.5"
    assert record.as_json()["found"] == 2
    assert record.as_json()["median_moves"] == 0.5
    assert record.lengths == {"data": [0], "refresh": [1]}
    assert ExploredFaults([]).median_moves is None


def test_faults_are_explored_to_a_depth_in_every_alphabet() -> None:
    assert DEPTHS.keys() == ALPHABETS.keys()


@pytest.mark.slow
def test_an_alphabet_that_reaches_no_line_of_a_fault_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_MANY": 1, "DEPTHS": {"handshake": 1}}.items():
        monkeypatch.setattr(f"otterproof.harness.runs.faults.explored.{name}", value)
    names = ["smp-abort-ignored", "tags-swapped-in-header"]
    record = ExploredFaults(names)
    with workers(1) as pool:
        assert list(record.survey(pool)) == ["handshake"]
    assert record.reached["handshake"]
    assert [record.able(about(faults()[name].edits)) for name in names] == [[], ["handshake"]]


@pytest.mark.slow
def test_exploring_faults_goes_on_from_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "explored.json"
    words = ["faults", "--score", "--explore", "--only", "ignored-when-encrypted", "--jobs", "1", "--state", str(file)]
    assert main(words) == CONFORMS
    shown = capsys.readouterr().out
    assert "found by exploring alone: 1 of 1 faults, median number of moves: 1" in shown
    assert re.search(r"refresh +1 +1 +1", shown)
    kept = json.loads(file.read_text())
    (one,) = kept["explorations"]
    file.write_text(json.dumps(kept | {"explorations": [one | {"moves": 9}]}))
    assert main([*words, "--json"]) == CONFORMS
    assert json.loads(capsys.readouterr().out)["faults"] == [one | {"moves": 9}]


@pytest.mark.parametrize("more", [[], ["--score", "--gaps"], ["--score", "--third-party"], ["--score", "--fuzz", "3"]])
def test_exploring_faults_is_one_measure_of_the_score(more: list[str]) -> None:
    assert main(["faults", "--explore", *more]) == USAGE
