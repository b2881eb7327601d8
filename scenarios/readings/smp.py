"""Probes of the readings on SMP. [The SMP state machine]"""

from __future__ import annotations

import hashlib

from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.probe import reading, same_answer
from otterproof.harness.testkit.smp_peer import smp_value
from otterproof.harness.testkit.smp_session import (
    ABORT,
    MESSAGE_1,
    MESSAGE_2,
    MESSAGE_3,
    MESSAGE_4,
    QUESTION,
    SECRET,
    SmpReply,
    SmpSession,
)
from otterproof.harness.wire import DH_GENERATOR, DH_PRIME, SMP_ORDER
from otterproof.harness.wire.numbers import mpi, power
from otterproof.harness.wire.proofs import prove_degenerate
from otterproof.implementations.contract import ActionRefused


def talk(context: Context) -> SmpSession:
    return SmpSession(*context.encrypted())


def goes_on(reply: SmpReply) -> bool:
    """Whether the target accepts SMP message 1: it asks its user."""
    return bool(reply.requests)


@reading("SMP-UNEXPECTED", needs=("smp",))
def unexpected_message(context: Context) -> str:
    session = talk(context)
    reply = session.tell(MESSAGE_4, {"Rb": 4, "cR": 5, "D7": 6})
    return "library" if reply.types == [ABORT] else "application"


@reading("SMP-UNEQUAL", needs=("smp",))
def the_answer_when_secrets_differ(context: Context) -> str:
    session = talk(context)
    reply = session.asked(session.liar(b"another secret"))
    succeeds = True in reply.outcomes
    check("smp.unequal-secrets-match", not succeeds, expected="no success", got=reply, case="different secrets")
    return "abort" if ABORT in reply.types else "message"


@reading("SMP-PENDING", needs=("smp",))
def a_second_request(context: Context) -> str:
    session = talk(context)
    first, second = session.liar(), session.liar()
    second.e2, second.e3 = 0x7654321, 0x1FCDBA98
    session.request(first)
    if ABORT in session.tell(MESSAGE_1, second.message_1()).types:
        return "abort"
    answer = session.user("smp_answer", secret=SECRET).numbers(MESSAGE_2)
    reply = session.tell(MESSAGE_3, second.message_3(answer))
    reply.tells(True, check_id="smp.second-request-mishandled", case="SMP message 3 of the second run")
    return "replace"


@reading("SMP-TRAILING", needs=("smp",))
def excess_smp_values(context: Context) -> str:
    session = talk(context)
    numbers = session.liar().message_1()
    more = (smp_value(MESSAGE_1, numbers, count=7, tail=mpi(5)), smp_value(MESSAGE_1, numbers, tail=b"\0"))
    return "ignore" if any(goes_on(session.give(MESSAGE_1, value)) for value in more) else "reject"


@reading("SMP-RESTART", needs=("smp",))
def second_start_by_the_user(context: Context) -> str:
    session = talk(context)
    session.expect2()
    reply = session.user("smp_start", secret=SECRET)
    if reply.types == [ABORT, MESSAGE_1]:
        return "restart"
    reply.sends("smp.restart-without-abort", case="EXPECT2")
    return "refuse" if reply.reply.of(ActionRefused) else "continue"


@reading("SMP-REHANDSHAKE", needs=("smp",))
def run_during_a_new_handshake(context: Context) -> str:
    session = talk(context)
    run = session.liar()
    third = run.message_3(session.expect3(run))
    again = session.subject.insider(seed=b"again")
    session.subject.establish(again)
    later = SmpSession(session.subject, again)
    answer = later.tell(MESSAGE_3, third)
    later.give(ABORT)
    later.asked(later.liar()).tells(True, check_id="smp.later-run-fails", case="a run after a new handshake")
    return "keep" if MESSAGE_4 in answer.types else "drop"


@reading("SMP-V2-QUESTION", needs=("smp",))
def a_question_in_version_2(context: Context) -> str:
    session = talk(context)
    value = b"who?\0" + smp_value(MESSAGE_1, session.liar().message_1())
    return "use" if goes_on(session.give(QUESTION, value)) else "ignore"


@reading("SMP-V2-RANGES", needs=("smp",))
def elements_out_of_range_in_version_2(context: Context) -> str:
    session = talk(context)
    answers = []
    for element in (1, DH_PRIME - 1):
        c2, d2 = prove_degenerate(1, element)
        reply = session.tell(MESSAGE_1, session.liar().message_1() | {"g2a": element, "c2": c2, "D2": d2})
        answers.append("none" if goes_on(reply) else "check")
        session.give(ABORT)
    return same_answer(answers, "g2a of 1 and of p - 1")


@reading("SMPMATH-D-RANGE", needs=("smp",))
def d_values_out_of_range(context: Context) -> str:
    session = talk(context)
    numbers = session.liar().message_1()
    if goes_on(session.tell(MESSAGE_1, numbers | {"D2": numbers["D2"] + SMP_ORDER})):
        return "any"
    # D2 = r2 - a2 c2 = 0: the exponent is r2 / c2.
    r2 = 0x10001
    c2 = int.from_bytes(hashlib.sha256(b"\1" + mpi(power(DH_GENERATOR, r2))).digest())
    g2a = power(DH_GENERATOR, r2 * pow(c2, -1, SMP_ORDER) % SMP_ORDER)
    if goes_on(talk(context).tell(MESSAGE_1, numbers | {"g2a": g2a, "c2": c2, "D2": SMP_ORDER})):
        return "any"
    return "below" if goes_on(session.tell(MESSAGE_1, numbers | {"g2a": g2a, "c2": c2, "D2": 0})) else "positive"
