"""The output of an exploration: how deep it is, what it found, and what it can certify."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from otterproof.harness.runs.events import AlphabetExplored, Ending
from otterproof.harness.runs.explore.certificate import Certificate, certificates_to_json
from otterproof.harness.runs.explore.explore import Exploration
from otterproof.harness.runs.explore.found import Found
from otterproof.harness.runs.explore.symbolic.search import Proof
from otterproof.harness.runs.failure import explain_command, facts, headed
from otterproof.harness.runs.workers import WorkersDied
from otterproof.harness.spec.requirements import Level
from otterproof.harness.ui.messages import complain
from otterproof.harness.ui.progress import SECONDS
from otterproof.harness.ui.screen import console, line, print_block, rewrite


class _TimeUp(Exception):
    """The time of an exploration is up."""


class _Told:
    """Reports progress in a level: on a terminal in one changing line, in a log now and then in a new line."""

    def __init__(self, words: Callable[[int], str], ends: float | None) -> None:
        self._words, self._ends = words, ends
        self._out = console(error=True)
        self._last = time.monotonic()

    def __call__(self, steps: int) -> None:
        """Report that this many moves or states of the level have been explored. Raises _TimeUp."""
        now = time.monotonic()
        text = self._words(steps)
        rewrite(self._out, text)
        if not self._out.is_terminal and now - self._last >= SECONDS:
            self._last = now
            self._out.print(line(text), soft_wrap=True)
        if self._ends is not None and now >= self._ends:
            raise _TimeUp

    def clear(self) -> None:
        """Remove the changing line."""
        rewrite(self._out, "")


def follow_levels(exploration: Exploration, depth: int, ends: float | None) -> Ending:
    """Explore to a depth and report progress; return how it ended. Raises NotRepeatable, OutputError.

    ends: the time, by the monotonic clock, to stop at.
    """

    def words(steps: int) -> str:
        so_far = exploration.certificate
        return f"{so_far.alphabet}: {so_far.depth} moves done, {so_far.states} states; {steps} moves of the next level"

    return followed(exploration.levels, depth, words, ends)


def followed(
    levels: Callable[[int, Callable[[int], None]], Iterable[Certificate | Proof]],
    depth: int,
    words: Callable[[int], str],
    ends: float | None,
) -> Ending:
    """Explore levels to a depth and report progress; return how it ended. words: describe the progress in a level."""
    told = _Told(words, ends)
    try:
        for so_far in levels(depth, told):
            if so_far.depth < depth:
                told(0)
    except KeyboardInterrupt:
        return Ending.INTERRUPTED
    except _TimeUp:
        return Ending.OUT_OF_TIME
    except WorkersDied as error:
        complain(error)
        return Ending.WORKERS_DIED
    finally:
        told.clear()
    return Ending.COMPLETE


def tell_explored(explored: Sequence[AlphabetExplored]) -> None:
    """Print what was found, and all certificates in one line."""
    found = [one for alphabet in explored for one in alphabet.found]
    for one in found:
        tell_found(one)
    for alphabet in explored:
        if alphabet.why:
            name, depth = alphabet.certificate.alphabet, alphabet.certificate.depth
            print_block(console(), f"explored: {name} to depth {depth} only: {alphabet.why}")
    if explored:
        certificates = [one.certificate for one in explored]
        depths = ", ".join(f"{one.alphabet} {one.depth}" for one in certificates)
        states, steps = (sum(getattr(one, name) for one in certificates) for name in ("states", "steps"))
        text = f"explored: {_counted(found)} in runs up to these depths: {depths} ({states} states, {steps} moves)"
        console().print(line(text), soft_wrap=True)


def tell_certificate(certificate: Certificate, found: Sequence[Found]) -> None:
    """Print what was explored, and what was found."""
    out = console()
    for one in found:
        tell_found(one)
    depth = max([certificate.depth, *(len(one.counterexample.moves) for one in found)])
    looked = f"{certificate.states} states, {certificate.steps} moves explored, {certificate.seconds:.1f} s"
    out.print(line(f"{certificate.alphabet}: {_counted(found)} within {depth} moves ({looked})"), soft_wrap=True)


def _counted(found: Sequence[Found]) -> str:
    """The number of findings, in words."""
    known = sum(bool(one.counterexample.known) for one in found)
    of_them = f", {known} of them known" if known else ""
    return f"{len(found)} found{of_them}" if found else "nothing breaks a rule"


def tell_found(one: Found) -> None:
    """Print a counterexample: the rule, what was expected and what came, the steps, the files."""
    out = console()
    if one.counterexample.known:
        out.print(line(("known", "yellow"), ": ", one.counterexample.known))
        out.print(line(f"  {one.counterexample.check}  {_when(one)} of {one.alphabet}"))
        return
    word = ("FAIL", "red") if one.level is Level.MUST else (one.level.value.upper(), "yellow")
    out.print(line(word, "  ", (one.counterexample.check, "bold"), f"  {_when(one)}"), soft_wrap=True)
    if one.record is None:
        print_block(out, one.counterexample.detail)
    else:
        if one.record.requirements:
            out.print(line(f"  {one.level.value}, {' or '.join(one.record.requirements)}"), soft_wrap=True)
        print_block(out, one.record.rule or one.record.check)
        for part, fact in headed(facts(one.record)):
            out.print(line(f"  {part:9} {fact.text}{fact.mark}"), soft_wrap=True)
    for number, words in enumerate(one.steps, 1):
        out.print(line(f"  {number:4}  {words}"), soft_wrap=True)
    if one.record is None:
        print_block(out, "Run by itself it passes. This is a defect of Otterproof; please report it.")
    else:
        out.print(line(f"  again    otterproof replay {shlex.quote(str(one.transcript))}"), soft_wrap=True)
        out.print(line(f"  test     {one.test}"), soft_wrap=True)
        out.print(line(f"  explain  {explain_command(one.counterexample.check)}"), soft_wrap=True)


def _when(one: Found) -> str:
    """The number of moves after which it was found, in words."""
    count = len(one.counterexample.moves)
    return f"after {count} move{'' if count == 1 else 's'}" if count else "without a move"


def as_json(explored: Sequence[AlphabetExplored]) -> dict[str, Any]:
    """Certificates as plain JSON values, with the findings: the records of their failures, and their files."""
    return {
        "certificates": certificates_to_json([one.certificate for one in explored]),
        "found": [
            {
                "alphabet": one.alphabet,
                "check": one.counterexample.check,
                "level": one.level.value,
                "failure": None if one.record is None else asdict(one.record),
                "detail": one.counterexample.detail,
                "moves": len(one.counterexample.moves),
                "known": one.counterexample.known,
                "transcript": str(one.transcript),
                "test": None if one.test is None else str(one.test),
            }
            for alphabet in explored
            for one in alphabet.found
        ],
    }
