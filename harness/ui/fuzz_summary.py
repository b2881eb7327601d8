"""The summary of a campaign: the findings, most serious first, and the coverage of the target.

A campaign without findings also reports what it has seen: finding nothing where no program went means nothing.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap
from typing import Any

from rich.console import Console
from rich.text import Text

from otterproof.harness.runs.deviations import Known
from otterproof.harness.runs.failure import explain_command
from otterproof.harness.runs.fuzz.behaviour import Area, cells, kinds
from otterproof.harness.runs.fuzz.campaign import MOST, Campaign
from otterproof.harness.runs.fuzz.excuses import check_in
from otterproof.harness.runs.fuzz.folder import SCRIPT
from otterproof.harness.runs.fuzz.shrink import is_adversarial
from otterproof.harness.runs.fuzz.state import REPORT, Finding, FindingStage, severity
from otterproof.harness.runs.fuzz.stories import moves_drawn
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec import requirements
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.registry import command_of, title
from otterproof.harness.ui.fuzz_findings import counts, in_a_line, is_binding, is_new, moves, rule_of, subject, whose
from otterproof.harness.ui.fuzz_progress import Meter, duration
from otterproof.harness.ui.screen import console, line
from otterproof.harness.wire.shown import counted

#: The number of findings shown in full; the others get a line each.
TOLD = 5

#: The reason of a known deviation whose entry has been removed since a program met it.
_GONE = "the entry has been removed since"

#: The longest line, how many names of unseen things are listed, and the most lines of a detail.
_WIDTH, _NAMES, _FACTS = 100, 8, 16


def campaign_summary(campaign: Campaign, known: Known, meter: Meter, *, strict: bool = False) -> None:
    """Print the findings and the coverage. known: the target's known deviations. strict: recommendations count."""
    out = console()
    ordered = sorted(campaign.findings, key=severity)
    there = [one for one in ordered if one.stage is not FindingStage.FIXED]
    excused = [one for one in there if known.reason_of_bucket(one.bucket)]
    new = [one for one in there if is_new(one, known)]
    steady = [one for one in new if not one.flaky]
    for one in steady[:TOLD]:
        out.print()
        _print(out, _entry(campaign, one, min(out.width, _WIDTH), strict=strict))
    lists = {
        "other findings:": steady[TOLD:],
        "only sometimes:": [one for one in new if one.flaky],
        "only after known failures (possibly consequences):": [
            one for one in there if one.follows and one not in excused
        ],
        "fixed:": [one for one in ordered if one.stage is FindingStage.FIXED],
        "found earlier, and now known:": excused,
    }
    for heading, listed in lists.items():
        _list(out, campaign, heading, listed)
    _print(out, _passed_over(campaign, known, min(out.width, _WIDTH)))
    out.print()
    _print(out, _coverage(campaign, meter))
    _print(out, _last(campaign, new, meter, strict=strict))


def _print(out: Console, lines: Sequence[Text] | Iterator[Text]) -> None:
    for text in lines:
        out.print(text, soft_wrap=True)


def _list(out: Console, campaign: Campaign, heading: str, findings: Sequence[Finding]) -> None:
    if findings:
        out.print()
        out.print(line(heading))
    for one in findings:
        rate = f"{one.confirmed} of {one.runs} runs, " if one.flaky else ""
        folder = shlex.quote(printable(str(campaign.folder / one.name)))
        out.print(line(f"  {rate}{in_a_line(one)}"), soft_wrap=True)
        out.print(line(f"    {counted(one.examples, 'program')}; {folder}"), soft_wrap=True)


def _passed_over(campaign: Campaign, known: Known, width: int) -> Iterator[Text]:
    """The known deviations by their reasons, most frequent first."""
    reasons: dict[str, list[str]] = {}
    for excuse, count in sorted(campaign.state.known.items(), key=lambda one: (-one[1], one[0])):
        programs = counted(count, "program")
        # The file may have changed since then.
        reason = known.excuses().get(excuse) or known.reason_of(check_in(excuse)) or _GONE
        reasons.setdefault(reason, []).append(f"{excuse}, {programs}")
    for reason, checks in reasons.items():
        yield line()
        yield from (line(part) for part in wrap(f"known: {printable(reason)}", width))
        yield from (line(f"  {one}") for one in checks)


