"""The corpus of a campaign: programs taken from transcripts of any targets.

The transcript of a random run has its program in the header. From any other transcript, a program is reconstructed that
does the same with other parties: the users' actions, and the fate of each message, whether it was delivered, late,
lost, changed or sent again. Keys and random numbers are left behind, so any target can repeat what an engine did.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from otterproof.harness import wire
from otterproof.harness.runs.fuzz.case import CLIENTS, POLICIES, Setup
from otterproof.harness.runs.fuzz.generate import Program, with_target
from otterproof.harness.runs.fuzz.serialize import program_from_json, program_to_json
from otterproof.harness.simulation.moves import ChangeField, Deliver, Drop, Inject, Move, Replay, Tick, User
from otterproof.harness.simulation.transcript import Step, Transcript, TranscriptError
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.engines import Target
from otterproof.implementations.contract import OutgoingMessage, Policy

#: The most programs of a corpus, and the most moves of a program reconstructed from steps.
MOST, MOST_MOVES = 5000, 200

#: Arguments of actions that only mean something in their own run.
_OF_THE_RUN = frozenset({"instance"})

#: The capabilities that a target needs for each way in which a program begins.
_NEEDS = {"2": {"v2"}, "3": {"v3"}, "scratch": set[str]()}


class CorpusError(UsageError):
    """The corpus can't be used."""


def transcripts(paths: Iterable[Path]) -> Iterator[Path]:
    """The files given, and all transcripts in the folders given, in order. CorpusError if a path does not exist."""
    for path in paths:
        if path.is_dir():
            yield from sorted(one for one in path.rglob("*.jsonl") if not one.name.startswith("repro."))
        elif path.exists():
            yield path
        else:
            raise CorpusError(f"{printable(str(path))} does not exist; name a transcript, or a folder of transcripts")


def read(paths: Iterable[Path]) -> tuple[tuple[Program, ...], int]:
    """The distinct programs of some transcripts, in the order of their digests; and how many files have none.

    InputError, TranscriptError, CorpusError.
    """
    found: dict[str, Program] = {}
    without = 0
    for path in transcripts(paths):
        made = program_of(read_transcript(path))
        if made is None:
            without += 1
            continue
        found[digest_of([made])] = made
        if len(found) > MOST:
            raise CorpusError(f"more than {MOST} programs; name fewer transcripts")
    return tuple(found[name] for name in sorted(found)), without


def digest_of(programs: Sequence[Program]) -> str:
    """A short digest of some programs."""
    written = [program_to_json(replace(one, setup=replace(one.setup, target=None))) for one in programs]
    return hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()[:16]


def fitted(program: Program, target: Target) -> Program | None:
    """A program of a corpus, adapted to a target; None if it needs more than the target supports."""
    setup = with_target(replace(program.setup, oracles=(), excused=()), target)
    crowd = {"v3", "instance_tags"} if setup.network != "pair" else set()
    if not _NEEDS[setup.start] | crowd <= target.capabilities:
        return None
    both = Policy.ALLOW_V2 | Policy.ALLOW_V3
    return replace(program, setup=setup) if setup.allowed(setup.role, POLICIES[setup.policy]) & both else None


def program_of(transcript: Transcript) -> Program | None:
    """The program that repeats a transcript; None if nothing can be repeated. TranscriptError if it is invalid."""
    header = transcript.header
    if header.program is not None:
        return program_from_json(header.program, None)
    judged = header.judged if header.judged in header.parties else next(iter(header.parties), "")
    others = [name for name in header.parties if name != judged]
    if not judged or len(others) > 1:
        return None
    run = _Run({judged: "alice", **dict.fromkeys(others, "bob")}, alone=not others)
    moves: list[Move] = []
    for step in transcript.steps():
        moves += run.moves(step)
        if len(moves) >= MOST_MOVES:
            break
    config = header.parties[judged].config
    both = Policy.ALLOW_V2 | Policy.ALLOW_V3
    policy = next((name for name, flags in POLICIES.items() if flags == config.policy), None)
    only = next((name for name, flags in POLICIES.items() if flags == config.policy & both), "both")
    made = Program(Setup(start="scratch", policy=policy or only), tuple(moves[:MOST_MOVES]))
    try:
        return program_from_json(json.loads(json.dumps(program_to_json(made))), None) if moves else None
    except TranscriptError:
        return None  # more than a campaign would run, such as a text of megabytes


