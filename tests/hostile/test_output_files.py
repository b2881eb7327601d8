"""Output files: written whole or not at all, and never mistaken for a verdict."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from harness.outputs import OutputError, write_whole


def fail_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full as soon as a file is to reach it."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "out.json"
    file.write_text("old\n")
    fail_to_write(monkeypatch)
    with pytest.raises(OutputError, match=r"out\.json could not be written: No space left on device; make room"):
        write_whole(file, "new\n")
    assert file.read_text() == "old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_a_full_disk_leaves_no_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_to_write(monkeypatch)
    with pytest.raises(OutputError):
        write_whole(tmp_path / "out.json", "new\n")
    assert list(tmp_path.iterdir()) == []


def test_permissions_and_symbolic_links_stay(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    write_whole(link, "new \ud800")
    assert link.is_symlink()
    assert file.read_bytes() == b"new \\ud800"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_device_is_written_to_and_stays() -> None:
    write_whole(Path(os.devnull), "gone")
    with pytest.raises(OutputError, match="No space left on device"):
        write_whole(Path("/dev/full"), "never there")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
