"""The oracles that compare the two sides of a handshake and of an SMP run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from otterproof.harness.judges.handshake import (
    GY_RANGE,
    KEY_ID,
    REMEMBERED,
    Commitment,
    commitment,
    wrongly_revealed,
)
from otterproof.harness.judges.oracles.base import Impact, Oracle
from otterproof.harness.judges.oracles.observation import Observation, Sent, session_of
from otterproof.harness.judges.oracles.reading import Reader
from otterproof.harness.simulation.handshake_insider import CraftedHandshake
from otterproof.harness.simulation.insider import Crafted, answers
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.craft_smp import Lie
from otterproof.harness.wire.numbers import in_group
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import (
    ActionRefused,
    MessageState,
    PeerEndedSession,
    SessionEstablished,
    SmpAborted,
    SmpFinished,
    SmpRequested,
    SmpState,
    UserEndedSession,
)
from otterproof.implementations.values import quickly_made

#: The message that completes a handshake, for the side that sent the Reveal Signature (True) and for the other.
_LAST = {True: Kind.SIGNATURE, False: Kind.REVEAL_SIGNATURE}

#: The same in words, by what the party says that it sent; it need not say so.
_COMPLETED_BY: Mapping[bool | None, str] = {
    True: "a well-formed Signature Message in AWAITING_SIG, as it says that it sent the Reveal Signature Message",
    False: "a well-formed Reveal Signature Message in AWAITING_REVEALSIG, as it says that it did not send that itself",
    None: "a well-formed Reveal Signature Message in AWAITING_REVEALSIG or Signature Message in AWAITING_SIG",
}


def _occasion(message: Message | None, kind: Kind) -> str:
    """On what a party reported a session, in words. kind: of the message that could have completed the handshake."""
    if message is None:
        return "without a message"
    return f"on {shown(message)}{', which is malformed' if message.kind is kind else ''}"


@quickly_made
@dataclass(frozen=True, slots=True)
class HandshakeSide:
    """One side of a completed handshake."""

    party: str
    version: int
    fingerprint: bytes | None
    sent_reveal_signature: bool

    def may_be(self, other: HandshakeSide) -> bool:
        """Whether the two agree, as far as both report their values."""
        prints = (self.fingerprint, other.fingerprint)
        same = (self.party, self.version) == (other.party, other.version)
        alike = None in prints or prints[0] == prints[1]
        return same and alike and self.sent_reveal_signature == other.sent_reveal_signature


class Agreement(Oracle):
    """Both sides agree on version, ssid, fingerprints and who sent the Reveal Signature, or neither is encrypted.

    A handshake completes only with a Reveal Signature or Signature Message that the other side really sent, and with
    the fingerprint of that side's key. The side that sent the Reveal Signature completes second: by then the other side
    has completed with the same ssid and version, this side's fingerprint, and the opposite role. No third side ever has
    that ssid. The snapshots agree with the events.

    A D-H value out of range is not answered and makes no session, no matter who sent it. Nor does a commit that does
    not open correctly. An insider, who has the keys of one side, can complete a handshake with another key id or under
    another long-term key; but if anything in its message is wrong, the handshake does not complete.
    """

    id = "agreement"
    impact = Impact.AUTHENTICITY
    one_sided = False

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._proofs: dict[bytes, str] = {}
        self._sides: dict[bytes, tuple[HandshakeSide, ...]] = {}
        # Parties that reported a session without its ssid.
        self._without_ssid: set[str] = set()
        # The commits that each party has received in each session.
        self._commits: dict[tuple[str, int], tuple[Commitment, ...]] = {}
        # The sessions whose sides are not compared: an insider showed a key that is not its client's, or one side
        # reported the session without a message that completes a handshake.
        self._not_compared: set[bytes] = set()
        # The key ids that insiders gave to their first keys, until the other side accepts a data message of theirs.
        self._keyids: dict[tuple[str, int], tuple[int, ...]] = {}

    def observe(self, view: Observation) -> None:
        for sent in view.sent:  # first, so that it is remembered even if a failure is excused
            self._note(view, sent)
        self._judge_values(view)
        for one in view.changes:
            if isinstance(one, SessionEstablished):
                self._judge(view, one)
        if view.handshake is not None or self._keyids:
            self._judge_keyid(view)
        if view.under_test and (view.changes or not view.settled):
            self._judge_state(view)

    def _note(self, view: Observation, sent: Sent) -> None:
        """Remember the handshake messages that a party sends."""
        if (name := sent.message.proof) is not None:
            self._proofs[name] = view.party
        if sent.message.kind is Kind.DH_KEY and (view.message is None or view.message.kind is not Kind.DH_COMMIT):
            # It answers a commit that was not read here, such as one put together from the wrong fragments.
            self._commits.pop((view.party, sent.instance), None)

    def _judge(self, view: Observation, event: SessionEstablished) -> None:
        message = view.message
        revealed = event.sent_reveal_signature
        if revealed is None:
            revealed = message is not None and message.kind is Kind.SIGNATURE
        kind = _LAST[revealed]
        name = message.proof if message is not None and message.kind is kind and view.header is None else None
        if message is None or name is None:
            self._not_compared |= {event.ssid} if event.ssid is not None else set()
            expected = f"{view.party} reports a session only on {_COMPLETED_BY[event.sent_reveal_signature]}"
            got = f"it reports one {_occasion(message, kind)}"
            self.fail("agreement.completed-without-handshake", view, expected=expected, got=got)
        insider = view.handshake
        if insider is not None:
            self._judge_insider(view, insider)
        commits = self._commits.get((view.party, view.instance), ())
        if not revealed and (wrong := wrongly_revealed(commits, message)):
            self.fail(wrong, view, expected="the message is refused", got=view.step.events)
        peer = self._proofs.get(name) if insider is None else insider.sender
        if peer is None:
            expected = f"{shown(kind)} that nobody sent is refused"
            self.fail("agreement.completed-by-forgery", view, expected=expected, got=view.step.events)
        identity = self._reader.world.parties[peer].fingerprint
        if insider is not None:
            if identity != insider.fingerprint and event.ssid is not None:
                self._not_compared.add(event.ssid)
            identity = insider.fingerprint
        if event.fingerprint not in (identity, None):
            self.fail("agreement.wrong-fingerprint", view, expected=identity, got=event.fingerprint)
        if event.version != message.version:
            self.fail("agreement.wrong-version", view, expected=message.version, got=event.version)
        if event.instance != view.instance:
            instances = (f"{view.instance:08x}", f"{session_of(event):08x}")
            self.fail("agreement.wrong-instance", view, expected=instances[0], got=instances[1])
        side = HandshakeSide(view.party, event.version, event.fingerprint, revealed)
        if event.ssid is None:
            self._without_ssid.add(view.party)
            return
        if event.ssid in self._not_compared:
            return
        known = self._sides.get(event.ssid, ())
        own = self._reader.world.parties[view.party].fingerprint
        first = HandshakeSide(peer, event.version, own, not revealed)
        before = (first,) if revealed and peer not in self._without_ssid else ()
        if len(event.ssid) != 8:
            self.fail("agreement.ssid-wrong-size", view, expected="8 bytes", got=event.ssid)
        if len(known) != len(before) or not all(map(HandshakeSide.may_be, known, before)):
            who = f"those that completed it before with the ssid {event.ssid.hex()}: "
            self.fail("agreement.sides-differ", view, expected=who + shown(before), got=known)
        self._sides[event.ssid] = (*known, side)

    def _judge_values(self, view: Observation) -> None:
        """Judge the answer to a D-H value out of range, and remember commits."""
        message = view.message
        if message is None or view.header is not None or message.kind not in (Kind.DH_COMMIT, Kind.DH_KEY):
            return
        commit = commitment(message)
        if commit is not None:
            where = (view.party, view.instance)
            others = [one for one in self._commits.get(where, ()) if one != commit]
            self._commits[where] = (*others, commit)[-REMEMBERED:]
        elif message.has("gy") and not in_group(message.number("gy")):
            kinds = [one.message.kind for one in view.sent]
            if Kind.REVEAL_SIGNATURE in kinds:
                self.fail(GY_RANGE, view, expected="no answer", got=kinds)

    def _judge_insider(self, view: Observation, insider: CraftedHandshake) -> None:
        """Judge a handshake that an insider's message has completed."""
        refusal = insider.refusal
        if refusal is not None and not (refusal.strictly and view.foreign):
            self.fail(refusal.check, view, expected="the message is refused", got=view.step.events)

    def _judge_keyid(self, view: Observation) -> None:
        """Judge the id under which a party uses an insider's first key."""
        if view.is_data and not view.refused:  # a foreign party need not show that it accepted a message
            self._keyids.pop((view.party, view.instance), None)
        for one in view.observed:
            if isinstance(one, SessionEstablished):
                self._keyids.pop((view.party, session_of(one)), None)
                if view.handshake is not None:
                    self._keyids[view.party, session_of(one)] = view.handshake.keyids
            elif isinstance(one, Sent) and one.message.kind is Kind.DATA and not one.message.problems:
                right, used = self._keyids.get((view.party, one.instance)), one.message.number("recipient_keyid")
                if right is not None and used not in right:
                    self.fail(KEY_ID, view, expected=f"key id {right[0]}", got=used)
        for session in view.step.after.sessions if view.step.after is not None else ():
            right = self._keyids.get((view.party, session.instance))
            if right is not None and session.ratchet is not None and right[0] not in session.ratchet.their_keys:
                held = sorted(session.ratchet.their_keys)
                self.fail(KEY_ID, view, expected=f"a key of key id {right[0]}", got=held)

    def _judge_state(self, view: Observation) -> None:
        party = view.step.after
        if party is None:
            return
        for session in party.sessions:
            link = self._reader.link(view.party, session.instance)
            seen = (session.message_state, session.ssid, session.fingerprint)
            told = (link.state, link.ssid, b"" if link.state is MessageState.PLAINTEXT else link.fingerprint)
            if seen == told and session.version == link.version:
                continue
            differs = any(then not in (now, None) for now, then in zip(seen, told, strict=True))
            if differs or (link.encrypted and session.version != link.version):
                expected = f"{shown((*told, link.version))}, as the events said of session {session.instance:08x}"
                self.fail("agreement.state-not-as-reported", view, expected=expected, got=(*seen, session.version))


