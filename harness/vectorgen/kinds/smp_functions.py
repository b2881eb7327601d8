"""SMP's numbers and proofs: whole runs from their exponents; every message correct, and with each number wrong.
[Socialist Millionaires' Protocol]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from otterproof.harness.testkit.smp_peer import SmpPeer, over, smp_value
from otterproof.harness.vectorgen.answerers.base import SMP_TLV
from otterproof.harness.vectorgen.answerers.codec import OwnTools
from otterproof.harness.vectorgen.builder import FileBuilder, valid
from otterproof.harness.vectorgen.kinds.derive import OUTSIDE
from otterproof.harness.vectorgen.kinds.encodings import random
from otterproof.harness.wire import DH_PRIME, SMP_NUMBERS, SMP_ORDER
from otterproof.harness.wire.proofs import prove_degenerate
from otterproof.vectors import Outcome

Numbers = Mapping[str, int]

#: Requirements of each message: its order, its construction and its checks.
MADE = {
    1: "SMPMATH-ORDER-1 SMPMATH-MAKE-14 SMPMATH-MAKE-15 SMPMATH-MAKE-16 SMPMATH-STORE-3",
    2: "SMPMATH-ORDER-2 SMPMATH-EXP-1 SMPMATH-STORE-1 " + " ".join(f"SMPMATH-MAKE-{number}" for number in range(1, 7)),
    3: "SMPMATH-ORDER-3 SMPMATH-EXP-4 SMPMATH-STORE-2 " + " ".join(f"SMPMATH-MAKE-{number}" for number in range(7, 12)),
    4: "SMPMATH-ORDER-4 SMPMATH-EXP-5 SMPMATH-MAKE-12 SMPMATH-MAKE-13 SMPMATH-TEST-1 SMPMATH-TEST-2",
}
CHECK = {
    1: {"c2": "SMPMATH-CHECK-1", "c3": "SMPMATH-CHECK-2"},
    2: {"c2": "SMPMATH-CHECK-3", "c3": "SMPMATH-CHECK-4", "cP": "SMPMATH-CHECK-5"},
    3: {"cP": "SMPMATH-CHECK-6", "cR": "SMPMATH-CHECK-7"},
    4: {"cR": "SMPMATH-CHECK-8"},
}
#: Group element -> the requirement on its range in version 3, and in version 2.
RANGE = {
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
PROOF = {
    "g2a": "c2", "D2": "c2", "g2b": "c2", "g3a": "c3", "D3": "c3", "g3b": "c3", "Pb": "cP", "Qb": "cP", "Pa": "cP",
    "Qa": "cP", "D5": "cP", "D6": "cP", "Ra": "cR", "Rb": "cR", "D7": "cR",
}  # fmt: skip

_HASHES = "SMPMATH-HASH-1 SMPMATH-HASH-2 SMPMATH-HASH-3 SMPMATH-HASH-4 SMPMATH-PROOF-1 TYPES-GROUP-3"


def _exponents(name: str, labels: str, size: int = 192) -> dict[str, bytes]:
    return {label: random(f"{name} {label}", size) for label in labels.split()}


def _initiator(name: str, size: int = 192) -> dict[str, bytes]:
    return _exponents(f"initiator {name}", "a2 a3 r2 r3 r4 r5 r6 r7", size)


def _responder(name: str, size: int = 192) -> dict[str, bytes]:
    return _exponents(f"responder {name}", "b2 b3 r2 r3 r4 r5 r6 r7", size)


def smp_proofs(file: FileBuilder) -> None:
    """Runs with equal and different secrets; every message correct, and with each number wrong."""
    runs = file.group("runs", "Whole runs.", "smp_run")
    shows = f"{' '.join(MADE.values())} {_HASHES} SMP-RESULT-1 SMPMATH-MODQ-1 SMPMATH-MODQ-2"
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
    """What the receiver of a message has stored."""
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
    shows = f"{MADE[message]} {' '.join(CHECK[message].values())} {_HASHES} TLV-SMP-7 TLV-SMP-9 TLV-SMP-1"
    group.case("right", "all is right", shows, value=smp_value(kind, right))
    if message == 1:
        limit = SmpPeer(x)
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
    """(name, comment, value, requirements, reading) for every way in which a message can be wrong."""
    kind = SMP_TLV[message]
    names = SMP_NUMBERS[kind]
    for name in names:
        changes = {"and-1": right[name] + 1, "less-1": right[name] - 1, "bit": right[name] ^ 1 << 100}
        for change, number in changes.items():
            proof = CHECK[message][PROOF.get(name, name)]
            if name[0] == "D" and not 0 <= number < SMP_ORDER:
                continue
            yield (
                f"{name}-{change}",
                f"{name} is another number",
                smp_value(kind, {**right, name: number}),
                f"{proof} SMPMATH-PROOF-1",
                "",
            )
        if name in RANGE:
            for value_name in ("0", "1", "p-less-1", "p", "p-and-1", "2-1536"):
                changed = {**right, name: OUTSIDE[value_name]}
                yield f"{name}-{value_name}", f"{name} is {value_name}", smp_value(kind, changed), RANGE[name][0], ""
            if name.startswith("g"):
                for value_name in ("1", "p-less-1"):
                    yield _degenerate(kind, right, name, value_name)
            yield (
                f"{name}-order-more",
                f"{name} plus p: the same number modulo p",
                smp_value(kind, {**right, name: right[name] + DH_PRIME}),
                RANGE[name][0],
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
            yield f"{name}-long", f"{name} has 33 bytes", smp_value(kind, changed), CHECK[message][name], ""
            yield f"{name}-0", f"{name} is 0", smp_value(kind, {**right, name: 0}), CHECK[message][name], ""
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
    """A half of g2 or g3 with a very small order, and a proof that verifies."""
    prefix = {"g2a": 1, "g3a": 2, "g2b": 3, "g3b": 4}[name]
    number = OUTSIDE[value_name]
    c, d = prove_degenerate(prefix, number)
    proof = {f"c{name[1]}": c, f"D{name[1]}": d}
    return (
        f"{name}-{value_name}-proved",
        f"{name} is {value_name}, with a proof that verifies",
        smp_value(kind, {**right, name: number, **proof}),
        RANGE[name][0],
        "",
    )
