"""Attacks on SMP: somebody without the secret wants to be told that he has it, or to learn something about it.

Small-order elements were the flaw of the first description of SMP in OTR; the others are defects that clients had, or
what a man in the middle with a session on each side would try.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness import wire
from harness.insider import Insider, SmpLiar, fingerprint, knows_degenerate, secret_number, smp_value
from harness.keys import test_key
from harness.scenario import scenario
from harness.stage import PEER, TARGET, Stage, Subject, check
from harness.wire import DH_PRIME, Kind
from harness.wire.layers import parse_plaintext, tlv
from implementations.contract import SmpFinished, SmpRequested

SECRET = b"the secret of the two"

#: Elements of order 1 and 2, and 0.
SMALL = (0, 1, DH_PRIME - 1)


def number(insider: Insider, initiator: bytes, responder: bytes) -> int:
    """The number that the secret becomes in the insider's session."""
    return secret_number(initiator, responder, insider.ssid, SECRET)


def prints() -> tuple[bytes, bytes]:
    """The fingerprints of the target and of the insider."""
    return fingerprint(test_key("alice").public), fingerprint(test_key("mallory").public)


def send(subject: Subject, insider: Insider, kind: int, numbers: Mapping[str, int]) -> tuple[list[bool], list[int]]:
    """Hand over an SMP message; the outcomes that the target reports, and the types of the TLVs in its answer."""
    reply = subject.give(insider.data(tlvs=[tlv(kind, smp_value(kind, numbers))]))
    answers = [parse_plaintext(insider.read(wire.build(message))).tlvs for message in reply.messages(Kind.DATA)]
    return [event.equal for event in reply.of(SmpFinished)], [one.type for tlvs in answers for one in tlvs]


def asked(subject: Subject, insider: Insider) -> dict[str, int]:
    """The target begins a run, after what may still be under way is given up; the numbers of its message 1."""
    subject.give(insider.data(tlvs=[tlv(6)]))
    return insider.smp_numbers(wire.build(subject.user("smp_start", secret=SECRET).message(Kind.DATA)), 2)


def answered(subject: Subject, insider: Insider, liar: SmpLiar) -> list[bool]:
    """A whole run that the target begins; the outcomes that it reports."""
    second = liar.message_2(asked(subject, insider))
    reply = subject.give(insider.data(tlvs=[tlv(3, smp_value(3, second))]))
    third = insider.smp_numbers(wire.build(reply.message(Kind.DATA)), 4)
    return send(subject, insider, 5, liar.message_4(third))[0]


@scenario(
    needs=("smp",),
    versions=(3,),
    requirements=("!SMPMATH-RANGE-1", "!SMPMATH-RANGE-2", "!SMPMATH-RANGE-3", "!SMPMATH-RANGE-4", "!SMPMATH-EQUAL-1"),
)
def elements_of_small_order(stage: Stage) -> None:
    """Elements of small order, with proofs that fit them, would make the outcome independent of the secret; the target
    refuses them in message 1 and in message 2.
    """
    subject, insider = stage.encrypted()
    for small in SMALL:
        for name, proof, prefix in (("g2a", ("c2", "D2"), 1), ("g3a", ("c3", "D3"), 2)):
            lie = (
                SmpLiar(1).message_1() | {name: small} | dict(zip(proof, knows_degenerate(prefix, small), strict=True))
            )
            reply = subject.give(insider.data(tlvs=[tlv(2, smp_value(2, lie))]))
            check(not reply.of(SmpRequested), f"{name} of small order makes no request, and there was {reply}")
            for message in reply.messages(Kind.DATA):
                insider.read(wire.build(message))
        for name, proof, prefix in (("g2b", ("c2", "D2"), 3), ("g3b", ("c3", "D3"), 4)):
            second = SmpLiar(1).message_2(asked(subject, insider))
            lie = second | {name: small} | dict(zip(proof, knows_degenerate(prefix, small), strict=True))
            outcomes, types = send(subject, insider, 3, lie)
            check(True not in outcomes and 4 not in types, f"the target does not go on after {name} of small order")
    subject.still_talks(insider)


