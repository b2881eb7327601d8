"""What a run reaches of the target's code, where the target tells: edges, which count as behaviour that it has shown.

Edges say nothing about whether a target is right, and no judgement depends on them. A driver whose answer to `coverage`
is no answer therefore makes no finding: the program is run again without being asked, and if nothing is wrong then, the
campaign ends with an error about the driver.
"""

from __future__ import annotations

from otterproof.harness.runs.fuzz.behaviour import Area, Behaviour
from otterproof.harness.simulation.world import Step
from otterproof.harness.support.errors import CommandError
from otterproof.harness.targets.driver import TargetError
from otterproof.harness.targets.engines import Target, TellsEdges

#: After so many moves a target is asked. It takes 15 % more processor time of a program against potr; after each, 23 %.
_EVERY = 5

#: Edges that are remembered, of a program as of a campaign; a target that tells ever new ones would fill memory.
MOST = 20_000


class EdgesFailed(CommandError):
    """The target does not tell what was reached of its code, or what it tells can't be that."""


def telling(target: object) -> TellsEdges | None:
    """A target that tells its edges; None for any other."""
    if isinstance(target, TellsEdges) and target.coverage:
        return target
    return None


class Edges:
    """Asks a target every few moves what was reached. EdgesFailed when it does not tell.

    role: the party that it plays. asked: whether it is asked at all. seen: all that was reached since `begin`, and
    after how many moves that was known.
    """

    def __init__(self, target: Target | None, role: str, *, asked: bool = True) -> None:
        self._target, self._role = telling(target) if asked else None, role
        if asked and self._target is None:
            raise EdgesFailed(f"{target.name if target else 'an engine'} does not tell the edges of its code here")
        self._stepped = False
        self._noted = 0
        self.seen: dict[Behaviour, int] = {}

    def __call__(self, step: Step) -> None:
        """A step was made."""
        self._stepped = self._stepped or step.party == self._role

    def begin(self) -> None:
        """A run begins: what was reached so far, when parties were made, is left out."""
        self._asked(begin=True)

    def note(self, made: int, *, now: bool = False) -> None:
        """Note what was reached, when it is time for that, or now. made: how many moves have been made."""
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
