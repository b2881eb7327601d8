"""An insider in SMP: each number of each message is wrong in turn, and messages come out of turn."""

from __future__ import annotations

from otterproof.harness.simulation.exchange import outgoing
from otterproof.harness.targets.lockstep import LockstepParty
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.smp_peer import SmpPeer, secret_number, smp_value
from otterproof.harness.wire import DH_PRIME, SMP_ORDER
from otterproof.harness.wire.layers import Tlv, tlv
from otterproof.harness.wire.numbers import fingerprint
from otterproof.harness.wire.proofs import prove_degenerate
from otterproof.scenarios.differential.comparison import Comparison, differential
from otterproof.scenarios.differential.insiders import DEGENERATE, LIMITS, begin, each


def _smp(target: LockstepParty, smp_peer: Insider, kind: int, value: bytes) -> list[bytes]:
    return outgoing(target.receive(smp_peer.data(tlvs=[tlv(kind, value)])))


def _lies(kind: int, right: dict[str, int]) -> list[Tlv]:
    """One SMP message, wrong in every way: each number in turn, the count, the form."""
    found = []
    for name in right:
        values: tuple[int, ...] = (*DEGENERATE, right[name] + DH_PRIME, *LIMITS)
        if name[0] in "cD":
            values = (right[name] ^ 1, 0) if name[0] == "c" else (0, 1, SMP_ORDER, SMP_ORDER + 1, DH_PRIME - 1)
        found += [tlv(kind, smp_value(kind, {**right, name: value})) for value in values]
    for names in (("g2a", "c2", "D2"), ("g3a", "c3", "D3"), ("g2b", "c2", "D2"), ("g3b", "c3", "D3")):
        if names[0] in right:
            prefix = {"g2a": 1, "g3a": 2, "g2b": 3, "g3b": 4}[names[0]]
            for element in DEGENERATE:
                c, d = prove_degenerate(prefix, element)
                changed = {**right, **dict(zip(names, (element, c, d), strict=True))}
                found.append(tlv(kind, smp_value(kind, changed)))
            zero = {**right, names[1]: 0, names[2]: 0}
            found.append(tlv(kind, smp_value(kind, zero)))
    if "D6" in right:
        found.append(tlv(kind, smp_value(kind, {**right, "D6": 0})))
    whole = smp_value(kind, right)
    found += [tlv(kind, smp_value(kind, right, count=count)) for count in (0, 1, len(right) + 1, 0xFFFFFFFF)]
    found += [tlv(kind, value) for value in (whole + b"\0", whole[:-1], whole[:100], whole[:3], b"")]
    body = (len(right) + 0).to_bytes(4) + (193).to_bytes(4) + b"\0" + whole[8:]
    return [*found, tlv(kind, body)]


#: TLVs that are sent out of turn in every state of SMP.
def _out_of_turn(numbers: dict[int, dict[str, int]]) -> list[Tlv]:
    found = [tlv(kind, smp_value(kind, right)) for kind, right in numbers.items()]
    found.append(tlv(7, b"why?\0" + smp_value(2, numbers[2])))
    return [*found, tlv(7, smp_value(2, numbers[2])), tlv(7, b"why?"), tlv(7, b""), tlv(6), tlv(6, b"x"), tlv(0)]


def _each_smp(target: LockstepParty, smp_peer: Insider, wrong: list[Tlv]) -> None:
    messages = [smp_peer.data(tlvs=[lie], ctr=1000) for lie in wrong]
    each(target, messages, smp_peer.data(tlvs=[tlv(6)], ctr=1001))


def _any_numbers() -> dict[int, dict[str, int]]:
    run = SmpPeer(7)
    first = run.message_1()
    other = SmpPeer(8)
    second = other.message_2(first)
    third = run.message_3(second)
    return {2: first, 3: second, 4: third, 5: other.message_4(third)}


def _secret(target: LockstepParty, smp_peer: Insider, begins: bool) -> int:
    ours, theirs = fingerprint(smp_peer.key.public), target.fingerprint
    pair = (ours, theirs) if begins else (theirs, ours)
    return secret_number(*pair, smp_peer.ssid, b"secret")


@differential(
    "!SMP-ABORT-1",
    "!SMP-MSG4-1",
    "!SMPMATH-CHECK-1",
    "!SMPMATH-CHECK-2",
    "!SMPMATH-CHECK-5",
    "!SMPMATH-CHECK-6",
    "!SMPMATH-CHECK-7",
    "!SMPMATH-DVALUE-1",
    "!SMPMATH-RANGE-1",
    "!SMPMATH-RANGE-11",
    "!SMPMATH-RANGE-2",
    "!SMPMATH-RANGE-7",
    "!SMPMATH-RANGE-8",
    "!SMPMATH-RANGE-9",
    "!TLV-SMP-6",
    "!TLV-SMP-8",
    "!TLV-SMP-9",
)
def invalid_smp_from_initiator(comparison: Comparison) -> None:
    """The target agrees with the reference engine when an insider begins SMP with messages wrong or out of turn."""
    target, smp_peer = comparison.insider()
    begin(target, smp_peer)
    run = SmpPeer(_secret(target, smp_peer, True))
    first = run.message_1()
    numbers = _any_numbers()
    _each_smp(target, smp_peer, _lies(2, first) + _out_of_turn(numbers))
    _smp(target, smp_peer, 2, smp_value(2, first))
    _each_smp(target, smp_peer, _out_of_turn(numbers))
    sent = outgoing(target.smp_answer(secret=b"secret"))
    third = run.message_3(smp_peer.smp_numbers(sent[0], 3))
    _each_smp(target, smp_peer, _lies(4, third) + _out_of_turn(numbers))
    _smp(target, smp_peer, 4, smp_value(4, third))
    _each_smp(target, smp_peer, _out_of_turn(numbers))


@differential(
    "!SMPMATH-CHECK-3",
    "!SMPMATH-CHECK-4",
    "!SMPMATH-CHECK-5",
    "!SMPMATH-CHECK-8",
    "!SMPMATH-RANGE-10",
    "!SMPMATH-RANGE-3",
    "!SMPMATH-RANGE-4",
    "!SMPMATH-RANGE-5",
    "!SMPMATH-RANGE-6",
)
def invalid_smp_from_responder(comparison: Comparison) -> None:
    """The target agrees with the reference engine when an insider answers SMP with messages wrong or out of turn."""
    target, smp_peer = comparison.insider()
    begin(target, smp_peer)
    run = SmpPeer(_secret(target, smp_peer, False))
    numbers = _any_numbers()
    sent = outgoing(target.smp_start(secret=b"secret"))
    second = run.message_2(smp_peer.smp_numbers(sent[0], 2))
    _each_smp(target, smp_peer, _lies(3, second) + _out_of_turn(numbers))
    sent = _smp(target, smp_peer, 3, smp_value(3, second))
    fourth = run.message_4(smp_peer.smp_numbers(sent[0], 4))
    _each_smp(target, smp_peer, _lies(5, fourth) + _out_of_turn(numbers))
    _smp(target, smp_peer, 5, smp_value(5, fourth))
    _each_smp(target, smp_peer, _out_of_turn(numbers))
