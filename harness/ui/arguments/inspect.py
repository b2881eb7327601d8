"""The arguments of `otterproof inspect`."""

from __future__ import annotations

import argparse

from otterproof.harness.ui.options import FILE, add_json, completed
from otterproof.harness.ui.parser import Example, Parser

PURPOSE = "Take apart OTR messages: every field, what it means and, given secrets, what is encrypted; or forge one."

EXAMPLES: tuple[Example, ...] = (
    ("otterproof inspect '?OTRv23?'", "take apart a message"),
    ("otterproof inspect chat.log --full", "take apart all messages in a log, without shortening fields"),
    ("otterproof inspect run.jsonl --json", "print the messages of a transcript as JSON"),
    ("otterproof inspect chat.log --private 5a17c0", "decrypt with a private D-H key of one side"),
    (
        "otterproof inspect chat.log --forge 'never said' --was 'in secret'",
        "rewrite a message under a revealed MAC key",
    ),
)

#: The most hexadecimal digits of a secret.
_DIGITS = 1024


def add_arguments(parser: Parser) -> None:
    """The options of `inspect`."""
    source = parser.add_argument(
        "input",
        nargs="?",
        default="-",
        metavar="INPUT",
        help="a message (?OTR...), or a file with messages; standard input unless given",
    )
    completed(source, FILE)
    secrets = parser.add_argument_group("secrets (each may be given several times)")
    for option, read, text in (
        ("--aes", _bytes, "an AES key of 16 bytes"),
        ("--mac", _bytes, "a MAC key of 20 bytes"),
        ("--private", _number, "a private D-H key of one side"),
        ("--secret", _number, "the shared D-H secret of a handshake"),
    ):
        secrets.add_argument(option, action="append", default=[], type=read, metavar="HEX", help=text)
    forging = parser.add_argument_group("forging")
    forging.add_argument(
        "--forge", metavar="TEXT", help="rewrite the first Data Message whose MAC key is known, with this text"
    )
    forging.add_argument("--was", metavar="TEXT", help="the text that --forge replaces, if only the MAC key is known")
    forging.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="set a field of that message to a value (a number, or bytes in hexadecimal), and recompute its MAC",
    )
    told = parser.add_argument_group("results")
    told.add_argument("--full", action="store_true", help="show all bytes of every field, however long it is")
    add_json(told, "all fields, whole")


def _bytes(text: str) -> bytes:
    if len(text) > _DIGITS:
        raise argparse.ArgumentTypeError(f"{text[:60]!r}... has more than {_DIGITS} digits")
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is not hexadecimal") from error


def _number(text: str) -> int:
    return int.from_bytes(_bytes(f"0{text}" if len(text) % 2 else text))
