"""Rules that break a promise: each turns an invariant red, which shows that the invariant can fail.

A mutation takes the place of one function of the model for a while. It is data: what is replaced, by what, and the
invariant, alphabet and number of moves by which that shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from otterproof.harness.judges.model import data, handshake, receive
from otterproof.harness.judges.model.book import SignatureMeaning
from otterproof.harness.judges.model.expect import Verbatim
from otterproof.harness.judges.model.names import Dh, Drawn, MacKey
from otterproof.harness.judges.model.plain import Plain, Smp
from otterproof.harness.judges.model.state import Ratchet
from otterproof.harness.judges.model.step import Step
from otterproof.harness.wire import Message

_SEND, _RECEIVE = Step.send_data, data.receive_data
_ROTATE_OURS, _ROTATE_THEIRS = Ratchet.rotate_ours, Ratchet.rotate_theirs
_FINISHED, _OPEN = data._finished, handshake._open


def _counter_stays(step: Step, instance: int, plain: Plain, flags: int = 0) -> None:
    ratchet = step.session(instance).ratchet
    _SEND(step, instance, plain, flags)
    session = step.session(instance)
    if ratchet is not None and session.ratchet is not None:
        step.put(replace(session, ratchet=replace(session.ratchet, sent=ratchet.sent)))


def _counters_not_noted(step: Step, message: Message, instance: int) -> None:
    _RECEIVE(step, message, instance)
    session = step.session(instance)
    if session.ratchet is not None:
        step.put(replace(session, ratchet=replace(session.ratchet, received={})))


def _dropped_not_revealed(ratchet: Ratchet, new: Drawn) -> tuple[Ratchet, tuple[MacKey, ...]]:
    return _ROTATE_OURS(ratchet, new)[0], ()


def _live_revealed(ratchet: Ratchet, new: Drawn) -> tuple[Ratchet, tuple[MacKey, ...]]:
    after, keys = _ROTATE_OURS(ratchet, new)
    return after, (*keys, *after.mac_keys([after.sending]))


def _theirs_under_the_same_id(ratchet: Ratchet, new: Dh) -> tuple[Ratchet, tuple[MacKey, ...]]:
    after, keys = _ROTATE_THEIRS(ratchet, new)
    return replace(after, their_keyid=after.their_keyid + 1, theirs={**after.theirs, after.their_keyid + 1: new}), keys


def _always_equal(step: Step, instance: int, message: Smp, equal: bool) -> None:
    _FINISHED(step, instance, message, True)


def _any_seal(step: Step, message: Message, theirs: Dh, ours: Dh) -> SignatureMeaning | None:
    seal = step.book.seal(message.data("encrypted_signature"), message.data("mac"))
    return seal if seal is not None and seal.kind == message.kind else _OPEN(step, message, theirs, ours)


def _clear_after(step: Step, instance: int, plain: Plain, flags: int = 0) -> None:
    _SEND(step, instance, plain, flags)
    if plain.text:
        step.send(Verbatim(plain.text))


@dataclass(frozen=True, slots=True)
class Mutation:
    """owner, name: of the function that is replaced. invariant, alphabet, moves: by which that shows."""

    owner: Any
    name: str
    put: Callable[..., object]
    invariant: str
    alphabet: str
    moves: int


MUTATIONS: Mapping[str, Mutation] = {
    "counter-stays": Mutation(Step, "send_data", _counter_stays, "counters-rise", "data", 2),
    "counters-not-noted": Mutation(receive, "receive_data", _counters_not_noted, "accepted-once", "data", 3),
    "dropped-not-revealed": Mutation(Ratchet, "rotate_ours", _dropped_not_revealed, "used-is-revealed", "data", 6),
    "live-key-revealed": Mutation(Ratchet, "rotate_ours", _live_revealed, "revealed-is-dropped", "data", 5),
    "id-skipped": Mutation(Ratchet, "rotate_theirs", _theirs_under_the_same_id, "same-keys", "data", 2),
    "always-equal": Mutation(data, "_finished", _always_equal, "smp-truth", "smp", 5),
    "any-seal": Mutation(handshake, "_open", _any_seal, "honest-session", "refresh", 5),
    "clear-after": Mutation(Step, "send_data", _clear_after, "no-text-in-clear", "data", 1),
}


@contextmanager
def mutated(name: str) -> Iterator[Mutation]:
    """Inside, the model has another rule."""
    one = MUTATIONS[name]
    before = getattr(one.owner, one.name)
    setattr(one.owner, one.name, one.put)
    try:
        yield one
    finally:
        setattr(one.owner, one.name, before)
