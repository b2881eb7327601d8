"""`otterproof explain`: every id that a report can name has an explanation, and an unknown id is reported."""

from __future__ import annotations

import pytest

from otterproof.harness.judges.oracles import ORACLES
from otterproof.harness.runs.explain import VERDICTS, explain
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec import requirements
from otterproof.harness.spec.checks import checks
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import USAGE
from otterproof.harness.targets.faults import faults
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.harness.ui import cli


@pytest.fixture(autouse=True)
def loaded() -> None:
    load()


def test_every_id_has_an_explanation() -> None:
    table = requirements.load()
    names = {
        "check": list(checks()),
        "requirement": list(table.requirements),
        "reading": list(table.readings),
        "oracle": list(ORACLES),
        "verdict": [one.value for one in Verdict],
        "fault": list(faults()),
        "scenario": [one.id for one in scenarios("conformance.data_")],
    }
    for kind, ids in names.items():
        for name in ids:
            found = explain(name)
            assert (found.kind, bool(found.text)) == (kind, True), name
    assert set(VERDICTS) == set(Verdict)


def test_a_check_tells_its_sources_and_who_gets_it_wrong() -> None:
    found = explain("state.wrong-reaction-to-dh-commit")
    facts = dict(found.facts)
    assert facts["level"] == ("must",)
    assert any("must" in line and '"' in line for line in facts["follows from"])
    assert facts["to see it fail"][0].startswith("otterproof check fault:")
    assert "libotr" in found.wrong


def test_a_signature_is_explained() -> None:
    assert "ended during a call of this method" in explain("crash.receive.sigsegv").text
    assert "innermost functions" in explain("crash.receive.heap-buffer-overflow-in-sm-step4").text


def test_an_unknown_id_is_told_with_its_neighbours() -> None:
    with pytest.raises(UsageError, match=r"did you mean data\.counter-replayed"):
        explain("data.counter-replay")


def test_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "KEYMGMT-RECV-6"]) == 0
    shown = capsys.readouterr().out
    for part in ("KEYMGMT-RECV-6  (requirement)", "data.counter-replayed", "counter-not-checked"):
        assert part in shown
    assert max(map(len, shown.splitlines())) <= 100
    assert cli.main(["explain", "nonsense"]) == USAGE
    assert "unknown id" in capsys.readouterr().err
