"""The arguments of `otterproof fuzz`."""

from __future__ import annotations

from otterproof.harness.support.defaults import SHRINK_TIME
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

PURPOSE = "Run random programs of users' actions and an adversary's moves against a target, and shrink each failure."

EXAMPLES: tuple[Example, ...] = (
    ("otterproof fuzz libotr --examples 5000", "run 5000 programs; findings go to otterproof-fuzz/libotr"),
    ("otterproof fuzz libotr --max-time 600 --resume", "run for ten minutes; run the command again to continue"),
    ("otterproof fuzz libotr --max-time 8h --scheduler tcp://10.0.0.1:8786", "run on several machines"),
    ("otterproof fuzz mylib --corpus corpus", "begin with what other targets went through [otterproof corpus]"),
    ("otterproof fuzz libotr-sanitized --edges", "also guide the programs by code coverage"),
    (
        "otterproof fuzz 'exec:./my-driver' --name mylib --seed another --out found",
        "run other programs, and write to another folder",
    ),
)


def add_arguments(parser: Parser) -> None:
    """The options of `fuzz`."""
    completed(parser.add_argument("target", metavar="TARGET", help="target to judge"), TARGET)
    running = parser.add_argument_group("running")
    add_name(running)
    running.add_argument(
        "--examples", type=positive, metavar="N", help="number of programs (default: 1000; no limit with --max-time)"
    )
    running.add_argument(
        "--max-time",
        type=seconds,
        metavar="TIME",
        help="start no program after TIME: 90, 5m, 1h30m (default: no limit)",
    )
    running.add_argument(
        "--max-failures", type=positive, metavar="N", help="start no program after N new findings (default: no limit)"
    )
    running.add_argument(
        "--shrink-time",
        type=seconds,
        default=SHRINK_TIME,
        metavar="TIME",
        help=f"shrink one failure for at most TIME (default: {SHRINK_TIME / 60:g}m)",
    )
    running.add_argument(
        "--resume",
        action="store_true",
        help="continue the campaign in the folder: run its findings again, then go on with the next program",
    )
    add_seed(running, "the programs")
    add_folder(running, "--corpus", "begin with the programs of the transcripts in DIR, from any target")
    running.add_argument(
        "--edges",
        action="store_true",
        help="also count edges of the target's code as behaviour, if its driver reports them: libotr-sanitized, and "
        "targets in Python with otterproof[coverage]",
    )
    add_jobs(running)
    running.add_argument(
        "--scheduler",
        default="",
        metavar="ADDRESS",
        help="run the programs on the workers of a Dask scheduler, such as tcp://10.0.0.1:8786, instead of --jobs "
        "local processes; use only a scheduler that you trust",
    )
    add_timeout(running)
    counting = parser.add_argument_group("what counts as a failure")
    add_file(
        counting,
        "--known",
        "known deviations, as for check: programs continue past the failures that its entries name (default: "
        "the file shipped for the target, if any; 'none': no file)",
    )
    counting.add_argument(
        "--update-baseline",
        action="store_true",
        help="add new findings to the file of --known, and remove what is fixed",
    )
    add_strict(counting)
    told = parser.add_argument_group("results")
    add_folder(told, "--out", "folder of the campaign (default: by the target's name)")
    add_json(told, "the findings")
