"""The independent engine does linear work: in all cases for any engine, in each state of SMP, and for unbounded numbers
as arguments. One more message costs no more than the one before it.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache, partial

import pytest

from otterproof.harness.testkit.insider import SignatureOptions
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.smp_peer import SmpPeer, smp_value
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.numbers import mpi
from otterproof.implementations.contract import DsaPrivateKey, OtrError, PartyConfig, Policy, SmpState
from otterproof.implementations.independent import IndependentEngine, derive, dsa, primitives, smp
from tests.hostile.growth import all_linear, data, encoded
from tests.hostile.growth_engine import CASES
from tests.hostile.growth_parties import BOTH, PreparedParty, encrypted, party, prepared_parties, sent

VERSIONS = pytest.mark.parametrize("version", [2, 3])

#: A valid message never makes an engine compute with numbers of more bits.
_USUAL = 3072


@pytest.fixture(autouse=True, scope="module")
def remembered_powers() -> Iterator[None]:
    """Powers of numbers of the usual size are computed once: they do not depend on the size of the input.

    They would take most of the time, and their noise would hide some growth. A power of a larger number is computed
    each time.
    """
    genuine = primitives.power
    remembered = lru_cache(maxsize=1 << 14)(genuine)

    def power(base: int, exponent: int, modulus: int = primitives.P) -> int:
        usual = all(number.bit_length() <= _USUAL for number in (base, exponent, modulus))
        return (remembered if usual else genuine)(base, exponent, modulus)

    with pytest.MonkeyPatch.context() as patch:
        for module in (primitives, derive, dsa, smp):
            patch.setattr(module, "power", power)
        yield


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_growth(case: str) -> None:
    CASES[case](IndependentEngine)


# ---- SMP in each of its states ---------------------------------------------------------------------------------------

#: The SMP messages by TLV type: how many numbers each has, and the state that expects it.
SMP_MESSAGES: Mapping[int, tuple[int, SmpState]] = {
    2: (6, SmpState.EXPECT1),
    3: (11, SmpState.EXPECT2),
    4: (8, SmpState.EXPECT3),
    5: (3, SmpState.EXPECT4),
}

#: The size of a number in bytes at which all numbers together still fit into a TLV.
_LONG_NUMBER = 1 << 15


@cache
def expecting(version: int, kind: int) -> PreparedParty:
    """An encrypted session that expects the SMP message of this TLV type."""
    found = encrypted(IndependentEngine, version)
    engine, peer, run = found.engine, found.insider, SmpPeer(1)
    if kind == 4:
        engine.receive(peer.data(tlvs=[tlv(2, smp_value(2, run.message_1()))]))
        peer.read(sent(engine.smp_answer(b"secret")))
    elif kind in (3, 5):
        first = peer.smp_numbers(sent(engine.smp_start(b"secret")), 2)
        if kind == 5:
            peer.read(sent(engine.receive(peer.data(tlvs=[tlv(3, smp_value(3, run.message_2(first)))]))))
    return PreparedParty.of(engine, peer)


@VERSIONS
@pytest.mark.parametrize("kind", SMP_MESSAGES)
def test_each_number_of_an_smp_message(version: int, kind: int) -> None:
    prepared = expecting(version, kind)
    count, state = SMP_MESSAGES[kind]
    assert {one.smp_state for one in prepared.engine.inspect().sessions if one.ssid} == {state}

    def message(place: int, size: int) -> bytes:
        numbers = [mpi(2)] * count
        numbers[place] = data(b"\xff" * size)
        return prepared.insider.data(tlvs=[tlv(kind, count.to_bytes(4) + b"".join(numbers))])

    families = {f"number {place}": partial(message, place) for place in range(count)}
    all_linear(prepared.receive, families, large=_LONG_NUMBER)


# ---- the Signature Message -------------------------------------------------------------------------------------------


@VERSIONS
def test_long_keys_in_a_signature_message(version: int) -> None:
    prepared = prepared_parties(IndependentEngine)[f"awaiting Signature, version {version}"]
    again = party(IndependentEngine)
    gx = prepared.insider.decommit(
        sent(again.receive(b"?OTRv%d?" % version)), sent(prepared.receive(prepared.insider.dh_key()))
    )
    public = published_key("bob").public

    def message(name: str, size: int) -> bytes:
        return prepared.insider.signature(gx, SignatureOptions(advertised_key=replace(public, **{name: 1 << 8 * size})))

    all_linear(prepared.receive, {name: partial(message, name) for name in ("p", "q", "g", "y")})


# ---- numbers as arguments --------------------------------------------------------------------------------------------

NUMBERS = {"large": lambda size: (1 << 8 * size) - 1, "far below 0": lambda size: -(1 << 8 * size)}


def test_numbers_that_users_give() -> None:
    prepared = encrypted(IndependentEngine)

    def act(number: int) -> None:
        prepared.engine.restore(prepared.state)
        for refused in (
            prepared.engine.send(b"text", padding=number),
            prepared.engine.send(b"text", instance=number),
            prepared.engine.extra_key(number),
            prepared.engine.smp_start(b"secret", instance=number),
        ):
            assert len(refused) == 1
        if number > 0:
            prepared.engine.set_time(number)
            number = -number
        with pytest.raises(OtrError, match="backwards"):
            prepared.engine.set_time(number)

    all_linear(act, NUMBERS)


@pytest.mark.parametrize("name", ["instance_tag", "max_message_size", "heartbeat_interval"])
def test_numbers_in_a_configuration(name: str) -> None:
    def make(number: int) -> None:
        config = PartyConfig(published_key("alice"), **{name: number})  # type: ignore[arg-type]
        if number > 0 and name != "instance_tag":
            IndependentEngine(config)
        else:
            with pytest.raises(OtrError, match=name):
                IndependentEngine(config)

    all_linear(make, NUMBERS)


def odd_keys(number: int) -> Sequence[DsaPrivateKey]:
    """A valid key with one of its numbers replaced at a time."""
    key = published_key("alice")
    odd = [replace(key, public=replace(key.public, **{name: number})) for name in ("p", "q", "g", "y")]
    return [*odd, replace(key, x=number)]


def test_keys_of_any_size() -> None:
    def make(number: int) -> None:
        for key in odd_keys(number):
            with pytest.raises(OtrError, match="numbers of the long-term key"):
                IndependentEngine(PartyConfig(key))

    all_linear(make, NUMBERS)


# ---- one more --------------------------------------------------------------------------------------------------------
#
# A copy of all that came before, made for each message, is hidden by the cryptography until there are hundreds of
# thousands. It shows in what a single message allocates, which is the same on every machine.

#: How many more bytes a message may allocate after many of its kind than after a few: dictionaries grow in steps.
_MORE = 4096

#: What counts as few and as many messages: copying this many references takes more than _MORE bytes.
FEW, MANY = 16, 750


def allocated(step: Callable[[], object]) -> int:
    """The peak of the additional memory in bytes during a step."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        step()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


