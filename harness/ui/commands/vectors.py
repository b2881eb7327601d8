"""`otterproof vectors`: generate, verify, lint, add, examples, archive."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from otterproof.harness.runs import deviations
from otterproof.harness.runs.deviations import Known
from otterproof.harness.runs.failure import Failure, lines_of
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS, DEVIATES, USAGE
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.targets.driver import Limits
from otterproof.harness.targets.engines import ENGINES
from otterproof.harness.targets.registry import open_target, title, with_name
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui.messages import complain, fail, say
from otterproof.harness.ui.options import add_name, add_timeout, check_file, check_folder, positive
from otterproof.harness.vectorgen import consumers
from otterproof.harness.vectorgen import generate as making
from otterproof.harness.vectorgen.archive import write_archive
from otterproof.harness.vectorgen.found import FOLDER as FOUND
from otterproof.harness.vectorgen.found import AddError, add
from otterproof.harness.vectorgen.kinds import AUTHORS
from otterproof.harness.vectorgen.lint import lint
from otterproof.harness.vectorgen.play_builder import ClaimError
from otterproof.harness.vectorgen.records import vector_failures
from otterproof.harness.vectorgen.verify import Report, verify, verify_target, verify_toolkit
from otterproof.vectors import FOLDER, KINDS, VectorError, load_all

#: As many failures of a subject as are shown.
_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `vectors`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="subcommand")

    making_all = commands.add_parser("generate", help="make all vectors and schemas from the seed")
    making_all.add_argument(
        "--out", type=Path, default=FOLDER, metavar="DIR", help="folder to write to (default: %(default)s)"
    )
    making_all.add_argument(
        "--engine",
        choices=sorted(ENGINES),
        default="reference",
        help="engine that gives the answers (default: %(default)s)",
    )
    making_all.add_argument(
        "--kind", choices=sorted(AUTHORS), action="append", help="only this kind; may be given several times"
    )
    making_all.add_argument("--check", action="store_true", help="write nothing; fail if the files in DIR differ")

    checking = commands.add_parser("verify", help="check the vectors with both engines, the harness and a target")
    checking.add_argument("--in", dest="folder", type=Path, default=FOLDER, metavar="DIR", help="folder of the vectors")
    checking.add_argument("--target", help="also check with this target (`otterproof targets` lists them)")
    checking.add_argument(
        "--toolkit", action="store_true", help="also check with the OTR toolkit (apt-get install libotr5-bin)"
    )
    checking.add_argument(
        "--kind", choices=sorted(KINDS), action="append", help="only this kind; may be given several times"
    )
    add_name(checking)
    checking.add_argument(
        "--known",
        type=Path,
        metavar="FILE",
        help="known deviations of the target, as for check (default: the file shipped for it, if any; 'none': no file)",
    )
    checking.add_argument("--json", type=Path, metavar="FILE", help="write what is wrong to FILE as JSON")
    add_timeout(checking)

    adding = commands.add_parser("add", help="make a vector from a transcript, such as a finding of fuzz")
    adding.add_argument("transcript", type=Path, help="transcript file")
    adding.add_argument("--name", required=True, help="name of the case: lower-case letters, digits and hyphens")
    adding.add_argument("--comment", required=True, help="what is special about it, in a sentence")
    adding.add_argument(
        "--requirement",
        action="append",
        required=True,
        metavar="ID",
        help="requirement that it shows; may be given several times",
    )
    adding.add_argument("--party", help="party whose inputs are taken (default: the judged party)")
    adding.add_argument(
        "--steps", type=positive, metavar="N", help="take only the first N inputs; the last one is judged"
    )
    adding.add_argument("--to", type=Path, default=FOUND, metavar="DIR", help="folder to write the source to")

    consuming = commands.add_parser("examples", help="run the example consumers in other languages")
    consuming.add_argument(
        "--in", dest="folder", type=Path, default=FOLDER, metavar="DIR", help="folder of the vectors"
    )
    consuming.add_argument("--only", choices=consumers.NAMES, help="only this example")

    packing = commands.add_parser("archive", help="pack the vectors for a release, with all that a consumer needs")
    packing.add_argument(
        "--out", type=Path, default=Path("dist"), metavar="DIR", help="folder to write to (default: %(default)s)"
    )

    linting = commands.add_parser("lint", help="check the form, ids, counts and requirements of the vectors")
    linting.add_argument("--in", dest="folder", type=Path, default=FOLDER, metavar="DIR", help="folder of the vectors")


def run(options: argparse.Namespace) -> int:
    subcommands = {
        "generate": _generate,
        "verify": _verify,
        "add": _add,
        "examples": _examples,
        "archive": _archive,
        "lint": _lint,
    }
    return subcommands[options.subcommand](options)


def _nothing_in(folder: Path) -> UsageError:
    return UsageError(f"no vectors are in {folder}; run `otterproof vectors generate`, or name their folder with --in")


def _generate(options: argparse.Namespace) -> int:
    kinds = options.kind or list(AUTHORS)
    if not options.check:
        check_folder(options.out, "--out")
    try:
        if options.check:
            stale = making.stale(options.engine, kinds, options.out)
            for kind in stale:
                complain(
                    f"{kind}.json is not what the {options.engine} engine generates; run `otterproof vectors generate`"
                )
            if not stale:
                say(f"all {len(kinds)} files are what the {options.engine} engine generates")
            return DEVIATES if stale else CONFORMS
        paths = making.write(options.out, options.engine, kinds)
    except (ClaimError, VectorError) as error:
        return fail(error, DEVIATES)
    making.write_schemas(options.out / "schemas")
    say(f"{len(paths)} files are in {options.out}, with their schemas")
    return CONFORMS


def _lint(options: argparse.Namespace) -> int:
    if not options.folder.is_dir():
        raise _nothing_in(options.folder)
    problems = lint(options.folder)
    for problem in problems:
        complain(problem)
    if not problems:
        say("nothing is wrong with the form of the vectors")
    return DEVIATES if problems else CONFORMS


def _examples(options: argparse.Namespace) -> int:
    if not options.folder.is_dir():
        raise _nothing_in(options.folder)
    codes = []
    for name in [options.only] if options.only else consumers.NAMES:
        code, printed = consumers.consume(name, options.folder)
        say(f"{name}:\n{printed.rstrip()}")
        codes.append(code)
    return DEVIATES if any(codes) else CONFORMS


def _archive(options: argparse.Namespace) -> int:
    check_folder(options.out, "--out")
    say(f"the archive is {write_archive(options.out)}")
    return CONFORMS


def _verify(options: argparse.Namespace) -> int:
    try:
        files = load_all(options.folder)
    except VectorError as error:
        return fail(error, USAGE)
    if not files:
        raise _nothing_in(options.folder)
    missing = set(options.kind or ()) - {file.kind for file in files}
    if missing:
        there = ", ".join(file.kind for file in files)
        raise UsageError(f"no {', '.join(sorted(missing))} in {options.folder}; what is there: {there}")
    if options.json:
        check_file(options.json, "--json")
    files = tuple(file for file in files if not options.kind or file.kind in options.kind)
    reports = ([verify_toolkit(files)] if options.toolkit else []) + verify(files)
    if options.target:
        target = open_target(with_name(options.target, options.name), Limits(options.timeout))
        try:
            reports.append(verify_target(files, target))
        finally:
            target.close()
    claimed = {case.id: case.requirements for file in files for _, case in file}
    found = [(report, vector_failures(report, claimed, _known(options, report))) for report in reports]
    for report, failures in found:
        _show(report, failures)
    if options.json:
        content = [
            {
                "subject": report.name,
                "checked": report.checked,
                "failures": [asdict(failure) | {"known": known} for failure, known in failures],
            }
            for report, failures in found
        ]
        write_whole(options.json, json.dumps(content, indent=1) + "\n")
    return DEVIATES if any(not known for _, failures in found for _, known in failures) else CONFORMS


def _known(options: argparse.Namespace, report: Report) -> Known:
    """What is known of a subject, if it is the target."""
    asked = title(with_name(options.target, options.name)) if options.target else ""
    if report.name != asked:
        return Known()
    load()
    return Known(deviations.entries_of(deviations.file_for(asked, options.known)))


def _add(options: argparse.Namespace) -> int:
    transcript = read_transcript(options.transcript)
    check_folder(options.to, "--to")
    try:
        case = add(
            transcript, options.name, options.comment, options.requirement, party=options.party, last=options.steps
        )
    except AddError as error:
        return fail(error, USAGE)
    path = options.to / f"{options.name}.json"
    if path.exists():
        return fail(f"{path} is there already; choose another --name, since cases keep their ids", USAGE)
    options.to.mkdir(parents=True, exist_ok=True)
    write_whole(path, case.to_json())
    say(f"{path}: {len(case.steps)} inputs, the last of which is {case.reaction or 'valid'}")
    if options.to == FOUND:
        making.write(FOLDER, "reference", ["found"])
        say("found.json has it; see that it is right, and commit both")
    return CONFORMS


def _show(report: Report, failures: Sequence[tuple[Failure, str]]) -> None:
    known = sum(bool(reason) for _, reason in failures)
    counted = f"{len(failures)} failures" + (f", {known} of them known" if known else "")
    say(f"{report.name} ({report.what}): {report.checked} cases checked, {counted}")
    for kind, tally in report.kinds.items():
        say(f"  {kind:18} {tally.checked:5} checked, {len(tally.failures)} failures")
        for reason, count in tally.skipped.most_common():
            say(f"  {'':18} {count:5} skipped: {reason}")
    for reading, options in sorted(report.readings.items()):
        say(f"  reading {reading}: " + ", ".join(f"{option} ({len(cases)})" for option, cases in options.items()))
    shown = sorted(failures, key=lambda one: bool(one[1]))
    for failure, reason in shown[:_SHOWN]:
        say("\n".join([f"{'known' if reason else 'FAIL'}  {failure.check}", *lines_of(failure)]))
        if reason:
            say(f"    known     {reason}")
    if len(shown) > _SHOWN:
        say(f"  ... and {len(shown) - _SHOWN} more")
