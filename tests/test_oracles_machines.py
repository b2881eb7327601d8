"""A failing run of the machines is printed as a program that fails in the same way."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.stateful import run_state_machine_as_test

from otterproof.harness.judges.oracles import OracleFailure
from otterproof.harness.runs.fuzz.case import Case
from otterproof.harness.runs.fuzz.source import as_source
from otterproof.harness.simulation import moves
from otterproof.harness.simulation.moves import Deliver, Move, Tick, User
from otterproof.harness.targets.engines import EngineTarget
from otterproof.implementations.contract import Policy
from otterproof.implementations.reference import ReferenceEngine
from otterproof.scenarios.properties.machines import Clients, Conversation
from tests.test_oracles import half

MARK = "the run as a program:\n\n"


def program_of(failure: BaseException) -> str:
    """The program in the notes of a failure."""
    notes = [note for note in getattr(failure, "__notes__", ()) if note.startswith(MARK)]
    assert len(notes) == 1
    return str(notes[0]).removeprefix(MARK)


@pytest.mark.slow
@pytest.mark.parametrize("machine", [Conversation, Clients])
@pytest.mark.parametrize("fault", ["counter-constant", "mac-keys-never-revealed", "plaintext-ends-the-session"])
def test_a_failing_run_is_a_program_that_fails(machine: type[Conversation], fault: str) -> None:
    broken = half(fault)

    class Broken(machine):  # type: ignore[valid-type, misc]
        engine = staticmethod(broken)

    bounded = settings(
        max_examples=100,
        stateful_step_count=30,
        derandomize=True,
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    with pytest.raises(OracleFailure) as caught:
        run_state_machine_as_test(Broken, settings=bounded)
    program = program_of(caught.value)
    with pytest.raises(OracleFailure) as again:
        exec(compile(program, "program", "exec"), {"make": broken})
    assert str(again.value) == str(caught.value)


def test_moves_as_source() -> None:
    """All values in a move survive being printed and read back."""
    written: list[Move] = [
        User("alice", "set_policy", {"policy": Policy.ALLOW_V2 | Policy.REQUIRE_ENCRYPTION}),
        User("alice", "set_policy", {"policy": Policy.NONE}),
        User("bob", "send", {"text": b"a\0\xff'\"", "padding": None}),
        Deliver("bob", -1),
        Tick(60),
    ]
    names = {"moves": moves, "Policy": Policy}
    assert [eval(as_source(move), names) for move in written] == written


def test_a_case_starts_where_the_last_one_started() -> None:
    """Cases share a world that is restored each time: the same program has the same outcome."""
    outcomes = []
    for _ in range(3):
        case = Case(engine=ReferenceEngine)
        outcomes.append(case.run([User("alice", "send", {"text": b"hello, hello"}), Deliver("bob"), Tick(5)]))
        case.finish()
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert len(outcomes[0]) == 2


def test_a_program_names_the_target_that_was_judged() -> None:
    """When pasted, a run against a target uses that target again."""
    case = Case(engine=EngineTarget("independent").engine)
    case.run([User("alice", "send", {"text": b"hello"}), Deliver("bob")])
    assert "engine=open_target('independent').engine" in str(case)
    exec(compile(str(case), "program", "exec"), {})
