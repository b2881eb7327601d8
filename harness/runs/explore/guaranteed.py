"""What `check` explores: every alphabet that suits a target, to the depth that it guarantees.

The depths are such that all of them together take a few seconds, beside some minutes of scenarios.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from otterproof.harness.runs.explore.alphabet import ALPHABETS
from otterproof.harness.runs.explore.certificate import Certificate
from otterproof.harness.runs.explore.explore import Exploration
from otterproof.harness.runs.explore.found import Found, keep
from otterproof.harness.targets.engines import InProcess


class _TimeUp(Exception):
    """There is no time left."""


def explore_guaranteed(
    target: InProcess, jobs: int, folder: Path, in_time: Callable[[], bool]
) -> Iterator[tuple[Certificate, tuple[Found, ...]]]:
    """Explore to the depths that are guaranteed: for each alphabet its certificate, and what was found.

    folder: for what is found. in_time: asked now and then; once it says no, that is all. OutputError, WorkersDied.
    """

    def pulse(_: int) -> None:
        if not in_time():
            raise _TimeUp

    for name, alphabet in ALPHABETS.items():
        with closing(Exploration(name, target, jobs)) as exploration:
            try:
                pulse(0)
                for _ in exploration.levels(alphabet.guaranteed, pulse):
                    pulse(0)
            except _TimeUp:
                pass
        kept = [keep(name, exploration.setup, target, one, folder) for one in exploration.certificate.found]
        yield exploration.certificate, tuple(kept)
