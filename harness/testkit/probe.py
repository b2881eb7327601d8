"""Readings measured: a probe finds out which answer a target gives to a question that the protocol texts leave open.

A probe is a decorated function, and as such a scenario of the kind "readings": it brings about the situation that the
question is about, and returns the option that the target takes (harness/spec/requirements/readings_*.toml). It is asked
twice, with different randomness, and must come to the same answer; an answer that the texts do not support fails. What
was measured is in the result, so that a report can show it.
"""

from __future__ import annotations

from collections.abc import Callable

from otterproof.harness.spec.requirements import load
from otterproof.harness.targets.engines import ENGINES
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.reply import check
from otterproof.harness.testkit.scenario import scenario

Probe = Callable[[Context], str]

#: The probes, by the id of the reading.
PROBES: dict[str, Probe] = {}


def reading(name: str, *, needs: tuple[str, ...] = (), peer_needs: tuple[str, ...] = ()) -> Callable[[Probe], Probe]:
    """Make a function the probe of a reading. UnknownId for a reading that is not in the register."""
    question = load().reading(name)

    def register(probe: Probe) -> Probe:
        PROBES[name] = probe

        def measure(context: Context) -> None:
            first, again = probe(context), probe(context.reseeded(b"again"))
            check(first in question.options, f"the answer to {name} is one of {', '.join(question.options)}: {first}")
            check(first == again, f"the answer to {name} is the same each time, and was {first}, then {again}")
            context.readings[name] = first
            supported = ", ".join(question.supported)
            check(first in question.supported, f"the texts bear {supported} as the answer to {name}, and it is {first}")
            if context.target.name in ENGINES:
                check(first == question.ours, f"the project's engines answer {name} with {question.ours}: {first}")

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
