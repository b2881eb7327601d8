"""`vectors verify`, `lint` and `add` take any file: each ends with a documented exit code, never with a traceback."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otterproof.harness.ui import cli
from otterproof.vectors import FOLDER
from tests.hostile.mutations import mutated_bytes, mutated_json
from tests.hostile.test_readers import NO_KEYS, transcript, written

ADD = ("--name", "x", "--comment", "x", "--requirement", "ARMOUR-PARSE-1")


@cache
def play() -> Any:
    """The first case of a play, as a separate file."""
    file = json.loads((FOLDER / "ratchet.json").read_text())
    group = next(one for one in file["groups"] if one["operation"] == "play")
    case = next(one for one in group["cases"] if one.get("result") == "valid")
    notes = {flag: file["notes"][flag] for flag in case["flags"]}
    return {**file, "groups": [{**group, "cases": [case]}], "notes": notes, "cases": 1, "invalid": 0}


def verified(folder: Path, file: Any) -> int:
    (folder / "ratchet.json").write_text(json.dumps(file))
    return cli.main(["vectors", "verify", "--in", str(folder)])


def test_a_case_by_itself_is_verified(tmp_path: Path) -> None:
    assert verified(tmp_path, play()) == 0


@pytest.mark.parametrize("name", NO_KEYS)
def test_a_key_that_is_not_one_is_a_failure_of_the_case(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No engine is given the key: signing with such numbers may never end."""
    file = json.loads(json.dumps(play()))
    parts = {part: format(number, "x") for part, number in NO_KEYS[name].items()}
    file["groups"][0]["party"]["key"].update(parts)
    assert verified(tmp_path, file) == 1
    assert "KeyFileError: " in capsys.readouterr().out


@pytest.mark.parametrize("value", [None, [], {}, 1.5, 10**30, "\ud800"], ids=ascii)
def test_arguments_of_other_types_are_a_failure_of_the_case(value: Any, tmp_path: Path) -> None:
    file = json.loads(json.dumps(play()))
    step = file["groups"][0]["cases"][0]["steps"][-1]
    step["args"] = dict.fromkeys(step["args"], value)
    assert verified(tmp_path, file) == 1


@settings(
    max_examples=settings().max_examples // 2,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_vectors(data: st.DataObject, capsys: pytest.CaptureFixture[str]) -> None:
    good = play()
    change = st.one_of(mutated_json(good["groups"]), mutated_json(good["groups"][0]["cases"][0]["steps"]))
    put = data.draw(change)
    text = json.dumps({**good, "groups": "here"}).replace('"here"', put)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ratchet.json").write_text(text)
        assert cli.main(["vectors", "verify", "--in", folder]) in (0, 1, 2)
    capsys.readouterr()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _gigabytes(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(8 << 30)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_fifo, "it is a directory, pipe or device"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a directory, pipe or device"),
        (lambda path: path.mkdir(), "it is a directory, pipe or device"),
        (_gigabytes, "it is larger than"),
        (lambda path: path.write_bytes(b"\xff"), "can't decode byte 0xff"),
        (lambda path: path.write_bytes(b"[" * 100_000), "nested too deeply"),
        (lambda path: path.write_bytes(b"9" * 5_000), "4300 digits"),
        (lambda path: path.write_bytes(b"[NaN]"), "NaN is not JSON"),
    ],
)
def test_what_is_not_a_file_of_vectors(
    make: Callable[[Path], object], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "ratchet.json")
    assert cli.main(["vectors", "verify", "--in", str(tmp_path)]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(("size", "tag"), [(0, 0x1A1A), (63, 0x1A1A), (300, 1)])
def test_a_transcript_whose_configuration_no_engine_takes_gives_no_vector(
    size: int, tag: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header, *steps = json.loads(json.dumps(transcript()))
    del header["program"]
    header["parties"]["alice"]["config"].update(max_message_size=size, instance_tag=tag)
    file = tmp_path / "sent.jsonl"
    file.write_bytes(written((header, *steps)))
    assert cli.main(["vectors", "add", str(file), *ADD, "--to", str(tmp_path / "found")]) == 2
    assert "the reference engine can't be given these inputs" in capsys.readouterr().err
    assert not (tmp_path / "found").exists()


@settings(
    max_examples=settings().max_examples // 2,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_transcript_to_add(data: st.DataObject, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [json.dumps(line).encode() for line in transcript()]
    at = data.draw(st.sampled_from([0, 0, *range(len(parts))]))
    parts[at] = data.draw(st.one_of(mutated_json(transcript()[at]).map(str.encode), mutated_bytes(parts[at])))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sent.jsonl"
        file.write_bytes(b"\n".join(parts) + b"\n")
        code = cli.main(["vectors", "add", str(file), *ADD, "--to", folder])
        assert code in (0, 2)
        assert (code == 0) == (Path(folder) / "x.json").exists()
    capsys.readouterr()
