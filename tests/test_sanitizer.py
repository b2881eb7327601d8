"""Sanitizer reports: parsed from a driver's output, reported as a crash, and one finding per stack."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from otterproof.harness.runs.deviations.entries import shipped
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.targets.driver import SANITIZED, VARIANTS, DriverTarget, TargetCrash
from otterproof.harness.targets.driver.process import DriverProcess
from otterproof.harness.targets.driver.sanitizer import headline_of, is_report, report_of
from otterproof.harness.targets.registry import UnknownTarget, open_target
from otterproof.harness.ui import cli
from otterproof.implementations.drivers.libotr import sanitized

OVERFLOW = b"""\
=================================================================
==11==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000011 at pc 0x7f bp 0x7f sp 0x7f
READ of size 5 at 0x602000000011 thread T0
    #0 0x7f2c in __interceptor_memcpy ../../src/libsanitizer/sanitizer_common/interceptors.inc:827
    #1 0x55d1 in unserialize_mpi_array src/sm.c:325
    #2 0x55d2 in otrl_sm_step2a src/sm.c:662
    #3 0x55d3 in otrl_message_receiving src/message.c:1650
    #4 0x55d4 in main main.c:300
"""

UNDEFINED = b"""\
src/proto.c:95:12: runtime error: left shift of 255 by 24 places cannot be represented in type 'int'
    #0 0x55d1 in read_int src/proto.c:95
    #1 0x55d2 in main main.c:3
"""


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (OVERFLOW, "heap-buffer-overflow-in-unserialize-mpi-array-otrl-sm-step2a-otrl-message-receiving"),
        (UNDEFINED, "left-shift-of-in-read-int"),
        (b"ERROR: LeakSanitizer: detected memory leaks\n", "detected"),
        (b"ERROR: AddressSanitizer: \x1b[2J\n", ""),
        (b"Segmentation fault\n", ""),
        (b"", ""),
        (b"ERROR: AddressSanitizer: " + b"a" * 5000, "a" * 40),
    ],
)
def test_a_report_is_a_word(said: bytes, word: str) -> None:
    assert report_of(said) == word


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (OVERFLOW, "AddressSanitizer: heap-buffer-overflow"),
        (UNDEFINED, UNDEFINED.decode().partition("\n")[0]),
        (
            b"==7==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000000 (pc 0x55 bp 0x7f)\n",
            "AddressSanitizer: SEGV on unknown address 0x000000000000",
        ),
        (
            b"x.c:1:2: runtime error: left shift of \x1b[2J\xff by 24\n",
            "x.c:1:2: runtime error: left shift of \\x1b[2J\ufffd by 24",
        ),
        (b"ERROR: LeakSanitizer: detected " + b"a" * 5000, "ERROR: LeakSanitizer: detected " + "a" * 169),
        (b"Segmentation fault\n", ""),
    ],
)
def test_a_report_has_a_headline_without_what_differs_each_time(said: bytes, line: str) -> None:
    assert headline_of(said) == line


def test_crashes_with_one_stack_are_one_finding() -> None:
    one = Bucket(f"crash.receive.{report_of(OVERFLOW)}", cell="encrypted/none: data")
    assert is_report(one.check)
    assert one.shares_cause_with(replace(one, cell="finished/none: data"))
    assert not is_report("crash.receive.sigsegv")
    assert not one.shares_cause_with(Bucket(f"crash.receive.{report_of(UNDEFINED)}"))


def test_a_panic_in_go_is_no_report() -> None:
    """It begins with the same two words as a report on undefined behaviour, but not after a source location."""
    panic = b"panic: runtime error: invalid memory address or nil pointer dereference\n\ngoroutine 1 [running]:\n"
    assert report_of(panic) == ""


def test_a_driver_that_ends_with_a_report_crashes_by_it(tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(f"import os, sys\nsys.stdin.readline()\nos.write(2, {OVERFLOW!r})\nos._exit(1)\n")
    with pytest.raises(TargetCrash) as crash:
        DriverTarget("mine", [sys.executable, str(script)])
    assert crash.value.check == f"crash.hello.{report_of(OVERFLOW)}"
    assert "unserialize_mpi_array" in str(crash.value)
    first = str(crash.value).partition("\n")[0]
    assert first == "mine: hello: ended with exit code 1, after the report: AddressSanitizer: heap-buffer-overflow"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_a_real_report_is_read(tmp_path: Path) -> None:
    code = tmp_path / "over.c"
    code.write_text(
        "#include <stdlib.h>\n__attribute__((noinline)) int peek(char *from, int at) { return from[at]; }\n"
        "int main(int argc, char **argv) { (void)argv; return peek(malloc(8), 7 + argc); }\n"
    )
    words = ["cc", "-g", "-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-o", str(tmp_path / "over")]
    if subprocess.run([*words, str(code)], capture_output=True, check=False).returncode:
        pytest.skip("this compiler has no sanitizers")
    process = DriverProcess("over", [tmp_path / "over"], sanitized=True)
    with pytest.raises(TargetCrash) as crash:
        process.call("hello")
    assert crash.value.how == "heap-buffer-overflow-in-peek"


def test_the_compiler_gets_no_path_of_the_folder_that_is_gone_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report names the files as the compiler was given them."""
    ran: list[list[str]] = []

    def run(words: list[str], _: Path) -> str:
        ran.append(words)
        return ""

    (tmp_path / "source" / "src").mkdir(parents=True)
    (tmp_path / "source" / "src" / "sm.c").touch()
    monkeypatch.setattr(sanitized, "_run", run)
    monkeypatch.setattr(sanitized, "fetched", lambda folder: (folder / "source", "4.1.1"))
    sanitized.main(tmp_path)
    files = [words[-1] for words in ran if "-c" in words]
    assert "source/src/sm.c" in files
    assert "libotr-driver/main.c" in files
    assert not [word for words in ran for word in words if str(tmp_path) in word]
    assert not [name for name in files if Path(name).is_absolute() or not (tmp_path / name).exists()]


def test_a_sanitized_target_is_a_variant_and_no_target_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert all(
        name.endswith(SANITIZED) and one.folder == name.removesuffix(SANITIZED) for name, one in VARIANTS.items()
    )
    assert shipped("libotr-sanitized") == shipped("libotr")
    assert cli.main(["targets", "install", "potr", "--sanitize"]) == 2
    assert "these can: libotr" in capsys.readouterr().err
    assert cli.main(["targets", "install", "libotr", "--sanitize", "--source", "x"]) == 2
    assert "leave --source out" in capsys.readouterr().err
    with pytest.raises(UnknownTarget, match="libotr-sanitized"):
        open_target("libotr-sanitised")
