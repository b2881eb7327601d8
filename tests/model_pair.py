"""Alice and Bob for the tests of the model: engines in a world, followed by the model; and Bob as an insider."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from otterproof.harness import wire
from otterproof.harness.judges.model import NameTable, PartyModel
from otterproof.harness.judges.model.names import Dh, Drawn
from otterproof.harness.simulation.moves import Inject
from otterproof.harness.simulation.world import World
from otterproof.harness.targets.lockstep import LockstepParty
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.wire import DH_PRIME, Kind, crypto
from otterproof.implementations.contract import Engine, Entropy, Event, PartyConfig, Policy, SessionSnapshot
from otterproof.implementations.entropy import SeededEntropy
from otterproof.implementations.independent import IndependentEngine
from otterproof.implementations.reference import ReferenceEngine

ENGINES: Mapping[str, Callable[[PartyConfig, Entropy], Engine]] = {
    "reference": ReferenceEngine,
    "independent": IndependentEngine,
}
E = TypeVar("E")


class Pair:
    """Alice, Bob and clones of Bob in a world. Each is one or more engines, followed by the model."""

    def __init__(
        self, configs: Mapping[str, PartyConfig], seed: str = "", engines: Sequence[str] = tuple(ENGINES)
    ) -> None:
        self.book = NameTable()
        self.entropies = {name: SeededEntropy(f"{seed}/{name}".encode()) for name in configs}
        self.models = {name: PartyModel(name, config, self.book) for name, config in configs.items()}
        self.parties = {
            name: LockstepParty(
                name,
                {engine: ENGINES[engine](config, self.entropies[name]) for engine in engines},
                self.models[name],
            )
            for name, config in configs.items()
        }
        others = [name for name in configs if name != "alice"]
        self.world = World(self.parties, {"alice": others, **{name: ["alice"] for name in others}})

    def establish(self) -> None:
        self.world.user("alice", "start")
        self.world.settle()
        assert self.session("alice").ratchet is not None

    def session(self, name: str) -> SessionSnapshot:
        """The session in focus."""
        shown = self.parties[name].inspect()
        return next(session for session in shown.sessions if session.instance == shown.focus)

    def sent(self, sender: str, kind: Kind) -> bytes:
        """The last message of this kind that a party sent."""
        history = [sent.message for sent in self.world.network.history if sent.sender == sender]
        return next(message for message in reversed(history) if wire.parse(message).kind is kind)

    def give(self, name: str, message: bytes) -> Sequence[Event]:
        return self.world.apply(Inject(name, message))

    def snapshot(self) -> object:
        return {name: party.snapshot() for name, party in self.parties.items()}

    def restore(self, state: object) -> None:
        for name, part in cast(dict[str, object], state).items():
            self.parties[name].restore(part)

    def exponent(self, key: Dh) -> int:
        assert isinstance(key, Drawn)
        return int.from_bytes(self.entropies[key.owner].draw(key.label, key.index, 40), "big")

    def insider(self, message: bytes, plaintext: bytes, *, known: Mapping[str, Any] | None = None, **new: Any) -> bytes:
        """A message that Bob could send to Alice instead of `message`, with the right MAC, entered in the book."""
        parsed = wire.parse(message)
        for name, value in new.items():
            parsed = parsed.with_value(name, value)
        theirs, ours = self.session("alice").ratchet, self.models["bob"].state.sessions
        ratchet = ours[0 if parsed.version == 2 else parsed.number("receiver_tag")].ratchet
        assert theirs is not None
        assert ratchet is not None
        y = theirs.our_keys[parsed.number("recipient_keyid")]
        key = ratchet.ours.get(parsed.number("sender_keyid"), ratchet.ours[ratchet.our_keyid - 1])
        x = self.exponent(key)
        gx = pow(2, x, DH_PRIME)
        keys = crypto.session_keys(gx, y, pow(y, x, DH_PRIME))
        forged = crypto.mac_data(crypto.encrypt_data(parsed, keys.sending_aes, plaintext), keys.sending_mac)
        raw = wire.build(forged)
        self.book.register_data(raw, sender_dh=gx, receiver_dh=y, plaintext=plaintext, **known or {})
        return raw


def config(name: str, policy: Policy = Policy.ALLOW_V3, **others: Any) -> PartyConfig:
    return PartyConfig(published_key(name), policy, **others)


def pair(version: int = 3, engines: Sequence[str] = tuple(ENGINES)) -> Pair:
    allow = Policy.ALLOW_V3 if version == 3 else Policy.ALLOW_V2
    return Pair({name: config(name, allow) for name in ("alice", "bob")}, engines=engines)


def of(kind: type[E], events: Sequence[Event]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]
