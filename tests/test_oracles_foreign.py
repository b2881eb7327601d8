"""Oracles on parties that hide their state and don't follow the contract: silent about correct ones, but not blind.

A genuine engine plays such a party, and so do engines with faults; only the wire and the events of each are visible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from otterproof.harness.judges.oracles import ORACLES, OracleFailure
from otterproof.harness.runs.fuzz.case import Case
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import program
from otterproof.harness.simulation.moves import Settle, User
from otterproof.harness.targets.driver import CAPABILITIES
from otterproof.harness.targets.faults import engine
from otterproof.harness.targets.lockstep import EngineFactory
from otterproof.harness.targets.party import ActionDispatcher, Party
from otterproof.implementations.contract import Engine, Event, PartyConfig, Policy
from otterproof.implementations.entropy import Tape, entropy_of
from otterproof.implementations.reference import ReferenceEngine
from tests.oracle_programs import PROGRAMS, assert_judged
from tests.test_oracles import FAULTS


class Closed(ActionDispatcher):
    """An engine whose state is hidden."""

    def __init__(self, inside: Engine) -> None:
        self._inside = inside
        self.instance_tag, self.fingerprint = inside.instance_tag, inside.fingerprint

    def _do(self, action: str, **args: object) -> Sequence[Event]:
        events: Sequence[Event] = getattr(self._inside, action)(**args)
        return events

    def set_time(self, now: int) -> None:
        self._inside.set_time(now)

    def set_policy(self, policy: Policy) -> None:
        self._inside.set_policy(policy)


class ClosedTarget:
    """A target of such parties. It claims everything that a driver can."""

    version, randomness, capabilities = "1", "seed", CAPABILITIES
    fixed_policy: Policy | None = None
    longest_text: int | None = None
    silent_refresh = False

    def __init__(self, name: str, make: EngineFactory) -> None:
        self.name = name
        self._make = make

    def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> Party:
        return Closed(self._make(config, entropy_of(name, seed, tape)))

    def reset(self) -> None:
        pass

    def finish(self) -> None:
        pass

    def leave(self) -> None:
        pass

    def close(self) -> None:
        pass


#: Faults that test_oracles.py finds by the state of the party or by the contract's choices. From outside, nothing in
#: the same programs breaks the protocol text.
HIDDEN = {
    "stored-text-sent-twice",
    "unreadable-not-reported",
    "counter-stored-before-mac",
    "unreadable-ends-the-session",
    "counter-must-be-next",
    "previous-peer-key-not-kept",
    "sends-under-unacknowledged-key",
    "counter-little-endian",
    "unused-mac-keys-revealed",
    "rotated-key-not-forgotten",
    "session-keys-never-forgotten",
    "smp-values-kept",
    "smp-run-survives-end",
    "query-ends-the-session",
    "collision-always-lost",
    "another-dh-key-answered",
    "repeated-commit-gets-new-key",
    "handshake-not-closed",
    "disconnect-leads-to-plaintext",
    "small-sender-tag-accepted",
    "focus-follows-every-message",
    "fragments-in-any-order",
    "fragments-without-sender-limit",
    "last-fragment-alone-processed",
    "tag-sent-after-plaintext",
    "sessions-without-limit",
    "trailing-bytes-accepted",
}

SHOWN = [
    (oracle, fault, name) for oracle, found in FAULTS.items() for fault, name in found.items() if fault not in HIDDEN
]


@pytest.mark.slow
@pytest.mark.parametrize("tens", range(3))
def test_silent_about_a_genuine_engine_in_random_programs(tens: int) -> None:
    target = ClosedTarget("closed", ReferenceEngine)
    for number in range(10 * tens, 10 * tens + 10):
        assert attempt(program("foreign", number, target)) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_silent_about_a_genuine_engine(name: str) -> None:
    for setup in PROGRAMS[name].setups:
        assert_judged(Case(**setup, target=ClosedTarget("closed", ReferenceEngine)), PROGRAMS[name])


@pytest.mark.slow
@pytest.mark.parametrize(("oracle", "fault", "name"), SHOWN)
def test_it_objects_to_what_shows(oracle: str, fault: str, name: str) -> None:
    found: list[str] = []
    for setup in PROGRAMS[name].setups:
        try:
            case = Case(**setup, target=ClosedTarget("closed", engine(fault)), oracles=(oracle,))
            PROGRAMS[name].play(case)
            case.finish()
        except OracleFailure as failure:
            found.append(failure.oracle)
            break
    assert found == [oracle], f"{oracle} does not see {fault} in {name}"


class Nulless(Closed):
    """A party that handles texts with a NUL in another way than refusing to send them."""

    def __init__(self, inside: Engine, become: Callable[[bytes], bytes]) -> None:
        super().__init__(inside)
        self._become = become

    def _do(self, action: str, **args: object) -> Sequence[Event]:
        text = args.get("text")
        return super()._do(action, **args | ({"text": self._become(text)} if isinstance(text, bytes) else {}))


class NullessTarget(ClosedTarget):
    """A target of such parties."""

    def __init__(self, become: Callable[[bytes], bytes]) -> None:
        super().__init__("nulless", ReferenceEngine)
        self._become = become

    def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> Party:
        return Nulless(self._make(config, entropy_of(name, seed, tape)), self._become)


@pytest.mark.parametrize("start", ["3", "2", "scratch"])
@pytest.mark.parametrize("become", [lambda text: text.partition(b"\0")[0], lambda text: text.replace(b"\0", b"?")])
def test_what_becomes_of_a_text_with_a_nul_is_not_judged(start: str, become: Callable[[bytes], bytes]) -> None:
    case = Case(start=start, target=NullessTarget(become))
    case.run([User("alice", "send", {"text": b"first\0second"}), Settle()])
    case.run([User("alice", "send", {"text": b"\0"}), Settle()])
    case.finish()


def test_a_text_without_a_nul_is_judged() -> None:
    case = Case(target=NullessTarget(lambda text: text.replace(b"o", b"0")))
    with pytest.raises(OracleFailure) as failed:
        case.run([User("alice", "send", {"text": b"no"}), Settle()])
    assert failed.value.check == "authenticity.text-changed"


def test_most_oracles_need_no_look_inside() -> None:
    assert {oracle for oracle, _, _ in SHOWN} == ORACLES.keys() - {"forgetting"}
