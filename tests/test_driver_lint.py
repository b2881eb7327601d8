"""`otterproof driver lint`: a correct driver passes, and a wrong one is told where it is wrong."""

from __future__ import annotations

import re
import shlex
import sys
from contextlib import closing
from pathlib import Path

import pytest

from otterproof.harness.runs.deviations import Known
from otterproof.harness.runs.deviations.entries import Deviation
from otterproof.harness.runs.driver_lint import SEED, Note, lint
from otterproof.harness.support.exits import CONFORMS, DEVIATES, NOT_RUN
from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.context import PEER
from otterproof.harness.ui import cli
from otterproof.implementations.entropy import entropy_of
from tests.edges_driver import GOOD

ENGINE = f"{shlex.quote(sys.executable)} -m otterproof.implementations.drivers.engine.driver reference"

#: A driver that reports edges, given by an expression.
TELLING = Path(__file__).parent / "edges_driver.py"

#: A driver that answers like the engines' own, except for one method.
WRONG = """
import sys
from otterproof.implementations.drivers.engine.driver import Driver
from otterproof.implementations.drivers.linejson import Unsupported, serve

methods = Driver("reference").methods()
send = methods["send"]

def wrong(params):
    %s

methods["send"] = wrong
serve(methods)
"""


def linted(capsys: pytest.CaptureFixture[str], command: str) -> tuple[int, str]:
    code = cli.main(["driver", "lint", command])
    return code, capsys.readouterr().out


def test_the_peers_numbers_are_ordinary() -> None:
    """Some libraries fail if the key hidden by a commitment begins with a zero."""
    source = entropy_of(PEER, SEED, None)
    keys = [source.draw("ake.r", index, 16) for index in range(4)]
    assert all(key[0] >= 16 for key in keys)


def test_what_is_known_of_the_implementation_is_not_the_drivers_mistake(tmp_path: Path) -> None:
    driver = tmp_path / "driver.py"
    driver.write_text(WRONG % 'return {"events": []}')
    reason = "It is so."
    known = Known([Deviation("requirement", "DATA-CTR-1", "text.not-delivered", reason, None, 1)])
    with closing(open_target(f"exec:{shlex.join([sys.executable, str(driver)])}")) as target:
        assert isinstance(target, DriverTarget)
        texts = {held: list(lint(target, held)) for held in (None, known)}
    assert any(note.wrong for note in texts[None])
    assert not any(note.wrong for note in texts[known])
    assert Note(f"known: {reason}", known=True) in texts[known]


@pytest.mark.slow
def test_an_honest_driver(capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = linted(capsys, ENGINE)
    assert code == CONFORMS
    for part in (
        "claims dump",
        "version 2: SMP with a question",
        "version 3: the extra symmetric key",
        "the peer receives a Data Message: reports that the SMP secrets differ",
        "the honest conversation went well; next: otterproof check 'exec:",
    ):
        assert part in shown
    assert "not reported" not in shown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "shown", "code"),
    [
        ('return send(params | {"text": "another text"})', "fail text.not-delivered", DEVIATES),
        ('raise KeyError("text")', "crash exception.send.KeyError", DEVIATES),
        ('return {"events": []}', "fail text.not-delivered", DEVIATES),
        ('raise Unsupported("no texts")', "fail driver.claim-not-kept", DEVIATES),
    ],
)
def test_a_wrong_driver(body: str, shown: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "driver.py"
    path.write_text(WRONG % body)
    found, out = linted(capsys, shlex.join([sys.executable, str(path)]))
    assert shown in out
    assert re.search(r"version 3: \d of \d parts were not tried, because of that", out)
    assert found == code


@pytest.mark.slow
@pytest.mark.parametrize(
    ("expression", "shown", "code"),
    [
        (GOOD, "the honest conversation went well", CONFORMS),
        ('{"edges": []}', "expected the edges that a handshake reaches, got none", DEVIATES),
        ('{"edges": [7]}', "expected no edges when counting begins, got some", DEVIATES),
        ('{"edges": [7] if count > 1 else []}', "expected each edge is told once, got an edge is told again", DEVIATES),
        ("1 / 0", "exception.coverage.ZeroDivisionError, while requesting everything", DEVIATES),
        ('{"edges": [-1]}', "desync.coverage, while requesting everything", DEVIATES),
    ],
)
def test_what_is_told_of_code_that_was_reached(
    expression: str, shown: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out = linted(capsys, shlex.join([sys.executable, str(TELLING), expression, ""]))
    assert shown in out
    assert found == code


def test_a_driver_that_claims_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = Path(__file__).parents[1] / "implementations" / "drivers" / "template" / "driver.py"
    code, shown = linted(capsys, shlex.join([sys.executable, str(template)]))
    assert code == NOT_RUN
    assert "claims nothing" in shown
    assert "there is nothing to try" in shown


def test_what_is_no_driver(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["driver", "lint", "/nonexistent/driver"]) == NOT_RUN
