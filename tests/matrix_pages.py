"""The pages of a matrix, as `matrix` writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from otterproof.harness.runs.cell import Cell
from otterproof.harness.ui.reports.matrix import FILE, Laid, matrix_of, read_matrix
from otterproof.harness.ui.site.conversations import Conversations
from otterproof.harness.ui.site.pages import write_site


def matrix_pages(
    cells: Sequence[Cell], folder: Path, laid: Laid | None = None, missing: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Each page by name. The matrix is first written to its file in the folder with its transcripts."""
    folder.mkdir(exist_ok=True)
    (folder / FILE).write_text(json.dumps(matrix_of(cells, missing or {}, laid or {}, folder)))
    write_site([], folder, Conversations(read_matrix(folder / FILE), folder))
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.html")}
