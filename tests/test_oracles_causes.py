"""If several oracles object to one step, the reported check names the mistake and not a consequence of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from otterproof.harness.judges.oracles import OracleFailure, Oracles
from otterproof.harness.judges.oracles.base import Oracle
from otterproof.harness.judges.oracles.observation import Observation
from otterproof.harness.runs.fuzz.case import Case
from otterproof.harness.simulation.moves import Deliver, Fragment, Inject, Move, Settle, Splice, User
from otterproof.harness.spec.checks import checks, is_consequence, level_of
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.excused import excusing
from otterproof.harness.targets.driver import THIRD_PARTIES
from otterproof.harness.targets.faults import engine
from otterproof.harness.targets.party import Party
from otterproof.harness.wire import UnreadableField, armour
from otterproof.implementations.contract import Event, OutgoingMessage, PartyConfig, TextReceived
from otterproof.implementations.entropy import Tape, entropy_of
from otterproof.implementations.reference import ReferenceEngine
from tests.raising import raises_check
from tests.test_oracles_foreign import Closed, ClosedTarget

#: A fragmented message for alice with an unencrypted text after its first fragment.
_IN_PIECES: list[Move] = [Fragment("alice", 0, 100), Deliver("alice"), Inject("alice", b"hello"), Settle()]

#: A text and a commit, fragmented this way.
_TEXT: list[Move] = [User("bob", "send", {"text": b"hello, hello"}), *_IN_PIECES]
_COMMIT: list[Move] = [User("alice", "start", {}), Deliver("bob"), *_IN_PIECES]


def _told(moves: list[Move], *, oracles: tuple[str, ...] = (), excused: tuple[str, ...] = ()) -> str:
    """The check that fails in a run with an engine that keeps fragments when a text arrives; "" if none does."""
    target = ClosedTarget("keeps-fragments", engine("fragments-outlive-plaintext"))
    try:
        Case(target=target, role="alice", oracles=oracles, excused=excused).run(moves)
    except OracleFailure as failure:
        return failure.check
    return ""


@pytest.mark.parametrize(
    ("moves", "following"),
    [
        (_TEXT, {"authenticity": "authenticity.shown-unauthenticated", "leaks": "leaks.clear-text-shown-secure"}),
        (_COMMIT, {"states": "states.stray-handshake-message", "bounds": "bounds.too-many-answers"}),
    ],
)
def test_the_cause_is_told_and_not_what_follows(moves: list[Move], following: dict[str, str]) -> None:
    """The engine breaks several checks in one step, and each oracle would object if it were alone."""
    for oracle, check in following.items():
        assert _told(moves, oracles=(oracle,)) == check
    assert _told(moves, oracles=("fragments",)) == _told(moves) == "fragments.not-inert"


def test_what_follows_from_a_known_cause_is_known() -> None:
    """In the same step and in later ones, because each oracle continues with what it knows."""
    known = "fragments.not-inert"
    assert _told(_TEXT, excused=(known,)) == _told(_COMMIT, excused=(known,)) == ""
    assert _told(_TEXT, excused=("authenticity.shown-unauthenticated",)) == known


class _Objects(Oracle):
    """Fails a check at every step."""

    id = "bounds"

    def __init__(self, check: str) -> None:
        self._check = check

    def observe(self, view: Observation) -> None:
        self.fail(self._check, None, expected="nothing", got="something")


class _CannotRead(Oracle):
    """Misses a field in every message."""

    def __init__(self) -> None:
        pass

    def observe(self, view: Observation) -> None:
        raise UnreadableField("ctr at 224 is cut short")


def _judge(*oracles: Oracle) -> bool:
    return Oracles._judge(cast(Observation, None), oracles)


@pytest.mark.parametrize(
    ("objections", "told"),
    [
        (["leaks.clear-text-shown-secure", "fragments.not-inert"], "fragments.not-inert"),  # through another check
        (["fragments.not-inert", "leaks.clear-text-shown-secure"], "fragments.not-inert"),
        (["fragments.wrong-tags", "instance-tags.answer-to-another"], "instance-tags.answer-to-another"),
        (["counters.not-higher", "key-ids.key-reused"], "counters.not-higher"),  # neither presumes the other
        (["bounds.too-many-answers", "form.armour-malformed", "fragments.not-inert"], "form.armour-malformed"),
    ],
)
def test_the_first_is_told_that_presumes_none_of_the_others(objections: list[str], told: str) -> None:
    with raises_check(told):
        _judge(*map(_Objects, objections))


def test_what_is_less_binding_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure may follow from a demand that the texts only advise; the mandatory one is reported nevertheless."""
    must, advice = "states.error-not-shown", "bounds.breaks-down"
    assert [level_of(must), level_of(advice)] == [Level.MUST, Level.ADVICE]
    for check, presumed in ((must, advice), (advice, must)):
        monkeypatch.setitem(checks(), check, replace(checks()[check], presumes=(presumed,)))
        assert is_consequence(check, [check, presumed]) is (check == advice)
        monkeypatch.undo()
    with raises_check(must), excusing([advice]):
        _judge(_Objects(advice), _Objects(must))


