"""The model explored against itself: its invariants hold, and each one can fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from otterproof.harness.runs.explore.certificate import SCHEMA
from otterproof.harness.runs.explore.symbolic.invariants import INVARIANTS
from otterproof.harness.runs.explore.symbolic.mutations import MUTATIONS, mutated
from otterproof.harness.runs.explore.symbolic.search import DEPTHS, Proof, SymbolicSearch
from otterproof.harness.support.exits import CONFORMS, DEVIATES
from otterproof.harness.ui.cli import main

#: A depth for each alphabet at which sessions begin, end, rotate keys and compare secrets, within a second or two.
SMALL = {"handshake": 8, "data": 5, "smp": 5, "refresh": 4, "instances": 8, "fragments": 3, "forgery": 6}


def explored(alphabet: str, depth: int) -> Proof:
    search = SymbolicSearch(alphabet)
    for _ in search.levels(depth):
        pass
    return search.proof


@pytest.mark.parametrize("alphabet", SMALL)
def test_the_invariants_hold(alphabet: str) -> None:
    proof = explored(alphabet, SMALL[alphabet])
    assert proof.violation is None
    assert proof.depth == SMALL[alphabet] <= DEPTHS[alphabet]
    assert proof.steps > proof.states > 100


def test_each_invariant_has_a_mutation_that_breaks_it() -> None:
    assert {one.invariant for one in MUTATIONS.values()} == set(INVARIANTS)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_breaks_its_invariant_and_no_other_sooner(name: str) -> None:
    with mutated(name) as mutation:
        proof = explored(mutation.alphabet, mutation.moves)
    assert proof.violation is not None
    assert proof.violation.invariant == mutation.invariant
    assert len(proof.violation.moves) == mutation.moves == proof.depth + 1
    assert explored(mutation.alphabet, min(mutation.moves, 3)).violation is None


def test_the_command_writes_certificates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.json"
    words = ["explore", "model", "--alphabet", "data", "--depth", "3", "--json", str(file)]
    assert main(words) == CONFORMS
    assert f"data: all {len(INVARIANTS)} invariants hold within 3 moves" in capsys.readouterr().out
    with mutated("id-skipped"):
        assert main(words) == DEVIATES
    assert "FAIL  same-keys  after 2 moves" in capsys.readouterr().out
    content = json.loads(file.read_text())
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(content)
    assert content["found"][0]["check"] == "invariant.same-keys"
