"""The drivers of python-potr and python-otr: each lets its library talk with the reference engine.

Honest conversations succeed. Mistakes of the libraries come through unchanged: a driver must not hide them by repairing
them. A target that is not installed is skipped, with the command that installs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from otterproof.harness.simulation.exchange import exchange, other_events, outgoing
from otterproof.harness.targets.driver import DriverParty, TargetFailed, TargetUnsupported
from otterproof.harness.testkit.keys import published_key
from otterproof.implementations.actions import Receiver
from otterproof.implementations.contract import (
    ActionRefused,
    ErrorMessageReceived,
    Event,
    ExtraKeyDerived,
    MessageUnreadable,
    OutgoingMessage,
    PartyConfig,
    PeerEndedSession,
    Policy,
    RefuseReason,
    RejectReason,
    SessionEstablished,
    SmpAborted,
    SmpAbortReason,
    SmpFinished,
    SmpRequested,
    TextReceived,
    UserEndedSession,
)
from otterproof.implementations.drivers.python_otr.python2 import translated
from otterproof.implementations.entropy import SeededEntropy
from otterproof.implementations.reference import ReferenceEngine
from tests.driver_pair import end_started, started

pytestmark = pytest.mark.slow


ALLOW = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}
VERSIONS = {"potr": (2,), "python-otr": (2, 3)}

each = pytest.mark.parametrize("name", VERSIONS)
in_each_version = pytest.mark.parametrize(
    ("name", "version"), [(name, version) for name, versions in VERSIONS.items() for version in versions]
)
from_each_side = pytest.mark.parametrize("by", ["target", "engine"])


@pytest.fixture(scope="module", autouse=True)
def _ended() -> Iterator[None]:
    yield
    end_started()


class Pair:
    """A party of the target and an engine, talking to each other."""

    def __init__(
        self, name: str, version: int, *, size: int | None = None, seed: bytes = b"1", more: Policy = Policy.NONE
    ) -> None:
        policy = ALLOW[version] | more
        self.version = version
        self.target: DriverParty = started(name).party(
            "alice", PartyConfig(published_key("alice"), policy, None, size), seed
        )
        self.engine = ReferenceEngine(PartyConfig(published_key("bob"), policy, None, size), SeededEntropy(seed))
        #: Events without outgoing messages, and sent messages, in order, since the last request.
        self.told: dict[str, list[Event]] = {"target": [], "engine": []}
        self.sent: dict[str, list[bytes]] = {"target": [], "engine": []}

    def pump(self, by: str, events: Sequence[Event]) -> None:
        """The events of one side, with everything that results from them."""
        parties: dict[str, Receiver] = {"target": self.target, "engine": self.engine}
        for who, found in exchange(parties, by, events).items():
            self.sent[who] += outgoing(found)
            self.told[who] += other_events(found)

    def events(self, who: str) -> list[Event]:
        told, self.told[who] = self.told[who], []
        return told

    def party(self, who: str) -> DriverParty | ReferenceEngine:
        return self.target if who == "target" else self.engine

    def handshake(self, by: str = "target") -> SessionEstablished:
        """The target's report of the handshake."""
        self.pump(by, self.party(by).start())
        [mine], [theirs] = self.events("target"), self.events("engine")
        assert isinstance(mine, SessionEstablished)
        assert isinstance(theirs, SessionEstablished)
        assert (mine.version, theirs.version) == (self.version, self.version)
        assert mine.ssid == theirs.ssid
        assert (mine.fingerprint, theirs.fingerprint) == (self.engine.fingerprint, self.target.fingerprint)
        assert mine.instance == (self.engine.instance_tag if self.version == 3 else 0)
        # The tag is the only way to identify the other side's session.
        self.instance = {"target": mine.instance, "engine": theirs.instance}
        return mine

    def talk(self, text: bytes) -> None:
        for who, other in (("target", "engine"), ("engine", "target")):
            self.pump(who, self.party(who).send(text))
            assert self.events(other) == [TextReceived(text, secure=True, warn=False, instance=self.instance[other])]

    def smp(self, by: str, secrets: tuple[bytes, bytes], question: bytes | None = None) -> None:
        """A run of SMP; the caller checks how its end is reported."""
        other = "engine" if by == "target" else "target"
        self.pump(by, self.party(by).smp_start(secrets[0], question=question))
        assert self.events(other) == [SmpRequested(self.instance[other], question)]
        self.pump(other, self.party(other).smp_answer(secrets[1]))


@pytest.mark.slow
@each
def test_hello(name: str) -> None:
    target = started(name)
    assert target.version == {"potr": "1.0.2", "python-otr": "1.2.2"}[name]
    assert target.randomness == "seed"
    assert target.capabilities & {"v2", "v3"} == {f"v{version}" for version in VERSIONS[name]}
    assert target.capabilities >= {"smp", "smp_question"}


