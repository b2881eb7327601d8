"""SMP: what users type counts byte for byte: NUL, empty and very long inputs, bytes that are not UTF-8, look-alikes.

Each scenario tests one sort of bytes, so that an interface that can't express one sort is still tested with the others.
[Secret information, User requests to begin SMP, SMP Message TLVs]
"""

from __future__ import annotations

from otterproof.harness.testkit.context import Context, check, check_equal
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import smp_value
from otterproof.harness.testkit.smp_session import ABORT, MESSAGE_1, QUESTION, SECRET, SmpSession
from otterproof.harness.wire.layers import parse_smp
from otterproof.implementations.contract import SmpRequested
from otterproof.scenarios.conformance.lookalikes import MARKS, QUERIES
from otterproof.scenarios.conformance.smp import compare_secrets


@scenario(needs=("smp",), requirements=("SMP-SECRET-6", "!SMP-SECRET-6", "SMP-SECRET-8"))
def secrets_with_nul(context: Context) -> None:
    """NUL counts in a secret like any other byte: at the start, in the middle, at the end, and alone."""
    compare_secrets(
        context,
        [
            (False, b"ot\0ter", b"ot\0ter"),
            (True, b"ot\0ter", b"ot\0her"),
            (False, b"otter\0", b"otter"),
            (True, b"\0otter", b"otter"),
            (False, b"\0", b""),
        ],
    )


@scenario(needs=("smp",), requirements=("SMP-SECRET-6", "!SMP-SECRET-6", "SMP-SECRET-8"))
def secrets_that_are_no_utf8(context: Context) -> None:
    """A secret need not be UTF-8: other bytes count as they are, neither replaced nor translated."""
    compare_secrets(
        context,
        [
            (True, b"\xff\xfe otter", b"\xff\xfe otter"),
            (False, b"otter \xff", b"otter \xfe"),
            (True, b"otter \xe4", "otter \ufffd".encode()),
            (False, b"otter \xe4", "otter \xe4".encode()),
            (True, b"otter \xff", b"otter "),
        ],
    )


@scenario(needs=("smp",), requirements=("SMP-SECRET-6", "!SMP-SECRET-6"))
def secrets_are_not_normalized(context: Context) -> None:
    """Secrets that look alike differ if their bytes do: composed letters, line ends, invisible marks."""
    compare_secrets(
        context,
        [
            (False, "Fischotterjunges \u00e4".encode(), "Fischotterjunges a\u0308".encode()),
            (True, "a\u0308".encode(), "a\u0308".encode()),
            (True, "\u212b".encode(), "\u00c5".encode()),
            (False, b"otter\n", b"otter"),
            (True, b"two\r\nlines", b"two\nlines"),
            (False, "\ufeffotter".encode(), b"otter"),
        ],
    )


@scenario(needs=("smp",), requirements=("SMP-SECRET-6", "!SMP-SECRET-6", "SMP-SECRET-8"))
def long_secrets(context: Context) -> None:
    """A secret of any length counts to its last byte."""
    long = b"the otter swims. " * 4200  # 71,400 bytes
    compare_secrets(
        context,
        [
            (False, long, long),
            (True, long, long[:-1] + b"!"),
            (False, long[: 0x10000 + 5], long[:5]),
            (True, long[:256], long[:255] + b"?"),
        ],
    )


@scenario(needs=("smp",), requirements=("SMP-SECRET-6", "!SMP-SECRET-6", "DATA-TEXT-1"))
def secrets_that_look_like_otr(context: Context) -> None:
    """A secret that looks like an OTR message is neither read as one nor changed."""
    query, error = QUERIES[1], b"?OTR Error: nobody knows"
    compare_secrets(context, [(False, query, query), (True, error, error), (False, error, b"nobody knows")])


#: Questions, all valid UTF-8.
QUESTIONS = (b"?", *QUERIES, *(mark for mark in MARKS if len(mark) < 1000), b" \t\n", b"long " * 9_000)


@scenario(
    versions=(3,),
    needs=("smp", "smp_question"),
    requirements=("SMP-MSG1-4", "!SMP-MSG1-4", "TLV-SMP-5", "!TLV-SMP-5", "!DATA-TEXT-1"),
)
def questions_are_shown_whatever_they_look_like(context: Context) -> None:
    """A question is shown as it was sent, whether it is one byte, 45,000 bytes, only blanks, or looks like OTR."""
    smp_session = SmpSession(*context.encrypted())
    first = smp_value(MESSAGE_1, smp_session.liar().message_1())
    for question in QUESTIONS:
        reply = smp_session.give(QUESTION, question + b"\0" + first)
        request = reply.reply.one(SmpRequested, case=question)
        check_equal("smp.question-changed", request.question, question)
        reply.sends("smp.answered-before-user", case=question)
        smp_session.give(ABORT)
    smp_session.subject.assert_session_alive(smp_session.insider)


@scenario(
    versions=(3,),
    needs=("smp", "smp_question"),
    requirements=("TLV-SMP-5", "!TLV-SMP-5", "SMP-BEGIN-1"),
)
def questions_are_sent_whatever_they_look_like(context: Context) -> None:
    """The user's question goes out as it was typed, whatever it looks like, before a complete SMP message 1."""
    smp_session = SmpSession(*context.encrypted())
    for question in QUESTIONS:
        reply = smp_session.user("smp_start", secret=SECRET, question=question)
        reply.numbers(QUESTION, case=question)
        sent = parse_smp(QUESTION, reply.tlvs[0].value).question
        check_equal("smp.question-sent-changed", sent, question)
        smp_session.give(ABORT)


@scenario(
    versions=(3,),
    needs=("smp", "smp_question"),
    requirements=("TLV-SMP-5", "!TLV-SMP-5", "SMP-MSG1-2"),
)
def questions_that_are_no_utf8(context: Context) -> None:
    """A question that is not UTF-8 does no harm: the user is asked, and the run goes on.

    How it is shown is left open, since people read text in UTF-8.
    """
    smp_session = SmpSession(*context.encrypted())
    for question in (b"\xff\xfe", b"Wo ist der Fischotter? \xe4", b"\xf0\x9f\xa6"):
        run = smp_session.liar()
        value = question + b"\0" + smp_value(MESSAGE_1, run.message_1())
        smp_session.give(QUESTION, value).reply.one(SmpRequested, case=question)
        second = smp_session.user("smp_answer", secret=SECRET).numbers(3)
        smp_session.tell(4, run.message_3(second)).tells(True, case=question)


@scenario(
    versions=(3,),
    needs=("smp", "smp_question"),
    requirements=("TLV-SMP-5", "!TLV-SMP-5", "!TLV-SMP-6"),
)
def typed_question_with_nul(context: Context) -> None:
    """If the user's question contains NUL, no message goes out that the peer would take for a malformed one."""
    smp_session = SmpSession(*context.encrypted())
    for question in (b"why\0not?", b"\0", b"why?\0"):
        reply = smp_session.user("smp_start", secret=SECRET, question=question)
        one = len(reply.tlvs) <= 1  # and if there is one, it has its form: that is judged in all that is heard
        check("smp.question-sent-changed", one, expected="one message at most", got=reply, case=question)
        smp_session.give(ABORT)
    smp_session.is_in_expect1()
