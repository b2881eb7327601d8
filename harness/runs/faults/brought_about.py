"""Which program of a campaign brings a fault about, so that the faulty engine answers otherwise than the genuine one.

The campaign runs once for all faults, with the genuine engine. Until a program brings a fault about, the faulty engine
answers as the genuine one does, so its own campaign would have the same programs. The calls of the engine under test
are recorded in each program, and repeated with every faulty engine that has not been noticed yet. That takes a small
part of a program's time: it needs no peer and no oracle, and no power is computed twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from otterproof.harness.judges.oracles.healing import Healing
from otterproof.harness.runs.faults.drawn import drawn
from otterproof.harness.runs.faults.memoize import powers_remembered
from otterproof.harness.runs.faults.reach import about
from otterproof.harness.runs.faults.recorded import Recorder, Recording, genuine_engine
from otterproof.harness.runs.faults.ways import WORDS, Way
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.support.errors import CommandError
from otterproof.harness.targets.engines import SingleEngineTarget
from otterproof.harness.targets.faults.entries import faults
from otterproof.harness.targets.faults.loader import PREFIX, engine
from otterproof.implementations.reference import ReferenceEngine

_GENUINE = "genuine_in_campaign"


class GenuineFails(CommandError):
    """The genuine engine fails in a campaign, so there is nothing to compare with. The message says where."""


@dataclass(frozen=True, slots=True)
class BroughtAbout:
    """A fault, how many programs it took until it showed, and the processor seconds that these took."""

    fault: str
    programs: int
    seconds: float


def brought_about(names: Iterable[str], seed: str, way: Way, most: int, seconds: float) -> Iterator[BroughtAbout]:
    """The faults that a campaign brings about within so many programs and seconds, as they come."""
    left = {name: about(faults()[name].edits) for name in names}
    spent = 0.0
    genuine = SingleEngineTarget("reference", ReferenceEngine)
    began = time.process_time()
    for number, (program, watched) in enumerate(islice(drawn(genuine, seed, way), most), start=1):
        failure = attempt(program, watched=watched)
        spent += time.process_time() - began
        if failure is not None:
            raise GenuineFails(
                f"seed {seed}, programs {WORDS[way]}, number {number}: the genuine engine fails {failure.check}, "
                "which is a defect of Otterproof; see `otterproof fuzz reference`"
            )
        with powers_remembered():
            recording = recorded(program)
            for name in [
                name for name, lines in left.items() if not recording.answered_alike(name, engine(name), lines)
            ]:
                del left[name]
                yield BroughtAbout(name, number, spent)
        if not left or spent >= seconds:
            return
        began = time.process_time()


def recorded(program: Program) -> Recording:
    """What the engine under test is asked and answers in a program, from its first call to its memory at the end."""
    recorder = Recorder(PREFIX + _GENUINE)
    target = SingleEngineTarget(_GENUINE, recorder.engines(genuine_engine(_GENUINE)))
    with recorder:
        # No oracle needs to judge, but the conversation at the end belongs to the program.
        attempt(replace(program, setup=replace(program.setup, target=target, oracles=(Healing.id,))), fresh=True)
        recorder.look_into_memory()
    return recorder.recording
