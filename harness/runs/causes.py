"""Failures grouped by cause, with the cause that says most about the mistake first.

One mistake makes many scenarios fail, most of them in places unrelated to it. Failures of one check form one cause.
Causes are ranked by how strongly the results accuse the requirements behind them: which share of the scenarios that
judge a requirement fails. The total number of failures does not count, because a basic defect makes all scenarios fail
alike. Some causes weigh less than the accusation of their requirements:

- A general check, such as that a text arrives: it also fails for many other reasons.
- A failure that looks like many of those (the same kind of message led to the same reports), although its check is
  specific: its scenario did not get as far as that check.
- A failure in which the target refused something. A failure in which it accepted something forged points to exactly one
  kind of mistake.
- A failure in a random run, in a comparison, in a conversation with a whole client, or in a table of states and
  policies: each of these covers many things at once.

More binding requirements come first, and causes that only random runs and comparisons show come last. Within a level,
failures of basic checks come first. Ties follow the order of a conversation, because its later parts need the earlier
ones. Finally, two kinds of causes move back: one whose check presumes another check moves behind that one, if it fails
too and is as binding; and one that looks like many failures, most of them of one general check, moves behind that
check, which demands what these failures have in common.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from otterproof.harness.runs.failure import Failure
from otterproof.harness.runs.runner import Result
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec import requirements
from otterproof.harness.spec.checks import checks
from otterproof.harness.spec.requirements import Level

#: The areas of checks, in the order in which a conversation needs them.
ORDER = (
    "driver",
    "robustness",
    "bounds",
    "message",
    "form",
    "encoding",
    "query",
    "tag",
    "error",
    "instance",
    "instance-tags",
    "derivation",
    "handshake",
    "session",
    "agreement",
    "data",
    "counters",
    "authenticity",
    "rejection",
    "text",
    "leaks",
    "fragment",
    "fragments",
    "keys",
    "key-ids",
    "mac-reveal",
    "mac-revelation",
    "deniability",
    "forgetting",
    "tlv",
    "extra-key",
    "smp",
    "state",
    "states",
    "policy",
    "user",
    "screen",
    "restart",
    "logs",
    "limits",
    "run",
    "healing",
    "reading",
    "engines-agree",
    "model",
    "differential",
)

#: If this many failures of general checks look alike, something basic is broken.
COMMON = 10

_LEVELS = list(Level)

#: The most requirements that a cause names.
TOLD = 3

#: Random runs and comparisons: they show that something is wrong, but not what.
_UNCLEAR_IN = ("properties.", "differential.")

#: The share of its weight that a less telling cause keeps: a general check, a failure that looks like many others, a
#: failure in one of these scenarios.
_GENERAL, _ALIKE, _AT_ONCE = 0.25, 0.5, 0.3
_AT_ONCE_IN = (
    *_UNCLEAR_IN,
    "readings.",
    "walkthrough.",
    "conformance.interop.",
    "conformance.cells.",
    "conformance.cells_paths.",
)

#: The share of its weight that a failure keeps if the target rejected something or did nothing, which may have any
#: cause. Accepting something forged says more.
_REFUSED = 0.8

#: The share of its weight that a requirement keeps for each one listed before it in its check, and that a requirement
#: keeps if only a scenario claims it.
_LATER, _RELATED = 0.9, 0.8


@dataclass(frozen=True, slots=True)
class Cause:
    """Failures that are assumed to have one cause. first: the clearest of them; results: all of them.

    consequence: the failures say little about the mistake, and more telling causes come before. told: the requirements
    that are most likely broken, likeliest first, at most TOLD; several only if the check follows from all of them.
    """

    first: Result
    results: tuple[Result, ...]
    consequence: bool
    told: tuple[str, ...] = ()

    @property
    def failure(self) -> Failure:
        """The record of the clearest failure."""
        if self.first.failure is None:
            raise ValueError(f"{self.first.scenario} did not fail")
        return self.first.failure

    @property
    def level(self) -> Level:
        """How binding the demand is. A breakdown of the target counts as MUST."""
        return self.failure.level if self.first.verdict is Verdict.FAIL else Level.MUST


def causes(results: Sequence[Result]) -> list[Cause]:
    """The causes of the failures of one target, the likeliest first. Known failures are left out."""
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if _failed(result):
            groups[result.check or result.verdict.value].append(result)
    general = Counter(_shape(one) for name, group in groups.items() if is_general(name) for one in group)
    common = {shape for shape, count in general.items() if shape and count >= COMMON}
    accused = accusation(results)
    found: list[tuple[tuple[int, bool, float, bool, int, int, str], Cause]] = []
    for name, group in groups.items():
        tested = "" if name in checks() else _suspected_requirement(group, accused)
        first = _clearest([one for one in group if not tested or tested in _claimed(one)], common)
        weights = _weights(group, first, accused)
        told = (tested,) if tested else _told(first, weights)
        vague = is_general(name) or _shape(first) in common
        cause = Cause(first, tuple(group), vague, told)
        weight = weights[told[0]] * _share(first, common) if told else 0.0
        found.append((_rank(cause, weight), cause))
    ordered = _presumed_first([cause for _, cause in sorted(found, key=lambda one: one[0])], _helpers(groups))
    clear = next((number for number, cause in enumerate(ordered) if not cause.consequence), len(ordered))
    return [replace(cause, consequence=cause.consequence and number > clear) for number, cause in enumerate(ordered)]


def _helpers(groups: Mapping[str, Sequence[Result]]) -> Mapping[tuple[str, ...], str]:
    """For each set of failures that look alike, the general check that most of them failed, by what they look like."""
    shapes: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for name, group in groups.items():
        for one in group:
            shapes[_shape(one)][name] += 1
    found = {}
    for shape, names in shapes.items():
        ((name, count),) = names.most_common(1)
        if shape and is_general(name) and count >= max(COMMON, names.total() / 2):
            found[shape] = name
    return found


def _presumed_first(ordered: Sequence[Cause], helpers: Mapping[tuple[str, ...], str]) -> list[Cause]:
    """The causes in their order, but each behind the causes that it presumes, directly or not.

    A cause presumes the causes that its check presumes, and the general check that most failures of its look failed.
    """
    by_check = {cause.first.check: cause for cause in ordered}
    found: dict[str, Cause] = {}
    entered: set[str] = set()

    def put(cause: Cause, level: Level) -> None:
        if cause.first.check not in found and _LEVELS.index(cause.level) <= _LEVELS.index(level):
            entered.add(cause.first.check)
            own = checks()[cause.first.check].presumes if cause.first.check in checks() else ()
            helper = helpers.get(_shape(cause.first), "")
            if helper in checks() and cause.first.check not in checks()[helper].presumes:
                own = (*own, helper)
            for name in own:
                if name in by_check and name not in entered:
                    put(by_check[name], cause.level)
            found[cause.first.check] = cause

    for cause in ordered:
        put(cause, cause.level)
    return list(found.values())


def _failed(result: Result) -> bool:
    return result.failure is not None and not result.known


def _shape(result: Result) -> tuple[str, ...]:
    """What a failure looks like, regardless of its subject: the last input and what it led to."""
    place = result.failure.place if result.failure is not None else None
    return (result.verdict.value, *place.shape) if place is not None else ()


def is_general(check: str) -> bool:
    """Whether a check also fails for many unrelated reasons, so that its failure says little."""
    return check in checks() and (checks()[check].general or not checks()[check].requirements)


def accusation(results: Iterable[Result]) -> Mapping[str, float]:
    """How strongly the results accuse each requirement, from 0 to 1: the share of failures among its scenarios.

    If the protocol versions differ, the worse one counts. A requirement that a failed check follows from, but that no
    scenario in the run claims, has nothing to its credit.
    """
    failed: Counter[tuple[str, str]] = Counter()
    tried: Counter[tuple[str, str]] = Counter()
    demanded: set[str] = set()
    for result in results:
        if result.verdict is Verdict.UNSUPPORTED:
            continue
        version = result.scenario.partition("[")[2]
        claimed = [(name, version) for name in _claimed(result)]
        tried.update(claimed)
        if _failed(result):
            failed.update(claimed)
            demanded.update(_demanded(result))
    found: dict[str, float] = {}
    for one, count in failed.items():
        found[one[0]] = max(found.get(one[0], 0.0), count / tried[one])
    known = {name for name, _ in tried}
    return found | {name: 0.0 if name in known else 1.0 for name in demanded if name not in found}


def _claimed(result: Result) -> tuple[str, ...]:
    """The requirements that the scenario claims to judge, in its order."""
    return tuple(_of_version(result.claimed, result))


def _demanded(result: Result) -> tuple[str, ...]:
    """The requirements that the failed check follows from, the main one first; () if the target broke down."""
    return tuple(_of_version(checks()[result.check].requirements, result)) if result.check in checks() else ()


def _of_version(names: Iterable[str], result: Result) -> Iterator[str]:
    """Those of the requirements that apply in the version of a scenario."""
    table = requirements.load().requirements
    return (
        name
        for name in names
        if name not in table or f"[v{table[name].versions[0]}]" in result.scenario or len(table[name].versions) > 1
    )


def _clearest(group: Sequence[Result], common: Collection[tuple[str, ...]]) -> Result:
    """The failure of one check that shows it best: specific, and short."""

    def order(result: Result) -> tuple[bool, bool, bool, int, int, str]:
        claimed, demanded = _claimed(result), _demanded(result)
        astray = bool(demanded) and not {*claimed} & {*demanded}
        alike = _shape(result) in common
        return alike, _covers_many_things(result), astray, len(claimed), result.steps, result.scenario

    return min(group, key=order)


def _suspected_requirement(group: Sequence[Result], accused: Mapping[str, float]) -> str:
    """What a target that breaks down in some scenarios most likely can't cope with; "" if they claim nothing.

    Looks for a requirement that many of them claim, that they claim nearly alone, and that fails wherever it is tried.
    """
    blamed: dict[str, float] = defaultdict(float)
    for claimed in sorted(map(_claimed, group), key=len):
        for name in claimed:
            blamed[name] += accused[name] / len(claimed)
    return max(blamed, key=lambda name: blamed[name], default="")


def _weights(group: Sequence[Result], first: Result, accused: Mapping[str, float]) -> dict[str, float]:
    """How likely each requirement is the origin of a cause.

    The candidates are the requirements that its check follows from and those that its scenarios claim.
    """
    own = _demanded(first)
    weights = {name: accused[name] * _LATER**number for number, name in enumerate(own)}
    for result in group if own else (first,):
        for name in _claimed(result):
            weights.setdefault(name, accused[name] * (_RELATED if own else 1))
    return weights


def _told(first: Result, weights: Mapping[str, float]) -> tuple[str, ...]:
    """The requirements that a cause names: several only if the check follows from all of them, its main one among them.

    If every requirement behind a general check holds elsewhere, the cause names what its scenario is about.
    """
    likeliest = sorted(weights, key=lambda one: -weights[one])
    own = [one for one in likeliest if one in _demanded(first)]
    if own and not (is_general(first.check) and weights[own[0]] < weights[likeliest[0]] * _GENERAL):
        main = _demanded(first)[0]
        return tuple(own[:TOLD] if main in own[:TOLD] else [*own[: TOLD - 1], main])
    if first.check in checks() and not own:  # the check follows from what its scenario claims
        return tuple([one for one in likeliest if one in _claimed(first)][:TOLD])
    return tuple(likeliest[:1])


def _share(first: Result, common: Collection[tuple[str, ...]]) -> float:
    """The share of its weight that a cause keeps."""
    share = _AT_ONCE if _covers_many_things(first) else 1.0
    place = first.failure.place if first.failure is not None else None
    if place is not None and place.refused:
        share *= _REFUSED
    if is_general(first.check):
        return share * _GENERAL
    return share * (_ALIKE if _shape(first) in common else 1.0)


def _level(cause: Cause) -> int:
    """The level of a cause, as a position in the ranking.

    What only random runs and comparisons show comes last: they do not say what is wrong, whereas a failure of a lower
    level in a specific scenario does.
    """
    unclear = cause.first.scenario.startswith(_UNCLEAR_IN)
    return len(_LEVELS) if unclear else _LEVELS.index(cause.level)


def _covers_many_things(result: Result) -> bool:
    """Whether the scenario covers many things at once."""
    return result.scenario.startswith(_AT_ONCE_IN)


def _rank(cause: Cause, weight: float) -> tuple[int, bool, float, bool, int, int, str]:
    area = cause.first.check.partition(".")[0]
    return (
        _level(cause),
        not (cause.first.check in checks() and checks()[cause.first.check].basic),
        -round(weight, 6),
        _covers_many_things(cause.first),
        ORDER.index(area) if area in ORDER else len(ORDER),
        -len(cause.results),
        cause.first.check,
    )
