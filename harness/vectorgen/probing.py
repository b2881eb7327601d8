"""Vectors for a target whose randomness can't be controlled: the authors' acts, repeated with the target as the client.

An insider reaches the state and makes each message again, for the keys that the target drew. What the target then sends
and shows is compared with the expectation of the committed case, by kind and text. This checks the meaning of a case,
not its bytes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

from otterproof.harness.targets.driver import TargetError
from otterproof.harness.targets.driver.errors import TargetUnsupported
from otterproof.harness.targets.engines import ENGINES, Target
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.vectorgen.answers import Answer, Party, Subject, Unanswerable, answer
from otterproof.harness.vectorgen.builder import SEED, FileBuilder, GroupBuilder
from otterproof.harness.vectorgen.client_session import PEER_TAG, ClientSession, UnexpectedAnswer, config, seen
from otterproof.harness.vectorgen.kinds import AUTHORS
from otterproof.harness.vectorgen.notes import NOTES
from otterproof.harness.vectorgen.play_builder import Act, Plays, nothing
from otterproof.harness.vectorgen.wrong import Wrong
from otterproof.harness.wire import FieldError
from otterproof.implementations.contract import PartyConfig, Policy
from otterproof.vectors import Fields, Group, Outcome

#: Policy flags that some targets don't support.
_FLAGS = Policy.REQUIRE_ENCRYPTION | Policy.SEND_WHITESPACE_TAG | Policy.WHITESPACE_START_AKE | Policy.ERROR_START_AKE

#: Capabilities without which a target can't be tested with a kind at all.
_KIND_NEEDS: Mapping[str, frozenset[str]] = {
    "smp_messages": frozenset({"smp"}),
    "extra_key": frozenset({"extra_key"}),
}

_NO_TAPE = 'it is one conversation with given randomness, which takes a target with randomness "tape"'


class Sink(Protocol):
    """Receives the result of each case."""

    @abstractmethod
    def answered(self, case: str, found: Answer) -> None: ...
    @abstractmethod
    def skipped(self, case: str, reason: str) -> None: ...
    @abstractmethod
    def failed(self, case: str, what: str) -> None: ...


def _needs(made: PartyConfig) -> set[str]:
    """The capabilities that a configuration needs."""
    needs = {f"v{version}" for version, flag in ((2, Policy.ALLOW_V2), (3, Policy.ALLOW_V3)) if flag in made.policy}
    if made.max_message_size is not None:
        needs.add("fragmentation_out")
    if made.policy & _FLAGS or not needs:
        needs.add("policy")
    return needs


def _can(target: Target, needs: set[str] | frozenset[str]) -> None:
    """Raises Unanswerable if the target lacks a capability."""
    missing = sorted(needs - target.capabilities)
    if missing:
        raise Unanswerable(f"it does not claim {', '.join(missing)}")


class ProbeSession(ClientSession):
    """A session with a target, whose clock may not be settable."""

    tells_time = True

    def time(self, now: int) -> None:
        if not self.tells_time:
            raise Unanswerable("it has a clock of its own")
        super().time(now)


class ProbePlays(Plays):
    """A group of plays that are performed with a target."""

    def __init__(self, name: str, reach: Act, made: PartyConfig, version: int, insider: str, probe: Probe) -> None:
        self.id = name
        self._reach = reach
        self._config = made
        self._version = version
        self._insider = insider
        self._probe = probe

    def play(self, name: str, comment: str, requirements: str, act: Act, **claims: Any) -> None:
        case, sink = f"{self.id}.{name}", self._probe.sink
        try:
            session = self._reached()
            act(session)
            self._probe.target.finish()
        except Unanswerable as reason:
            sink.skipped(case, str(reason))
        except TargetUnsupported:
            sink.skipped(case, "it can't do what the user is to do")
        except (UnexpectedAnswer, FieldError, StopIteration, KeyError):
            sink.skipped(case, "the act builds on something that the client did not do")
        except TargetError as error:
            sink.failed(case, f"{type(error).__name__}: {error}")
        else:
            sink.answered(case, Answer(True, seen(session.steps[-1].events)))

    def _reached(self) -> ProbeSession:
        """A new client of the target, in the group's state."""
        target = self._probe.target
        _can(target, _needs(self._config) | _KIND_NEEDS.get(self._probe.kind, frozenset()))
        target.reset()
        client = target.party("target", self._config, SEED.encode())
        tag = self._config.instance_tag
        if self._version == 3 and tag is not None and client.instance_tag not in (0, tag):
            raise Unanswerable("it takes no instance tag from outside")
        key, seed = published_key(self._insider), self.id.encode()
        smp_peer = Insider(key, tag or client.instance_tag, version=self._version, tag=PEER_TAG, seed=seed)
        session = ProbeSession(client, self._version, smp_peer)
        session.tells_time = "time" in target.capabilities
        try:
            self._reach(session)
        except (UnexpectedAnswer, FieldError, TargetError, StopIteration, KeyError) as error:
            raise Unanswerable(f"the state of the group can't be reached ({type(error).__name__})") from error
        session.steps.clear()
        return session


