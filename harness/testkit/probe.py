"""Measuring readings: a probe determines how a target answers a question that the protocol texts leave open.

A probe is a decorated function, which makes it a scenario of the kind "readings". It creates the situation in question,
and returns the option that the target takes (harness/spec/requirements/readings_*.toml). It runs twice, with different
randomness, and must return the same answer both times; an answer that the texts do not support fails. The answer is
part of the result, so that reports can show it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from otterproof.harness.spec.requirements import load
from otterproof.harness.targets.engines import ENGINES
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.reply import check, check_equal
from otterproof.harness.testkit.scenario import scenario

Probe = Callable[[Context], str]

#: The probes, by the id of the reading.
PROBES: dict[str, Probe] = {}


def _one_of(options: Iterable[str]) -> str:
    return " or ".join(options)


def same_answer(answers: Sequence[str], case: str) -> str:
    """Demand that inputs which raise the same question are treated alike; return the common answer."""
    check("reading.inconsistent", len(set(answers)) == 1, expected="one answer", got=answers, case=case)
    return answers[0]


def reading(name: str, *, needs: tuple[str, ...] = (), peer_needs: tuple[str, ...] = ()) -> Callable[[Probe], Probe]:
    """Make a function the probe of a reading. Raises UnknownId for a reading that is not in the register."""
    question = load().reading(name)

    def register(probe: Probe) -> Probe:
        PROBES[name] = probe

        def measure(context: Context) -> None:
            first, again = probe(context), probe(context.reseeded(b"again"))
            options, supported = question.options, question.supported
            check("reading.unknown-option", first in options, expected=_one_of(options), got=first, case=name)
            check("reading.not-repeatable", first == again, expected=f"{first} again", got=again, case=name)
            context.readings[name] = first
            check("reading.not-supported", first in supported, expected=_one_of(supported), got=first, case=name)
            if context.target.name in ENGINES:
                ours = question.ours
                check_equal("reading.engine-answers-otherwise", first, ours, case=name)

        measure.__name__, measure.__module__, measure.__qualname__ = (
            probe.__name__,
            probe.__module__,
            probe.__qualname__,
        )
        measure.__doc__ = f"{question.question}\n\n{question.probe}"
        claims = tuple(one for one in question.requirements if load().requirement(one).kind == "covered")
        scenario(versions=question.versions, requirements=claims, needs=needs, peer_needs=peer_needs)(measure)
        return probe

    return register
