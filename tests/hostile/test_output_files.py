"""Output files: written whole or not at all, and never mistaken for a verdict."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import pytest

from otterproof.harness.support.outputs import OutputError, write_whole
from otterproof.harness.ui import cli, entry

ADVICE = "fix that, or choose another location\n"

needs_file_size_limits = pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limits of file sizes here")


def fail_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full as soon as a file is flushed to it."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "out.json"
    file.write_text("old\n")
    fail_to_write(monkeypatch)
    with pytest.raises(OutputError, match=r"can't write .*out\.json: No space left on device; fix that"):
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


@pytest.mark.slow
def test_a_full_disk_takes_no_transcript_and_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.chdir(tmp_path)
    words = ["--only", "conformance.interop.handshake_asked", "--jobs", "1", "--transcripts", "all"]
    monkeypatch.setattr("otterproof.harness.support.outputs._replace", full)
    assert cli.main(["check", "reference", *words]) == 3
    told = " ".join(capsys.readouterr().out.split())
    assert "transcripts: those of 4 scenarios could not be written: all: No space left on device" in told
    assert told.count("No space left") == 1
    assert "reference: conforms" in told
    assert list(Path("all").iterdir()) == []
    assert cli.main(["check", "fault:counter-0-accepted", "--only", "counter_0_is_refused", "--jobs", "1"]) == 1
    assert "those of" in capsys.readouterr().out, "a failure counts more"


#: The beginning of a result file, which may be overwritten.
OLD = '{\n "command": "check"}\n'


@pytest.mark.slow
@needs_file_size_limits
def test_a_real_limit_leaves_the_old_file_and_the_summary(tmp_path: Path) -> None:
    """The process may write no file of more than 64 bytes, so it fails in the middle, as on a full disk."""
    (tmp_path / "out.json").write_text(OLD)
    words = ["check", "reference", "--only", "conformance.data.key_id_0", "--jobs", "1", "--json", "out.json"]
    code = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    code += "resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64)); "
    code += "from otterproof.harness.ui.entry import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    assert done.stderr == "otterproof: can't write out.json: File too large; " + ADVICE
    assert "reference: conforms" in done.stdout, "the summary is there all the same"
    assert (tmp_path / "out.json").read_text() == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


# ---- standard output and standard error


@pytest.fixture
def help_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["otterproof", "--help"])


@pytest.mark.usefixtures("help_asked_for")
def test_a_full_disk_behind_standard_output_is_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    with open("/dev/full", "w") as full, redirect_stdout(full):
        assert entry.main() == 3
    told = capsys.readouterr().err
    assert told.startswith("otterproof: can't write standard output: No space left on device; ")
    assert told.count("\n") == 1


@pytest.mark.usefixtures("help_asked_for")
def test_a_reader_that_has_gone_ends_the_command_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as pipe, redirect_stdout(pipe):
        assert entry.main() == 3
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("help_asked_for")
def test_a_closed_standard_output_is_noticed_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert entry.main() == 3
    assert "can't write standard output: it is closed" in capsys.readouterr().err


@pytest.mark.usefixtures("help_asked_for")
def test_standard_error_changes_no_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def say_and_conform() -> int:
        print("a message", file=sys.stderr, flush=True)
        return 0

    monkeypatch.setattr("otterproof.harness.ui.cli", SimpleNamespace(main=say_and_conform))
    with open("/dev/full", "w") as full, redirect_stderr(full):
        assert entry.main() == 0
    monkeypatch.setattr("sys.stderr", None)
    assert entry.main() == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("streams", "code", "lines"), [(">/dev/full", 3, 1), ("2>&-", 0, 0), (">&- 2>&-", 3, 0)])
def test_streams_of_a_process(streams: str, code: int, lines: int) -> None:
    """Python flushes its streams at exit; by itself it would complain and exit with 120."""
    command = f"{sys.executable} -m otterproof.harness.ui.entry --help {streams}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code
    assert done.stderr.count("\n") == lines
    assert bool(done.stdout) is (code == 0)


def test_a_full_disk_anywhere_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/cache/driver.c")

    monkeypatch.setattr("otterproof.harness.ui.commands.targets.listing", full)
    assert cli.main(["targets"]) == 3
    told = capsys.readouterr().err
    assert told == "otterproof: /cache/driver.c: No space left on device; fix that, and run the command again\n"


def test_a_defect_of_our_own_is_no_verdict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def defective() -> int:
        raise LookupError("no such \x1b[2J thing")

    monkeypatch.setattr("otterproof.harness.ui.cli", SimpleNamespace(main=defective))
    assert entry.main() == 3
    told = capsys.readouterr().err
    assert "in defective\n" in told
    assert "LookupError: no such \\x1b[2J thing" in told
    assert told.endswith("otterproof: this is a defect of Otterproof, not of the target; please report the above\n")
