"""The table of third-party targets: drivers are built once, into the user's cache, and missing tools are reported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from otterproof.harness.targets.driver import THIRD_PARTIES, DriverTarget, TargetMissing, ThirdParty, target
from otterproof.harness.targets.driver import third_party as registry
from tests.test_driver_supervisor import ROGUE


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a folder of drivers with the source of one, called toy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(registry, "DRIVERS", tmp_path / "drivers")
    source = tmp_path / "drivers" / "toy"
    source.mkdir(parents=True)
    (source / "driver.py").write_text("print('toy')")
    return tmp_path / "cache" / "otterproof"


def toy(*commands: Sequence[str], tools: tuple[str, ...] = ()) -> ThirdParty:
    """A target built by commands; SOURCE and PLACE in them stand for the two folders."""

    def build(source: Path, place: Path) -> Sequence[Sequence[str]]:
        words = {"SOURCE": f"{source}/driver.py", "PLACE": str(place)}
        return [[words.get(word, word) for word in command] for command in commands]

    return ThirdParty("toy", "apt-get install toy", tools, build, lambda place: ["run", f"{place}/driver.py"])


COPY = ("cp", "SOURCE", "PLACE")


def test_a_driver_is_built_once(cache: Path) -> None:
    assert not toy(COPY).is_built()
    command = toy(COPY).ready()
    assert toy(COPY).is_built()
    built = Path(command[1])
    assert built.is_relative_to(cache)
    assert built.read_text() == "print('toy')"
    assert toy(("false",)).ready() == command
    assert [path.name for path in cache.iterdir()] == [built.parent.name]


def test_a_changed_driver_is_built_anew(cache: Path, tmp_path: Path) -> None:
    before = toy(COPY).ready()
    (tmp_path / "drivers" / "toy" / "driver.py").write_text("print('other toy')")
    assert not toy(COPY).is_built()
    assert toy(COPY).ready() != before


def test_half_a_build_is_done_again(cache: Path) -> None:
    toy(COPY).place().mkdir(parents=True)
    assert Path(toy(COPY).ready()[1]).exists()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (toy(COPY, tools=("sh", "no-such-tool")), "toy needs no-such-tool. Install: apt-get install toy"),
        (replace(toy(COPY), lacks=lambda: ["no-such-library"]), "toy needs no-such-library. Install: apt-get install"),
        (toy(("sh", "-c", "echo broken >&2; exit 1")), "toy can't be built: sh says\nbroken\nInstall: apt-get install"),
        (toy(("no-such-tool",)), "no-such-tool failed: .*Install: apt-get install toy"),
    ],
)
def test_what_is_missing_is_told(cache: Path, row: ThirdParty, words: str) -> None:
    with pytest.raises(TargetMissing, match=words):
        row.ready()
    assert list(cache.glob("*")) == []


def test_a_cache_that_can_not_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(TargetMissing, match=r"toy can't be built in .*Name a folder .* with XDG_CACHE_HOME"):
        toy(COPY).ready()


def test_a_library_that_is_gone_is_missing() -> None:
    program = "import os; os.write(2, b'error while loading shared libraries: libtoy.so.1'); os._exit(127)"
    with pytest.raises(TargetMissing, match=r"(?s)toy can't be run here: .*libtoy"):
        DriverTarget("toy", [sys.executable, "-S", "-E", "-c", program])


def test_a_process_does_not_grow_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "CASES_PER_PROCESS", 3)
    driver = DriverTarget("rogue", [sys.executable, "-S", "-E", str(ROGUE), "none"])
    try:
        pids = []
        for _ in range(6):
            driver.reset()
            pids.append(driver.pid)
        assert pids[0] == pids[1] != pids[2] == pids[3] == pids[4] != pids[5]
    finally:
        driver.close()


def test_the_table_names_each_target_once() -> None:
    assert all(name == row.name and row.install for name, row in THIRD_PARTIES.items())