def _entry(campaign: Campaign, one: Finding, width: int, *, strict: bool) -> Iterator[Text]:
    """A finding in full."""
    binding = is_binding(one, strict=strict)
    style, note = ("red", "") if binding else ("yellow", " (does not count for the exit code)")
    yield line(
        (one.verdict.value.upper(), style), "  ", (subject(one), "bold"), f"  {counted(one.examples, 'program')}"
    )
    yield line("  ", (one.level.value, "bold"), f"{note}, {one.impact.value}{_source(one)}")
    yield from (line("  ", part) for part in wrap(printable(rule_of(one)), width - 2))
    yield from _facts(one, width)
    yield from _pair("plays", one.program.setup.part, width)
    adversarial = sum(map(is_adversarial, one.program.moves))
    again = f", failed in {one.confirmed} of {one.runs} runs" if one.runs else ", not run again yet"
    yield from _pair("moves", f"{moves(one)}{whose(len(one.program.moves), adversarial)}{again}", width)
    if one.others:
        yield from _pair("also", f"then fails by {', '.join(one.others)}", width, most=2)
    yield from _files(campaign, one)
    yield line("  ", (f"{'explain':10}", "dim"), explain_command(one.check))


def _files(campaign: Campaign, one: Finding) -> Iterator[Text]:
    """The page of a finding, and the command that replays it; nothing for a file that could not be written."""
    report, transcript = campaign.folder / one.name / REPORT, campaign.folder / one.transcript
    if os.path.exists(report):
        yield line("  ", (f"{'report':10}", "dim"), shlex.quote(printable(str(report))))
    if os.path.exists(transcript):
        command = command_of(campaign.target)  # a transcript does not choose what is executed
        given = ["--target", command] if command else []
        replay = shlex.join(["otterproof", "replay", str(transcript), *given])
        yield line("  ", (f"{'replay':10}", "dim"), replay)


def _facts(one: Finding, width: int) -> Iterator[Text]:
    """The content of its detail: for a broken rule the values and the place, for a breakdown the first lines."""
    told = ("case", "expected", "got", "where", *(["also"] if one.verdict is not Verdict.FAIL else []))
    word = ""
    for text in one.detail.split("\n")[1 : _FACTS + 1]:
        if not text.startswith("  "):  # it is not from a record
            yield from _pair("", text, width)
            continue
        first = text[2:11].strip()
        word = first or word
        if word in told and (first or word != "where"):  # the fields of a message follow the place
            yield from _pair(first, text[12:].strip(), width, most=2)


def _source(one: Finding) -> str:
    """The requirement behind a finding, and the section of the protocol text that contains it."""
    table = requirements.load().requirements
    name = one.bucket.requirement
    return f', {name}, "{table[name].section}"' if name in table else ""


def _pair(word: str, text: str, width: int, most: int = 8) -> Iterator[Text]:
    """A heading and its text, broken into lines, and cut after the most lines allowed."""
    parts = wrap(printable(text), width - 12, max_lines=most, placeholder=" ...") or [""]
    for number, part in enumerate(parts):
        before = (f"{word:10}", "dim") if word and not number else " " * 10
        yield line("  ", before, part)


