"""The programs of a campaign, in the ways that are compared: as `fuzz` draws them, and as simpler generators do.

Nothing is shrunk or stored, because all that counts is when a fault is noticed.
"""

from __future__ import annotations

from collections.abc import Iterator

from otterproof.harness.runs.faults.ways import Way
from otterproof.harness.runs.fuzz.execute import Watched
from otterproof.harness.runs.fuzz.generate import Program, plain_program
from otterproof.harness.runs.fuzz.schedule import Programs
from otterproof.harness.runs.fuzz.state import State
from otterproof.harness.runs.fuzz.workers import Drawing
from otterproof.harness.targets.engines import Target


def drawn(target: Target, seed: str, way: Way) -> Iterator[tuple[Program, Watched]]:
    """The programs of a campaign, each with a record that takes what it shows before the next one is drawn."""
    state = State()
    drawing = Drawing(seed, Programs(seed, target), lambda: state.schedule)
    number = 0
    while True:
        watched = Watched(quick=True)
        if way is Way.SINGLE_ACTS:
            yield plain_program(seed, number, target), watched
        elif way is Way.AFRESH:
            yield drawing.fresh(number), watched
        else:
            parents, made = drawing.drawn(number)
            yield made, watched
            state = state.after(number, None, watched.seen, (), parents)
        number += 1
