"""Random runs: our own engines are judged by all oracles and the model at once, any target by one oracle at a time.

A third-party target may break one oracle in every run and satisfy the others, so each oracle has its own scenario.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from otterproof.harness.judges.oracles import ORACLES, RENEWALS
from otterproof.harness.runs.fuzz.execute import attempt, chain
from otterproof.harness.runs.fuzz.generate import Program, plain_program
from otterproof.harness.runs.fuzz.reproduce import header_of
from otterproof.harness.simulation.world import Step
from otterproof.harness.targets.driver import TargetError
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.reply import Unsupported
from otterproof.harness.testkit.scenario import scenario

#: How many runs each oracle judges in each version.
EXAMPLES = 8

#: The oracle that judges whether a target breaks down. The others judge such a run up to that point.
BREAKDOWNS = "bounds"


@scenario(
    versions=(3,),
    needs=("lockstep",),
    requirements=(
        "ROBUST-INPUT-1",
        "!ROBUST-INPUT-2",
        "ROBUST-INPUT-3",
        "ROBUST-LOOP-2",
        "!STATE-SECRECY-1",
        "!STATE-SECRECY-2",
        "AKE-BOTH-1",
        "DATA-CTR-1",
        "!DATA-CTR-3",
        "!DATA-RECV-12",
        "!DATA-RECV-13",
        "MACREVEAL-WHEN-4",
        "MACREVEAL-WHEN-5",
        "MACREVEAL-WHEN-6",
        "KEYMGMT-ROTATE-8",
        "FRAGMENT-BOUND-1",
    ),
)
def two_clients(context: Context) -> None:
    """All oracles and the model hold in random runs of two parties, their users and the adversary, in both versions.

    Most runs begin in an encrypted session, the others from scratch.
    """
    _judge(context, _programs(context, 60, "pair"))


@scenario(
    versions=(3,),
    needs=("lockstep",),
    requirements=("INSTANCE-MULTI-1", "INSTANCE-MULTI-2", "!INSTANCE-DISCARD-4", "ROBUST-INPUT-3", "!STATE-SECRECY-2"),
)
def three_clients(context: Context) -> None:
    """All oracles and the model hold in random runs of two clients of one account and a third client, with the
    adversary between them.
    """
    _judge(context, _programs(context, 40, "three"))


#: The requirements that each oracle judges, and what it needs of a target. An oracle's docstring says what it demands.
CLAIMS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "form": (("TYPES-MPI-2", "DATA-FORM-6", "DATA-OLDMACS-1"), ()),
    "authenticity": (("!DATA-RECV-12", "!DATA-RECV-13", "!STATE-SECRECY-2", "!DATA-MAC-2"), ()),
    "rejection": (("!DATA-RECV-10", "!ROBUST-INPUT-2"), ()),
    "healing": (("ROBUST-INPUT-3", "ROBUST-LOOP-2"), ()),
    "agreement": (("AKE-BOTH-1",), ()),
    "key-ids": (("KEYMGMT-SEND-1", "KEYMGMT-SEND-2", "!KEYMGMT-RECV-3", "KEYMGMT-ROTATE-1"), ()),
    "counters": (("DATA-CTR-1", "DATA-CTR-2", "!DATA-CTR-3"), ()),
    "mac-revelation": (("MACREVEAL-WHEN-4", "MACREVEAL-WHEN-5", "MACREVEAL-WHEN-6", "MACREVEAL-WHAT-2"), ()),
    "forgetting": (("KEYMGMT-ROTATE-2", "KEYMGMT-ROTATE-8"), ("dump",)),
    "smp": (("SMP-RESULT-1", "!SMP-RESULT-1"), ("smp",)),
    "states": (("STATE-ENCRYPTED-1", "TLV-END-2", "!TLV-END-2"), ()),
    "instance-tags": (("INSTANCE-OWN-5", "INSTANCE-REPLY-1", "!INSTANCE-DISCARD-4"), ("instance_tags",)),
    "fragments": (("FRAGMENT-RECV-12", "!FRAGMENT-RECV-12", "FRAGMENT-BOUND-1"), ()),
    "leaks": (("!STATE-SECRECY-1", "STATE-CLEAR-5", "STATE-ENCRYPTED-3"), ()),
    "bounds": (("!ROBUST-INPUT-1",), ()),
}


def _register(oracle: str) -> None:
    claims, needs = CLAIMS[oracle]
    kind = ORACLES[oracle]
    versions = (3,) if oracle == "instance-tags" else (2, 3)

    def judged(context: Context) -> None:
        if oracle in RENEWALS and context.target.silent_refresh:
            raise Unsupported("its user is not told of every handshake that renews a session")
        _judge(context, _of_version(context, oracle), crashes=oracle == BREAKDOWNS)

    judged.__name__ = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__)[1:]
    demand = " ".join((kind.__doc__ or "").partition("\n\n")[0].split())
    judged.__doc__ = f"Random runs of two parties and the adversary, judged by one oracle ({oracle}): {demand}"
    scenario(versions=versions, requirements=claims, needs=needs)(judged)


for _oracle in ORACLES:
    _register(_oracle)


def _programs(context: Context, examples: int, network: str) -> Iterator[Program]:
    """The first programs for the context's seed."""
    return (plain_program(context.seed.hex(), number, context.target, network) for number in context.examples(examples))


def _of_version(context: Context, oracle: str) -> Iterator[Program]:
    """Programs for one oracle; a session that they start in has the context's version."""
    for drawn in _programs(context, EXAMPLES, "pair"):
        start = drawn.setup.start if drawn.setup.start == "scratch" else str(context.version)
        yield replace(drawn, setup=replace(drawn.setup, start=start, oracles=(oracle,)))


def _judge(context: Context, programs: Iterable[Program], *, crashes: bool = True) -> None:
    """Run programs. crashes: whether a breakdown of the target fails them; if every run ends in one, it does anyway.

    A failing run is reported as found, so that the verdict comes soon; `otterproof fuzz` shortens it.
    """
    judged = False
    broken: tuple[TargetError, Program, list[Step]] | None = None
    for drawn in programs:
        steps: list[Step] = []
        try:
            case = drawn.setup.case()
        except Exception:
            _record(context, drawn, steps)
            raise
        case.world.watchers.insert(0, steps.append)
        try:
            case.run(drawn.moves)
            case.finish()
            judged = True
        except Exception as error:
            error.add_note(f"the run as a program:\n\n{case}")
            broke_down = next((one for one in chain(error) if isinstance(one, TargetError)), None)
            if crashes or broke_down is None:
                _record(context, drawn, steps)
                raise
            broken = broke_down, drawn, steps
        finally:
            case.world.watchers.remove(steps.append)
            context.count(len(case.program))
    if broken is not None and not judged:
        breakdown, drawn, steps = broken
        _record(context, drawn, steps)
        raise breakdown


def _record(context: Context, drawn: Program, steps: list[Step]) -> None:
    """Record a failed run as a campaign does: with its program, and from the first step on."""
    if drawn.setup.in_process:  # its first steps may have been made once for all runs that begin alike
        steps = []
        attempt(drawn, fresh=True, watch=steps.append)
    header = header_of(drawn)
    record = context.record(header.parties, header.seed, judged=header.judged, program=header.program)
    record.log.extend(steps)
