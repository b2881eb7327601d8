"""The arguments of `otterproof vectors`."""

from __future__ import annotations

from pathlib import Path

from otterproof.harness.ui.options import (
    FILE,
    FOLDER,
    TARGET,
    Options,
    add_file,
    add_folder,
    add_json,
    add_name,
    add_timeout,
    completed,
    positive,
)
from otterproof.harness.ui.parser import Example, Parser, add_subcommand
from otterproof.vectors import FOLDER as VECTORS
from otterproof.vectors import KINDS

PURPOSE = "Work with the known-answer vectors: generate them, verify targets and engines against them, add cases."

_GENERATE: tuple[Example, ...] = (
    ("otterproof vectors generate", "write all vectors and their schemas"),
    ("otterproof vectors generate --check --engine independent", "check that the other engine makes the same ones"),
)
_VERIFY: tuple[Example, ...] = (
    ("otterproof vectors verify", "verify both engines and the harness's own codec"),
    (
        "otterproof vectors verify --target libotr --kind tlvs --kind queries",
        "also verify a target, with some kinds of cases",
    ),
    ("otterproof vectors verify --kind tlvs --list", "list the cases"),
)
_ADD: tuple[Example, ...] = (
    (
        "otterproof vectors add finding.jsonl --name counter-0 --comment 'A counter of 0.' --requirement DATA-CTR-1",
        "keep a finding of fuzz as a vector",
    ),
)
_EXAMPLES: tuple[Example, ...] = (("otterproof vectors examples --only otr3", "run the consumer in Go"),)
_ARCHIVE: tuple[Example, ...] = (
    ("otterproof vectors archive --out dist", "pack them into one file, without Otterproof itself"),
)
_LINT: tuple[Example, ...] = (("otterproof vectors lint --in my-vectors", "check the form of your own vectors"),)

EXAMPLES: tuple[Example, ...] = (_VERIFY[0], _VERIFY[1], _GENERATE[0], _LINT[0])

#: The engines and example consumers, repeated here because the modules that define them take a second to import.
ENGINES, CONSUMERS = ("independent", "reference"), ("otrjs", "otr3")


def add_arguments(parser: Parser) -> None:
    """The subcommands of `vectors`."""
    parser.set_defaults(otterproof_complete=False)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="subcommand")

    making = add_subcommand(
        commands, "generate", "make all vectors and schemas from the seed", "Make all vectors and schemas.", _GENERATE
    )
    add_folder(making, "--out", "folder to write to (default: %(default)s)", default=VECTORS)
    making.add_argument(
        "--engine", choices=ENGINES, default="reference", help="engine that gives the answers (default: %(default)s)"
    )
    _add_kind(making)
    making.add_argument("--check", action="store_true", help="write nothing; fail if the files in DIR differ")
    add_json(making, "the files")

    checking = add_subcommand(
        commands,
        "verify",
        "check the vectors with both engines, the harness and a target",
        "Check whether engines, the harness's own codec and a target give the answers of the vectors.",
        _VERIFY,
    )
    choosing = checking.add_argument_group("selecting cases")
    _add_in(choosing)
    _add_kind(choosing)
    choosing.add_argument("--list", action="store_true", help="list the cases, and check nothing")
    whom = checking.add_argument_group("who is checked")
    completed(
        whom.add_argument(
            "--target", metavar="TARGET", help="also check with this target (`otterproof targets` lists them)"
        ),
        TARGET,
    )
    add_name(whom)
    whom.add_argument(
        "--toolkit", action="store_true", help="also check with the OTR toolkit (apt-get install libotr5-bin)"
    )
    add_file(
        whom,
        "--known",
        "known deviations of the target, as for check (default: the file shipped for it, if any; 'none': no file)",
    )
    add_timeout(whom)
    add_json(checking, "what is wrong")

    adding = add_subcommand(
        commands,
        "add",
        "make a vector from a transcript, such as a finding of fuzz",
        "Make a vector from a transcript, such as a finding of fuzz.",
        _ADD,
    )
    completed(adding.add_argument("transcript", type=Path, metavar="TRANSCRIPT", help="transcript file"), FILE)
    adding.add_argument("--name", required=True, help="name of the case: lower-case letters, digits and hyphens")
    adding.add_argument("--comment", required=True, help="what is special about it, in a sentence")
    adding.add_argument(
        "--requirement",
        action="append",
        required=True,
        metavar="ID",
        help="requirement that it demonstrates; may be given several times",
    )
    adding.add_argument("--party", help="party whose inputs are taken (default: the judged party)")
    adding.add_argument(
        "--steps", type=positive, metavar="N", help="take only the first N inputs; the last one is judged"
    )
    add_folder(adding, "--to", "folder to write the source to (default: that of the vectors' own sources)")
    add_json(adding, "where the vector is")

    consuming = add_subcommand(
        commands,
        "examples",
        "run the example consumers in other languages",
        "Run the example programs that read the vectors in other languages.",
        _EXAMPLES,
    )
    _add_in(consuming)
    consuming.add_argument("--only", choices=CONSUMERS, help="only this example")
    add_json(consuming, "what they print")

    packing = add_subcommand(
        commands,
        "archive",
        "pack the vectors for a release, with all that a consumer needs",
        "Pack the vectors for a release, with all that a consumer needs.",
        _ARCHIVE,
    )
    add_folder(packing, "--out", "folder to write to (default: %(default)s)", default=Path("dist"))
    add_json(packing, "where the archive is")

    linting = add_subcommand(
        commands,
        "lint",
        "check the form, ids, counts and requirements of the vectors",
        "Check the form, ids, counts and requirements of the vectors.",
        _LINT,
    )
    _add_in(linting)
    add_json(linting, "the problems")


def _add_in(options: Options) -> None:
    action = options.add_argument(
        "--in", dest="folder", type=Path, default=VECTORS, metavar="DIR", help="folder of the vectors"
    )
    completed(action, FOLDER)


def _add_kind(options: Options) -> None:
    options.add_argument(
        "--kind",
        choices=sorted(KINDS),
        action="append",
        metavar="KIND",
        help=f"only this kind; may be given several times ({', '.join(sorted(KINDS))})",
    )
