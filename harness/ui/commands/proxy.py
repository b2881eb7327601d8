"""`otterproof proxy`: between two programs, on IRC or started by Otterproof itself."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from enum import Enum
from importlib.util import find_spec
from typing import Any

from otterproof.harness.runs import deviations
from otterproof.harness.runs.failure import Failure, record_to_json
from otterproof.harness.runs.proxy.actions import HOLD, PASS
from otterproof.harness.runs.proxy.adversary import Adversary
from otterproof.harness.runs.proxy.between import NAMES, Conversation
from otterproof.harness.runs.proxy.irc import NICK
from otterproof.harness.runs.proxy.items import Happening, What
from otterproof.harness.runs.proxy.relay import Director
from otterproof.harness.runs.proxy.rules import Rules, rule_from_words, rules_of
from otterproof.harness.runs.proxy.serving import Address, BridgeService, IrcService, Service
from otterproof.harness.runs.proxy.turns import SHIPPED, turns_of
from otterproof.harness.runs.proxy.watched import Wanted
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS, DEVIATES, INTERRUPTED
from otterproof.harness.targets.driver import Limits
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.registry import open_target, title
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui.loop_signals import ended_by_signals
from otterproof.harness.ui.messages import complain, say
from otterproof.harness.ui.options import check_file, check_folder
from otterproof.harness.ui.proxy_lines import Lines, tell_failures, tell_totals
from otterproof.harness.ui.proxy_runs import explore
from otterproof.harness.ui.results import check_json, put_result, shows_text

#: A party, and what is wrong with it.
Found = tuple[str, Failure]


def run(options: argparse.Namespace) -> int:
    """Run the proxy; return the exit code. Raises UsageError, InputError, TargetError, OutputError."""
    check_json(options)
    for name in ("log", "transcript", "picture"):
        if getattr(options, name):
            check_file(getattr(options, name), f"--{name}")
    return {"irc": _irc, "between": _between}[options.subcommand](options)


def director_of(options: argparse.Namespace) -> Director:
    """The director that the options select. Raises InputError, UsageError."""
    rules = [*(rules_of(options.script) if options.script else ()), *map(rule_from_words, options.action)]
    if options.adversary is not None:
        if rules or options.step:
            raise UsageError("--adversary controls all messages; leave --script, --action and --step out")
        return Adversary(options.adversary, options.meddle)
    return Rules(rules, HOLD if options.step else PASS)


class Shown(Enum):
    """How a conversation is shown."""

    VIEW = "the view, to somebody at a terminal"
    PICTURE = "a picture of the view, without a terminal"
    LINES = "lines"
    NOT = "not at all"


def how_shown(options: argparse.Namespace) -> Shown:
    """How to show the conversation. Raises UsageError if the requested display is impossible."""
    # The view is drawn on standard error.
    there = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    person = there and not options.plain and shows_text(options)
    if options.step and not person:
        raise UsageError(
            "--step needs somebody at a terminal who lets messages go; leave --plain, --json and redirections out"
        )
    if (person or options.picture) and find_spec("textual") is None:
        if options.step or options.picture:
            raise UsageError("the view needs Textual, which is not here: pip install 'otterproof[proxy]'")
        complain("the view needs Textual, which is not here (pip install 'otterproof[proxy]'); lines in its place")
        return Shown.LINES
    if person:
        return Shown.VIEW
    if options.picture:
        return Shown.PICTURE
    return Shown.LINES if shows_text(options) else Shown.NOT


class Seen:
    """Counts what happens."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def telling(self, tell: Callable[[Happening], None] | None) -> Callable[[Happening], None]:
        """A listener that counts, and then calls another one."""

        def listen(happening: Happening) -> None:
            self.counts[happening.what.value] += 1
            if tell is not None:
                tell(happening)

        return listen


def _rules(director: Director) -> Rules | None:
    """The rules that a person can change during the conversation."""
    return director if isinstance(director, Rules) else None


def _service(options: argparse.Namespace, director: Director, listener: Callable[[Happening], None]) -> Service:
    wanted = Wanted(director, listener, options.log, options.transcript)
    listen = Address(*options.listen)
    if options.server is not None:
        return BridgeService(listen, Address(*options.server), options.nick, wanted, options.stay)
    return IrcService(listen, wanted, options.stay)


