"""What a driver may say: text that can't be encoded is told apart from a valid answer before anything uses it."""

from __future__ import annotations

import json
import re
import sys
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterproof.harness.runs import matrix
from otterproof.harness.runs.deviations import Known
from otterproof.harness.runs.fuzz.campaign import opened
from otterproof.harness.runs.fuzz.store import read_state
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.targets.driver import (
    DriverTarget,
    TargetDesync,
    TargetFailed,
    TargetMissing,
    TargetStranded,
    TargetUnsupported,
)
from otterproof.harness.targets.driver.answer import result_of
from otterproof.harness.targets.registry import file_name
from otterproof.harness.ui import cli
from otterproof.harness.ui.fuzz_progress import Meter, show_campaign
from otterproof.harness.ui.fuzz_summary import campaign_summary
from tests.hostile.driver import VARIABLE
from tests.matrix_pages import matrix_pages

DRIVER = Path(__file__).with_name("driver.py")

#: A scenario in which the target receives a message.
SCENARIO = "conformance.interop.handshake_asked_by_peer[v3]"

#: Any JSON value, with texts that may contain lone surrogates.
TEXT = st.text(st.characters(exclude_categories=()), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def line(result: str) -> bytes:
    return b'{"jsonrpc":"2.0","id":1,"result":' + result.encode() + b"}\n"


def writable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@given(VALUES)
def test_a_value_is_let_in_as_it_is_unless_it_cannot_be_written_down(value: object) -> None:
    said = line(json.dumps(value))
    if writable(value):
        assert result_of(said, 1, "x", "receive") == value
    else:
        with pytest.raises(TargetDesync, match=r"U\+D[89A-F][0-9A-F]{2} stands alone, so the text is not valid"):
            result_of(said, 1, "x", "receive")


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (r'"\ud800"', r"U\+D800 stands alone"),
        (r'{"\uDC00": 0}', r"U\+DC00 stands alone"),
        (r'[["\ud83d", "\ude00"]]', r"U\+D83D stands alone"),
        ("9" * 5000, "a number of 5000 characters, where 30 are the most"),
        ("-" + "9" * 30, "a number of 31 characters"),
        ("1." + "0" * 5000, "a number of 5002 characters"),
        ("1e999", "1e999 is too large for a number"),
        ("-1e999", "-1e999 is too large for a number"),
    ],
)
def test_what_is_refused(result: str, why: str) -> None:
    with pytest.raises(TargetDesync, match=why) as caught:
        result_of(line(result), 1, "x", "receive")
    assert len(str(caught.value)) < 500


def test_what_looks_alike_is_taken() -> None:
    assert result_of(
        line(r'["\ud83d\ude00", "\\ud800", "\u0000", -0, -0.0, 18446744073709551615]'), 1, "x", "receive"
    ) == [
        "\U0001f600",
        r"\ud800",
        "\0",
        0,
        0.0,
        2**64 - 1,
    ]


@pytest.mark.parametrize("code", [-32001, -32002, -32003, 7])
def test_words_of_an_error_are_one_line_and_printable(code: int) -> None:
    said = {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": "\x1b]0;x\x07\ny" + "\x9b" * 100_000}}
    with pytest.raises((TargetUnsupported, TargetFailed, TargetStranded, TargetDesync)) as caught:
        result_of(json.dumps(said).encode(), 1, "x", "receive")
    assert str(caught.value).isprintable()
    assert r"\x1b]0;x\x07\ny\x9b" in str(caught.value)
    assert len(str(caught.value)) < 2200


def test_a_version_is_one_line_and_printable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, json.dumps('1"""\n\x1b[2J' + "\u202e" * 10_000))
    target = DriverTarget("hostile", [sys.executable, "-m", "tests.hostile.driver", "hello"])
    target.close()
    assert target.version.startswith(r'1"""\n\x1b[2J\u202e')
    assert len(target.version) == 100
    assert target.version.isprintable()


@pytest.mark.parametrize("word", ["a\0b", "\ud800"])
def test_a_command_that_no_system_can_run_is_refused(word: str) -> None:
    with pytest.raises(TargetMissing, match="can't be started"):
        DriverTarget("none", [word])


def test_a_name_of_any_text_gives_a_name_of_a_file() -> None:
    assert re.fullmatch(r"[\w.-]+", file_name("exec:\udcff\0/../\ud800"))


# ---- the commands: none ends with a traceback, which would be an exception here


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A target whose error texts contain a lone surrogate."""
    monkeypatch.setenv(VARIABLE, json.dumps("half \ud800"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)
    return f"exec:{sys.executable} {DRIVER} error"


@pytest.mark.slow
def test_check_and_replay(hostile: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", hostile, "--only", SCENARIO, "--jobs", "1", "--json", "out.json", "--transcripts", "all"]
    assert cli.main(arguments) == 1
    (result,) = json.loads(Path("out.json").read_text())["runs"][0]["scenarios"]
    assert result["verdict"] == "desync"
    assert "not valid Unicode" in result["detail"]
    (path,) = map(Path, result["transcripts"])
    assert read_transcript(path).detail == result["detail"]
    assert cli.main(["replay", str(path), "--target", hostile]) == 1
    assert "not valid Unicode" in capsys.readouterr().out


@pytest.mark.slow
def test_fuzz(hostile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with opened(hostile, "s", tmp_path) as campaign:
        campaign.attempts = 1
        meter = Meter(campaign)
        assert show_campaign(campaign, 1, 1, None, None, meter) is False
        campaign_summary(campaign, Known(), meter)
    (finding,) = read_state(tmp_path, hostile, "s").findings
    assert finding.verdict is Verdict.DESYNC
    assert "not valid Unicode" in finding.detail
    assert "not valid Unicode" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_matrix(hostile: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(matrix, "CONVERSATIONS", ("handshake_asked_by_peer",))
    pairs = permutations([hostile, "reference"], 2)
    with WorkerContext() as worker:
        cells = [matrix.fill(worker, matrix.Plan(left, right, 3, b"", tmp_path)) for left, right in pairs]
    assert [one.verdict for cell in cells for one in cell.results] == [Verdict.DESYNC] * 2
    pages = matrix_pages(cells, tmp_path)
    assert sum(page.count("not valid Unicode") > 0 for page in pages.values()) == 2


def test_a_seed_that_is_not_unicode(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "reference", "--only", SCENARIO, "--jobs", "1", "--seed", "\udcff"]) == 0
