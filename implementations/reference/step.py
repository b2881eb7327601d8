"""One step of an engine: the state as it is being rebuilt, the events so far, and the randomness drawn.

A step begins with the party's state, and the code that acts on an input puts new sessions into it.
"""

from __future__ import annotations

from otterproof.implementations.contract import (
    MAX_INSTANCES,
    Entropy,
    Event,
    MessageRejected,
    MessageState,
    OutgoingMessage,
    PartyConfig,
    RejectReason,
)
from otterproof.implementations.values import replace

from .codec import Reject, armour
from .ratchet import KeyPair
from .state import AwaitingDHKey, Idle, PartyState, Session
from .text import split


class Step:
    """The fields of PartyState, free to be assigned; the containers in them are replaced, never changed in place."""

    __slots__ = (
        "announced",
        "answers",
        "config",
        "draws",
        "entropy",
        "events",
        "focus",
        "fragments",
        "heard_plaintext",
        "instance_tag",
        "now",
        "policy",
        "sessions",
        "sessions_created",
        "stored",
    )

    def __init__(self, config: PartyConfig, entropy: Entropy, party: PartyState) -> None:
        self.config = config
        self.entropy = entropy
        self.events: list[Event] = []
        self.instance_tag = party.instance_tag
        self.policy = party.policy
        self.now = party.now
        self.focus = party.focus
        self.announced = party.announced
        self.answers = party.answers
        self.heard_plaintext = party.heard_plaintext
        self.sessions = party.sessions
        self.sessions_created = party.sessions_created
        self.stored = party.stored
        self.fragments = party.fragments
        self.draws = party.draws

    def result(self) -> PartyState:
        """The state after the step."""
        return PartyState(
            self.instance_tag,
            self.policy,
            self.now,
            self.focus,
            self.announced,
            self.answers,
            self.heard_plaintext,
            self.sessions,
            self.sessions_created,
            self.stored,
            self.fragments,
            self.draws,
        )

    # Randomness

    def draw(self, label: str, size: int) -> bytes:
        index = self.draws.get(label, 0)
        self.draws = {**self.draws, label: index + 1}
        return self.entropy.draw(label, index, size)

    def draw_key_pair(self, label: str) -> KeyPair:
        return KeyPair.from_exponent(self.draw(label, 40))

    def draw_smp_exponent(self, label: str) -> int:
        """A new random exponent each time. [SMPMATH-EXP-3]"""
        return int.from_bytes(self.draw(label, 192))

    # Events

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def reject(self, reason: Reject) -> None:
        self.emit(MessageRejected(reason.reason, reason.field, reason.offset))

    def transmit(self, body: bytes, version: int, receiver: int = 0) -> None:
        """Send an encoded message, in fragments if it is too long for one.

        [FRAGMENT-SEND-1, FRAGMENT-SEND-9, FRAGMENT-SEND-10, FRAGMENT-SEND-11, INSTANCE-OWN-5]
        """
        limit, own = self.config.max_message_size, self.instance_tag
        for message in split(armour(body), limit, version, own, receiver):
            self.emit(OutgoingMessage(message))

    # State

    def session(self, instance: int) -> Session:
        """The session, or what it would be if it came into being now.

        The announced D-H Commit waits for an answer from every client of the correspondent. [INSTANCE-MULTI-2]
        """
        known = self.sessions.get(instance)
        if known is not None:
            return known
        if instance == 0 or self.announced is None:
            return Session(instance)
        return Session(instance, auth=AwaitingDHKey(self.announced))

    def put(self, session: Session) -> Session:
        """Store a session in its new form. It exists, or `make_room` was called for it."""
        if session.instance not in self.sessions:
            self.sessions_created += 1
            session = replace(session, order=self.sessions_created)
        self.sessions = {**self.sessions, session.instance: session}
        return session

    def make_room(self, instance: int) -> None:
        """See to it that a session can exist; Reject(TOO_MANY_INSTANCES) if it can't.

        [INSTANCE-LEARN-2; choice sessions.limit]
        """
        sessions = self.sessions
        if instance in sessions or len(sessions) - 1 < MAX_INSTANCES:
            return
        idle = [s for s in sessions.values() if s.instance and s.message_state is MessageState.PLAINTEXT]
        if not idle:
            raise Reject(RejectReason.TOO_MANY_INSTANCES)
        oldest = min(idle, key=lambda session: session.order).instance
        self.sessions = {tag: session for tag, session in sessions.items() if tag != oldest}

    def forget(self, keys: tuple[KeyPair, ...]) -> None:
        """Our D-H keys have been dropped: nobody may wait for an answer to them any more. [choice forgetting.dh-key]"""
        public = {key.public for key in keys}
        if self.announced is not None and self.announced.x.public in public:
            self.announced = None
        for session in self.sessions.values():
            if isinstance(session.auth, AwaitingDHKey) and session.auth.commit.x.public in public:
                self.put(replace(session, auth=Idle()))
