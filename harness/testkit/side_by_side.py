"""Two implementations side by side: a target and the reference engine get the same inputs, step by step.

A plan is a list of steps that a scenario takes with one implementation. It is executed with both, each time with other
insiders, because each implementation has drawn its own keys. The answers to a step are compared in everything that does
not depend on randomness: which kinds of messages are sent, under which keys, and what the user is shown and told.
Heartbeats are excluded, because they depend on clocks. A step may name readings. If its answers differ, and the target
is measured to differ from the reference engine on one of these readings, the difference is allowed, and the rest of
that plan is not compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from otterproof.harness.spec.requirements import load
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.probe import PROBES
from otterproof.harness.testkit.reply import Reply, fail
from otterproof.harness.testkit.smp_session import SmpReply
from otterproof.harness.testkit.target_session import TargetSession
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.shown import TITLES, shown
from otterproof.implementations.contract import (
    Event,
    ExtraKeyDerived,
    PeerEndedSession,
    SessionEstablished,
    SmpFinished,
    SmpRequested,
    TextReceived,
    UserEndedSession,
)


@dataclass(frozen=True, slots=True)
class ComparedStep:
    """A step that was taken. readings: the questions that determine its answer."""

    label: str
    seen: tuple[str, ...]
    readings: tuple[str, ...]


class ComparedSession:
    """A session with one of the two implementations, and its steps with their answers."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.subject: TargetSession = context.target_session()
        self.steps: list[ComparedStep] = []

    def insider(self, key: str = "mallory", tag: int = 0x2B2B, seed: bytes = b"insider") -> Insider:
        return self.subject.insider(key, tag, seed)

    def step(self, label: str, reply: Reply, *readings: str) -> Reply:
        """Record the answer to a step."""
        told = [_event(event) for event in reply.events if isinstance(event, _COMPARED)]
        sent = [_message(message) for message in reply.sent if not _is_heartbeat(message)]
        self.steps.append(ComparedStep(label, (*sent, *told), readings))
        return reply

    def smp(self, label: str, reply: SmpReply, *readings: str) -> SmpReply:
        """Record the answer to a step of SMP: its TLVs count, not the messages that carry them.

        An abort in a message of its own would be taken for a heartbeat.
        """
        told = [_event(event) for event in reply.reply.events if isinstance(event, _COMPARED)]
        others = [_message(message) for message in reply.reply.sent if message.kind is not Kind.DATA]
        self.steps.append(ComparedStep(label, (*others, *(f"SMP TLV {kind}" for kind in reply.types), *told), readings))
        return reply

    def give(self, label: str, message: bytes, *readings: str) -> Reply:
        """The implementation receives a message."""
        return self.step(label, self.subject.receive(message), *readings)

    def user(self, label: str, action: str, *readings: str, **args: object) -> Reply:
        """Its user acts."""
        return self.step(label, self.subject.user(action, **args), *readings)


Plan = Callable[[ComparedSession], None]


def compare(context: Context, plan: Plan) -> None:
    """Execute a plan with both, and demand the same answer to each step, unless a declared reading differs."""
    judged, reference = ComparedSession(context), ComparedSession(context.for_target(EngineTarget("reference")))
    plan(reference)
    try:
        plan(judged)
    finally:
        _compare(context, judged, reference)


def _compare(context: Context, judged: ComparedSession, reference: ComparedSession) -> None:
    for one, other in zip(judged.steps, reference.steps, strict=False):
        if one.seen == other.seen:
            continue
        if any(_declared(context, name) for name in one.readings):
            return
        context.blame(judged.subject.record)
        fail("differential.other-answer", expected=other.seen, got=one.seen, case=one.label)


def _declared(context: Context, name: str) -> bool:
    """Whether the target's answer to the question differs from the reference engine's."""
    question = load().reading(name)
    return context.version in question.versions and PROBES[name](context.reseeded(name.encode())) != question.ours


#: Events that every driver reports.
_COMPARED = (
    TextReceived,
    SessionEstablished,
    PeerEndedSession,
    UserEndedSession,
    SmpRequested,
    SmpFinished,
    ExtraKeyDerived,
)


def _event(event: Event) -> str:
    """An event, without what is random or what drivers report differently."""
    match event:
        case TextReceived(text=text, secure=secure):
            return f"{'secure' if secure else 'clear'} text {shown(text[:60])}"
        case SessionEstablished(version=version):
            return f"established in version {version}"
        case SmpRequested(question=question):
            return f"SMP request with {'no question' if question is None else shown(question)}"
        case SmpFinished(equal=equal):
            return f"SMP {'equal' if equal else 'unequal'}"
        case ExtraKeyDerived(received=received, use=use, data=data):
            return f"extra key {'received' if received else 'made'} for use {use} with {shown(data)}"
        case _:
            return type(event).__name__.lower()


def _message(message: Message) -> str:
    """A message by its kind; a data message also by its key ids."""
    if message.kind is Kind.DATA and not message.problems:
        ours, theirs = message.number("sender_keyid"), message.number("recipient_keyid")
        return f"data message under the keys {ours} and {theirs}"
    return TITLES[message.kind]


#: A message of this size may be empty except for padding; any SMP message is larger.
_PADDED = 300


def _is_heartbeat(message: Message) -> bool:
    """Whether a message may be a heartbeat: short, with IGNORE_UNREADABLE set. Only the peer can tell for certain."""
    if message.kind is not Kind.DATA or message.problems:
        return False
    return message.number("flags") == 1 and len(message.data("encrypted_message")) <= _PADDED
