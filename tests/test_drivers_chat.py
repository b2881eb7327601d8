"""The drivers of chat programs: each program talks with the reference engine, and its screen is reported.

A program that is not installed is skipped, with the command that installs it. Tests without programs are in
test_chat_server.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest

from otterproof.harness.simulation.exchange import exchange, other_events, outgoing
from otterproof.harness.targets.driver import (
    THIRD_PARTIES,
    DriverParty,
    DriverTarget,
    TargetCrash,
    TargetStranded,
    TargetUnsupported,
)
from otterproof.harness.testkit.keys import published_key
from otterproof.implementations.actions import Receiver
from otterproof.implementations.contract import (
    ActionRefused,
    ErrorMessageReceived,
    Event,
    MessageUnreadable,
    OutgoingMessage,
    PartyConfig,
    PeerEndedSession,
    Policy,
    SessionEstablished,
    SmpFinished,
    SmpRequested,
    TextReceived,
    UserEndedSession,
)
from otterproof.implementations.entropy import SeededEntropy
from otterproof.implementations.reference import ReferenceEngine
from tests.driver_pair import ALLOW, Traffic, end_started, started

pytestmark = pytest.mark.slow

BOTH = ALLOW[2] | ALLOW[3]
PROGRAMS = ("irssi", "bitlbee", "pidgin")

#: The words that a user is shown when a session begins, and when a text is refused after its end.
BEGINS = ("secured", "off the record", "conversation with")
REFUSED = ("closed", "disconnected", "was not sent")

each = pytest.mark.parametrize("name", PROGRAMS)
in_each_version = pytest.mark.parametrize("version", [2, 3])
from_each_side = pytest.mark.parametrize("by", ["target", "engine"])


@pytest.fixture(scope="module", autouse=True)
def _ended() -> Iterator[None]:
    yield
    end_started()


class Talk:
    """A party of a program and an engine, talking to each other."""

    def __init__(self, name: str, version: int) -> None:
        self.version = version
        self.program = started(name)
        self.target: DriverParty = self.program.party("alice", PartyConfig(published_key("alice"), BOTH, 0x1A1A), b"1")
        config = PartyConfig(published_key("bob"), ALLOW[version] | Policy.ERROR_START_AKE, 0x2B2B)
        self.engine = ReferenceEngine(config, SeededEntropy(b"1"))
        self.told: dict[str, list[Event]] = {"target": [], "engine": []}
        self.sent: list[bytes] = []

    def pump(self, by: str, events: Sequence[Event]) -> None:
        """The events of one side, with everything that results from them."""
        parties: dict[str, Receiver] = {"target": self.target, "engine": self.engine}
        for who, found in exchange(parties, by, events).items():
            self.told[who] += other_events(found)
            self.sent += outgoing(found) if who == "target" else []

    def events(self, who: str) -> list[Event]:
        told, self.told[who] = self.told[who], []
        return told

    def handshake(self, by: str = "engine") -> None:
        self.pump(by, (self.target if by == "target" else self.engine).start())
        mine, theirs = self.events("target")[-1], self.events("engine")[-1]
        assert isinstance(mine, SessionEstablished)
        assert isinstance(theirs, SessionEstablished)
        assert (mine.version, theirs.version) == (self.version, self.version)
        assert (mine.fingerprint, theirs.fingerprint) == (self.engine.fingerprint, self.target.fingerprint)
        assert (mine.ssid, mine.sent_reveal_signature) == (None, None)

    def talk(self, text: bytes) -> None:
        self.pump("target", self.target.send(text))
        assert [(one.text, one.secure) for one in self.events("engine") if isinstance(one, TextReceived)] == [
            (text, True)
        ]
        self.pump("engine", self.engine.send(text))
        instance = 0 if self.version == 2 else None
        assert self.events("target") == [TextReceived(text, secure=True, warn=False, instance=instance)]


@each
def test_hello_tells_what_is_fixed(name: str) -> None:
    target = started(name)
    assert target.randomness == "none"
    assert target.fixed_policy is not None
    assert target.fixed_policy & BOTH == BOTH
    assert target.longest_text is not None
    assert target.capabilities >= {"v2", "v3", "smp", "smp_question"}
    assert not target.capabilities & {"time", "dump", "policy", "heartbeat"}


@from_each_side
@in_each_version
@each
def test_conversation(name: str, version: int, by: str) -> None:
    talk = Talk(name, version)
    talk.handshake(by)
    assert any(words in line for line in talk.target.shown for words in BEGINS)
    for number in range(3):
        talk.talk(f"Nr. {number}, größer $x %y <b>&amp; \t'\"\\".encode())
    for question in (None, "Lutra lutra?"):
        for secrets in ((b"otter", b"otter"), (b"otter \"'\\ $1", b"ferret")):
            asks, answers = ("target", "engine") if by == "target" else ("engine", "target")
            parties: dict[str, DriverParty | ReferenceEngine] = {"target": talk.target, "engine": talk.engine}
            asked = None if question is None else question.encode()
            talk.pump(asks, parties[asks].smp_start(secrets[0], question=asked))
            (request,) = talk.events(answers)
            assert isinstance(request, SmpRequested)
            assert request.question == asked
            talk.pump(answers, parties[answers].smp_answer(secrets[1]))
            for who in parties:
                assert [one.equal for one in talk.events(who) if isinstance(one, SmpFinished)] == [
                    secrets[0] == secrets[1]
                ]
    talk.talk(b"still there")


@from_each_side
@each
def test_ends(name: str, by: str) -> None:
    talk = Talk(name, 3)
    talk.handshake()
    if by == "target":
        talk.pump("target", talk.target.end())
        assert [type(one) for one in talk.events("target")] == [UserEndedSession]
        assert [type(one) for one in talk.events("engine")] == [PeerEndedSession]
        assert talk.target.send(b"in the clear") == [OutgoingMessage(b"in the clear")]
    else:
        talk.pump("engine", talk.engine.end())
        assert [type(one) for one in talk.events("target")] == [PeerEndedSession]
        refused = talk.target.send(b"for nobody else")
        assert [type(one) for one in refused] == [ActionRefused]
        assert any(words in line for line in talk.target.shown for words in REFUSED)


@each
def test_texts_in_the_clear(name: str) -> None:
    talk = Talk(name, 3)
    assert talk.target.receive(b"hello") == [TextReceived(b"hello", secure=False, warn=False, instance=0)]
    assert talk.target.send(b"hello, too") == [OutgoingMessage(b"hello, too")]
    talk.handshake()
    assert talk.target.receive(b"not from bob") == [TextReceived(b"not from bob", secure=False, warn=True, instance=0)]
    assert any("not encrypted" in line or "unencrypted" in line for line in talk.target.shown)


@each
def test_messages_that_can_not_be_read(name: str) -> None:
    talk = Talk(name, 3)
    talk.handshake()
    (message,) = outgoing(talk.engine.send(b"a text"))
    assert [type(one) for one in talk.target.receive(message)] == [TextReceived]
    assert MessageUnreadable in [type(one) for one in talk.target.receive(message)], "a replay"
    assert talk.target.receive(b"?OTR Error: no") == [ErrorMessageReceived(b"no")]


@each
def test_two_parties_know_nothing_of_each_other(name: str) -> None:
    first = Talk(name, 3)
    first.handshake()
    second = first.program.party("second", PartyConfig(published_key("alice"), BOTH, 0x1A1A), b"2")
    assert second.receive(b"hello") == [TextReceived(b"hello", secure=False, warn=False, instance=0)]
    first.talk(b"here")
    third = first.program.party("third", PartyConfig(published_key("carol"), BOTH, 0x1A1A), b"3")
    assert third.fingerprint != second.fingerprint


@each
def test_a_program_can_be_started_again(name: str) -> None:
    talk = Talk(name, 3)
    talk.handshake()
    before = talk.target.fingerprint
    talk.target.restart()
    assert talk.target.fingerprint == before
    assert talk.target.send(b"in the clear") == [OutgoingMessage(b"in the clear")]
    talk.engine.end()
    talk.events("engine")
    talk.handshake()
    talk.talk(b"after")


@each
def test_logs_are_told_and_keys_are_not_among_them(name: str) -> None:
    talk = Talk(name, 3)
    talk.handshake()
    logs = talk.target.logs()
    assert logs, "at least its settings"
    assert not any(f"{published_key('alice').x:X}".encode() in content.upper() for content in logs.values())


@each
def test_what_a_line_can_not_have_is_unsupported(name: str) -> None:
    talk = Talk(name, 3)
    several_lines = () if name == "pidgin" else (b"a\nb",)
    for text in (b"a\0b", b"", b"x" * 10_001, *several_lines):
        with pytest.raises(TargetUnsupported):
            talk.target.send(text)
    with pytest.raises(TargetUnsupported):
        talk.target.receive(b"\0")
    with pytest.raises(TargetUnsupported):
        talk.target.smp_answer(b"nobody asked")


@pytest.mark.parametrize("name", ["irssi", "bitlbee"])
def test_an_answer_that_can_not_be_typed_leaves_the_question(name: str) -> None:
    talk = Talk(name, 3)
    talk.handshake()
    talk.pump("engine", talk.engine.smp_start(b"otter"))
    assert any(isinstance(one, SmpRequested) for one in talk.events("target"))
    with pytest.raises(TargetUnsupported):
        talk.target.smp_answer(b"otter\n")
    with pytest.raises(TargetUnsupported, match="the question that is waiting"):
        talk.target.smp_start(b"otter")
    talk.pump("target", talk.target.smp_answer(b"otter"))
    assert [one.equal for one in talk.events("engine") if isinstance(one, SmpFinished)] == [True]


def test_bitlbee_is_told_once_that_a_session_has_ended() -> None:
    """Also if a handshake in fragments, of another client in libotr's eyes, follows the session."""
    talk = Talk("bitlbee", 2)
    talk.handshake()
    talk.pump("engine", talk.engine.end())
    assert [type(one) for one in talk.events("target")] == [PeerEndedSession]
    small = PartyConfig(published_key("bob"), ALLOW[3], 0x2B2B, 200)
    talk.engine = ReferenceEngine(small, SeededEntropy(b"2"))
    talk.pump("engine", talk.engine.start())
    assert [type(one) for one in talk.events("target")] == [SessionEstablished]


