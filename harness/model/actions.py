"""What users ask for, and time and policy. [User requests to ..., User types a message to be sent]"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from harness.model.data import send_smp, send_smp_abort
from harness.model.expect import GivesExtraKey, Verbatim
from harness.model.names import SharedKey, pair
from harness.model.plain import EXTRA_KEY, PADDING, Compared, Plain, Raw
from harness.model.receive import receive
from harness.model.state import Session, SmpRun, Stored
from harness.model.step import Step
from harness.wire import TAG_BASE, TAG_VERSIONS
from implementations.contract import (
    MAX_EXTRA_KEY_DATA,
    MAX_PADDING,
    MAX_QUESTION,
    MAX_TEXT,
    Ended,
    MessageState,
    Policy,
    Reason,
    Refused,
    SmpState,
)


def _meant(step: Step, instance: int | None) -> Session | None:
    """The session that an action is for; None if it does not exist. The focus always counts as there."""
    if instance is None:
        return step.session(step.state.focus)
    return step.state.sessions.get(instance)


def send(step: Step, text: bytes, *, padding: int | None = None, instance: int | None = None) -> None:
    """[User types a message to be sent]"""
    session = _meant(step, instance)
    problem = None
    if session is None:
        problem = Reason.WRONG_STATE
    elif len(text) > MAX_TEXT or not 0 <= (padding or 0) <= MAX_PADDING:
        problem = Reason.TOO_LONG
    elif b"\0" in text:
        problem = Reason.HAS_NUL
    if session is None or problem is not None:
        step.give(Refused("send", problem or Reason.WRONG_STATE))
        return
    match session.message_state:
        case MessageState.ENCRYPTED:
            tlvs = () if padding is None else (Raw(PADDING, bytes(padding)),)
            step.send_data(session.instance, Plain(text, tlvs))
        case MessageState.FINISHED:
            step.give(Refused("send", Reason.WRONG_STATE))
            _store(step, Stored(text, step.state.now, session.identity))
        case MessageState.PLAINTEXT:
            _send_in_clear(step, text)


def _store(step: Step, text: Stored) -> None:
    step.state = replace(step.state, stored=(*step.state.stored, text))


def _send_in_clear(step: Step, text: bytes) -> None:
    """In PLAINTEXT: not at all if encryption is required, else with a whitespace tag if that is wanted."""
    state = step.state
    if state.versions and Policy.REQUIRE_ENCRYPTION in state.policy:
        _store(step, Stored(text, state.now, None))
        step.send_query()
        return
    if state.versions and Policy.SEND_WHITESPACE_TAG in state.policy and not state.heard_plaintext:
        text += TAG_BASE + b"".join(TAG_VERSIONS[version] for version in state.versions)
    step.send(Verbatim(text))


def start(step: Step) -> None:
    """[User requests to start an OTR conversation]"""
    if step.state.versions:
        step.send_query()
    else:
        step.give(Refused("start", Reason.NOT_IN_VERSION))


def end(step: Step, *, instance: int | None = None) -> None:
    """[User requests to end an OTR conversation]"""
    session = _meant(step, instance)
    if session is None or session.message_state is MessageState.PLAINTEXT:
        return
    number = session.instance
    if session.encrypted:
        step.end_by_user(number)
    else:
        step.put(replace(session, message_state=MessageState.PLAINTEXT, identity=None))
    step.give(Ended(number))
    if number == step.state.focus:
        step.state = replace(step.state, heard_plaintext=False)


def _encrypted(step: Step, action: str, instance: int | None) -> Session | None:
    """The session if it is ENCRYPTED; else the refusal is foretold."""
    session = _meant(step, instance)
    if session is None or not session.encrypted:
        step.give(Refused(action, Reason.WRONG_STATE))
        return None
    return session


def _compared(step: Step, session: Session, secret: bytes, *, initiator: bool) -> Compared:
    """[Secret information]"""
    if session.identity is None or session.ssid is None:
        raise RuntimeError(f"the model runs SMP in session {session.instance}, which it has as not ENCRYPTED")
    ours, theirs = step.own, session.identity
    return Compared(*((ours, theirs) if initiator else (theirs, ours)), session.ssid, secret)


def smp_start(step: Step, secret: bytes, *, question: bytes | None = None, instance: int | None = None) -> None:
    """[User requests to begin SMP]"""
    session = _encrypted(step, "smp_start", instance)
    if session is None:
        return
    if question is not None and (len(question) > MAX_QUESTION or b"\0" in question):
        reason = Reason.TOO_LONG if len(question) > MAX_QUESTION else Reason.HAS_NUL
        step.give(Refused("smp_start", reason))
        return
    if session.smp.state is not SmpState.EXPECT1:
        send_smp_abort(step, session.instance)
    compared = _compared(step, session, secret, initiator=True)
    sent = send_smp(step, session.instance, 1, question=question)
    step.put(replace(step.session(session.instance), smp=SmpRun(SmpState.EXPECT2, sent, compared=compared)))


def smp_answer(step: Step, secret: bytes, *, instance: int | None = None) -> None:
    """[Receiving a type 2 TLV], after the user has given the secret."""
    session = _encrypted(step, "smp_answer", instance)
    if session is None:
        return
    question = session.smp.question
    if question is None:
        step.give(Refused("smp_answer", Reason.WRONG_STATE))
        return
    compared = _compared(step, session, secret, initiator=False)
    sent = send_smp(step, session.instance, 2, answers=question.id, compared=compared)
    step.put(replace(step.session(session.instance), smp=SmpRun(SmpState.EXPECT3, sent, compared=compared)))


def smp_abort(step: Step, *, instance: int | None = None) -> None:
    """[User requests to abort SMP]"""
    session = _encrypted(step, "smp_abort", instance)
    if session is not None:
        send_smp_abort(step, session.instance)


def extra_key(step: Step, use: int, data: bytes = b"", *, instance: int | None = None) -> None:
    """[Extra symmetric key]"""
    session = _encrypted(step, "extra_key", instance)
    if session is None or session.ratchet is None:
        return
    if session.version != 3:
        step.give(Refused("extra_key", Reason.NOT_IN_VERSION))
        return
    if len(data) > MAX_EXTRA_KEY_DATA or not 0 <= use <= 0xFFFFFFFF:
        step.give(Refused("extra_key", Reason.TOO_LONG))
        return
    our, their = session.ratchet.sending
    shared = SharedKey(pair(session.ratchet.ours[our], session.ratchet.theirs[their]))
    step.send_data(session.instance, Plain(tlvs=(Raw(EXTRA_KEY, use.to_bytes(4, "big") + data),)))
    step.expected.append(GivesExtraKey(session.instance, False, use, data, shared))


def set_time(step: Step, now: int) -> None:
    """Time passes; nothing happens by itself."""
    step.state = replace(step.state, now=now)


def set_policy(step: Step, policy: Policy) -> None:
    """Another policy, from the next input on. [Policies]"""
    step.state = replace(step.state, policy=policy)


#: Every input there is, by the name of its method in contract.Engine, whose signature it has.
ACTIONS: Mapping[str, Callable[..., None]] = {
    "receive": receive,
    "send": send,
    "start": start,
    "end": end,
    "smp_start": smp_start,
    "smp_answer": smp_answer,
    "smp_abort": smp_abort,
    "extra_key": extra_key,
    "set_time": set_time,
    "set_policy": set_policy,
}
