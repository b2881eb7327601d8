"""All targets by their names on the command line: engines, third parties, the user's own drivers, faults."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from otterproof.harness.support.errors import CommandError, UsageError
from otterproof.harness.support.exits import USAGE
from otterproof.harness.support.suggestions import did_you_mean
from otterproof.harness.targets.driver import (
    THIRD_PARTIES,
    USUAL,
    VARIANTS,
    DriverTarget,
    Limits,
    TargetCrash,
    TargetDesync,
    TargetError,
    TargetHang,
)
from otterproof.harness.targets.driver.process import Trace
from otterproof.harness.targets.engines import ENGINES, EngineTarget, Target
from otterproof.harness.targets.faults import FaultTarget, UnknownFault, faults
from otterproof.harness.targets.faults.target import PREFIX


class UnknownTarget(CommandError, LookupError):
    """There is no target of that name. problem: that alone, without what there is instead."""

    exit_code = USAGE

    def __init__(self, problem: str, instead: str = "") -> None:
        super().__init__(problem + instead)
        self.problem = problem


#: The user's own command, which speaks the driver protocol.
EXEC = "exec:"

#: The same with a name that the user chose: mylib=exec:COMMAND.
_NAMED = re.compile(r"([a-z0-9][a-z0-9-]{0,39})=(exec:.*)", re.DOTALL)


def title(target: str) -> str:
    """What a target is called in reports, files and ids: the name that the user gave to a command, if any."""
    named = _NAMED.fullmatch(target)
    return named[1] if named else target


def command_of(target: str) -> str | None:
    """The command that a target runs, in the form exec:COMMAND; None if it is one of Otterproof's own targets."""
    named = _NAMED.fullmatch(target)
    command = named[2] if named else target
    return command if command.startswith(EXEC) else None


def with_name(target: str, name: str | None) -> str:
    """A command under a name that the user chose. Raises UsageError if it can't have that name."""
    if name is None:
        return target
    if command_of(target) is None or title(target) != target:
        raise UsageError(f"--name names a command, but {target} is not a command; leave --name out")
    if name in (*ENGINES, *THIRD_PARTIES, *VARIANTS):
        raise UsageError(f"--name {name}: there is a target of that name; choose another one")
    if not _NAMED.fullmatch(f"{name}={target}"):
        raise UsageError(
            f"--name {name}: a name has up to 40 lower-case letters, digits and hyphens; choose another one"
        )
    return f"{name}={target}"


def open_target(name: str, limits: Limits = USUAL, trace: Trace | None = None) -> Target:
    """Open the target of a name. UnknownTarget; TargetMissing if it can't run here; TargetError if it misbehaves.

    limits: how long to wait for it; by default as usual for each call of a driver, and never given up. trace: receives
    the lines exchanged with a driver; other targets run in this process and exchange none.
    """
    if name in ENGINES:
        return EngineTarget(name)
    if name.startswith(PREFIX):
        try:
            fault = FaultTarget(name)
        except UnknownFault as error:
            raise UnknownTarget(str(error)) from error
        fault.giving_up.limit = limits.give_up_after
        return fault
    driver = _driver(name, limits, trace)
    driver.giving_up.limit = limits.give_up_after
    return driver


def _driver(name: str, limits: Limits, trace: Trace | None) -> DriverTarget:
    """A target behind the driver protocol; raises as `open_target` does."""
    if third_party := THIRD_PARTIES.get(name):
        return DriverTarget(name, third_party.ready(), limits.seconds, trace)
    if variant := VARIANTS.get(name):
        return DriverTarget(name, variant.ready(), limits.seconds, trace, sanitized=True)
    if command := command_of(name):
        try:
            return DriverTarget(title(name), _words(command.removeprefix(EXEC)), limits.seconds, trace)
        except (TargetCrash, TargetDesync, TargetHang) as error:
            error.add_note("docs/reference/driver-protocol.md says what a driver must answer to hello")
            raise
    known = [*ENGINES, *THIRD_PARTIES, *VARIANTS]
    there = (
        f"there are {', '.join(known)}, {EXEC}COMMAND (or NAME={EXEC}COMMAND) for a driver of your own, "
        f"and {PREFIX}NAME for an engine with a fault (`otterproof faults` lists them)"
    )
    hint = did_you_mean(name, [*known, *(f"{PREFIX}{fault}" for fault in faults())], there)
    raise UnknownTarget(f"no target {name!r:.200}", hint)


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UnknownTarget(f"the command after {EXEC!r} can't be read: {error}; mind the quotes") from error
    if not words:
        raise UnknownTarget(f"no command after {EXEC!r}; give one, as in 'exec:python3 my_driver.py'")
    return words


def file_name(target: str) -> str:
    """A target's name in a form suitable for files and folders; an `exec:` name contains a command of any length.

    Two targets never get the same one: if something is lost, a hash makes up for it.
    """
    target = title(target)
    if re.fullmatch(r"[a-z0-9-]{1,40}(:[a-z0-9-]{1,80})?", target):
        return target.replace(":", "-")
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", target)
    return f"{plain[:60]}-{hashlib.sha256(target.encode(errors='surrogatepass')).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True)
class Listing:
    """A target as `otterproof targets` shows it. install: what would make it available, "" if it already is."""

    name: str
    version: str
    available: bool
    capabilities: tuple[str, ...]
    install: str


def listing() -> Iterator[Listing]:
    """All targets by name. Drivers that can be built without downloads are built on the way."""
    for name in [*ENGINES, *THIRD_PARTIES, *(name for name, one in VARIANTS.items() if one.is_built())]:
        third_party = THIRD_PARTIES.get(name)
        if third_party and (third_party.downloads or third_party.checkout) and not third_party.is_built():
            source = " --source DIR" if third_party.checkout else ""
            yield Listing(name, "", False, (), f"otterproof targets install {name}{source}")
            continue
        try:
            target = open_target(name)
        except TargetError:
            yield Listing(name, "", False, (), third_party.install if third_party else "")
            continue
        yield Listing(name, target.version, True, tuple(sorted(target.capabilities)), "")
        target.close()
