"""A subject's answer to a case that asks for a function: its result for the inputs, in the terms of the vectors.

The generator writes these answers down; the verifier compares them with the committed ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from otterproof.harness import wire
from otterproof.harness.targets.party import state_of
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.vectorgen.answerers.base import Refusal, Tools
from otterproof.implementations.contract import (
    DsaPrivateKey,
    DsaPublicKey,
    ErrorMessageReceived,
    Event,
    OutgoingMessage,
    PartyConfig,
    TextReceived,
)
from otterproof.implementations.jsonform import policy_from_json
from otterproof.implementations.keyfile import check_key
from otterproof.vectors import Fields

#: The instance tag of the party made for `offer`.
_TAG = 0x1A1A


class Party(Protocol):
    """What a party needs to answer."""

    def receive(self, message: bytes) -> Sequence[Event]: ...


#: Makes a party for a case.
PartyMaker = Callable[[PartyConfig], Party]


@dataclass(frozen=True, slots=True)
class Answer:
    """expect: as in an outcome."""

    valid: bool
    expect: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """The party asked. tools: None for a target reachable only by messages; `party`: None if it is not a client."""

    name: str
    tools: Tools | None
    party: PartyMaker | None


class Unanswerable(Exception):
    """The subject can't answer this; says why."""


def _value(tools: Tools, group: Fields, case: Fields) -> dict[str, Any]:
    value = tools.read(group.word("type"), case.data("encoded"))
    if tools.write(group.word("type"), value) != case.data("encoded"):
        raise ValueError(f"{tools.name} writes {value!r:.60} in another way than it read it")
    return {"bytes" if isinstance(value, bytes) else "number": value}


def _armour(tools: Tools, group: Fields, case: Fields) -> dict[str, Any]:
    binary = tools.unarmour(case.data("text"))
    if tools.armour(binary) not in case.data("text"):
        raise ValueError(f"{tools.name} armours what it read in another way")
    return {"binary": binary}


def _public_key(tools: Tools, group: Fields, case: Fields) -> dict[str, Any]:
    key, fingerprint = tools.public_key(case.data("encoded"))
    return {"p": key.p, "q": key.q, "g": key.g, "y": key.y, "fingerprint": fingerprint}


def _public(fields: Mapping[str, int]) -> DsaPublicKey:
    return DsaPublicKey(fields["p"], fields["q"], fields["g"], fields["y"])


def private_key(fields: Mapping[str, int]) -> DsaPrivateKey:
    """The private key in a vector. KeyFileError if it is invalid: signing with such numbers may never end."""
    key = DsaPrivateKey(_public(fields), fields["x"])
    check_key(key)
    return key


def _sign(tools: Tools, group: Fields, case: Fields) -> dict[str, Any]:
    return {"signature": tools.sign(private_key(group.table("key")), case.data("mac"), case.data("random"))}


def _verify(tools: Tools, group: Fields, case: Fields) -> dict[str, Any]:
    tools.verify(_public(group.table("key")), case.data("mac"), case.data("signature"))
    return {}


def _exchange(tools: Tools, group: Fields, case: Fields) -> dict[str, Any]:
    public, s = tools.exchange(case.data("private"), case.number("their_public"))
    return {"our_public": public, "s": s}


def _open_signature(tools: Tools, group: Fields, case: Fields) -> dict[str, Any]:
    keys = (group.data("c"), group.data("m1"), group.data("m2"))
    publics = group.number("signer_public"), group.number("other_public")
    fingerprint, keyid = tools.open_signature(*publics, keys, case.data("encrypted_signature"), case.data("mac"))
    return {"fingerprint": fingerprint, "keyid": keyid}


def _open_commitment(tools: Tools, group: Fields, case: Fields) -> dict[str, Any]:
    fields = (case.data(name) for name in ("revealed_key", "encrypted_gx", "hashed_gx"))
    return {"gx": tools.open_commitment(*fields)}


def _open_data(tools: Tools, group: Fields, case: Fields) -> Mapping[str, Any]:
    return tools.open_data(case.data("message"), group.data("aes_key"), group.data("mac_key"))


def _split(parts: tuple[bytes, list[tuple[int, bytes]]]) -> dict[str, Any]:
    text, tlvs = parts
    return {"text": text, "tlvs": tuple({"type": kind, "value": value} for kind, value in tlvs)}


