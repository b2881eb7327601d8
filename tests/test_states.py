"""The state tables: every cell has exactly one row, all possible cells are visited, and the page is up to date."""

from __future__ import annotations

from collections import Counter

import pytest

from otterproof.harness.judges.oracles.states import COLLISION, TRANSITIONS, Reply, Transition
from otterproof.harness.runs.runner import Result, run
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec.requirements import Claim
from otterproof.harness.spec.requirements import load as load_requirements
from otterproof.harness.spec.states import INPUTS, ROWS, Cell, Setting, find, possible, product
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.reply import Unsupported
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.harness.ui.json_report import as_json
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import VERSIONS, AuthState, MessageState
from otterproof.scenarios.conformance import cells
from otterproof.scenarios.conformance.cells_play import MESSAGES, Position, Unreached, probe, visit, walk
from tests.judged import judged

load()

_VERSIONS_AND_STATES = [(version, message) for version in VERSIONS for message in MessageState]


def test_every_cell_has_one_row() -> None:
    every = list(product(INPUTS))
    assert len(set(map(str, every))) == len(every)
    expected = sum(len(one.versions) * len(MessageState) * len(AuthState) * len(one.settings) for one in INPUTS)
    assert len(every) == expected
    for cell in every:
        find(ROWS, cell)


def test_a_cell_without_a_row_or_with_two_is_an_error() -> None:
    cell = Cell(2, MessageState.PLAINTEXT, AuthState.NONE, "query", Setting.USUAL)
    row = find(ROWS, cell)
    with pytest.raises(LookupError, match=r"0 rows .* v2 plaintext/none: query"):
        find([one for one in ROWS if one is not row], cell)
    with pytest.raises(LookupError, match="2 rows"):
        find([*ROWS, row], cell)


def test_every_row_fills_a_cell() -> None:
    filled = {id(find(ROWS, cell)) for cell in product(INPUTS)}
    assert [row for row in ROWS if id(row) not in filled] == []


def test_visited_and_impossible_are_all() -> None:
    there = set(possible())
    impossible = {cell for cell in product(INPUTS) if find(ROWS, cell).impossible}
    assert not there & impossible
    assert there | impossible == set(product(INPUTS))
    visited = Counter(
        cell for version in VERSIONS for chosen in cells.registered().values() for cell in chosen.get(version, ())
    )
    assert set(visited) == there
    assert set(visited.values()) == {1}, "each cell belongs to one scenario"


def test_every_state_and_input_is_there() -> None:
    for version in VERSIONS:
        states = {(cell.message, cell.auth) for cell in possible() if cell.version == version}
        assert states == {(message, auth) for message in MessageState for auth in AuthState}
    names = [one.name for one in INPUTS]
    assert set(names) == MESSAGES.keys() | {"start", "send", "end"}
    assert {one.section for one in INPUTS} == cells.SECTIONS.keys()


def test_claims_and_readings_exist() -> None:
    table = load_requirements()
    for row in ROWS:
        assert bool(row.claims) != bool(row.impossible)
        assert {Claim.parse(claim).requirement for claim in row.claims} <= table.requirements.keys()
        assert not row.reading or row.reading in table.readings
        assert row.reading or (row.or_sends is None and row.or_auth is None)


def test_a_handshake_message_does_the_same_in_each_version_and_message_state() -> None:
    """The oracle on states takes its transitions from the cells of one version and message state."""
    names = [one.name for one in INPUTS if one.name.partition("_")[0] in ("commit", "dh", "reveal", "signature")]
    assert len(names) == 13
    for auth in AuthState:
        for name in names:
            alike = [Cell(version, message, auth, name, Setting.USUAL) for version, message in _VERSIONS_AND_STATES]
            assert len({id(find(ROWS, cell)) for cell in alike}) == 1


def test_the_oracle_reads_its_transitions_off_the_table() -> None:
    none, dhkey, revealsig, sig = AuthState
    answered = {(one, Kind.DH_COMMIT) for one in AuthState} | {(dhkey, Kind.DH_KEY), (sig, Kind.DH_KEY)}
    completed = {(revealsig, Kind.REVEAL_SIGNATURE), (sig, Kind.SIGNATURE)}
    assert TRANSITIONS.keys() == answered | completed
    assert {key for key, one in TRANSITIONS.items() if one.completes} == completed
    assert TRANSITIONS[none, Kind.DH_COMMIT] == Transition(revealsig, Reply.NEW, Kind.DH_KEY, False)
    assert Transition(dhkey, Reply.SAME, Kind.DH_COMMIT, False) == COLLISION


def test_counts_are_reported() -> None:
    (one,) = scenarios("conformance.cells.start_in_plaintext[v2]")
    result = run(one, open_target("reference"), b"seed")
    assert result.verdict is Verdict.PASS
    assert len(result.visited) == len(AuthState)
    told = as_json(judged([result, result]))
    assert told["cells"] == {"visited": 4, "possible": sum(cell.version == 2 for cell in possible())}
    assert [each["visited"] for each in told["scenarios"]] == [4, 4]
    other = Result("x", (), Verdict.PASS, "", 0, 0.0)
    assert as_json(judged([other]))["cells"] == {}


@pytest.mark.parametrize("message", MessageState)
@pytest.mark.parametrize("auth", AuthState)
def test_probe_tells_states_apart(message: MessageState, auth: AuthState) -> None:
    """A position is confirmed by the probe of its own states, and by no other probe."""
    target = open_target("reference")
    for claimed_message in MessageState:
        for claimed_auth in AuthState:
            at = Position(Context(target, 2, b"seed"), message, auth)
            at.message, at.auth = claimed_message, claimed_auth
            if (claimed_message, claimed_auth) == (message, auth):
                probe(at)
                continue
            with pytest.raises(AssertionError):
                probe(at)


def test_a_failure_names_its_cell() -> None:
    (one,) = scenarios("conformance.cells.send_in_finished[v3]")
    result = run(one, open_target("fault:text-in-clear-when-finished"), b"seed")
    assert result.verdict is Verdict.FAIL
    assert result.check == "state.wrong-reaction-to-typed-text"
    assert "  case      finished/none: send" in result.detail.splitlines()
    assert result.visited == ("v3 finished/none: send",), "the other states are not reached"


def test_states_that_are_not_reached_are_not_judged() -> None:
    (one,) = scenarios("conformance.cells.query_in_encrypted[v3]")
    target = open_target("reference")
    faulty = open_target("fault:text-in-clear-during-handshake")
    assert run(one, target, b"seed").verdict is Verdict.PASS
    assert run(one, faulty, b"seed").verdict is Verdict.FAIL
    way = [cell for cell in possible() if str(cell) == "v3 encrypted/awaiting_dhkey: start"]
    with pytest.raises(Unreached, match=r"ENCRYPTED, AWAITING_DHKEY: state\.session-not-kept-during-handshake"):
        walk(Context(faulty, 3, b"seed"), way)
    with pytest.raises(Unsupported, match="can't be reached with the target: ENCRYPTED, AWAITING_DHKEY"):
        cells.visit_all(Context(faulty, 3, b"seed"), way)


def test_the_way_is_right_before_the_input() -> None:
    cell = Cell(3, MessageState.ENCRYPTED, AuthState.AWAITING_SIG, "dh_key_same", Setting.USUAL)
    at = Position(Context(open_target("reference"), 3, b"seed"), cell.message, cell.auth)
    visit(at, cell)
    probe(at)
