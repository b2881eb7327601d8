"""Whether subjects give the committed answers: both engines, the harness's own codec, the OTR toolkit, or a target.

Cases that could not be asked are counted with the reason, so that silence is not taken for agreement. A target may
follow other readings than the project: any listed result counts, and the reading it follows is reported. A target that
follows two readings of one question fails for that.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.targets.driver.party import DriverParty
from otterproof.harness.targets.engines import ENGINES, Target
from otterproof.harness.vectorgen.answerers.codec import OwnTools
from otterproof.harness.vectorgen.answers import Answer, Subject, Unanswerable, answer
from otterproof.harness.vectorgen.builder import SEED
from otterproof.harness.vectorgen.generate import subject
from otterproof.harness.vectorgen.kinds import AUTHORS
from otterproof.harness.vectorgen.probing import fits, probe
from otterproof.harness.vectorgen.replaying import Maker, Problems, engine_maker, play_again, read_through
from otterproof.harness.vectorgen.toolkit import Toolkit
from otterproof.harness.vectorgen.wrong import Wrong
from otterproof.implementations.contract import PartyConfig
from otterproof.implementations.entropy import Tape
from otterproof.vectors import Case, Group, VectorFile


@dataclass(slots=True)
class Tally:
    """The results for one kind. skipped: by reason. failures: by case id."""

    checked: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    failures: dict[str, Wrong] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """The results of all cases for one subject. readings: reading -> option -> the cases that followed it."""

    name: str
    what: str
    kinds: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    readings: dict[str, dict[str, list[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    @property
    def checked(self) -> int:
        return sum(tally.checked for tally in self.kinds.values())

    @property
    def failures(self) -> dict[str, Wrong]:
        """All failures, including those for inconsistent readings."""
        found = {case: what for tally in self.kinds.values() for case, what in tally.failures.items()}
        for reading, options in self.readings.items():
            if len(options) > 1:
                cases = "; ".join(f"{option}: {', '.join(names[:3])}" for option, names in sorted(options.items()))
                found[f"reading {reading}"] = Wrong("the answers", "they follow one option", f"they follow {cases}")
        return found

    def judge(self, kind: str, case: Case, problems: Mapping[str, Wrong | None]) -> None:
        """Record the problems with a case, by reading. At least one reading must have no problem."""
        followed = [reading for reading, problem in problems.items() if problem is None]
        if not followed:
            self.kinds[kind].failures[case.id] = next(problem for problem in problems.values() if problem is not None)
        elif "" not in case.outcomes and len(followed) == 1 and len(problems) > 1:
            name, _, option = followed[0].partition(":")
            self.readings[name][option].append(case.id)


#: Checks one case. Unanswerable; any other exception is a failure.
Checker = Callable[[Group, Case], Problems]


def _check(report: Report, files: Iterable[VectorFile], ask: Checker) -> Report:
    """Check all cases."""
    for file in files:
        tally = report.kinds[file.kind]
        for group, case in file:
            try:
                problems = ask(group, case)
            except Unanswerable as reason:
                tally.skipped[str(reason)] += 1
                continue
            except Exception as error:  # noqa: BLE001 (a file from others can ask for what no engine was ever asked)
                problems = {next(iter(case.outcomes)): Wrong(f"{type(error).__name__}: {error}")}
            tally.checked += 1
            report.judge(file.kind, case, problems)
    return report


def _functions(asked: Subject) -> Checker:
    """A checker for operations on functions or fresh clients; only the project's readings count."""

    def ask(group: Group, case: Case) -> Problems:
        found = answer(asked, group.operation, group.fields, case.fields)
        return {next(iter(case.outcomes)): fits(found, case.outcome(), play=False)}

    return ask


def _either(functions: Checker, plays: Checker) -> Checker:
    return lambda group, case: (plays if group.operation == "play" else functions)(group, case)


def verify(files: Sequence[VectorFile]) -> Iterator[Report]:
    """Both engines and the harness's own codec."""
    for name, engine in ENGINES.items():
        again = play_again(engine_maker(engine))
        yield _check(Report(name, "engine"), files, _either(_functions(subject(name)), again))
    own = Subject("harness", OwnTools(), None)
    yield _check(Report("harness", "codec"), files, _either(_functions(own), read_through))


def verify_toolkit(files: Sequence[VectorFile]) -> Report:
    """The OTR toolkit of libotr's authors. TargetMissing when it is not installed."""
    return _check(Report("toolkit", "the OTR toolkit"), files, Toolkit().check)


# ---- targets ---------------------------------------------------------------------------------------------------------


class _Gathered:
    """Compares a target's results with the committed cases of one kind. [probing.Sink]"""

    def __init__(self, report: Report, file: VectorFile) -> None:
        self._report = report
        self._kind = file.kind
        self._cases = {case.id: (case, group.operation == "play") for group, case in file}
        self._tally = report.kinds[file.kind]

    def answered(self, case: str, found: Answer) -> None:
        if case not in self._cases:
            self.skipped(case, "it is not in the file; `otterproof vectors generate` brings it up to date")
            return
        committed, play = self._cases[case]
        self._tally.checked += 1
        problems = {reading: fits(found, outcome, play) for reading, outcome in committed.outcomes.items()}
        self._report.judge(self._kind, committed, problems)

    def skipped(self, case: str, reason: str) -> None:
        self._tally.skipped[reason] += 1

    def failed(self, case: str, what: str) -> None:
        self._tally.checked += 1
        self._tally.failures[case] = Wrong(what)


def verify_target(files: Sequence[VectorFile], target: Target) -> Report:
    """A target: replayed if it draws from a tape, else the authors' acts are performed with it."""
    report = Report(target.name, f"target, randomness {target.randomness!r}")
    if isinstance(target, DriverTarget) and target.randomness == "tape":
        return _check(report, files, _either(_functions(_client(target)), play_again(_taped(target))))
    for file in files:
        if file.kind in AUTHORS:
            probe(target, file.kind, _Gathered(report, file))
        else:
            report.kinds[file.kind].skipped["it was made from a transcript, and has no author"] += file.count
    return report


def _client(target: DriverTarget) -> Subject:
    def party(config: PartyConfig) -> DriverParty:
        target.reset()
        return target.party("target", config, SEED.encode())

    return Subject(target.name, None, party)


def _taped(target: DriverTarget) -> Maker:
    def make(config: PartyConfig, tape: Tape) -> DriverParty:
        target.reset()
        return target.party("target", config, b"", tape=tape)

    return make
