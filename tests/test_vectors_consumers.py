"""The example consumers in JavaScript and Go: they know their libraries' mistakes and detect a wrong vector.

Skipped, with the command that installs it, if Node or Go is missing.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from otterproof.harness.targets.driver import TargetMissing
from otterproof.harness.vectorgen.consumers import EXAMPLES, NAMES, consume
from otterproof.vectors import FOLDER, load_all

#: Kinds that both examples check, and one that neither does.
KINDS_HERE = ("public_keys", "session_keys", "signature", "smp_secrets")

in_both_languages = pytest.mark.parametrize("name", NAMES)


#: A case of session_keys, and the result of both libraries.
PAIR = "session_keys.pairs.random-0-a"


def consumed(name: str, folder: Path, known: Path | None = None) -> tuple[int, dict[str, list[int]], list[str]]:
    """The exit code; for each kind, how many passed, fail as known, failed, were skipped; the ids that failed."""
    try:
        code, printed = consume(name, folder, known)
    except TargetMissing as missing:
        pytest.skip(str(missing))
    counts = {}
    for kind, numbers in re.findall(r"(?m)^(\w+): (\d+ passed, \d+ fail as known, \d+ failed, \d+ skipped)$", printed):
        counts[kind] = [int(number) for number in re.findall(r"\d+", numbers)]
    return code, counts, re.findall(r"(?m)^  FAILED (\S+): ", printed)


def known_of(name: str) -> dict[str, str]:
    known: dict[str, str] = json.loads((EXAMPLES / name / "known.json").read_text())
    return known


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind in KINDS_HERE:
        shutil.copy(FOLDER / f"{kind}.json", tmp_path)
    return tmp_path


def edit(path: Path, case_id: str, **fields: Any) -> None:
    content = json.loads(path.read_text())
    (case,) = (case for group in content["groups"] for case in group["cases"] if case["id"] == case_id)
    assert {**case, **fields} != case
    case.update(fields)
    path.write_text(json.dumps(content))


def expected_of(path: Path, case_id: str) -> dict[str, Any]:
    groups = json.loads(path.read_text())["groups"]
    (expect,) = (case["expect"] for group in groups for case in group["cases"] if case["id"] == case_id)
    return dict(expect)


@pytest.mark.slow
@in_both_languages
def test_the_library_does_what_it_is_known_to_do(name: str) -> None:
    code, counts, failures = consumed(name, FOLDER)
    files = {file.kind: file.count for file in load_all()}
    assert (code, failures) == (0, [])
    assert {kind: sum(numbers) for kind, numbers in counts.items()} == files
    assert sum(as_known for _, as_known, _, _ in counts.values()) == len(known_of(name))
    assert counts["session_keys"] == [files["session_keys"], 0, 0, 0]
    assert counts["smp_secrets"] == [0, 0, 0, files["smp_secrets"]]


@pytest.mark.slow
@in_both_languages
@pytest.mark.parametrize(
    "value", ["our_public", "sending_aes", "sending_mac", "receiving_aes", "receiving_mac", "extra_key"]
)
def test_each_wrong_value_is_noticed(name: str, folder: Path, value: str) -> None:
    path = folder / "session_keys.json"
    right = expected_of(path, PAIR)
    wrong = right[value][:-1] + ("0" if right[value][-1] != "0" else "1")
    edit(path, PAIR, expect={**right, value: wrong})
    code, counts, failures = consumed(name, folder)
    assert (code, failures) == (1, [PAIR])
    assert counts["session_keys"][2] == 1


#: One case per operation in use, with one of its values and a wrong replacement.
WRONG: dict[str, dict[str, dict[str, Any]]] = {
    "otrjs": {
        "encodings.byte.value-0": {"number": "1"},
        "error_messages.v2-plaintext.text": {"shows": ["another"]},
        "dh_commit.v2.good": {"sends": ["dh_commit"]},
        "fragments.v2-whole.n-1": {"yields": ["another"]},
        "public_keys.good.test-bob": {"fingerprint": "00" * 20},
    },
    "otr3": {
        "public_keys.good.test-bob": {"fingerprint": "00" * 20},
        "signature.open.key-alice": {"fingerprint": "00" * 20},
        "signature.open.keyid-2": {"keyid": 3},
    },
}


@in_both_languages
def test_a_wrong_value_of_each_operation_is_noticed(name: str, tmp_path: Path) -> None:
    for case_id, wrong in WRONG[name].items():
        path = tmp_path / f"{case_id.split('.')[0]}.json"
        if not path.exists():
            shutil.copy(FOLDER / path.name, path)
        edit(path, case_id, expect={**expected_of(path, case_id), **wrong})
    code, _, failures = consumed(name, tmp_path)
    assert (code, sorted(failures)) == (1, sorted(WRONG[name]))


@pytest.mark.slow
@in_both_languages
def test_a_wrong_result_is_noticed(name: str, folder: Path) -> None:
    edit(folder / "public_keys.json", "public_keys.good.test-bob", result="invalid", reaction="refused", expect={})
    right = expected_of(folder / "session_keys.json", PAIR)
    edit(folder / "session_keys.json", "session_keys.pairs.outside-0", result="valid", expect=right)
    code, _, failures = consumed(name, folder)
    assert (code, failures) == (1, ["public_keys.good.test-bob", "session_keys.pairs.outside-0"])


@pytest.mark.slow
def test_a_wrong_result_of_a_function_without_values_is_noticed(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "signatures.json", tmp_path)
    edit(tmp_path / "signatures.json", "signatures.verify-alice.value-zero", result="invalid", reaction="refused")
    edit(tmp_path / "signatures.json", "signatures.verify-alice.both-0", result="valid")
    code, _, failures = consumed("otrjs", tmp_path)
    assert (code, failures) == (1, ["signatures.verify-alice.value-zero", "signatures.verify-alice.both-0"])


@pytest.mark.slow
@in_both_languages
def test_what_is_known_must_fit(name: str, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    known = tmp_path_factory.mktemp("known") / "known.json"
    here = {case: why for case, why in known_of(name).items() if case.split(".")[0] in KINDS_HERE}
    left_out = "signature.open.keyid-0" if name == "otr3" else "public_keys.bad.type-1"
    known.write_text(json.dumps({case: why for case, why in {**here, PAIR: "it is not"}.items() if case != left_out}))
    code, _, failures = consumed(name, folder, known)
    assert (code, sorted(failures)) == (1, sorted([left_out, PAIR]))


@in_both_languages
def test_a_folder_in_which_nothing_can_be_checked_is_no_success(name: str, tmp_path: Path) -> None:
    shutil.copy(FOLDER / "smp_secrets.json", tmp_path)
    code, counts, failures = consumed(name, tmp_path)
    assert (code, failures) == (1, [])
    assert counts["smp_secrets"][:3] == [0, 0, 0]


@in_both_languages
def test_known_failures_have_reasons(name: str) -> None:
    cases = {case.id for file in load_all() for _, case in file}
    for case_id, reason in known_of(name).items():
        assert case_id in cases
        assert len(reason.split()) > 3
