"""SMP: whole runs from their exponents, the proofs one by one, and its messages in each state.
[Socialist Millionaires' Protocol, SMP Message TLVs, The SMP state machine]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.insider import fingerprint
from harness.keys import test_key
from harness.smp import SmpLiar, knows_degenerate, over, secret_number, smp_value
from harness.vectors.builder import FileBuilder, invalid, valid
from harness.vectors.kinds.derive import OUTSIDE
from harness.vectors.kinds.encodings import random
from harness.vectors.plays import Act, Plays, bound, does, hears
from harness.vectors.scene import Scene
from harness.vectors.tools import SMP_TLV
from harness.vectors.tools_own import OwnTools
from harness.wire import DH_PRIME, SMP_NUMBERS, SMP_ORDER
from harness.wire.layers import tlv
from vectors import Outcome

Numbers = Mapping[str, int]

#: Requirements of each message: its order, its making and its checks.
_MADE = {
    1: "SMPMATH-ORDER-1 SMPMATH-MAKE-14 SMPMATH-MAKE-15 SMPMATH-MAKE-16 SMPMATH-STORE-3",
    2: "SMPMATH-ORDER-2 SMPMATH-EXP-1 SMPMATH-STORE-1 " + " ".join(f"SMPMATH-MAKE-{number}" for number in range(1, 7)),
    3: "SMPMATH-ORDER-3 SMPMATH-EXP-4 SMPMATH-STORE-2 " + " ".join(f"SMPMATH-MAKE-{number}" for number in range(7, 12)),
    4: "SMPMATH-ORDER-4 SMPMATH-EXP-5 SMPMATH-MAKE-12 SMPMATH-MAKE-13 SMPMATH-TEST-1 SMPMATH-TEST-2",
}
_CHECK = {
    1: {"c2": "SMPMATH-CHECK-1", "c3": "SMPMATH-CHECK-2"},
    2: {"c2": "SMPMATH-CHECK-3", "c3": "SMPMATH-CHECK-4", "cP": "SMPMATH-CHECK-5"},
    3: {"cP": "SMPMATH-CHECK-6", "cR": "SMPMATH-CHECK-7"},
    4: {"cR": "SMPMATH-CHECK-8"},
}
#: Group element -> the requirement of its range in version 3, and in version 2.
_RANGE = {
    "g2a": ("SMPMATH-RANGE-1", "SMPMATH-RANGE-11"),
    "g3a": ("SMPMATH-RANGE-2", "SMPMATH-RANGE-11"),
    "g2b": ("SMPMATH-RANGE-3", "SMPMATH-RANGE-12"),
    "g3b": ("SMPMATH-RANGE-4", "SMPMATH-RANGE-12"),
    "Pb": ("SMPMATH-RANGE-5", "SMPMATH-RANGE-12"),
    "Qb": ("SMPMATH-RANGE-6", "SMPMATH-RANGE-12"),
    "Pa": ("SMPMATH-RANGE-7", "SMPMATH-RANGE-13"),
    "Qa": ("SMPMATH-RANGE-8", "SMPMATH-RANGE-13"),
    "Ra": ("SMPMATH-RANGE-9", "SMPMATH-RANGE-13"),
    "Rb": ("SMPMATH-RANGE-10", "SMPMATH-RANGE-14"),
}
#: The proof that each number belongs to.
_PROOF = {
    "g2a": "c2", "D2": "c2", "g2b": "c2", "g3a": "c3", "D3": "c3", "g3b": "c3", "Pb": "cP", "Qb": "cP", "Pa": "cP",
    "Qa": "cP", "D5": "cP", "D6": "cP", "Ra": "cR", "Rb": "cR", "D7": "cR",
}  # fmt: skip

_HASHES = "SMPMATH-HASH-1 SMPMATH-HASH-2 SMPMATH-HASH-3 SMPMATH-HASH-4 SMPMATH-PROOF-1 TYPES-GROUP-3"


# ---- functions -------------------------------------------------------------------------------------------------------


def _exponents(name: str, labels: str, size: int = 192) -> dict[str, bytes]:
    return {label: random(f"{name} {label}", size) for label in labels.split()}


def _initiator(name: str, size: int = 192) -> dict[str, bytes]:
    return _exponents(f"initiator {name}", "a2 a3 r2 r3 r4 r5 r6 r7", size)


def _responder(name: str, size: int = 192) -> dict[str, bytes]:
    return _exponents(f"responder {name}", "b2 b3 r2 r3 r4 r5 r6 r7", size)


def smp_proofs(file: FileBuilder) -> None:
    """Runs with equal and other secrets; every message right, and wrong in each of its numbers."""
    runs = file.group("runs", "Whole runs.", "smp_run")
    shows = f"{' '.join(_MADE.values())} {_HASHES} SMP-RESULT-1 SMPMATH-MODQ-1 SMPMATH-MODQ-2"
    x = int.from_bytes(random("smp x", 32))
    y = int.from_bytes(random("smp y", 32))
    pairs = {
        "equal": (x, x, "the same secret"),
        "unequal": (x, y, "other secrets"),
        "last-bit": (x, x ^ 1, "secrets that differ in their last bit"),
        "first-bit": (x, x ^ 1 << 255, "secrets that differ in their first bit"),
        "small": (1, 1, "the secret 1"),
        "zero": (0, 0, "the secret 0"),
        "zero-one": (0, 1, "the secrets 0 and 1"),
        "ones": ((1 << 256) - 1, (1 << 256) - 1, "the largest secret"),
    }
    for name, (first, second, comment) in pairs.items():
        runs.case(
            name,
            comment,
            shows,
            flags="SmpRun",
            x=first,
            y=second,
            initiator=_initiator(name),
            responder=_responder(name),
        )
    for name, size in {"20-bytes": 20, "33-bytes": 33, "40-bytes": 40}.items():
        runs.case(
            f"exponents-{name}",
            f"exponents of {size} bytes",
            shows,
            flags="SmpRun",
            x=x,
            y=x,
            initiator=_initiator(name, size),
            responder=_responder(name, size),
        )
    run = OwnTools().smp_run(x, x, _initiator("checked", 40), _responder("checked", 40))
    other = OwnTools().smp_run(x, y, _initiator("checked", 40), _responder("checked", 40))
    for message in (1, 2, 3, 4):
        _checks(file, message, x, run.messages, other.messages)


def _known(message: int, x: int, messages: tuple[Numbers, ...]) -> dict[str, int]:
    """What the receiver of a message has kept."""
    a = {name: int.from_bytes(value) for name, value in _initiator("checked", 40).items()}
    b = {name: int.from_bytes(value) for name, value in _responder("checked", 40).items()}
    first, second, third, _ = messages
    if message == 1:
        return {}
    if message == 2:
        return {"x": x, "a2": a["a2"], "a3": a["a3"]}
    if message == 3:
        powers = {"g2": pow(first["g2a"], b["b2"], DH_PRIME), "g3": pow(first["g3a"], b["b3"], DH_PRIME)}
        return {"g3a": first["g3a"], **powers, "b3": b["b3"], "Pb": second["Pb"], "Qb": second["Qb"]}
    quotients = {"PaPb": over(third["Pa"], second["Pb"]), "QaQb": over(third["Qa"], second["Qb"])}
    return {"a3": a["a3"], "g3b": second["g3b"], **quotients}


def _checks(
    file: FileBuilder, message: int, x: int, messages: tuple[Numbers, ...], unequal: tuple[Numbers, ...]
) -> None:
    kind = SMP_TLV[message]
    group = file.group(
        f"message-{message}",
        f"SMP message {message}, received.",
        "smp_check",
        message=message,
        known=_known(message, x, messages),
    )
    right = messages[message - 1]
    shows = f"{_MADE[message]} {' '.join(_CHECK[message].values())} {_HASHES} TLV-SMP-7 TLV-SMP-9 TLV-SMP-1"
    group.case("right", "all is right", shows, value=smp_value(kind, right))
    if message == 1:
        limit = SmpLiar(x)
        limit.e2 = limit.e3 = 1
        value = smp_value(kind, limit.message_1())
        group.case("limit-2", "both halves are 2, the least that is in range", "SMPMATH-RANGE-15", value=value)
    if message == 3:
        same = {**_initiator("checked", 40), "r4": _responder("checked", 40)["r4"]}
        value = smp_value(kind, OwnTools().smp_run(x, x, same, _responder("checked", 40)).messages[2])
        group.case(
            "same-r4",
            "Pa is Pb and Qa is Qb, so that Ra is 1",
            "SMPMATH-EQUAL-1 SMPMATH-RANGE-9",
            reaction="smp_abort",
            flags="SmpProof",
            value=value,
        )
    if message == 2:
        group.case(
            "other-secret", "made with another secret: nobody can tell yet", shows, value=smp_value(kind, unequal[1])
        )
    for name, comment, value, requirement, reading in _wrong(message, right):
        others: dict[str, Outcome] = {}
        if reading == "SMP-TRAILING":
            others = {"SMP-TRAILING:ignore": valid(equal=True if message > 2 else None)}
        group.case(
            name,
            comment,
            requirement,
            reaction="smp_abort",
            flags="SmpForm" if requirement.startswith("TLV") else "SmpProof",
            ours=f"{reading}:reject" if others else "",
            others=others,
            value=value,
        )


def _wrong(message: int, right: Numbers) -> Iterator[tuple[str, str, bytes, str, str]]:
    """(name, comment, value, requirements, reading) of every way in which a message can be wrong."""
    kind = SMP_TLV[message]
    names = SMP_NUMBERS[kind]
    for name in names:
        changes = {"and-1": right[name] + 1, "less-1": right[name] - 1, "bit": right[name] ^ 1 << 100}
        for change, number in changes.items():
            proof = _CHECK[message][_PROOF.get(name, name)]
            if name[0] == "D" and not 0 <= number < SMP_ORDER:
                continue
            yield (
                f"{name}-{change}",
                f"{name} is another number",
                smp_value(kind, {**right, name: number}),
                f"{proof} SMPMATH-PROOF-1",
                "",
            )
        if name in _RANGE:
            for value_name in ("0", "1", "p-less-1", "p", "p-and-1", "2-1536"):
                changed = {**right, name: OUTSIDE[value_name]}
                yield f"{name}-{value_name}", f"{name} is {value_name}", smp_value(kind, changed), _RANGE[name][0], ""
            if name.startswith("g"):
                for value_name in ("1", "p-less-1"):
                    yield _degenerate(kind, right, name, value_name)
            yield (
                f"{name}-order-more",
                f"{name} plus p: the same number modulo p",
                smp_value(kind, {**right, name: right[name] + DH_PRIME}),
                _RANGE[name][0],
                "",
            )
        if name[0] == "D":
            changed = {**right, name: right[name] + SMP_ORDER}
            yield (
                f"{name}-and-q",
                f"{name} plus the order: the proof is right, the number too large",
                smp_value(kind, changed),
                "SMPMATH-DVALUE-1",
                "",
            )
        if name[0] == "c":
            changed = {**right, name: right[name] + (1 << 256)}
            yield f"{name}-long", f"{name} has 33 bytes", smp_value(kind, changed), _CHECK[message][name], ""
            yield f"{name}-0", f"{name} is 0", smp_value(kind, {**right, name: 0}), _CHECK[message][name], ""
    whole = smp_value(kind, right)
    for count in (0, len(names) - 1, len(names) + 1, 0x7FFFFFFF, 0xFFFFFFFF):
        more = " TLV-SMP-10" if count > 100 else ""
        yield (
            f"count-{count:x}",
            f"the count is {count}",
            smp_value(kind, right, count=count),
            f"TLV-SMP-9 TLV-SMP-8{more}",
            "",
        )
    for size in (0, 3, 4, 6, len(whole) // 2, len(whole) - 1):
        yield f"cut-{size}", f"cut short after {size} bytes", whole[:size], "TLV-SMP-8 TLV-SMP-7", ""
    yield "more", "a byte follows", whole + b"\0", "TLV-SMP-8", "SMP-TRAILING"
    yield (
        "more-mpi",
        "one MPI more than there must be, and not counted",
        whole + b"\0\0\0\1\1",
        "TLV-SMP-9",
        "SMP-TRAILING",
    )
    raw = len(names).to_bytes(4) + b"".join(
        (len(number) + (name == names[0])).to_bytes(4) + (b"\0" if name == names[0] else b"") + number
        for name in names
        for number in [right[name].to_bytes((right[name].bit_length() + 7) // 8)]
    )
    yield "zeros", "a leading zero byte in the first number", raw, "TLV-SMP-7 TYPES-MPI-2", ""


def _degenerate(kind: int, right: Numbers, name: str, value_name: str) -> tuple[str, str, bytes, str, str]:
    """A half of g2 or g3 that has no order to speak of, with a proof that verifies."""
    prefix = {"g2a": 1, "g3a": 2, "g2b": 3, "g3b": 4}[name]
    number = OUTSIDE[value_name]
    c, d = knows_degenerate(prefix, number)
    proof = {f"c{name[1]}": c, f"D{name[1]}": d}
    return (
        f"{name}-{value_name}-proved",
        f"{name} is {value_name}, with a proof that verifies",
        smp_value(kind, {**right, name: number, **proof}),
        _RANGE[name][0],
        "",
    )


# ---- messages --------------------------------------------------------------------------------------------------------

_SECRET = b"secret"


def _liar(scene: Scene, initiator: bool, secret: bytes = _SECRET) -> SmpLiar:
    """The insider's part of a run; initiator: whether he began it."""
    mine = fingerprint(scene.insider.key.public)
    theirs = fingerprint(test_key("alice").public)
    first, second = (mine, theirs) if initiator else (theirs, mine)
    return SmpLiar(secret_number(first, second, scene.insider.ssid, secret))


