"""Rare values of the target's own: numbers, keys and MACs it sends that begin with a zero byte.

If a target accepts given random values, they are chosen so that each of its values is rare in turn. Other targets run
under a few seeds; `check --profile nightly` uses so many that a value with a chance of 1 in 256 almost certainly
occurs. Whatever they draw, their messages are judged in the same way. [D-H Commit Message, Reveal Signature Message,
Data types, The SMP state machine]
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, TargetSession, check, check_equal
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_session import MESSAGE_4, SmpSession
from otterproof.harness.wire import DH_GENERATOR, DH_PRIME, Kind, Message, crypto
from otterproof.harness.wire.fields import Type, encode
from otterproof.harness.wire.layers import parse_gxmpi
from otterproof.harness.wire.numbers import mpi, power, public_key
from otterproof.harness.wire.proofs import smp_hash
from otterproof.implementations.contract import SessionEstablished
from otterproof.implementations.entropy import Tape
from otterproof.scenarios.conformance.encoding_keys import check_signature
from otterproof.scenarios.conformance.encoding_types import assert_shortest
from otterproof.scenarios.conformance.rare_smp_values import SHORT

#: Sizes of the values that a target draws. [choice entropy.draws]
EXPONENT, SMP_EXPONENT, NONCE = 40, 192, 28

#: Seeds, by number, that give this project's engines a rare value if no tape can be given: r, g^x and the MAC of a
#: target that begins a handshake; g^y and the MAC of one that answers; a next key; half of g2 and a hash in SMP, of a
#: target that begins and of one that answers. For other targets they are ordinary seeds.
BEGINS, ANSWERS, NEXT_KEYS = (49, 74, 56), (677, 198), (33,)
SMP_BEGINS, SMP_ANSWERS = (326, 117), (401, 6)

#: How many seeds a nightly run uses: a value with a chance of 1 in 256 is then missed in one run in ten thousand.
MANY = 2400


def _exponents(wanted: Callable[[int], bool]) -> Iterator[int]:
    """Exponents whose powers of 2 have the wanted property."""
    base = int.from_bytes(b"\x0f" * EXPONENT)
    public = power(DH_GENERATOR, base)
    for more in count():
        if wanted(public):
            yield base + more
        public = public * 2 % DH_PRIME


def _is_short(public: int) -> bool:
    return public < SHORT


def _nonces(wanted: Callable[[int, int], bool]) -> bytes:
    """The draw that gives a DSA nonce such that the nonce and the resulting r have the wanted property."""
    key = published_key("alice").public
    first = 0xABCDEF
    element = pow(key.g, first + 1, key.p)
    for drawn in count(first):
        if wanted(drawn + 1, element % key.q):
            return drawn.to_bytes(NONCE)
        element = element * key.g % key.p
    raise AssertionError("unreachable")


def _signed(insider: Insider, exponent: int, primed: bool, wanted: Callable[[bytes, bytes], bool]) -> bytes:
    """The nonce draw for which s, or the MAC, of the target's encrypted signature has the wanted property.

    exponent: that of the target's D-H key. The prediction is for a target whose first key id is 1.
    """
    own, theirs = power(DH_GENERATOR, exponent), power(DH_GENERATOR, insider.x)
    keys = crypto.handshake_keys(power(own, insider.x))
    c, m1, m2 = (keys.c_primed, keys.m1_primed, keys.m2_primed) if primed else (keys.c, keys.m1, keys.m2)
    key = published_key("alice")
    identity = public_key(key.public) + (1).to_bytes(4)
    value = int.from_bytes(hmac.digest(m1, mpi(own) + mpi(theirs) + identity, "sha256"))

    def fits(nonce: int, r: int) -> bool:
        s = pow(nonce, -1, key.public.q) * (value + key.x * r) % key.public.q
        block = crypto.aes_ctr(c, bytes(8), identity + r.to_bytes(20) + s.to_bytes(20))
        return wanted(s.to_bytes(20), hmac.digest(m2, encode(Type.DATA, block, "X"), "sha256"))

    return _nonces(fits)


def _handshake_tapes(insider: Insider, begins: bool) -> Iterator[tuple[str, Tape]]:
    """The target's draws in a handshake, with the value that each makes rare."""
    own = ("ake.x" if begins else "ake.y", 0)
    short = next(_exponents(_is_short))
    if begins:
        yield "r", {("ake.r", 0): b"\0" + bytes(range(1, 16))}
        theirs = power(DH_GENERATOR, insider.x)
        for name in ("ssid", "c", "c_primed", "m1", "m2", "m1_primed", "m2_primed"):
            exponent = int.from_bytes(b"\x0e" * EXPONENT)
            secret = power(theirs, exponent)
            while getattr(crypto.handshake_keys(secret), name)[0]:
                exponent, secret = exponent + 1, secret * theirs % DH_PRIME
            yield name, {own: exponent.to_bytes(EXPONENT)}
    yield "the D-H key", {own: short.to_bytes(EXPONENT)}
    yield "r of the signature", {("dsa.k", 0): _nonces(lambda _, r: r < 1 << 152)}
    for what, wanted in (
        ("s of the signature", lambda s, _: s[0] == 0),
        ("the MAC of the signature", lambda _, mac: mac[0] == 0),
        ("the last byte of the MAC of the signature", lambda _, mac: mac[19] == 0),
    ):
        drawn = _signed(insider, short, not begins, wanted)
        yield what, {own: short.to_bytes(EXPONENT), ("dsa.k", 0): drawn}


