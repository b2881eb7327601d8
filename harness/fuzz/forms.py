"""Programs as JSON, for the header of a transcript: with them a run can be made anew against any target."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, cast

from harness.fuzz.case import CLIENTS, POLICIES, Setup
from harness.fuzz.programs import STARTS, Program
from harness.network import Move, User
from harness.oracles import ORACLES
from harness.targets import Target
from harness.transcript import TranscriptError, move_to_json
from implementations.actions import args_from_json, args_to_json
from implementations.jsonform import JsonFormError, event_name

#: The fields of a setup that are written down; the target is named elsewhere.
_SETUP = ("network", "start", "policy", "size", "role")


def program_to_json(program: Program) -> dict[str, Any]:
    """{"network", "start", "policy", "size", "role", "oracles": [ids], "moves": [{"move": name, ...}]}"""
    setup = {name: getattr(program.setup, name) for name in _SETUP}
    return setup | {"oracles": list(program.setup.oracles), "moves": [_move_to_json(move) for move in program.moves]}


def _move_to_json(move: Move) -> dict[str, Any]:
    written = move_to_json(move)
    return written | {"args": args_to_json(move.action, move.args)} if isinstance(move, User) else written


@cache
def _kinds() -> dict[str, type]:
    """The moves by their names in JSON."""
    return {event_name(kind): kind for kind in typing.get_args(Move)}


def program_from_json(written: Mapping[str, Any], target: Target) -> Program:
    """The program, with a target for its role. TranscriptError when it is none."""
    try:
        known: dict[str, Iterable[str]] = {"network": CLIENTS, "start": dict(STARTS), "policy": POLICIES}
        for name, values in known.items():
            if written[name] not in values:
                raise TranscriptError(f"program: {name} {written[name]!r:.40} is none of {', '.join(values)}")
        if written["role"] not in CLIENTS[written["network"]] or set(written["oracles"]) - ORACLES.keys():
            raise TranscriptError("program: no such role or oracle")
        setup = Setup(**{name: written[name] for name in _SETUP}, oracles=tuple(written["oracles"]), target=target)
        parties = CLIENTS[setup.network]
        return Program(setup, tuple(_move_from_json(move, parties) for move in written["moves"]))
    except (KeyError, TypeError, ValueError, JsonFormError) as error:
        raise TranscriptError(f"program: it can't be read: {type(error).__name__}: {error}") from error


def _move_from_json(written: Mapping[str, Any], parties: Mapping[str, object]) -> Move:
    kind = _kinds().get(written["move"])
    if kind is None:
        raise TranscriptError(f"program: no move is called {written['move']!r:.40}")
    given = {name: value for name, value in written.items() if name != "move"}
    if given.keys() != {one.name for one in fields(kind)}:
        raise TranscriptError(f"program: {written['move']} has not the fields {', '.join(given)}")
    if given.get("to", given.get("party", "alice")) not in parties:
        raise TranscriptError(f"program: {written['move']} is for nobody")
    hints = typing.get_type_hints(kind)
    for name, value in given.items():
        if name == "args":
            given[name] = args_from_json(given["action"], value)
        elif isinstance(value, str) and hints[name] is not str:
            given[name] = value.encode("latin-1")
    return cast(Move, kind(**given))
