"""What `otterproof fuzz` takes."""

from __future__ import annotations

from otterproof.harness.ui.options import (
    TARGET,
    add_file,
    add_folder,
    add_jobs,
    add_json,
    add_name,
    add_seed,
    add_strict,
    add_timeout,
    completed,
    positive,
    seconds,
)
from otterproof.harness.ui.parser import Example, Parser

PURPOSE = "Run random programs of users' actions and an adversary's moves against a target, and shrink what fails."

EXAMPLES: tuple[Example, ...] = (
    ("otterproof fuzz libotr --examples 5000", "so many programs; findings go to otterproof-fuzz/libotr"),
    ("otterproof fuzz libotr --max-time 600", "ten minutes; the same command goes on from there"),
    ("otterproof fuzz 'exec:./my-driver' --name mylib --seed another --out found", "other programs, another folder"),
)


def add_arguments(parser: Parser) -> None:
    """The options of `fuzz`."""
    completed(parser.add_argument("target", metavar="TARGET", help="target to judge"), TARGET)
    running = parser.add_argument_group("how it is run")
    add_name(running)
    running.add_argument(
        "--examples", type=positive, default=1000, metavar="N", help="number of programs (default: %(default)s)"
    )
    running.add_argument(
        "--max-time",
        type=seconds,
        metavar="SECONDS",
        help="start no program after SECONDS; the same command continues later (default: no limit)",
    )
    add_seed(running, "the programs")
    add_jobs(running)
    add_timeout(running)
    counting = parser.add_argument_group("what counts")
    add_file(
        counting,
        "--known",
        "known deviations, as for check: a finding whose check an entry names does not count (default: the file "
        "shipped for the target, if any; 'none': no file)",
    )
    add_strict(counting)
    told = parser.add_argument_group("results")
    add_folder(told, "--out", "folder for the findings; an earlier campaign there is continued")
    add_json(told, "the findings")
