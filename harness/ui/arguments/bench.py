"""The arguments of `otterproof bench`."""

from __future__ import annotations

from otterproof.harness.runs.faults.ways import Way
from otterproof.harness.ui.options import add_file, add_jobs, add_json, positive
from otterproof.harness.ui.parser import Example, Parser

PURPOSE = "Measure how fast the engines and drivers are, and print what each figure means and its limit."

EXAMPLES: tuple[Example, ...] = (
    ("otterproof bench", "measure all figures, in about two minutes"),
    (
        "otterproof bench --strict --json figures.json",
        "exit with 1 if a figure is outside its limit; write JSON as well",
    ),
    (
        "otterproof bench --detection --faults 60 --state seen.json",
        "measure how soon `fuzz` notices faults; can be resumed",
    ),
    (
        "otterproof bench --detection --lockstep --all --seeds 10 --programs 3000",
        "measure how soon programs trigger each fault",
    ),
)

#: The defaults of `--detection`.
FAULTS, SEEDS, PROGRAMS = 20, 1, 300


def add_arguments(parser: Parser) -> None:
    """The options of `bench`."""
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a figure is not within its limit")
    detecting = parser.add_argument_group("how soon `fuzz` notices a fault")
    detecting.add_argument(
        "--detection",
        action="store_true",
        help="measure instead how many programs `fuzz` needs until it notices a fault, and how many simpler "
        "generators need",
    )
    some = detecting.add_mutually_exclusive_group()
    some.add_argument(
        "--faults",
        type=positive,
        metavar="N",
        help=f"number of faults, taken evenly from all areas (default: {FAULTS})",
    )
    some.add_argument("--all", action="store_true", help="all faults; without --lockstep, this takes days")
    detecting.add_argument("--seeds", type=positive, metavar="N", help=f"number of seeds (default: {SEEDS})")
    detecting.add_argument(
        "--programs",
        type=positive,
        metavar="N",
        help=f"most programs for each fault and seed; none is started after a minute (default: {PROGRAMS})",
    )
    detecting.add_argument(
        "--lockstep",
        action="store_true",
        help="compare each fault with a genuine engine instead of judging it, to see whether the programs "
        "trigger the fault",
    )
    detecting.add_argument(
        "--way",
        action="append",
        default=[],
        choices=[str(one) for one in Way],
        help="generate programs only in this way: with feedback, as `fuzz` does; afresh, each by itself; or from "
        "single acts, without stories; may be repeated (default: all three)",
    )
    add_file(detecting, "--state", "store measurements in FILE, and resume from it")
    add_jobs(detecting)
    add_json(parser, "the figures")
