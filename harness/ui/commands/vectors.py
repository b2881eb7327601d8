"""`otterproof vectors`: generate, verify, lint, add, examples, archive."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
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
from otterproof.harness.targets.registry import open_target, title, with_name
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui.messages import complain, fail, say
from otterproof.harness.ui.options import check_folder
from otterproof.harness.ui.progress import Tracker, working
from otterproof.harness.ui.results import check_json, put_result, shows_text
from otterproof.harness.ui.screen import console
from otterproof.harness.ui.table import print_table
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
from otterproof.vectors import FOLDER, VectorError, VectorFile, load_all

#: The most failures of a subject that are shown.
_SHOWN = 20


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
    check_json(options)
    kinds = options.kind or list(AUTHORS)
    if not options.check:
        check_folder(options.out, "--out")
    try:
        with Tracker("making vectors", len(kinds)) as shown:
            made = making.made(options.engine, kinds, lambda kind, done: shown.update(done, f"making {kind}"))
        stale = making.stale(made, options.out) if options.check else []
    except (ClaimError, VectorError) as error:
        return fail(error, DEVIATES)
    if options.check:
        for kind in stale:
            complain(
                f"{kind}.json is not what the {options.engine} engine generates; run `otterproof vectors generate`"
            )
    else:
        making.write(options.out, made)
        making.write_schemas(options.out / "schemas")
    if shows_text(options) and not options.check:
        say(f"{len(made)} files are in {options.out}, with their schemas")
    elif shows_text(options) and not stale:
        say(f"all {len(kinds)} files are what the {options.engine} engine generates")
    content = {"folder": str(options.out), "kinds": list(kinds), "stale": stale, "written": not options.check}
    put_result(options, "vectors generate", content)
    return DEVIATES if options.check and stale else CONFORMS


def _lint(options: argparse.Namespace) -> int:
    check_json(options)
    if not options.folder.is_dir():
        raise _nothing_in(options.folder)
    with working("reading the vectors"):
        problems = lint(options.folder)
    for problem in problems:
        complain(problem)
    if not problems and shows_text(options):
        say("nothing is wrong with the form of the vectors")
    put_result(options, "vectors lint", {"problems": [str(problem) for problem in problems]})
    return DEVIATES if problems else CONFORMS


def _examples(options: argparse.Namespace) -> int:
    check_json(options)
    if not options.folder.is_dir():
        raise _nothing_in(options.folder)
    ran = []
    for name in [options.only] if options.only else consumers.NAMES:
        with working(f"running the example {name}"):
            code, printed = consumers.consume(name, options.folder)
        if shows_text(options):
            say(f"{name}:\n{printed.rstrip()}")
        ran.append({"name": name, "code": code, "printed": printed})
    put_result(options, "vectors examples", {"examples": ran})
    return DEVIATES if any(one["code"] for one in ran) else CONFORMS


def _archive(options: argparse.Namespace) -> int:
    check_json(options)
    check_folder(options.out, "--out")
    with working("packing the vectors"):
        archive = write_archive(options.out)
    if shows_text(options):
        say(f"the archive is {archive}")
    put_result(options, "vectors archive", {"archive": str(archive)})
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
    check_json(options)
    files = tuple(file for file in files if not options.kind or file.kind in options.kind)
    if options.list:
        return _list(options, files)
    with Tracker("checking the vectors", 3 + options.toolkit + bool(options.target)) as shown:
        reports = []
        for report in _reports(options, files):
            reports.append(report)
            shown.update(len(reports))
    claimed = {case.id: case.requirements for file in files for _, case in file}
    found = [(report, vector_failures(report, claimed, _known(options, report))) for report in reports]
    wrong = sum(not known for _, failures in found for _, known in failures)
    if shows_text(options):
        for report, failures in found:
            _show(report, failures)
        names = ", ".join(report.name for report, _ in found)
        but = ", except for known deviations" if any(failures for _, failures in found) else ""
        say(f"wrong answers: {wrong}" if wrong else f"the answers of {names} are correct{but}")
    content = [
        {
            "subject": report.name,
            "checked": report.checked,
            "failures": [asdict(failure) | {"known": known} for failure, known in failures],
        }
        for report, failures in found
    ]
    put_result(options, "vectors verify", {"subjects": content})
    return DEVIATES if wrong else CONFORMS


def _reports(options: argparse.Namespace, files: Sequence[VectorFile]) -> Iterator[Report]:
    """The answers of each subject."""
    if options.toolkit:
        yield verify_toolkit(files)
    yield from verify(files)
    if options.target:
        target = open_target(with_name(options.target, options.name), Limits(options.timeout))
        try:
            yield verify_target(files, target)
        finally:
            target.close()


def _list(options: argparse.Namespace, files: Sequence[VectorFile]) -> int:
    """List the cases of some files."""
    cases = [(case.id, file.kind, group.operation, case.comment) for file in files for group, case in file]
    if shows_text(options):
        print_table(console(), ("case", "kind", "operation", "what it is"), cases)
    keys = ("id", "kind", "operation", "comment")
    put_result(options, "vectors verify", {"cases": [dict(zip(keys, case, strict=True)) for case in cases]})
    return CONFORMS


def _known(options: argparse.Namespace, report: Report) -> Known:
    """The known deviations of a subject, if it is the target."""
    asked = title(with_name(options.target, options.name)) if options.target else ""
    if report.name != asked:
        return Known()
    load()
    return Known(deviations.entries_of(deviations.file_for(asked, options.known)))


def _add(options: argparse.Namespace) -> int:
    check_json(options)
    transcript = read_transcript(options.transcript)
    options.to = options.to or FOUND
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
    if options.to == FOUND:
        making.write(FOLDER, making.made("reference", ["found"]))
    if shows_text(options):
        say(f"{path}: {len(case.steps)} inputs, the last of which is {case.reaction or 'valid'}")
        if options.to == FOUND:
            say("found.json has it; see that it is right, and commit both")
    put_result(options, "vectors add", {"vector": str(path), "inputs": len(case.steps), "reaction": case.reaction})
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
