"""Conversations that give every oracle something to judge. With genuine engines no oracle objects.

Each program is a function on a case. Together they have loss, replay, reordering, tampering and every user action, so
that a fault that an oracle is meant to detect can show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from otterproof.harness import wire
from otterproof.harness.runs.fuzz.case import BOTH, Case
from otterproof.harness.simulation.moves import (
    ChangeField,
    Delay,
    Deliver,
    Drop,
    Duplicate,
    FlipBit,
    Fragment,
    Inject,
    Move,
    Replay,
    Shuffle,
    Tick,
    Truncate,
    User,
)
from otterproof.harness.simulation.world import Step
from otterproof.implementations.contract import OutgoingMessage, Policy

#: Keyword arguments of Case.
Arguments: TypeAlias = dict[str, Any]

Play = Callable[[Case], None]


@dataclass(frozen=True)
class Program:
    """A conversation and the setups to run it in: keyword arguments of Case."""

    play: Play
    setups: tuple[Arguments, ...]


PROGRAMS: dict[str, Program] = {}


def _program(*setups: Arguments) -> Callable[[Play], Play]:
    def register(play: Play) -> Play:
        PROGRAMS[play.__name__.lstrip("_")] = Program(play, setups)
        return play

    return register


def assert_judged(case: Case, program: Program) -> None:
    """Play a whole program. Its oracles must not object, and must have judged steps of at least two parties."""
    steps: list[Step] = []
    case.world.watchers.append(steps.append)
    program.play(case)
    case.finish()
    assert case.oracles in case.world.judges
    transmitting = {step.party for step in steps for event in step.events if isinstance(event, OutgoingMessage)}
    assert len(transmitting) >= 2


V2: Arguments = {"start": "2", "policy": "v2"}
V3: Arguments = {"start": "3"}
SCRATCH: Arguments = {"start": "scratch"}


def say(party: str, text: bytes) -> User:
    return User(party, "send", {"text": text})


def act(party: str, action: str, **args: object) -> User:
    return User(party, action, args)


def _do(case: Case, *moves: Move) -> None:
    """Make each move, followed by the delivery of everything."""
    for move in moves:
        case.run([move])
        case.settle()


@_program(V3, V2, {"start": "3", "size": 100})
def talk(case: Case) -> None:
    """Texts in turn and in a row, an extra key, heartbeats; an end and a new session."""
    for number in range(4):
        _do(case, say("alice", b"question %d" % number), say("bob", b"answer number %d" % number))
    _do(case, *[say("alice", b"and another thing, %d" % number) for number in range(3)])
    _do(case, act("bob", "send", text=b" padded ", padding=40), act("alice", "extra_key", use=7, data=b"a file's name"))
    _do(case, Tick(61), say("alice", b"after a while"), Tick(61), say("bob", b"after a longer while"))
    _do(case, act("alice", "end"), say("bob", b"said in FINISHED"), act("bob", "end"))
    _do(case, act("bob", "start"), say("alice", b"in the next session"), say("bob", b"here we are again"))
    _do(case, say("alice", b"so it seems, and so on"), act("bob", "end"), act("alice", "end"))


@_program(V3, V2)
def replays(case: Case) -> None:
    """Everything ever sent is delivered again to both, twice."""
    for number in range(3):
        _do(case, say("alice", b"once and only once, %d" % number), say("alice", b"and once more %d" % number))
        _do(case, say("bob", b"an answer, %d" % number))
        for party in ("alice", "bob"):
            case.run([Replay(party, index) for index in range(len(case.world.network.history))])
        case.settle()
    case.run(
        [act("alice", "start"), Deliver("bob"), Deliver("alice"), Duplicate("bob"), Deliver("bob"), Deliver("bob")]
    )
    case.run([Duplicate("alice"), Deliver("alice"), Deliver("alice"), Duplicate("bob"), Deliver("bob"), Deliver("bob")])
    case.settle()


@_program(V3, V2)
def losses(case: Case) -> None:
    """Texts lost, delayed and reordered, within a key pair and across key pairs."""
    for number in range(3):
        case.run([say("alice", b"text %d.%d from alice" % (number, part)) for part in range(4)])
        case.run([Drop("bob", 1), Delay("bob", 0), Deliver("bob", 1), Deliver("bob"), Deliver("bob")])
        case.run([say("bob", b"text %d.%d from bob" % (number, part)) for part in range(3)])
        case.run([Deliver("alice", (2, -1, 2)[number]), Duplicate("alice"), say("alice", b"crossing %d" % number)])
        case.settle()
    case.run([say("alice", b"late, late, late"), Delay("bob")])
    late = case.world.network.queues["bob"].pop()
    for number in range(3):
        _do(case, say("alice", b"overtaking %d" % number), say("bob", b"overtaken %d" % number))
    case.run([Inject("bob", late), Shuffle("alice", 1)])
    case.settle()


@_program(V3, V2)
def smp(case: Case) -> None:
    """SMP with equal and unequal secrets, with questions, aborted, restarted, and cut off by the end of the session."""
    for asks, answers in (("alice", "bob"), ("bob", "alice")):
        for own, theirs in ((b"open sesame", b"open sesame"), (b"open sesame", b"Open Sesame")):
            _do(case, act(asks, "smp_start", secret=own, question=b"what is the word?"))
            _do(case, act(answers, "smp_answer", secret=theirs))
        _do(case, act(asks, "smp_start", secret=b"first secret"), act(asks, "smp_start", secret=b"second secret"))
        _do(case, act(answers, "smp_answer", secret=b"second secret"), act(answers, "smp_answer", secret=b"too late"))
        _do(case, act(asks, "smp_start", secret=b"never used"), act(answers, "smp_abort"))
        case.run([act(asks, "smp_start", secret=b"crossing"), act(answers, "smp_start", secret=b"crossing")])
        case.settle()
        _do(case, act(asks, "smp_start", secret=b"left alone"), act(asks, "end"), act(answers, "end"))
        _do(case, act(asks, "start"))
        _do(case, act(asks, "smp_start", secret=b"in the new session"), act(asks, "start"))
        _do(case, act(answers, "smp_answer", secret=b"nobody asks"))


@_program(SCRATCH, {"start": "scratch", "policy": "v2"}, V3, V2)
def handshakes(case: Case) -> None:
    """Handshakes started by either side, simultaneous, repeated, with losses and duplicates."""
    for asks in ("alice", "bob"):
        _do(case, act(asks, "start"), say("alice", b"encrypted now"), say("bob", b"so is this"))
    for first in ("alice", "bob"):
        case.run([act("alice", "start"), act("bob", "start"), Deliver("alice"), Deliver("bob"), Deliver(first)])
        case.settle()
        _do(case, say("alice", b"after a collision"))
    case.run([act("bob", "start"), Deliver("alice"), say("alice", b"said while a D-H Key is awaited")])
    case.settle()
    case.run([act("alice", "start"), Deliver("bob"), Deliver("alice"), say("alice", b"said meanwhile")])
    case.settle()
    for asks, to in (("bob", "bob"), ("alice", "alice")):
        answers = "alice" if asks == "bob" else "bob"
        case.run([act(asks, "start"), Deliver(answers), Deliver(to), Duplicate(answers), Duplicate(answers)])
        case.run([Deliver(answers), FlipBit(answers, 0, 999), Deliver(answers)])
        case.settle()
    case.run([act("alice", "start"), Deliver("bob"), Duplicate("alice"), Deliver("alice"), Deliver("alice")])
    case.run([Drop("bob"), Deliver("bob"), Drop("alice"), say("alice", b"half way"), act("bob", "start")])
    case.settle()
    case.run([act("alice", "start"), Deliver("bob"), Deliver("alice"), Deliver("bob"), Deliver("alice"), Drop("bob")])
    case.run([say("alice", b"not understood")])
    case.settle()
    _do(case, act("alice", "start"), say("bob", b"understood again"))
    case.run([act("alice", "end"), Drop("bob"), say("bob", b"not understood"), say("bob", b"nor is this")])
    case.settle()


def _each_field(case: Case, to: str) -> None:
    """Each field of the next message changed in turn; the genuine message stays in its place."""
    message = wire.parse(case.world.network.queues[to][0])
    # Nothing authenticates the header of a handshake message: with other tags it belongs to another session.
    skipped = ("version", "type", "sender_tag", "receiver_tag") if message.kind is not wire.Kind.DATA else ()
    fields = [one for one in message.fields if one.name not in skipped]
    bits = [8 * one.offset + 8 * len(one.raw) - 1 for one in fields] if message.armour else [3]
    for bit in bits:
        case.run([Duplicate(to), FlipBit(to, 0, bit), Deliver(to)])
    case.run([Duplicate(to), Truncate(to, 0, max(len(message.body) - 5, 1)), Deliver(to)])
    for name, value in _CHANGES:
        if message.has(name):
            case.run([Duplicate(to), ChangeField(to, 0, name, value), Deliver(to)])


#: Invalid values for fields.
_CHANGES: list[tuple[str, int | bytes]] = [
    ("gy", 1),
    ("gy", wire.DH_PRIME - 1),
    ("next_dh", 1),
    ("sender_keyid", 9),
    ("ctr", b"\xff" * 8),
    ("flags", 1),
]


@_program(SCRATCH, {"start": "scratch", "policy": "v2"})
def tampering(case: Case) -> None:
    """Every field of every kind of message to each party, changed one at a time."""
    for asks in ("alice", "bob"):
        done: set[tuple[str, str]] = set()
        case.run([act(asks, "start")])
        for _ in range(60):
            to = next((name for name, queue in case.world.network.queues.items() if queue), None)
            if to is None:
                break
            kind = wire.parse(case.world.network.queues[to][0]).kind
            if (to, kind) not in done and kind is not wire.Kind.ERROR:
                done.add((to, kind))
                if kind is wire.Kind.DH_KEY:  # any value is taken, so only its range can be wrong
                    case.run([Duplicate(to), Deliver(to)])
                _each_field(case, to)
            case.run([Deliver(to)])
            if kind is wire.Kind.SIGNATURE:
                case.run([say("alice", b"to be changed"), say("bob", b"to be changed, too")])
        case.settle()
        _do(case, say("alice", b"and all is well"), say("bob", b"as it should be"))


@_program({"start": "scratch", "policy": "private"}, {"start": "scratch", "policy": "eager"}, SCRATCH)
def in_the_clear(case: Case) -> None:
    """Texts typed and received in every message state, under the policies that matter for them."""
    _do(case, say("alice", b"typed before anything"), say("bob", b"answered at once"), say("alice", b"said again"))
    _do(case, Inject("alice", b"?OTRv23?"), Inject("alice", b"plain words in a private conversation"))
    _do(case, say("alice", b"in private"), say("bob", b"in private, too"))
    _do(case, act("bob", "end"), say("alice", b"typed in FINISHED"), Inject("alice", b"plain words, after the end"))
    _do(case, Tick(61), say("alice", b"typed in FINISHED, later"), act("bob", "start"), say("bob", b"here"))
    _do(case, act("alice", "end"), Inject("bob", b"plain words"), act("bob", "end"), say("bob", b"typed at the end"))
    _do(case, act("alice", "end"), act("bob", "end"))
    _do(case, Inject("alice", b"plain words"), say("alice", b"typed after them"), act("alice", "end"))
    case.run([act("alice", "start"), Deliver("bob"), say("alice", b"typed early"), Deliver("alice")])
    case.run([say("alice", b"typed while the handshake is under way"), say("bob", b"and on the other side")])
    case.settle()
    _do(case, act("alice", "end"), act("bob", "end"))
    _do(case, act("alice", "set_policy", policy=Policy.NONE), say("alice", b"with OTR switched off"))
    _do(case, act("alice", "set_policy", policy=BOTH), say("bob", b"and on again"), say("alice", b"good to know"))


TAG = wire.TAG_BASE


@_program(SCRATCH, V3, V2, {"start": "scratch", "policy": "eager"}, {"start": "3", "policy": "private"})
def negotiation(case: Case) -> None:
    """Queries, tags and errors of every form, under every policy."""
    offers = [b"?OTR?", b"?OTRv2?", b"?OTRv3?", b"?OTRv23?", b"?OTR?v2?", b"?OTRv24x?", b"?OTRv?", b"?OTRv2? or 3?"]
    offers += [b"text" + TAG + wire.TAG_VERSIONS[2], b"text" + TAG + wire.TAG_VERSIONS[3] + b"more text"]
    offers += [b"text" + TAG + b" " * 8 + wire.TAG_VERSIONS[2], b"text" + TAG, b"?OTR Error: 3", b"an ?OTR Error: 4"]
    for policy in (None, Policy.ALLOW_V2, Policy.ALLOW_V3 | Policy.ERROR_START_AKE | Policy.WHITESPACE_START_AKE):
        if policy is not None:
            case.run([act("alice", "set_policy", policy=policy)])
        for offer in offers:
            case.run([Inject("alice", offer)])
            if policy is None:
                case.settle()
        _do(case, act("alice", "start"), say("bob", b"how about now?"))
        case.run([Replay("alice", index) for index in range(30)])
        case.settle()


@_program({"network": "three", "start": "3"}, {"network": "three", "start": "scratch"})
def clients(case: Case) -> None:
    """Two clients of one account: handshakes, texts and ends of each, and messages for neither."""
    _do(case, act("alice", "start"), act("bob1", "start"))
    for number in range(3):
        for tag, name in ((0x2B01, "bob1"), (0xFEED2B02, "bob2")):
            _do(case, act("alice", "send", text=b"to %s, %d" % (name.encode(), number), instance=tag))
            _do(case, say(name, b"from %s, %d" % (name.encode(), number)))
    for field_name, value in (("receiver_tag", 0x2B01), ("receiver_tag", 5), ("sender_tag", 5), ("sender_tag", 0x777)):
        case.run([say("alice", b"with a tag changed"), ChangeField("bob1", 0, field_name, value), Deliver("bob1")])
        case.run([ChangeField("bob2", 0, field_name, value), Deliver("bob2")])
    _do(case, act("bob2", "start"), act("bob1", "end"), say("alice", b"and then there was one"))
    case.run([act("alice", "start"), Deliver("bob1"), ChangeField("alice", 0, "sender_tag", 0x4444), Deliver("alice")])
    case.settle()


@_program(
    {"start": "3", "size": 100},
    {"start": "2", "size": 64, "policy": "v2"},
    {"start": "scratch", "size": 200},
    {"network": "three", "start": "3", "size": 150},
)
def fragments(case: Case) -> None:
    """Messages in fragments: in order, out of order, lost, repeated, interleaved with other messages, and invented."""
    bob = next(name for name in case.world.parties if name != "alice")
    _do(case, act("alice", "start"), say("alice", b"in many small pieces"))
    made_up = [
        b"?OTR,0,2,x,",
        b"?OTR,3,2,x,",
        b"?OTR,1,65536,x,",
        b"?OTR,1,2,,",
        b"?OTR,1,1,?OTR,1,2,x,,",
        b"?OTR,2,2,y,",
    ]
    made_up += [b"?OTR|1a1a|0,1,2,x,", b"?OTR|1a1a|99999,1,2,x,", b"?OTR|9|0,1,2,x,", b"?OTR|1a1a|0,1,1,?OTRv2?,"]
    made_up += [
        b"?OTR,1,3,a,",
        b"?OTR,1,3,a,",
        b"?OTR,2,3,b,",
        b"?OTR,2,3,b,",
        b"?OTR|5|0,1,1,x,",
        b"?OTR|1a1a|7,1,2,x,",
    ]
    case.run([Inject(bob, message) for message in made_up])
    for disturbance in (Drop(bob, 1), Duplicate(bob, 1), Delay(bob, 1), Shuffle(bob, 5), Inject(bob, b"?OTR Error: x")):
        case.run([say("alice", b"disturbed " * 10), Deliver(bob), disturbance])
        case.settle()
    for between in (b"plain words", b"?OTRv4?", b"?OTR:AAMD.", *made_up):
        case.run([say("alice", b"interrupted " * 10), Deliver(bob), Deliver(bob), Inject(bob, between)])
        case.settle()
    for name in ("alice", bob):
        case.run([Inject(name, b"?OTR|%x|0,1,9,x," % (0x5000 + number)) for number in range(20)])
    to_alice: list[Move] = [Drop("alice", 1), Duplicate("alice", 1), Delay("alice", 1)]
    to_alice += [Inject("alice", between) for between in (b"?OTR Error: x", b"plain words", b"?OTRv4?", *made_up)]
    for move in to_alice:
        case.run([say(bob, b"disturbed " * 5), Fragment("alice", -1, 90)])
        case.run([Deliver("alice"), Deliver("alice"), move])
        case.settle()
    case.run([say(bob, b"the last piece alone"), Fragment("alice", -1, 90), Deliver("alice", -1)])
    case.settle()
    _do(case, act("alice", "set_policy", policy=Policy.NONE), act("alice", "set_policy", policy=BOTH))


GARBAGE = [
    b"",
    b"?OTR",
    b"?OTR:",
    b"?OTR:.",
    b"?OTR:AA.",
    b"?OTR:AAM=.",
    b"?OTR:AAMD.",
    b"?OTR:AAMT.",
    b"?OTR:AAQD.",
    b"?OTR:AAIT.",
    b"?OTR:AAID.",
    b"?OTR:AAI.",
    b"?OTR:****.",
    b"?OTR:AAMDAAAaGgAAKys.",
    b"?OTR Error:",
    b"?OTRv\xff?",
    b"\xff\x00" * 40,
]


@_program(SCRATCH, V3, V2)
def garbage(case: Case) -> None:
    """Bad input of every kind in every state, and messages truncated at every length."""
    for moment in range(3):
        case.run([Inject("alice", message) for message in GARBAGE])
        case.settle()
        start = len(case.world.network.history)
        _do(case, act("alice", "start"), say("alice", b"a short text"))
        for index in range(start, len(case.world.network.history)):
            raw = case.world.network.history[index].message
            size = len(wire.parse(raw).body)
            for length in range(0, size, 7 + 20 * moment):
                case.run([Inject("bob", raw), Inject("alice", _cut(raw, length))])
                if not length:
                    case.run([Inject(name, _cut(raw, size, b"more")) for name in ("alice", "bob")])
                case.world.network.queues["alice"].clear()
                case.world.network.queues["bob"].clear()
        _do(case, act("bob", "send", text=b"nul\0nul"), act("bob", "extra_key", use=1 << 40), act("bob", "smp_abort"))
        _do(case, act("bob", "send", text=b"to nobody", instance=0x999), act("alice", "end"), say("bob", b"stored"))


def _cut(raw: bytes, length: int, more: bytes = b"") -> bytes:
    """The first bytes of a message, followed by other bytes, in complete armour."""
    message = wire.parse(raw)
    return wire.armour(message.body[:length] + more) if message.armour else raw[:length] + more


@_program(V3)
def crowd(case: Case) -> None:
    """Twenty unknown clients send a D-H Commit each."""
    case.run([act("alice", "start"), Deliver("bob")])
    commit = wire.parse(case.world.network.queues["alice"][0])
    case.run([Inject("alice", wire.build(commit.with_value("sender_tag", 0x7000 + one))) for one in range(20)])
    case.world.network.queues["bob"].clear()
    case.settle()
