"""The archive of the vectors: the same bytes each time, and usable without Otterproof."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from otterproof.harness.targets.driver import TargetMissing
from otterproof.harness.ui import cli
from otterproof.harness.vectorgen import archive
from otterproof.harness.vectorgen.consumers import NAMES, consume
from otterproof.vectors import FOLDER, load_all
from tests.snippets import snippets


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    with tarfile.open(archive.write_archive(folder)) as packed:
        packed.extractall(folder, filter="data")
    (inside,) = (path for path in folder.iterdir() if path.is_dir())
    return inside


def alone(script: str, folder: Path) -> str:
    """The output of a script in an interpreter with only its standard library and this folder."""
    words = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{script}"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, check=True).stdout


def test_it_is_the_same_each_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        assert cli.main(["vectors", "archive", "--out", str(tmp_path / name)]) == 0
        assert f"{tmp_path / name}/otterproof-vectors-" in capsys.readouterr().out
    (one,), (two,) = ((tmp_path / name).iterdir() for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_only_what_is_in_it_counts() -> None:
    assert archive.packed("v", {"a": b"1", "b": b"2"}) == archive.packed("v", {"b": b"2", "a": b"1"})
    assert archive.packed("v", {"a": b"1"}) != archive.packed("v", {"a": b"2"})


def test_it_has_every_vector_schema_and_example(unpacked: Path) -> None:
    inside = unpacked / archive.PACKAGE
    for path in [*FOLDER.glob("*.json"), *FOLDER.glob("schemas/*"), *FOLDER.glob("examples/*/*.*")]:
        assert (inside / path.relative_to(FOLDER)).read_bytes() == path.read_bytes()
    assert (unpacked / "LICENSE").is_file()
    assert not [path for path in unpacked.rglob("*") if path.suffix in (".pyc", ".toml")]


def test_the_loader_needs_nothing_else(unpacked: Path) -> None:
    counted = alone(
        f"import {archive.PACKAGE} as v; print([(one.kind, one.count) for one in v.load_all()])\n"
        "assert not [name for name in sys.modules if name.startswith('otterproof.')]",
        unpacked,
    )
    assert counted.strip() == str([(one.kind, one.count) for one in load_all()])


def test_what_the_readme_shows_works(unpacked: Path) -> None:
    readme = (unpacked / "README.md").read_text(encoding="utf-8")
    (program,) = (snippet.text for _, snippet in snippets(readme) if snippet.language == "python")
    assert f"from {archive.PACKAGE} import load" in program
    alone(program, unpacked)
    assert "otterproof vectors" not in readme


def test_its_pages_lead_to_what_is_in_it(unpacked: Path) -> None:
    for page in unpacked.glob("*.md"):
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            path = link.partition("#")[0]
            assert "://" in link or not path or (unpacked / path).is_file(), (page.name, link)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_examples_run_from_it(name: str, unpacked: Path) -> None:
    inside = unpacked / archive.PACKAGE
    try:
        code, printed = consume(name, inside, examples=inside / "examples")
    except TargetMissing as missing:
        pytest.skip(str(missing))
    assert code == 0, printed
    assert "session_keys: " in printed
