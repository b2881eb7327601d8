"""The network: the effect of each move on the queues, and of an adversary's change on a message."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterproof.harness import wire
from otterproof.harness.simulation.exchange import exchange
from otterproof.harness.simulation.moves import (
    ChangeField,
    Delay,
    Deliver,
    Drop,
    Duplicate,
    FlipBit,
    Fragment,
    Inject,
    NetworkMove,
    Replay,
    Shuffle,
    Truncate,
)
from otterproof.harness.simulation.network import Network
from otterproof.harness.wire.mutate import change_field, flip_bit, fragment, truncate
from otterproof.implementations.contract import Event, OutgoingMessage, TextReceived
from tests.raising import raises_check

DH_KEY = wire.armour(bytes.fromhex("00030a" + "00000111" + "00000222" + "00000002" + "abcd"))


def network(*messages: bytes) -> Network:
    made = Network({"alice": ["bob"], "bob": ["alice"]})
    for message in messages:
        made.send("alice", message)
    return made


@pytest.mark.parametrize(
    ("move", "delivered", "left"),
    [
        (Deliver("bob"), b"one", [b"two", b"three"]),
        (Deliver("bob", 1), b"two", [b"one", b"three"]),
        (Deliver("bob", 4), b"two", [b"one", b"three"]),
        (Drop("bob", 2), None, [b"one", b"two"]),
        (Duplicate("bob", 1), None, [b"one", b"two", b"two", b"three"]),
        (Delay("bob"), None, [b"two", b"three", b"one"]),
        (Inject("bob", b"new"), b"new", [b"one", b"two", b"three"]),
        (Replay("bob", 5), b"three", [b"one", b"two", b"three"]),
        (FlipBit("bob", 0, 7), None, [b"nne", b"two", b"three"]),
        (Truncate("bob", 2, 2), None, [b"one", b"two", b"th"]),
        (Fragment("bob", 0, 2), None, [b"one", b"two", b"three"]),
        (ChangeField("bob", 0, "flags", 1), None, [b"one", b"two", b"three"]),
    ],
)
def test_each_move(move: NetworkMove, delivered: bytes | None, left: list[bytes]) -> None:
    made = network(b"one", b"two", b"three")
    assert made.apply(move) == delivered
    assert made.queues["bob"] == left


@pytest.mark.parametrize(
    "move", [Deliver("bob"), Drop("bob"), Shuffle("bob", 1), Replay("bob", 0), FlipBit("bob", 0, 3)]
)
def test_a_move_on_nothing_does_nothing(move: NetworkMove) -> None:
    made = network()
    assert made.apply(move) is None
    assert made.queues == {"alice": [], "bob": []}


def test_shuffling_keeps_all_messages_and_is_the_same_each_time() -> None:
    orders = []
    for _ in range(2):
        made = network(*(b"%d" % number for number in range(9)))
        made.apply(Shuffle("bob", 5))
        orders.append(made.queues["bob"])
    assert orders[0] == orders[1] != sorted(orders[0])
    assert sorted(orders[0]) == [b"%d" % number for number in range(9)]


def test_all_clients_of_an_account_receive() -> None:
    made = Network({"alice": ["bob", "bob2"], "bob": ["alice"], "bob2": ["alice"]})
    made.send("alice", b"hi")
    made.send("bob2", b"ho")
    assert made.queues == {"alice": [b"ho"], "bob": [b"hi"], "bob2": [b"hi"]}
    assert made.waiting() == 3
    assert [sent.sender for sent in made.history] == ["alice", "bob2"]


def test_a_snapshot_is_not_changed_by_what_follows() -> None:
    made = network(b"one", b"two")
    moment = made.snapshot()
    made.apply(Deliver("bob"))
    made.send("alice", b"three")
    for _ in range(2):
        made.restore(moment)
        assert made.queues["bob"] == [b"one", b"two"]
        assert len(made.history) == 2
        made.apply(Drop("bob"))


@given(st.integers(0, 10**6))
def test_one_bit_is_inverted_inside_the_armour(bit: int) -> None:
    before, after = (int.from_bytes(b64decode(message[5:-1])) for message in (DH_KEY, flip_bit(DH_KEY, bit)))
    assert (before ^ after).bit_count() == 1
    assert flip_bit(flip_bit(DH_KEY, bit), bit) == DH_KEY


def test_what_is_cut_off_is_cut_off_inside_the_armour() -> None:
    assert wire.parse(truncate(DH_KEY, 5)).body == wire.parse(DH_KEY).body[:5]
    assert truncate(DH_KEY, 17) == DH_KEY


def test_fields_are_changed_where_they_can_be() -> None:
    assert wire.parse(change_field(DH_KEY, "gy", 5)).value("gy") == 5
    assert change_field(DH_KEY, "gy", b"bytes") == DH_KEY
    assert change_field(DH_KEY, "flags", 1) == DH_KEY
    assert change_field(DH_KEY, "version", 1 << 20) == DH_KEY


def test_fragments_carry_the_tags_of_the_message() -> None:
    pieces = fragment(DH_KEY, 10)
    assert wire.reassemble(pieces) == DH_KEY
    assert all(wire.parse(piece).value("receiver_tag") == b"00000222" for piece in pieces)
    assert {len(wire.parse(piece).data("piece")) for piece in pieces[:-1]} == {10}


@pytest.mark.parametrize("raw", [b"?OTR:A===.", b"?OTR:AA=A.", b"?OTR:.", b"?OTR:AAMC", b""])
def test_messages_whose_armour_holds_nothing_are_changed_as_they_are(raw: bytes) -> None:
    assert len(flip_bit(raw, 3)) == len(raw)
    assert truncate(raw, len(wire.parse(raw).body)) == raw


class Parrot:
    """Repeats what it receives a given number of times; reports how many are left."""

    def __init__(self, answers: int) -> None:
        self.answers = answers

    def receive(self, message: bytes) -> Sequence[Event]:
        self.answers -= 1
        return [TextReceived(b"%d" % self.answers, False, False, 0)] + [OutgoingMessage(message)] * (self.answers >= 0)


def test_deliveries_take_the_first_receiver_and_what_is_sent_meanwhile() -> None:
    made = network(b"one", b"two")
    seen = []
    for receiver, message in made.deliveries():
        seen.append((receiver, message))
        if message == b"one":
            made.send("bob", b"answer")
    assert seen == [("bob", b"one"), ("bob", b"two"), ("alice", b"answer")]


def test_deliveries_in_another_order_or_to_some_alone() -> None:
    made = network(b"one", b"two")
    made.send("bob", b"answer")
    assert list(made.deliveries(to=("alice",))) == [("alice", b"answer")]
    made.send("bob", b"another")
    assert [receiver for receiver, _ in made.deliveries(to=("alice", "bob"))] == ["alice", "bob", "bob"]


def test_deliveries_that_never_end_are_an_error() -> None:
    made = network(b"one", b"two")
    assert list(made.deliveries(limit=2)) == [("bob", b"one"), ("bob", b"two")]
    for message in (b"one", b"two"):
        made.send("alice", message)
    with raises_check("run.never-settles"):
        list(made.deliveries(limit=1))


def test_exchange_gives_the_events_of_everybody() -> None:
    seen: list[tuple[str, bytes]] = []
    parties = {"alice": Parrot(1), "bob": Parrot(1)}
    query = OutgoingMessage(b"hi")
    found = exchange(parties, "alice", [query], watch=lambda *delivery: seen.append(delivery))
    assert seen == [("bob", b"hi"), ("alice", b"hi"), ("bob", b"hi")]
    said, silent = TextReceived(b"0", False, False, 0), TextReceived(b"-1", False, False, 0)
    assert found == {"alice": [query, said, query], "bob": [said, query, silent]}
    with raises_check("run.never-settles"):
        exchange({"alice": Parrot(9), "bob": Parrot(9)}, "alice", [query], limit=10)
