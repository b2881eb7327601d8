"""`otterproof vectors`: generate, verify, lint, add."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.roster import make
from harness.targets import ENGINES
from harness.vectors import generate as making
from harness.vectors.kinds import AUTHORS
from harness.vectors.lint import lint
from harness.vectors.plays import ClaimError
from harness.vectors.verify import Report, verify, verify_target
from vectors import FOLDER, KINDS, VectorError, load_all, page, schema

CONFORMS, DEVIATES = 0, 1

#: As many failures of a subject as are shown.
_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `vectors`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    making_all = commands.add_parser("generate", help="make all vectors and schemas from the seed")
    making_all.add_argument("--out", type=Path, default=FOLDER, metavar="DIR", help="where to (default: %(default)s)")
    making_all.add_argument("--engine", choices=sorted(ENGINES), default="reference", help="default: %(default)s")
    making_all.add_argument("--kind", choices=sorted(AUTHORS), action="append", help="only this kind; can be repeated")
    making_all.add_argument("--check", action="store_true", help="write nothing; fail when what is in DIR is not this")
    making_all.set_defaults(command=_generate)

    checking = commands.add_parser("verify", help="let both engines, the harness and a target answer the vectors")
    checking.add_argument("--in", dest="folder", type=Path, default=FOLDER, metavar="DIR", help="where they are")
    checking.add_argument("--target", help="a target as well, by its name (`otterproof targets` lists them)")
    checking.add_argument("--kind", choices=sorted(KINDS), action="append", help="only this kind; can be repeated")
    checking.set_defaults(command=_verify)

    linting = commands.add_parser("lint", help="check the vectors' form, ids, counts, requirements")
    linting.add_argument("--in", dest="folder", type=Path, default=FOLDER, metavar="DIR", help="where they are")
    linting.set_defaults(command=_lint)


def _fail(problem: object) -> int:
    print(f"otterproof: {problem}", file=sys.stderr)
    return DEVIATES


def _generate(options: argparse.Namespace) -> int:
    kinds = options.kind or list(AUTHORS)
    try:
        if options.check:
            stale = making.stale(options.engine, kinds, options.out)
            for kind in stale:
                _fail(
                    f"{kind}.json is not what the {options.engine} engine generates; run `otterproof vectors generate`"
                )
            if not stale:
                print(f"all {len(kinds)} files are what the {options.engine} engine generates")
            return DEVIATES if stale else CONFORMS
        paths = making.write(options.out, options.engine, kinds)
    except (ClaimError, VectorError) as error:
        return _fail(error)
    schema.write(options.out / "schemas")
    if options.out == FOLDER:
        page.write()
    print(f"{len(paths)} files are in {options.out}, with their schemas")
    return CONFORMS


def _lint(options: argparse.Namespace) -> int:
    problems = lint(options.folder)
    for problem in problems:
        _fail(problem)
    if not problems:
        print("nothing is wrong with the form of the vectors")
    return DEVIATES if problems else CONFORMS


def _verify(options: argparse.Namespace) -> int:
    try:
        files = load_all(options.folder)
    except VectorError as error:
        return _fail(error)
    if not files:
        return _fail(f"no vectors are in {options.folder}; run `otterproof vectors generate`")
    files = tuple(file for file in files if not options.kind or file.kind in options.kind)
    reports = verify(files)
    if options.target:
        target = make(options.target)
        try:
            reports.append(verify_target(files, target))
        finally:
            target.close()
    for report in reports:
        _show(report)
    return DEVIATES if any(report.failures for report in reports) else CONFORMS


def _show(report: Report) -> None:
    failures = report.failures
    print(f"{report.name} ({report.what}): {report.checked} cases checked, {len(failures)} failures")
    for kind, tally in report.kinds.items():
        print(f"  {kind:18} {tally.checked:5} checked, {len(tally.failures)} failures")
        for reason, count in tally.skipped.most_common():
            print(f"  {'':18} {count:5} skipped: {reason}")
    for reading, options in sorted(report.readings.items()):
        print(f"  reading {reading}: " + ", ".join(f"{option} ({len(cases)})" for option, cases in options.items()))
    for number, (case, what) in enumerate(failures.items()):
        if number == _SHOWN:
            print(f"  ... and {len(failures) - _SHOWN} more")
            break
        print(f"  FAILED {case}: {what}")
