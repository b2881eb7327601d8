"""Detectors: what is run against a fault to see whether anybody notices.

A detector is a drill, a scenario, or a random conversation under an adversary, by its name: "drill:ends",
"scenario:conformance.interop.smp_equal", "random:3". Each is recorded once with the genuine engine (record.py), and
then played to any number of faulty ones. A difference in events, state or secrets is a detection; so are a crash and a
hang.
"""

from __future__ import annotations

from functools import cache

from harness import scenario
from harness.faults import drills_talk, drills_wire, lies, lies_smp
from harness.faults.entries import Fault, faults
from harness.faults.loader import engine
from harness.faults.random_run import random_run
from harness.faults.record import Recording, RecordingTarget
from harness.faults.room import Room, drills
from harness.lockstep import EngineFactory
from harness.stage import Stage

#: The modules whose import registers drills.
DRILL_MODULES = (drills_wire, drills_talk, lies, lies_smp)

#: Scenarios that detect much.
_INTEROP = "conformance.interop."

#: How many random conversations there are.
RANDOM_RUNS = 4


def detectors() -> list[str]:
    """The names of all detectors, cheap ones first. Of scenarios, honest conversations and what some fault names."""
    scenario.load()
    named = {fault.hint for fault in faults().values()}
    ids = dict.fromkeys(found.id.partition("[")[0] for found in scenario.scenarios("conformance."))
    return [
        *(f"drill:{name}" for name in drills()),
        *(f"scenario:{name}" for name in ids if _INTEROP in name or f"scenario:{name}" in named),
        *(f"random:{number}" for number in range(RANDOM_RUNS)),
    ]


@cache
def recordings(name: str, version: int) -> tuple[Recording, ...]:
    """What a detector does in one version; nothing if it is not made for it. LookupError for an unknown one."""
    kind, _, what = name.partition(":")
    if kind == "drill" and what in drills():
        room = Room(version)
        if version in drills()[what].versions:
            drills()[what].run(room)
        return tuple(room.recordings)
    if kind == "random" and what.isdecimal():
        return tuple(random_run(int(what), version))
    if kind == "scenario":
        scenario.load()
        target = RecordingTarget()
        found = [found for found in scenario.scenarios(f"{what}[v") if found.id.startswith(f"{what}[v")]
        for each in found:
            if each.version == version:
                each.run(Stage(target, version, b"detector"))
        if found:
            return tuple(target.recordings)
    raise LookupError(f"no detector {name!r}; there are {', '.join(detectors())}")


def notices(name: str, factory: EngineFactory, versions: tuple[int, ...], *, memory: bool = False) -> str | None:
    """How a detector sees that an engine is not the genuine one, in one of the versions; None if it does not.

    memory: whether it also looks for secrets in what the engine remembers.
    """
    for version in versions:
        for recording in recordings(name, version):
            seen = recording.play(factory, memory=memory)
            if seen is not None:
                return f"{name} in version {version}, {seen}"
    return None


def detect(fault: Fault, version: int) -> str | None:
    """How a fault is noticed in a version by the detector that it names.

    What stays in memory is looked at where that is the fault (I8); all others must show in what the engine says or in
    its state.
    """
    return notices(fault.hint, engine(fault.name), (version,), memory=fault.oracle == "I8")
