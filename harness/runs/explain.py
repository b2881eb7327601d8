"""Explanations: what an id means, why it matters, where the texts say it, and who gets it wrong.

Reports name checks, signatures, requirements, readings, scenarios, oracles, verdicts and faults by their ids. An
explanation is assembled from the project's tables; only the sentences about verdicts and breakdowns are kept here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from otterproof.harness.judges.oracles import ORACLES, descriptions
from otterproof.harness.runs import deviations
from otterproof.harness.runs.faults.trips import tripped_by_hint, tripped_checks, trips
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec import requirements
from otterproof.harness.spec.checks import checks, level_of
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.suggestions import did_you_mean
from otterproof.harness.targets.driver import THIRD_PARTIES
from otterproof.harness.targets.faults import faults
from otterproof.harness.testkit.scenario import scenarios

#: What each verdict means, and what to do about it.
VERDICTS: Mapping[Verdict, str] = {
    Verdict.PASS: "Every demand of the scenario held.",
    Verdict.FAIL: "A demand did not hold, and the target answered all the same. The check says which demand.",
    Verdict.UNSUPPORTED: "The scenario needs what the target does not claim or can't do. That is no failure.",
    Verdict.CRASH: "The process of the target ended, or the implementation raised an error. No message may cause that.",
    Verdict.HANG: "The target did not answer within the time limit (--timeout), and its process was killed.",
    Verdict.DESYNC: "What came back was no answer to what was asked. The driver is wrong: see "
    "docs/reference/driver-protocol.md.",
    Verdict.GIVEN_UP: "The target had hung or crashed at the same call too often and was not asked any more "
    "(--give-up-after).",
    Verdict.INFRA: "The scenario itself went wrong. That is a defect of Otterproof, and says nothing about the target.",
}

#: Signatures of targets that break down, and their meaning.
_SIGNATURES: Mapping[str, str] = {
    "crash": "The process of the target ended during a call of this method. The id ends with the signal or the exit "
    "code; after a sanitizer's report, with the error and the innermost functions of the stack, as in "
    "heap-buffer-overflow-in-sm-step4; or with `stranded`, if the target reported twice that something it depends on, "
    "such as a server, had ended.",
    "hang": "The target did not answer this method within the time limit.",
    "desync": "What the driver answered to this method is no answer to it.",
    "exception": "The implementation raised this error over this method, and the driver lives on.",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """The meaning of an id. kind: what it is the id of. facts: pairs of heading and lines. wrong: who gets it wrong."""

    id: str
    kind: str
    text: str
    facts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    wrong: Mapping[str, str] = field(default_factory=dict)


def explain(wanted: str) -> Explanation:
    """Explain an id. Raises UsageError for an unknown one."""
    for find in (_check, _signature, _requirement, _reading, _scenario, _oracle, _verdict, _fault):
        found = find(wanted)
        if found is not None:
            return found
    hint = did_you_mean(wanted, all_ids(), "`otterproof explain --list` lists all ids")
    raise UsageError(f"unknown id: {wanted!r:.200}{hint}")


@cache
def all_ids() -> Mapping[str, str]:
    """Every id that can be explained, and what it is the id of."""
    table = requirements.load()
    groups: Mapping[str, Iterable[str]] = {
        "check": checks(),
        "requirement": table.requirements,
        "reading": table.readings,
        "scenario": (one.id.partition("[")[0] for one in scenarios()),
        "oracle": ORACLES,
        "verdict": (verdict.value for verdict in Verdict),
        "fault": faults(),
    }
    found: dict[str, str] = {}
    for kind, names in groups.items():
        for name in names:
            found.setdefault(name, kind)
    return found


def _check(wanted: str) -> Explanation | None:
    check = checks().get(wanted)
    if check is None:
        return None
    facts = [("level", (level_of(wanted).value,)), ("follows from", tuple(map(_requirement_line, check.requirements)))]
    if wanted in tripped_checks():
        fault, scenario = tripped_checks()[wanted]
        facts.append(("for example", (faults()[fault].summary,)))
        facts.append(("to see it fail", (f"otterproof check fault:{fault} --only '{scenario}'",)))
    return Explanation(wanted, "check", check.rule, _given(facts), _wrong(lambda entry: entry.check == wanted))


def _signature(wanted: str) -> Explanation | None:
    kind, dot, _ = wanted.partition(".")
    if kind not in _SIGNATURES or not dot:
        return None
    return Explanation(
        wanted,
        "way in which a target breaks down",
        _SIGNATURES[kind],
        wrong=_wrong(lambda entry: entry.check == wanted),
    )


def _requirement(wanted: str) -> Explanation | None:
    requirement = requirements.load().requirements.get(wanted.upper())
    if requirement is None:
        return None
    name = requirement.id
    judged = sorted({one.id.partition("[")[0] for one in scenarios() if name in one.claimed})
    demanded = [f"{one.id}: {one.rule}" for one in checks().values() if name in one.requirements]
    facts = [
        ("level", (requirement.level.value,)),
        ("versions", (" and ".join(map(str, requirement.versions)),)),
        ("section", requirement.sections),
        ("says the same", tuple(map(_requirement_line, sorted(requirements.load().restatements(name))))),
        ("note", (requirement.note or requirement.implied or requirement.reason,)),
        ("readings", requirement.readings),
        ("checks", tuple(demanded)),
        ("scenarios", tuple(judged)),
        ("faults", tuple(f"{fault.name}: {fault.summary}" for fault in faults().values() if name in fault.breaks)),
    ]
    own = {one.id for one in checks().values() if name in one.requirements[:1]}
    wrong = _wrong(lambda entry: entry.check in own or (entry.about == "requirement" and entry.name == name))
    return Explanation(name, "requirement", requirement.text, _given(facts), wrong)


def _reading(wanted: str) -> Explanation | None:
    name, _, option = wanted.upper().partition(":")
    reading = requirements.load().readings.get(name)
    if reading is None:
        return None
    facts = [
        ("the texts", (reading.text,)),
        ("options", tuple(f"{one}: {text}" for one, text in reading.options.items() if option in ("", one.upper()))),
        ("supported", reading.supported),
        ("this project", (reading.ours,)),
        ("requirements", tuple(map(_requirement_line, reading.requirements))),
        ("measured by", (reading.probe,)),
        ("known answers", tuple(f"{target}: {one}" for target, one in reading.known.items())),
    ]
    return Explanation(name, "reading", reading.question, _given(facts))


def _scenario(wanted: str) -> Explanation | None:
    found = [one for one in scenarios() if wanted in (one.id, one.id.partition("[")[0])]
    if not found:
        return None
    one = found[0]
    ids = {each.id for each in found}
    faulty = {name for known in (trips(), tripped_by_hint()) for scenario, name in known.items() if scenario in ids}
    facts = [
        ("versions", (" and ".join(str(each.version) for each in found),)),
        ("needs", tuple(sorted(one.needs - {f"v{one.version}"}))),
        ("judges", tuple(map(_requirement_line, one.claimed))),
        ("to see it fail", tuple(f"otterproof check fault:{name} --only '{one.id}'" for name in sorted(faulty)[:3])),
    ]
    bare = one.id.partition("[")[0]
    wrong = _wrong(lambda entry: entry.about == "scenario" and entry.name.partition("[")[0] == bare)
    return Explanation(wanted, "scenario", _paragraphs(one.description), _given(facts), wrong)


def _oracle(wanted: str) -> Explanation | None:
    if wanted not in ORACLES:
        return None
    own = tuple(
        f"{one.id}: {one.rule}" for one in checks().values() if one.of_oracle and one.id.startswith(f"{wanted}.")
    )
    return Explanation(wanted, "oracle", "\n".join(descriptions()[wanted]), _given([("checks", own)]))


def _verdict(wanted: str) -> Explanation | None:
    found = next((one for one in Verdict if one.value == wanted.lower()), None)
    return None if found is None else Explanation(found.value, "verdict", VERDICTS[found])


def _fault(wanted: str) -> Explanation | None:
    fault = faults().get(wanted.removeprefix("fault:"))
    if fault is None:
        return None
    facts = [
        ("breaks", tuple(map(_requirement_line, fault.breaks))),
        ("oracle", (fault.oracle,)),
        ("source", (fault.source,)),
        ("to see it fail", (f"otterproof check fault:{fault.name} --only {fault.hint}",)),
    ]
    return Explanation(fault.name, "fault", fault.summary, _given(facts))


def _given(facts: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The facts that have any lines."""
    kept = ((word, tuple(filter(None, lines))) for word, lines in facts)
    return tuple((word, lines) for word, lines in kept if lines)


def _paragraphs(text: str) -> str:
    """A text with each paragraph on one line."""
    return "\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _requirement_line(name: str) -> str:
    requirement = requirements.load().requirements.get(name)
    if requirement is None:
        return name
    return f'{name} ({requirement.level.value}, "{requirement.section}"): {requirement.text}'


def _wrong(fits: Callable[[deviations.Deviation], bool]) -> Mapping[str, str]:
    """The third-party targets that are known to get it wrong, each with the reasons."""
    known = {name: deviations.of_several(name, ()) for name in THIRD_PARTIES}
    found = {name: dict.fromkeys(entry.reason for entry in entries if fits(entry)) for name, entries in known.items()}
    return {name: " ".join(reasons) for name, reasons in found.items() if reasons}
