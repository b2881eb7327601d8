"""How a cell of the state tables is visited: enter its states, give its input, and probe the states that follow.

Only what the target sends and reports is judged. What it does with a typed text shows the message state; which
handshake message it accepts shows the authentication state. [The protocol state machine]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from otterproof.harness import wire
from otterproof.harness.spec.states import Cell, Sent, Setting, Shown, filled
from otterproof.harness.testkit.context import ALLOW, Context, TargetSession
from otterproof.harness.testkit.insider import Insider, SignatureOptions
from otterproof.harness.testkit.reply import CheckFailed, Reply, check, check_equal, check_told, fail
from otterproof.harness.wire import DH_GENERATOR, TAG_BASE, TAG_VERSIONS, Kind, Message
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.numbers import mpi, power, public_key
from otterproof.implementations.contract import (
    ActionRefused,
    AuthState,
    ErrorMessageReceived,
    MessageState,
    PeerEndedSession,
    Policy,
    SessionEstablished,
    TextReceived,
)
from otterproof.scenarios.conformance.cells_checks import reaction_check, state_check
from otterproof.scenarios.conformance.handshake_play import LATER, refused

WRONG = SignatureOptions(mac=bytes(20))

#: The policy flag that a setting adds to that of the version.
_FLAGS = {
    Setting.REQUIRE: Policy.REQUIRE_ENCRYPTION,
    Setting.SEND_TAG: Policy.SEND_WHITESPACE_TAG,
    Setting.TAG_STARTS: Policy.WHITESPACE_START_AKE,
    Setting.ERROR_STARTS: Policy.ERROR_START_AKE,
}

TEXT = b"a text of the user's"


def policy_of(version: int, setting: Setting) -> Policy:
    """The policy that a setting stands for in a version."""
    if setting is Setting.OFF:
        return Policy.NONE
    return ALLOW[5 - version] if setting is Setting.OTHER_VERSION else ALLOW[version] | _FLAGS.get(setting, Policy.NONE)


class Unreached(Exception):
    """A target can't be brought into the states of a cell. The cell that leads there then shows the fault."""


