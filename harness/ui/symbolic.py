"""`otterproof explore model`: the rules of the protocol, run on both sides without cryptography."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

from otterproof.harness.runs.explore.alphabet import ALPHABETS
from otterproof.harness.runs.explore.symbolic.invariants import INVARIANTS
from otterproof.harness.runs.explore.symbolic.search import DEPTHS, VERSION, Proof, SymbolicSearch
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.exits import CONFORMS, DEVIATES, INTERRUPTED
from otterproof.harness.support.version import tool_version
from otterproof.harness.ui.exploration import followed
from otterproof.harness.ui.messages import complain
from otterproof.harness.ui.results import put_result, shows_text
from otterproof.harness.ui.screen import console, line, print_block

#: The word on the command line that stands for the model.
MODEL = "model"


def explore_model(options: argparse.Namespace, ends: float | None) -> int:
    """Explore the model against itself; return the exit code. Raises OutputError.

    options: those of `explore`. ends: the time, by the monotonic clock, to stop at.
    """
    proofs: list[Proof] = []
    code = CONFORMS
    for name in options.alphabet or ALPHABETS:
        search = SymbolicSearch(name)
        proofs.append(search.proof)
        code = max(code, _explored(search, options.depth or DEPTHS[name], ends))
        if shows_text(options):
            _tell(search.proof)
        if code == INTERRUPTED or (ends is not None and time.monotonic() >= ends):
            complain("stopped before reaching the depth")
            break
    put_result(options, "explore", _as_json(proofs))
    return code


def _explored(search: SymbolicSearch, depth: int, ends: float | None) -> int:
    def words(done: int) -> str:
        proof = search.proof
        return f"{proof.alphabet}: {proof.depth} moves done, {proof.states} states; {done} states of the next level"

    code = followed(search.levels, depth, words, ends).code
    if code is None:
        code = DEVIATES if search.proof.broken else CONFORMS
    return code


def _tell(proof: Proof) -> None:
    """Print what was explored, and a run that breaks an invariant."""
    out = console()
    looked = f"{proof.states} states, {proof.steps} moves explored, {proof.seconds:.1f} s"
    if proof.violation is None:
        text = f"{proof.alphabet}: all {len(INVARIANTS)} invariants hold within {proof.depth} moves ({looked})"
        out.print(line(text))
        return
    found = proof.violation
    out.print(line(("FAIL", "red"), "  ", (found.invariant, "bold"), f"  after {len(found.moves)} moves ({looked})"))
    print_block(out, INVARIANTS[found.invariant][0])
    print_block(out, found.what)
    for number, words in enumerate(found.moves, 1):
        out.print(line(f"  {number:4}  {words}"), soft_wrap=True)


def _as_json(proofs: Sequence[Proof]) -> dict[str, Any]:
    """The proofs in the form of certificates. [certificate.schema.json]"""
    return {
        "certificates": [
            {
                "alphabet": one.alphabet,
                "target": MODEL,
                "version": VERSION,
                "role": "",
                "otterproof": tool_version(),
                "depth": one.depth,
                "states": one.states,
                "transitions": one.steps,
                "healed": 0,
                "seconds": round(one.seconds, 1),
                "found": int(one.broken),
                "known": 0,
                "levels": {level.value: int(one.broken and level is Level.MUST) for level in Level},
            }
            for one in proofs
        ],
        "found": [
            {
                "alphabet": one.alphabet,
                "check": f"invariant.{one.violation.invariant}",
                "level": "must",
                "failure": None,
                "detail": one.violation.what,
                "moves": len(one.violation.moves),
                "known": "",
                "transcript": "",
                "test": None,
            }
            for one in proofs
            if one.violation is not None
        ],
    }
