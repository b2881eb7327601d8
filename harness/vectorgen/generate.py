"""Making all vectors from the seed, with either engine. The bytes are the same, wherever and by whichever."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from otterproof.harness.support.inputs import LIMITS, read_input
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.targets.engines import ENGINES
from otterproof.harness.vectorgen.answerers.base import Tools
from otterproof.harness.vectorgen.answerers.independent import IndependentTools
from otterproof.harness.vectorgen.answerers.reference import ReferenceTools
from otterproof.harness.vectorgen.answers import Party, Subject
from otterproof.harness.vectorgen.builder import SEED, FileBuilder
from otterproof.harness.vectorgen.kinds import AUTHORS
from otterproof.harness.vectorgen.notes import NOTES
from otterproof.implementations.contract import PartyConfig
from otterproof.implementations.entropy import SeededEntropy
from otterproof.vectors import FOLDER, KINDS, VectorFile, load, render, schema

TOOLS: dict[str, Tools] = {"reference": ReferenceTools(), "independent": IndependentTools()}


def subject(engine: str) -> Subject:
    """An engine as the one that answers. KeyError for an unknown name."""
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
    """Write the files of some kinds to a folder, once all of them are made. ClaimError, OSError, OutputError."""
    made = {folder / f"{kind}.json": _rendered(make(kind, engine)) for kind in kinds}
    written = {path: content for path, content in made.items() if content}
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in written.items():
        write_whole(path, content)
    return list(written)


def write_schemas(folder: Path) -> None:
    """Write the schemas of all kinds to a folder. OSError, OutputError."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS.values():
        write_whole(folder / f"{kind.name}.schema.json", schema.render(kind))


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
