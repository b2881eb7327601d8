"""Making all vectors from the seed, with either engine. The bytes are the same, wherever and by whichever."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.inputs import LIMITS, read_input
from harness.targets import ENGINES
from harness.vectors.answers import Party, Subject
from harness.vectors.builder import SEED, FileBuilder
from harness.vectors.kinds import AUTHORS
from harness.vectors.notes import NOTES
from harness.vectors.tools import Tools
from harness.vectors.tools_independent import IndependentTools
from harness.vectors.tools_reference import ReferenceTools
from implementations.contract import PartyConfig
from implementations.entropy import SeededEntropy
from vectors import FOLDER, VectorFile, load, render

TOOLS: dict[str, Tools] = {"reference": ReferenceTools(), "independent": IndependentTools()}


def subject(engine: str) -> Subject:
    """An engine as the one that answers. KeyError for a name that is none."""
    factory = ENGINES[engine]

    def make(config: PartyConfig) -> Party:
        return factory(config, SeededEntropy(SEED.encode()))

    return Subject(engine, TOOLS[engine], make)


def make(kind: str, engine: str) -> VectorFile:
    """The file of a kind, with the answers of an engine. ClaimError."""
    builder = FileBuilder(kind, subject(engine), ENGINES[engine], NOTES)
    AUTHORS[kind](builder)
    return builder.file()


def write(folder: Path, engine: str, kinds: Iterable[str] = tuple(AUTHORS)) -> list[Path]:
    """Write the files of some kinds to a folder. ClaimError, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for kind in kinds:
        file = make(kind, engine)
        if file.groups:
            path = folder / f"{kind}.json"
            path.write_text(render(file), encoding="ascii", newline="\n")
            paths.append(path)
    return paths


def stale(engine: str, kinds: Iterable[str] = tuple(AUTHORS), folder: Path = FOLDER) -> list[str]:
    """The kinds whose committed files are not what an engine generates."""
    return [kind for kind in kinds if _committed(kind, folder) != _rendered(make(kind, engine))]


def _rendered(file: VectorFile) -> str:
    return render(file) if file.groups else ""


def _committed(kind: str, folder: Path) -> str:
    path = folder / f"{kind}.json"
    if not path.exists():
        return ""
    load(kind, folder)  # a file that is no vector file is told as that
    return read_input(path, limit=LIMITS["vectors"], what="vectors").decode("ascii")
