"""Writing all reports of a run to a folder: the card, JUnit, SARIF, and the site."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from otterproof.harness.runs.events import Judged
from otterproof.harness.support.outputs import make_folder, write_whole
from otterproof.harness.ui.reports.card import FILE, card_of
from otterproof.harness.ui.reports.junit import as_junit
from otterproof.harness.ui.reports.sarif import as_sarif
from otterproof.harness.ui.site.pages import Report, write_site

#: What a report's folder has beside the card, and the folder of the site.
JUNIT, SARIF, SITE = "junit.xml", "results.sarif", "site"


def write_reports(judged: Judged, command: Sequence[str], folder: Path) -> None:
    """Write everything. OutputError."""
    make_folder(folder)
    card = card_of(judged, command, date.today(), folder)
    write_whole(folder / FILE, json.dumps(card, indent=1) + "\n")
    write_whole(folder / JUNIT, as_junit(card))
    write_whole(folder / SARIF, json.dumps(as_sarif(card), indent=1) + "\n")
    write_site([Report(card, folder)], folder / SITE)