class Position:
    """A target in a given message and authentication state, and the insider's side of it.

    old: the insider of the present or past session. new: the insider of the handshake under way, the same client.
    commits: the insider of the last D-H Commit, whether the target accepted it or not. commit, dh_key, reveal: the
    target's last messages of a handshake. unopened: the target accepted a commit that nobody can open. after: the id of
    the check on the states that follow the last input.
    """

    def __init__(self, context: Context, message: MessageState, auth: AuthState) -> None:
        self.version = context.version
        self.message, self.auth = message, auth
        self.subject: TargetSession = context.target_session()
        self.setting = Setting.USUAL
        #: Flags that a target with a fixed policy has on top of the usual ones.
        self.surplus = (context.target.fixed_policy or Policy.NONE) & ~(ALLOW[2] | ALLOW[3])
        self.commit: Message | None = None
        self.dh_key: Message | None = None
        self.reveal: Message | None = None
        self._insiders = 0
        self.old = self.insider()
        if message is MessageState.PLAINTEXT:
            self.old.assume_session()
        else:
            self.subject.establish(self.old)
        if message is MessageState.FINISHED:
            self.subject.end_by_peer(self.old)
        self.new = self.commits = self.insider()
        self.unopened = False
        self.after = "state.changed-without-cause"
        if auth in (AuthState.AWAITING_DHKEY, AuthState.AWAITING_SIG):
            if message is not MessageState.PLAINTEXT:
                self.subject.tick(LATER)
            self.commit = self.subject.query().message(Kind.DH_COMMIT)
        if auth is AuthState.AWAITING_REVEALSIG:
            self.subject.user("start")
            self.dh_key = self.subject.receive(self.new.commit()).message(Kind.DH_KEY)
        if auth is AuthState.AWAITING_SIG:
            self.reveal = self.subject.receive(self.new.dh_key()).message(Kind.REVEAL_SIGNATURE)

    def arrive(self, completes: bool) -> None:
        """Demand that the handshake under way has not changed the message state. CheckFailed, Unreached.

        completes: the input completes the handshake, which would also send a text stored in FINISHED.
        """
        try:
            if self.message is MessageState.ENCRYPTED:
                self.subject.assert_sends_text(self.old, b"arrived", check_id="state.session-not-kept-during-handshake")
            elif self.message is MessageState.FINISHED and self.auth is not AuthState.NONE and not completes:
                self.subject.assert_not_sent(b"arrived", "state.finished-left")
        except CheckFailed as failed:
            if self.auth is AuthState.NONE:
                raise
            raise Unreached(f"{self.message.name}, {self.auth.name}: {failed.check}") from failed

    def insider(self) -> Insider:
        """The peer's client, with D-H keys that were not used before."""
        self._insiders += 1
        return self.subject.insider(seed=b"cells %d" % self._insiders)

    def set(self, setting: Setting) -> None:
        """Set the target's policy, unless it is set already."""
        if setting is not self.setting:
            self.setting = setting
            policy = policy_of(self.version, setting)
            self.subject.world.step(self.subject.name, "set_policy", {"policy": policy})

    def completing(self, signed: SignatureOptions = SignatureOptions()) -> bytes:  # noqa: B008 (immutable)
        """The message that completes the handshake under way, or would if `signed` were not wrong."""
        if self.auth is AuthState.AWAITING_REVEALSIG and self.dh_key is not None:
            return self.new.reveal_signature(wire.build(self.dh_key), signed)
        if self.auth is AuthState.AWAITING_SIG and self.commit is not None and self.reveal is not None:
            gx = self.new.decommit(wire.build(self.commit), wire.build(self.reveal))
            return self.new.signature(gx, signed)
        return fail(self.after, expected=f"a handshake under way in {self.auth.name}", got="no message to answer")


# ---- inputs ---------------------------------------------------------------------------------------------------------


def _own_commit(at: Position) -> Message:
    """The target's D-H Commit. Only cells of AWAITING_DHKEY ask for it."""
    if at.commit is None:
        raise RuntimeError(f"the target has sent no D-H Commit in {at.auth.name}")
    return at.commit


def _commit(at: Position) -> bytes:
    """A D-H Commit that was not sent before."""
    at.commits = at.insider()
    return at.commits.commit()


def _commit_compared(at: Position, higher: bool) -> bytes:
    """A genuine D-H Commit whose hash is higher than the target's own, or lower."""
    own = _own_commit(at).data("hashed_gx")
    while (wire.parse(_commit(at)).data("hashed_gx") > own) is not higher:
        pass
    return at.commits.commit()


def _commit_equal(at: Position) -> bytes:
    """A D-H Commit from the peer with the content of the target's own, which the peer can't open."""
    own, theirs = _own_commit(at), wire.parse(_commit(at))
    for name in ("encrypted_gx", "hashed_gx"):
        theirs = theirs.with_value(name, own.data(name))
    at.unopened = True
    return wire.build(theirs)


def _stray_reveal(at: Position) -> bytes:
    """A stranger's Reveal Signature: for the target's D-H Key if there is one, otherwise for any D-H Key."""
    stranger = at.insider()
    dh_key = at.insider().dh_key() if at.dh_key is None else wire.build(at.dh_key)
    return stranger.reveal_signature(dh_key)


def _replayed(at: Position) -> bytes:
    message = at.old.data(b"comes twice")
    at.subject.receive(message).assert_shown("text.not-delivered", b"comes twice")
    return message


def _key_exchange(at: Position) -> bytes:
    """A version 1 Key Exchange Message with all its fields and a made-up signature."""
    key = public_key(at.new.key.public)[2:]
    body = b"\0\1\x0a\0" + key + (1).to_bytes(4) + mpi(power(DH_GENERATOR, at.new.x)) + bytes(39) + b"\1"
    return wire.armour(body)