def _plaintext(tools: Tools, group: Fields, case: Fields) -> dict[str, Any]:
    try:
        return _split(tools.plaintext(case.data("plaintext")))
    except Refusal as refusal:
        raise Refusal(str(refusal), _split(refusal.what)) from refusal


def _smp_secret(tools: Tools, group: Fields, case: Fields) -> dict[str, Any]:
    names = ("initiator", "responder", "ssid", "secret")
    return {"number": tools.smp_secret(*(case.data(name) for name in names))}


def _smp_run(tools: Tools, group: Fields, case: Fields) -> dict[str, Any]:
    run = tools.smp_run(case.number("x"), case.number("y"), case.table("initiator"), case.table("responder"))
    if run.equal[0] != run.equal[1]:
        raise ValueError(f"{tools.name}: the two sides find different things: {run.equal}")
    return {**{f"message_{n}": numbers for n, numbers in enumerate(run.messages, 1)}, "equal": run.equal[0]}


def _smp_check(tools: Tools, group: Fields, case: Fields) -> dict[str, Any]:
    return {"equal": tools.smp_check(group.number("message"), group.table("known"), case.data("value"))}


_FUNCTIONS: Mapping[str, Callable[[Tools, Fields, Fields], Mapping[str, Any]]] = {
    "value": _value,
    "armour": _armour,
    "public_key": _public_key,
    "sign": _sign,
    "verify": _verify,
    "exchange": _exchange,
    "handshake_keys": lambda tools, group, case: tools.handshake_keys(case.number("s")),
    "session_keys": lambda tools, group, case: tools.session_keys(case.data("private"), case.number("their_public")),
    "open_commitment": _open_commitment,
    "open_signature": _open_signature,
    "open_data": _open_data,
    "plaintext": _plaintext,
    "smp_secret": _smp_secret,
    "smp_run": _smp_run,
    "smp_check": _smp_check,
}


# ---- what only a client can answer ----------------------------------------------------------------------------------


def _offer(make: PartyMaker, group: Fields, case: Fields) -> Answer:
    policy = policy_from_json(list(group.items_of("policy")))
    events = make(PartyConfig(published_key("alice"), policy, _TAG)).receive(case.data("text"))
    shown = [event for event in events if isinstance(event, TextReceived)]
    sent = [wire.parse(event.message) for event in events if isinstance(event, OutgoingMessage)]
    if len(shown) > 1 or len(sent) > 1 or any(message.kind is not wire.Kind.DH_COMMIT for message in sent):
        raise ValueError(f"more than one text, or something other than one commit resulted: {events!r:.200}")
    seen = {"shown": shown[0].text if shown else None, "warned": any(event.warn for event in shown)}
    return Answer(bool(sent), {"version": sent[0].version, **seen} if sent else seen)


def _assembly(make: PartyMaker, group: Fields, case: Fields) -> Answer:
    policy = policy_from_json(list(group.items_of("policy")))
    party = make(PartyConfig(published_key("alice"), policy, group.number("instance_tag")))
    yields: list[bytes | None] = []
    for message in case.items_of("messages"):
        found = [event.text for event in party.receive(message) if isinstance(event, ErrorMessageReceived)]
        if len(found) > 1:
            raise ValueError(f"one message led to several Error Messages: {found!r:.200}")
        yields.append(found[0] if found else None)
    expect: dict[str, Any] = {"yields": tuple(yields)}
    state = state_of(party)
    if state is not None:
        expect["stored"] = {str(tag): f"{k},{n}" for tag, (k, n) in sorted(state.fragments.items())}
    whole = any(text is not None for text in yields)
    return Answer(whole, expect if whole else {name: value for name, value in expect.items() if name != "yields"})


_CLIENTS: Mapping[str, Callable[[PartyMaker, Fields, Fields], Answer]] = {"offer": _offer, "assembly": _assembly}


def answer(subject: Subject, operation: str, group: Fields, case: Fields) -> Answer:
    """A subject's answer to a case other than a play. Unanswerable; ValueError for an answer that makes no sense."""
    client = _CLIENTS.get(operation)
    if client is not None:
        if subject.party is None:
            raise Unanswerable("needs a client")
        return client(subject.party, group, case)
    if subject.tools is None:
        raise Unanswerable("asks for a function inside an implementation, which the driver protocol does not reach")
    try:
        return Answer(True, _FUNCTIONS[operation](subject.tools, group, case))
    except Refusal as refusal:
        return Answer(False, refusal.what or {})
