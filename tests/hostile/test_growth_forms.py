"""Files and answers of drivers are read in linear time: JSON forms of events, snapshots and actions, and key files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from otterproof.harness.testkit.keys import published_key
from otterproof.implementations import actions, jsonform, keyfile
from otterproof.implementations.contract import OutgoingMessage, PartyConfig
from otterproof.implementations.reference import ReferenceEngine
from tests.hostile.growth import OWN_TAG, Family, all_linear


def _text(size: int) -> bytes:
    return b"a" * size


def _refused(entry: Callable[[object], object]) -> Callable[[object], object]:
    def try_it(value: object) -> object:
        with suppress(jsonform.JsonFormError):
            return entry(value)
        return None

    return try_it


_SNAPSHOT = jsonform.snapshot_to_json(
    ReferenceEngine(PartyConfig(published_key("alice"), instance_tag=OWN_TAG)).inspect()
)
_SESSION = _SNAPSHOT["sessions"][0]

_EVENTS: dict[str, Callable[[int], object]] = {
    "long text": lambda size: {"event": "error_message_received", "text": "\xff" * size},
    "text that is no bytes": lambda size: {"event": "error_message_received", "text": "\u20ac" * size},
    "long hexadecimal": lambda size: _extra_key("ab" * (size // 2)),
    "long hexadecimal that is wrong": lambda size: _extra_key("ab" * (size // 2) + "x"),
    "long name": lambda size: {"event": "a" * size},
    "long reason": lambda size: {"event": "message_rejected", "reason": "a" * size, "field": "", "offset": 0},
    "many fields": lambda size: {"event": "user_ended_session"} | {f"field{n}": n for n in range(size // 8)},
    "long number": lambda size: {"event": "user_ended_session", "instance": 1 << size},
    "deep": lambda size: [[[]]] * size,
}

_SNAPSHOTS: dict[str, Callable[[int], object]] = {
    "many sessions": lambda size: _SNAPSHOT | {"sessions": [_SESSION] * (size // 64)},
    "many keys": lambda size: _SNAPSHOT | {"sessions": [_SESSION | {"pending_mac_keys": ["ab" * 20] * (size // 40)}]},
    "many texts": lambda size: _SNAPSHOT | {"stored": ["text"] * (size // 4)},
    "many fragments": lambda size: _SNAPSHOT | {"fragments": {f"{n}": "1,2" for n in range(size // 8)}},
    "long decimal": lambda size: _SNAPSHOT | {"fragments": {"1" * size: "1,2"}},
    "long pair": lambda size: _SNAPSHOT | {"fragments": {"1": "1" * size + ",2"}},
}

_ARGUMENTS: dict[str, Callable[[int], object]] = {
    "long message": lambda size: {"message": "\xff" * size},
    "message that is no bytes": lambda size: {"message": "\u20ac" * size},
    "many arguments": lambda size: {f"argument{n}": n for n in range(size // 8)},
}


def _extra_key(key: str) -> dict[str, object]:
    return {"event": "extra_key_derived", "instance": 1, "received": True, "use": 1, "data": "", "key": key}


def test_events_in_json() -> None:
    all_linear(_refused(jsonform.event_from_json), _EVENTS, large=1 << 18)
    all_linear(_refused(jsonform.unknown_fields), _EVENTS, large=1 << 18)
    all_linear(lambda text: jsonform.event_to_json(OutgoingMessage(text)), {"long message": _text}, large=1 << 18)


def test_snapshots_and_settings_in_json() -> None:
    all_linear(
        _refused(lambda value: jsonform.snapshot_to_json(jsonform.snapshot_from_json(value))),
        _SNAPSHOTS,
        large=1 << 18,
    )
    all_linear(_refused(jsonform.policy_from_json), {"many flags": lambda size: ["allow_v2"] * size}, large=1 << 18)
    numbers = dict.fromkeys("pqgyx", "ab")
    all_linear(
        _refused(lambda key: jsonform.dsa_key_to_json(jsonform.dsa_key_from_json(key))),
        {"long numbers": lambda size: numbers | {"p": "f" * size}, "wrong ones": lambda size: {"p": "f" * size + "x"}},
        large=1 << 18,
    )


def test_actions_in_json() -> None:
    all_linear(_refused(lambda args: actions.args_from_json("receive", args)), _ARGUMENTS, large=1 << 18)
    all_linear(_refused(lambda name: actions.args_from_json(str(name), {})), {"long name": lambda size: "a" * size})


# ---- key files -----------------------------------------------------------------------------------------------------


def _key_file(before: bytes, unit: bytes, after: bytes = b"") -> Family:
    return lambda size: before + unit * (size // len(unit)) + after


_KEY_FILES: dict[str, Family] = {
    "spaces": _key_file(b"", b" "),
    "lines": _key_file(b"(privkeys", b"\n", b"!"),
    "many tokens": _key_file(b"(privkeys ", b"a "),
    "long token": _key_file(b"(privkeys ", b"a"),
    "many digits": _key_file(b"(privkeys ", b"1", b":"),
    "many verbatim strings": _key_file(b"(privkeys ", b"1:a"),
    "many empty verbatim strings": _key_file(b"(privkeys ", b"0:"),
    "many beginnings of verbatim strings": _key_file(b"(privkeys ", b"9 "),
    "many lists": _key_file(b"(privkeys ", b"()"),
    "deep lists": _key_file(b"(privkeys ", b"("),
    "many ends": _key_file(b"(privkeys ", b")"),
    "long quoted string": _key_file(b'(privkeys "', b"a", b'")'),
    "quoted string without an end": _key_file(b'(privkeys "', b"a"),
    "quoted string of escapes": _key_file(b'(privkeys "', b"\\x41\\n\\101", b'")'),
    "quoted string of wrong escapes": _key_file(b'(privkeys "', b"a", b'\\q")'),
    "quoted string of backslashes": _key_file(b'(privkeys "', b"\\"),
    "many quoted strings": _key_file(b"(privkeys ", b'"a"'),
    "long hexadecimal string": _key_file(b"(privkeys #", b"41 ", b"#)"),
    "hexadecimal string without an end": _key_file(b"(privkeys #", b"41 "),
    "long base64 string": _key_file(b"(privkeys |", b"QUFB ", b"|)"),
    "base64 string without an end": _key_file(b"(privkeys |", b"QUFB "),
    "something after the list": _key_file(b"(privkeys)", b"\0", b"a"),
    "many accounts that are incomplete": _key_file(b"(privkeys ", b"(account (name a))", b")"),
    "long number": _key_file(
        b"(privkeys (account (name a) (protocol b) (private-key (dsa (p #", b"41", b"#)(q #1#)(g #1#)(y #1#)(x #1#)))))"
    ),
}


@pytest.mark.slow
def test_key_files() -> None:
    def parse(content: bytes) -> None:
        with suppress(keyfile.KeyFileError):
            keyfile.parse_keys(content)

    all_linear(parse, _KEY_FILES, large=1 << 16)


@pytest.mark.slow
def test_many_keys() -> None:
    key = published_key("alice")
    accounts = [keyfile.Account(f"account {n}", "protocol", key) for n in range(128)]
    all_linear(
        lambda some: keyfile.parse_keys(keyfile.format_keys(some)),
        {"accounts": lambda size: accounts[:size]},
        small=2,
        large=128,
    )
    all_linear(
        lambda name: keyfile.format_keys([keyfile.Account(name, "protocol", key)]),
        {"long name": lambda size: "a" * size, "name of quotes": lambda size: '"' * size},
    )
