"""One attempt: run a program, and turn what ends it early into a failure, whose bucket tells its cause from others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from otterproof.harness.judges.model import ModelDivergence
from otterproof.harness.judges.oracles import ORACLES, OracleFailure
from otterproof.harness.runs.failure import BEFORE, failure_of, lines_of
from otterproof.harness.runs.failure import Failure as Record
from otterproof.harness.runs.fuzz.behaviour import Behaviour, Tracker, moves_of
from otterproof.harness.runs.fuzz.bucket import Bucket, bucket_of
from otterproof.harness.runs.fuzz.case import Case
from otterproof.harness.runs.fuzz.edges import Edges, EdgesFailed
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.kept import sessions_of
from otterproof.harness.runs.fuzz.late import judging_late, may_judge_late
from otterproof.harness.runs.fuzz.prepared import Session
from otterproof.harness.runs.judgement import VERDICTS
from otterproof.harness.runs.signature import check_of
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.simulation.world import Step
from otterproof.harness.support.errors import DemandFailed
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import TargetError, TargetStranded, TargetUnsupported
from otterproof.harness.targets.lockstep import Divergence
from otterproof.implementations.entropy import Tape

#: The most characters of a failure's detail: it is kept in several files, and a target can say megabytes.
DETAIL = 4000

#: Stands for an oracle where two engines differ, or an engine and the model.
ENGINES_AGREE = "engines-agree"

#: The oracle that objects when the target breaks down.
BREAKDOWN_ORACLE = "bounds"


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed.

    oracle: the id of the oracle that objected. bucket: what it shares with other failures of the same cause. at_end: it
    failed after the moves, when the conversation is restored. made: how many moves had been made, including the failing
    one. stderr: the end of the driver's standard error, if its process ended. record: all that is known of it; None if
    it was read from a file.
    """

    oracle: str
    verdict: Verdict
    bucket: Bucket
    detail: str
    at_end: bool
    made: int
    stderr: str = ""
    record: Record | None = field(default=None, compare=False, repr=False)

    @property
    def check(self) -> str:
        """The id of the check. [otterproof.harness.runs.signature]"""
        return self.bucket.check


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended early. error: what ended it. steps: the last ones. at_end, made: as in Failure.

    cell: the state of the party under test and its input, in its last step. late: the failing step was judged late; the
    steps after it are left out.
    """

    error: Exception
    steps: tuple[Step, ...]
    at_end: bool
    made: int
    cell: str = ""
    late: bool = False

    @property
    def cause(self) -> Exception:
        """The error that counts: if an oracle objects because a step failed, the error that made the step fail."""
        causes = (TargetError, Divergence, ModelDivergence)
        return next((one for one in chain(self.error) if isinstance(one, causes)), self.error)

    def record(self) -> Record:
        """The record of the failure, as all reports have it."""
        error = self.cause
        return failure_of(error, check_of(error) or f"internal.{type(error).__name__.lower()}", (), self.steps)


@dataclass(slots=True)
class Watched:
    """What is known of a run besides how it ended: what it has shown, and which excuses covered a failure.

    edges: whether to ask the target which edges it reached, which are then among what was seen. tapes: what parties
    drew that does not follow from the program's seed [Case]. sent: for each move, how many messages had been sent
    before it. quick: judge only samples where judging takes long, and judge steps late where a driver can work
    meanwhile. A failure that is found so is judged by another run, without samples and at once.
    """

    edges: bool = False
    quick: bool = False
    seen: dict[Behaviour, int] = field(default_factory=dict)
    excuses_used: set[str] = field(default_factory=set)
    tapes: Mapping[str, Tape] = field(default_factory=dict)
    sent: list[int] = field(default_factory=list)


class _Place(NamedTuple):
    """Where a run is. steps, made, cell: as in Ended."""

    steps: tuple[Step, ...]
    made: int
    cell: str


def attempt(
    program: Program,
    *,
    fresh: bool = False,
    watch: Callable[[Step], None] | None = None,
    watched: Watched | None = None,
) -> Failure | None:
    """Run a program from its setup to the end; returns what failed. Arguments and error as for `play`."""
    ended = play(program, fresh=fresh, watch=watch, watched=watched)
    return None if ended is None else named(ended)


def play(
    program: Program,
    *,
    fresh: bool = False,
    watch: Callable[[Step], None] | None = None,
    watched: Watched | None = None,
) -> Ended | None:
    """Run a program from its setup to the end; returns how it ended if it did not get there.

    fresh: start with parties that have done nothing yet. watch: sees every step, before the oracles do. watched:
    receives what the run shows. If the target says that it can't take a value, such as a maximum size or a text, the
    run ends there without a failure. EdgesFailed.

    After a failure the program is run again if steps were judged late, if the run began in a kept session that is not
    trusted yet, if only samples were judged, or if the driver was stranded.
    """
    alone = watch is None and not (watched is not None and watched.edges)
    sessions = sessions_of(program.setup.target) if alone and not fresh else None
    session = sessions.session(program.setup) if sessions is not None else None
    quick = watched is not None and watched.quick
    ended = _play(program, fresh, watch, watched, session, late=quick and alone and may_judge_late(program.setup))
    kept = session is not None
    if ended is not None and ended.late:
        again = sessions.session(program.setup) if sessions is not None and kept else None
        ended = _play(program, fresh, watch, watched, again) or ended
    if sessions is not None and kept and ended is not None and not sessions.trusted(ended.cause):
        first, ended = ended, _play(program, fresh, watch, watched)
        sessions.compare(first.cause, None if ended is None else ended.cause)
    if ended is not None and watched is not None and watched.quick and program.setup.in_process:
        watched.quick = False
        ended = _play(program, fresh, watch, watched) or ended
    if ended is not None and isinstance(ended.cause, TargetStranded):
        ended = _play(program, fresh, watch, watched)
    return ended


def _play(
    program: Program,
    fresh: bool,
    watch: Callable[[Step], None] | None,
    watched: Watched | None,
    session: Session | None = None,
    *,
    late: bool = False,
) -> Ended | None:
    setup = program.setup
    last: deque[Step] = deque(maxlen=BEFORE + 1)
    places: dict[int, _Place] = {}  # by the number of the step, if steps are judged late
    prepared = session is not None or (setup.in_process and not fresh)
    tracker = Tracker(setup.role, established=setup.start != "scratch" and prepared)
    told = watched if watched is not None else Watched()
    told.sent.clear()
    edges = Edges(setup.target, setup.role, asked=told.edges)
    watching: list[Callable[[Step], None]] = [last.append, tracker]
    watching += [edges] if told.edges else []
    watching += [watch] if watch is not None else []

    def place() -> _Place:
        return _Place(tuple(last), tracker.made, tracker.cell)

    if late:
        watching.append(lambda step: places.update({step.number: place()}))
    case: Case | None = None
    failed_late = False
    try:
        with suppress(TargetUnsupported):
            case = setup.case(fresh=fresh, session=session)
            case.world.watchers[:0] = watching
            case.oracles.sample(on=told.quick)
            try:
                with judging_late(case) if late else nullcontext():
                    _make_moves(program, case, tracker, told, edges)
            finally:
                failed_late = late and case.world.has_objected_late
                del case.world.watchers[: len(watching)]
                case.oracles.sample(on=False)
                told.tapes = case.tapes
                if not failed_late:
                    told.excuses_used |= case.passed_over
        edges.note(tracker.made, now=True)
        _forget(program, case)
    except EdgesFailed:
        raise
    except Exception as error:  # noqa: BLE001 (whatever it is, it is named)
        with suppress(TargetError):  # the run has failed already
            _forget(program, case)
        number = error.step_number if failed_late and isinstance(error, DemandFailed) else None
        where = places[number] if number in places else place()
        return Ended(error, where.steps, case is not None and case.at_end, where.made, where.cell, failed_late)
    finally:
        if not failed_late:
            moves = moves_of(program.moves[: tracker.made])
            told.seen |= dict.fromkeys(moves, tracker.made) | tracker.seen | edges.seen
    return None


def _make_moves(program: Program, case: Case, tracker: Tracker, told: Watched, edges: Edges) -> None:
    """Make the moves of a program, and end the case."""
    edges.begin()
    case.begin()
    edges.note(0, now=True)
    for made, move in enumerate(program.moves, 1):
        tracker.made = made
        told.sent.append(len(case.world.network.history))
        case.run([move])
        if told.edges:
            edges.note(made)
    case.finish()


def prepare(program: Program) -> None:
    """Establish the session in which a program begins, if it can be kept and has not been established yet."""
    if program.setup.in_process:
        program.setup.case()
    elif (sessions := sessions_of(program.setup.target)) is not None:
        sessions.session(program.setup, now=True)


def _forget(program: Program, case: Case | None) -> None:
    """End the target's party. TargetError when the target breaks down over that, which this program has caused."""
    if case is not None:
        case.forget()
    elif program.setup.target is not None:
        program.setup.target.finish()


