"""SMP TLVs that have not the form: the count, the MPIs, and what follows them. [Data Message, SMP Message TLVs]"""

from __future__ import annotations

from collections.abc import Callable

from harness.scenario import scenario
from harness.smp import smp_value
from harness.smp_talk import ABORT, MESSAGE_1, MESSAGE_2, MESSAGE_3, MESSAGE_4, SmpTalk
from harness.stage import Stage
from harness.wire import SMP_NUMBERS

#: The value of an SMP TLV, made from the right one and the right count.
Form = Callable[[bytes, int], bytes]


def _refused(stage: Stage, forms: dict[str, Form]) -> None:
    """Each of the four messages in each of these forms comes to nothing, and the session lives on."""
    talk = SmpTalk(*stage.encrypted())
    for state in (1, 2, 3, 4):
        for what, form in forms.items():
            kind, numbers = talk.bring(state)
            value = form(smp_value(kind, numbers), len(SMP_NUMBERS[kind]))
            talk.give(kind, value).refuses(f"SMP TLV {kind} {what}")
            talk.give(ABORT)
    talk.is_in_expect1()
    talk.subject.still_talks(talk.insider)


@scenario(needs=("smp",), requirements=("TLV-SMP-8", "!TLV-SMP-8", "!TLV-SMP-7"))
def message_with_too_few_numbers_is_refused(stage: Stage) -> None:
    """A value that ends before the numbers that it announces, in a number or between two, is refused without harm."""
    _refused(
        stage,
        {
            "cut in its last number": lambda value, count: value[:-1],
            "without its last number": lambda value, count: value[: -4 - _last(value)],
            "without numbers": lambda value, count: value[:4],
            "without a whole count": lambda value, count: value[:3],
            "of no bytes": lambda value, count: b"",
            "with a number of 4 GB": lambda value, count: value[:4] + b"\xff\xff\xff\xff" + value[8:],
        },
    )


def _last(value: bytes) -> int:
    """The length of the last MPI."""
    at = 4
    while (end := at + 4 + int.from_bytes(value[at : at + 4])) < len(value):
        at = end
    return len(value) - at - 4


@scenario(needs=("smp",), requirements=("TLV-SMP-9", "!TLV-SMP-9", "TLV-SMP-10", "!TLV-SMP-10"))
def message_with_another_count_is_refused(stage: Stage) -> None:
    """A count that is not that of the message, one less, none at all, or four milliards, is refused without harm."""
    _refused(
        stage,
        {
            "with a count of one less": lambda value, count: (count - 1).to_bytes(4) + value[4:],
            "with a count of 0": lambda value, count: bytes(4) + value[4:],
            "with a huge count": lambda value, count: b"\xff\xff\xff\xff" + value[4:],
        },
    )


@scenario(needs=("smp",), requirements=("TLV-SMP-9", "!TLV-SMP-9"))
def message_with_more_than_its_numbers_is_refused(stage: Stage) -> None:
    """One number more, with the count that fits, or a stray byte after the last number: refused."""
    _refused(
        stage,
        {
            "with a number more": lambda value, count: (count + 1).to_bytes(4) + value[4:] + b"\0\0\0\1\5",
            "with a stray byte": lambda value, count: value + b"\0",
        },
    )


@scenario(needs=("smp",), requirements=("SMP-ABORT-1", "!SMP-ABORT-1"))
def malformed_message_is_answered_with_an_abort(stage: Stage) -> None:
    """A message that ends too early is answered with one type 6 TLV, and the right one then comes too late."""
    talk = SmpTalk(*stage.encrypted())
    for kind in (MESSAGE_1, MESSAGE_2, MESSAGE_3, MESSAGE_4):
        kind, numbers = talk.bring(kind - 1)
        talk.give(kind, smp_value(kind, numbers)[:-100]).aborts(f"SMP TLV {kind} that ends too early")
        talk.has_dropped((kind, numbers), "a malformed message")
