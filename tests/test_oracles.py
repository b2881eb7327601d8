"""Every oracle is silent about genuine engines and objects to at least two faulty ones.

The faulty engines come from the catalogue of faults; one client of a conversation is such an engine. Errors that no
fault of an engine causes are put into the record of a genuine conversation: see test_oracles_checks.py.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from otterproof.harness.judges.oracles import ORACLES, OracleFailure, Oracles, descriptions
from otterproof.harness.runs.fuzz.case import Case
from otterproof.harness.simulation.moves import Deliver, Duplicate, Inject, Settle, User
from otterproof.harness.simulation.world import Step, World
from otterproof.harness.spec import checks
from otterproof.harness.targets.faults import engine
from otterproof.harness.targets.lockstep import EngineFactory
from otterproof.implementations.contract import Engine, Entropy, PartyConfig, SessionEstablished
from otterproof.implementations.reference import ReferenceEngine
from tests.oracle_changes import event, show
from tests.oracle_programs import PROGRAMS, assert_judged
from tests.raising import raises_check

#: Oracle -> fault -> the program that shows it.
FAULTS: dict[str, dict[str, str]] = {
    "form": {
        "old-mac-keys-of-19-bytes": "talk",
        "smp-with-undefined-flag": "smp",
        "counter-starts-at-0": "talk",
        "tags-swapped-in-header": "handshakes",
    },
    "authenticity": {
        "counter-not-checked": "replays",
        "text-stripped": "talk",
        "text-shown-twice": "talk",
        "mac-not-checked": "tampering",
        "stored-text-sent-twice": "in_the_clear",
    },
    "rejection": {
        "unreadable-answered-despite-flag": "tampering",
        "unreadable-not-reported": "tampering",
        "counter-stored-before-mac": "tampering",
        "unreadable-ends-the-session": "tampering",
    },
    "healing": {
        "counter-must-be-next": "losses",
        "previous-peer-key-not-kept": "losses",
        "announces-current-key": "talk",
    },
    "agreement": {
        "roles-reported-swapped": "handshakes",
        "fingerprint-of-own-key-reported": "handshakes",
        "reveal-signature-mac-not-checked": "tampering",
        "ssid-of-all-zeros": "handshakes",
    },
    "key-ids": {
        "announces-current-key": "talk",
        "next-key-constant": "talk",
        "rotates-with-every-message": "losses",
        "sends-under-unacknowledged-key": "talk",
    },
    "counters": {"counter-constant": "talk", "counter-little-endian": "losses"},
    "mac-revelation": {
        "mac-keys-never-revealed": "talk",
        "sending-mac-keys-revealed": "talk",
        "live-mac-key-revealed": "talk",
        "mac-keys-revealed-repeatedly": "talk",
        "unused-mac-keys-revealed": "talk",
        "mac-keys-lost-on-handshake": "handshakes",
        "mac-keys-lost-at-own-end": "talk",
    },
    "forgetting": {
        "rotated-key-not-forgotten": "talk",
        "session-keys-never-forgotten": "talk",
        "smp-values-kept": "smp",
    },
    "smp": {
        "smp-responder-always-equal": "smp",
        "smp-initiator-always-equal": "smp",
        "smp-question-lost": "smp",
        "smp-run-survives-end": "smp",
        "smp-run-survives-handshake": "smp",
    },
    "states": {
        "lower-version-preferred": "negotiation",
        "error-starts-handshake-always": "negotiation",
        "query-offers-all-versions": "negotiation",
        "query-ends-the-session": "handshakes",
        "collision-always-lost": "handshakes",
        "another-dh-key-answered": "handshakes",
        "repeated-commit-gets-new-key": "tampering",
        "handshake-not-closed": "handshakes",
        "disconnect-leads-to-plaintext": "talk",
    },
    "instance-tags": {
        "small-sender-tag-accepted": "tampering",
        "one-session-for-all-tags": "clients",
        "tags-swapped-in-header": "handshakes",
        "focus-follows-every-message": "clients",
    },
    "fragments": {
        "fragments-in-any-order": "fragments",
        "fragments-too-long": "fragments",
        "fragments-without-sender-limit": "fragments",
        "last-fragment-alone-processed": "fragments",
    },
    "leaks": {
        "require-encryption-ignored": "in_the_clear",
        "plaintext-in-encrypted-without-warning": "in_the_clear",
        "text-in-clear-when-finished": "in_the_clear",
        "text-in-clear-during-handshake": "handshakes",
        "tag-sent-after-plaintext": "in_the_clear",
    },
    "bounds": {
        "unknown-type-crashes": "garbage",
        "trailing-bytes-accepted": "garbage",
        "sessions-without-limit": "crowd",
        "error-answered-with-error": "negotiation",
    },
}


@cache
def half(fault: str) -> EngineFactory:
    """Alice has the fault; everybody else is genuine."""
    faulty = engine(fault)

    def make(config: PartyConfig, entropy: Entropy) -> Engine:
        return (faulty if config.instance_tag == 0x1A1A else ReferenceEngine)(config, entropy)

    return make


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_all_are_silent_about_genuine_engines(program: str) -> None:
    for setup in PROGRAMS[program].setups:
        case = Case(**setup, engine=ReferenceEngine)
        assert_judged(case, PROGRAMS[program])


def test_every_oracle_has_faults() -> None:
    assert set(FAULTS) == set(ORACLES)
    assert all(len(faults) >= 2 for faults in FAULTS.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("oracle", "fault", "program"),
    [(oracle, fault, program) for oracle, found in FAULTS.items() for fault, program in found.items()],
)
def test_it_objects_to_a_fault(oracle: str, fault: str, program: str) -> None:
    failure: OracleFailure | None = None
    for setup in PROGRAMS[program].setups:
        try:
            case = Case(**setup, engine=half(fault), oracles=(oracle,))
            PROGRAMS[program].play(case)
            case.finish()
        except OracleFailure as found:
            failure = found
            break
    assert failure is not None, f"{oracle} does not see {fault} in {program}"
    assert failure.oracle == oracle
    assert failure.check.partition(".")[0] == oracle
    assert failure.rule == checks.rule(failure.check) != ""
    assert failure.expected
    assert failure.got


def test_a_failure_says_where_and_what() -> None:
    case = Case(engine=half("counter-not-checked"))
    case.run([User("bob", "send", {"text": b"hello, hello"}), Duplicate("alice"), Deliver("alice")])
    with pytest.raises(OracleFailure) as caught:
        case.run([Deliver("alice")])
    assert caught.value.oracle == "authenticity"
    assert caught.value.step is not None
    assert caught.value.step.party == "alice"
    assert caught.value.check == "authenticity.accepted-twice"
    for part in (checks.rule(caught.value.check), "alice.receive", "expected ", "got "):
        assert part in str(caught.value)


def test_snapshots_take_oracles_back() -> None:
    """A delivered text may be delivered again after going back, and only then."""
    case = Case(engine=ReferenceEngine)
    case.run([User("bob", "send", {"text": b"hello, hello"})])
    party = case.world.parties["alice"]
    assert isinstance(party, ReferenceEngine)
    saved, judged = party.snapshot(), case.oracles.snapshot()
    message = case.world.network.queues["alice"][0]
    for _ in range(3):
        party.restore(saved)
        case.oracles.restore(judged)
        case.run([Inject("alice", message)])
    party.restore(saved)
    with raises_check("authenticity.accepted-twice"):
        case.run([Inject("alice", message)])


def test_only_the_oracles_asked_for_judge() -> None:
    case = Case(engine=half("counter-not-checked"), oracles=("fragments",))
    case.run([User("bob", "send", {"text": b"hello, hello"}), Duplicate("alice"), Deliver("alice"), Deliver("alice")])
    with pytest.raises(ValueError, match="healing is not among these oracles: fragments"):
        case.oracles.check_healing()


def test_unknown_oracles_are_refused() -> None:
    with pytest.raises(ValueError, match="no oracle I1; there are form, authenticity, "):
        Oracles(World({}, {}), "I1")


def test_descriptions_are_whole_sentences() -> None:
    for paragraphs in descriptions().values():
        assert all(paragraph.endswith(".") for paragraph in paragraphs)


def test_a_long_text_that_was_stored_is_no_answer_that_grows() -> None:
    """It waited for the session that the Signature Message completes; its length was the user's choice."""
    case = Case(start="3", oracles=("bounds",))
    case.run([User("bob", "end"), User("bob", "start"), Deliver("alice")])
    case.run([User("alice", "send", {"text": b"a long text " * 1000}), Settle(1000)])
    case.finish()