def assert_steady(step: Callable[[int], object]) -> None:
    """step(k) receives the k-th message of its kind."""
    costs = {}
    for k in range(MANY + 1):
        if k in (FEW, MANY):
            costs[k] = allocated(partial(step, k))
        else:
            step(k)
    assert costs[MANY] < costs[FEW] + _MORE, costs


@pytest.mark.parametrize("finished", [False, True])
def test_one_more_text_that_is_stored(finished: bool) -> None:
    prepared = encrypted(IndependentEngine)
    engine = prepared.engine if finished else party(IndependentEngine, policy=BOTH | Policy.REQUIRE_ENCRYPTION)
    if finished:
        prepared.receive(prepared.insider.data(tlvs=[tlv(1)]))
    assert_steady(lambda k: engine.send(b"text"))
    assert len(engine.inspect().stored) == MANY + 1


@VERSIONS
def test_one_more_fragment(version: int) -> None:
    engine = party(IndependentEngine)
    tags = b"|2b2b|1a2b" if version == 3 else b""
    assert_steady(lambda k: engine.receive(b"?OTR%s,%d,65535,AAAA," % (tags, k + 1)))
    assert list(engine.inspect().fragments.values()) == [(MANY + 1, 65535)]


def test_one_more_commit() -> None:
    engine = party(IndependentEngine)
    engine.receive(b"?OTRv3?")
    body = data(bytes(196)) + data(b"\xff" * 32)  # our own commit yields to it
    assert_steady(lambda k: engine.receive(encoded(3, 0x02, body, receiver=0, sender=0x2000 + k)))


def test_one_more_key_of_the_correspondent() -> None:
    prepared = encrypted(IndependentEngine)
    engine, peer = prepared.engine, prepared.insider
    first, theirs = peer.our_keyid - 1, peer.their_keyid

    def step(k: int) -> None:
        peer.exponents[first + k + 1] = k + 2  # small exponents, which are quick
        # Each message uses the key that the previous one announced, and announces the next.
        engine.receive(peer.data(b"x", under=(first + k, theirs)))

    assert_steady(step)
    (session,) = [one for one in engine.inspect().sessions if one.ssid]
    assert len(session.pending_mac_keys) == MANY
