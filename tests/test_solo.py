"""An engine by itself: any malfunction becomes an error of the target, wherever it occurs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from otterproof.harness.targets import guarded as solo
from otterproof.harness.targets.guarded import GuardedEngine
from otterproof.harness.testkit.keys import published_key as key_of
from otterproof.implementations.contract import Entropy, Event, OtrError, PartyConfig
from otterproof.implementations.entropy import SeededEntropy
from otterproof.implementations.reference import ReferenceEngine
from tests.raising import raises_check

CONFIG = PartyConfig(key_of("alice"))


class Panic(BaseException):
    """The exception that a Rust library raises when it panics."""


class Restless(ReferenceEngine):
    """An engine whose construction never ends."""

    def __init__(self, config: PartyConfig, entropy: Entropy | None = None) -> None:
        while True:
            pass


class Panicking(ReferenceEngine):
    def receive(self, message: bytes) -> Sequence[Event]:
        raise Panic("no such element")


def test_engine_that_is_never_made_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solo, "PATIENCE", 0.05)
    with raises_check("hang.made"):
        GuardedEngine("alice", Restless, CONFIG, SeededEntropy(b"solo"))


def test_panic_is_a_crash() -> None:
    party = GuardedEngine("alice", Panicking, CONFIG, SeededEntropy(b"solo"))
    with raises_check("crash.receive.Panic"):
        party.receive(b"text")


def test_what_the_contract_lets_an_engine_raise_comes_through() -> None:
    party = GuardedEngine("alice", ReferenceEngine, CONFIG, SeededEntropy(b"solo"))
    party.set_time(2)
    with pytest.raises(OtrError, match="time goes backwards"):
        party.set_time(1)
