"""Interrupts campaigns: attempts are faked and cost nothing, and a failure can be injected at any boundary.

A boundary is the moment before or after an externally visible effect: an attempt, or writing or removing a file. There
a campaign is interrupted as by Ctrl-C, or killed, after which it has no further effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from otterproof.harness.judges.oracles import ORACLES
from otterproof.harness.runs.fuzz.behaviour import moves_of
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.campaign import Campaign, opened
from otterproof.harness.runs.fuzz.execute import Failure, Watched
from otterproof.harness.runs.fuzz.folder import remove
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.state import State
from otterproof.harness.runs.fuzz.store import BESIDE, STATE, Store
from otterproof.harness.simulation.moves import Move
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.simulation.world import Step
from otterproof.harness.support.outputs import BEING_WRITTEN, write_whole
from tests.hostile.campaign_database import stored

#: The name of the target. It is never run.
TARGET, SEED = "reference", "6"

Watch = Callable[[Step], None]


class Killed(BaseException):
    """The process is dead; nothing it does from now on has an effect."""


@dataclass
class Trouble:
    """Raises at boundary number `at`: KeyboardInterrupt once or, to kill, Killed from there on. 0: never."""

    at: int = 0
    kill: bool = False
    passed: list[str] = field(default_factory=list)
    dead: bool = field(default=False, init=False)

    def boundary(self, name: str) -> None:
        """A boundary is passed. name: what comes before or after it."""
        if self.dead:
            raise Killed
        self.passed.append(name)
        if len(self.passed) == self.at:
            if self.kill:
                self.dead = True
                raise Killed
            raise KeyboardInterrupt


def _is(move: Move, name: str) -> bool:
    return getattr(move, "action", type(move).__name__) == name


#: The faults of the target in the fake attempts: an oracle objects to a move of one name after a move of another name,
#: which is part of the check.
WRONG = {
    "authenticity": ("Deliver", ("send", "Drop", "Settle", "Tick", "FlipBit")),
    "counters": ("Settle", ("send", "Deliver")),
    "leaks": ("send", ("send",)),
}

#: Objects only in runs from a saved state, so its failures can't be reproduced.
NOT_AGAIN = "leaks"


def fake_attempt(program: Program, *, fresh: bool = False, watch: Watch | None = None) -> Failure | None:
    """Like `attempt` of the fuzz room, for a target with the faults of WRONG. The moves determine what fails."""
    found: list[Failure] = []
    for oracle in program.setup.oracles or ORACLES:
        last, before = WRONG.get(oracle, ("", ()))
        if oracle == NOT_AGAIN and fresh:
            continue
        for made, move in enumerate(program.moves, start=1):
            earlier = [name for name in before if any(_is(one, name) for one in program.moves[: made - 1])]
            if _is(move, last) and earlier:
                what = "several" if len(earlier) > 1 else earlier[0].lower()
                check = f"{oracle}.{last.lower()}-after-{what}"
                # Among failures with one check, long programs appear to have other causes than short ones.
                bucket = Bucket(check, cell=f"encrypted/none: {last.lower()} {len(program.moves) // 8}")
                found.append(Failure(oracle, Verdict.FAIL, bucket, f"move {made}: {move}", False, made))
                break
    return min(found, key=lambda one: one.made, default=None)


@dataclass
class Workshop:
    """Runs campaigns with fake attempts and injected failures."""

    patch: pytest.MonkeyPatch
    attempt: Callable[..., Failure | None] = fake_attempt
    trouble: Trouble = field(default_factory=Trouble)

    def __post_init__(self) -> None:

        def attempted(
            program: Program, *, fresh: bool = False, watch: Watch | None = None, watched: Watched | None = None
        ) -> Failure | None:
            self.trouble.boundary("attempt")
            if watched is not None:
                watched.seen |= dict.fromkeys(moves_of(program.moves), 1)
            return self.attempt(program, fresh=fresh, watch=watch)

        saved = Store.save

        def save(store: Store, state: State, version: str) -> None:
            self.trouble.boundary("before saving")
            saved(store, state, version)
            self.trouble.boundary("after saving")

        def written(path: Path, content: str) -> None:
            self.trouble.boundary(f"before writing {path.suffix}")
            unfinished = path.parent / BEING_WRITTEN.replace("*", "0123456789abcdef")
            unfinished.write_text(content[: len(content) // 2])
            try:
                self.trouble.boundary(f"while writing {path.suffix}")
            except KeyboardInterrupt:
                unfinished.unlink()
                raise
            unfinished.unlink()
            write_whole(path, content)
            self.trouble.boundary(f"after writing {path.suffix}")

        def removed(path: Path) -> None:
            there = path.exists()
            if there:
                self.trouble.boundary(f"before removing {path.suffix}")
            remove(path)
            if there:
                self.trouble.boundary(f"after removing {path.suffix}")

        self.patch.setattr(Store, "save", save)
        self.patch.setattr("otterproof.harness.runs.fuzz.store.SYNCHRONOUS", "OFF")
        for module in ("execute", "workers", "campaign", "reproduce", "evidence"):
            self.patch.setattr(f"otterproof.harness.runs.fuzz.{module}.attempt", attempted)
        self.patch.setattr("otterproof.harness.runs.fuzz.folder.write_whole", written)
        self.patch.setattr("otterproof.harness.runs.fuzz.folder.remove", removed)
        self.patch.setattr("otterproof.harness.support.outputs.os.fsync", lambda _: None)

    def run(self, folder: Path, upto: int, trouble: Trouble | None = None, attempts: int = 12) -> State:
        """Continue a campaign until this many programs have run; returns its state. KeyboardInterrupt, Killed."""
        self.trouble = trouble or Trouble()
        with opened(TARGET, SEED, folder) as campaign:
            campaign.attempts = attempts
            return finish(campaign, upto)


def finish(campaign: Campaign, upto: int) -> State:
    """Continue a campaign until this many programs have run."""
    with closing(campaign.run(max(upto - campaign.done, 0), 1)) as run:
        for _ in run:
            pass
    return campaign.state


def content(folder: Path) -> Mapping[str, object]:
    """All files of a folder and its subfolders, by name; for a campaign's database, its content."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.name == STATE:
            found[name] = stored(folder)
        elif path.is_file() and name not in [STATE + end for end in BESIDE]:
            found[name] = path.read_bytes()
    return found
