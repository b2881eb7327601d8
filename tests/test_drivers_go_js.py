"""The drivers of otr (npm), otr3 and golang.org/x/crypto/otr: each lets its library talk with the reference engine.

The mistakes of the libraries are not tested here; the seeds are chosen so that the conversations succeed. A target
whose tools are missing is skipped, with the command that installs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from otterproof.harness.simulation.exchange import exchange, other_events, outgoing
from otterproof.harness.targets.driver import DriverParty, TargetUnsupported
from otterproof.harness.testkit.keys import published_key
from otterproof.implementations.actions import Receiver
from otterproof.implementations.contract import (
    ActionRefused,
    Engine,
    Event,
    ExtraKeyDerived,
    PartyConfig,
    PeerEndedSession,
    Policy,
    SessionEstablished,
    SmpAborted,
    SmpFinished,
    SmpRequested,
    TextReceived,
    UserEndedSession,
)
from otterproof.implementations.entropy import SeededEntropy
from otterproof.implementations.reference import ReferenceEngine
from tests.driver_pair import end_started, started

pytestmark = pytest.mark.slow


VERSIONS = {"otrjs": (2, 3), "otr3": (2, 3), "xcrypto": (2,)}
CASES = [(name, version) for name, versions in VERSIONS.items() for version in versions]
ALLOW = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}
TARGET_TAG, ENGINE_TAG = 0x1A2B, 0xF00DF00D

in_each_version = pytest.mark.parametrize(("name", "version"), CASES)


@pytest.fixture(scope="module", autouse=True)
def _ended() -> Iterator[None]:
    yield
    end_started()


def _without_warnings(event: Event) -> Event:
    """An event in the form to compare: not all drivers report whether the user is warned."""
    return replace(event, warn=False) if isinstance(event, TextReceived) and event.warn is None else event


class Pair:
    """A party of the target and an engine that talk; `told`: the events of each, without outgoing messages."""

    def __init__(self, name: str, version: int, *, size: int | None = None, seed: bytes = b"otterproof") -> None:
        target = started(name)
        target.reset()
        self.version = version
        config = PartyConfig(published_key("alice"), ALLOW[version], TARGET_TAG, size)
        self.target: DriverParty = target.party("alice", config, seed)
        config = PartyConfig(published_key("bob"), ALLOW[version], ENGINE_TAG, size)
        self.engine: Engine = ReferenceEngine(config, SeededEntropy(seed))
        self.told: dict[str, list[Event]] = {"target": [], "engine": []}
        self.sent: dict[str, list[bytes]] = {"target": [], "engine": []}

    def pump(self, by: str, events: Sequence[Event]) -> None:
        """The events of one side, with everything that results from them."""
        parties: dict[str, Receiver] = {"target": self.target, "engine": self.engine}
        for who, found in exchange(parties, by, events).items():
            self.sent[who] += outgoing(found)
            self.told[who] += map(_without_warnings, other_events(found))

    def events(self, who: str) -> list[Event]:
        """The events since the last call."""
        told, self.told[who] = self.told[who], []
        return told

    def handshake(self, by: str = "target") -> None:
        self.pump(by, self.target.start() if by == "target" else self.engine.start())
        [mine], [theirs] = self.events("target"), self.events("engine")
        assert isinstance(mine, SessionEstablished)
        assert isinstance(theirs, SessionEstablished)
        assert (mine.version, mine.ssid) == (self.version, theirs.ssid)
        assert mine.fingerprint == self.engine.fingerprint
        assert theirs.fingerprint == self.target.fingerprint
        assert mine.instance == (ENGINE_TAG if self.version == 3 else 0)
        assert theirs.instance == (TARGET_TAG if self.version == 3 else 0)

    def talk(self, text: bytes) -> None:
        """The text is sent in both directions."""
        self.pump("target", self.target.send(text))
        self.pump("engine", self.engine.send(text))
        for who, instance in (("target", ENGINE_TAG), ("engine", TARGET_TAG)):
            [event] = self.events(who)
            expected = TextReceived(text, secure=True, warn=False, instance=instance if self.version == 3 else 0)
            assert event == expected

    def smp(self, by: str, secrets: tuple[bytes, bytes], question: bytes | None) -> None:
        starter, answerer, other = (
            (self.target, self.engine, "engine") if by == "target" else (self.engine, self.target, "target")
        )
        self.pump(by, starter.smp_start(secrets[0], question=question))
        [asked] = self.events(other)
        assert isinstance(asked, SmpRequested)
        assert asked.question == question
        self.pump(other, answerer.smp_answer(secrets[1]))
        equal = secrets[0] == secrets[1]
        for who in ("target", "engine"):
            [ended] = self.events(who)
            # It is safe, if not correct, that a library aborts instead of sending its last message when the secrets
            # differ.
            assert isinstance(ended, SmpFinished | SmpAborted)
            assert ended.equal == equal if isinstance(ended, SmpFinished) else not equal


@pytest.mark.slow
@pytest.mark.parametrize("name", VERSIONS)
def test_hello(name: str) -> None:
    target = started(name)
    assert target.version not in ("", "unknown")
    assert target.randomness == "seed"
    spoken = {f"v{version}" for version in VERSIONS[name]}
    assert target.capabilities & {"v2", "v3"} == spoken
    assert {"smp", "smp_question", "fragmentation_out"} <= target.capabilities


@pytest.mark.parametrize("by", ["target", "engine"])
@in_each_version
def test_handshake_and_data(name: str, version: int, by: str) -> None:
    pair = Pair(name, version)
    pair.handshake(by)
    for number in range(4):  # each round trip uses new keys on both sides
        pair.talk(f"number {number}, ünicode".encode())
    pair.talk(b"long " * 1000)


@pytest.mark.parametrize("by", ["target", "engine"])
@in_each_version
def test_smp(name: str, version: int, by: str) -> None:
    pair = Pair(name, version)
    pair.handshake()
    pair.smp(by, (b"otter", b"otter"), None)
    pair.talk(b"still there")
    pair.smp(by, (b"otter", b"otter"), "Lutra lütra?".encode())


@pytest.mark.parametrize("by", ["target", "engine"])
@in_each_version
def test_smp_with_unequal_secrets(name: str, version: int, by: str) -> None:
    pair = Pair(name, version)
    pair.handshake()
    pair.smp(by, (b"otter", b"ferret"), b"Which?")


@pytest.mark.parametrize("name", ["otrjs", "otr3"])
def test_extra_key(name: str) -> None:
    pair = Pair(name, 3)
    pair.handshake()
    for by, party in (("target", pair.target), ("engine", pair.engine)):
        pair.pump(by, party.extra_key(1, b"otter.png"))
        [mine], [theirs] = pair.events("target"), pair.events("engine")
        assert isinstance(mine, ExtraKeyDerived)
        assert isinstance(theirs, ExtraKeyDerived)
        assert mine.key == theirs.key
        assert len(mine.key) == 32
        assert mine.data == theirs.data == b"otter.png"
        assert (mine.received, theirs.received) == (by == "engine", by == "target")


@pytest.mark.parametrize("size", [100, 255])
@in_each_version
def test_fragments(name: str, version: int, size: int) -> None:
    pair = Pair(name, version, size=size)
    pair.handshake()
    pair.talk(b"in pieces " * 50)
    for who in ("target", "engine"):
        assert sum(message.startswith((b"?OTR|", b"?OTR,")) for message in pair.sent[who]) > 5


@pytest.mark.parametrize("by", ["target", "engine"])
@in_each_version
def test_end_and_begin_again(name: str, version: int, by: str) -> None:
    pair = Pair(name, version)
    pair.handshake()
    pair.talk(b"one")
    one, other = (pair.target, pair.engine) if by == "target" else (pair.engine, pair.target)
    left = "engine" if by == "target" else "target"
    instance = {"target": ENGINE_TAG, "engine": TARGET_TAG} if version == 3 else {"target": 0, "engine": 0}
    pair.pump(by, one.end())
    assert pair.events(by) == [UserEndedSession(instance[by])]
    assert pair.events(left) == [PeerEndedSession(instance[left])]
    [refused] = other.send(b"nobody is there")
    assert isinstance(refused, ActionRefused)
    pair.pump(left, other.end())
    assert pair.events(left) == [UserEndedSession(instance[left])]


@in_each_version
def test_repeated_handshake(name: str, version: int) -> None:
    pair = Pair(name, version)
    pair.pump("engine", pair.engine.start())
    pair.pump("engine", pair.engine.send(b"one"))
    pair.told = {"target": [], "engine": []}
    pair.pump("engine", pair.engine.end())
    pair.pump("target", pair.target.end())
    pair.told = {"target": [], "engine": []}
    pair.handshake("engine")
    pair.talk(b"two")


@pytest.mark.parametrize("name", VERSIONS)
def test_plain_text(name: str) -> None:
    pair = Pair(name, 2)
    pair.pump("target", pair.target.send(b"hello \xc3\xbc"))
    assert pair.events("engine") == [TextReceived(b"hello \xc3\xbc", secure=False, warn=False, instance=0)]
    pair.pump("engine", pair.engine.send(b"any \xff\x80 bytes"))
    assert pair.events("target") == [TextReceived(b"any \xff\x80 bytes", secure=False, warn=False, instance=0)]


@pytest.mark.parametrize("name", VERSIONS)
def test_same_seed_same_bytes(name: str) -> None:
    def transcript(seed: bytes) -> list[bytes]:
        # The engine always draws the same, so only the target's seed matters.
        pair = Pair(name, VERSIONS[name][-1], seed=seed)
        pair.handshake("engine")
        pair.talk(b"hello")
        return pair.sent["target"]

    assert transcript(b"one") == transcript(b"one")
    assert transcript(b"one") != transcript(b"two")


@pytest.mark.parametrize("name", VERSIONS)
def test_parties_are_apart(name: str) -> None:
    target, version = started(name), VERSIONS[name][-1]
    target.reset()
    alice, bob = (
        target.party(who, PartyConfig(published_key(who), ALLOW[version]), b"seed of both") for who in ("alice", "bob")
    )
    found = exchange({"alice": alice, "bob": bob}, "bob", bob.receive(b"?OTRv23?"))
    assert [[type(event) for event in other_events(events)] for events in found.values()] == [[SessionEstablished]] * 2


@pytest.mark.parametrize("name", VERSIONS)
def test_unsupported_is_an_answer(name: str) -> None:
    target = started(name)
    target.reset()
    party = target.party("alice", PartyConfig(published_key("alice")), b"")
    with pytest.raises(TargetUnsupported):
        party.send(b"text", padding=3)
    assert party.start()


@pytest.mark.slow
def test_heartbeat_of_otr3() -> None:
    pair = Pair("otr3", 3)
    pair.handshake()
    pair.talk(b"now")
    sent = len(pair.sent["target"])
    pair.target.set_time(59)
    pair.pump("engine", pair.engine.send(b"too early"))
    assert len(pair.sent["target"]) == sent
    pair.target.set_time(61)
    pair.pump("engine", pair.engine.send(b"now it is due"))
    assert len(pair.sent["target"]) == sent + 1
