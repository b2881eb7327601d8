"""The arguments of `otterproof check`. A project's settings may change most defaults, so they are filled in later."""

from __future__ import annotations

from pathlib import Path

from otterproof.harness.support.defaults import DEFAULT_SEED, DEFAULT_TARGET, GIVE_UP_AFTER, PROFILES
from otterproof.harness.ui.options import (
    FILE,
    SCENARIO,
    TARGET,
    add_file,
    add_folder,
    add_jobs,
    add_json,
    add_name,
    add_strict,
    add_timeout,
    completed,
    from_zero,
    positive,
    seconds,
)
from otterproof.harness.ui.parser import Example, Parser

PURPOSE = "Judge targets with the scenarios: do they send and do what the protocol texts require?"

EXAMPLES: tuple[Example, ...] = (
    ("otterproof check libotr", "judge libotr with all scenarios"),
    (
        "otterproof check 'exec:python3 my_driver.py' --name mylib --report report",
        "judge your own driver, and write reports",
    ),
    ("otterproof check libotr --only conformance.data --without v2", "run only some scenarios"),
    (
        "otterproof check libotr --only 'conformance.data.key_id_0_is_refused[v3]' --verbose",
        "run one scenario, and show failures in full",
    ),
    ("otterproof check libotr potr otr3 --json verdicts.json", "judge several targets, one after the other"),
    ("otterproof check libotr --only smp --list", "list the matching scenarios"),
)


def add_arguments(parser: Parser) -> None:
    """The options of `check`."""
    targets = parser.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help=f"targets to judge, as `otterproof targets` lists them (default: the one in otterproof.toml, or "
        f"{DEFAULT_TARGET})",
    )
    completed(targets, TARGET)
    parser.takes_more = "targets"

    choosing = parser.add_argument_group("selecting scenarios")
    for option, text in (("--only", "run only the scenario"), ("--without", "leave out the scenario")):
        action = choosing.add_argument(
            option,
            action="append",
            default=[],
            metavar="ID",
            help=f"{text} with this id, or those whose ids contain this text; may be given several times",
        )
        completed(action, SCENARIO)
    choosing.add_argument("--list", action="store_true", help="list the scenarios that would be run, and run nothing")

    judging = parser.add_argument_group("running")
    add_name(judging)
    judging.add_argument("--seed", help=f"seed of everything random (default: {DEFAULT_SEED})")
    judging.add_argument(
        "--profile",
        choices=PROFILES,
        help="number of random runs (default: ci, the same on every run; nightly: twenty times as many, "
        "and rare values are searched for until they are almost certain to have occurred)",
    )
    add_jobs(judging)
    add_timeout(judging)
    parser.set_defaults(timeout=None)  # the settings may have another value
    judging.add_argument(
        "--give-up-after",
        type=from_zero,
        default=GIVE_UP_AFTER,
        metavar="N",
        help="stop calling a method after it hung or crashed N times in a row; 0: never (default: %(default)s)",
    )

    ending = parser.add_argument_group("stopping early")
    ending.add_argument("--max-time", type=seconds, metavar="TIME", help="start no scenario after TIME: 90, 5m, 1h30m")
    ending.add_argument("--fail-fast", action="store_true", help="stop at the first scenario that fails")
    ending.add_argument("--max-failures", type=positive, metavar="N", help="stop when N scenarios have failed")

    counting = parser.add_argument_group("what counts as a failure")
    known = counting.add_argument(
        "--known",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="TOML file of the target's known deviations, or 'none' (default: the file shipped for the target, if "
        "any); with several targets, a file applies to the one it is named after",
    )
    completed(known, FILE)
    add_strict(counting)
    counting.add_argument("--fix", action="store_true", help="rewrite the file of known deviations to match this run")

    told = parser.add_argument_group("results", "For several targets, DIR gets a folder for each.")
    add_json(told, "the verdicts")
    add_folder(
        told,
        "--report",
        "write reports to DIR: a JSON card, JUnit, SARIF, pages to read and the transcripts of failures; "
        "an earlier report there is replaced",
    )
    add_folder(
        told,
        "--transcripts",
        "write the transcript of every run to DIR, or to a new folder in DIR if it is not empty (default: only "
        "those of failed runs, to a new folder in otterproof-failures)",
    )
    add_file(told, "--trace", "write every line to and from the target's driver to FILE")
    told.add_argument(
        "--verbose", action="store_true", help="show every failure in full, not only the first few causes"
    )
