"""SMP: group elements and D values in and out of range, always with proofs that fit.

The version 3 text requires range checks of group elements. The version 2 text does not, but there too, an element of
small order must not lead to success without the secret. [Receiving a type 2 TLV (SMP message 1) to Receiving a type 5
TLV (SMP message 4)]
"""

from __future__ import annotations

from collections.abc import Callable

from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import Numbers, SmpPeer
from otterproof.harness.testkit.smp_session import (
    ABORT,
    MESSAGE_1,
    MESSAGE_2,
    MESSAGE_3,
    MESSAGE_4,
    SECRET,
    Making,
    SmpReply,
    SmpSession,
)
from otterproof.harness.wire import DH_GENERATOR, DH_PRIME, SMP_ORDER
from otterproof.harness.wire.numbers import power
from otterproof.harness.wire.proofs import prove_degenerate, smp_hash
from otterproof.implementations.contract import SmpRequested
from otterproof.scenarios.conformance.smp_lies import Lies, one_p_more, one_q_more, out_of_range
from otterproof.scenarios.conformance.smp_wrong import refuse_all

KINDS = (MESSAGE_1, MESSAGE_2, MESSAGE_3, MESSAGE_4)


@scenario(
    versions=(3,),
    needs=("smp",),
    requirements=("SMPMATH-RANGE-1", "!SMPMATH-RANGE-1", "SMPMATH-RANGE-2", "!SMPMATH-RANGE-2", "!SMPMATH-RANGE-15"),
)
def message_1_with_an_element_out_of_range(context: Context) -> None:
    """A g2a or g3a of 0, 1, p - 1, p or above is refused."""
    refuse_all(context, "smp.message-1-range-not-checked", MESSAGE_1, out_of_range(MESSAGE_1))


@scenario(
    versions=(3,),
    needs=("smp",),
    requirements=(
        "SMPMATH-RANGE-3",
        "!SMPMATH-RANGE-3",
        "SMPMATH-RANGE-4",
        "!SMPMATH-RANGE-4",
        "SMPMATH-RANGE-5",
        "!SMPMATH-RANGE-5",
        "SMPMATH-RANGE-6",
        "!SMPMATH-RANGE-6",
    ),
)
def message_2_with_an_element_out_of_range(context: Context) -> None:
    """A g2b, g3b, Pb or Qb below 2 or above p - 2 is refused."""
    lies = out_of_range(MESSAGE_2)
    halves = {what: lie for what, lie in lies.items() if what.startswith("g")}
    refuse_all(context, "smp.message-2-range-not-checked", MESSAGE_2, halves)
    others = {what: lie for what, lie in lies.items() if what not in halves}
    refuse_all(context, "smp.message-2-blinded-range-not-checked", MESSAGE_2, others)


@scenario(
    versions=(3,),
    needs=("smp",),
    requirements=(
        "SMPMATH-RANGE-7",
        "!SMPMATH-RANGE-7",
        "SMPMATH-RANGE-8",
        "!SMPMATH-RANGE-8",
        "SMPMATH-RANGE-9",
        "!SMPMATH-RANGE-9",
    ),
)
def message_3_with_an_element_out_of_range(context: Context) -> None:
    """A Pa, Qa or Ra below 2 or above p - 2 is refused."""
    refuse_all(context, "smp.message-3-range-not-checked", MESSAGE_3, out_of_range(MESSAGE_3))


@scenario(versions=(3,), needs=("smp",), requirements=("SMPMATH-RANGE-10", "!SMPMATH-RANGE-10"))
def message_4_with_an_element_out_of_range(context: Context) -> None:
    """An Rb below 2 or above p - 2 is refused."""
    refuse_all(context, "smp.message-4-range-not-checked", MESSAGE_4, out_of_range(MESSAGE_4))


@scenario(versions=(3,), needs=("smp",), requirements=("SMPMATH-RANGE-15",))
def elements_at_the_limits_are_in_range(context: Context) -> None:
    """A run succeeds when the halves of g2 and g3 are 2, which is g1 itself; a half of p - 2 is not refused for its
    size.
    """
    smp_session = SmpSession(*context.encrypted())
    for target_asks in (False, True):
        run = smp_session.liar(target_asks=target_asks)
        run.e2 = run.e3 = 1
        reply = smp_session.asks(run) if target_asks else smp_session.asked(run)
        reply.tells(True, check_id="smp.range-limit-refused", case="the peer's halves of g2 and g3 are 2")
    for name, byte in (("g2a", 1), ("g3a", 2)):
        reply = smp_session.offer(MESSAGE_1, _minus_2(name, byte))
        reply.reply.one(SmpRequested, "smp.range-limit-refused", case=f"{name} of p - 2")
        smp_session.give(ABORT)