@dataclass(frozen=True, slots=True)
class Run:
    """One party's part in an SMP run."""

    initiator: bool
    secret: bytes
    question: bytes | None = None


#: The SMP states before and after a received message that changes the state but does not end the run. [SMP-MSG2-3]
_PROGRESS = frozenset({(SmpState.EXPECT2, SmpState.EXPECT4)})

#: The SMP states in which a user's action can succeed, and the state after it.
_ACTIONS = {
    "smp_start": (frozenset(SmpState), SmpState.EXPECT2),  # [SMP-BEGIN-2]
    "smp_answer": (frozenset({SmpState.EXPECT1}), SmpState.EXPECT3),  # [SMP-MSG1-3]
    "smp_abort": (frozenset(SmpState), SmpState.EXPECT1),  # [SMP-ABORT-3]
}


class Smp(Oracle):
    """SMP tells both users that their secrets are equal if and only if they are, and nothing else can do so.

    A run finishes only with a message that the peer sent in the same session, in the other role of a run. Its result is
    whether the secrets typed for these two runs are the same. A question is shown as it was asked. Each run finishes
    once, and never after it was aborted. The SMP state changes as the protocol text's tables say. An insider that takes
    part in a run can spoil it, but can make it succeed only with the secret, and a number out of range or a proof that
    does not verify is refused.
    """

    id = "smp"
    impact = Impact.AUTHENTICITY
    one_sided = False

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._runs: dict[tuple[str, int], Run] = {}
        self._asked: set[tuple[str, int]] = set()
        self._messages: dict[bytes, Run] = {}
        # The messages with which parties abort runs.
        self._aborts: set[bytes] = set()
        # Sessions in whose runs an insider has taken part.
        self._meddled: set[tuple[str, int]] = set()

    def observe(self, view: Observation) -> None:
        self._begin(view)
        self._note_aborts(view)
        self._note_insider(view)
        for one in view.observed:
            if isinstance(one, SessionEstablished):
                self._meddled.discard((view.party, session_of(one)))
            if isinstance(one, Sent):
                name, run = one.message.authenticated, self._runs.get((view.party, one.instance))
                if name is not None and run is not None and name not in self._aborts:
                    self._messages[name] = run
            elif isinstance(one, SmpRequested):
                self._asked.add((view.party, session_of(one)))
                self._judge_request(view, one)
            elif isinstance(one, SmpFinished):
                self._judge_result(view, one, self._runs.pop((view.party, session_of(one)), None))
            elif isinstance(one, SessionEstablished) and view.foreign:
                pass  # the text does not say that a new handshake ends a run
            elif isinstance(one, (SmpAborted, SessionEstablished, PeerEndedSession, UserEndedSession)):
                self._runs.pop((view.party, session_of(one)), None)
                self._asked.discard((view.party, session_of(one)))
        if view.under_test:
            self._judge_states(view)
        if view.crafted is not None and view.crafted.lie is not None:
            self._judge_lie(view, view.crafted, *view.crafted.lie)

    def _judge_lie(self, view: Observation, insider: Crafted, kind: int, lie: Lie) -> None:
        """Judge the reaction to a number out of range or a proof that does not verify."""
        sender = self._reader.world.parties[insider.sender]
        told = any(isinstance(one, SmpRequested) for one in view.reports) if kind == 2 else False
        equal = any(isinstance(one, SmpFinished) and one.equal for one in view.reports)
        replies = [one.message for one in view.sent if one.message.kind is Kind.DATA and kind in (3, 4)]
        goes_on = any(tlv.type == kind + 1 for message in replies for tlv in answers(sender, message))
        if told or equal or goes_on:
            which = "range-not-checked" if lie is Lie.RANGE else "proof-not-verified"
            self.fail(f"smp.message-{kind - 1}-{which}", view, expected="it is refused", got=view.step.events)

    def _where(self, view: Observation) -> tuple[str, int] | None:
        """The session that a user's action is about; None if unknown."""
        instance = view.action_instance
        return (view.party, instance) if instance is not None else None

    def _begin(self, view: Observation) -> None:
        where = self._where(view) if view.step.action in _ACTIONS else None
        if where is None or any(isinstance(one, ActionRefused) for one in view.reports):
            return
        if view.foreign and not any(one.message.kind is Kind.DATA for one in view.sent):
            return  # it did nothing, but does not report that it refused
        secret, question = view.step.args.get("secret"), view.step.args.get("question")
        if view.step.action == "smp_answer":
            expected = "the answer is refused, as the peer has not asked"
            self.demand("smp.answered-unasked", where in self._asked, view, expected=expected, got=view.step.events)
        self._asked.discard(where)
        self._runs.pop(where, None)
        if isinstance(secret, bytes):
            asked = question if isinstance(question, bytes) else None
            self._runs[where] = Run(view.step.action == "smp_start", secret, asked)

    def _peer(self, view: Observation) -> Run | None:
        """The peer's run in which the received message was sent."""
        name = view.message.authenticated if view.message is not None and view.accepted else None
        if name not in self._messages and view.crafted is not None:
            name = view.crafted.instead_of
        return self._messages.get(name) if name is not None else None

    def _note_insider(self, view: Observation) -> None:
        """Remember the sessions, on both sides, in whose runs an insider takes part."""
        insider = view.crafted
        if insider is not None and insider.smp:
            links = self._reader.links(insider.sender)
            self._meddled |= {(insider.sender, at) for at, link in links.items() if link.ssid == insider.ssid}
            self._meddled.add((view.party, view.instance))

    def _note_aborts(self, view: Observation) -> None:
        """Remember the messages with which a party aborts a run; of those for smp_start, the last starts a new run."""
        if view.step.action == "smp_start":
            self._aborts.update(self._named(view)[:-1])
        elif view.crafted is not None and view.crafted.smp:
            pass  # of several SMP messages at once, one may finish the run and the next be out of turn
        elif view.step.action == "smp_abort" or any(isinstance(one, SmpAborted) for one in view.reports):
            self._aborts.update(self._named(view))

    @staticmethod
    def _named(view: Observation) -> list[bytes]:
        """The data messages that a party sends, as digests of their authenticated parts."""
        return [name for one in view.sent if (name := one.message.authenticated) is not None]

    def _gives_up(self, view: Observation) -> bool:
        """Whether the peer aborts its run with the received message."""
        return view.message is not None and view.message.authenticated in self._aborts

    def _judge_request(self, view: Observation, event: SmpRequested) -> None:
        peer = self._peer(view)
        if (view.party, session_of(event)) in self._meddled:
            return  # an insider may ask whatever it likes
        if peer is None or not peer.initiator:
            self.fail("smp.asked-without-run", view, expected="no request, as the peer has begun no run", got=event)
        # Some foreign parties do not distinguish an empty question from no question.
        none_alike = view.foreign and not peer.question and not event.question
        if not none_alike and not view.is_shown_as(peer.question, event.question):
            self.fail("smp.question-changed", view, expected=peer.question, got=event.question)

    def _judge_result(self, view: Observation, event: SmpFinished, own: Run | None) -> None:
        peer = self._peer(view)
        if view.foreign and not event.equal and self._gives_up(view):
            return  # some foreign parties report an abort as secrets that differ
        link = self._reader.link(view.party, session_of(event))
        if not event.equal and ((view.party, session_of(event)) in self._meddled or self._reader.renumbered(link.name)):
            return  # an insider can spoil any run, and other keys mean another secret
        if own is None or peer is None or own.initiator == peer.initiator:
            roles = ["none" if run is None else "initiator" if run.initiator else "responder" for run in (own, peer)]
            got = f"a result; roles of this side and of the peer: {' and '.join(roles)}"
            self.fail("smp.finished-without-peer", view, expected="no result", got=got)
        equal = own.secret == peer.secret
        if event.equal != equal:
            expected, got = ("equal" if one else "not equal" for one in (equal, event.equal))
            self.fail("smp.wrong-result", view, expected=f"{expected}, as the users typed", got=got)

    def _judge_states(self, view: Observation) -> None:
        if view.step.after is None or view.step.before is None:
            return
        if view.step.action not in _ACTIONS and not view.reports and view.same_sessions:
            return
        closed = {
            event.instance
            for event in view.reports
            if isinstance(event, (SmpAborted, SmpFinished, SessionEstablished, PeerEndedSession, UserEndedSession))
        }
        where = self._where(view) if view.step.action in _ACTIONS else None
        for session in view.step.after.sessions:
            earlier = view.session(session.instance, after=False)
            before = earlier.smp_state if earlier else SmpState.EXPECT1
            now = session.smp_state
            if session.instance in closed:
                rule, right, expected = "smp.not-reset", now is SmpState.EXPECT1, SmpState.EXPECT1.name
            elif where == (view.party, session.instance):
                rule = "smp.wrong-state-after-action"
                possible, then = _ACTIONS[view.step.action]
                if any(isinstance(one, ActionRefused) for one in view.reports):
                    right, expected = before is now, f"{before.name}, as the action is refused"
                else:
                    right, expected = before in possible and now is then, f"{then.name}, or the action is refused"
            else:
                rule = "smp.wrong-state-after-message"
                if before is now:
                    continue
                right = view.accepted and (before, now) in _PROGRESS
                expected = f"{before.name}, or a step on" if view.accepted else before.name
            if not right:
                self.fail(rule, view, expected=expected, got=f"{now.name}, and before that {before.name}")
