"""A relay with all its watchers: the judge, the log, the transcript, and the display for a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from otterproof.harness.runs.failure import Failure
from otterproof.harness.runs.proxy.items import Happening, What
from otterproof.harness.runs.proxy.outside import OutsideJudge
from otterproof.harness.runs.proxy.records import EventLog, TranscriptLog
from otterproof.harness.runs.proxy.relay import Director, Relay
from otterproof.harness.simulation.transcript import Verdict


@dataclass(frozen=True, slots=True)
class Wanted:
    """Outputs of a conversation. log, transcript: files to write, if any. listener: is told every happening."""

    director: Director
    listener: Callable[[Happening], None]
    log: Path | None = None
    transcript: Path | None = None


class Watched:
    """The relay of one conversation, with watchers. programs: what plays the parties, for the transcript."""

    def __init__(self, names: tuple[str, str], wanted: Wanted, programs: tuple[str, str] | None = None) -> None:
        self.relay = Relay(names, wanted.director)
        self.judge = OutsideJudge(names)
        self._listener = wanted.listener
        self._log = EventLog(wanted.log) if wanted.log is not None else None
        self._transcript = (
            TranscriptLog(wanted.transcript, names, programs or ("unknown", "unknown"))
            if wanted.transcript is not None
            else None
        )
        self.relay.watchers.append(self._happened)

    def _happened(self, happening: Happening) -> None:
        if self._log is not None:
            self._log(happening)
        if self._transcript is not None:
            self._transcript(happening)
        self._listener(happening)
        failure = self.judge.judge(happening)
        if failure is not None:
            self.relay.tell(What.JUDGED, happening.item, failure.rule, failure)

    @property
    def failures(self) -> list[tuple[str, Failure]]:
        """What is wrong, each kind once for each program: the program's name, and the record."""
        return self.judge.failures

    def close(self) -> None:
        """End the conversation and finish the files. Raises OutputError."""
        if self._log is not None:
            self._log.close()
        if self._transcript is not None:
            wrong = "\n".join(f"{name}: {failure.check}" for name, failure in self.failures)
            self._transcript.close(Verdict.FAIL if wrong else Verdict.PASS, wrong)