@from_each_side
@in_each_version
def test_handshake_and_data(name: str, version: int, by: str) -> None:
    pair = Pair(name, version)
    told = pair.handshake(by)
    if name == "potr":  # python-otr does not report which half of the session id is whose
        assert told.sent_reveal_signature == (by == "engine")
    for number in range(5):  # each round trip uses new keys on both sides
        pair.talk(f"Nr. {number}, größer".encode() + b"\xff\x80")
    pair.talk(b"long " * 2000)


@from_each_side
@pytest.mark.parametrize("question", [None, b"Lutra l\xfctra?"])
@in_each_version
def test_smp_with_equal_secrets(name: str, version: int, question: bytes | None, by: str) -> None:
    pair = Pair(name, version)
    pair.handshake()
    for _ in range(2):  # a run leaves nothing behind
        pair.smp(by, (b"otter", b"otter"), question)
        for who in ("target", "engine"):
            assert pair.events(who) == [SmpFinished(pair.instance[who], equal=True)]
    pair.talk(b"still there")


@from_each_side
@in_each_version
def test_smp_with_unequal_secrets(name: str, version: int, by: str) -> None:
    pair = Pair(name, version)
    pair.handshake()
    pair.smp(by, (b"otter", b"ferret"), b"Which?")
    assert pair.events("target") == [SmpFinished(pair.instance["target"], equal=False)]
    if name == "potr" and by == "engine":
        # It aborts instead of sending the last message, so the initiator never learns the result.
        assert pair.events("engine") == [SmpAborted(0, SmpAbortReason.PEER_ABORTED)]
    else:
        told = pair.events("engine")
        assert told[0] == SmpFinished(pair.instance["engine"], equal=False)
    pair.talk(b"still there")


@in_each_version
def test_smp_is_aborted(name: str, version: int) -> None:
    pair = Pair(name, version)
    pair.handshake()
    for by, other in (("target", "engine"), ("engine", "target")):
        pair.pump(by, pair.party(by).smp_start(b"otter"))
        pair.events(other)
        pair.pump(by, pair.party(by).smp_abort())
        assert pair.events(other) == [SmpAborted(pair.instance[other], SmpAbortReason.PEER_ABORTED)]
        assert pair.events(by) == []


@from_each_side
@in_each_version
def test_end_and_begin_again(name: str, version: int, by: str) -> None:
    pair = Pair(name, version)
    pair.handshake()
    pair.talk(b"one")
    other = "engine" if by == "target" else "target"
    pair.pump(by, pair.party(by).end())
    assert pair.events(by) == [UserEndedSession(pair.instance[by])]
    assert pair.events(other) == [PeerEndedSession(pair.instance[other])]
    if other == "target":  # the engine would store the text and send it later
        assert pair.target.send(b"nobody is there") == [ActionRefused("send", RefuseReason.WRONG_STATE)]
    pair.pump(other, pair.party(other).end())
    assert pair.events(other) == [UserEndedSession(pair.instance[other])]
    pair.sent["target"].clear()
    pair.handshake(other)
    pair.talk(b"two")


@each
def test_texts_in_the_clear(name: str) -> None:
    pair = Pair(name, 2)
    for who, other in (("target", "engine"), ("engine", "target")):
        pair.pump(who, pair.party(who).send(b"hello \xc3\xbc \xff"))
        assert pair.events(other) == [TextReceived(b"hello \xc3\xbc \xff", secure=False, warn=False, instance=0)]
    pair.handshake()
    # Before raising UnencryptedMessage, potr checks whether bytes are a str: in Python 3 it never raises it.
    warned = name == "python-otr"
    assert pair.target.receive(b"in the clear") == [TextReceived(b"in the clear", False, warned, 0)]
    assert pair.target.receive(b"?OTR Error: broken") == [ErrorMessageReceived(b" broken")]


@each
def test_unreadable_messages(name: str) -> None:
    """The library's error texts become reasons if it has any; without a session python-otr shows what it receives."""
    pair = Pair(name, 2)
    pair.handshake()
    [message] = [event.message for event in pair.engine.send(b"once") if isinstance(event, OutgoingMessage)]
    assert [type(event) for event in pair.target.receive(message)] == [TextReceived]
    repeated = [event for event in pair.target.receive(message) if isinstance(event, MessageUnreadable)]
    assert repeated == [MessageUnreadable(0, {"potr": None, "python-otr": RejectReason.BAD_COUNTER}[name], None, None)]
    early = [event for event in Pair(name, 2).target.receive(message) if not isinstance(event, OutgoingMessage)]
    assert early == [
        MessageUnreadable(0, RejectReason.NOT_ENCRYPTED, None, None)
        if name == "potr"
        else TextReceived(message, secure=False, warn=False, instance=0)
    ]


