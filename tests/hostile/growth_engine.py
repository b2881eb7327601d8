"""The cases that measure an engine's growth, for any engine.

An engine must do linear work on all input, in every state, from outside and behind the MAC, and on all requests of its
user. Each case is a function of how to make the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial

from otterproof.harness.testkit.insider import HONEST_SIGNATURE, SignatureOptions
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.smp_peer import SmpPeer, smp_value
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import MIN_MESSAGE_SIZE, DsaPublicKey, Policy
from tests.hostile.growth import MESSAGES, PLAINTEXTS, SMP_PLAINTEXTS, TEXTS, all_linear, data, encoded, fragments
from tests.hostile.growth_parties import (
    BOTH,
    MakeEngine,
    PreparedParty,
    encrypted,
    insider,
    party,
    prepared_parties,
    sent,
)

#: The longest TLV values tried: the length has two bytes.
_LONG_TLV = 1 << 15

#: The maximum number of items that an engine answers with one message each.
_MANY_ANSWERS = 1 << 10

_prepared = cache(prepared_parties)


def encoded_messages_in_every_state(make: MakeEngine) -> None:
    for prepared in _prepared(make).values():
        all_linear(prepared.receive, {name: one for name, one in MESSAGES.items() if name not in TEXTS}, large=1 << 17)


def texts_and_single_fragments(make: MakeEngine) -> None:
    """Input classified by its form alone, in the states that treat it differently."""
    for state in ("no version allowed", "plaintext", "encrypted, version 3", "finished, version 2"):
        all_linear(_prepared(make)[state].receive, TEXTS, large=1 << 19)


def fragments_one_after_the_other(make: MakeEngine) -> None:
    all_linear(
        _prepared(make)["plaintext"].receive_all,
        {
            "in order": fragments,
            "complete": lambda size: [b"?OTR,%d,%d,AAAAAAAA," % (k, size) for k in range(1, size + 1)],
            "begun again and again": lambda size: [b"?OTR,1,9,AAAAAAAA,", b"?OTR,2,9,AAAAAAAA,"] * (size // 2),
            "of many senders": lambda size: [b"?OTR|%x|0,1,9,AAAAAAAA," % (0x1000 + k) for k in range(size)],
            "long ones": lambda size: [b"?OTR,%d,65535,%s," % (k, b"A" * 2048) for k in range(1, size + 1)],
        },
        small=64,
        large=1 << 13,
    )


def plaintexts_behind_the_mac(make: MakeEngine) -> None:
    for version in (2, 3):
        prepared = _prepared(make)[f"encrypted, version {version}"]
        all_linear(prepared.receive, {name: _sealed(prepared, one) for name, one in PLAINTEXTS.items()}, large=1 << 18)


def fields_behind_the_mac(make: MakeEngine) -> None:
    prepared = _prepared(make)["encrypted, version 3"]
    make_data = prepared.insider.data
    all_linear(
        prepared.receive,
        {
            "many old MAC keys": lambda size: make_data(b"text", old_mac_keys=bytes(size // 20 * 20)),
            "a long next_dh": lambda size: make_data(b"text", next_dh=(1 << 8 * size) - 1),
            "a head of zeros": lambda size: prepared.insider.seal(bytes(size)),
            "a MAC that is wrong": lambda size: make_data(bytes(size), mac=bytes(20)),
            "a counter that is wrong": lambda size: make_data(bytes(size), ctr=0),
            "an unknown key": lambda size: make_data(bytes(size), sender_keyid=7),
        },
    )


def smp_messages(make: MakeEngine) -> None:
    for version in (2, 3):
        prepared = _prepared(make)[f"encrypted, version {version}"]
        all_linear(
            prepared.receive, {name: _sealed(prepared, one) for name, one in SMP_PLAINTEXTS.items()}, large=_LONG_TLV
        )


def many_smp_messages_in_one(make: MakeEngine) -> None:
    prepared = _prepared(make)["encrypted, version 3"]
    all_linear(
        prepared.receive,
        {
            "SMP 2 that is not expected": lambda size: prepared.insider.data(b"\0" + b"\0\3\0\0" * size),
            "SMP 1 that is malformed": lambda size: prepared.insider.data(b"\0" + b"\0\2\0\0" * size),
        },
        small=16,
        large=_MANY_ANSWERS,
    )


def handshakes_of_insiders(make: MakeEngine) -> None:
    """Long values behind the commitment and behind the MAC of the handshake."""
    start = _prepared(make)["plaintext"]

    def meeting(gxmpi: bytes | None, signed: SignatureOptions) -> list[bytes]:
        peer = insider(3)
        commit = peer.commit(gxmpi=gxmpi)
        return [commit, peer.reveal_signature(sent(start.receive(commit)), signed)]

    def long_key(**numbers: int) -> SignatureOptions:
        known = published_key("bob").public
        return SignatureOptions(
            advertised_key=DsaPublicKey(**{"p": known.p, "q": known.q, "g": known.g, "y": known.y, **numbers})
        )

    def number(size: int) -> int:
        return (1 << 8 * size + 8) - 1

    all_linear(
        start.receive_all,
        {
            "a long gx": lambda size: meeting((size + 1).to_bytes(4) + b"\xff" * (size + 1), HONEST_SIGNATURE),
            "bytes after gx": lambda size: meeting(b"\0\0\0\1\2" + bytes(size), HONEST_SIGNATURE),
            "a block of zeros": lambda size: meeting(None, SignatureOptions(block=bytes(size))),
            "bytes after the signature": lambda size: meeting(None, SignatureOptions(trailing=bytes(size))),
            "a long p": lambda size: meeting(None, long_key(p=number(size))),
            "a long q": lambda size: meeting(None, long_key(q=number(size))),
            "a long g": lambda size: meeting(None, long_key(g=number(size))),
            "a long y": lambda size: meeting(None, long_key(y=number(size))),
        },
        small=1 << 10,
    )


def handshakes_one_after_the_other(make: MakeEngine) -> None:
    """Commits and queries, each of which is answered."""
    commit = data(bytes(196)) + data(b"\xff" * 32)  # the party's own commit yields to it
    commits = [encoded(3, 0x02, commit, receiver=0, sender=0x2000 + k) for k in range(_MANY_ANSWERS)]
    all_linear(
        _prepared(make)["awaiting D-H Key, version 3"].receive_all,
        {
            "commits of one client": lambda size: commits[:1] * size,
            "commits of many clients": lambda size: commits[:size],
            "queries": lambda size: [b"?OTRv23?"] * size,
        },
        small=16,
        large=_MANY_ANSWERS,
    )


def actions_in_the_clear(make: MakeEngine) -> None:
    tagging = PreparedParty.of(party(make, policy=BOTH | Policy.SEND_WHITESPACE_TAG), insider(3))
    requiring = PreparedParty.of(party(make, policy=BOTH | Policy.REQUIRE_ENCRYPTION), insider(3))
    for prepared in (_prepared(make)["plaintext"], _prepared(make)["finished, version 3"], tagging, requiring):
        all_linear(partial(prepared.ask, "send"), {"text": _text, "NULs": lambda size: bytes(size)}, large=1 << 22)


def actions_in_a_session(make: MakeEngine) -> None:
    cut = encrypted(make, size=MIN_MESSAGE_SIZE)
    for prepared in (_prepared(make)["encrypted, version 2"], _prepared(make)["encrypted, version 3"], cut):
        prepared.receive(prepared.insider.data(tlvs=[tlv(2, smp_value(2, SmpPeer(1).message_1()))]))
        asked = PreparedParty.of(prepared.engine, prepared.insider)
        entries: Mapping[str, Callable[[bytes], object]] = {
            "send": partial(prepared.ask, "send"),
            "smp_start, secret": partial(prepared.ask, "smp_start"),
            "smp_start, question": partial(_start_with_question, prepared),
            "smp_answer": partial(asked.ask, "smp_answer"),
            "extra_key": partial(prepared.ask, "extra_key", 1),
            "padding": partial(_send_padded, prepared),
        }
        for name, entry in entries.items():
            all_linear(entry, {name: _text}, large=1 << 20)


def _start_with_question(prepared: PreparedParty, question: bytes) -> object:
    return prepared.ask("smp_start", b"secret", question=question)


def _send_padded(prepared: PreparedParty, padding: bytes) -> object:
    return prepared.ask("send", b"text", padding=len(padding))


def _text(size: int) -> bytes:
    return b"a" * size


def _sealed(prepared: PreparedParty, plaintext: Callable[[int], bytes]) -> Callable[[int], bytes]:
    return lambda size: prepared.insider.data(plaintext(size))


#: Every case by name.
CASES: Mapping[str, Callable[[MakeEngine], None]] = {
    one.__name__: one
    for one in (
        encoded_messages_in_every_state,
        texts_and_single_fragments,
        fragments_one_after_the_other,
        plaintexts_behind_the_mac,
        fields_behind_the_mac,
        smp_messages,
        many_smp_messages_in_one,
        handshakes_of_insiders,
        handshakes_one_after_the_other,
        actions_in_the_clear,
        actions_in_a_session,
    )
}