def _coverage(campaign: Campaign, meter: Meter) -> Iterator[Text]:
    """What was seen of the target in the whole campaign, and what never was."""
    width = min(console().width, _WIDTH)
    seen = {area: {name for one, name in campaign.state.seen if one is area} for area in Area}
    figures = [
        (len(seen[Area.CELL] & cells()), f"of {len(cells())} cells of the state tables"),
        (len(seen[Area.TRANSITION]), "transitions"),
        (len(seen[Area.KIND] & kinds()), f"of {len(kinds())} kinds of messages received and sent"),
        (len(seen[Area.MOVE] & moves_drawn()), f"of {len(moves_drawn())} kinds of moves"),
    ]
    if campaign.state.edges:
        figures.append((len(seen[Area.EDGE]), "edges of its code"))
    yield from _pair("covered", ", ".join(f"{count} {what}" for count, what in figures), width)
    for name, missing in (("cells", cells() - seen[Area.CELL]), ("kinds", kinds() - seen[Area.KIND])):
        if missing:
            yield from _pair("" if name == "kinds" else "not yet", _some(name, missing), width)
    quiet = campaign.done - campaign.state.newest
    programs = f"{quiet} programs" if quiet > 1 else "program"
    last = f"nothing new in the last {programs}" if quiet else "the last program showed something new"
    since = f", {duration(meter.clock() - meter.newest)}" if quiet and meter.count >= quiet else ""
    yield from _pair("new", f"{last}{since}", width)


def _some(what: str, names: Collection[str]) -> str:
    """Some of many names."""
    more = f", and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return f"{what}: {'; '.join(sorted(names)[:_NAMES])}{more}"


def _last(campaign: Campaign, new: Sequence[Finding], meter: Meter, *, strict: bool) -> Iterator[Text]:
    found = f"{len(new)} found" if new else "nothing found"
    if lesser := sum(not is_binding(one, strict=strict) for one in new):
        found += f" ({lesser} {'does' if lesser == 1 else 'do'} not count for the exit code)"
    if campaign.state.waiting is not None:
        found += ", the failure of the last program not examined yet"
    if campaign.state.not_kept:
        found += f", {campaign.state.not_kept} more failures not kept (a campaign keeps {MOST} findings)"
    earlier = f" ({meter.count} in this run)" if meter.count < campaign.done else ""
    time = f"{duration(meter.seconds)}, {meter.rate:.1f} a second"
    what = f"{title(campaign.target)}: {counted(campaign.done, 'program')}{earlier}, {time}, {found}; {campaign.folder}"
    yield line(what)


def campaign_as_json(campaign: Campaign, known: Known, meter: Meter, *, strict: bool = False) -> dict[str, Any]:
    """The findings and the coverage as plain JSON values; file paths are relative to the campaign's folder."""
    return {
        "target": title(campaign.target),
        "target_version": campaign.version,
        "seed": campaign.seed,
        "folder": str(campaign.folder),
        "programs": campaign.done,
        "seconds": round(meter.seconds, 3),
        "edges": campaign.state.edges,
        "newest": campaign.state.newest,
        "covered": {area.value: sorted(name for one, name in campaign.state.seen if one is area) for area in Area},
        "known": dict(campaign.state.known),
        "findings": [
            _finding_as_json(campaign, one, known, strict=strict) for one in sorted(campaign.findings, key=severity)
        ],
    }


def _finding_as_json(campaign: Campaign, one: Finding, known: Known, *, strict: bool) -> dict[str, Any]:
    def written(file: str) -> str:
        path = Path(one.name, file)
        return str(path) if os.path.exists(campaign.folder / path) else ""

    return {
        "name": one.name,
        "stage": one.stage.value,
        "check": one.check,
        "bucket": asdict(one.bucket),
        "verdict": one.verdict.value,
        "level": one.level.value,
        "impact": one.impact.value,
        "counts": counts(one, known, strict=strict),
        "known": known.reason_of_bucket(one.bucket),
        "follows": list(one.follows),
        "others": list(one.others),
        "rule": rule_of(one),
        "detail": one.detail,
        "programs": one.examples,
        "moves": len(one.program.moves),
        "confirmed": one.confirmed,
        "runs": one.runs,
        "transcript": str(one.transcript),
        "test": str(one.test) if one.test is not None else "",
        "report": written(REPORT),
        "repro": written(SCRIPT),
    }
