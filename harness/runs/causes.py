"""Failures put together by their cause, the cause first that tells most about the mistake.

One mistake makes many scenarios fail, and most of them not where the mistake is. So failures with one check are one
cause, and causes are put in an order by how much the results accuse the requirements behind them: of the scenarios that
judge a requirement, how many fail. How many fail in all does not count, for what breaks everywhere makes all scenarios
fail alike. Some causes say less about the mistake than their requirements are accused, and count for less:

- A check that is general, such as that a text arrives: it also fails for many other reasons.
- A failure that looks like many of those (the same kind of message led to the same reports), though its check is about
  something particular: its scenario did not get as far as that.
- A failure in which the target refused something: another failure, in which it took something wrong for genuine, is
  certain to be a mistake of just that kind.
- A failure in a random run, in a comparison, in a conversation with a whole client, or in a table of states and
  policies, each of which is about many things at once.

What binds more comes first, but what only random runs and comparisons show comes last of all. A failure of a basic
check comes before the others of its level. What is equal there is put in the order in which a conversation goes, for
what comes later needs what comes before it. Last, a cause whose check presumes another one is put behind that, if it
fails as well and is as binding; and so is one that looks like many failures, most of which are of a general check,
behind that check: what they have in common is what it demands.
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

#: So many failures of general checks that look alike are what breaks everywhere.
COMMON = 10

_LEVELS = list(Level)

#: How many requirements a cause tells.
TOLD = 3

#: Random runs and comparisons, which show that something is wrong and do not say what.
_UNCLEAR_IN = ("properties.", "differential.")

#: How much is left of the weight of what says less about a mistake: a general check, a failure that looks like many
#: others, a failure in one of these scenarios.
_GENERAL, _ALIKE, _AT_ONCE = 0.25, 0.5, 0.3
_AT_ONCE_IN = (
    *_UNCLEAR_IN,
    "readings.",
    "walkthrough.",
    "conformance.interop.",
    "conformance.cells.",
    "conformance.cells_paths.",
)

#: How much is left of the weight of a failure in which the target took something for wrong or did nothing, which may
#: have any cause. One that took something wrong for genuine says more.
_REFUSED = 0.8

#: How much is left of the weight of a requirement for each one that stands before it in the list of a check, and of one
#: that only a scenario claims.
_LATER, _RELATED = 0.9, 0.8


@dataclass(frozen=True, slots=True)
class Cause:
    """Failures that are taken to have one cause. first: the one that shows it best; results: all of them, it included.

    consequence: the failures say little about the mistake, and others that say more come before. told: the requirements
    that are most likely broken, at most TOLD, the likeliest first; several only if the check follows from all of them.
    """

    first: Result
    results: tuple[Result, ...]
    consequence: bool
    told: tuple[str, ...] = ()

    @property
    def failure(self) -> Failure:
        """The record of the first."""
        if self.first.failure is None:
            raise ValueError(f"{self.first.scenario} did not fail")
        return self.first.failure

    @property
    def level(self) -> Level:
        """How binding the demand is; a target that breaks down breaks what is binding."""
        return self.failure.level if self.first.verdict is Verdict.FAIL else Level.MUST


def causes(results: Sequence[Result]) -> list[Cause]:
    """The causes of the failures among the results of one target, the likeliest first. Known failures are left out."""
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if _failed(result):
            groups[result.check or result.verdict.value].append(result)
    general = Counter(_shape(one) for name, group in groups.items() if is_general(name) for one in group)
    common = {shape for shape, count in general.items() if shape and count >= COMMON}
    accused = accusation(results)
    found: list[tuple[tuple[int, bool, float, bool, int, int, str], Cause]] = []
    for name, group in groups.items():
        tested = "" if name in checks() else _put_to_the_test(group, accused)
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
    """The general check that most of the failures are of which look alike, by what they look like."""
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
    """Causes in their order, but each behind those that it presumes, directly or not.

    That is what its check presumes, and the general check that most failures are of which look like it.
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
    """What a failure looks like, whatever it is about: the last input and what it led to."""
    place = result.failure.place if result.failure is not None else None
    return (result.verdict.value, *place.shape) if place is not None else ()


def is_general(check: str) -> bool:
    """Whether a check also fails for many reasons that have nothing to do with it, so that it says little."""
    return check in checks() and (checks()[check].general or not checks()[check].requirements)


