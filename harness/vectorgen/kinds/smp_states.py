"""SMP messages in each state, aborts, questions, restarts. [SMP Message TLVs, The SMP state machine]"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from otterproof.harness.testkit.smp_peer import smp_value
from otterproof.harness.vectorgen.answerers.base import SMP_TLV
from otterproof.harness.vectorgen.builder import FileBuilder, invalid, valid
from otterproof.harness.vectorgen.kinds.derive import OUTSIDE
from otterproof.harness.vectorgen.kinds.smp_functions import CHECK, MADE, PROOF, RANGE, Numbers
from otterproof.harness.vectorgen.kinds.smp_parts import answered, begun, ready, third, value_of
from otterproof.harness.vectorgen.kinds.smp_users import elsewhere, users, waiting
from otterproof.harness.vectorgen.play_builder import Act, Plays, does, hears
from otterproof.harness.wire import SMP_NUMBERS
from otterproof.harness.wire.layers import tlv

#: Message -> the state that expects it, how to reach that state, what the correct message shows, and what it sends.
_STATES: Mapping[int, tuple[str, Act, str, tuple[str, ...]]] = {
    1: ("EXPECT1", ready, "SMP-EXPECT-4 SMP-ACTION-1", ()),
    2: ("EXPECT2", begun, "SMP-MSG2-2 SMP-MSG2-3 SMP-EXPECT-6 SMP-BEGIN-2", ("data",)),
    3: ("EXPECT3", answered, "SMP-MSG3-2 SMP-MSG3-3 SMP-MSG3-4 SMP-EXPECT-7 SMP-MSG1-3", ("data",)),
    4: ("EXPECT4", third, "SMP-MSG4-2 SMP-MSG4-3 SMP-EXPECT-8", ()),
}
_FAILS = {1: "SMP-MSG1-5", 2: "SMP-MSG2-4", 3: "SMP-MSG3-5", 4: "SMP-MSG4-4"}
_UNEXPECTED = {1: "SMP-MSG1-1", 2: "SMP-MSG2-1", 3: "SMP-MSG3-1", 4: "SMP-MSG4-1"}


def smp_messages(file: FileBuilder) -> None:
    """Every message in every state, wrong ones, aborts, questions, restarts."""
    for version in (2, 3):
        for message in _STATES:
            _in_state(file, version, message)
        waiting(file, version)
        users(file, version)
        elsewhere(file, version)


def _in_state(file: FileBuilder, version: int, message: int) -> None:
    state, reach, shows, sends = _STATES[message]
    kind = SMP_TLV[message]
    group = file.plays(f"v{version}-{state.lower()}", f"SMP messages received in {state}.", reach, version=version)

    def given(change: Callable[[Numbers], bytes]) -> Act:
        return lambda session: session.hear(b"", tlvs=[tlv(kind, change(session.memory["next"]))])

    group.play(
        "right",
        "the message that is expected",
        f"{shows} TLV-SMP-1 {MADE[message]}",
        given(lambda numbers: value_of(kind, numbers)),
    )
    group.play(
        "right-padded",
        "the same, with padding before and after",
        "SMP-EXPECT-1 TLV-FORM-5",
        lambda session: session.hear(
            b"", tlvs=[tlv(0, b"x"), tlv(kind, value_of(kind, session.memory["next"])), tlv(0)]
        ),
    )
    names = SMP_NUMBERS[kind]
    fails = f"{_FAILS[message]} SMP-ABORT-1 SMP-EXPECT-5"
    for name in names:
        group.play(
            f"{name}-wrong",
            f"{name} is another number",
            f"{fails} {CHECK[message][PROOF.get(name, name)]}",
            given(_changed(kind, name, lambda number: number ^ 2)),
            reaction="smp_abort",
            flags="SmpProof",
        )
        if name in RANGE:
            for value_name in ("0", "1", "p-less-1", "p"):
                group.play(
                    f"{name}-{value_name}",
                    f"{name} is {value_name}",
                    f"{fails} {RANGE[name][version == 2]}",
                    given(_changed(kind, name, bound_number(OUTSIDE[value_name]))),
                    reaction="smp_abort",
                    flags="SmpProof",
                )
    for count in (0, len(names) + 1, 0xFFFFFFFF):
        group.play(
            f"count-{count:x}",
            f"the count is {count:#x}",
            f"{fails} TLV-SMP-9 TLV-SMP-10",
            given(_counted(kind, count)),
            reaction="smp_abort",
            flags="SmpForm",
        )
    group.play(
        "empty",
        "a value without anything",
        f"{fails} TLV-SMP-8",
        given(lambda numbers: b""),
        reaction="smp_abort",
        flags="SmpForm",
    )
    group.play(
        "cut",
        "the last byte is missing",
        f"{fails} TLV-SMP-8",
        given(lambda numbers: value_of(kind, numbers)[:-1]),
        reaction="smp_abort",
        flags="SmpForm",
    )
    group.play(
        "more",
        "a byte follows the last number",
        f"{fails} TLV-SMP-8",
        given(lambda numbers: value_of(kind, numbers) + b"x"),
        reaction="smp_abort",
        flags="SmpForm",
        ours="SMP-TRAILING:reject",
        others={"SMP-TRAILING:ignore": valid(sends=sends, shows=())},
    )
    _others(group, message)


def bound_number(number: int) -> Callable[[int], int]:
    return lambda old: number


def _changed(kind: int, name: str, change: Callable[[int], int]) -> Callable[[Numbers], bytes]:
    return lambda numbers: smp_value(kind, {**numbers, name: change(numbers[name])})


def _counted(kind: int, count: int) -> Callable[[Numbers], bytes]:
    return lambda numbers: smp_value(kind, numbers, count=count)


def _others(group: Plays, expected: int) -> None:
    """Unexpected messages, and values that are not SMP messages, in a state."""
    by_application = {"SMP-UNEXPECTED:application": invalid("reported", sends=(), shows=())}
    for message, kind in SMP_TLV.items():
        if message == expected:
            continue
        numbers = {name: 2 + place for place, name in enumerate(SMP_NUMBERS[kind])}
        group.play(
            f"message-{message}",
            f"SMP message {message}, which is not expected",
            f"{_UNEXPECTED[message]} SMP-EXPECT-5",
            hears(b"", tlvs=[tlv(kind, smp_value(kind, numbers))]),
            reaction="smp_abort",
            flags="SmpState",
            ours="SMP-UNEXPECTED:library",
            others=by_application,
        )
    group.play(
        "abort",
        "a type 6 TLV: the run is given up, nothing is answered",
        "TLV-SMP-4 SMP-ACTION-2 SMP-EXPECT-5",
        hears(b"", tlvs=[tlv(6)]),
    )
    group.play("padding", "padding does not disturb", "SMP-EXPECT-1 SMP-STATE-3", hears(b"", tlvs=[tlv(0, b"x")]))
    group.play("text", "a text does not disturb", "SMP-STATE-3", hears(b"hello"))
    group.play(
        "end",
        "the session ends, and with it the run",
        "SMP-STATE-2 SMP-EXPECT-1 SMP-ABORT-4",
        hears(b"", tlvs=[tlv(1)]),
    )
    group.play("user-ends", "the user ends the session, and with it the run", "SMP-STATE-2", does("end"))
    group.play("user-aborts", "the user aborts", "SMP-ABORT-2 SMP-ABORT-3 TLV-SMP-3", does("smp_abort"))
    restarts = (
        {}
        if expected == 1
        else {
            "SMP-RESTART:continue": valid(sends=(), shows=()),
            "SMP-RESTART:refuse": invalid("refused", sends=(), shows=()),
        }
    )
    group.play(
        "user-begins",
        "the user begins" + ("" if expected == 1 else " again: an abort goes first"),
        "SMP-BEGIN-1 SMP-BEGIN-2 SMP-USE-1" if expected == 1 else "SMP-BEGIN-3 SMP-BEGIN-4 SMPMATH-EXP-3",
        does("smp_start", secret=b"another"),
        ours="SMP-RESTART:restart" if restarts else "",
        others=restarts,
    )
    group.play(
        "user-answers",
        "there is no question to answer",
        "SMP-TRUST-2",
        does("smp_answer", secret=b"x"),
        reaction="refused",
        flags="SmpState",
    )