#: The message of each input, made for a position.
MESSAGES: dict[str, Callable[[Position], bytes]] = {
    "plaintext": lambda at: b"hello in the clear",
    "tagged_plaintext": lambda at: b"hello in the clear" + TAG_BASE + TAG_VERSIONS[at.version],
    "query": lambda at: b"?OTRv%d?" % at.version,
    "error": lambda at: b"?OTR Error: it went wrong",
    "commit": _commit,
    "commit_lower": lambda at: _commit_compared(at, False),
    "commit_higher": lambda at: _commit_compared(at, True),
    "commit_equal": _commit_equal,
    "dh_key": lambda at: at.new.dh_key(),
    "dh_key_same": lambda at: at.new.dh_key(),
    "dh_key_other": lambda at: at.insider().dh_key(),
    "reveal": lambda at: at.completing(),
    "reveal_wrong": lambda at: at.completing(WRONG),
    "reveal_stray": _stray_reveal,
    "signature": lambda at: at.completing(),
    "signature_wrong": lambda at: at.completing(WRONG),
    "signature_stray": lambda at: at.insider().signature(power(DH_GENERATOR, at.new.draw(40))),
    "key_exchange": _key_exchange,
    "data": lambda at: at.old.data(b"a private text"),
    "data_replayed": _replayed,
    "data_forged": lambda at: at.old.data(b"forged", mac=bytes(20)),
    "data_unknown_key": lambda at: at.old.data(b"unknown", recipient_keyid=99),
    "data_ignorable": lambda at: at.old.data(b"no matter", flags=1, mac=bytes(20)),
    "data_end": lambda at: at.old.data(tlvs=[tlv(1)]),
}


# ---- answers --------------------------------------------------------------------------------------------------------


def visit(at: Position, cell: Cell) -> None:
    """Give the cell's input to a target in the cell's states; check what goes out and what the user sees.

    Afterwards the position holds the states that should follow; `probe` finds out whether they do.
    """
    row = filled()[cell]
    at.after = state_check(cell)
    at.set(cell.setting)
    if cell.input.startswith("data") and at.version == 3 and not at.old.knows_target_tag:
        raise Unreached(f"{cell}: the target has not shown the instance tag to which a Data Message has to go")
    if cell.input == "tagged_plaintext" and cell.setting is Setting.USUAL and at.surplus:
        raise Unreached(f"{cell}: the target always answers whitespace tags")
    if cell.input in MESSAGES:
        before = (at.commit, at.dh_key, at.reveal)
        message = MESSAGES[cell.input](at)
        reply = at.subject.receive(message)
    else:
        before = (at.commit, at.dh_key, at.reveal)
        message = b""
        reply = at.subject.user(cell.input, **({"text": TEXT} if cell.input == "send" else {}))
    _check_reply(at, cell, reply, before)
    _check_shown(at, cell, reply, message)
    if row.message is not None:
        if row.message is MessageState.ENCRYPTED:
            at.old = at.new
        at.message = row.message
    at.auth = row.auth or at.auth


def _check_reply(at: Position, cell: Cell, reply: Reply, before: tuple[Message | None, ...]) -> None:
    row, check_id = filled()[cell], reaction_check(cell)
    allowed = [row.sends] if row.or_sends is None else [row.sends, row.or_sends]
    right = reply.kinds in [[Kind(sent.kind) for sent in sends] for sends in allowed]
    wanted = ", or ".join(", ".join(sends) or "nothing" for sends in allowed)
    check(check_id, right, expected=f"goes out: {wanted}", got=reply)
    for sent, message in zip(row.sends, reply.sent, strict=False):
        _check_sent(at, check_id, sent, message, before)


