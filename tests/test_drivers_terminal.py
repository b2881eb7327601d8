"""The drivers of WeeChat, Profanity and mcabber: each program talks with the reference engine.

Features shared by all chat programs are tested in test_drivers_chat.py. A program that is not installed is skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from otterproof.harness.simulation.exchange import exchange, other_events, outgoing
from otterproof.harness.targets.driver import THIRD_PARTIES, DriverTarget, TargetCrash, TargetUnsupported
from otterproof.harness.testkit.keys import published_key
from otterproof.implementations.actions import Receiver
from otterproof.implementations.contract import (
    OutgoingMessage,
    PartyConfig,
    PeerEndedSession,
    SessionEstablished,
    SmpFinished,
    SmpRequested,
    TextReceived,
    UserEndedSession,
)
from otterproof.implementations.drivers.chat.mcabber import WIDTH, joined
from otterproof.implementations.drivers.chat.window import Window
from otterproof.implementations.entropy import SeededEntropy
from otterproof.implementations.reference import ReferenceEngine
from tests.driver_pair import ALLOW, end_started, started
from tests.test_drivers_chat import programs_of

pytestmark = pytest.mark.slow

PROGRAMS = ("weechat", "profanity", "mcabber")

#: What the policy of each program allows; it can't be changed.
POLICY = {"weechat": ALLOW[2], "profanity": ALLOW[2], "mcabber": ALLOW[2] | ALLOW[3]}

each = pytest.mark.parametrize("name", PROGRAMS)


@pytest.fixture(scope="module", autouse=True)
def _ended() -> Iterator[None]:
    yield
    end_started()


def config_of(name: str) -> PartyConfig:
    """The configuration for a party of a program."""
    return PartyConfig(published_key("alice"), POLICY[name], 0x1A1A)


def both(name: str, version: int = 2) -> dict[str, Receiver]:
    """A party of a program, and an engine with one version."""
    target = started(name).party("alice", config_of(name), b"1")
    engine = ReferenceEngine(PartyConfig(published_key("bob"), ALLOW[version], 0x2B2B), SeededEntropy(b"1"))
    return {"target": target, "engine": engine}


def established(parties: dict[str, Receiver], by: str, version: int = 2) -> None:
    found = exchange(parties, by, parties[by].start())  # type: ignore[attr-defined]
    for one, other in (("target", "engine"), ("engine", "target")):
        (session,) = (event for event in found[one] if isinstance(event, SessionEstablished))
        assert (session.version, session.fingerprint) == (version, parties[other].fingerprint)  # type: ignore[attr-defined]


@pytest.mark.parametrize("by", ["target", "engine"])
@each
def test_a_conversation(name: str, by: str) -> None:
    parties = both(name)
    established(parties, by)
    for text in ("größer $x %y <b>&amp; '\"\\".encode(), b"x" * 1500):
        found = exchange(parties, "target", parties["target"].send(text))  # type: ignore[attr-defined]
        assert [event.text for event in found["engine"] if isinstance(event, TextReceived)] == [text]
        found = exchange(parties, "engine", parties["engine"].send(text))  # type: ignore[attr-defined]
        shown = text.replace(b"&amp;", b"&") if name == "mcabber" else text
        assert other_events(found["target"]) == [TextReceived(shown, secure=True, warn=False, instance=0)]
    found = exchange(parties, by, parties[by].end())  # type: ignore[attr-defined]
    other = "engine" if by == "target" else "target"
    assert [type(event) for event in other_events(found[by])] == [UserEndedSession]
    assert [type(event) for event in other_events(found[other])] == [PeerEndedSession]


@pytest.mark.parametrize("question", [None, b"Lutra lutra?"])
def test_smp_with_profanity(question: bytes | None) -> None:
    parties = both("profanity")
    established(parties, "engine")
    for asks, answers in (("target", "engine"), ("engine", "target")):
        for secret in (b"otter", b"ferret"):
            found = exchange(parties, asks, parties[asks].smp_start(b"otter", question=question))  # type: ignore[attr-defined]
            assert [event.question for event in found[answers] if isinstance(event, SmpRequested)] == [question]
            found = exchange(parties, answers, parties[answers].smp_answer(secret))  # type: ignore[attr-defined]
            told = [event.equal for events in found.values() for event in events if isinstance(event, SmpFinished)]
            assert told == [secret == b"otter"] * 2


@pytest.mark.parametrize("version", [2, 3])
def test_smp_with_mcabber(version: int) -> None:
    """Its user can't ask a question, but is shown one."""
    parties = both("mcabber", version)
    established(parties, "target", version)
    for asks, answers, question in (
        ("target", "engine", None),
        ("engine", "target", None),
        ("engine", "target", b"Lutra lutra?"),
    ):
        for secret in (b'otter "\\ $1', b"ferret"):
            begun = parties[asks].smp_start(b'otter "\\ $1', question=question)  # type: ignore[attr-defined]
            found = exchange(parties, asks, begun)
            assert [event.question for event in found[answers] if isinstance(event, SmpRequested)] == [question]
            found = exchange(parties, answers, parties[answers].smp_answer(secret))  # type: ignore[attr-defined]
            told = [event.equal for events in found.values() for event in events if isinstance(event, SmpFinished)]
            assert told == [secret != b"ferret"] * 2
    with pytest.raises(TargetUnsupported):
        parties["target"].smp_start(b"otter", question=b"Lutra lutra?")  # type: ignore[attr-defined]


