"""Message state, authentication state and policy: every step is a transition of the protocol text's tables (I10)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from otterproof.harness import wire
from otterproof.harness.judges.oracles.base import Oracle
from otterproof.harness.judges.oracles.reading import ALLOW, HANDSHAKE, Observation, Reader, Sent
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import (
    MAX_INSTANCES,
    AuthState,
    Ended,
    ErrorReceived,
    Established,
    Finished,
    MessageState,
    Policy,
    Reason,
    TextReceived,
)


class Reply(Enum):
    """How an answer compares with the last message of its kind that went to this session."""

    NONE = "no answer"
    NEW = "a new message"
    SAME = "the same message again"


@dataclass(frozen=True, slots=True)
class Transition:
    """What a handshake message does if it is not refused."""

    then: AuthState
    reply: Reply
    kind: Kind | None = None
    completes: bool = False


_KEY_NEW = Transition(AuthState.AWAITING_REVEALSIG, Reply.NEW, Kind.DH_KEY)

#: (authentication state, message) -> what happens; a message that is missing here is refused. [State transitions]
TRANSITIONS: dict[tuple[AuthState, Kind], Transition] = {
    # [COMMIT-NONE-1, COMMIT-NONE-2]
    (AuthState.NONE, Kind.DH_COMMIT): _KEY_NEW,
    # If their hash is the higher one; otherwise COLLISION. [COMMIT-DHKEY-5, COMMIT-DHKEY-6]
    (AuthState.AWAITING_DHKEY, Kind.DH_COMMIT): _KEY_NEW,
    # [COMMIT-REVEALSIG-1, COMMIT-REVEALSIG-3]
    (AuthState.AWAITING_REVEALSIG, Kind.DH_COMMIT): Transition(AuthState.AWAITING_REVEALSIG, Reply.SAME, Kind.DH_KEY),
    # [COMMIT-SIG-1, COMMIT-SIG-2]
    (AuthState.AWAITING_SIG, Kind.DH_COMMIT): _KEY_NEW,
    # [DHKEY-DHKEY-1, DHKEY-DHKEY-2]
    (AuthState.AWAITING_DHKEY, Kind.DH_KEY): Transition(AuthState.AWAITING_SIG, Reply.NEW, Kind.REVEAL_SIGNATURE),
    # [DHKEY-SIG-1]
    (AuthState.AWAITING_SIG, Kind.DH_KEY): Transition(AuthState.AWAITING_SIG, Reply.SAME, Kind.REVEAL_SIGNATURE),
    # [REVEAL-ACCEPT-2, REVEAL-ACCEPT-3, REVEAL-ACCEPT-4]
    (AuthState.AWAITING_REVEALSIG, Kind.REVEAL_SIGNATURE): Transition(
        AuthState.NONE, Reply.NEW, Kind.SIGNATURE, completes=True
    ),
    # [SIG-ACCEPT-2, SIG-ACCEPT-3]
    (AuthState.AWAITING_SIG, Kind.SIGNATURE): Transition(AuthState.NONE, Reply.NONE, completes=True),
}

#: Our own D-H Commit has the higher hash: theirs is ignored, and ours is sent again. [COMMIT-DHKEY-2, COMMIT-DHKEY-3,
#: COMMIT-DHKEY-4, COMMIT-DHKEY-8]
COLLISION = Transition(AuthState.AWAITING_DHKEY, Reply.SAME, Kind.DH_COMMIT)


class States(Oracle):
    """Message state, authentication state and policy follow the protocol text's transition tables.

    ENCRYPTED is entered only when a handshake completes, FINISHED only from ENCRYPTED by an accepted data message, and
    PLAINTEXT only when the user ends the conversation. Each handshake message changes the authentication state of its
    own session, and is answered, as the table says: with a new message or with the same one again, and in a commit
    collision by the higher hash. A well-formed commit is never refused because of the state. A query or a whitespace
    tag starts a handshake in the best version offered and allowed, an Error Message is answered as ERROR_START_AKE
    says, and nothing is sent in a version that the policy does not allow.
    """

    id = "I10"

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._hashes: dict[tuple[str, int], bytes] = {}
        self._last: dict[tuple[str, int, Kind], bytes] = {}
        self._answered: dict[tuple[str, int], bytes] = {}

    def observe(self, view: Observation) -> None:
        self._message_states(view)
        message = view.message
        if view.step.action == "receive" and view.enabled:
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
        for one in view.happenings:
            if isinstance(one, Established):
                # [STATE-ENCRYPTED-2]
                self.demand(completes, view, "ENCRYPTED is entered", "only the end of a handshake enters it")
                reached[one.instance] = MessageState.ENCRYPTED
            elif isinstance(one, Finished):
                right = view.accepted and view.link.encrypted and one.instance == view.instance
                # [STATE-FINISHED-2]
                self.demand(right, view, "FINISHED is entered", "only an accepted data message enters it")
                reached[one.instance] = MessageState.FINISHED
            elif isinstance(one, Ended):
                # [STATE-PLAINTEXT-3]
                self.demand(view.step.action == "end", view, "PLAINTEXT is entered", "only its user enters it")
                reached[one.instance] = MessageState.PLAINTEXT
        for session in view.step.after.sessions if view.step.after else ():
            before = view.session(session.instance, after=False)
            was = before.message_state if before else MessageState.PLAINTEXT
            if session.message_state is not reached.get(session.instance, was):
                moved = f"from {was.name} to {session.message_state.name}"
                self.fail(view, f"session {session.instance:08x} goes {moved} without a word", "an event says so")

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
            # For the other two messages, the text of version 3 names the flag of version 2. [COMMIT-POLICY-1,
            # COMMIT-POLICY-2, DHKEY-POLICY-1, DHKEY-POLICY-2]
            if not allowed and message.kind in (Kind.DH_COMMIT, Kind.DH_KEY) and view.acted_upon:
                self.fail(view, f"a {message.kind} message is acted upon", "a version that is not allowed is ignored")
            return
        if not allowed:
            # [POLICY-V2-1, POLICY-V3-1, REVEAL-POLICY-1, REVEAL-POLICY-2, SIG-POLICY-1, SIG-POLICY-2]
            right = reason in (Reason.VERSION_NOT_ALLOWED, Reason.MALFORMED)
            self.demand(right, view, f"refusal {reason}", "a version that is not allowed is refused")
        if before is None:
            return
        transition = TRANSITIONS.get((before, message.kind))
        if message.kind is Kind.DH_COMMIT and before is AuthState.AWAITING_DHKEY and self._own_hash_wins(view, message):
            transition = COLLISION
            # [COMMIT-DHKEY-1]
            self.demand(
                reason is Reason.COLLISION_WON or not allowed or bool(message.problems),
                view,
                f"refusal {reason}",
                "a commit with a lower hash than our own is ignored",
            )
        elif reason is Reason.COLLISION_WON:
            self.fail(view, "a commit is ignored for its hash", "our own commit is out, and has the higher hash")
        if reason is not None and reason is not Reason.COLLISION_WON:
            if allowed and message.kind is Kind.DH_COMMIT and not message.problems and not self._full(view):
                self.fail(view, f"a D-H Commit in order is refused, {reason.value}", "it is answered in every state")
            self._refused(view, handshakes, before)
            return
        if transition is not None and message.kind is Kind.DH_KEY:
            # In AWAITING_SIG only the D-H Key that led there is answered. [DHKEY-SIG-2]
            gy = message.raw("gy")
            if before is AuthState.AWAITING_SIG and gy != self._answered.get((view.party, view.instance), gy):
                self.fail(view, "another D-H Key is answered in AWAITING_SIG", "it is ignored")
            self._answered[view.party, view.instance] = gy
        if transition is None:
            # [DHKEY-NONE-1, DHKEY-REVEALSIG-1, REVEAL-AWAITSIG-1, REVEAL-DHKEY-1, REVEAL-NONE-1, SIG-DHKEY-1,
            # SIG-NONE-1, SIG-REVEALSIG-1]
            self.fail(view, f"a {message.kind} message is acted upon in {before.name}", "it is ignored in this state")
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
            # [AKE-VALID-4, AKE-VERIFY-6, REVEAL-IGNORED-1]
            self.fail(
                view,
                f"a refused message moves {before.name} to {after.name}, with {len(handshakes)} answers",
                "a refused message moves nothing and is not answered",
            )

    def _taken(self, view: Observation, handshakes: list[Sent], transition: Transition) -> None:
        session = view.session(view.instance)
        after = session.auth_state if session else None
        # A commit that loses against an announced one creates no session.
        if after is not transition.then and (session or transition is not COLLISION):
            self.fail(view, f"the state is {after}", f"it is {transition.then}")
        expected = [] if transition.kind is None else [transition.kind]
        kinds = [one.message.kind for one in handshakes]
        if kinds != expected:
            self.fail(view, f"answered with {kinds}", f"answered with {expected}")
        if any(isinstance(one, Established) for one in view.happenings) is not transition.completes:
            self.fail(view, "the handshake completes, or does not", f"completes={transition.completes}")
        for one in handshakes:
            last = self._last.get((view.party, one.instance, one.message.kind))
            if (one.message.body == last) is not (transition.reply is Reply.SAME):
                self.fail(
                    view, f"the answer is {'the same' if one.message.body == last else 'new'}", transition.reply.value
                )

    def _no_handshake(self, view: Observation) -> None:
        """Nothing else changes an authentication state, except that a forgotten D-H key ends a handshake."""
        for one in view.sent:
            if one.message.kind in HANDSHAKE:
                self.fail(view, f"a {one.message.kind} message goes out", "nothing here calls for it")
        for session in view.step.after.sessions if view.step.after else ():
            before = view.session(session.instance, after=False)
            if before is None:
                self.fail(view, f"session {session.instance:08x} comes into being", "only a handshake makes one")
            moved = (before.auth_state, session.auth_state)
            forgotten = moved == (AuthState.AWAITING_DHKEY, AuthState.NONE)
            if before.auth_state is not session.auth_state and not forgotten:
                # [ERROR-STATE-1, STATE-CLEAR-6]
                self.fail(view, f"the state of session {session.instance:08x} goes {moved}", "it stays")

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
            # [POLICY-START-1, QUERY-ANSWER-1, QUERY-ANSWER-2, QUERY-ANSWER-3, QUERY-ANSWER-4, QUERY-ANSWER-6,
            # QUERY-FLOOD-1, TAG-START-1, TAG-START-2, TAG-START-3, TAG-START-5, TAG-START-7]
            self.fail(view, f"answered with {sent}", f"{expected}: the best version offered and allowed")
        if version is None:
            self._no_handshake(view)
            return
        for session in view.step.after.sessions if view.step.after else ():
            waits = (session.instance == 0) == (version == 2)
            then = AuthState.AWAITING_DHKEY if waits else AuthState.NONE
            if session.auth_state is not then:
                # [QUERY-ANSWER-5, QUERY-ANSWER-8, TAG-START-4]
                self.fail(view, f"session {session.instance:08x} is in {session.auth_state.name}", then.name)

    def _error(self, view: Observation) -> None:
        shown = ErrorReceived | TextReceived if view.foreign else ErrorReceived
        told = any(isinstance(one, shown) for one in view.happenings)
        # [ERROR-SHOW-1]
        self.demand(told, view, "an Error Message is kept from the user", "it is displayed")
        self._no_handshake(view)
        if view.policy is None:
            return
        sent = [one.message for one in view.sent]
        expected = [Kind.QUERY] if Policy.ERROR_START_AKE in view.policy else []
        if [one.kind for one in sent] != expected:
            # [ERROR-LOOP-1, ERROR-START-1, ERROR-START-2, POLICY-ERROR-1]
            self.fail(view, f"answered with {[str(one.kind) for one in sent]}", f"{expected}, as ERROR_START_AKE says")
        allowed = {version for version, flag in ALLOW.items() if flag in view.policy}
        if any(wire.offered_versions(one) != allowed for one in sent):
            # [QUERY-FORM-7]
            self.fail(view, f"the query {sent[0].body!r}", f"it offers versions {sorted(allowed)} and no others")
