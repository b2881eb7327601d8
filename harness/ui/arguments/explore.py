"""The arguments of `otterproof explore`."""

from __future__ import annotations

from otterproof.harness.support.defaults import DEFAULT_TARGET
from otterproof.harness.ui.options import (
    TARGET,
    add_file,
    add_folder,
    add_jobs,
    add_json,
    add_name,
    add_timeout,
    completed,
    positive,
    seconds,
)
from otterproof.harness.ui.parser import Example, Parser

#: The alphabets, repeated here because the module that defines them takes a second to import.
ALPHABETS = ("handshake", "data", "smp", "refresh", "instances", "fragments", "forgery")

#: The parties that a target can play, repeated for the same reason.
ROLES = ("alice", "bob")

PURPOSE = "Run every sequence of some moves up to a depth, and certify that none of them breaks a rule."

EXAMPLES: tuple[Example, ...] = (
    ("otterproof explore", "explore the independent engine in all alphabets"),
    ("otterproof explore independent --alphabet handshake --depth 12", "explore one alphabet, deeper"),
    ("otterproof explore model", "explore the rules of the protocol themselves, without cryptography"),
    ("otterproof explore --list", "list the alphabets, and what may happen in each"),
)


def add_arguments(parser: Parser) -> None:
    """The options of `explore`."""
    target = parser.add_argument(
        "target",
        nargs="?",
        default=DEFAULT_TARGET,
        metavar="TARGET",
        help="target to explore, or model: the rules against themselves (default: %(default)s)",
    )
    completed(target, TARGET)
    what = parser.add_argument_group("what is explored")
    what.add_argument(
        "--alphabet",
        action="append",
        metavar="NAME",
        choices=ALPHABETS,
        help=f"moves to explore: {', '.join(ALPHABETS)} (default: all of them; may be given several times)",
    )
    what.add_argument(
        "--role",
        choices=ROLES,
        default=ROLES[0],
        help="the party that the target plays: in some alphabets only alice begins (default: %(default)s)",
    )
    what.add_argument("--depth", type=positive, metavar="N", help="number of moves (default: the alphabet's)")
    what.add_argument("--list", action="store_true", help="list the alphabets that would be explored, and their depths")
    running = parser.add_argument_group("running")
    add_name(running)
    running.add_argument(
        "--max-time", type=seconds, metavar="TIME", help="stop after TIME: 90, 5m, 1h30m (default: no limit)"
    )
    running.add_argument(
        "--keep-going",
        action="store_true",
        help="go on after a failure, and report each kind of failure once (always on for a target in its own process)",
    )
    add_jobs(running)
    add_timeout(running)
    counting = parser.add_argument_group("what counts as a failure")
    add_file(
        counting,
        "--known",
        "known deviations, as for check (default: the file shipped for the target, if any; 'none': no file)",
    )
    told = parser.add_argument_group("results")
    add_folder(told, "--out", "folder for transcripts and tests of what is found")
    add_json(told, "the certificates")