def _targets(context: Context, begins: bool) -> Iterator[tuple[str, TargetSession, Insider]]:
    """Targets before a handshake, each with an insider, and what is rare about each."""
    if context.takes_tape:
        for what, tape in _handshake_tapes(context.target_session().insider(), begins):
            target = context.target_session(tape=tape)
            yield f"a zero byte in {what}", target, target.insider()
        return
    for number in (*(BEGINS if begins else ANSWERS), *(range(MANY) if context.thorough else ())):
        target = _seeded(context, number).target_session()
        yield f"seed {number}", target, target.insider()


def _seeded(context: Context, number: int) -> Context:
    """The same context, with the seed of that number."""
    other = context.reseeded(b"")
    other.seed = b"rare %d" % number
    return other


@scenario(
    requirements=(
        "COMMIT-GX-6",
        "COMMIT-GX-3",
        "REVEAL-FORM-6",
        "REVEAL-SIG-5",
        "REVEAL-MAC-1",
        "KEYS-SIG-1",
        "TYPES-MPI-2",
        "DERIVE-AKE-1",
    )
)
def own_handshake_with_leading_zeros(context: Context) -> None:
    """A target that begins a handshake reveals all 16 bytes of r, commits to a minimal g^x, and produces a valid
    signature and MAC, whichever of its values begins with a zero byte.
    """
    for what, target, insider in _targets(context, True):
        with context.case(what):
            commit = target.query().message(Kind.DH_COMMIT)
            reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
            r = reveal.data("revealed_key")
            layer = parse_gxmpi(crypto.committed_gxmpi(commit, r))
            assert_shortest(layer.fields, "the D-H Commit")
            check("handshake.commit-does-not-open", not layer.problems, expected="one MPI", got=layer.problems)
            gx = int(layer.value("gx"))
            signature = insider.signature(gx)
            _check_signed(insider, reveal, gx)
            target.assert_established(target.receive(signature), insider)
            target.assert_session_alive(insider)


@scenario(requirements=("DHKEY-FORM-6", "SIG-SIG-5", "SIG-MAC-1", "KEYS-SIG-1", "TYPES-MPI-2"))
def own_answer_with_leading_zeros(context: Context) -> None:
    """A target that answers a commit sends a minimal g^y and produces a valid signature and MAC, whichever of its
    values begins with a zero byte.
    """
    for what, target, insider in _targets(context, False):
        with context.case(what):
            target.user("start")
            dh_key = target.receive(insider.commit()).message(Kind.DH_KEY)
            assert_shortest(dh_key.fields, "the D-H Key Message")
            reply = target.receive(insider.reveal_signature(wire.build(dh_key)))
            reply.one(SessionEstablished)
            _check_signed(insider, reply.message(Kind.SIGNATURE), dh_key.number("gy"))
            target.assert_established(reply, insider)
            target.assert_session_alive(insider)