def _minus_2(name: str, byte: int) -> Making:
    """A half of p - 2, with a proof that verifies because its hash is even."""

    def making(run: SmpPeer, heard: Numbers) -> Numbers:
        c, r = prove_degenerate(byte, DH_PRIME - 1)
        return {**run.message_1(), name: DH_PRIME - 2, f"c{name[1]}": c, f"D{name[1]}": (r - c) % SMP_ORDER}

    return making


@scenario(
    needs=("smp",),
    requirements=("!SMP-RESULT-1", "!SMPMATH-RANGE-1", "!SMPMATH-RANGE-3", "!SMPMATH-RANGE-11", "!SMPMATH-RANGE-12"),
)
def element_of_1_does_not_replace_the_secret(context: Context) -> None:
    """A peer that does not know the secret uses 0 as an exponent, so that the secret cancels out: the run does not
    succeed.
    """
    smp_session = SmpSession(*context.encrypted())
    for target_asks in (False, True):
        for exponent in ("e2", "e3"):
            run = SmpPeer(12345)
            setattr(run, exponent, 0)
            reply = (
                smp_session.tell(MESSAGE_2, run.message_2(smp_session.expect2()))
                if target_asks
                else _asked(smp_session, run)
            )
            kind, follows = (MESSAGE_3, run.message_4) if target_asks else (MESSAGE_2, run.message_3)
            if reply.types == [kind]:
                reply = smp_session.tell(kind + 1, follows(reply.numbers(kind)))
            smp_session.give(ABORT)
            case = f"{exponent} of the peer is 0, and the {'target' if target_asks else 'peer'} begins"
            success = True in reply.outcomes
            check("smp.degenerate-element-succeeds", not success, expected="no success", got=reply, case=case)


def _asked(smp_session: SmpSession, run: SmpPeer) -> SmpReply:
    reply = smp_session.tell(MESSAGE_1, run.message_1())
    return smp_session.user("smp_answer", secret=SECRET) if reply.requests else reply


def _alike(smp_session: SmpSession, check_id: str, lies: Callable[[int], Lies]) -> None:
    """Demand that these lies are refused in all messages, or accepted in all."""
    taken: list[str] = []
    refused: list[str] = []
    for kind in KINDS:
        for lie, making in lies(kind).items():
            reply = smp_session.offer(kind, making)
            if reply.requests and kind == MESSAGE_1:
                reply = smp_session.user("smp_answer", secret=SECRET)
            (taken if reply.goes_on else refused).append(f"{lie} (TLV {kind})")
            smp_session.give(ABORT)
    got = f"accepted: {', '.join(taken)}; refused: {', '.join(refused)}"
    check(check_id, not taken or not refused, expected="all are accepted, or all are refused", got=got)


@scenario(
    versions=(2,),
    needs=("smp",),
    requirements=(
        "SMPMATH-RANGE-11",
        "!SMPMATH-RANGE-11",
        "SMPMATH-RANGE-12",
        "!SMPMATH-RANGE-12",
        "SMPMATH-RANGE-13",
        "!SMPMATH-RANGE-13",
        "SMPMATH-RANGE-14",
        "!SMPMATH-RANGE-14",
    ),
)
def ranges_are_checked_consistently_in_version_2(context: Context) -> None:
    """In version 2, group elements of p and above are refused everywhere or, where they are not checked, nowhere."""
    _alike(SmpSession(*context.encrypted()), "smp.ranges-checked-unevenly", one_p_more)


@scenario(
    needs=("smp",),
    requirements=("SMPMATH-DVALUE-1", "!SMPMATH-DVALUE-1", "!SMPMATH-MODQ-1", "!SMPMATH-MODQ-2"),
)
def d_values_are_checked_consistently(context: Context) -> None:
    """D values of q and above are refused everywhere or, where they are not checked, nowhere."""
    _alike(SmpSession(*context.encrypted()), "smp.d-values-checked-unevenly", one_q_more)


@scenario(needs=("smp", "lockstep"), requirements=("SMPMATH-DVALUE-1", "!SMPMATH-DVALUE-1"))
def engines_refuse_d_values_that_are_not_reduced(context: Context) -> None:
    """This project's engines refuse each D value of q or above, including q itself."""
    smp_session = SmpSession(*context.encrypted())
    for kind in KINDS:
        for what, making in one_q_more(kind).items():
            smp_session.refuses("smp.d-value-not-below-q", kind, making, f"{what} in SMP message {kind - 1}")
    smp_session.refuses("smp.d-value-not-below-q", MESSAGE_1, _d_of_q, "D2 of q in SMP message 1")
    smp_session.is_in_expect1()


def _d_of_q(run: SmpPeer, heard: Numbers) -> Numbers:
    """D2 is q where 0 would be correct; the exponent is chosen for that."""
    c = smp_hash(1, power(DH_GENERATOR, run.r[2]))
    run.e2 = run.r[2] * pow(c, -1, SMP_ORDER) % SMP_ORDER
    return {**run.message_1(), "D2": SMP_ORDER}
