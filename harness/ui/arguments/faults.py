"""The arguments of `otterproof faults`."""

from __future__ import annotations

from otterproof.harness.ui.options import FAULT, add_file, add_jobs, add_json, completed, positive
from otterproof.harness.ui.parser import Example, Parser

PURPOSE = "List the faults that can be injected into an engine, or measure which scenarios detect them."

EXAMPLES: tuple[Example, ...] = (
    ("otterproof faults --only smp", "list the faults in one area"),
    ("otterproof check fault:counter-constant", "run the scenarios against one fault"),
    ("otterproof faults --score --third-party", "measure how many are caught in a third party; takes minutes"),
    ("otterproof faults --score --explore --state explored.json", "measure how many exploration alone finds"),
    ("otterproof faults --mutants 100 --seed 2", "measure how many random changes to the engines are noticed"),
)


def add_arguments(parser: Parser) -> None:
    """The options of `faults`."""
    only = parser.add_argument(
        "--only",
        default="",
        metavar="TEXT",
        help="only scenarios whose id contains TEXT, and faults that they should detect or whose name or area has TEXT",
    )
    completed(only, FAULT)
    measuring = parser.add_argument_group("measuring the scenarios")
    measuring.add_argument("--score", action="store_true", help="measure which scenarios detect which faults")
    measuring.add_argument("--gaps", action="store_true", help="like --score, but print only the gaps")
    measuring.add_argument(
        "--write", action="store_true", help="with --score or --gaps: record in the catalogue what was detected"
    )
    measuring.add_argument(
        "--third-party",
        action="store_true",
        help="with --score: measure only which faults are caught in engines judged as third parties (takes minutes)",
    )
    measuring.add_argument(
        "--explore",
        action="store_true",
        help="with --score: measure only which faults explorations find by themselves, and the lengths of their runs",
    )
    add_file(
        measuring,
        "--state",
        "with --third-party, --explore or --explain: store results in FILE, and resume from it",
    )
    measuring.add_argument(
        "--explain",
        action="store_true",
        help="with --score: measure instead whether the first cause reported for a fault names what it breaks",
    )
    measuring.add_argument(
        "--fuzz",
        type=positive,
        metavar="N",
        help="with --score: measure instead how many findings `fuzz` reports for each fault, in N programs",
    )
    measuring.add_argument(
        "--sample",
        type=positive,
        metavar="N",
        help="with --explain, --explore or --fuzz: judge only N faults, drawn evenly from all areas",
    )
    mutating = parser.add_argument_group("mutants")
    mutating.add_argument(
        "--mutants", type=positive, metavar="N", help="run the scenarios against N random mutants of each engine"
    )
    mutating.add_argument("--seed", default="1", help="seed for choosing mutants or the sample (default: %(default)s)")
    add_jobs(parser)
    add_json(parser, "the list or the score")
