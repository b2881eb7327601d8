"""The arguments of `otterproof proxy`."""

from __future__ import annotations

import argparse

from otterproof.harness.support.defaults import DEFAULT_SEED
from otterproof.harness.ui.options import (
    TARGET,
    add_file,
    add_folder,
    add_json,
    add_timeout,
    completed,
    positive,
)
from otterproof.harness.ui.parser import Example, Parser, add_subcommand

PURPOSE = (
    "Stand between two programs: show their conversation live and taken apart, and drop, change, repeat or hold back "
    "messages."
)

_IRC: tuple[Example, ...] = (
    ("otterproof proxy irc", "serve on 127.0.0.1:6667; connect two programs to it and let them talk"),
    ("otterproof proxy irc --step", "deliver nothing until you release it"),
    ("otterproof proxy irc --action 'kind=data nth=2 do=drop'", "drop the second Data Message"),
    ("otterproof proxy irc --server irc.example.org:6667 --nick bob", "stand between a client and an existing server"),
)
_BETWEEN: tuple[Example, ...] = (
    ("otterproof proxy between irssi irssi", "start irssi twice, and let both talk"),
    (
        "otterproof proxy between irssi libotr --script rules.toml --plain",
        "apply rules, and print lines instead of the view",
    ),
    ("otterproof proxy between irssi irssi --adversary 7", "let the adversary of fuzz interfere"),
    (
        "otterproof proxy between irssi irssi --explore 2 --from 6",
        "try everything that can happen in two choices from message 6 on",
    ),
)

EXAMPLES: tuple[Example, ...] = (_IRC[0], _BETWEEN[0], _BETWEEN[2])


def add_arguments(parser: Parser) -> None:
    """The subcommands of `proxy`."""
    parser.set_defaults(otterproof_complete=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="subcommand")

    irc = add_subcommand(
        commands,
        "irc",
        "an IRC server for two programs, or between a client and a server",
        "Act as the IRC server of two programs that talk to each other, or stand between a client and its server.",
        _IRC,
    )
    where = irc.add_argument_group("connections")
    where.add_argument(
        "--listen",
        type=_address,
        default=("127.0.0.1", 6667),
        metavar="HOST:PORT",
        help="address that programs connect to (default: 127.0.0.1:6667)",
    )
    where.add_argument("--server", type=_address, metavar="HOST:PORT", help="the server to connect the client to")
    where.add_argument(
        "--nick", metavar="NICK", help="with --server: the correspondent whose messages go through the proxy"
    )
    where.add_argument("--stay", action="store_true", help="keep running when all clients have left (default: exit)")
    _add_control(irc)
    _add_results(irc)

    between = add_subcommand(
        commands,
        "between",
        "start two targets, and let them talk through the proxy",
        "Start two targets, let them talk through the proxy, and judge both.",
        _BETWEEN,
    )
    for number in ("first", "second"):
        action = between.add_argument(number, metavar=number.upper(), help=f"the {number} target: {_WHO[number]}")
        completed(action, TARGET)
    talk = between.add_argument_group("the conversation")
    add_file(talk, "--conversation", "what the users do, as TOML (default: a handshake, texts, SMP, the end)")
    talk.add_argument("--seed", default=DEFAULT_SEED, help="seed of the targets' randomness (default: %(default)s)")
    control = _add_control(between)
    control.add_argument(
        "--explore",
        type=positive,
        metavar="DEPTH",
        help="repeat the conversation with every combination of DEPTH choices of what happens to messages",
    )
    control.add_argument(
        "--from",
        dest="choose_from",
        type=positive,
        default=1,
        metavar="N",
        help="with --explore: make choices from message N on (default: 1)",
    )
    control.add_argument(
        "--max-runs", type=positive, metavar="N", help="with --explore: stop after N conversations (default: no limit)"
    )
    add_timeout(between)
    add_file(
        between.add_argument_group("what counts as a failure"),
        "--known",
        "known deviations, as for check (default: the file shipped for each target, if any; 'none': no file)",
    )
    told = _add_results(between)
    add_folder(told, "--out", "with --explore: folder for the transcripts of failing runs")


_WHO = {"first": "it plays alice, who begins", "second": "it plays bob"}


def _add_control(parser: Parser) -> argparse._ArgumentGroup:
    """The options that decide what is done to messages."""
    control = parser.add_argument_group("what is done to messages")
    add_file(control, "--script", "TOML file of rules (docs/how-to/proxy.md describes it)")
    control.add_argument(
        "--action",
        action="append",
        default=[],
        metavar="RULE",
        help="a rule in one line, such as 'from=alice kind=data nth=2 do=drop'; may be given several times",
    )
    control.add_argument("--adversary", metavar="SEED", help="let the adversary of fuzz interfere; SEED decides how")
    control.add_argument(
        "--meddle",
        type=positive,
        default=4,
        metavar="N",
        help="with --adversary: interfere with one message in N (default: %(default)s)",
    )
    control.add_argument(
        "--step",
        action="store_true",
        help="hold back every message that no rule matches, until you release it in the view",
    )
    return control


def _add_results(parser: Parser) -> argparse._ArgumentGroup:
    """The options for output."""
    told = parser.add_argument_group("results")
    told.add_argument("--plain", action="store_true", help="print a line for each event instead of showing the view")
    add_file(told, "--log", "write each event to FILE as a line of JSON")
    add_file(told, "--transcript", "write a transcript to FILE, for show and inspect")
    add_file(told, "--picture", "write the final view to FILE as a picture (SVG)")
    told.add_argument(
        "--size",
        type=_size,
        default=(120, 40),
        metavar="WxH",
        help="with --picture: columns and lines (default: 120x40)",
    )
    add_json(told, "what was found")
    return told


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r:.80} is not HOST:PORT, as in 127.0.0.1:6667")
    return host, int(port)


def _size(text: str) -> tuple[int, int]:
    columns, _, lines = text.partition("x")
    if not (columns.isdigit() and lines.isdigit() and 40 <= int(columns) <= 400 and 10 <= int(lines) <= 200):
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not WxH, as in 120x40; 40x10 to 400x200 can be had")
    return int(columns), int(lines)
