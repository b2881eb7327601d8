"""The record of a failure: everything that a report says about it, as plain values and words.

Every kind of failure has such a record: a scenario's demand, an oracle, two engines that differ, a target that breaks
down. The terminal, JSON, pytest and the other reports are made from it; they only choose what to leave out.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import Enum
from functools import cache
from typing import Any, NamedTuple

from otterproof.harness.simulation.describe import describe_input, describe_result
from otterproof.harness.simulation.world import Step
from otterproof.harness.spec import requirements
from otterproof.harness.spec.checks import checks, level_of
from otterproof.harness.spec.requirements import Level, requirement_ids
from otterproof.harness.support.errors import DemandFailed
from otterproof.harness.support.printable import printable
from otterproof.harness.wire import ENCODED, Kind, parse, parse_once
from otterproof.harness.wire.dissect import FieldLine, dissected
from otterproof.implementations.contract import (
    ActionRefused,
    Event,
    MessageRejected,
    MessageUnreadable,
    OutgoingMessage,
)
from otterproof.implementations.jsonform import event_name

#: How many steps before the failing one are reported.
BEFORE = 3

#: How many lines of the user's screen, from these steps, are reported.
SCREEN = 6

#: The part of a record whose lines are the fields of a message.
FIELD = "field"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a run something went wrong.

    step: its number. action, result: what the party was given and what it did. kind: of the message concerned, ""
    without one; title and fields: that message dissected, with the field in question marked. before: the steps that led
    there, as number and words. screen: the last lines shown to the user, if the target has a screen. observed: the
    result without keys and texts: the events by name, and the sent messages by kind. shape: the input and the result in
    such terms, with the reasons given. refused: whether the party rejected the input or did nothing; a breakdown is not
    a refusal.
    """

    step: int
    action: str
    result: str
    kind: str = ""
    title: str = ""
    fields: tuple[FieldLine, ...] = ()
    before: tuple[tuple[int, str], ...] = ()
    screen: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    shape: tuple[str, ...] = ()
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, whatever detected it.

    check: the id of the demand, or the signature of the breakdown. level: the most binding of its requirements.
    requirements: the ids of those behind the demand, the most binding first. rule: the demand in one sentence.
    expected, got: the values in words. case: the input concerned, of several; cases: how many inputs failed and how
    many were tried, if that is known; failed_cases: those that failed this demand. notes: everything else that is
    known, by line. picture: the file name of the user's screen, stored beside the transcript.
    """

    check: str
    rule: str
    requirements: tuple[str, ...] = ()
    level: Level = Level.MUST
    case: str = ""
    cases: tuple[int, int] | None = None
    failed_cases: tuple[str, ...] = ()
    expected: str = ""
    got: str = ""
    notes: tuple[str, ...] = ()
    place: Place | None = None
    picture: str = ""


def failure_of(error: Exception, check: str, claimed: Iterable[str], steps: Sequence[Step]) -> Failure:
    """The record of an exception that ended a run.

    check: its id. claimed: the scenario's requirements, used if the check has none. steps: of the run.
    """
    ids = _sources(check, claimed)
    notes = [*getattr(error, "__notes__", ())]
    if isinstance(error, DemandFailed):
        known = {"rule": error.rule, "case": error.case, "expected": error.expected, "got": error.got}
        notes = [*error.differences, *notes]
        steps = [one for one in steps if error.step_number is None or one.number <= error.step_number]
    else:
        known = {"rule": _headline(error)}
        notes = [*str(error).split("\n")[1:], *notes]
    return Failure(
        check,
        requirements=ids,
        level=level_of(check),
        cases=error.cases if isinstance(error, DemandFailed) else None,
        failed_cases=tuple(map(printable, failed_cases(error))),
        notes=tuple(printable(line) for note in notes for line in note.split("\n")),
        place=place_of(steps, checks()[check].field if check in checks() else ""),
        **{name: printable(text, lines=True) for name, text in known.items()},
    )


def failed_cases(error: Exception) -> tuple[str, ...]:
    """The inputs that failed a demand; if the scenario has only one input, that one."""
    if not isinstance(error, DemandFailed):
        return ()
    return error.failed_cases or ((error.case,) if error.case else ())


def _sources(check: str, claimed: Iterable[str]) -> tuple[str, ...]:
    """The requirements behind a failure, the most binding first. A breakdown breaks what was being judged."""
    if check not in checks():
        return requirement_ids(claimed)[:3]
    table, levels = requirements.load().requirements, list(Level)
    return tuple(sorted(checks()[check].requirements, key=lambda name: levels.index(table[name].level)))


def _headline(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def place_of(steps: Sequence[Step], field: str = "") -> Place | None:
    """The last step of a run as the place of a failure; None for a run without steps. field: the one to mark."""
    if not steps:
        return None
    last = steps[-1]
    before = tuple(
        (step.number, f"{describe_input(step)}: {describe_result(step)}") for step in steps[-1 - BEFORE : -1]
    )
    screen = [printable(line) for step in steps[-1 - BEFORE :] for line in step.shown]
    place = Place(
        last.number,
        describe_input(last),
        describe_result(last),
        before=before,
        screen=tuple(screen[-SCREEN:]),
        observed=observed(last),
        shape=_shape(last),
        refused=_refused(last),
    )
    message = _message_of(last, field)
    if message is None:
        return place
    title, lines = dissected(message, field)
    kind = parse(message).kind
    marked = any(line.marked for line in lines)
    return replace(place, kind=str(kind), title=title, fields=lines if kind in ENCODED or marked else ())


def _shape(step: Step) -> tuple[str, ...]:
    """What a party was given in a step and what it did, without texts, numbers and keys."""
    message = step.args.get("message")
    given = [str(parse(message).kind)] if isinstance(message, bytes) else []
    did = ["breaks down"] if step.failure is not None else [_event_shape(event) for event in step.events]
    return step.party, step.action, *given, *dict.fromkeys(did)


def _event_shape(event: Event) -> str:
    """An event with those of its fields that have only a few possible values."""
    if isinstance(event, OutgoingMessage):
        return f"sends {parse_once(event.message).kind}"
    values = ((one.name, getattr(event, one.name)) for one in fields(event))
    few = (f" {name} {value}" for name, value in values if isinstance(value, bool | Enum))
    return event_name(type(event)) + "".join(few)


def _refused(step: Step) -> bool:
    first = next(iter(step.events), None)
    return step.failure is None and isinstance(first, MessageRejected | MessageUnreadable | ActionRefused | None)


def reactions(step: Step) -> tuple[Kind | type, ...]:
    """What a party did in a step: kinds of sent messages and classes of other events, without repetitions in a row."""
    found: list[Kind | type] = []
    last: Kind | type | None = None
    for event in step.events:
        what = parse_once(event.message).kind if isinstance(event, OutgoingMessage) else type(event)
        if what is not last:
            found.append(what)
            last = what
    return tuple(found)


@cache
def reaction_name(what: Kind | type) -> str:
    """The name of a reaction, as reports give it."""
    return f"sends {what}" if isinstance(what, Kind) else event_name(what)


def observed(step: Step) -> tuple[str, ...]:
    """What a party did in a step: its events by name, and its messages by kind, without repetitions in a row."""
    return tuple(map(reaction_name, reactions(step)))


def _message_of(step: Step, field: str) -> bytes | None:
    """The message that a step is about: one with the field, if any; else one that was sent or received."""
    sent = [event.message for event in step.events if isinstance(event, OutgoingMessage)]
    received = [value for name, value in step.args.items() if name == "message" and isinstance(value, bytes)]
    every = [*sent, *received]
    for message in every:
        if field and parse(message).has(field):
            return message
    return next((message for message in every if parse(message).kind is not Kind.PLAINTEXT), None)


def record_to_json(failure: Failure) -> dict[str, Any]:
    """The record as JSON values, with the names of its fields."""
    return asdict(failure) | {"level": failure.level.value}


def lines_of(failure: Failure) -> Iterator[str]:
    """The record as plain text of any length, for a transcript, a test report or a file."""
    yield failure.rule or failure.check
    for word, fact in headed(facts(failure)):
        yield f"  {word:9} {fact.text}{fact.mark}"


def leveled_lines(failure: Failure) -> Iterator[str]:
    """The same for pytest: below the level of the demand and its first requirement."""
    table = requirements.load().requirements
    told = [f'{name}, "{table[name].section}"' for name in failure.requirements[:1] if name in table]
    yield f"  {', '.join([failure.level.value, *told])}"
    yield from (line if number else f"  {line}" for number, line in enumerate(lines_of(failure)))


def explain_command(check: str) -> str:
    """The command that explains a check."""
    return shlex.join(["otterproof", "explain", check])


class Fact(NamedTuple):
    """One line of what is known about a failure.

    part: what the line belongs to: case, expected, got, also, where, field, before. mark: follows the text and must not
    be cut off.
    """

    part: str
    text: str
    mark: str = ""


def headed(known: Iterable[Fact]) -> Iterator[tuple[str, Fact]]:
    """Each line with its heading: the name of its part on the part's first line, otherwise nothing."""
    before = ""
    for fact in known:
        yield "" if fact.part in (before, FIELD) else fact.part, fact
        before = fact.part


