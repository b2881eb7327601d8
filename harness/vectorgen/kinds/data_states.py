"""Encrypted sessions for the cases on Data Messages."""

from __future__ import annotations

from otterproof.harness.vectorgen.client_session import ClientSession


def encrypted(session: ClientSession) -> None:
    session.begin()


def talked(session: ClientSession) -> None:
    """ENCRYPTED, after each side has used a second key."""
    session.begin()
    session.hear(b"one")
    session.say(b"two")
    session.hear(b"three")
    session.say(b"four")
