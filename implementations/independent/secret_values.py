"""A list of every secret that a party holds in memory, for the proof that what should be forgotten is.

It walks over the state types one by one, so a secret that is added to one of them has to be added here as well. The
MAC keys that wait to be revealed are not in it: they are on their way into the open, and `inspect` shows them.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import smp
from .party import PartyState
from .primitives import DH_EXPONENT, SMP_EXPONENT, KeyPair
from .ratchet import Ratchet
from .session import Auth, AwaitingDhKey, AwaitingRevealSig, AwaitingSig, Commit, Encrypted, Idle

_Named = Iterator[tuple[str, bytes]]


def all_secrets(state: PartyState) -> dict[str, bytes]:
    """Every secret by a name that says where it is; numbers are big-endian, exponents as long as they were drawn."""
    return dict(_walk(state))


def _walk(state: PartyState) -> _Named:
    if state.announced is not None:
        yield from _commit("announced", state.announced)
    for index, entry in enumerate(state.stored):
        yield f"stored.{index}", entry.text
    for session in state.sessions.values():
        place = f"session.{session.instance:08x}"
        yield from _auth(f"{place}.auth", session.auth)
        if isinstance(session.message, Encrypted):
            yield from _ratchet(place, session.message.ratchet)
            yield from _smp(f"{place}.smp", session.message.smp)


def _exponent(place: str, key: KeyPair) -> tuple[str, bytes]:
    return place, key.private.to_bytes(DH_EXPONENT, "big")


def _commit(place: str, commit: Commit) -> _Named:
    yield _exponent(f"{place}.x", commit.key)
    yield f"{place}.r", commit.r


def _auth(place: str, auth: Auth) -> _Named:
    match auth:
        case Idle():
            return
        case AwaitingDhKey():
            yield from _commit(place, auth.commit)
        case AwaitingRevealSig():
            yield _exponent(f"{place}.y", auth.key)
        case AwaitingSig():
            yield _exponent(f"{place}.x", auth.key)
            yield f"{place}.secbytes", auth.secbytes


def _ratchet(place: str, ratchet: Ratchet) -> _Named:
    for keyid, key in ratchet.our_keys.items():
        yield _exponent(f"{place}.our_dh.{keyid}", key)
    for (ours, theirs), keys in ratchet.derived.items():
        pair = f"{place}.keys.{ours}.{theirs}"
        yield f"{pair}.sending_aes", keys.sending_aes
        yield f"{pair}.sending_mac", keys.sending_mac
        yield f"{pair}.receiving_aes", keys.receiving_aes
        yield f"{pair}.receiving_mac", keys.receiving_mac
        yield f"{pair}.extra", keys.extra


def _smp(place: str, state: smp.State) -> _Named:
    values: dict[str, int]
    match state:
        case smp.Expect1() | smp.Asked():
            values = {}
        case smp.Expect2():
            values = {"x": state.x, "a2": state.a2, "a3": state.a3}
        case smp.Expect3():
            values = {"b3": state.b3, "g2": state.g2, "g3": state.g3}
        case smp.Expect4():
            values = {"a3": state.a3, "p_quotient": state.p_quotient, "q_quotient": state.q_quotient}
    for name, value in values.items():
        yield f"{place}.{name}", value.to_bytes(SMP_EXPONENT, "big")