@each
def test_it_can_be_started_again(name: str) -> None:
    parties = both(name)
    established(parties, "engine")
    target = started(name).party("second", config_of(name), b"1")
    before = target.fingerprint
    target.restart()
    assert target.fingerprint == before
    assert outgoing(target.send(b"in the clear")) == [b"in the clear"]
    assert target.logs()


@each
def test_what_can_not_be_typed_is_unsupported(name: str) -> None:
    target = both(name)["target"]
    for text in (b"a\nb", b"a\0b", b"", b"\xff"):
        with pytest.raises(TargetUnsupported):
            target.send(text)  # type: ignore[attr-defined]
    assert [type(event) for event in target.send(b"fine")] == [OutgoingMessage]  # type: ignore[attr-defined]


@each
def test_a_crash_of_the_program_is_a_crash_of_the_target(name: str) -> None:
    started(name)
    target = DriverTarget(name, THIRD_PARTIES[name].ready())
    try:
        alice = target.party("alice", config_of(name), b"1")
        for pid in programs_of(target.pid):
            os.kill(pid, 11)
        with pytest.raises(TargetCrash, match="SIGSEGV"):
            alice.receive(b"hello")
    finally:
        target.close()


def test_a_window_gives_the_lines_between_two_marks() -> None:
    pytest.importorskip("pyte")
    window = Window()
    window.feed("<1>\r\n\x1b[1mfirst\x1b[0m  \r\ngrößer".encode())
    assert window.between("<1>", "<2>") is None
    window.feed(b"\r\n<2>\x1b[2;1Hthird")
    assert window.between("<1>", "<2>") == ["third", "größer"]


def test_lines_that_mcabber_has_wrapped_are_one_text() -> None:
    """A long word is cut at the edge, a line wraps at a blank, and a short line is the end of the text."""
    time, below = "11-29 17:20 ", " " * 16
    cut = "x" * (WIDTH - len(below))
    lines = [
        f"{time}*** OTR: words:",
        below + cut,
        f"{below}xx",
        "",
        f"{time}*** {'a ' * 280}".rstrip(),
        f"{below}{'b' * 10}",
        f"{below}end",
    ]
    assert joined(lines) == [f"*** OTR: words: {cut}xx", f"*** {'a ' * 280}{'b' * 10}\nend"]
