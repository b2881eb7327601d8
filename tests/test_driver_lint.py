"""`otterproof driver lint`: an honest driver comes through, a wrong one is told where it is wrong."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from otterproof.harness.support.exits import CONFORMS, DEVIATES, NOT_RUN
from otterproof.harness.ui import cli

ENGINE = f"{shlex.quote(sys.executable)} -m otterproof.implementations.drivers.engine.driver reference"

#: A driver that answers like the engines' own, but for one method.
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
    assert "not told" not in shown


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


def test_a_driver_that_claims_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = Path(__file__).parents[1] / "implementations" / "drivers" / "template" / "driver.py"
    code, shown = linted(capsys, shlex.join([sys.executable, str(template)]))
    assert code == NOT_RUN
    assert "claims nothing" in shown
    assert "there is nothing to try" in shown


def test_what_is_no_driver(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["driver", "lint", "/nonexistent/driver"]) == NOT_RUN
