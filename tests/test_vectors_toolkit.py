"""The OTR toolkit as a judge of the vectors: it accepts them, and a mistake seeded into one is reported.

Skipped, with the command that installs it, if the toolkit is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from otterproof.harness import wire
from otterproof.harness.targets.driver import TargetMissing
from otterproof.harness.ui.cli import main
from otterproof.harness.vectorgen.toolkit import Toolkit
from otterproof.harness.vectorgen.verify import verify_toolkit
from otterproof.vectors import load
from tests.test_vectors_verify import Change, changed


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest) -> None:
    if "missing" in request.node.name:
        return
    try:
        Toolkit()
    except TargetMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.slow
def test_the_toolkit_finds_the_committed_files_right() -> None:
    report = verify_toolkit([load(kind) for kind in ("session_keys", "forgeries", "conversations", "smp_secrets")])
    assert report.failures == {}
    counts = {kind: tally.checked for kind, tally in report.kinds.items()}
    assert counts == {"session_keys": 48, "forgeries": 56, "conversations": 40, "smp_secrets": 0}
    assert dict(report.kinds["smp_secrets"].skipped) == {"the toolkit has no program for it": 36}


def test_readings_of_the_toolkit_are_told() -> None:
    file = load("data_messages")
    file = replace(file, groups=tuple(group for group in file.groups if group.operation == "open_data"))
    report = verify_toolkit([file])
    assert report.failures == {}
    assert {name: list(options) for name, options in report.readings.items()} == {
        "ARMOUR-TRAILING": ["reject"],
        "DATA-OLDMACS-LENGTH": ["accept"],
        "KEYMGMT-CTR-ZERO": ["accept"],
        "KEYMGMT-NEXT-RANGE": ["none"],
    }


def key(name: str) -> Change:
    return lambda case: case["expect"].update({name: "00" * (16 if name.endswith("aes") else 20)})


def expects(**values: object) -> Change:
    return lambda case: case["expect"].update(values)


def rebuilt(name: str, value: int | bytes) -> Change:
    """The message with another value in a field, and the MAC unchanged."""

    def change(case: dict[str, Any]) -> None:
        case["message"] = wire.build(wire.parse(case["message"].encode()).with_value(name, value)).decode()

    return change


def in_play(change: Callable[[bytes], bytes]) -> Change:
    """Another first Data Message in a play."""

    def edit(case: dict[str, Any]) -> None:
        for step in case["steps"]:
            for holder in (step["args"], *step["events"]):
                if holder.get("message", "").startswith(("?OTR:AAMD", "?OTR:AAID")):
                    holder["message"] = change(holder["message"].encode()).decode()
                    return
        raise LookupError("no Data Message")

    return edit


def claims_valid(case: dict[str, Any]) -> None:
    """Presents an invalid case as valid."""
    case.pop("reaction")
    right = next(iter(changed("data_messages", DATA, lambda case: case.update(comment="any"))))[1].outcome().expect
    case.update(result="valid", expect={**right, "plaintext": "hello", "next_dh": "8", "ctr": "00" * 8})
    case["expect"]["old_mac_keys"] = []


DATA = "data_messages.v3-open.reveals-2"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "change", "what"),
    [
        ("session_keys.pairs.random-1-a", key("sending_aes"), "sending_aes"),
        ("session_keys.pairs.random-1-a", key("receiving_mac"), "receiving_mac"),
        ("session_keys.pairs.random-1-a", expects(our_public="5"), "our_public"),
        ("session_keys.pairs.random-0-a", expects(high_end=True), "high_end"),
        (DATA, rebuilt("ctr", bytes(7) + b"\2"), "got it is refused"),
        (DATA, rebuilt("mac", bytes(20)), "got it is refused"),
        (DATA, rebuilt("old_mac_keys", bytes(20)), "old_mac_keys"),
        (DATA, expects(plaintext="hallo"), "plaintext"),
        (DATA, expects(recipient_keyid=2), "recipient_keyid"),
        (DATA, expects(next_dh="9"), "next_dh"),
        (DATA, expects(ctr="00" * 8), "ctr"),
        ("data_messages.v2-open.mac-zeros", claims_valid, "got it is refused"),
        (
            "conversations.v3-alice-asks-alice.whole",
            in_play(lambda message: wire.build(wire.parse(message).with_value("flags", 1))),
            "does not verify under the AES keys in values",
        ),
    ],
)
def test_a_seeded_mistake_is_told_by_the_toolkit(case: str, change: Change, what: str) -> None:
    report = verify_toolkit([changed(case.partition(".")[0], case, change)])
    assert list(report.failures) == [case]
    assert what in str(report.failures[case])


def test_the_toolkit_and_the_codec_must_read_messages_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noticed if the codec reads a field differently, or accepts a message that the toolkit refuses."""
    files = [changed("dh_key", "dh_key.v3.limit-2", lambda case: case.update(comment="changed"))]
    assert verify_toolkit(files).failures == {}
    real = Toolkit._read
    monkeypatch.setattr(
        Toolkit, "_read", lambda self, message: (real(self, message)[0], {**real(self, message)[1], "D-H Key": "03"})
    )
    assert "D-H Key for otr_parse: expected" in str(verify_toolkit(files).failures["dh_key.v3.limit-2"])
    monkeypatch.setattr(Toolkit, "_read", lambda self, message: ("Invalid D-H Key Message", {}))
    assert "got Invalid" in str(verify_toolkit(files).failures["dh_key.v3.limit-2"])


def test_missing_programs_are_named_with_what_installs_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["vectors", "verify", "--toolkit", "--kind", "smp_secrets"]) == 3
    assert "apt-get install libotr5-bin" in capsys.readouterr().err
