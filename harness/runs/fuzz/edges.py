"""Code coverage of a target that reports it: edges of its code, which count as behaviour that a run has shown.

Edges say nothing about whether a target is right, and no judgement depends on them. So a driver whose answer to
`coverage` is invalid causes no finding. The program is run again without asking, and if that run passes, the campaign
ends with an error about the driver.
"""

from __future__ import annotations

from otterproof.harness.runs.fuzz.behaviour import Area, Behaviour
from otterproof.harness.simulation.world import Step
from otterproof.harness.support.errors import CommandError
from otterproof.harness.targets.driver import TargetError
from otterproof.harness.targets.engines import Target, TellsEdges

#: A target is asked after this many moves. That costs a program against potr 15 % more processor time; asking after
#: every move would cost 23 %.
_EVERY = 5

#: The most edges remembered, of a program or of a campaign; a target that reports ever new ones would fill memory.
MOST = 20_000


class EdgesFailed(CommandError):
    """The target does not report what was reached of its code, or its report is invalid."""


def telling(target: object) -> TellsEdges | None:
    """The target if it reports edges, else None."""
    if isinstance(target, TellsEdges) and target.coverage:
        return target
    return None


class Edges:
    """Asks a target every few moves which edges were reached. EdgesFailed when it does not answer.

    role: the party that the target plays. asked: whether it is asked at all. seen: the edges reached since `begin`,
    each with the number of moves after which that was known.
    """

    def __init__(self, target: Target | None, role: str, *, asked: bool = True) -> None:
        self._target, self._role = telling(target) if asked else None, role
        if asked and self._target is None:
            raise EdgesFailed(f"{target.name if target else 'an engine'} does not tell the edges of its code here")
        self._stepped = False
        self._noted = 0
        self.seen: dict[Behaviour, int] = {}

    def __call__(self, step: Step) -> None:
        """Take in a step of the run."""
        self._stepped = self._stepped or step.party == self._role

    def begin(self) -> None:
        """Begin a run. What was reached before, while parties were made, is left out."""
        self._asked(begin=True)

    def note(self, made: int, *, now: bool = False) -> None:
        """Note what was reached, if it is time to ask, or now. made: how many moves have been made."""
        if not self._stepped or (made - self._noted < _EVERY and not now):
            return
        self._stepped, self._noted = False, made
        for one in sorted(self._asked()):
            if len(self.seen) < MOST:
                self.seen.setdefault((Area.EDGE, str(one)), made)

    def _asked(self, *, begin: bool = False) -> frozenset[int]:
        if self._target is None:
            return frozenset()
        try:
            return self._target.edges(begin=begin)
        except TargetError as error:
            raise EdgesFailed(f"{error}; correct the driver, or leave --edges out") from error