def checks_failing(program: Program) -> Iterator[str]:
    """The checks that fail in the run of a program, the first one first.

    After an oracle has objected, the program is run again without it. If the target breaks down or two engines differ,
    nothing beyond that can be found out.
    """
    left = list(program.setup.oracles or ORACLES)
    while left:
        failure = attempt(replace(program, setup=replace(program.setup, oracles=tuple(left))))
        if failure is None:
            return
        yield failure.check
        if failure.verdict is not Verdict.FAIL or failure.oracle not in left:
            return
        left.remove(failure.oracle)


def named(ended: Ended) -> Failure:
    """The failure that ended a run."""
    error, record = ended.cause, ended.record()
    verdict = next((verdict for kind, verdict in VERDICTS if isinstance(error, kind)), Verdict.INFRA)
    if isinstance(error, OracleFailure):
        oracle = error.oracle
    else:
        oracle = ENGINES_AGREE if isinstance(error, Divergence | ModelDivergence) else BREAKDOWN_ORACLE
    detail = "\n".join(lines_of(record))
    shown = printable(detail[:DETAIL], lines=True)[:DETAIL]
    bucket = bucket_of(record, ended.cell, at_end=ended.at_end)
    stderr = error.standard_error if isinstance(error, TargetError) else ""
    return Failure(oracle, verdict, bucket, shown, ended.at_end, ended.made, stderr, record)


def chain(error: BaseException | None) -> Iterator[Exception]:
    """An exception and its causes."""
    while isinstance(error, Exception):
        yield error
        error = error.__cause__ or error.__context__