def test_pidgin_asks_no_empty_question() -> None:
    talk = Talk("pidgin", 3)
    talk.handshake()
    with pytest.raises(TargetUnsupported):
        talk.target.smp_start(b"otter", question=b"")
    with pytest.raises(TargetUnsupported, match="no dialog"):
        talk.target.smp_abort()
    assert [type(one) for one in talk.target.smp_start(b"", question=b"who?")] == [OutgoingMessage]


@each
def test_every_line_is_as_the_schema_says(name: str) -> None:
    started(name)
    traffic = Traffic()  # also checks every line in passing
    target = DriverTarget(name, THIRD_PARTIES[name].ready(), trace=traffic)
    try:
        alice = target.party("alice", PartyConfig(published_key("alice"), BOTH, 0x1A1A), b"1")
        alice.receive(b"?OTRv3?")
        alice.receive(b"text")
        alice.end()
        assert len(traffic.lines) > 8
    finally:
        target.close()


def programs_of(driver: int) -> list[int]:
    """All descendants of a process."""
    found = [driver]
    for pid in found:
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            found += map(int, task.read_text().split())
    return found[1:]


@each
def test_nothing_is_left_when_the_driver_ends(name: str) -> None:
    started(name)
    target = DriverTarget(name, THIRD_PARTIES[name].ready())
    target.party("alice", PartyConfig(published_key("alice"), BOTH, 0x1A1A), b"1")
    programs = programs_of(target.pid)
    assert programs
    target.close()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in programs):
        assert time.monotonic() < deadline, "a program has outlived its driver"


