"""Probes of readings on message states. [User requests to end an OTR conversation]"""

from __future__ import annotations

from harness import wire
from harness.reading import reading
from harness.stage import Stage
from harness.wire import Kind


@reading("END-HANDSHAKE")
def a_handshake_when_the_session_ends(stage: Stage) -> str:
    subject, _ = stage.encrypted()
    new = subject.insider(seed=b"again")
    subject.user("start")
    dh_key = wire.build(subject.give(new.commit()).message(Kind.DH_KEY))
    subject.user("end")
    reply = subject.give(new.reveal_signature(dh_key))
    if reply.messages(Kind.SIGNATURE):
        return "keep"
    reply.accepts_nothing("a Reveal Signature for a handshake that was given up")
    return "drop"
