"""The arguments of `otterproof replay`."""

from __future__ import annotations

from pathlib import Path

from otterproof.harness.ui.options import FILE, TARGET, add_json, add_strict, add_timeout, completed
from otterproof.harness.ui.parser import Example, Parser

PURPOSE = "Run a transcript again, and report whether it still fails: FAILED, FIXED or ERROR."

EXAMPLES: tuple[Example, ...] = (
    ("otterproof replay otterproof-failures/libotr/2026-11-30-1/NAME.jsonl", "check whether a failure still occurs"),
    ("otterproof replay NAME.jsonl --target reference", "check whether another target fails, too"),
    ("otterproof replay NAME.jsonl --target 'exec:./my-driver'", "run a transcript of your own driver"),
    ("otterproof replay otterproof-fuzz/libotr", "run all findings of a campaign again"),
)


def add_arguments(parser: Parser) -> None:
    """The options of `replay`."""
    transcript = parser.add_argument(
        "transcript",
        type=Path,
        metavar="TRANSCRIPT",
        help="transcript file, as failed runs of check and fuzz write it; or a folder, for all transcripts in it",
    )
    completed(transcript, FILE)
    for option, text in (
        ("--target", "target that plays the judged party (default: the one in the transcript)"),
        ("--peer", "target that plays all other parties (default: those in the transcript)"),
    ):
        completed(parser.add_argument(option, metavar="TARGET", help=text), TARGET)
    parser.add_argument(
        "--allow-exec",
        action="store_true",
        help="run the commands that the transcript names as targets (exec:COMMAND); only for files that you trust. "
        "Without it, such a command runs only if you give the same one with --target or --peer",
    )
    add_strict(parser)
    add_timeout(parser)
    add_json(parser, "what happened")