def _value(kind: int, numbers: Numbers, **more: Any) -> bytes:
    return smp_value(kind, numbers, **more)


def asked(scene: Scene) -> None:
    """The insider has sent message 1; the client's user is being asked."""
    scene.begin()
    scene.memory["liar"] = _liar(scene, True)
    scene.memory["first"] = scene.memory["liar"].message_1()
    scene.hear(b"", tlvs=[tlv(2, _value(2, scene.memory["first"]))])


def answered(scene: Scene) -> None:
    """The client's user has answered with the same secret: EXPECT3; the numbers of message 3 are ready."""
    asked(scene)
    scene.do("smp_answer", secret=_SECRET)
    second = scene.insider.smp_numbers(scene.sent(), 3)
    scene.memory["next"] = scene.memory["liar"].message_3(second)


def begun(scene: Scene) -> None:
    """The client's user has begun: EXPECT2; the numbers of message 2 are ready."""
    scene.begin()
    scene.do("smp_start", secret=_SECRET)
    scene.memory["liar"] = _liar(scene, False)
    scene.memory["next"] = scene.memory["liar"].message_2(scene.insider.smp_numbers(scene.sent(), 2))


def third(scene: Scene) -> None:
    """The client has sent message 3: EXPECT4; the numbers of message 4 are ready."""
    begun(scene)
    scene.hear(b"", tlvs=[tlv(3, _value(3, scene.memory["next"]))])
    scene.memory["next"] = scene.memory["liar"].message_4(scene.insider.smp_numbers(scene.sent(), 4))


