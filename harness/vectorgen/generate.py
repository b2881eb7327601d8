"""Generates all vectors from the seed. Either engine gives the same bytes, on any machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
    """An engine as the subject that answers. KeyError for an unknown name."""
    factory = ENGINES[engine]

    def make(config: PartyConfig) -> Party:
        return factory(config, SeededEntropy(SEED.encode()))

    return Subject(engine, TOOLS[engine], make)


def make(kind: str, engine: str) -> VectorFile:
    """The file of a kind, with an engine's answers. ClaimError."""
    builder = FileBuilder(kind, subject(engine), ENGINES[engine], NOTES)
    AUTHORS[kind](builder)
    return builder.file()


def made(
    engine: str, kinds: Iterable[str] = tuple(AUTHORS), tell: Callable[[str, int], None] = lambda kind, done: None
) -> dict[str, str]:
    """The files of some kinds, generated with one engine: kind -> content, "" if it has no case. ClaimError.

    tell: called with the next kind and the number of files made.
    """
    files: dict[str, str] = {}
    for kind in kinds:
        tell(kind, len(files))
        file = make(kind, engine)
        files[kind] = render(file) if file.groups else ""
    return files


def write(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write generated files to a folder and return the paths of those that have cases. OSError, OutputError."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {folder / f"{kind}.json": content for kind, content in files.items() if content}
    for path, content in paths.items():
        write_whole(path, content)
    return list(paths)


def write_schemas(folder: Path) -> None:
    """Write the schemas of all kinds to a folder. OSError, OutputError."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS.values():
        write_whole(folder / f"{kind.name}.schema.json", schema.render(kind))


def stale(files: Mapping[str, str], folder: Path = FOLDER) -> list[str]:
    """The kinds whose files in a folder differ from the generated ones."""
    return [kind for kind, content in files.items() if _committed(kind, folder) != content]


def _committed(kind: str, folder: Path) -> str:
    path = folder / f"{kind}.json"
    if not path.exists():
        return ""
    load(kind, folder)  # raises if the file is not a vector file
    return read_input(path, limit=LIMITS["vectors"], what="vectors").decode("ascii")
