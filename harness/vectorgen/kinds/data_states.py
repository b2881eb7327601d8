"""Encrypted sessions in which Data Messages are looked at."""

from __future__ import annotations

from otterproof.harness.vectorgen.client_session import ClientSession


def encrypted(session: ClientSession) -> None:
    session.begin()


def talked(session: ClientSession) -> None:
    """ENCRYPTED, and each side has used a second key."""
    session.begin()
    session.hear(b"one")
    session.say(b"two")
    session.hear(b"three")
    session.say(b"four")
