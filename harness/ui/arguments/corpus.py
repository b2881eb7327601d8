"""The arguments of `otterproof corpus`."""

from __future__ import annotations

from pathlib import Path

from otterproof.harness.ui.options import FILE, add_file, add_folder, add_json, completed
from otterproof.harness.ui.parser import Example, Parser

PURPOSE = "Turn transcripts into a fuzzing corpus: programs for any target, messages for any fuzzer, and a dictionary."

EXAMPLES: tuple[Example, ...] = (
    ("otterproof corpus transcripts otterproof-fuzz --out corpus", "make programs from all transcripts in two folders"),
    ("otterproof corpus transcripts --messages seeds --dictionary otr.dict", "make inputs for a byte-level fuzzer"),
    ("otterproof fuzz libotr --corpus corpus", "start a campaign with the programs"),
)


def add_arguments(parser: Parser) -> None:
    """The options of `corpus`."""
    paths = parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="transcript, or folder with transcripts, of any target"
    )
    completed(paths, FILE)
    add_folder(parser, "--out", "write the programs to DIR, as transcripts without steps")
    add_folder(parser, "--messages", "write every message to a file of its own in DIR, as it was on the wire")
    add_file(parser, "--dictionary", "write the words of the protocol to FILE, for libFuzzer, AFL and similar fuzzers")
    add_json(parser, "what was written")