class ProbeFunctions(GroupBuilder):
    """A group of functions; the target is asked those that a fresh client can answer."""

    def __init__(self, probe: Probe, name: str, comment: str, operation: str, fields: Mapping[str, Any]) -> None:
        super().__init__(probe, name, comment, operation, fields)
        self._probe = probe

    def case(self, name: str, comment: str, requirements: str, **claims: Any) -> None:
        given = {
            field: value for field, value in claims.items() if field not in ("reaction", "flags", "ours", "others")
        }
        case, sink = f"{self.id}.{name}", self._probe.sink
        try:
            found = answer(self._probe.subject, self.operation, self.fields, Fields(given))
            self._probe.target.finish()
        except Unanswerable as reason:
            sink.skipped(case, str(reason))
        except (TargetError, ValueError) as error:
            sink.failed(case, f"{type(error).__name__}: {error}")
        else:
            sink.answered(case, found)


class Probe(FileBuilder):
    """A file whose cases are performed with a target."""

    def __init__(self, kind: str, target: Target, sink: Sink) -> None:
        def party(made: PartyConfig) -> Party:
            _can(target, _needs(made))
            target.reset()
            return target.party("target", made, SEED.encode())

        super().__init__(kind, Subject(target.name, None, party), ENGINES["reference"], NOTES)
        self.target = target
        self.sink = sink

    def group(self, name: str, comment: str, operation: str, **fields: Any) -> GroupBuilder:
        return ProbeFunctions(self, name, comment, operation, fields)

    def plays(
        self,
        name: str,
        comment: str,
        reach: Act = nothing,
        *,
        version: int = 3,
        policy: Policy | None = None,
        sequel: Act | None = None,
        insider: str = "mallory",
        **more: Any,
    ) -> Plays:
        made = config(version, policy, **more)
        return ProbePlays(f"{self.kind}.{name}", reach, made, version, insider, self)

    def written(self, group: Group) -> None:
        for case in group.cases:
            self.sink.skipped(case.id, _NO_TAPE)


def probe(target: Target, kind: str, sink: Sink) -> None:
    """Perform all cases of a kind with a target."""
    AUTHORS[kind](Probe(kind, target, sink))


def fits(found: Answer, outcome: Outcome, play: bool) -> Wrong | None:
    """How a target's answer differs from an outcome; None if it fits. Plays are compared by what is sent and shown."""
    if not play and found.valid != outcome.valid:
        words = {True: "it is accepted", False: "it is refused"}
        return Wrong("validity", words[outcome.valid], words[found.valid])
    for name, right in outcome.expect.items():
        if name in found.expect and found.expect[name] != right:
            return Wrong.value(name, right, found.expect[name])
    return None
