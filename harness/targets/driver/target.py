"""A target behind the driver protocol: one process at a time, used for case after case.

So a conversation does not have to start a process. If the process has died or was killed, the next case gets a new one.
Code that works with several at once (a matrix, parallel processes) makes several targets.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from otterproof.harness.support.defaults import TIME_LIMIT
from otterproof.harness.targets.driver.answer import shown_words
from otterproof.harness.targets.driver.errors import (
    TargetCrash,
    TargetDesync,
    TargetError,
    TargetFailed,
    TargetGivenUp,
    TargetHang,
    TargetMissing,
    TargetStranded,
    TargetUnsupported,
)
from otterproof.harness.targets.driver.giving_up import GivingUp
from otterproof.harness.targets.driver.party import DriverParty, Restrictions
from otterproof.harness.targets.driver.process import DriverProcess, Trace
from otterproof.implementations.contract import PartyConfig, Policy
from otterproof.implementations.drivers import linejson
from otterproof.implementations.entropy import Tape
from otterproof.implementations.jsonform import JsonFormError, policy_from_json

#: The capabilities that a driver can claim, for look-ups.
CAPABILITIES = frozenset(linejson.CAPABILITIES)

RANDOMNESS = ("tape", "seed", "none")

#: The members of an answer to `hello`.
_HELLO = frozenset({"protocol", "name", "version", "otr_versions", "capabilities", "randomness"})

#: Its optional members: what the target can't be configured to do differently.
_RESTRICTIONS = frozenset({"fixed_policy", "longest_text", "silent_refresh", "pictures", "coverage"})

#: How a PNG file begins, and the most bytes in a picture.
PNG, LARGEST_PICTURE = b"\x89PNG\r\n\x1a\n", 1 << 20

#: The most edges in an answer, and the limit of their numbers.
MOST_EDGES, EDGES_END = 1 << 16, 1 << 32

#: The most characters of a version that are kept.
_VERSION = 100

#: The number of cases for which one process is used. Implementations leak (libotr about 16 KB a case), and a campaign
#: is long: a process that hits its memory limit after a hundred thousand cases must not count as a crash in the last
#: one.
CASES_PER_PROCESS = 1000

#: Seconds for a process to end by itself when the outcome does not matter.
_GRACE = 1.0

#: Exit codes of a program that can't run at all: from the loader that misses a library, or from a shell.
_CANNOT_RUN = (126, 127)


class DriverTarget:
    """A target with a name, run by a command.

    version, otr_versions, capabilities and randomness are the driver's answer to `hello`. The constructor raises
    TargetError if the driver does not start or answers with something else. time_limit, sanitized: as for
    DriverProcess.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        time_limit: float = TIME_LIMIT,
        trace: Trace | None = None,
        *,
        sanitized: bool = False,
    ) -> None:
        self.name = name
        self._command = command
        self.time_limit = time_limit
        self._trace = trace
        self._sanitized = sanitized
        self.version = ""
        self.otr_versions: tuple[int, ...] = ()
        self.capabilities: frozenset[str] = frozenset()
        self.randomness = "none"
        self.fixed_policy: Policy | None = None
        self.longest_text: int | None = None
        self.silent_refresh = False
        self.pictures = False
        self.coverage = False
        self.giving_up = GivingUp()
        #: Called in each call, while the driver works. It must not raise an error, nor call this driver.
        self.meanwhile: Callable[[], None] | None = None
        self._method = ""  # the last one called, in this process
        self._broken = False
        self._unclaimed: list[TargetError] = []
        self._companion: DriverTarget | None = None
        self._process = self._start()
        self._fresh = True
        self._cases = 0

    def another(self) -> DriverTarget:
        """The same target with its own process. Raises TargetError, as the constructor does."""
        return DriverTarget(self.name, self._command, self.time_limit, self._trace, sanitized=self._sanitized)

    def companion(self, *, renewed: bool = False) -> DriverTarget:
        """The same target with a second process, which ends when this one is left or closed. Raises TargetError.

        renewed: replace an earlier companion.
        """
        if renewed:
            self._close_companion()
        if self._companion is None:
            self._companion = self.another()
            self._companion.giving_up = self.giving_up
        return self._companion

    def _close_companion(self) -> None:
        if self._companion is not None:
            self._companion.close()
            self._companion = None

    @property
    def idle(self) -> bool:
        """Whether its process is running and has said nothing since its last answer."""
        return not self._broken and self._process.idle

    @property
    def closed(self) -> bool:
        """Whether its process was ended, for any reason."""
        return self._process.closed

    def _start(self) -> DriverProcess:
        """A new process, which has said hello."""
        self._method, self._broken = "", False
        process = DriverProcess(self.name, self._command, self.time_limit, self._trace, sanitized=self._sanitized)
        self._process = process
        try:
            told = process.call("hello", {"protocol": linejson.PROTOCOL})
        except TargetCrash as crash:
            if crash.code in _CANNOT_RUN:
                raise TargetMissing(f"{self.name} can't be run here: {crash}") from crash
            raise
        except (TargetUnsupported, TargetFailed) as error:
            self.desync(f"it answered hello with an error: {error}")
        self._listen(told)
        self._cases = 0
        return process

    def _restart(self) -> None:
        """A new process in place of the last one, of which nothing is left: no pipe, no child."""
        self._process.close()
        with self.giving_up.watching(self.name, "hello"):
            try:
                self._process = self._start()
            except TargetMissing as gone:  # it ran before, so this may be its own doing
                raise TargetCrash(f"{gone}, though it has run before", method="hello", how="gone") from gone

    def _listen(self, told: Any) -> None:
        """Read the answer to `hello`; end the process if it is invalid."""
        if not isinstance(told, dict) or type(told.get("protocol")) is not int:
            self.desync(f"hello: {told!r:.200} names no protocol")
        if told["protocol"] != linejson.PROTOCOL:
            self.desync(
                f"hello: it speaks driver protocol {told['protocol']}, and Otterproof {linejson.PROTOCOL}; "
                "docs/reference/driver-protocol-changes.md says what to change"
            )
        for field in ("name", "version"):
            if not isinstance(told.get(field), str):
                self.desync(f"hello: no {field} in {told!r:.200}")
        versions, capabilities, randomness = (told.get(f) for f in ("otr_versions", "capabilities", "randomness"))
        if not isinstance(versions, list) or versions not in ([2], [3], [2, 3], [3, 2]) or float in map(type, versions):
            self.desync(f"hello: otr_versions is {versions!r:.80}; it must be a list of 2, 3 or both")
        if not isinstance(capabilities, list) or not all(isinstance(one, str) for one in capabilities):
            self.desync(f"hello: capabilities is {capabilities!r:.80}; it must be a list of names")
        unknown = sorted(set(capabilities) - CAPABILITIES)
        if unknown:
            known = ", ".join(sorted(CAPABILITIES))
            self.desync(f"hello: it claims the unknown capability {unknown[0]!r:.40}; there are {known}")
        if len(set(capabilities)) != len(capabilities):
            self.desync(f"hello: a duplicate capability in {sorted(capabilities)}")
        silent = [one for one in (2, 3) if f"v{one}" in capabilities and one not in versions]
        if silent:
            self.desync(f"hello: it claims v{silent[0]}, but its otr_versions are {versions}")
        if randomness not in RANDOMNESS:
            self.desync(f"hello: randomness is {randomness!r:.40}; it must be {', '.join(RANDOMNESS)}")
        self._restrict(told)
        surplus = sorted(told.keys() - _HELLO - _RESTRICTIONS)
        if surplus:
            self.desync(
                f"hello: unknown member {surplus[0]!r:.40}; there are {', '.join(sorted(_HELLO | _RESTRICTIONS))}"
            )
        self.version = shown_words(str(told["version"]), _VERSION)
        self.otr_versions = tuple(sorted(versions))
        self.capabilities = frozenset(capabilities)
        self.randomness = str(randomness)

    def _restrict(self, told: Mapping[str, Any]) -> None:
        """Read from the answer to `hello` what the target can't be configured to do differently."""
        policy, longest = told.get("fixed_policy"), told.get("longest_text")
        try:
            self.fixed_policy = None if policy is None else policy_from_json(policy, "fixed_policy")
        except JsonFormError as error:
            self.desync(f"hello: {error}")
        if longest is not None and (type(longest) is not int or longest < 1):
            self.desync(f"hello: longest_text is {longest!r:.40}; it must be a number of bytes above 0, or null")
        self.longest_text = longest
        self.silent_refresh = self._told_bool(told, "silent_refresh")
        self.pictures = self._told_bool(told, "pictures")
        self.coverage = self._told_bool(told, "coverage")

    def _told_bool(self, told: Mapping[str, Any], member: str) -> bool:
        """Whether an optional member of the answer to `hello` is present and true."""
        value = told.get(member, False)
        if type(value) is not bool:
            self.desync(f"hello: {member} is {value!r:.40}; it must be true or false")
        return bool(value)

    @property
    def limits(self) -> Restrictions:
        """What the target can't be configured to do differently."""
        return Restrictions(self.fixed_policy, self.longest_text, self.silent_refresh)

    @property
    def pid(self) -> int:
        """The present process, for messages and for tools that attach to it."""
        return self._process.pid

    @property
    def standard_error(self) -> str:
        """The end of the present process's standard error, made printable."""
        return self._process.standard_error

    @contextmanager
    def recorded(self) -> Iterator[list[tuple[str, bytes]]]:
        """A context with a new process; its lines go into the list, in the form of a Trace. Raises TargetError."""
        lines: list[tuple[str, bytes]] = []
        others = self._trace

        def both(direction: str, line: bytes) -> None:
            lines.append((direction, line))
            if others is not None:
                others(direction, line)

        self._trace = both
        try:
            self._renew()
            self._fresh = True
            yield lines
        finally:
            self._trace = self._process.trace = others

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Call a method of the driver. TargetError."""
        self._fresh, self._method = False, method
        if self._broken:
            return self._process.call(method, params)  # which reports that the process has ended
        try:
            with self.giving_up.watching(self.name, method):
                return self._process.call(method, params, meanwhile=self.meanwhile)
        except TargetStranded:
            self._process.close()
            self._broken = True
            raise
        except (TargetCrash, TargetDesync, TargetHang):
            self._broken = True
            raise

    def desync(self, what: str) -> NoReturn:
        """End the process because its answer is invalid: TargetDesync."""
        error = self._process.end(TargetDesync, f"{self.name}: {what}")
        if self._method:
            self.giving_up.failed(self._method, error)
        self._broken = True
        raise error

    def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> DriverParty:
        """Create a party of the target. Raises TargetError.

        tape: values to draw instead of those from the seed; only for a target whose randomness is "tape".
        """
        if self._fresh and not self._process.idle:
            self._renew()  # nothing is lost yet; later in a case it is a crash, which the call reports
        return DriverParty(self, name, config, seed, self.capabilities, tape, self.limits)

    def picture(self, party: str) -> bytes:
        """What the user of a party sees now, as a PNG file; b"" for a target without pictures. Raises TargetError."""
        if not self.pictures:
            return b""
        answer = self.call("picture", {"party": party})
        png = answer.get("png") if isinstance(answer, dict) and answer.keys() == {"png"} else None
        if not isinstance(png, str):
            self.desync(f"picture answers {answer!r:.200}, not an object with `png` alone")
        try:
            content = b64decode(png, validate=True)
        except ValueError as error:
            self.desync(f"picture answers with what is not base64: {error}")
        if not content.startswith(PNG) or len(content) > LARGEST_PICTURE:
            self.desync(
                f"picture answers with {len(content)} bytes; it must be a PNG file of at most {LARGEST_PICTURE}"
            )
        return content

    def edges(self, *, begin: bool = False) -> frozenset[int]:
        """The edges of the implementation's code reached since counting began, each reported once. Raises TargetError.

        Only for a target with `coverage`. begin: start counting now.
        """
        answer = self.call("coverage", {"begin": begin})
        edges = answer.get("edges") if isinstance(answer, dict) and answer.keys() == {"edges"} else None
        if not isinstance(edges, list):
            self.desync(f"coverage answers {answer!r:.200}, not an object with `edges` alone")
        if len(edges) > MOST_EDGES:
            self.desync(f"coverage answers with {len(edges)} edges, and an answer has at most {MOST_EDGES}")
        wrong = [one for one in edges if type(one) is not int or not 0 <= one < EDGES_END]
        if wrong:
            what = f"{wrong[0]!r:.40}, which is not a number from 0 to {EDGES_END - 1}"
            self.desync(f"coverage answers with the edge {what}")
        return frozenset(edges)

    def snapshot(self, handle: int) -> None:
        """Have the driver keep a copy of its whole state, until the next `reset`. Raises TargetError."""
        self._call_for_nothing("snapshot", handle)

    def restore(self, handle: int) -> None:
        """Have the driver restore the state of a copy. Copies made since then stay. Raises TargetError."""
        self._call_for_nothing("restore", handle)

    def discard(self, handle: int) -> None:
        """Have the driver forget a copy. TargetError."""
        self._call_for_nothing("discard", handle)

    def _call_for_nothing(self, method: str, handle: int) -> None:
        answer = self.call(method, {"handle": handle})
        if answer != {}:
            self.desync(f"{method} answers {answer!r:.200}, not an object without members")

    def finish(self) -> None:
        """End the case: all parties are forgotten. Raises TargetError on failure, for which the case is to blame.

        The request is sent twice: the second one detects a process that dies or sends more after its first answer.
        """
        if self._fresh or self._process.closed:
            return
        try:
            for _ in range(2):
                self.call("reset")
        except TargetGivenUp:
            self._process.close()  # the case is not to blame; the next one gets a new process
        except TargetUnsupported as error:
            self.desync(f"it answered reset with an error: {error}")
        except TargetFailed:
            self._process.close()  # what is left in it must not affect the next case
            raise
        self._fresh = True

    def reset(self) -> None:
        """Begin a case without parties, in a new process if the last one is dead or old. TargetError, as `finish`."""
        self._cases += 1
        self.finish()
        self.giving_up.next_case()
        if not self._process.idle or self._cases >= CASES_PER_PROCESS:
            self._renew()
        self._fresh = True

    def _renew(self) -> None:
        """Start a new process between two cases. `leave` reports what went wrong with the old one."""
        self._shut_down()
        self._restart()

    def _shut_down(self) -> None:
        try:
            self._process.shutdown(self.time_limit)
        except TargetError as error:
            self._unclaimed.append(error)

    def end(self) -> None:
        """Have all parties forgotten and the process end, in a case about that. Raises TargetError.

        The next case gets a new process.
        """
        self.finish()
        self._process.shutdown(self.time_limit)

    def leave(self) -> None:
        """End the process properly, when all cases are over.

        Raises TargetError for problems then, or earlier between two cases, for which no case is to blame.
        """
        self._close_companion()
        self._shut_down()
        if self._unclaimed:
            raise self._unclaimed.pop(0)

    def close(self) -> None:
        """End the process, ignoring how that goes."""
        self._close_companion()
        with suppress(TargetError):
            self._process.shutdown(_GRACE)
