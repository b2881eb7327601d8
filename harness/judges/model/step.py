"""One step of a prediction: the state under construction and the events predicted so far.

This module has what every part of the protocol needs: drawing names, finding sessions, sending data messages, leaving
ENCRYPTED, starting a handshake. The rules for single messages and actions are in the modules that use a Step.
"""

from __future__ import annotations

from dataclasses import replace

from otterproof.harness.judges.model.book import NameTable
from otterproof.harness.judges.model.expect import (
    Again,
    CommitMessage,
    DataMessage,
    Expected,
    Header,
    Sends,
    Template,
    Verbatim,
)
from otterproof.harness.judges.model.names import Commit, Drawn, Identity, MacKey, MessageName
from otterproof.harness.judges.model.plain import DISCONNECTED, Plain, Raw
from otterproof.harness.judges.model.state import NO_SMP, AwaitingDhKey, Idle, Ratchet, Session, State
from otterproof.implementations.contract import (
    MAX_INSTANCES,
    Event,
    MessageRejected,
    MessageState,
    PartyConfig,
    Policy,
    RejectReason,
    SmpAborted,
    SmpAbortReason,
)

#: The flag that asks the receiver to ignore the message if it is unreadable. [Data Message; DATA-FLAGS-3]
IGNORE_UNREADABLE = 1


