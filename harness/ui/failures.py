"""Failures on a terminal: one entry for each cause, which fits on a screen and says what to do next.

All content comes from the record of a failure; this module only lays it out and cuts it. Commands have lines of their
own that are never broken, so that they can be copied.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap

from rich.console import Console
from rich.text import Text

from otterproof.harness.runs.causes import Cause
from otterproof.harness.runs.failure import FIELD, Fact, Failure, explain_command, facts, headed
from otterproof.harness.spec import requirements
from otterproof.harness.support.defaults import DEFAULT_PROFILE, DEFAULT_SEED, GIVE_UP_AFTER, TIME_LIMIT
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.registry import command_of
from otterproof.harness.ui.screen import line
from otterproof.harness.ui.settings import Settings
from otterproof.harness.wire.dissect import FieldLine

#: The number of causes shown in full; the others get a line each, unless everything is to be shown.
TOLD = 5

#: The widths of an entry: the indent, the headings, the longest line and the shortest.
_INDENT, _WORD, _WIDTH, _LEAST = 2, 10, 100, 30

#: The most lines for each value, in verbose and normal output (1 for values not listed here).
_ALL, _MOST = 40, {"expected": 2, "got": 2, "where": 2}

#: How many notes, and how many fields around the one in question, are shown.
_NOTES, _AROUND = 2, 1

#: The most lines of an entry, unless everything is to be shown.
LINES = 20


@dataclass(frozen=True, slots=True)
class Commands:
    """The user's next commands.

    judge: the words that judged, to be repeated for one scenario. replay: the arguments for a command that replays a
    transcript. chosen: the arguments that make `judge` repeat all scenarios of the run.
    """

    judge: Sequence[str] = ("otterproof", "check")
    replay: Sequence[str] = ()
    chosen: Sequence[str] = ()

    @property
    def whole(self) -> Sequence[str]:
        """The words that repeat the run."""
        return [*self.judge, *self.chosen]


def commands_for(
    target: str,
    *,
    name: str | None,
    known: Path | None,
    seed: str,
    profile: str,
    timeout: float,
    give_up_after: int = GIVE_UP_AFTER,
    strict: bool,
    only: Sequence[str] = (),
    without: Sequence[str] = (),
    settings: Settings | None = None,
) -> Commands:
    """The commands that judge the same target in the same way; the values are those of otterproof.run.

    An option is left out only if its value is the default and the project's settings, if any, agree. So the command
    does the same with these settings and, on another machine, without them.
    """
    settings = settings or Settings()
    words = ["otterproof", "check", target]
    if name:
        words += ["--name", name]
    if not seed == DEFAULT_SEED == settings.seed:
        words += ["--seed", seed]
    if not profile == DEFAULT_PROFILE == settings.profile:
        words += ["--profile", profile]
    if known:  # a card is published, so it should reveal little about the machine
        words += ["--known", str(known.relative_to(Path.cwd()) if known.is_relative_to(Path.cwd()) else known)]
    replayed = ["--timeout", f"{timeout:g}"] if timeout != TIME_LIMIT else []
    limit = replayed or (["--timeout", f"{timeout:g}"] if settings.timeout not in (None, timeout) else [])
    words += limit
    if give_up_after != GIVE_UP_AFTER:
        words += ["--give-up-after", str(give_up_after)]
    if strict:
        words.append("--strict")
    command = command_of(target)  # a transcript does not choose what is executed
    options = (("--only", only), ("--without", without))
    chosen = [word for option, given in options for one in given for word in (option, one)]
    return Commands(words, [*(["--target", command] if command else []), *replayed], chosen)


def print_causes(out: Console, found: Sequence[Cause], commands: Commands, *, verbose: bool = False) -> None:
    """Print causes, the first few in full; if verbose all, with all fields and notes and the names of all scenarios."""
    full = found if verbose else found[:TOLD]
    for cause in full:
        out.print()
        for text in entry(cause, commands, max(min(out.width, _WIDTH), _LEAST), verbose=verbose):
            out.print(text, soft_wrap=True)
    rest = found[len(full) :]
    if rest:
        out.print()
        count = sum(len(cause.results) for cause in rest)
        out.print(line(f"other causes: {len(rest)}, with {count} scenarios; --verbose shows them in full"))
    for cause in rest:
        out.print(line(f"  {cause.first.check or cause.first.verdict.value:42} {_scenarios(cause)}"), soft_wrap=True)


def entry(cause: Cause, commands: Commands, width: int, *, verbose: bool) -> Sequence[Text]:
    """The lines of one cause."""
    if verbose:
        return [*_entry(cause, cause.failure, commands, width, verbose=True)]
    shorter = _shortened(cause.failure)
    lines = [*_entry(cause, next(shorter), commands, width, verbose=False)]
    for failure in shorter:
        if len(lines) > LINES:
            lines = [*_entry(cause, failure, commands, width, verbose=False)]
    return lines


def _entry(cause: Cause, failure: Failure, commands: Commands, width: int, *, verbose: bool) -> Iterator[Text]:
    """The lines of one cause, with this much of its record."""
    result = cause.first
    yield from _head(cause, width)
    yield from _prose(failure.rule or result.detail.partition("\n")[0], width)
    if cause.consequence:
        yield from _prose("Probably a consequence of the above.", width)
    for word, fact in headed(facts(failure)):
        yield from _fact(word, fact, width, verbose=verbose)
    if verbose:
        for number, one in enumerate(cause.results):
            yield _one("" if number else "scenarios", one.scenario)
    yield _one("again", shlex.join([*commands.judge, "--only", result.scenario]))
    for path in result.transcripts[:1]:
        yield _one("replay", shlex.join(["otterproof", "replay", path, *commands.replay]))
    if result.check:
        yield _one("explain", explain_command(result.check))


def _head(cause: Cause, width: int) -> Iterator[Text]:
    result = cause.first
    colour = "red" if result.counts else "yellow"
    word = result.verdict.value.replace("_", " ").upper()
    yield line((word, colour), "  ", (result.check or result.scenario, "bold"), f"  {_scenarios(cause)}")
    if cause.told:
        level = cause.level.value
        yield line(" " * _INDENT, (level, "bold"), _cut(f", {_sources(cause.told)}", width - _INDENT - len(level)))


def _sources(told: Sequence[str]) -> str:
    """The requirements, and the section of the protocol text that contains the first."""
    table = requirements.load().requirements
    section = f', "{table[told[0]].section}"' if told[0] in table else ""
    return " or ".join([told[0], ", ".join(told[1:])] if told[1:] else told) + section


def _scenarios(cause: Cause) -> str:
    """How many scenarios fail this way, in which versions: 14 scenarios, versions 2 and 3."""
    names = [result.scenario for result in cause.results]
    versions = sorted({name[-2] for name in names if name[-4:-2] == "[v"})
    count = f"{len(names)} scenario{'' if len(names) == 1 else 's'}"
    return f"{count}, version{'' if len(versions) == 1 else 's'} {' and '.join(versions)}" if versions else count


def _shortened(failure: Failure) -> Iterator[Failure]:
    """The record without the notes and fields that don't fit on a screen; then with less and less."""
    place = failure.place
    if place is not None:
        place = replace(place, title="", fields=tuple(_nearest(place.fields)))
    notes = failure.notes[:_NOTES]
    if "" in notes:  # a blank line follows the heading of long content, such as a program
        notes = notes[: max(notes.index("") - 1, 0)]
    failure = replace(failure, notes=notes, place=place)
    yield failure
    while place is not None and place.before:
        place = replace(place, before=place.before[1:])
        failure = replace(failure, place=place)
        yield failure
    yield replace(failure, notes=())