@each
def test_a_crash_of_the_program_is_a_crash_of_the_target(name: str) -> None:
    started(name)
    target = DriverTarget(name, THIRD_PARTIES[name].ready())
    try:
        alice = target.party("alice", PartyConfig(published_key("alice"), BOTH, 0x1A1A), b"1")
        for pid in programs_of(target.pid):
            with suppress(ProcessLookupError):  # Pidgin's screen and bus end with the process that holds them
                os.kill(pid, 11)
        with pytest.raises(TargetCrash, match="SIGSEGV"):
            alice.receive(b"hello")
    finally:
        target.close()


def _receive_until_it_ends(party: DriverParty) -> NoReturn:
    """Have a party receive messages until that fails: a program may still answer before its end is noticed."""
    while True:
        party.receive(b"hello")


@pytest.mark.parametrize(("part", "which"), [("Xvfb", 0), ("dbus-daemon", 0), ("dbus-daemon", 1)])
def test_the_end_of_pidgins_screen_or_of_a_bus_is_not_its_crash(part: str, which: int) -> None:
    started("pidgin")
    target = DriverTarget("pidgin", THIRD_PARTIES["pidgin"].ready())
    try:
        config = PartyConfig(published_key("alice"), BOTH, 0x1A1A)
        alice = target.party("alice", config, b"1")
        parts = [one for one in programs_of(target.pid) if Path(f"/proc/{one}/comm").read_text().strip() == part]
        os.kill(parts[which], 9)
        with pytest.raises(TargetStranded, match=part):
            _receive_until_it_ends(alice)
        target.reset()
        alice = target.party("alice", config, b"1")
        assert alice.receive(b"hello") == [TextReceived(b"hello", secure=False, warn=False, instance=0)]
    finally:
        target.close()
