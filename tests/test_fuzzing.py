"""Every property is a target for byte fuzzers, with the command line and the files that they expect."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from otterproof.harness.judges.oracles import ORACLES
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.execute import Failure
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.simulation.transcript import Verdict
from tests.fuzzing.properties import PROPERTIES, Broken, codec, receive

ROOT = Path(__file__).parents[1]


def inputs(seed: int, count: int, size: int) -> list[bytes]:
    source = random.Random(seed)
    return [source.randbytes(source.randrange(size)) for _ in range(count)]


def test_every_oracle_is_a_property() -> None:
    assert set(PROPERTIES) == {*ORACLES, "codec", "receive"}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROPERTIES)
def test_a_property_holds_for_any_bytes(name: str) -> None:
    one_input = PROPERTIES[name]()
    for data in inputs(1, 5, 300):
        one_input(data)


def test_bytes_become_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Different bytes give different programs, judged by the oracle alone, and failures are raised."""
    seen: list[Program] = []
    outcome: list[Failure | None] = [None]

    def attempted(program: Program) -> Failure | None:
        seen.append(program)
        return outcome[0]

    monkeypatch.setattr("tests.fuzzing.properties.attempt", attempted)
    one_input = PROPERTIES["smp"]()
    telling = []
    for data in inputs(2, 60, 2000):
        before = len(seen)
        one_input(data)
        telling += [data] if len(seen) > before else []
    assert len({str(one) for one in seen}) > 10
    assert {one.setup.oracles for one in seen} == {("smp",)}
    outcome[0] = Failure("smp", Verdict.FAIL, Bucket("smp.wrong-result"), "why", False, 0)
    with pytest.raises(Broken, match=r"smp\.wrong-result"):
        one_input(telling[0])


def test_messages_of_any_bytes() -> None:
    for data in (b"", b"?OTR:AAMD.", b"?OTRv23?", *inputs(3, 50, 400)):
        codec(data)
    receive(b"?OTR:AAMD.")


def test_a_codec_that_loses_something_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otterproof.harness.wire.build", lambda message: b"x")
    with pytest.raises(Broken):
        codec(b"?OTRv2?")


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzzing", *words]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **environment}
    )


@pytest.mark.slow
def test_the_command_lists_the_properties_and_refuses_others() -> None:
    assert run().stdout.split() == list(PROPERTIES)
    told = run("nonsense")
    assert told.returncode == 2
    assert "no property" in told.stderr or "pip install" in told.stderr


@pytest.mark.slow
def test_a_property_under_libfuzzer(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="it is an extra, which has no wheel for some Pythons")
    told = run("codec", "-runs=200", f"-artifact_prefix={tmp_path}/")
    assert told.returncode == 0, told.stderr[-500:]
    assert "Done 200 runs" in told.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_build_makes_a_fuzzer_of_each_property(tmp_path: Path) -> None:
    """build.sh, with the tools of the images replaced by ones that record their arguments."""
    tools, out, checkout = tmp_path / "bin", tmp_path / "out", tmp_path / "checkout"
    for folder in (tools, out, checkout):
        folder.mkdir()
    (checkout / "tests").symlink_to(ROOT / "tests")
    (checkout / "otterproof").symlink_to(ROOT / "otterproof")
    for name, script in {
        "pip3": "exit 0",
        "python3": f'exec {sys.executable} "$@"',
        "compile_python_fuzzer": f'{sys.executable} -m py_compile "$1" && cp "$1" "$OUT/"',
        "zip": 'touch "$2"',
    }.items():
        path = tools / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    settings = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "OUT": str(out), "SRC": str(tmp_path)}
    build = ROOT / ".clusterfuzzlite" / "build.sh"
    done = subprocess.run(
        [shutil.which("bash") or "bash", str(build)],
        cwd=checkout,
        env=settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-800:]
    names = {f"fuzz_{name.replace('-', '_')}" for name in PROPERTIES}
    assert {path.stem for path in out.glob("*.py")} == names
    assert {path.name for path in out.glob("*.zip")} == {"fuzz_codec_seed_corpus.zip", "fuzz_receive_seed_corpus.zip"}
    assert (out / "fuzz_codec.dict").read_bytes() == (out / "otr.dict").read_bytes()


def test_the_projects_files_say_what_the_images_ask_for() -> None:
    for folder in (ROOT / ".clusterfuzzlite", ROOT / "tests" / "fuzzing" / "oss-fuzz"):
        project = yaml.safe_load((folder / "project.yaml").read_text(encoding="utf-8"))
        assert project["language"] == "python"
        image = (folder / "Dockerfile").read_text(encoding="utf-8")
        assert image.startswith("FROM gcr.io/oss-fuzz-base/base-builder-python\n")
        assert "build.sh" in image
