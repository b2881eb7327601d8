"""Write all reports of a run to a folder: the card, JUnit, SARIF, and the site.

A folder with an earlier report is reused: new files replace old ones, and pages and transcripts that the new report
does not have are removed. A folder with anything else is not touched.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

from otterproof.harness.runs.events import Judged
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.outputs import make_folder, write_whole
from otterproof.harness.ui.options import check_folder
from otterproof.harness.ui.reports.card import FILE, card_of
from otterproof.harness.ui.reports.junit import as_junit
from otterproof.harness.ui.reports.sarif import as_sarif
from otterproof.harness.ui.site.pages import Report, write_site

#: The files in a report's folder besides the card, and the folder of the site.
JUNIT, SARIF, SITE, TRANSCRIPTS = "junit.xml", "results.sarif", "site", "transcripts"


def check_report(folder: Path, option: str) -> None:
    """Raise UsageError if a report can't be written to a folder, or if the folder has files of no report."""
    check_folder(folder, option)
    there = {path.name for path in folder.iterdir() if path.suffix != ".xml"} if folder.is_dir() else set()
    if there and FILE not in there and not there <= {TRANSCRIPTS, SITE}:
        raise UsageError(
            f"{folder} is not empty and is not an Otterproof report, so no report is written there; name a new folder "
            f"with {option}"
        )


def write_reports(judged: Judged, command: Sequence[str], folder: Path) -> None:
    """Write everything, replacing an earlier report. Raises OutputError."""
    make_folder(folder)
    card = card_of(judged, command, date.today(), folder)
    write_whole(folder / FILE, json.dumps(card, indent=1) + "\n")
    write_whole(folder / JUNIT, as_junit(card))
    write_whole(folder / SARIF, json.dumps(as_sarif(card), indent=1) + "\n")
    write_site([Report(card, folder)], folder / SITE)
    named = {(folder / name).resolve() for one in card["scenarios"] for name in (*one["transcripts"], one["picture"])}
    _forget_transcripts(folder / TRANSCRIPTS, named, judged.finished.transcripts.resolve())


def _forget_transcripts(folder: Path, named: Collection[Path], own: Path) -> None:
    """Remove the transcripts of earlier runs from a report. named: those of this run. own: the folder it wrote to."""
    for path in sorted(folder.rglob("*"), reverse=True):  # the content of a folder comes before the folder
        place = path.resolve()
        if place in named or own == place or own in place.parents:
            continue
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # it is not empty
                path.rmdir()
        else:
            path.unlink()
