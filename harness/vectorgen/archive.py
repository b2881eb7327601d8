"""The vectors as an archive of their own, for a release: everything a consumer needs, and nothing of Otterproof.

It is made from a checkout, because it includes the page that explains the vectors. The same tree gives the same bytes:
the archive does not record when, where or by whom it was made.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from otterproof.harness.spec.pages import DOCS, DocsMissing
from otterproof.harness.support.outputs import make_folder, write_whole
from otterproof.vectors import FOLDER

#: The Python package in the archive: the JSON files, and a loader that needs only the standard library.
PACKAGE = "otterproof_vectors"

#: What goes into the archive from the folder of vectors: files and whole folders.
_FILES = ("*.json", "__init__.py", "forms.py", "loader.py", "operations.py", "py.typed")
_FOLDERS = ("schemas", "examples")

#: The pages that go into the archive, with their names there. The first is cut at a certain heading; the rest of it is
#: only about this project.
_PAGES = {
    "vectors.md": "README.md",
    "vectors-operations.md": "vectors-operations.md",
    "requirements.md": "requirements.md",
    "choices.md": "choices.md",
    "driver-protocol.md": "driver-protocol.md",
}
_OURS = "\n## The archive\n"


def write_archive(folder: Path) -> Path:
    """Write the archive to a folder and return its path. DocsMissing without a checkout; OutputError."""
    if not DOCS.is_dir():
        raise DocsMissing(f"there is no folder {DOCS}; run this in a checkout of the project")
    name = f"otterproof-vectors-{version('otterproof')}"
    make_folder(folder)
    path = folder / f"{name}.tar.gz"
    write_whole(path, packed(name, dict(content())))
    return path


def content() -> Iterator[tuple[str, bytes]]:
    """The files of the archive: path and content."""
    for page, name in _PAGES.items():
        yield name, _alone((DOCS / "reference" / page).read_text(encoding="utf-8")).encode()
    yield "LICENSE", (DOCS.parent / "LICENSE").read_bytes()
    wanted = [path for pattern in _FILES for path in FOLDER.glob(pattern)]
    wanted += [path for inside in _FOLDERS for path in (FOLDER / inside).rglob("*") if path.is_file()]
    for path in wanted:
        if not {"node_modules", "__pycache__"} & set(path.parts):
            yield f"{PACKAGE}/{path.relative_to(FOLDER).as_posix()}", path.read_bytes()


def packed(name: str, files: dict[str, bytes]) -> bytes:
    """A compressed archive of files below a folder of this name, the same bytes whenever and wherever it is made."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, data in sorted(files.items()):
            entry = tarfile.TarInfo(f"{name}/{path}")  # with time 0 and no owner
            entry.size, entry.mode = len(data), 0o755 if path.endswith(".sh") else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), mtime=0)


def _alone(page: str) -> str:
    """A page adapted to the archive: links and names refer to what is in it."""

    def link(found: re.Match[str]) -> str:
        path, hash_, anchor = found[2].partition("#")
        if path and path not in _PAGES:
            return found[1]
        return f"[{found[1]}]({_PAGES.get(path, path)}{hash_}{anchor})"

    page = re.sub(r"\[([^]]+)\]\((?!\w+:)([^)]*)\)", link, page.partition(_OURS)[0])
    return page.replace("otterproof.vectors", PACKAGE).replace("`vectors/", f"`{PACKAGE}/")
