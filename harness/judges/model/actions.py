"""The model's rules for what users ask for, and for changes of time and policy.

[User requests to ..., User types a message to be sent]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from otterproof.harness.judges.model.data import send_smp, send_smp_abort
from otterproof.harness.judges.model.expect import GivesExtraKey, Verbatim
from otterproof.harness.judges.model.names import SharedKey, pair
from otterproof.harness.judges.model.plain import EXTRA_KEY, PADDING, Compared, Plain, Raw
from otterproof.harness.judges.model.receive import receive
from otterproof.harness.judges.model.state import Session, SmpRun, Stored
from otterproof.harness.judges.model.step import Step
from otterproof.harness.wire import TAG_BASE, TAG_VERSIONS
from otterproof.implementations.contract import (
    MAX_EXTRA_KEY_DATA,
    MAX_PADDING,
    MAX_QUESTION,
    MAX_TEXT,
    ActionRefused,
    MessageState,
    Policy,
    RefuseReason,
    SmpState,
    UserEndedSession,
)


def _meant(step: Step, instance: int | None) -> Session | None:
    """The session that an action is for; None if it does not exist. The focus always counts as existing."""
    if instance is None:
        return step.session(step.state.focus)
    return step.state.sessions.get(instance)


def send(step: Step, text: bytes, *, padding: int | None = None, instance: int | None = None) -> None:
    """[User types a message to be sent]"""
    session = _meant(step, instance)
    problem = None
    if session is None:
        problem = RefuseReason.WRONG_STATE
    elif len(text) > MAX_TEXT or not 0 <= (padding or 0) <= MAX_PADDING:
        problem = RefuseReason.TOO_LONG
    elif b"\0" in text:
        problem = RefuseReason.HAS_NUL
    if session is None or problem is not None:
        step.give(ActionRefused("send", problem or RefuseReason.WRONG_STATE))
        return
    match session.message_state:
        case MessageState.ENCRYPTED:  # [STATE-ENCRYPTED-1, STATE-ENCRYPTED-3, STATE-SECRECY-1, USER-SEND-6]
            tlvs = () if padding is None else (Raw(PADDING, bytes(padding)),)  # [TLV-PADDING-1]
            step.send_data(session.instance, Plain(text, tlvs))
        case MessageState.FINISHED:  # [STATE-FINISHED-1, USER-SEND-10]
            step.give(ActionRefused("send", RefuseReason.WRONG_STATE))  # [USER-SEND-8]
            _store(step, Stored(text, step.state.now, session.identity))  # [USER-SEND-9]
        case MessageState.PLAINTEXT:  # [STATE-PLAINTEXT-2]
            _send_in_clear(step, text)


def _store(step: Step, text: Stored) -> None:
    step.state = replace(step.state, stored=(*step.state.stored, text))


def _send_in_clear(step: Step, text: bytes) -> None:
    """Send a text in PLAINTEXT, with a whitespace tag if the policy says so; not at all if it requires encryption."""
    state = step.state
    if state.versions and Policy.REQUIRE_ENCRYPTION in state.policy:  # [POLICY-REQUIRE-1, USER-SEND-1]
        _store(step, Stored(text, state.now, None))
        step.send_query()
        return
    # [POLICY-TAG-1, USER-SEND-3, USER-SEND-5]
    if state.versions and Policy.SEND_WHITESPACE_TAG in state.policy and not state.heard_plaintext:
        # [TAG-FORM-1, TAG-FORM-2, TAG-FORM-3, TAG-FORM-6, TAG-FORM-7, TAG-FORM-8]
        text += TAG_BASE + b"".join(TAG_VERSIONS[version] for version in state.versions)
    step.send(Verbatim(text))  # [USER-SEND-2]


def start(step: Step) -> None:
    """[User requests to start an OTR conversation; USER-START-1, USER-START-2]"""
    if step.state.versions:
        step.send_query()
    else:
        step.give(ActionRefused("start", RefuseReason.NOT_IN_VERSION))


def end(step: Step, *, instance: int | None = None) -> None:
    """[User requests to end an OTR conversation; STATE-PLAINTEXT-3]"""
    session = _meant(step, instance)
    if session is None or session.message_state is MessageState.PLAINTEXT:
        return  # [USER-END-1]
    number = session.instance
    if session.encrypted:
        step.end_by_user(number)
    else:
        step.put(replace(session, message_state=MessageState.PLAINTEXT, identity=None))  # [USER-END-4]
    step.give(UserEndedSession(number))
    if number == step.state.focus:
        step.state = replace(step.state, heard_plaintext=False)


def _encrypted(step: Step, action: str, instance: int | None) -> Session | None:
    """The session if it is ENCRYPTED; otherwise None, and the refusal is predicted. [SMP-STATE-1]"""
    session = _meant(step, instance)
    if session is None or not session.encrypted:
        step.give(ActionRefused(action, RefuseReason.WRONG_STATE))
        return None
    return session


def _compared(step: Step, session: Session, secret: bytes, *, initiator: bool) -> Compared:
    """[Secret information; SMP-SECRET-7]"""
    if session.identity is None or session.ssid is None:
        raise RuntimeError(f"the model runs SMP in session {session.instance}, which it has as not ENCRYPTED")
    ours, theirs = step.own, session.identity
    return Compared(*((ours, theirs) if initiator else (theirs, ours)), session.ssid, secret)


def smp_start(step: Step, secret: bytes, *, question: bytes | None = None, instance: int | None = None) -> None:
    """[User requests to begin SMP; SMP-USE-1]"""
    session = _encrypted(step, "smp_start", instance)
    if session is None:
        return
    if question is not None and (len(question) > MAX_QUESTION or b"\0" in question):
        reason = RefuseReason.TOO_LONG if len(question) > MAX_QUESTION else RefuseReason.HAS_NUL
        step.give(ActionRefused("smp_start", reason))
        return
    if session.smp.state is not SmpState.EXPECT1:
        send_smp_abort(step, session.instance)  # [SMP-BEGIN-3]
    compared = _compared(step, session, secret, initiator=True)
    sent = send_smp(step, session.instance, 1, question=question)  # [SMP-BEGIN-1]
    # [SMP-BEGIN-2]
    step.put(replace(step.session(session.instance), smp=SmpRun(SmpState.EXPECT2, sent, compared=compared)))


def smp_answer(step: Step, secret: bytes, *, instance: int | None = None) -> None:
    """The user answers a question of the peer with a secret. [Receiving a type 2 TLV]"""
    session = _encrypted(step, "smp_answer", instance)
    if session is None:
        return
    question = session.smp.question
    if question is None:
        step.give(ActionRefused("smp_answer", RefuseReason.WRONG_STATE))  # [SMP-TRUST-2]
        return
    compared = _compared(step, session, secret, initiator=False)
    sent = send_smp(step, session.instance, 2, answers=question.id, compared=compared)  # [SMP-MSG1-2]
    # [SMP-MSG1-3]
    step.put(replace(step.session(session.instance), smp=SmpRun(SmpState.EXPECT3, sent, compared=compared)))


def smp_abort(step: Step, *, instance: int | None = None) -> None:
    """[User requests to abort SMP; SMP-ABORT-2]"""
    session = _encrypted(step, "smp_abort", instance)
    if session is not None:
        send_smp_abort(step, session.instance)


def extra_key(step: Step, use: int, data: bytes = b"", *, instance: int | None = None) -> None:
    """[Extra symmetric key]"""
    session = _encrypted(step, "extra_key", instance)
    if session is None or session.ratchet is None:
        return
    if session.version != 3:
        step.give(ActionRefused("extra_key", RefuseReason.NOT_IN_VERSION))
        return
    if len(data) > MAX_EXTRA_KEY_DATA or not 0 <= use <= 0xFFFFFFFF:
        step.give(ActionRefused("extra_key", RefuseReason.TOO_LONG))
        return
    our, their = session.ratchet.sending
    shared = SharedKey(pair(session.ratchet.ours[our], session.ratchet.theirs[their]))
    # [TLV-EXTRA-1, TLV-EXTRA-2, TLV-EXTRA-3]
    step.send_data(session.instance, Plain(tlvs=(Raw(EXTRA_KEY, use.to_bytes(4, "big") + data),)))
    step.expected.append(GivesExtraKey(session.instance, False, use, data, shared))


def set_time(step: Step, now: int) -> None:
    """Time passes. Nothing else happens."""
    step.state = replace(step.state, now=now)


def set_policy(step: Step, policy: Policy) -> None:
    """Set another policy, which holds from the next input on. [Policies; POLICY-SET-1]"""
    step.state = replace(step.state, policy=policy)


#: Every kind of input, by the name of the method of contract.Engine whose signature it shares. [STATE-ACTIONS-1]
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
