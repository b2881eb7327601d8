"""Reaches each state of SMP, with an insider on the other side."""

from __future__ import annotations

from typing import Any

from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.smp_peer import SmpPeer, secret_number, smp_value
from otterproof.harness.vectorgen.client_session import ClientSession
from otterproof.harness.vectorgen.kinds.smp_functions import Numbers
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.numbers import fingerprint

SECRET = b"secret"


def liar_of(session: ClientSession, initiator: bool, secret: bytes = SECRET) -> SmpPeer:
    """The insider's part of a run. initiator: whether the insider started it."""
    mine = fingerprint(session.insider.key.public)
    theirs = fingerprint(published_key("alice").public)
    first, second = (mine, theirs) if initiator else (theirs, mine)
    return SmpPeer(secret_number(first, second, session.insider.ssid, secret))


def value_of(kind: int, numbers: Numbers, **more: Any) -> bytes:
    return smp_value(kind, numbers, **more)


def asked(session: ClientSession) -> None:
    """The insider has sent message 1; the client's user is asked."""
    session.begin()
    session.memory["liar"] = liar_of(session, True)
    session.memory["first"] = session.memory["liar"].message_1()
    session.hear(b"", tlvs=[tlv(2, value_of(2, session.memory["first"]))])


def answered(session: ClientSession) -> None:
    """The client's user has answered with the same secret: EXPECT3; the numbers of message 3 are ready."""
    asked(session)
    session.do("smp_answer", secret=SECRET)
    second = session.insider.smp_numbers(session.sent(), 3)
    session.memory["next"] = session.memory["liar"].message_3(second)


def begun(session: ClientSession) -> None:
    """The client's user has started SMP: EXPECT2; the numbers of message 2 are ready."""
    session.begin()
    session.do("smp_start", secret=SECRET)
    session.memory["liar"] = liar_of(session, False)
    session.memory["next"] = session.memory["liar"].message_2(session.insider.smp_numbers(session.sent(), 2))


def third(session: ClientSession) -> None:
    """The client has sent message 3: EXPECT4; the numbers of message 4 are ready."""
    begun(session)
    session.hear(b"", tlvs=[tlv(3, value_of(3, session.memory["next"]))])
    session.memory["next"] = session.memory["liar"].message_4(session.insider.smp_numbers(session.sent(), 4))


def ready(session: ClientSession) -> None:
    """ENCRYPTED; the numbers of message 1 are ready."""
    session.begin()
    session.memory["next"] = liar_of(session, True).message_1()
