"""One step of an engine: the state as it is being rebuilt, the events so far, and the randomness drawn.

A step begins with the party's state, and the code that acts on an input puts new sessions into it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from implementations.contract import (
    MAX_INSTANCES,
    Entropy,
    Event,
    MessageState,
    Outgoing,
    PartyConfig,
    Reason,
    Rejected,
)

from .codec import Reject, armour
from .ratchet import KeyPair
from .state import AwaitingDHKey, Idle, PartyState, Session
from .text import split


class Step:
    __slots__ = ("_draws", "_entropy", "config", "events", "party")

    def __init__(self, config: PartyConfig, entropy: Entropy, party: PartyState) -> None:
        self.config = config
        self.party = party
        self.events: list[Event] = []
        self._entropy = entropy
        self._draws = dict(party.draws)

    def result(self) -> PartyState:
        """The state after the step."""
        return replace(self.party, draws=self._draws)

    # Randomness

    def draw(self, label: str, size: int) -> bytes:
        index = self._draws.get(label, 0)
        self._draws[label] = index + 1
        return self._entropy.draw(label, index, size)

    def draw_key_pair(self, label: str) -> KeyPair:
        return KeyPair.from_exponent(self.draw(label, 40))

    def draw_smp_exponent(self, label: str) -> int:
        return int.from_bytes(self.draw(label, 192))

    # Events

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def reject(self, reason: Reject) -> None:
        self.emit(Rejected(reason.reason, reason.field, reason.offset))

    def transmit(self, body: bytes, version: int, receiver: int = 0) -> None:
        """Send an encoded message, in fragments if it is too long for one."""
        limit, own = self.config.max_message_size, self.party.instance_tag
        for message in split(armour(body), limit, version, own, receiver):
            self.emit(Outgoing(message))

    # State

    def set(self, **changes: Any) -> None:
        """Change fields of the party's state."""
        self.party = replace(self.party, **changes)

    def session(self, instance: int) -> Session:
        """The session, or what it would be if it came into being now."""
        known = self.party.sessions.get(instance)
        if known is not None:
            return known
        announced = self.party.announced
        if instance == 0 or announced is None:
            return Session(instance)
        return Session(instance, auth=AwaitingDHKey(announced))

    def put(self, session: Session) -> Session:
        """Store a session in its new form. It exists, or `make_room` was called for it."""
        if session.instance not in self.party.sessions:
            created = self.party.sessions_created + 1
            session = replace(session, order=created)
            self.set(sessions_created=created)
        self.set(sessions={**self.party.sessions, session.instance: session})
        return session

    def make_room(self, instance: int) -> None:
        """See to it that a session can exist; Reject(TOO_MANY_INSTANCES) if it can't. [contract, Sessions]"""
        sessions = self.party.sessions
        if instance in sessions or len(sessions) - 1 < MAX_INSTANCES:
            return
        idle = [s for s in sessions.values() if s.instance and s.message_state is MessageState.PLAINTEXT]
        if not idle:
            raise Reject(Reason.TOO_MANY_INSTANCES)
        oldest = min(idle, key=lambda session: session.order).instance
        self.set(sessions={tag: session for tag, session in sessions.items() if tag != oldest})

    def forget(self, keys: tuple[KeyPair, ...]) -> None:
        """A D-H key of ours has been dropped: nobody may go on waiting for an answer to it. [contract, Forgetting]"""
        public = {key.public for key in keys}
        announced = self.party.announced
        if announced is not None and announced.x.public in public:
            self.set(announced=None)
        for session in self.party.sessions.values():
            if isinstance(session.auth, AwaitingDHKey) and session.auth.commit.x.public in public:
                self.put(replace(session, auth=Idle()))
