"""Reading a file never blocks, never reads more than the limit, and gives a clear error for a bad name."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otterproof.harness.runs.deviations.entries import shipped
from otterproof.harness.support.inputs import InputError, parse_json, read_input
from otterproof.harness.ui import cli
from otterproof.implementations import inputs

GIGABYTES = 8 << 30


def read(path: Path) -> bytes:
    return read_input(path, limit=1000, what="a transcript")


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(GIGABYTES)


@pytest.fixture
def make_socket() -> Iterator[Callable[[Path], None]]:
    """Makes a socket with this name; it is closed afterwards."""
    made: list[socket.socket] = []

    def make(path: Path) -> None:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket is limited to about 100 bytes
        try:
            made.append(socket.socket(socket.AF_UNIX))
            made[-1].bind(path.name)
        finally:
            os.chdir(here)

    yield make
    for one in made:
        one.close()


def test_what_is_not_a_regular_file_of_bounded_size_is_refused(
    tmp_path: Path, make_socket: Callable[[Path], None]
) -> None:
    """Without waiting, and with the name, the reason and advice in one line."""
    os.mkfifo(tmp_path / "pipe")
    make_socket(tmp_path / "socket")
    _sparse(tmp_path / "sparse")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_bytes(b"x" * 1001)
    for name, reason in {
        "pipe": "it is a named pipe; name a regular file",
        "link": "it is a named pipe",
        "socket": "it is a socket",
        "folder": "it is a directory",
        "/dev/zero": "it is a device",
        "loop": "oo many levels of symbolic links",
        "sparse": f"it has {GIGABYTES} bytes, and the limit is 1000",
        "file": "it has 1001 bytes, and the limit is 1000",
        "nothing": "No such file or directory; check the name",
        "a\0b": "embedded null byte",
    }.items():
        with pytest.raises(InputError) as refused:
            read(tmp_path / name)
        text = str(refused.value)
        assert f"can't be read as a transcript: {reason}" in text or reason in text, name
        assert "\n" not in text


def test_regular_files_and_links_to_them_are_read_whole(tmp_path: Path) -> None:
    for content in (b"", b"hello", b"x" * 1000):
        (tmp_path / "file").write_bytes(content)
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to("file")
        assert read(tmp_path / "file") == read(tmp_path / "link") == content


def test_a_file_that_grows_or_lies_about_its_size_is_read_to_the_limit_and_no_further(tmp_path: Path) -> None:
    taken = 0

    def endless(size: int) -> bytes:
        nonlocal taken
        taken += size
        return bytes(size)

    with pytest.raises(InputError, match="it grew while it was read, and the limit is 1000"):
        inputs._bounded(endless, tmp_path / "log", 1000, "a transcript")
    assert taken == 1001
    with pytest.raises(InputError, match="it makes readers wait"):
        inputs._bounded(lambda size: None, tmp_path / "log", 1000, "a transcript")
    shown = Path("/proc/self/status")  # reports a size of 0 bytes
    if shown.exists():
        with pytest.raises(InputError, match="it grew while it was read"):
            read_input(shown, limit=10, what="a transcript")


def test_a_file_that_was_exchanged_for_a_pipe_between_the_checks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"hello")
    os.mkfifo(tmp_path / "pipe")
    real = os.stat(tmp_path / "file")
    monkeypatch.setattr(os, "stat", lambda path: real)
    with pytest.raises(InputError, match="named pipe"):
        read(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a": 1, "a": 2}', "a name appears twice"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"[1e999]", "the number 1e999 is too large"),
        (b"9" * 5000, "4300 digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'"\xff"', "can't decode byte 0xff"),
        (b"", "Expecting value"),
        (b'{"a": ', "Expecting value"),
    ],
)
def test_json_that_no_file_of_ours_has_is_a_value_error(text: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


def test_a_target_that_is_a_command_line_has_no_shipped_file_of_known_deviations() -> None:
    """It is not a file name: it can be too long for one, and can lead out of the folder."""
    assert shipped("libotr") is not None
    for target in ("exec:" + "a" * 300, "../deviations/libotr", "a\0b", "exec:./x/../libotr"):
        assert shipped(target) is None


def test_the_command_line_says_what_is_wrong_with_a_file_and_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    _sparse(tmp_path / "sparse")
    for name in ("/dev/zero", str(tmp_path / "pipe"), str(tmp_path / "sparse"), str(tmp_path), str(tmp_path / "none")):
        adding = ["vectors", "add", name, "--name", "x", "--comment", "x", "--requirement", "x"]
        for arguments in (["replay", name], ["check", "independent", "--known", name], adding):
            assert cli.main(arguments) == 2
            told = capsys.readouterr()
            assert told.out == ""
            assert told.err.startswith("otterproof: "), told.err
            assert name in told.err
            assert told.err.count("\n") == 1