def _check_signed(insider: Insider, message: Message, theirs: int) -> None:
    """Demand that the MAC and the signature in the target's encrypted signature are valid. theirs: its D-H value."""
    keys, primed = insider.handshake, message.kind is Kind.SIGNATURE
    m2 = keys.m2_primed if primed else keys.m2
    mac = hmac.digest(m2, message.raw("encrypted_signature"), "sha256")[:20]
    check_equal("derivation.signature-mac-wrong", message.data("mac"), mac, case=message.kind)
    check_signature(insider, message, theirs)


@scenario(requirements=("TYPES-MPI-2", "DATA-NEXT-1", "KEYMGMT-ROTATE-1"))
def own_next_keys_with_leading_zeros(context: Context) -> None:
    """If a next D-H key of the target's is a byte shorter than most, it goes out as a shorter MPI and works."""
    if context.takes_tape:
        short = _exponents(_is_short)
        target = context.target_session(tape={("dh.x", index): next(short).to_bytes(EXPONENT) for index in range(4)})
    else:
        target = _seeded(context, *NEXT_KEYS).target_session()
    insider = target.insider()
    target.establish(insider)
    insider.exponent_size = 8
    for _ in range(MANY if context.thorough and not context.takes_tape else 5):
        assert_shortest(target.exchange_texts(insider).fields, "a Data Message")
    target.assert_session_alive(insider)


def _hashes_short(byte: int, public: int) -> bool:
    """Whether the hash of a proof of knowledge of an exponent begins with a zero byte."""
    return smp_hash(byte, public) < 1 << 248


def _smp_tapes(begins: bool) -> Iterator[tuple[str, Tape]]:
    """The target's draws in an SMP run, with the value that each makes rare."""
    first, second = ("smp.a2", "smp.a3") if begins else ("smp.b2", "smp.b3")
    halves = _exponents(_is_short)
    yield "the halves of g2 and g3", _tape({first: next(halves), second: next(halves)})
    bytes_of_hashes = (1, 2) if begins else (3, 4)
    nonces = {}
    for label, byte in zip(("smp.r2", "smp.r3"), bytes_of_hashes, strict=True):
        nonces[label] = next(_exponents(partial(_hashes_short, byte)))
    yield "the hashes", _tape(nonces)
    numbers = {f"smp.r{index}": (1 << 1515) + index for index in (2, 3, 5, 6, 7)}
    yield "the D values", _tape({first: 3, second: 5, "smp.r4": 3, **numbers})


def _smp_targets(context: Context, begins: bool) -> Iterator[tuple[str, TargetSession]]:
    """Targets before a handshake, and what is rare in the SMP run that each begins or answers."""
    if context.takes_tape:
        for what, tape in _smp_tapes(begins):
            yield f"a zero byte in {what}", context.target_session(tape=tape)
        return
    for number in SMP_BEGINS if begins else SMP_ANSWERS:
        yield f"seed {number}", _seeded(context, number).target_session()


def _tape(numbers: dict[str, int]) -> Tape:
    """The first draws for these labels."""
    return {(label, 0): number.to_bytes(SMP_EXPONENT) for label, number in numbers.items()}


@scenario(
    needs=("smp",), requirements=("TYPES-MPI-2", "SMPMATH-HASH-4", "SMPMATH-MODQ-1", "SMPMATH-MODQ-2", "TLV-SMP-7")
)
def own_smp_with_leading_zeros(context: Context) -> None:
    """The target's SMP numbers that are shorter than most go out as shorter MPIs, and its runs succeed."""
    for begins in (False, True):
        for what, target in _smp_targets(context, begins):
            with context.case(f"{what}; the {'target' if begins else 'peer'} begins"):
                insider = target.insider()
                target.establish(insider)
                smp_session = SmpSession(target, insider)
                for _ in range(MANY // 10 if context.thorough and not context.takes_tape else 1):
                    run = smp_session.liar(target_asks=begins)
                    reply = smp_session.asks(run) if begins else smp_session.asked(run)
                    if not begins:
                        reply.numbers(MESSAGE_4)
                    reply.tells(True)