def ready(scene: Scene) -> None:
    """ENCRYPTED; the numbers of message 1 are ready."""
    scene.begin()
    scene.memory["next"] = _liar(scene, True).message_1()


#: Message -> the state in which it is expected, how that is reached, what the right message shows, what it sends.
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
        _waiting(file, version)
        _users(file, version)
        _elsewhere(file, version)


def _in_state(file: FileBuilder, version: int, message: int) -> None:
    state, reach, shows, sends = _STATES[message]
    kind = SMP_TLV[message]
    group = file.plays(f"v{version}-{state.lower()}", f"SMP messages received in {state}.", reach, version=version)

    def given(change: Callable[[Numbers], bytes]) -> Act:
        return lambda scene: scene.hear(b"", tlvs=[tlv(kind, change(scene.memory["next"]))])

    group.play(
        "right",
        "the message that is expected",
        f"{shows} TLV-SMP-1 {_MADE[message]}",
        given(lambda numbers: _value(kind, numbers)),
    )
    group.play(
        "right-padded",
        "the same, with padding before and after",
        "SMP-EXPECT-1 TLV-FORM-5",
        lambda scene: scene.hear(b"", tlvs=[tlv(0, b"x"), tlv(kind, _value(kind, scene.memory["next"])), tlv(0)]),
    )
    names = SMP_NUMBERS[kind]
    fails = f"{_FAILS[message]} SMP-ABORT-1 SMP-EXPECT-5"
    for name in names:
        group.play(
            f"{name}-wrong",
            f"{name} is another number",
            f"{fails} {_CHECK[message][_PROOF.get(name, name)]}",
            given(_changed(kind, name, lambda number: number ^ 2)),
            reaction="smp_abort",
            flags="SmpProof",
        )
        if name in _RANGE:
            for value_name in ("0", "1", "p-less-1", "p"):
                group.play(
                    f"{name}-{value_name}",
                    f"{name} is {value_name}",
                    f"{fails} {_RANGE[name][version == 2]}",
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
        given(lambda numbers: _value(kind, numbers)[:-1]),
        reaction="smp_abort",
        flags="SmpForm",
    )
    group.play(
        "more",
        "a byte follows the last number",
        f"{fails} TLV-SMP-8",
        given(lambda numbers: _value(kind, numbers) + b"x"),
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
    """The messages that are not expected, and what is no SMP message, in a state."""
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
    group.play("end", "the session ends, and with it the run", "SMP-STATE-2 SMP-EXPECT-1", hears(b"", tlvs=[tlv(1)]))
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
        "the user begins" + ("" if expected == 1 else " anew: an abort goes first"),
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


def _waiting(file: FileBuilder, version: int) -> None:
    """A question waits for the user."""
    group = file.plays(f"v{version}-asked", "The user is being asked for the secret.", asked, version=version)
    group.play("answer", "message 2 goes out", f"SMP-MSG1-2 SMP-MSG1-3 {_MADE[2]}", does("smp_answer", secret=_SECRET))
    group.play("answer-empty", "an empty secret", "SMP-SECRET-8 SMP-MSG1-2", does("smp_answer", secret=b""))
    group.play("abort", "the other side gives up", "TLV-SMP-4 SMP-ACTION-2", hears(b"", tlvs=[tlv(6)]))
    group.play("user-aborts", "the user gives up", "SMP-ABORT-2 SMP-ABORT-3", does("smp_abort"))
    group.play(
        "again",
        "a second message 1 takes the place of the first",
        "SMP-MSG1-1 SMP-MSG1-2",
        lambda scene: scene.hear(b"", tlvs=[tlv(2, _value(2, scene.memory["first"]))]),
        ours="SMP-PENDING:replace",
        others={"SMP-PENDING:abort": invalid("smp_abort", sends=("data",), shows=())},
    )

    def late(scene: Scene) -> None:
        scene.hear(b"", tlvs=[tlv(6)])
        scene.do("smp_answer", secret=_SECRET)

    group.play(
        "answer-late", "the question does not wait any more", "SMP-TRUST-2", late, reaction="refused", flags="SmpState"
    )
    group.play(
        "user-begins",
        "the user begins: the question is dropped",
        "SMP-BEGIN-1 SMP-BEGIN-5",
        does("smp_start", secret=b"mine"),
    )
    _finishes(file, version)
    _questions(file, version)


def _finishes(file: FileBuilder, version: int) -> None:
    """Whole runs with an insider, by what the two typed."""
    secrets = {"equal": b"secret", "unequal": b"Secret", "empty": b"", "longer": b"secret "}
    responder = file.plays(f"v{version}-responder", "The client is the responder of a run.", asked, version=version)
    shows = "SMP-RESULT-1 SMP-SECRET-7 SMP-SECRET-8 SMP-MSG3-2 SMP-MSG3-3 SMPMATH-TEST-1 SMP-EXPECT-9"

    def responds(typed: bytes) -> Act:
        def act(scene: Scene) -> None:
            scene.do("smp_answer", secret=typed)
            numbers = scene.memory["liar"].message_3(scene.insider.smp_numbers(scene.sent(), 3))
            scene.hear(b"", tlvs=[tlv(4, _value(4, numbers))])

        return act

    for name, typed in secrets.items():
        unequal = {"SMP-UNEQUAL:abort": valid(sends=("data",), shows=())} if typed != _SECRET else {}
        responder.play(
            name,
            f"the user types {typed!r}",
            shows,
            responds(typed),
            ours="SMP-UNEQUAL:message" if unequal else "",
            others=unequal,
        )
    initiator = file.plays(
        f"v{version}-initiator", "The client is the initiator of a run.", lambda scene: scene.begin(), version=version
    )
    shows = "SMP-RESULT-1 SMP-SECRET-7 SMP-MSG4-2 SMPMATH-TEST-2 SMP-EXPECT-9"

    def initiates(typed: bytes) -> Act:
        def act(scene: Scene) -> None:
            scene.do("smp_start", secret=typed)
            liar = _liar(scene, False)
            second = liar.message_2(scene.insider.smp_numbers(scene.sent(), 2))
            scene.hear(b"", tlvs=[tlv(3, _value(3, second))])
            fourth = liar.message_4(scene.insider.smp_numbers(scene.sent(), 4))
            scene.hear(b"", tlvs=[tlv(5, _value(5, fourth))])

        return act

    for name, typed in secrets.items():
        initiator.play(name, f"the user types {typed!r}", shows, initiates(typed))


def _questions(file: FileBuilder, version: int) -> None:
    """Type 7 TLVs."""
    group = file.plays(f"v{version}-question", "SMP message 1 with a question.", ready, version=version)
    shows = "TLV-SMP-5 SMP-MSG1-4 SMP-EXPECT-3 SMP-TRUST-1" if version == 3 else "SMP-EXPECT-2"
    ignored = {"SMP-V2-QUESTION:ignore": valid(sends=(), shows=())} if version == 2 else {}
    ours = "SMP-V2-QUESTION:use" if version == 2 else ""
    for name, question in {
        "word": b"Where did we meet?",
        "empty": b"",
        "utf-8": "Wo wären wir?".encode(),
        "long": b"q" * 1000,
        "high": b"\xff\xfe",
    }.items():
        group.play(
            name,
            f"the question {question[:20]!r}",
            shows,
            bound(
                question,
                lambda scene, question: scene.hear(
                    b"", tlvs=[tlv(7, question + b"\0" + _value(2, scene.memory["next"]))]
                ),
            ),
            ours=ours,
            others=ignored,
        )
        group.play(
            f"sent-{name}",
            f"the client asks {question[:20]!r}",
            shows,
            does("smp_start", secret=_SECRET, question=question),
        )
    shows = "TLV-SMP-6 SMP-ABORT-1" if version == 3 else "SMP-ABORT-1"
    for name, value in {"no-nul": b"Where?", "nothing-after": b"Where?\0", "empty": b"", "nul": b"\0"}.items():
        group.play(
            f"broken-{name}",
            "there is no message 1 after the question",
            shows,
            hears(b"", tlvs=[tlv(7, value)]),
            reaction="smp_abort",
            flags="SmpForm",
            ours=ours,
            others=ignored,
        )
    group.play(
        "sent-nul",
        "a question with a NUL is refused",
        "SMP-MSG1-4" if version == 3 else "SMP-BEGIN-1",
        does("smp_start", secret=_SECRET, question=b"a\0b"),
        reaction="refused",
        flags="SmpForm",
    )


def _elsewhere(file: FileBuilder, version: int) -> None:
    """SMP where no session is encrypted."""
    group = file.plays(f"v{version}-plaintext", "SMP in PLAINTEXT.", version=version)
    for name, act in {
        "start": does("smp_start", secret=_SECRET),
        "answer": does("smp_answer", secret=_SECRET),
        "abort": does("smp_abort"),
    }.items():
        group.play(name, "there is no session", "SMP-STATE-1", act, reaction="refused", flags="State")

    def again(scene: Scene) -> None:
        """A new handshake in the midst of a run, and then the message that was expected."""
        scene.commit()
        scene.give(scene.insider.reveal_signature(scene.memory["dh_key"]))
        scene.hear(b"", tlvs=[tlv(3, _value(3, scene.memory["next"]))])

    rehandshake = file.plays(
        f"v{version}-rehandshake", "A new handshake completes while a run is under way.", begun, version=version
    )
    rehandshake.play(
        "message-2",
        "the run does not go on",
        "SMP-STATE-4 SMP-STATE-3",
        again,
        reaction="smp_abort",
        flags="SmpState",
        ours="SMP-REHANDSHAKE:drop",
        others={"SMP-REHANDSHAKE:keep": valid(sends=("data",), shows=())},
    )


def _users(file: FileBuilder, version: int) -> None:
    """What a user begins."""
    group = file.plays(f"v{version}-begin", "The user begins.", lambda scene: scene.begin(), version=version)
    for name, secret in {
        "word": b"secret",
        "empty": b"",
        "nul": b"a\0b",
        "long": b"s" * 1000,
        "high": b"\xff\xfe",
    }.items():
        group.play(
            f"secret-{name}",
            f"the secret {secret[:10]!r}",
            f"SMP-BEGIN-1 SMP-BEGIN-2 SMP-SECRET-8 TLV-SMP-1 TLV-SMP-7 TLV-SMP-9 {_MADE[1]}",
            does("smp_start", secret=secret),
        )
    both = file.plays(f"v{version}-both", "Both begin at once.", begun, version=version)

    def crossed(scene: Scene) -> None:
        numbers = _liar(scene, True).message_1()
        scene.hear(b"", tlvs=[tlv(2, _value(2, numbers))])

    both.play(
        "crossed",
        "their message 1 comes in EXPECT2",
        "SMP-BEGIN-5 SMP-MSG1-1",
        crossed,
        reaction="smp_abort",
        flags="SmpState",
    )