def test_a_field_that_is_missing_is_no_news_about_a_message_that_is_wrong() -> None:
    with raises_check("form.data-malformed"):
        _judge(_CannotRead(), _Objects("form.data-malformed"))
    with excusing(["form.data-malformed"]):
        assert not _judge(_Objects("form.data-malformed"), _CannotRead())
    with pytest.raises(UnreadableField, match="ctr at 224"):
        _judge(_CannotRead())
    assert _judge()


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ([b"?OTR,1,2,?OTR:AAM,", b"?OTR,2,2,,"], "fragment.empty-piece-sent"),
        ([b"?OTR,1,2,?OTR:AAM,", b"?OTR,2,2,D."], "fragments.wrong-sequence"),
    ],
)
def test_a_broken_fragment_is_told_and_not_that_no_data_message_goes_out(pieces: list[bytes], told: str) -> None:
    class Breaking(ReferenceEngine):
        def send(self, *args: object, **named: object) -> Sequence[Event]:
            return [OutgoingMessage(piece) for piece in pieces]

    for oracles, check in ((("leaks",), "leaks.sent-unencrypted"), (("leaks", "fragments"), told)):
        with raises_check(check):
            Case(engine=Breaking, oracles=oracles).run([User("alice", "send", {"text": b"hello"})])


#: Findings of `fuzz` in third-party targets: the target, how the case begins, the moves, an oracle that objects when it
#: is alone, the check it fails, and the cause.
FOUND: list[tuple[str, dict[str, Any], list[Move], str, str, str]] = [
    (
        "libotr",
        {"size": 300, "role": "bob"},
        [User("alice", "send", {"text": b"text"}), Deliver("bob"), Inject("bob", b""), Settle()],
        "authenticity",
        "authenticity.shown-unauthenticated",
        "fragments.not-inert",
    ),
    (
        "libotr",
        {"size": 64, "role": "bob"},
        [User("bob", "start", {}), Settle(), Inject("bob", b""), Settle()],
        "instance-tags",
        "instance-tags.answer-to-another",
        "fragments.not-inert",
    ),
    (
        "xcrypto",
        {"start": "2"},
        [
            User("bob", "start", {}),
            Deliver("alice"),
            Deliver("bob"),
            Deliver("alice"),
            Deliver("bob"),
            Fragment("alice", 0, 17),
            Deliver("alice"),
            Inject("alice", b""),
            Settle(),
        ],
        "agreement",
        "agreement.completed-without-handshake",
        "fragments.not-inert",
    ),
    (
        "xcrypto",
        {"start": "scratch", "size": 64, "role": "bob"},
        [User("bob", "start", {}), Deliver("alice"), Deliver("bob"), Inject("bob", b""), Settle()],
        "states",
        "states.stray-handshake-message",
        "fragments.not-inert",
    ),
    (
        "python-otr",
        {},
        [User("bob", "send", {"text": b"text"}), Splice("alice", -1, True, 5, 0, b"\0"), Settle()],
        "leaks",
        "leaks.clear-text-shown-secure",
        "bounds.bad-header-accepted",
    ),
    (
        "otr3",
        {"start": "2", "size": 96},
        [User("alice", "send", {"text": b"t" * 300})],
        "leaks",
        "leaks.sent-unencrypted",
        "fragment.empty-piece-sent",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "setup", "moves", "first", "following", "cause"), FOUND)
def test_what_fuzz_found_is_told_by_its_cause(
    name: str, setup: dict[str, Any], moves: list[Move], first: str, following: str, cause: str
) -> None:
    if not THIRD_PARTIES[name].is_built():
        pytest.skip(f"{name} is not installed: otterproof targets install {name}")
    for oracles, check in (((first,), following), ((), cause)):
        with raises_check(check), Case(target=name, oracles=oracles, **setup) as case:
            case.run(moves)


def test_an_answer_of_a_wrong_size_does_not_hide_what_it_answers() -> None:
    """The answer to a message that must not be accepted breaks a check of the same oracle."""

    class Answering(Closed):
        def _do(self, action: str, **args: object) -> Sequence[Event]:
            events = super()._do(action, **args)
            if not any(isinstance(one, TextReceived) and one.secure for one in events):
                return events
            return [*events, OutgoingMessage(armour(bytes((0, 3, 3)) + bytes(400)))]

    class AnsweringTarget(ClosedTarget):
        def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> Party:
            return Answering(self._make(config, entropy_of(name, seed, tape)))

    target = AnsweringTarget("answering", engine("fragments-outlive-plaintext"))
    with raises_check("fragments.not-inert"):
        Case(target=target, role="alice", size=200, oracles=("fragments",)).run(_TEXT)
