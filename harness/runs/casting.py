"""Who plays the parties when a transcript is run again. The file is not trusted: anybody may have written it.

A transcript names the targets that played its parties. Engines, third-party targets and faults are names of programs
that Otterproof itself starts. `exec:` is a command, and a file must not choose which commands run on the reader's
machine: such a target is opened only if the user has given the same command, or allows the file to name commands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

from otterproof.harness.simulation.transcript import Header, PartyInfo, TranscriptError
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import USUAL, Limits
from otterproof.harness.targets.engines import InProcess, Target
from otterproof.harness.targets.party import Party
from otterproof.harness.targets.registry import UnknownTarget, command_of, open_target
from otterproof.implementations.contract import OtrError
from otterproof.implementations.entropy import EntropyError


@dataclass(frozen=True, slots=True)
class Casting:
    """The user's choice of players. target: plays the judged party; peer: plays all others; None: as recorded.

    allow_exec: whether commands that the file names may run. limits: how long to wait for targets.
    """

    target: str | None = None
    peer: str | None = None
    allow_exec: bool = False
    limits: Limits = USUAL

    def check(self, header: Header, parties: Iterable[str]) -> None:
        """Raise UsageError if one of these parties would be played by a command that only the file names."""
        for party in parties:
            name = self.name(header, party)
            if command_of(name) and not self.allow_exec and name not in (self.target, self.peer):
                option = "--target" if party == header.judged else "--peer"
                raise UsageError(
                    f"the transcript asks to run a command as party {printable(party)}: {printable(name)}\n"
                    "A file does not choose what is run. If you trust this command, allow it with --allow-exec; "
                    f"or name what plays the party with {option}."
                )

    def name(self, header: Header, party: str) -> str:
        """The name of the target that plays a party. Raises TranscriptError if neither user nor file names one."""
        given = self.target if party == header.judged else self.peer
        if given is not None:
            return given
        if party not in header.parties:
            raise TranscriptError(f"the judged party {party!r} is not in the header; name a target with --target")
        return header.parties[party].target

    def open_target(self, header: Header, party: str) -> Target:
        """Start the target that plays a party. Raises UsageError or TargetError.

        For an unknown name, raises UnknownTarget if the user gave it, TranscriptError if the file did.
        """
        self.check(header, [party])
        name = self.name(header, party)
        try:
            return open_target(name, self.limits)
        except UnknownTarget as error:
            if name in (self.target, self.peer):
                raise
            option = "--target" if party == header.judged else "--peer"
            raise TranscriptError(
                f"parties.{party}.target: {error.problem}; if it is the name of a driver of yours, give its command "
                f"with {option} 'exec:COMMAND', or name another target"
            ) from None


class ReplayParties:
    """Creates the parties of a transcript, and closes them on exit: a context manager, and replay.py's PartyFactory.

    Raises what Casting.open_target raises, and TranscriptError if a party's configuration does not suit its target.
    """

    def __init__(self, casting: Casting) -> None:
        self._casting = casting
        self._made: list[Target] = []

    def __enter__(self) -> ReplayParties:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for target in self._made:
            target.close()

    def __call__(self, name: str, info: PartyInfo, header: Header) -> Party:
        target = self._casting.open_target(header, name)
        self._made.append(target)
        try:
            if info.tape and isinstance(target, InProcess):
                return target.engine(info.config, header.entropy(name))
            return target.party(name, info.config, header.seed, tape=info.tape or None)
        except OtrError as error:
            raise TranscriptError(f"parties.{name}.config: {target.name} refuses it: {error}") from error
        except EntropyError as error:
            raise TranscriptError(f"parties.{name}.tape: {error}") from error