def _check_sent(at: Position, check_id: str, sent: Sent, message: Message, before: tuple[Message | None, ...]) -> None:
    """Check what the kind of a message does not show: whether it repeats the one before, and its text."""
    commit, dh_key, reveal = before
    case = str(sent)
    if sent in (Sent.COMMIT, Sent.COMMIT_AGAIN):
        same = commit is not None and commit.data("hashed_gx") == message.data("hashed_gx")
        _check_again(check_id, same, sent.again, case)
        at.commit, at.reveal = message, None
    elif sent in (Sent.DH_KEY, Sent.DH_KEY_AGAIN):
        same = dh_key is not None and dh_key.number("gy") == message.number("gy")
        _check_again(check_id, same, sent.again, case)
        at.dh_key, at.new = message, at.commits
    elif sent in (Sent.REVEAL, Sent.REVEAL_AGAIN):
        same = reveal is not None and wire.build(reveal) == wire.build(message)
        _check_again(check_id, same, sent.again, case)
        at.reveal = message
    elif sent is Sent.QUERY:
        offered = wire.offered_versions(message)
        check(check_id, at.version in offered, expected=f"a query for version {at.version}", got=offered)
    elif sent is Sent.TEXT:
        check_equal(check_id, wire.build(message), TEXT)
    elif sent is Sent.DATA:
        text = at.subject.read(at.old, message).text
        check_equal(check_id, text, TEXT, case=case)
    elif sent is Sent.DATA_END:
        plaintext = at.subject.read(at.old, message)
        ends = not plaintext.text and 1 in [one.type for one in plaintext.tlvs]
        check(check_id, ends, expected="no text, and a type 1 TLV", got=plaintext, case=case)


def _check_again(check_id: str, same: bool, wanted: bool, case: str) -> None:
    """Demand that a message repeats the one before, or that it does not."""
    words = {True: "the same as before", False: "not the same as before"}
    check(check_id, same == wanted, expected=words[wanted], got=words[same], case=case)


def _check_shown(at: Position, cell: Cell, reply: Reply, message: bytes) -> None:
    """Check what the user is shown, as far as every driver reports it."""
    row, check_id = filled()[cell], reaction_check(cell)
    told = [event for event in reply.events if isinstance(event, SessionEstablished | PeerEndedSession)]
    case = f"the user is shown {row.shows or 'nothing'}"
    match row.shows:
        case Shown.ANY:
            return
        case Shown.CLEAR | Shown.WARNED:
            reply.assert_shown(check_id, b"hello in the clear", secure=False, case=case)
            wanted = row.shows is Shown.WARNED
            warning = "text.warning-missing" if wanted else "text.warning-needless"
            check_told(warning, reply.one(TextReceived).warn, wanted)
        case Shown.SECURE:
            reply.assert_shown(check_id, b"a private text", case=case)
        case Shown.AS_IT_CAME:
            reply.assert_shown(check_id, message, secure=False, case=case)
        case Shown.ERROR:
            errors = [event.text for event in reply.events if isinstance(event, ErrorMessageReceived | TextReceived)]
            right = len(errors) == 1 and (errors[0] is None or b"it went wrong" in errors[0])
            check(check_id, right, expected="the error, once", got=reply, case=case)
        case Shown.REFUSED:
            check(check_id, bool(reply.of(ActionRefused)), expected="a refusal", got=reply, case=case)
        case Shown.ESTABLISHED | Shown.FINISHED:
            wanted_event = SessionEstablished if row.shows is Shown.ESTABLISHED else PeerEndedSession
            reply.one(wanted_event, check_id, case=case)
            check(check_id, len(told) == 1, expected=f"one {wanted_event.__name__}", got=reply, case=case)
            return
        case Shown.NOTHING | Shown.UNREADABLE:
            texts = reply.of(TextReceived)
            check(check_id, not texts, expected="no text is shown", got=texts)
    check(check_id, not told, expected="no session begins or ends", got=told)


# ---- the states that follow -----------------------------------------------------------------------------------------


