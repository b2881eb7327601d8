"""Programs as JSON, for the header of a transcript, so that a run can be repeated against any target.

A file can come from anybody. So the type of every field is checked, and everything that could cost without limit is
bounded: how much is delivered, how long texts are, how far time moves.
"""

from __future__ import annotations

import typing
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, cast

from otterproof.harness.judges.oracles import ORACLES
from otterproof.harness.runs.fuzz.case import CLIENTS, POLICIES, Setup
from otterproof.harness.runs.fuzz.excuses import excuse_of
from otterproof.harness.runs.fuzz.generate import STARTS, Program
from otterproof.harness.simulation.moves import Craft, Fragment, Move, Settle, Tick, User
from otterproof.harness.simulation.transcript import TranscriptError, move_to_json
from otterproof.harness.targets.engines import Target
from otterproof.harness.wire.craft import PARTS
from otterproof.harness.wire.craft_handshake import HANDSHAKE_PARTS
from otterproof.implementations.actions import args_from_json, args_to_json
from otterproof.implementations.contract import MIN_MESSAGE_SIZE
from otterproof.implementations.jsonform import JsonFormError, event_name

#: The fields of a setup that are written; the target is named elsewhere.
_SETUP = ("network", "start", "policy", "size", "role")

#: Limits for a program from a file: many times what campaigns draw, and little enough to be run. The schema of
#: transcripts limits the number of moves.
MAX_DELIVERIES = 20_000
MAX_BYTES = 1 << 17
MAX_BITS = 4096

#: The most messages that one `Settle` delivers.
MOST_SETTLED_AT_ONCE = 1000

#: The least and the most for numbers that cost time or memory, or that drivers receive.
_RANGES: Mapping[type, Mapping[str, tuple[int, int]]] = {
    Settle: {"limit": (0, MOST_SETTLED_AT_ONCE)},
    Tick: {"seconds": (0, 1 << 40)},
    Fragment: {"size": (1, 1 << 31)},
}


def program_to_json(program: Program) -> dict[str, Any]:
    """{"network", "start", "policy", "size", "role", "oracles": [ids], "moves": [{"move": name, ...}]}

    "excused" is present only if there are excuses, and "entropy" only if it is not 0.
    """
    setup = {name: getattr(program.setup, name) for name in _SETUP}
    if program.setup.excused:
        setup["excused"] = list(program.setup.excused)
    if program.setup.entropy:
        setup["entropy"] = program.setup.entropy
    return setup | {"oracles": list(program.setup.oracles), "moves": [move_as_json(move) for move in program.moves]}


def move_as_json(move: Move) -> dict[str, Any]:
    """A move with its fields; arguments of actions have the form in which drivers get them."""
    written = move_to_json(move)
    return written | {"args": args_to_json(move.action, move.args)} if isinstance(move, User) else written


@cache
def _kinds() -> dict[str, tuple[type, dict[str, Any]]]:
    """The kinds of moves by their names in JSON, each with the types of its fields."""
    return {event_name(kind): (kind, typing.get_type_hints(kind)) for kind in typing.get_args(Move)}


def program_from_json(written: Mapping[str, Any], target: Target | None) -> Program:
    """The program, with a target for its role. TranscriptError if it is invalid, or more than a campaign would run.

    written: a program that the schema of transcripts has let through. target: None if the program gets one before it
    runs.
    """
    known: dict[str, Collection[str]] = {"network": CLIENTS, "start": dict(STARTS), "policy": POLICIES}
    for name, values in known.items():
        if written[name] not in values:
            raise TranscriptError(f"program.{name}: {written[name]!a:.80} is not one of {', '.join(values)}")
    parties, size = CLIENTS[written["network"]], written["size"]
    if written["role"] not in parties:
        raise TranscriptError(f"program.role: {written['role']!a:.80} is not one of {', '.join(parties)}")
    unknown = [one for one in written["oracles"] if one not in ORACLES]
    if unknown:
        raise TranscriptError(f"program.oracles: {unknown[0]!a:.80} is not one of {', '.join(ORACLES)}")
    if size is not None and size < MIN_MESSAGE_SIZE:
        raise TranscriptError(f"program.size: {size} is too small; the least is {MIN_MESSAGE_SIZE}")
    try:
        list(map(excuse_of, written.get("excused", ())))
    except ValueError as error:
        raise TranscriptError(f"program.excused: {error}") from error
    chosen: dict[str, Any] = {"oracles": tuple(written["oracles"]), "excused": tuple(written.get("excused", ()))}
    chosen["entropy"] = written.get("entropy", 0)
    setup = Setup(**{name: written[name] for name in _SETUP}, **chosen, target=target)
    moves = tuple(_move_from_json(move, parties, f"program.moves[{at}]") for at, move in enumerate(written["moves"]))
    deliveries = sum(move.limit for move in moves if isinstance(move, Settle))
    if deliveries > MAX_DELIVERIES:
        raise TranscriptError(f"program.moves: they settle {deliveries} messages, and the limit is {MAX_DELIVERIES}")
    return Program(setup, moves)


def _move_from_json(written: Mapping[str, Any], parties: Mapping[str, object], where: str) -> Move:
    if written["move"] not in _kinds():
        raise TranscriptError(f"{where}.move: {written['move']!a:.80} is not one of {', '.join(_kinds())}")
    kind, hints = _kinds()[written["move"]]
    given = {name: value for name, value in written.items() if name != "move"}
    if given.keys() != hints.keys():
        raise TranscriptError(f"{where}: the fields of {written['move']} are {', '.join(hints)}, and nothing else")
    for name in given.keys() - {"args"}:
        given[name] = _value(hints[name], given[name], f"{where}.{name}")
    if given.get("to", given.get("party", "alice")) not in parties:
        raise TranscriptError(f"{where}: {written['move']} is for none of {', '.join(parties)}")
    if "args" in given:
        try:
            given["args"] = args_from_json(given["action"], given["args"], f"{where}.args")
        except JsonFormError as error:
            raise TranscriptError(str(error)) from error
        for name, value in given["args"].items():
            if isinstance(value, bytes):
                _bounded(len(value), MAX_BYTES, f"{where}.args.{name}: its length")
    for name, (least, most) in _RANGES.get(kind, {}).items():
        if not least <= given[name] <= most:
            raise TranscriptError(f"{where}.{name}: it must be from {least} to {most}")
    parts = (*PARTS, *HANDSHAKE_PARTS)
    if kind is Craft and given["part"] not in parts:
        raise TranscriptError(f"{where}.part: {given['part']!a:.80} is not one of {', '.join(parts)}")
    return cast(Move, kind(**given))


def _value(hint: Any, value: object, where: str) -> int | str | bytes:
    """The value of a field of this type. TranscriptError."""
    kinds = typing.get_args(hint) or (hint,)
    if type(value) is bool and bool in kinds:
        return value
    if type(value) is int and int in kinds:
        _bounded(value.bit_length(), MAX_BITS, f"{where}: its length in bits")
        return value
    if isinstance(value, str) and str in kinds:
        return value
    if isinstance(value, str) and bytes in kinds:
        _bounded(len(value), MAX_BYTES, f"{where}: its length")
        try:
            return value.encode("latin-1")
        except UnicodeEncodeError as error:
            raise TranscriptError(f"{where}: character {error.start} is not a byte (U+0000 to U+00FF)") from error
    raise TranscriptError(f"{where}: {value!a:.80} is not of type {' or '.join(one.__name__ for one in kinds)}")


def _bounded(number: int, most: int, what: str) -> None:
    if number > most:
        raise TranscriptError(f"{what} is {number}, and the limit is {most}")