class Step:
    """As the step proceeds, `state` changes and `expected` grows. The book is only read here."""

    def __init__(self, name: str, config: PartyConfig, names: NameTable, state: State) -> None:
        self.name = name
        self.config = config
        self.book = names
        self.state = state
        self.expected: list[Expected] = []

    # Events.

    def give(self, *events: Event) -> None:
        """Predict events that are known to the last byte."""
        self.expected.extend(events)

    def reject(self, reason: RejectReason, field: str = "", offset: int = 0) -> None:
        self.give(MessageRejected(reason, field, offset))

    def send(self, template: Template) -> None:
        """Predict an outgoing message."""
        self.expected.append(Sends(template))

    def send_query(self) -> None:
        """[OTR Query Messages; QUERY-PURPOSE-1]"""
        # [QUERY-FORM-1, QUERY-FORM-3, QUERY-FORM-4, QUERY-FORM-5, QUERY-FORM-6, QUERY-FORM-7]
        self.send(Verbatim(b"?OTRv" + b"".join(b"%d" % version for version in self.state.versions) + b"?"))

    # Sessions and names.

    @property
    def own(self) -> Identity:
        """Our own identity."""
        return Identity(self.config.key.public)

    def session(self, instance: int) -> Session:
        """A session. One that does not exist yet is fresh, and joins an announced handshake. [INSTANCE-MULTI-2]"""
        known = self.state.sessions.get(instance)
        if known is not None:
            return known
        waiting = self.state.announced if instance else None
        return Session(instance, auth=waiting or Idle())

    def put(self, session: Session) -> None:
        """Store a changed session."""
        self.state = replace(self.state, sessions={**self.state.sessions, session.instance: session})

    def make_room(self, session: Session) -> Session | None:
        """The session, ready to be stored for the first time if it is new; None if there is no room for it.

        To make room, the oldest session in PLAINTEXT is forgotten. [choice sessions.limit; INSTANCE-LEARN-2]
        """
        if session.instance in self.state.sessions:
            return session
        others = [one for one in self.state.sessions.values() if one.instance]
        if len(others) >= MAX_INSTANCES:
            idle = [one for one in others if one.message_state is MessageState.PLAINTEXT]
            if not idle:
                return None
            gone = min(idle, key=lambda one: one.born).instance
            kept = {key: one for key, one in self.state.sessions.items() if key != gone}
            self.state = replace(self.state, sessions=kept)
        return replace(session, born=self.serial())

    def serial(self) -> int:
        """A number that rises with every call."""
        self.state = replace(self.state, serial=self.state.serial + 1)
        return self.state.serial

    def draw(self, label: str) -> int:
        """Count a draw with that label, and return its index. [AKE-FRESH-1]"""
        index = self.state.draws.get(label, 0)
        self.state = replace(self.state, draws={**self.state.draws, label: index + 1})
        return index

    def draw_key(self, label: str) -> Drawn:
        """A new D-H key of ours."""
        return Drawn(self.name, label, self.draw(label))

    def header(self, version: int, receiver: int) -> Header:
        """The header of a message of ours to that instance. [INSTANCE-OWN-5, INSTANCE-REPLY-2]"""
        return Header(version, self.state.instance_tag or 0, receiver)

    # Handshakes begin.

    def start_handshake(self, offered: frozenset[int]) -> None:
        """A query or whitespace tag has arrived: send a commit in the highest version that it offers and we allow.

        [Receiving a Query Message; QUERY-PURPOSE-2, QUERY-ANSWER-1, choice handshake.new-commit, choice
        handshake.announcement]
        """
        common = [version for version in self.state.versions if version in offered]
        if not common:
            return  # [QUERY-ANSWER-6, TAG-START-7]
        # [QUERY-ANSWER-2, QUERY-ANSWER-3, QUERY-ANSWER-4, TAG-START-1, TAG-START-2, TAG-START-3]
        version = max(common)
        commit = Commit(self.name, self.draw("ake.x"))
        waiting = AwaitingDhKey(commit, MessageName("D-H Commit", (commit.x,), 0))
        for session in self.state.sessions.values():
            joins = bool(session.instance) == (version == 3)  # [DHKEY-VERSION-1]
            # Every authentication state is left; no message state changes. [STATE-AUTH-2, QUERY-ANSWER-5,
            # QUERY-ANSWER-7, QUERY-ANSWER-8, TAG-START-4, TAG-START-6]
            self.put(replace(session, auth=waiting if joins else Idle()))
        # [QUERY-FLOOD-2]
        self.state = replace(self.state, announced=waiting if version == 3 else None, answered=frozenset())
        self.send(CommitMessage(self.header(version, 0), commit, waiting.message))  # [INSTANCE-ZERO-1]

    def send_again(self, name: MessageName) -> None:
        """Retransmit a handshake message."""
        self.send(Again(name))

    # Data messages go out.

    def send_data(self, instance: int, plain: Plain, flags: int = 0) -> None:
        """Encrypt and send in an ENCRYPTED session. [When you send a Data Message; DATA-FLAGS-2]"""
        session, ratchet = self._encrypted(instance)
        ids = ratchet.sending
        counter = ratchet.sent.get(ids, 0) + 1  # [DATA-CTR-1, DATA-CTR-2, DATA-CTR-3, KEYMGMT-SEND-4]
        our, their = ids
        self.send(
            DataMessage(
                self.header(session.version, instance),
                flags,
                our,
                their,
                ratchet.ours[ratchet.our_keyid],  # [DATA-NEXT-1, KEYMGMT-SEND-2]
                counter,
                ratchet.ours[our],  # [DATA-KEYID-4, DERIVE-DATA-1, KEYMGMT-SEND-3]
                ratchet.theirs[their],
                plain,
                session.pending,  # [MACREVEAL-WHEN-3]
            )
        )
        ratchet = replace(ratchet, sent={**ratchet.sent, ids: counter})
        self.put(replace(session, ratchet=ratchet, pending=(), last_sent=self.state.now))  # [MACREVEAL-WHEN-5]

    def _encrypted(self, instance: int) -> tuple[Session, Ratchet]:
        """A session that must be ENCRYPTED, and its ratchet."""
        session = self.session(instance)
        if session.ratchet is None:
            raise RuntimeError(f"the model sends data in session {instance}, which it has as {session.message_state}")
        return session, session.ratchet

    # Sessions end.

    def end_by_user(self, instance: int) -> None:
        """Tell the peer and leave ENCRYPTED. The message reveals every MAC key that verified a message.

        [TLV-END-1, choice mac-keys.end]
        """
        session, ratchet = self._encrypted(instance)
        # [MACREVEAL-WHEN-6]
        self.put(replace(session, pending=session.pending + ratchet.mac_keys(ratchet.verified)))
        self.send_data(instance, Plain(tlvs=(Raw(DISCONNECTED),)), IGNORE_UNREADABLE)  # [USER-END-2]
        session = self.session(instance)
        self.drop_smp(session, SmpAbortReason.SESSION_LEFT)
        self._leave(session, MessageState.PLAINTEXT, (), None)  # [USER-END-3]

    def end_by_peer(self, instance: int) -> None:
        """Receive a Disconnected TLV. The MAC keys to reveal wait for the next data message, if there is one.

        [STATE-ENDED-2, STATE-FINISHED-2, TLV-END-2]
        """
        session, ratchet = self._encrypted(instance)
        self.drop_smp(session, SmpAbortReason.SESSION_LEFT)
        pending = session.pending + ratchet.mac_keys(ratchet.verified)
        self._leave(session, MessageState.FINISHED, pending, session.identity)

    def drop_smp(self, session: Session, reason: SmpAbortReason) -> None:
        """Abort the SMP run, if there is one, with an event."""
        if session.smp.busy:
            self.give(SmpAborted(session.instance, reason))
            self.put(replace(session, smp=NO_SMP))

    def _leave(
        self, session: Session, state: MessageState, pending: tuple[MacKey, ...], identity: Identity | None
    ) -> None:
        """Forget what belongs to ENCRYPTED. [choice forgetting.session]"""
        ratchet = session.ratchet
        self.put(
            replace(
                session,
                message_state=state,
                ratchet=None,  # [STATE-ENDED-1, USER-END-5]
                ssid=None,
                identity=identity,
                smp=NO_SMP,  # [SMP-STATE-2]
                pending=pending,
            )
        )
        if ratchet is not None:
            self.forget(*ratchet.ours.values())

    def forget(self, *keys: Drawn) -> None:
        """Stop waiting for answers to commits with these D-H keys of ours, now dropped. [choice forgetting.dh-key]"""
        announced = self.state.announced
        if announced is not None and announced.commit.x in keys:
            self.state = replace(self.state, announced=None)
        for session in self.state.sessions.values():
            if isinstance(session.auth, AwaitingDhKey) and session.auth.commit.x in keys:
                self.put(replace(session, auth=Idle()))

    @property
    def warns(self) -> bool:
        """Whether text received in the clear is shown with a warning. [Receiving plaintext ...]

        [STATE-CLEAR-2, STATE-CLEAR-3, STATE-CLEAR-5, TAG-SHOW-2, TAG-SHOW-4]
        """
        focus = self.session(self.state.focus)
        require = Policy.REQUIRE_ENCRYPTION in self.state.policy
        return require or focus.message_state is not MessageState.PLAINTEXT