def probe(at: Position, also: AuthState | None = None) -> None:
    """Find out whether the target is in the expected states. also: another authentication state that is allowed.

    This completes a handshake under way, so it comes last.
    """
    at.set(Setting.USUAL)
    _probe_message(at)
    target = at.subject
    if at.auth is AuthState.AWAITING_DHKEY:
        at.new = at.insider()  # in AWAITING_SIG the D-H Key of the one before would be accepted, too
        reply = target.receive(at.new.dh_key())
        if also is AuthState.NONE and not reply.sent:
            refused(reply, "handshake.not-given-up-as-a-whole", "a D-H Key after the handshake was given up")
            return
        at.reveal = reply.message(Kind.REVEAL_SIGNATURE, at.after, case="a D-H Key in AWAITING_DHKEY")
        at.auth = AuthState.AWAITING_SIG
    if at.auth is AuthState.NONE:
        _probe_none(at)
        return
    if at.auth is AuthState.AWAITING_REVEALSIG and at.unopened and at.dh_key is not None:
        reply = target.receive(at.new.commit())
        again = reply.message(Kind.DH_KEY, at.after, case="a D-H Commit in AWAITING_REVEALSIG")
        _check_again(at.after, again.number("gy") == at.dh_key.number("gy"), True, "the D-H Key in AWAITING_REVEALSIG")
    reply = target.receive(at.completing())
    case = f"the message that completes the handshake in {at.auth.name}"
    if also is AuthState.NONE and not reply.of(SessionEstablished) and not reply.silent_refresh:
        refused(
            reply, "handshake.not-given-up-as-a-whole", "the genuine message after a failure that ended the handshake"
        )
        _probe_given_up(at)
        return
    reply.one(SessionEstablished, at.after, case=case)
    if at.auth is AuthState.AWAITING_REVEALSIG:
        reply.message(Kind.SIGNATURE, at.after, case=case)


def _probe_message(at: Position) -> None:
    """PLAINTEXT, ENCRYPTED or FINISHED, as shown by what the target does with a typed text."""
    if at.message is MessageState.PLAINTEXT:
        at.subject.assert_sent_in_clear(b"which state is this?", at.after)
    elif at.message is MessageState.ENCRYPTED:
        at.subject.assert_sends_text(at.old, b"which state is this?", check_id=at.after)
    else:
        at.subject.assert_not_sent(b"which state is this?", at.after)


def _probe_given_up(at: Position) -> None:
    """NONE after a failure: the next handshake is a new one, and does not continue the failed one."""
    if at.auth is AuthState.AWAITING_REVEALSIG and at.dh_key is not None:
        dh_key = at.subject.receive(at.insider().commit()).message(Kind.DH_KEY, at.after, case="a D-H Commit in NONE")
        same = dh_key.number("gy") == at.dh_key.number("gy")
        _check_again(at.after, same, False, "the D-H Key after a handshake that was given up")
    else:
        refused(
            at.subject.receive(at.new.dh_key()),
            "handshake.not-given-up-as-a-whole",
            "a D-H Key after a handshake that was given up",
        )


def _probe_none(at: Position) -> None:
    """NONE: no message that another state awaits is accepted."""
    refused(at.subject.receive(at.insider().dh_key()), at.after, "a D-H Key in NONE")
    if at.dh_key is not None:
        reveal = at.new.reveal_signature(wire.build(at.dh_key))
        refused(at.subject.receive(reveal), at.after, "a Reveal Signature in NONE")
    if at.reveal is not None and at.commit is not None:
        gx = at.new.decommit(wire.build(at.commit), wire.build(at.reveal))
        refused(at.subject.receive(at.new.signature(gx)), at.after, "a Signature in NONE")


def walk(context: Context, cells: Sequence[Cell]) -> None:
    """Visit cells of the same states in one run, and probe the states after the last. CheckFailed, Unreached."""
    try:
        at = Position(context, cells[0].message, cells[0].auth)
    except CheckFailed as failed:
        raise Unreached(f"{cells[0].message.name}, {cells[0].auth.name}: {failed.check}") from failed
    at.arrive(filled()[cells[0]].message is MessageState.ENCRYPTED)
    for cell in cells:
        visit(at, cell)
    probe(at, filled()[cells[-1]].or_auth)
