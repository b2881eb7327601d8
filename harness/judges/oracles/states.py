"""The oracle for message state, authentication state and policy: every step follows the protocol text's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from otterproof.harness import wire
from otterproof.harness.judges.oracles.base import Impact, Oracle
from otterproof.harness.judges.oracles.observation import ALLOW, HANDSHAKE, Observation, Sent, session_of
from otterproof.harness.judges.oracles.reading import Reader
from otterproof.harness.spec.states import ROWS, Cell, Setting, Shown, find
from otterproof.harness.wire import Kind
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import (
    MAX_INSTANCES,
    AuthState,
    ErrorMessageReceived,
    MessageState,
    PeerEndedSession,
    Policy,
    RejectReason,
    SessionEstablished,
    TextReceived,
    UserEndedSession,
)


def _versions(messages: Sequence[tuple[Kind, int | None]]) -> str:
    """Messages in words, with the version of each."""
    return ", ".join(f"{shown(kind)} of version {version}" for kind, version in messages) or "nothing"


class Reply(Enum):
    """How an answer compares with the last message of its kind sent to this session."""

    NONE = "no answer"
    NEW = "a new message"
    SAME = "the same message again"


@dataclass(frozen=True, slots=True)
class Transition:
    """The effect of a handshake message that is not refused."""

    then: AuthState
    reply: Reply
    kind: Kind | None
    completes: bool


def _transition(auth: AuthState, name: str) -> Transition | None:
    """The row of the state tables for an input in an authentication state; None if it is ignored or can't occur.

    It is the same in each version and message state.
    """
    row = find(ROWS, Cell(3, MessageState.PLAINTEXT, auth, name, Setting.USUAL))
    if row.impossible or (not row.sends and row.shows is Shown.NOTHING):
        return None
    sent = row.sends[0] if row.sends else None
    then, completes = row.auth or auth, row.shows is Shown.ESTABLISHED
    if sent is None:
        return Transition(then, Reply.NONE, None, completes)
    return Transition(then, Reply.SAME if sent.again else Reply.NEW, Kind(sent.kind), completes)


#: The inputs of the state tables that stand for a handshake message that is not refused, except that of COLLISION.
_INPUTS = {
    Kind.DH_COMMIT: ("commit", "commit_higher"),
    Kind.DH_KEY: ("dh_key", "dh_key_same"),
    Kind.REVEAL_SIGNATURE: ("reveal",),
    Kind.SIGNATURE: ("signature",),
}

#: (authentication state, message) -> what happens; a message that is not listed here is refused. [harness/spec/states]
TRANSITIONS: Mapping[tuple[AuthState, Kind], Transition] = {
    (auth, kind): transition
    for auth in AuthState
    for kind, names in _INPUTS.items()
    for name in names
    if (transition := _transition(auth, name)) is not None
}

#: What happens if the party's own D-H Commit has the higher hash.
COLLISION = _transition(AuthState.AWAITING_DHKEY, "commit_lower")


class States(Oracle):
    """Message state, authentication state and policy follow the protocol text's transition tables.

    ENCRYPTED is entered only when a handshake completes, FINISHED only from ENCRYPTED by an accepted data message, and
    PLAINTEXT only when the user ends the conversation. Each handshake message changes the authentication state of its
    own session, and is answered as the table says: with a new message or with the same one again; in a commit collision
    the higher hash decides. A well-formed commit is never refused because of the state. A query or a whitespace tag
    starts a handshake in the highest version offered and allowed, an Error Message is answered as ERROR_START_AKE says,
    and nothing is sent in a version that the policy does not allow.
    """

    id = "states"
    impact = Impact.INTEROPERABILITY

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._hashes: dict[tuple[str, int], bytes] = {}
        self._last: dict[tuple[str, int, Kind], bytes] = {}
        self._answered: dict[tuple[str, int], bytes] = {}

    def observe(self, view: Observation) -> None:
        self._message_states(view)
        message = view.message
        if view.ambiguous:
            pass  # it may or may not have begun a handshake
        elif view.step.action == "receive" and view.enabled:
            if message is not None and message.kind in HANDSHAKE and view.header is None:
                self._handshake(view, message)
            elif message is not None and message.kind in (Kind.QUERY, Kind.TAGGED_PLAINTEXT):
                self._start(view, message)
            elif message is not None and message.kind is Kind.ERROR:
                self._error(view)
            else:
                self._no_handshake(view)
        else:
            self._no_handshake(view)
        for one in view.sent:
            if one.message.kind is Kind.DH_COMMIT and one.message.version is not None:
                self._hashes[view.party, one.message.version] = one.message.data("hashed_gx")
            if one.message.kind in HANDSHAKE:
                self._last[view.party, one.instance, one.message.kind] = one.message.body

    # Message state

    def _message_states(self, view: Observation) -> None:
        completes = view.message is not None and view.message.kind in (Kind.REVEAL_SIGNATURE, Kind.SIGNATURE)
        reached: dict[int, MessageState] = {}
        for one in view.changes:
            if isinstance(one, SessionEstablished):
                expected = "SessionEstablished only after a Reveal Signature or Signature Message"
                self.demand("states.encrypted-without-handshake", completes, view, expected=expected, got=one)
                reached[session_of(one)] = MessageState.ENCRYPTED
            elif isinstance(one, PeerEndedSession):
                right = view.accepted and view.link.encrypted and one.instance == view.instance
                expected = "PeerEndedSession only after a Data Message of the session that is accepted"
                self.demand("states.finished-without-message", right, view, expected=expected, got=one)
                reached[session_of(one)] = MessageState.FINISHED
            elif isinstance(one, UserEndedSession):
                ended = view.step.action == "end"
                expected = "UserEndedSession only after the user's action end"
                self.demand("states.plaintext-without-user", ended, view, expected=expected, got=one)
                reached[session_of(one)] = MessageState.PLAINTEXT
        if view.same_sessions and not reached:
            return
        for session in view.step.after.sessions if view.step.after else ():
            before = view.session(session.instance, after=False)
            was = before.message_state if before else MessageState.PLAINTEXT
            then = reached.get(session.instance, was)
            if session.message_state is not then:
                expected = f"{then.name}, as the events of session {session.instance:08x} say"
                self.fail("states.state-not-as-reported", view, expected=expected, got=session.message_state.name)

    # Authentication state

    def _auth(self, view: Observation) -> AuthState | None:
        """The authentication state of the session that the message belongs to, before the step."""
        party = view.step.before
        if party is None:
            return None
        session = view.session(view.instance, after=False)
        if session is not None:
            return session.auth_state
        return AuthState.AWAITING_DHKEY if party.announced and view.instance else AuthState.NONE

    def _handshake(self, view: Observation, message: wire.Message) -> None:
        before, reason = self._auth(view), view.refusal
        allowed = view.policy is None or message.version is None or ALLOW[message.version] in view.policy
        handshakes = [one for one in view.sent if one.message.kind in HANDSHAKE]
        if view.foreign:
            # For the other two messages, the text of version 3 names the flag of version 2.
            if not allowed and message.kind in (Kind.DH_COMMIT, Kind.DH_KEY) and view.acted_upon:
                expected = f"{shown(message.kind)} of version {message.version} is ignored"
                self.fail("states.forbidden-version-accepted", view, expected=expected, got=view.step.events)
            return
        if not allowed:
            right = reason in (RejectReason.VERSION_NOT_ALLOWED, RejectReason.MALFORMED)
            expected = f"{shown(message.kind)} of version {message.version} is refused, as the policy forbids it"
            self.demand("states.forbidden-version-accepted", right, view, expected=expected, got=view.step.events)
        if before is None:
            return
        transition = TRANSITIONS.get((before, message.kind))
        if message.kind is Kind.DH_COMMIT and before is AuthState.AWAITING_DHKEY and self._own_hash_wins(view, message):
            transition = COLLISION
            self.demand(
                "states.lower-hash-not-ignored",
                reason is RejectReason.COLLISION_WON or not allowed or bool(message.problems),
                view,
                expected="the commit is ignored, as its hash is lower than that of the party's own",
                got=view.step.events,
            )
        elif reason is RejectReason.COLLISION_WON:
            expected = "no collision: no commit of the party's own with a higher hash waits for an answer"
            self.fail("states.commit-ignored-for-hash", view, expected=expected, got=view.step.events)
        if reason is not None and reason is not RejectReason.COLLISION_WON:
            if allowed and message.kind is Kind.DH_COMMIT and not message.problems and not self._full(view):
                expected = f"a well-formed commit is answered in {before.name}"
                self.fail("states.commit-refused", view, expected=expected, got=f"refused: {reason.value}")
            self._refused(view, handshakes, before)
            return
        if transition is not None and message.kind is Kind.DH_KEY:
            # In AWAITING_SIG only the D-H Key that led there is answered.
            gy = message.raw("gy")
            if before is AuthState.AWAITING_SIG and gy != self._answered.get((view.party, view.instance), gy):
                expected = "another D-H Key than the one before is ignored in AWAITING_SIG"
                self.fail("states.other-dh-key-answered", view, expected=expected, got=view.step.events)
            self._answered[view.party, view.instance] = gy
        if transition is None:
            expected = f"{shown(message.kind)} is ignored in {before.name}"
            self.fail("states.unexpected-message-accepted", view, expected=expected, got=view.step.events)
        self._taken(view, handshakes, transition)

    def _full(self, view: Observation) -> bool:
        """Whether there may be no room for another session."""
        return view.step.before is not None and len(view.step.before.sessions) > MAX_INSTANCES

    def _own_hash_wins(self, view: Observation, message: wire.Message) -> bool:
        own = self._hashes.get((view.party, message.version or 0))
        return own is not None and message.has("hashed_gx") and own > message.data("hashed_gx")

    def _refused(self, view: Observation, handshakes: list[Sent], before: AuthState) -> None:
        session = view.session(view.instance)
        after = session.auth_state if session else before
        if after is not before or handshakes:
            got = f"{after.name}, answered with {shown([one.message.kind for one in handshakes])}"
            expected = f"{before.name}, and no answer to a message that is refused"
            self.fail("states.refused-message-has-effects", view, expected=expected, got=got)

    def _taken(self, view: Observation, handshakes: list[Sent], transition: Transition) -> None:
        session = view.session(view.instance)
        after = session.auth_state if session else None
        # A commit that loses against an announced one creates no session.
        if after is not transition.then and (session or transition is not COLLISION):
            got = after.name if after is not None else "no session"
            self.fail("states.wrong-auth-state", view, expected=transition.then.name, got=got)
        expected = [] if transition.kind is None else [transition.kind]
        kinds = [one.message.kind for one in handshakes]
        if kinds != expected:
            self.fail("states.wrong-handshake-answer", view, expected=expected, got=kinds)
        if any(isinstance(one, SessionEstablished) for one in view.changes) is not transition.completes:
            completes = "the handshake completes" if transition.completes else "the handshake does not complete"
            self.fail("states.wrong-completion", view, expected=completes, got=view.step.events)
        for one in handshakes:
            last = self._last.get((view.party, one.instance, one.message.kind))
            if (one.message.body == last) is not (transition.reply is Reply.SAME):
                check_id = "states.answer-not-repeated" if transition.reply is Reply.SAME else "states.answer-not-new"
                seen = Reply.SAME if one.message.body == last else Reply.NEW
                self.fail(check_id, view, expected=transition.reply.value, got=seen.value)

    def _no_handshake(self, view: Observation) -> None:
        """Judge that no authentication state changes, except that a forgotten D-H key ends a handshake."""
        for one in view.sent:
            if one.message.kind in HANDSHAKE:
                expected = "no handshake message goes out"
                self.fail("states.stray-handshake-message", view, expected=expected, got=one.message.kind)
        if view.same_sessions:
            return
        for session in view.step.after.sessions if view.step.after else ():
            before = view.session(session.instance, after=False)
            if before is None:
                got = f"session {session.instance:08x} is new"
                self.fail("states.session-without-handshake", view, expected="no new session", got=got)
            forgotten = (before.auth_state, session.auth_state) == (AuthState.AWAITING_DHKEY, AuthState.NONE)
            if before.auth_state is not session.auth_state and not forgotten:
                expected = f"{before.auth_state.name} in session {session.instance:08x}, as before"
                self.fail("states.auth-state-changed", view, expected=expected, got=session.auth_state.name)

    # Queries, tags, errors

    def _start(self, view: Observation, message: wire.Message) -> None:
        if view.policy is None:
            return
        tagged = message.kind is Kind.TAGGED_PLAINTEXT
        offered = wire.offered_versions(message)
        if tagged and Policy.WHITESPACE_START_AKE not in view.policy:
            offered = frozenset()
        version = max((one for one in offered if one in ALLOW and ALLOW[one] in view.policy), default=None)
        sent = [(one.message.kind, one.message.version) for one in view.sent]
        expected = [] if version is None else [(Kind.DH_COMMIT, version)]
        if sent != expected:
            check_id = "states.wrong-answer-to-tag" if tagged else "states.wrong-answer-to-query"
            self.fail(check_id, view, expected=_versions(expected), got=_versions(sent))
        if version is None:
            self._no_handshake(view)
            return
        for session in view.step.after.sessions if view.step.after else ():
            waits = (session.instance == 0) == (version == 2)
            then = AuthState.AWAITING_DHKEY if waits else AuthState.NONE
            if session.auth_state is not then:
                expected_state = f"{then.name} in session {session.instance:08x}"
                got = session.auth_state.name
                self.fail("states.wrong-state-after-commit", view, expected=expected_state, got=got)

    def _error(self, view: Observation) -> None:
        shown = ErrorMessageReceived | TextReceived if view.foreign else ErrorMessageReceived
        told = any(isinstance(one, shown) for one in view.reports)
        expected_event = "the user is shown the Error Message"
        self.demand("states.error-not-shown", told, view, expected=expected_event, got=view.step.events)
        self._no_handshake(view)
        if view.policy is None:
            return
        sent = [one.message for one in view.sent]
        expected = [Kind.QUERY] if Policy.ERROR_START_AKE in view.policy else []
        if [one.kind for one in sent] != expected:
            self.fail("states.wrong-answer-to-error", view, expected=expected, got=[one.kind for one in sent])
        allowed = {version for version, flag in ALLOW.items() if flag in view.policy}
        if any(wire.offered_versions(one) != allowed for one in sent):
            offered = sorted(wire.offered_versions(sent[0]))
            self.fail("states.wrong-versions-offered", view, expected=sorted(allowed), got=offered)
