"""The page on a conversation with Pidgin: it shows what was recorded, and only if the recording is still valid."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from otterproof.harness.spec import pages
from otterproof.harness.targets.driver import THIRD_PARTIES, TargetMissing
from otterproof.harness.targets.driver.target import PNG
from otterproof.scenarios.pidgin_walkthrough import (
    FOLDER,
    LARGEST,
    PAGE,
    RECORDING,
    PictureMissing,
    pidgin_page,
    record_pidgin,
)

#: The pictures of the page, in order.
PICTURES = ("start", "private", "text", "changed", "question", "authenticated", "finished")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the recording and the pictures."""
    return Path(shutil.copytree(pages.DOCS / FOLDER, tmp_path / "pidgin"))


def test_the_page_is_made_from_the_recording(folder: Path) -> None:
    page = pidgin_page(folder)
    assert page == (pages.DOCS / PAGE).read_text(encoding="utf-8")
    places = [page.index(f"](pidgin/{name}.png)") for name in PICTURES]
    assert places == sorted(places)
    assert {path.stem for path in folder.glob("*.png")} == set(PICTURES)


def test_a_message_that_is_another_one_does_not_fit(folder: Path) -> None:
    """Repeating the actions and computations must give what was recorded."""
    recording = folder / RECORDING
    recording.write_text(recording.read_text().replace("Hello, Bob", "Hello, Eve"))
    with pytest.raises(PictureMissing, match="of another conversation"):
        pidgin_page(folder)


def test_pictures_are_there_and_small(folder: Path) -> None:
    (folder / "text.png").write_bytes(PNG + bytes(LARGEST))
    with pytest.raises(PictureMissing, match=r"text.png has more than 60000 bytes; run `otterproof docs --pictures`"):
        pidgin_page(folder)
    (folder / "text.png").unlink()
    with pytest.raises(PictureMissing, match=r"text.png is missing"):
        pidgin_page(folder)


@pytest.mark.slow
def test_the_conversation_can_be_recorded_again(tmp_path: Path) -> None:
    try:
        THIRD_PARTIES["pidgin"].ready()
    except TargetMissing as missing:
        pytest.skip(str(missing))
    record_pidgin(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {RECORDING, *(f"{name}.png" for name in PICTURES)}
    assert all(path.read_bytes().startswith(PNG) for path in tmp_path.glob("*.png"))
    assert len({path.read_bytes() for path in tmp_path.glob("*.png")}) == len(PICTURES), "two steps look the same"
    assert pidgin_page(tmp_path)
