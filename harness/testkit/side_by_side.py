"""Two implementations side by side: a target and the reference engine are given the same inputs, step by step.

A course is a list of steps that a scenario takes with one implementation; it is taken with each of the two, with
insiders of its own, for each has drawn its own keys. What comes of a step is compared as far as it does not depend on
randomness: which kinds of messages go out, under which keys, what is shown to the user, and what he is told. The order
of messages and of what the user is told does not count, nor do heartbeats, which depend on clocks. A difference where a
reading is declared, of which the target's own answer is measured to be another than the reference engine's, is none;
the rest of that course then says nothing and is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from otterproof.harness.spec.requirements import load
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.probe import PROBES
from otterproof.harness.testkit.reply import Reply, check
from otterproof.harness.testkit.smp_session import SmpReply
from otterproof.harness.testkit.target_session import TargetSession
from otterproof.harness.wire import Kind, Message
from otterproof.implementations.contract import (
    Ended,
    Established,
    Event,
    ExtraKey,
    Finished,
    SmpFinished,
    SmpRequested,
    TextReceived,
)


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken. readings: the questions on which it depends what comes of it."""

    label: str
    seen: tuple[str, ...]
    readings: tuple[str, ...]


class Side:
    """One implementation on its course."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.subject: TargetSession = context.target_session()
        self.taken: list[Taken] = []

    def insider(self, key: str = "mallory", tag: int = 0x2B2B, seed: bytes = b"insider") -> Insider:
        return self.subject.insider(key, tag, seed)

    def step(self, label: str, reply: Reply, *readings: str) -> Reply:
        """Note what came of a step."""
        told = [_event(event) for event in reply.events if isinstance(event, _COMPARED)]
        sent = [_message(message) for message in reply.sent if not _is_heartbeat(message)]
        self.taken.append(Taken(label, (*sent, *told), readings))
        return reply

    def smp(self, label: str, reply: SmpReply, *readings: str) -> SmpReply:
        """Note what came of a step of SMP: its TLVs count, not the messages that bear them.

        An abort in a message of its own would pass for a heartbeat.
        """
        told = [_event(event) for event in reply.reply.events if isinstance(event, _COMPARED)]
        others = [_message(message) for message in reply.reply.sent if message.kind is not Kind.DATA]
        self.taken.append(Taken(label, (*others, *(f"SMP TLV {kind}" for kind in reply.types), *told), readings))
        return reply

    def give(self, label: str, message: bytes, *readings: str) -> Reply:
        """The implementation receives a message."""
        return self.step(label, self.subject.receive(message), *readings)

    def user(self, label: str, action: str, *readings: str, **args: object) -> Reply:
        """Its user acts."""
        return self.step(label, self.subject.user(action, **args), *readings)


Plan = Callable[[Side], None]


def compare(context: Context, plan: Plan) -> None:
    """Take a course with both, and demand that the same came of each step, but for declared readings."""
    judged, reference = Side(context), Side(context.for_target(EngineTarget("reference")))
    plan(reference)
    try:
        plan(judged)
    finally:
        _compare(context, judged, reference)


def _compare(context: Context, judged: Side, reference: Side) -> None:
    for one, other in zip(judged.taken, reference.taken, strict=False):
        check(one.label == other.label, f"both are at the same step, and are at {one.label!r} and {other.label!r}")
        if one.seen == other.seen:
            continue
        if any(_declared(context, name) for name in one.readings):
            return
        context.blame(judged.subject.record)
        shown = [", ".join(seen) or "nothing" for seen in (one.seen, other.seen)]
        check(False, f"{one.label}: the same comes of it as with the reference engine ({shown[1]}), and was {shown[0]}")


def _declared(context: Context, name: str) -> bool:
    """Whether the target's own answer to the question is another one than the reference engine's."""
    question = load().reading(name)
    return context.version in question.versions and PROBES[name](context.reseeded(name.encode())) != question.ours


#: Events that every driver tells.
_COMPARED = (TextReceived, Established, Finished, Ended, SmpRequested, SmpFinished, ExtraKey)


def _event(event: Event) -> str:
    """An event without what is random or told differently."""
    match event:
        case TextReceived(text=text, secure=secure):
            return f"{'secure' if secure else 'clear'} text {text[:60]!r}"
        case Established(version=version):
            return f"established in version {version}"
        case SmpRequested(question=question):
            return f"SMP request {question!r}"
        case SmpFinished(equal=equal):
            return f"SMP {'equal' if equal else 'unequal'}"
        case ExtraKey(received=received, use=use, data=data):
            return f"extra key {'received' if received else 'made'} for {use} {data!r}"
        case _:
            return type(event).__name__.lower()


def _message(message: Message) -> str:
    """A message by its kind, and a data message by its key ids."""
    if message.kind is Kind.DATA and not message.problems:
        ours, theirs = message.number("sender_keyid"), message.number("recipient_keyid")
        return f"data message under the keys {ours} and {theirs}"
    return str(message.kind)


#: A message of this many bytes may be empty but for padding; any SMP message has more.
_PADDED = 300


def _is_heartbeat(message: Message) -> bool:
    """Whether it may be one. What is in it only the correspondent can tell, but it is short, and may be ignored."""
    if message.kind is not Kind.DATA or message.problems:
        return False
    return message.number("flags") == 1 and len(message.data("encrypted_message")) <= _PADDED
