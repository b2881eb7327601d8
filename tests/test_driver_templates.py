"""The driver templates: each builds without warnings, speaks the protocol, and claims only what it can do."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otterproof.harness.targets.driver import DriverParty, DriverTarget, TargetDesync, TargetUnsupported
from otterproof.harness.ui import cli
from otterproof.implementations.actions import ACTIONS
from otterproof.implementations.contract import OutgoingMessage, Policy
from tests.driver_pair import Traffic, config
from tests.driver_templates import FOLDER, TEMPLATES, built

PAGE = FOLDER.parents[2] / "docs" / "reference" / "driver-protocol.md"


@pytest.fixture(params=TEMPLATES, scope="module")
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def command(language: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return built(language, tmp_path_factory.mktemp(language))


@pytest.fixture
def traffic() -> Traffic:
    return Traffic()


@pytest.fixture
def target(command: list[str], traffic: Traffic) -> Iterator[DriverTarget]:
    target = DriverTarget("template", command, trace=traffic)
    yield target
    target.close()


def party_actions(party: DriverParty) -> dict[str, Callable[[], object]]:
    """Every action except setting the time, with its arguments."""
    return {
        "receive": lambda: party.receive(b"hi"),
        "send": lambda: party.send(b"hi", padding=1, instance=0),
        "start": party.start,
        "end": lambda: party.end(instance=0),
        "smp_start": lambda: party.smp_start(b"s", question=b"q", instance=0),
        "smp_answer": lambda: party.smp_answer(b"s", instance=0),
        "smp_abort": lambda: party.smp_abort(instance=0),
        "extra_key": lambda: party.extra_key(1, b"data", instance=0),
        "set_policy": lambda: party.set_policy(Policy.ALLOW_V3),
    }


def test_every_file_is_named_on_the_pages(language: str) -> None:
    for name in TEMPLATES[language].files:
        assert f"`{name}`" in (FOLDER / "README.md").read_text()
    assert f"implementations/drivers/template/{TEMPLATES[language].files[0]}" in PAGE.read_text()


def test_it_speaks_the_protocol(target: DriverTarget, traffic: Traffic) -> None:
    assert target.capabilities == frozenset()
    party = target.party("alice", config("alice"), b"seed")
    actions = party_actions(party)
    assert actions.keys() == ACTIONS.keys()
    for action, act in actions.items():
        with pytest.raises(TargetUnsupported, match=f"it can't {action}"):
            act()
    with pytest.raises(TargetUnsupported, match="it can't set_time"):
        target.call("set_time", {"party": "alice", "now": 1})
    with pytest.raises(TargetUnsupported, match=r"no method dump|no such method"):
        party.dump()
    party.close()
    target.reset()
    target.leave()
    asked = {json.loads(line)["method"] for direction, line in traffic.lines if direction == ">"}
    assert asked == {*ACTIONS, "hello", "create", "set_time", "dump", "close", "reset", "shutdown"}


def test_it_tells_an_unknown_party_from_an_unknown_method(target: DriverTarget) -> None:
    with pytest.raises(TargetDesync, match=r"error -32602: no .*party"):
        target.call("start", {"party": "bob"})


def test_bytes_pass_through_it_unchanged(language: str, tmp_path: Path) -> None:
    target = DriverTarget("echo", built(language, tmp_path, echoes=True), trace=Traffic())
    try:
        party = target.party("alice", config("alice"), b"seed")
        for message in (bytes(range(256)), b"", b'"\\\0\x7f\x80\xff', b"\xc3\xa9" * 9999):
            assert party.receive(message) == [OutgoingMessage(message)] * 2
    finally:
        target.close()


@pytest.mark.slow
def test_it_is_not_judged(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["check", f"exec:{shlex.join(command)}", "--only", "handshake_asked", "--jobs", "1"]) == 3
    assert "not judged: it claims no capability" in " ".join(capsys.readouterr().out.split())


def test_the_command_writes_one(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["driver", "template", language, "mine"]) == 0
    assert {path.name for path in (tmp_path / "mine").iterdir()} == set(TEMPLATES[language].files)
    first = TEMPLATES[language].files[0]
    assert (tmp_path / "mine" / first).read_bytes() == (FOLDER / first).read_bytes()
    assert f"fill in mine/{first}; then, in mine: " in capsys.readouterr().out
    assert cli.main(["driver", "template", language, "mine"]) == 2
    assert "would be overwritten" in capsys.readouterr().err