def _irc(options: argparse.Namespace) -> int:
    if (options.server is None) != (options.nick is None):
        raise UsageError("--server and --nick belong together: the server, and the correspondent there")
    if options.nick is not None and not NICK.fullmatch(options.nick):
        raise UsageError(f"--nick {options.nick!r:.60}: that is no nick of IRC")
    shown = how_shown(options)
    if shown is Shown.PICTURE:
        raise UsageError("--picture is drawn when you leave the view, so leave --plain and --json out, at a terminal")
    director, seen = director_of(options), Seen()
    interrupted = False
    if shown is Shown.VIEW:
        from otterproof.harness.ui.proxy_view.running import show
        from otterproof.harness.ui.proxy_view.stage import OnIrc

        stage = OnIrc(lambda tell: _service(options, director, seen.telling(tell)), _rules(director))
        service = stage.service
        interrupted = show(stage, options.picture)
    else:
        service = _service(options, director, seen.telling(Lines() if shown is Shown.LINES else None))
        interrupted = asyncio.run(_served(service))
    found: Sequence[Found] = ()
    if service.watched is not None:
        service.watched.close()
        found = service.watched.failures
    elif options.log or options.transcript:
        complain("nothing was written: fewer than two programs connected")
    return _end(options, seen, found, interrupted=interrupted)


async def _served(service: Service) -> bool:
    """Serve until the conversation is over; return whether a signal ended it. Raises whatever else ends it."""
    with ended_by_signals(service.over.set) as came:
        await service.run()
    return bool(came)


def _between(options: argparse.Namespace) -> int:
    turns = turns_of(options.conversation or SHIPPED)
    if options.explore and (options.script or options.action or options.adversary is not None or options.step):
        raise UsageError("--explore controls all messages; leave --script, --action, --adversary and --step out")
    if options.out is not None:
        check_folder(options.out, "--out")
    if options.explore and (options.picture or options.log or options.transcript):
        raise UsageError("--explore plays many conversations; leave --picture, --log and --transcript out")
    shown = how_shown(options)
    known = _known(options)
    first = open_target(options.first, Limits(options.timeout))
    with closing(first):
        second = open_target(options.second, Limits(options.timeout))
        with closing(second):
            targets = first, second
            if options.explore:
                return explore(options, targets, turns, known)
            return _one(options, targets, known, shown)


def _one(
    options: argparse.Namespace, targets: tuple[Target, Target], known: dict[str, deviations.Known], shown: Shown
) -> int:
    """Run one conversation between targets; return the exit code."""
    director, seen = director_of(options), Seen()
    turns = turns_of(options.conversation or SHIPPED)
    excused = sorted({check for one in known.values() for check in one.checks()})
    seed = options.seed.encode(errors="surrogatepass")

    def begin(tell: Callable[[Happening], None] | None) -> Conversation:
        return Conversation(targets, turns, Wanted(director, seen.telling(tell), options.log), seed, excused)

    interrupted = False
    if shown in (Shown.VIEW, Shown.PICTURE):
        from otterproof.harness.ui.proxy_view.running import draw, show
        from otterproof.harness.ui.proxy_view.stage import PACE, OfTargets

        stage = OfTargets(begin, _rules(director), PACE if shown is Shown.VIEW else 0)
        conversation = stage.conversation
        if shown is Shown.VIEW:
            interrupted = show(stage, options.picture)
        else:
            interrupted = draw(stage, options.picture, options.size)
    else:
        conversation = begin(Lines() if shown is Shown.LINES else None)
        try:
            conversation.run()
        except KeyboardInterrupt:
            interrupted = True
    conversation.close(interrupted=interrupted)
    if options.transcript:
        conversation.write(options.transcript)
    return _end(options, seen, conversation.all_failures(), known, conversation.passed_over, interrupted=interrupted)


def _known(options: argparse.Namespace) -> dict[str, deviations.Known]:
    """The known deviations of each party. Raises DeviationError, InputError."""
    found = {}
    for party, name in zip(NAMES, (options.first, options.second), strict=True):
        file = deviations.file_for(title(name), options.known)
        if file is not None:
            load()  # an entry may name a scenario
        found[party] = deviations.Known(deviations.entries_of(file))
    return found


def _end(
    options: argparse.Namespace,
    seen: Seen,
    found: Sequence[Found],
    known: dict[str, deviations.Known] | None = None,
    passed_over: Collection[str] = (),
    *,
    interrupted: bool,
) -> int:
    """Report the findings; return the exit code."""
    reasons = {
        (party, failure.check): known[party].reason_of(failure.check) if known and party in known else ""
        for party, failure in found
    }
    if shows_text(options):
        tell_totals(seen.counts)
        tell_failures(found, reasons)
        if passed_over:
            say(f"known, and passed over: {', '.join(sorted(passed_over))}")
    put_result(options, "proxy", as_json(seen.counts, found, reasons) | {"passed_over": sorted(passed_over)})
    if interrupted:
        return INTERRUPTED
    counts = [failure for party, failure in found if not reasons[party, failure.check]]
    return DEVIATES if any(failure.level is Level.MUST for failure in counts) else CONFORMS


def as_json(counts: Counter[str], found: Sequence[Found], reasons: dict[tuple[str, str], str]) -> dict[str, Any]:
    """The findings as plain JSON values."""
    return {
        "counts": {what.value: counts[what.value] for what in What},
        "failures": [
            {"party": party, "known": reasons[party, failure.check], "failure": record_to_json(failure)}
            for party, failure in found
        ],
    }