@pytest.mark.parametrize(
    ("told", "awaits"),
    [
        (True, "a well-formed Signature Message in AWAITING_SIG, as it says that it sent the Reveal Signature Message"),
        (None, "a well-formed Reveal Signature Message in AWAITING_REVEALSIG or Signature Message in AWAITING_SIG"),
    ],
)
def test_a_session_on_the_wrong_message_is_told_with_the_state_of_the_handshake(told: bool | None, awaits: str) -> None:
    """The first party to complete a handshake has sent a D-H Key Message, and awaits a Reveal Signature Message."""
    wrong = event(SessionEstablished, lambda one: not one.sent_reveal_signature, sent_reveal_signature=told)

    def change(step: Step) -> Step | None:
        if told is None and step.args.get("message") is not None and (made := wrong(step)) is not None:
            return replace(made, args={"message": b"?OTRv3?"})
        return wrong(step) if told else None

    with pytest.raises(OracleFailure) as raised:
        show("agreement", "handshakes", 0, change)
    assert raised.value.check == "agreement.completed-without-handshake"
    assert raised.value.expected.endswith(f" reports a session only on {awaits}")
    what = "an OTR Query Message" if told is None else "a Reveal Signature Message"
    assert raised.value.got.startswith(f"it reports one on {what}")