def _fact(word: str, fact: Fact, width: int, *, verbose: bool) -> Iterator[Text]:
    """A line of the record, broken and cut as its part allows; each field of a message stays on one line."""
    if fact.part == FIELD:
        room = len(fact.text) if verbose else width - _INDENT - _WORD - len(fact.mark)
        yield _one(word, _cut(fact.text, room) + fact.mark)
    else:
        yield from _pair(word, fact.text, width, _ALL if verbose else _MOST.get(fact.part, 1))


def _nearest(fields: Sequence[FieldLine]) -> Sequence[FieldLine]:
    """The field in question and its neighbours; none without a field in question."""
    at = next((number for number, field in enumerate(fields) if field.marked), None)
    return () if at is None else fields[max(at - _AROUND, 0) : at + _AROUND + 1]


def _prose(text: str, width: int) -> Iterator[Text]:
    yield from (line(" " * _INDENT, part) for part in wrap(printable(text), width - _INDENT))


def _pair(word: str, text: str, width: int, most: int) -> Iterator[Text]:
    """A heading and its text, broken into lines, and cut after the most lines allowed."""
    room = width - _INDENT - _WORD
    parts = wrap(printable(text), room) or [""]
    if len(parts) > most:
        parts = [*parts[: most - 1], _cut(" ".join(parts[most - 1 :]), room)]
    for number, part in enumerate(parts):
        yield _one("" if number else word, part)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 4]} ..."


def _one(word: str, text: str) -> Text:
    return line(" " * _INDENT, (f"{word:{_WORD}}", "dim"), text)