@dataclass(slots=True)
class _Run:
    """Follows the network of a transcript. names: of its parties, in the program. alone: the other side is no party."""

    names: Mapping[str, str]
    alone: bool
    time: int = 0
    queues: dict[str, list[bytes]] = field(default_factory=lambda: {name: [] for name in CLIENTS["pair"]})
    history: list[bytes] = field(default_factory=list)

    def moves(self, step: Step) -> Iterator[Move]:
        """The moves that repeat a step."""
        if step.time > self.time:
            yield Tick(step.time - self.time)
            self.time = step.time
        party = self.names.get(step.party)
        if party is None:
            return
        message = step.args.get("message")
        if step.action == "receive" and isinstance(message, bytes):
            yield from self._received(party, message)
        else:
            yield User(party, step.action, {name: v for name, v in step.args.items() if name not in _OF_THE_RUN})
        other = "bob" if party == "alice" else "alice"
        for event in step.events:
            if isinstance(event, OutgoingMessage):
                self.history.append(event.message)
                self.queues[other].append(event.message)

    def _received(self, party: str, message: bytes) -> Iterator[Move]:
        if self.alone:
            yield from self._scripted(message)
            return
        queue, kind = self.queues[party], wire.parse(message).kind
        if message in queue:
            at = queue.index(message)
            yield Deliver(party, at)
            del queue[at]
        elif message in self.history:
            yield Replay(party, self.history.index(message) - len(self.history))
        elif kind not in wire.ENCODED and kind not in wire.FRAGMENTS:
            yield Inject(party, message)
        else:
            like = next((at for at, one in enumerate(queue) if wire.parse(one).kind is kind), None)
            if like is not None:
                yield from _changes(party, like, queue.pop(like), message)
                yield Deliver(party, like)

    def _scripted(self, message: bytes) -> Iterator[Move]:
        """A scripted peer has no actions to repeat, so a client says something of the same kind in its place."""
        kind = wire.parse(message).kind
        if kind is wire.Kind.DATA:
            yield User("bob", "send", {"text": b"text", "padding": None})
            yield Deliver("alice", -1)
        elif kind in wire.ENCODED or kind in wire.FRAGMENTS:
            yield Deliver("bob")
            yield Deliver("alice")
        else:
            yield Inject("alice", message)


def _changes(party: str, at: int, sent: bytes, received: bytes) -> Iterator[Move]:
    """The moves that change the fields in which the received message differs; if there are many, it is dropped."""
    before, after = wire.parse(sent), wire.parse(received)
    differing = [
        one
        for one in after.fields
        if one.value is not None and before.has(one.name) and before.value(one.name) != one.value
    ]
    if 0 < len(differing) <= 2:
        yield from (ChangeField(party, at, one.name, one.value) for one in differing if one.value is not None)
    else:
        yield Drop(party, at)


def messages_of(paths: Iterable[Path]) -> Mapping[str, bytes]:
    """Every message that a party received or sent in some transcripts, by digest. InputError, TranscriptError."""
    found: dict[str, bytes] = {}
    for path in transcripts(paths):
        for step in read_transcript(path).steps():
            arrived: Any = step.args.get("message")
            sent = [event.message for event in step.events if isinstance(event, OutgoingMessage)]
            for one in [*([arrived] if isinstance(arrived, bytes) else []), *sent]:
                found[hashlib.sha1(one).hexdigest()] = one
    return dict(sorted(found.items()))
