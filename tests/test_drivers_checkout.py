"""Targets built from a checkout of the user's: what is reported if it is missing, and that drivers compile.

Their sources are in no package registry. The drivers are compiled against stubs that only have the signatures that the
drivers call; a driver built this way says hello and can do no more.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from otterproof.harness.targets import registry
from otterproof.harness.targets.driver import THIRD_PARTIES, DriverTarget, TargetMissing
from otterproof.harness.ui.cli import main

STUBS = Path(__file__).parent / "stubs"
NAMES = [name for name, target in THIRD_PARTIES.items() if target.checkout]

each = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@each
def test_without_a_checkout_the_way_to_get_one_is_told(name: str) -> None:
    row = THIRD_PARTIES[name]
    assert row.checkout
    with pytest.raises(TargetMissing) as told:
        row.ready()
    assert f"git clone {row.checkout.url}" in str(told.value)
    assert f"otterproof targets install {name} --source DIR" in str(told.value)


@each
def test_a_missing_checkout_is_told_before_anything_is_built(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "install", name]) == 3
    told = capsys.readouterr().err
    assert f"{name} is built from its sources" in told
    assert "building" not in told


@each
def test_another_folder_is_refused(name: str, tmp_path: Path) -> None:
    row = THIRD_PARTIES[name]
    assert row.checkout
    with pytest.raises(TargetMissing, match=f"is no checkout of {name}: it has no {row.checkout.holds[0]}"):
        row.install_from(tmp_path)


def test_others_are_not_built_from_a_checkout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "install", "libotr", "--source", str(tmp_path)]) == 3
    told = capsys.readouterr().err
    assert "libotr is not built from a checkout" in told
    assert "building" not in told


def test_the_list_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "THIRD_PARTIES", {name: THIRD_PARTIES[name] for name in NAMES})
    told = {one.name: one.install for one in registry.listing() if one.name in NAMES}
    assert told == {name: f"otterproof targets install {name} --source DIR" for name in NAMES}


@pytest.mark.slow
@each
def test_the_driver_compiles_against_a_stub(name: str) -> None:
    row = THIRD_PARTIES[name]
    try:
        row.install_from(STUBS / name)
    except TargetMissing as missing:
        if f"{name} needs " in str(missing):
            pytest.skip(str(missing))
        raise
    target = DriverTarget(name, row.ready())
    assert target.version == "unknown"
    assert {"v2", "v3", "smp", "smp_question", "smp_abort"} <= target.capabilities
    target.close()