def facts(failure: Failure) -> Iterator[Fact]:
    """All that is known about a failure except its rule, line by line."""
    if failure.case or failure.cases is not None:
        yield Fact("case", _case(failure))
    if failure.expected:
        yield Fact("expected", failure.expected)
    if failure.got:
        yield Fact("got", failure.got)
    yield from (Fact("also", note) for note in failure.notes)
    if failure.place is not None:
        yield from _place(failure.place)
    if failure.picture:
        yield Fact("picture", failure.picture)


def _case(failure: Failure) -> str:
    """The case and how many others fail: D-H public value 1 (3 of 14 cases fail)."""
    if failure.cases is None or failure.cases[1] < 2:
        return failure.case
    count = "{} of {} cases fail".format(*failure.cases)
    return f"{failure.case} ({count})" if failure.case else count


def _place(place: Place) -> Iterator[Fact]:
    yield Fact("where", f"step {place.step}, {place.action}: {place.result}")
    if place.fields and place.title:
        yield Fact(FIELD, place.title)
    width = max((len(field.name) for field in place.fields), default=0)
    for field in place.fields:
        text = f"  {field.offset:5}  {field.name:{width}}  {field.value}"
        yield Fact(FIELD, text, "    <--" if field.marked else "")
    yield from (Fact("before", f"{step} {words}") for step, words in place.before)
    yield from (Fact("screen", line) for line in place.screen)
