"""The same judgement gives the same verdicts and bytes, wherever it runs, in any order and with any number of
processes; and a program sends the same bytes whatever ran before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from otterproof.harness.judges.oracles import ORACLES, Observation, Oracles, Reader
from otterproof.harness.judges.oracles.base import Oracle
from otterproof.harness.judges.oracles.memory import Forgetting
from otterproof.harness.judges.oracles.remembering import Remembering
from otterproof.harness.runs.fuzz.case import Case, forget_worlds
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import Program, program
from otterproof.harness.simulation.world import Step
from otterproof.harness.targets.engines import ENGINES
from otterproof.harness.targets.registry import open_target
from tests.hostile.repetition import TRANSCRIPTS, VERDICTS, differences, judge_apart

#: A quick scenario of every kind, including ones that draw at random and ones that inspect sets.
SAMPLE = (
    "attacks.damage.replays[v2]",
    "conformance.cells.commit_in_finished[v2]",
    "conformance.choices.used_mac_keys_are_revealed_in_order[v3]",
    "conformance.claims.different_seeds_give_different_bytes[v3]",
    "conformance.instances.own_tags_are_random[v3]",
    "deniability.transcripts.mac_key_of_a_message_is_revealed_once[v3]",
    "differential.courses.odd_input_side_by_side[v2]",
    "differential.form.fragments_received[v3]",
    "differential.talk.ends[v3]",
    "properties.runs.agreement[v2]",
    "properties.runs.healing[v3]",
    "readings.data.a_heartbeat_in_answer_to_the_end[v2]",
    "readings.state.a_handshake_when_the_session_ends[v3]",
    "walkthrough.how_otr_works[v3]",
)


@pytest.mark.slow
def test_a_judgement_is_the_same_in_any_order_and_by_any_number_of_processes(tmp_path: Path) -> None:
    """A sample of the scenarios with both engines, which must agree. `.ci/run` compares the whole suite."""
    folders = [tmp_path / engine for engine in ENGINES]
    for folder, processes in zip(folders, (1, 2), strict=True):
        folder.mkdir()
        judge_apart(folder, folder.name, SAMPLE, processes, processes, backwards=processes > 1)
    assert (folders[0] / VERDICTS).read_text().count('"scenario":') == len(SAMPLE)
    assert len(list((folders[0] / TRANSCRIPTS).iterdir())) > len(SAMPLE)
    assert list(differences(*folders)) == []


def test_what_differs_is_seen(tmp_path: Path) -> None:
    for engine in ENGINES:
        folder = tmp_path / engine / TRANSCRIPTS
        folder.mkdir(parents=True)
        (folder / "same.jsonl").write_text(f'{{"target":"{engine}"}}\nsteps\n')
        (folder / f"{engine}.jsonl").write_text("{}\n")
        (folder / "differs.jsonl").write_text(f"{{}}\n{engine}\n")
        verdicts = {"target": engine, "scenarios": [{"seconds": 1, "detail": engine}]}
        (tmp_path / engine / VERDICTS).write_text(json.dumps({"runs": [verdicts]}))
    found = set(differences(*(tmp_path / engine for engine in ENGINES)))
    only = {f"{TRANSCRIPTS}/{engine}.jsonl (only one has it)" for engine in ENGINES}
    assert found == {VERDICTS, f"{TRANSCRIPTS}/differs.jsonl", *only}


def sent(one: Program, *, fresh: bool = False) -> list[tuple[object, ...]]:
    """Everything given to the parties when a program runs, and everything they answer."""
    steps: list[Step] = []
    failure = attempt(one, fresh=fresh, watch=steps.append)
    assert failure is None
    return [(step.number, step.now, step.party, step.action, step.args, list(step.events)) for step in steps]


def programs(count: int) -> list[Program]:
    """Programs with both engines in lockstep, several from each setup. The slowest oracle is left out."""
    target, oracles = open_target("reference"), tuple(one for one in ORACLES if one != Forgetting.id)
    drawn = [program("order", number, target, ("pair", "three")[number == 0]) for number in range(count)]
    alike = [replace(one.setup, start="3", policy="both", size=None, role="alice", oracles=oracles) for one in drawn]
    return [Program(setup, one.moves[:12]) for one, setup in zip(drawn, alike, strict=True)]


def test_a_program_sends_the_same_bytes_whatever_ran_before_it() -> None:
    chosen = programs(4)
    forget_worlds()
    forwards = [sent(one) for one in chosen]
    forget_worlds()
    assert [sent(one) for one in reversed(chosen)][::-1] == forwards
    whole = sent(chosen[-1], fresh=True)
    assert whole[-len(forwards[-1]) :] == forwards[-1], "a session that was brought about before is like a new one"


def remembering(oracles: Oracles) -> Iterator[Remembering]:
    """The reader and the oracles."""
    yield oracles.reader
    yield from (one for one in vars(oracles)["_oracles"].values() if isinstance(one, Remembering))


def fixed(oracles: Oracles) -> list[dict[str, Any]]:
    """What the reader and the oracles declare as fixed, except objects that belong to others."""
    theirs = [(one, one.fixed - {"world", "_reader", "_drawn"}) for one in remembering(oracles)]
    return [{name: deepcopy(vars(one)[name]) for name in names} for one, names in theirs]


@pytest.mark.parametrize("network", ["pair", "three"])
def test_oracles_go_back_to_what_they_remembered(network: str) -> None:
    """No state of an oracle or the reader survives from one case to the next, and nothing fixed changes."""
    case = Case(network, "3")
    before, never = case.oracles.snapshot(), fixed(case.oracles)
    copy = deepcopy(before)
    assert len(list(remembering(case.oracles))) == len(ORACLES) + 1
    for number in range(2):
        moves = program("memory", number, open_target("reference"), network).moves[:12]
        case = Case(network, "3")
        case.run(moves)
        case.finish()
        assert case.oracles.snapshot() != copy, "a run leaves something to be forgotten"
        assert fixed(case.oracles) == never
        assert before == copy, "a snapshot does not change"
        case.oracles.restore(before)
        assert case.oracles.snapshot() == copy


class Forgetful(Oracle):
    """An oracle that keeps state in ways the others do not."""

    id = "made up"

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self.count = 0
        self.last: bytes | None = None
        self.seen: list[str] = []

    def observe(self, view: Observation) -> None:
        self.count += 1
        self.last = b"last"
        self.seen.append(view.party)
        self.unforeseen = True


def test_an_oracle_can_not_remember_what_is_not_saved() -> None:
    case = Case()
    oracle = Forgetful(case.oracles.reader)
    start = oracle.snapshot()
    step = Step(1, 0, "alice", "start", {}, (), None, None, None)
    oracle.observe(case.oracles.reader.view(step))
    assert oracle.snapshot() != start
    oracle.restore(start)
    assert oracle.snapshot() == start
    assert vars(oracle).keys() == {"_reader", "count", "last", "seen"}