@scenario(needs=("smp",), requirements=("!SMP-SECRET-1", "!SMPMATH-TEST-1", "!SMPMATH-TEST-2"))
def a_man_in_the_middle_fails(stage: Stage) -> None:
    """Somebody with a session on each side who hands on SMP messages, or who knows the users' secret, but not for the
    keys that he himself uses, is found out: the number compared binds both fingerprints, the session and the roles.
    """
    target, mallory = prints()
    bob = fingerprint(test_key("bob").public)
    subject, insider = stage.encrypted()
    other_session = secret_number(target, mallory, bytes(8), SECRET)
    wrong = (number(insider, target, bob), number(insider, mallory, target), other_session)
    for value in wrong:
        outcomes = answered(subject, insider, SmpLiar(value))
        check(outcomes == [False], f"the target finds the secrets unequal, and reports {outcomes}")
    outcomes = answered(subject, insider, SmpLiar(number(insider, target, mallory)))
    check(outcomes == [True], f"with the right one they are equal, and the target reports {outcomes}")


@scenario(needs=("smp",), requirements=("!SMP-BEGIN-5", "!SMP-ABORT-1", "!SMP-STATE-2"))
def messages_out_of_turn(stage: Stage) -> None:
    """Messages of SMP that nobody waits for, a second run within one, and messages of an earlier run bring no success,
    and a proper run works afterwards.
    """
    target, mallory = prints()
    subject, insider = stage.encrypted()
    liar, other = (SmpLiar(number(insider, mallory, target)) for _ in range(2))
    first = liar.message_1()
    second = other.message_2(first)
    third = liar.message_3(second)
    fourth = other.message_4(third)
    for kind, numbers in ((3, second), (4, third), (5, fourth)):
        outcomes, _ = send(subject, insider, kind, numbers)
        check(True not in outcomes, f"SMP message {kind - 1} that nobody waits for brings no success")
    subject.give(insider.data(tlvs=[tlv(2, smp_value(2, first))])).one(SmpRequested)
    for kind, numbers in ((5, fourth), (3, second)):
        outcomes, _ = send(subject, insider, kind, numbers)
        check(True not in outcomes, f"SMP message {kind - 1} out of turn brings no success")
    request = subject.give(insider.data(tlvs=[tlv(2, smp_value(2, first))])).of(SmpRequested)
    check(len(request) == 1, "a new run begins")
    answer = subject.user("smp_answer", secret=SECRET).message(Kind.DATA)
    third = liar.message_3(insider.smp_numbers(wire.build(answer), 3))
    done = subject.give(insider.data(tlvs=[tlv(4, smp_value(4, third))]))
    check(done.one(SmpFinished).equal, "and ends with success")
    for message in done.messages(Kind.DATA):
        insider.read(wire.build(message))
    check(True not in send(subject, insider, 4, third)[0], "its message 3 once more brings no success")


@scenario(needs=("smp",), peer_needs=("smp",), requirements=("!SMP-BEGIN-5", "!DATA-RECV-12"))
def a_run_that_is_tampered_with_never_succeeds(stage: Stage) -> None:
    """An attacker on the network who damages any message of a run between honest peers with equal secrets brings
    neither to believe that they are unequal in secret, nor one alone to success; a later run succeeds.
    """
    for damaged in range(4):
        pair = stage.pair()
        pair.establish(PEER)
        pair.do(PEER, "smp_start", {"secret": SECRET})
        receiver, sender = TARGET, PEER
        for turn in range(4):
            message = wire.parse(pair.take(receiver))
            if turn == damaged:
                mac = bytes(one ^ 1 for one in message.data("mac"))
                pair.hand(receiver, wire.build(message.with_value("mac", mac))).accepts_nothing("a damaged message")
                break
            pair.hand(receiver, wire.build(message))
            if turn == 0:
                pair.do(TARGET, "smp_answer", {"secret": SECRET})
            receiver, sender = sender, receiver
        pair.lose(TARGET)
        pair.lose(PEER)
        pair.smp(PEER, SECRET, SECRET)
