"""The symbolic model agrees with both engines, whatever happens to them, up to all limits."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

import pytest

from otterproof.harness import wire
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
    Tick,
    Truncate,
    User,
)
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.wire import DH_PRIME, Kind
from otterproof.implementations.contract import (
    MAX_INSTANCES,
    MAX_REASSEMBLY,
    MessageRejected,
    MessageState,
    OutgoingMessage,
    PartyConfig,
    PartySnapshot,
    Policy,
    RejectReason,
    SessionEstablished,
    TextReceived,
)
from tests.model_pair import ENGINES, Pair, config, of, pair

_TAGGED = b"a" + wire.TAG_BASE + wire.TAG_VERSIONS[2] + wire.TAG_VERSIONS[3] + b"b"
_TEXTS = (b"hello", b"x" * 300, b"", b"?OTRv23?", b"?OTR Error: no", _TAGGED, b"with\0NUL")
_INVENTED = (
    b"?OTR|101|0,1,2,piece,",
    b"?OTR|102|0,2,2,piece,",
    b"?OTR|1|0,1,2,piece,",
    b"?OTR,1,1,?OTR:AAID.,",
    b"?OTR,1,1,?OTR,1,,",
    b"?OTR,1,2,piece,",
    b"?OTR,0,0,piece,",
    b"?OTR:",
    b"?OTR:AAA.",
    b"?OTR:AAMD.",
    b"?OTR:AAID.",
    b"?OTR?v",
    b"?OTR?",
    b"?OTRv2?",
    b"?OTRv?",
    b"hello",
)
_CHANGED = {
    "version": (2, 3, 4),
    "sender_tag": (0, 0xFF, 0x1234, 0x1235),
    "receiver_tag": (0, 0xFF, 0x1234),
    "sender_keyid": (0, 1, 2, 3),
    "recipient_keyid": (0, 1, 2, 3),
    "gy": (0, 1, 2, DH_PRIME - 1),
    "next_dh": (0, 1, 2, DH_PRIME - 1),
    "flags": (0, 1, 2),
}


#: The number of parties -> the seeds of walks that establish a session; in the others, policies forbid it.
SEEDS_WITH_SESSIONS = {2: {1, 3, 5, 6, 7, 8, 9, 11, 13, 15, 18, 20, 21}, 3: {1, 3, 5, 7}}


def _policy(rng: random.Random) -> Policy:
    """Any policy; one that allows neither version is rare."""
    policy = Policy.NONE
    for flag in Policy:
        if rng.random() < (0.9 if flag in Policy.ALLOW_V2 | Policy.ALLOW_V3 else 0.25):
            policy |= flag
    return policy


def _walk(rng: random.Random, pair: Pair, count: int) -> Iterator[Move]:
    """Moves of users, network and adversary; each walk has its own probabilities."""
    names, queues = list(pair.parties), pair.world.network.queues
    hostile, chatter, smp = rng.choice([0, 0.02, 0.2]), rng.choice([0.2, 0.4]), rng.choice([0.02, 0.3])
    for _ in range(count):
        full = [name for name in names if queues[name]]
        if rng.random() < hostile:
            yield _attack(rng, rng.choice(full or names))
        elif full and rng.random() > chatter:
            yield Deliver(rng.choice(full))
        elif rng.random() < 0.05:
            yield Tick(rng.choice([1, 30, 61]))
        else:
            name = rng.choice(names)
            yield User(name, *_wish(rng, pair.parties[name].inspect(), smp))


def _attack(rng: random.Random, to: str) -> Move:
    at, field = rng.randrange(3), rng.choice(list(_CHANGED))
    attacks: list[Move] = [
        Drop(to, at),
        Duplicate(to, at),
        Delay(to, at),
        Replay(to, rng.randrange(10**6)),
        FlipBit(to, at, rng.randrange(10**6)),
        Truncate(to, at, rng.randrange(10**6)),
        Fragment(to, at, rng.choice([100, 500, 3000])),
        ChangeField(to, at, field, rng.choice(_CHANGED[field])),
        Inject(to, rng.choice(_INVENTED)),
    ]
    return rng.choice(attacks)


def _wish(rng: random.Random, shown: PartySnapshot, smp: float) -> tuple[str, dict[str, object]]:
    """A plausible user action in this state, usually a sensible one."""
    instances = [session.instance for session in shown.sessions]
    instance = None if rng.random() < 0.85 else rng.choice([*instances, 0x999])
    asked = [session.instance for session in shown.sessions if session.smp_question_waiting]
    encrypted = any(session.message_state is MessageState.ENCRYPTED for session in shown.sessions)
    secret = rng.choice([b"a", b"a", b"b"])
    if asked and rng.random() < 0.7:
        return "smp_answer", {"secret": secret, "instance": rng.choice(asked)}
    if encrypted and rng.random() < smp:
        return "smp_start", {"secret": secret, "question": rng.choice([None, b"", b"who?"]), "instance": instance}
    if not encrypted and rng.random() < 0.3:
        return "start", {}
    text = rng.choice(_TEXTS[:2] if rng.random() < 0.8 else _TEXTS)
    wishes: Mapping[str, tuple[int, dict[str, object]]] = {
        "send": (70, {"text": text, "padding": rng.choice([None, None, 0, 17, 65536]), "instance": instance}),
        "start": (6, {}),
        "end": (4, {"instance": instance}),
        "smp_answer": (3, {"secret": secret, "instance": instance}),
        "smp_abort": (3, {"instance": instance}),
        "extra_key": (6, {"use": rng.choice([1, 7, 2**32]), "data": b"data", "instance": instance}),
        "set_policy": (2, {"policy": _policy(rng)}),
    }
    action = rng.choices(list(wishes), [weight for weight, _ in wishes.values()])[0]
    return action, wishes[action][1]


def _random_config(rng: random.Random, name: str) -> PartyConfig:
    return PartyConfig(
        published_key(name),
        _policy(rng),
        max_message_size=rng.choice([None, None, 64, 1400]),
        heartbeat_interval=rng.choice([None, 0, 60]),
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("engine", ENGINES)
def test_two_parties_do_what_the_model_predicts(engine: str, seed: int) -> None:
    rng = random.Random(seed)
    pair = Pair({name: _random_config(rng, name) for name in ("alice", "bob")}, str(seed), [engine])
    events = pair.world.run(_walk(rng, pair, 250))
    assert of(TextReceived, events)
    assert bool(of(SessionEstablished, events)) == (seed in SEEDS_WITH_SESSIONS[2])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("engine", ENGINES)
def test_several_clients_do_what_the_model_predicts(engine: str, seed: int) -> None:
    rng = random.Random(seed)
    pair = Pair({name: _random_config(rng, name) for name in ("alice", "bob", "carol")}, str(seed), [engine])
    events = pair.world.run(_walk(rng, pair, 250))
    assert of(TextReceived, events)
    assert bool(of(SessionEstablished, events)) == (seed in SEEDS_WITH_SESSIONS[3])


@pytest.mark.slow
def test_a_world_can_be_restored_in_any_order() -> None:
    """Branches from one snapshot do not affect each other, in the model or in the book."""
    rng = random.Random(1)
    duo = pair()
    duo.establish()
    moments = [(duo.snapshot(), _shown(duo))]
    for _ in range(30):
        state, shown = rng.choice(moments)
        duo.restore(state)
        assert _shown(duo) == shown
        duo.world.network.queues = {"alice": [], "bob": []}
        assert duo.world.run(_walk(rng, duo, 20))
        moments.append((duo.snapshot(), _shown(duo)))
    assert len({repr(shown) for _, shown in moments}) > 20, "the branches hardly differ"


def _shown(duo: Pair) -> dict[str, PartySnapshot]:
    return {name: party.inspect() for name, party in duo.parties.items()}


# --------------------------------------------------------------------------------------------------------------------
# Limits
# --------------------------------------------------------------------------------------------------------------------


def _sessions(duo: Pair) -> list[int]:
    return [session.instance for session in duo.parties["alice"].inspect().sessions]


def test_sessions_in_plaintext_make_room() -> None:
    duo = pair()
    duo.world.user("alice", "start")
    duo.world.apply(Deliver("bob"))
    commit = wire.parse(duo.sent("bob", Kind.DH_COMMIT))
    for tag in range(0x100, 0x100 + MAX_INSTANCES + 4):
        duo.give("alice", wire.build(commit.with_value("sender_tag", tag)))
    assert _sessions(duo) == [0, *range(0x104, 0x104 + MAX_INSTANCES)]


def test_a_focus_that_was_forgotten_is_plaintext_again() -> None:
    duo = pair()
    duo.establish()
    commit = wire.parse(duo.sent("bob", Kind.DH_COMMIT))
    duo.world.user("alice", "end")
    for tag in range(0x100, 0x100 + MAX_INSTANCES):
        duo.give("alice", wire.build(commit.with_value("sender_tag", tag)))
    assert duo.parties["alice"].inspect().focus not in _sessions(duo)
    for action, args in (("send", {"text": b"hello"}), ("end", {}), ("smp_start", {"secret": b""})):
        duo.world.user("alice", action, **args)
    duo.give("alice", b"hello")


def test_encrypted_sessions_make_no_room() -> None:
    clones = {f"bob{number}": config("bob", instance_tag=0x200 + number) for number in range(MAX_INSTANCES + 1)}
    duo = Pair({"alice": config("alice"), **clones})
    duo.world.user("alice", "start")
    events = []
    for clone in clones:
        events += duo.world.settle(to=(clone, "alice"))
    assert len(of(SessionEstablished, events)) == 2 * MAX_INSTANCES
    assert MessageRejected(RejectReason.TOO_MANY_INSTANCES) in events


def test_fragments_of_many_senders() -> None:
    duo = pair()
    for sender in (*range(0x100, 0x100 + MAX_INSTANCES), 0x100, 0x300, 0x301):
        duo.give("alice", b"?OTR|%x|0,1,3,piece," % sender)
    duo.give("alice", b"?OTR,1,3,piece,")
    duo.give("alice", b"?OTR|100|0,2,3,piece,")
    duo.give("alice", b"?OTR|102|0,2,3,piece,")
    duo.give("alice", b"?OTR|301|0,1,1,hello,")
    assert duo.parties["alice"].inspect().fragments == {}


def test_fragments_that_grow_too_large() -> None:
    duo = pair()
    half = b"x" * (MAX_REASSEMBLY // 2)
    assert not duo.give("alice", b"?OTR|100|0,1,3,%s," % half)
    assert not duo.give("alice", b"?OTR|100|0,2,3,%s," % half)
    assert list(duo.give("alice", b"?OTR|100|0,3,3,x,")) == [MessageRejected(RejectReason.TOO_LARGE)]
    assert list(duo.give("alice", b"?OTR|100|0,1,2,%sx," % (half * 2))) == [MessageRejected(RejectReason.TOO_LARGE)]


@pytest.mark.parametrize("policy", [Policy.NONE, Policy.REQUIRE_ENCRYPTION | Policy.SEND_WHITESPACE_TAG])
def test_without_a_version_everything_is_text(policy: Policy) -> None:
    duo = Pair({"alice": config("alice", policy), "bob": config("bob")})
    for message in (b"?OTRv23?", b"?OTR|100|0,1,2,x,", b"?OTR Error: no", b"?OTR:", _TAGGED):
        assert of(TextReceived, duo.give("alice", message))[0].text == message
    assert of(OutgoingMessage, duo.world.user("alice", "send", text=b"hello")) == [OutgoingMessage(b"hello")]