def accusation(results: Iterable[Result]) -> Mapping[str, float]:
    """How much the results accuse each requirement, from 0 to 1: of the scenarios that judge it, how many fail.

    What is wrong in one protocol version alone is wrong: that of the worse version counts. A requirement that a check
    follows from, and that no scenario claims which was run, has nothing to its credit.
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
    """What the scenario claims to judge, in its order."""
    return tuple(_of_version(result.claimed, result))


def _demanded(result: Result) -> tuple[str, ...]:
    """What the check that failed follows from, the main requirement first; () where the target broke down."""
    return tuple(_of_version(checks()[result.check].requirements, result)) if result.check in checks() else ()


def _of_version(names: Iterable[str], result: Result) -> Iterator[str]:
    """Those of some requirements that hold in the version of a scenario."""
    table = requirements.load().requirements
    return (
        name
        for name in names
        if name not in table or f"[v{table[name].versions[0]}]" in result.scenario or len(table[name].versions) > 1
    )


def _clearest(group: Sequence[Result], common: Collection[tuple[str, ...]]) -> Result:
    """Of the failures of one check, the one that shows it best: about just that, and short."""

    def order(result: Result) -> tuple[bool, bool, bool, int, int, str]:
        claimed, demanded = _claimed(result), _demanded(result)
        astray = bool(demanded) and not {*claimed} & {*demanded}
        alike = _shape(result) in common
        return alike, _is_at_once(result), astray, len(claimed), result.steps, result.scenario

    return min(group, key=order)


def _put_to_the_test(group: Sequence[Result], accused: Mapping[str, float]) -> str:
    """What a target most likely can't cope with that breaks down in some scenarios, "" where they claim nothing.

    What many of them claim that claim little else, and what fails wherever it is tried.
    """
    blamed: dict[str, float] = defaultdict(float)
    for claimed in sorted(map(_claimed, group), key=len):
        for name in claimed:
            blamed[name] += accused[name] / len(claimed)
    return max(blamed, key=lambda name: blamed[name], default="")


def _weights(group: Sequence[Result], first: Result, accused: Mapping[str, float]) -> dict[str, float]:
    """How likely it is that a cause comes from each requirement that it has to do with.

    These are what its check follows from, and what its scenarios claim.
    """
    own = _demanded(first)
    weights = {name: accused[name] * _LATER**number for number, name in enumerate(own)}
    for result in group if own else (first,):
        for name in _claimed(result):
            weights.setdefault(name, accused[name] * (_RELATED if own else 1))
    return weights


def _told(first: Result, weights: Mapping[str, float]) -> tuple[str, ...]:
    """The requirements that a cause tells. Several ones only if the check follows from all of them; its main one then
    is among them.

    Where all that a general check follows from holds elsewhere, it fails for what its scenario is about.
    """
    likeliest = sorted(weights, key=lambda one: -weights[one])
    own = [one for one in likeliest if one in _demanded(first)]
    if own and not (is_general(first.check) and weights[own[0]] < weights[likeliest[0]] * _GENERAL):
        main = _demanded(first)[0]
        return tuple(own[:TOLD] if main in own[:TOLD] else [*own[: TOLD - 1], main])
    if first.check in checks() and not own:  # it follows from what its scenario claims
        return tuple([one for one in likeliest if one in _claimed(first)][:TOLD])
    return tuple(likeliest[:1])


def _share(first: Result, common: Collection[tuple[str, ...]]) -> float:
    """How much of its weight a cause keeps."""
    share = _AT_ONCE if _is_at_once(first) else 1.0
    place = first.failure.place if first.failure is not None else None
    if place is not None and place.refused:
        share *= _REFUSED
    if is_general(first.check):
        return share * _GENERAL
    return share * (_ALIKE if _shape(first) in common else 1.0)


def _level(cause: Cause) -> int:
    """The level of a cause, as a place in the order. What only random runs and comparisons show comes last: they do not
    say what it is, and a failure of a lower level that a scenario is about says it.
    """
    unclear = cause.first.scenario.startswith(_UNCLEAR_IN)
    return len(_LEVELS) if unclear else _LEVELS.index(cause.level)


def _is_at_once(result: Result) -> bool:
    """Whether the scenario is about many things at once."""
    return result.scenario.startswith(_AT_ONCE_IN)


def _rank(cause: Cause, weight: float) -> tuple[int, bool, float, bool, int, int, str]:
    area = cause.first.check.partition(".")[0]
    return (
        _level(cause),
        not (cause.first.check in checks() and checks()[cause.first.check].basic),
        -round(weight, 6),
        _is_at_once(cause.first),
        ORDER.index(area) if area in ORDER else len(ORDER),
        -len(cause.results),
        cause.first.check,
    )