@in_each_version
def test_fragments_come_in(name: str, version: int) -> None:
    pair = Pair(name, version, size=200)
    pair.handshake("engine")
    pair.talk(b"in pieces " * 30)
    pieces = {who: sum(message[:5] in (b"?OTR|", b"?OTR,") for message in pair.sent[who]) for who in pair.sent}
    assert pieces["engine"] > 10
    assert (pieces["target"] > 10) == (name == "potr")  # python-otr does not fragment


@each
def test_whitespace_tag_starts_a_handshake(name: str) -> None:
    pair = Pair(name, 2, more=Policy.SEND_WHITESPACE_TAG | Policy.WHITESPACE_START_AKE)
    pair.pump("engine", pair.engine.send(b"hello"))
    assert {type(event) for event in pair.events("target")} == {TextReceived, SessionEstablished}
    assert {type(event) for event in pair.events("engine")} == {SessionEstablished}


def test_potr_sends_tags_heartbeats_and_the_extra_key() -> None:
    pair = Pair("potr", 2, more=Policy.SEND_WHITESPACE_TAG)
    [tagged] = pair.target.send(b"hello")
    assert isinstance(tagged, OutgoingMessage)
    assert tagged.message.startswith(b"hello \t")
    pair.handshake()
    pair.target.set_time(60)
    pair.talk(b"now")
    pair.sent["target"].clear()
    pair.target.set_time(120)
    pair.pump("engine", pair.engine.send(b"too early"))
    assert pair.sent["target"] == []
    pair.target.set_time(121)
    pair.pump("engine", pair.engine.send(b"it is due"))
    assert len(pair.sent["target"]) == 1
    outgoing, key = pair.target.extra_key(7, b"otter.png")
    assert isinstance(outgoing, OutgoingMessage)
    assert isinstance(key, ExtraKeyDerived)
    assert (key.received, key.use, key.data, len(key.key)) == (False, 7, b"otter.png", 32)


def test_potr_takes_padding() -> None:
    pair = Pair("potr", 2)
    pair.handshake()
    pair.pump("target", pair.target.send(b"padded", padding=300))
    assert pair.events("engine") == [TextReceived(b"padded", secure=True, warn=False, instance=0)]


@in_each_version
def test_same_seed_same_bytes(name: str, version: int) -> None:
    def transcript(seed: bytes) -> list[bytes]:
        pair = Pair(name, version)
        config = PartyConfig(published_key("alice"), ALLOW[version])
        pair.target = started(name).party("alice", config, seed)
        pair.handshake("engine")
        pair.talk(b"hello")
        pair.smp("target", (b"a", b"b"))
        return pair.sent["target"]

    assert transcript(b"one") == transcript(b"one")
    # No secret is the same under another seed.
    assert not set(transcript(b"one")) & set(transcript(b"two"))


@each
def test_parties_are_apart(name: str) -> None:
    target, version = started(name), VERSIONS[name][-1]
    parties = {
        who: target.party(who, PartyConfig(published_key(who), ALLOW[version]), b"of both") for who in ("alice", "bob")
    }
    found = exchange(parties, "alice", parties["alice"].start())
    assert [[type(event) for event in other_events(events)] for events in found.values()] == [[SessionEstablished]] * 2


@each
def test_what_is_unsupported(name: str) -> None:
    party = started(name).party("alice", PartyConfig(published_key("alice")), b"")
    with pytest.raises(TargetUnsupported):
        party.send(b"text", instance=0x100)
    if name == "python-otr":
        with pytest.raises(TargetUnsupported):
            party.send(b"text", padding=3)
        with pytest.raises(TargetUnsupported):
            party.extra_key(1)


@each
def test_an_exception_of_the_library_is_an_answer(name: str) -> None:
    """Both fail on a TLV of an unknown type, and the driver survives."""
    target = started(name)
    alice, bob = (target.party(who, PartyConfig(published_key(who), ALLOW[2]), b"") for who in ("alice", "bob"))
    exchange({"alice": alice, "bob": bob}, "alice", alice.start())
    # Neither library checks texts for a NUL, so a TLV can be typed.
    [message] = alice.send(b"hi\0" + b"\x12\x34\0\3abc")
    assert isinstance(message, OutgoingMessage)
    with pytest.raises(TargetFailed, match=r"UnknownTLV|KeyError"):
        bob.receive(message.message)
    assert alice.send(b"still there")


@pytest.mark.slow
def test_translation_from_python_2() -> None:
    source = """
class Meta(type):
    seen = []
    def __init__(cls, name, bases, body):
        Meta.seen.append(name)

class One(object):
    __metaclass__ = Meta

class Two(One): __metaclass__ = Meta

def caught():
    try:
        raise ValueError("why")
    except ValueError, error:
        return str(error)

mode = 0600
"""
    names: dict[str, object] = {"__name__": "translated"}
    exec(compile(translated(source), "source", "exec"), names)
    assert names["mode"] == 0o600
    assert vars(names["Meta"])["seen"] == ["One", "Two"]
    assert callable(names["caught"])
    assert names["caught"]() == "why"
