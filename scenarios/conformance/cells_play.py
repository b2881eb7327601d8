"""How a cell of the state tables is visited: the way to its states, its input, and the probe of the states that follow.

Nothing is looked at but what the target sends and tells. The message state shows in what becomes of a typed text; the
authentication state in which message of a handshake is taken up. [The protocol state machine]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from otterproof.harness import wire
from otterproof.harness.spec.states import Cell, Row, Sent, Setting, Shown, filled
from otterproof.harness.testkit.context import ALLOW, Context, TargetSession
from otterproof.harness.testkit.insider import Insider, SignatureOptions
from otterproof.harness.testkit.reply import CheckFailed, Reply, check
from otterproof.harness.wire import DH_GENERATOR, TAG_BASE, TAG_VERSIONS, Kind, Message
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.numbers import mpi, power, public_key
from otterproof.implementations.contract import (
    AuthState,
    ErrorReceived,
    Established,
    Finished,
    MessageState,
    Policy,
    Refused,
    TextReceived,
)
from otterproof.scenarios.conformance.handshake_play import LATER, refused

WRONG = SignatureOptions(mac=bytes(20))

#: The flag that a setting adds to the version's own.
_FLAGS = {
    Setting.REQUIRE: Policy.REQUIRE_ENCRYPTION,
    Setting.SEND_TAG: Policy.SEND_WHITESPACE_TAG,
    Setting.TAG_STARTS: Policy.WHITESPACE_START_AKE,
    Setting.ERROR_STARTS: Policy.ERROR_START_AKE,
}

#: The kind of message that goes out, for what the table says.
_KINDS = {
    Sent.QUERY: Kind.QUERY,
    Sent.TEXT: Kind.PLAINTEXT,
    Sent.TAGGED: Kind.TAGGED_PLAINTEXT,
    Sent.COMMIT: Kind.DH_COMMIT,
    Sent.COMMIT_AGAIN: Kind.DH_COMMIT,
    Sent.DH_KEY: Kind.DH_KEY,
    Sent.DH_KEY_AGAIN: Kind.DH_KEY,
    Sent.REVEAL: Kind.REVEAL_SIGNATURE,
    Sent.REVEAL_AGAIN: Kind.REVEAL_SIGNATURE,
    Sent.SIGNATURE: Kind.SIGNATURE,
    Sent.DATA: Kind.DATA,
    Sent.DATA_END: Kind.DATA,
    Sent.ERROR: Kind.ERROR,
}

TEXT = b"a text of the user's"


def policy_of(version: int, setting: Setting) -> Policy:
    """The policy that a setting stands for in a version."""
    if setting is Setting.OFF:
        return Policy.NONE
    return ALLOW[5 - version] if setting is Setting.OTHER_VERSION else ALLOW[version] | _FLAGS.get(setting, Policy.NONE)


class Unreached(Exception):
    """A target can't be brought into the states of a cell; what is wrong then shows in the cell that leads there."""


class Position:
    """A target in a given message and authentication state, and the insider's side of it.

    old: he of the session there is or was; new: he of the handshake under way, the same client; commits: he of the last
    D-H Commit, whether it is taken or not. commit, dh_key, reveal: the target's last messages of a handshake. unopened:
    the commit that the target took can be opened by nobody.
    """

    def __init__(self, context: Context, message: MessageState, auth: AuthState) -> None:
        self.version = context.version
        self.message, self.auth = message, auth
        self.subject: TargetSession = context.target_session()
        self.setting = Setting.USUAL
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
        """Demand that the handshake under way has left the message state alone. CheckFailed, Unreached.

        completes: the input completes the handshake, with which a text stored in FINISHED would go out.
        """
        try:
            if self.message is MessageState.ENCRYPTED:
                self.subject.assert_sends_text(self.old, b"arrived")
            elif self.message is MessageState.FINISHED and self.auth is not AuthState.NONE and not completes:
                self.subject.assert_not_sent(b"arrived")
        except CheckFailed as failed:
            if self.auth is AuthState.NONE:
                raise
            raise Unreached(f"{self.message.name}, {self.auth.name}: {failed}") from failed

    def insider(self) -> Insider:
        """The correspondent's client, with D-H keys that were not used yet."""
        self._insiders += 1
        return self.subject.insider(seed=b"cells %d" % self._insiders)

    def set(self, setting: Setting) -> None:
        """Change the target's policy, if need be."""
        if setting is not self.setting:
            self.setting = setting
            policy = policy_of(self.version, setting)
            self.subject.world.step(self.subject.name, "set_policy", {"policy": policy})

    def completing(self, signed: SignatureOptions = SignatureOptions()) -> bytes:  # noqa: B008 (immutable)
        """The message that completes the handshake under way, or would if it were not wrong."""
        if self.auth is AuthState.AWAITING_REVEALSIG and self.dh_key is not None:
            return self.new.reveal_signature(wire.build(self.dh_key), signed)
        if self.auth is AuthState.AWAITING_SIG and self.commit is not None and self.reveal is not None:
            gx = self.new.decommit(wire.build(self.commit), wire.build(self.reveal))
            return self.new.signature(gx, signed)
        raise CheckFailed(f"no message completes a handshake in {self.auth.name}")


# ---- inputs ---------------------------------------------------------------------------------------------------------


def _hash(commit: Message | None) -> bytes:
    check(commit is not None, "the target has sent a D-H Commit")
    return commit.data("hashed_gx") if commit else b""


def _commit(at: Position) -> bytes:
    """A D-H Commit that is not the one before."""
    at.commits = at.insider()
    return at.commits.commit()


def _commit_compared(at: Position, higher: bool) -> bytes:
    """A genuine D-H Commit whose hash is higher than that of the target's, or lower."""
    ours = _hash(at.commit)
    while (wire.parse(_commit(at)).data("hashed_gx") > ours) is not higher:
        pass
    return at.commits.commit()


def _commit_equal(at: Position) -> bytes:
    """What the target committed itself to, as somebody else's; nobody can open it."""
    check(at.commit is not None, "the target has sent a D-H Commit")
    theirs = wire.parse(_commit(at))
    if at.commit is not None:
        for name in ("encrypted_gx", "hashed_gx"):
            theirs = theirs.with_value(name, at.commit.data(name))
    at.unopened = True
    return wire.build(theirs)


def _stray_reveal(at: Position) -> bytes:
    """That of the session's handshake again, as far as there was one; else for a D-H Key of nobody's."""
    stranger = at.insider()
    dh_key = at.insider().dh_key() if at.dh_key is None else wire.build(at.dh_key)
    return stranger.reveal_signature(dh_key)


def _replayed(at: Position) -> bytes:
    message = at.old.data(b"comes twice")
    at.subject.receive(message).assert_shown(b"comes twice")
    return message


def _key_exchange(at: Position) -> bytes:
    """A version 1 Key Exchange Message with its fields, and a signature that nobody made."""
    key = public_key(at.new.key.public)[2:]
    body = b"\0\1\x0a\0" + key + (1).to_bytes(4) + mpi(power(DH_GENERATOR, at.new.x)) + bytes(39) + b"\1"
    return wire.armour(body)


#: The message that each input is, made for a position.
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


# ---- what comes of them ---------------------------------------------------------------------------------------------


def visit(at: Position, cell: Cell) -> None:
    """Give the cell's input to a target in the cell's states; check what goes out and what the user sees.

    The position is then the one that should follow; `probe` tells whether it is.
    """
    row = filled()[cell]
    at.set(cell.setting)
    if cell.input in MESSAGES:
        before = (at.commit, at.dh_key, at.reveal)
        message = MESSAGES[cell.input](at)
        reply = at.subject.receive(message)
    else:
        before = (at.commit, at.dh_key, at.reveal)
        message = b""
        reply = at.subject.user(cell.input, **({"text": TEXT} if cell.input == "send" else {}))
    _sent(at, row, reply, before)
    _shown(at, row, reply, message)
    if row.message is not None:
        if row.message is MessageState.ENCRYPTED:
            at.old = at.new
        at.message = row.message
    at.auth = row.auth or at.auth


def _sent(at: Position, row: Row, reply: Reply, before: tuple[Message | None, ...]) -> None:
    kinds = reply.kinds
    wanted = [_KINDS[sent] for sent in row.sends]
    allowed = [wanted] if row.or_sends is None else [wanted, [_KINDS[sent] for sent in row.or_sends]]
    check(kinds in allowed, f"{', '.join(row.sends) or 'nothing'} goes out, and there was {reply}")
    for sent, message in zip(row.sends, reply.sent, strict=False):
        _check_sent(at, sent, message, before)


def _check_sent(at: Position, sent: Sent, message: Message, before: tuple[Message | None, ...]) -> None:
    """What the kind of a message does not show: whether it is new or the same as before, and whose text it has."""
    commit, dh_key, reveal = before
    if message.kind in wire.ENCODED:
        check(message.version == at.version, f"the {message.kind} is of version {at.version}, not {message.version}")
    if sent in (Sent.COMMIT, Sent.COMMIT_AGAIN):
        same = commit is not None and commit.data("hashed_gx") == message.data("hashed_gx")
        check(same == (sent is Sent.COMMIT_AGAIN), f"it is the {sent}")
        at.commit, at.reveal = message, None
    elif sent in (Sent.DH_KEY, Sent.DH_KEY_AGAIN):
        same = dh_key is not None and dh_key.number("gy") == message.number("gy")
        check(same == (sent is Sent.DH_KEY_AGAIN), f"it is the {sent}")
        at.dh_key, at.new = message, at.commits
    elif sent in (Sent.REVEAL, Sent.REVEAL_AGAIN):
        same = reveal is not None and wire.build(reveal) == wire.build(message)
        check(same == (sent is Sent.REVEAL_AGAIN), f"it is the {sent}, and before it was {reveal}")
        at.reveal = message
    elif sent is Sent.QUERY:
        check(at.version in wire.offered_versions(message), f"the query offers version {at.version}")
    elif sent is Sent.TEXT:
        check(wire.build(message) == TEXT, f"the text goes out as it was typed, not as {wire.build(message)!r}")
    elif sent is Sent.DATA:
        check(at.subject.read(at.old, message).text == TEXT, "the Data Message has the text that was typed")
    elif sent is Sent.DATA_END:
        plaintext = at.subject.read(at.old, message)
        ends = not plaintext.text and 1 in [one.type for one in plaintext.tlvs]
        check(ends, f"the Data Message has no text, and a type 1 TLV: {plaintext}")


def _shown(at: Position, row: Row, reply: Reply, message: bytes) -> None:
    """Check what the user is shown; of what not all drivers tell nothing is demanded."""
    told = [event for event in reply.events if isinstance(event, Established | Finished)]
    texts = [(event.text, event.secure) for event in reply.of(TextReceived)]
    match row.shows:
        case Shown.ANY:
            return
        case Shown.CLEAR | Shown.WARNED:
            check(texts == [(b"hello in the clear", False)], f"the text is shown, in the clear, and there was {reply}")
            warn = reply.one(TextReceived).warn
            if at.subject.tells("text_received", "warn"):
                check(warn == (row.shows is Shown.WARNED), f"the user is shown {row.shows}, and there was {reply}")
        case Shown.SECURE:
            check(texts == [(b"a private text", True)], f"the text is shown, as secure, and there was {reply}")
        case Shown.AS_IT_CAME:
            check(texts == [(message, False)], f"the message is shown as it came, and there was {reply}")
        case Shown.ERROR:
            errors = [event.text for event in reply.events if isinstance(event, ErrorReceived | TextReceived)]
            check(len(errors) == 1 and b"it went wrong" in errors[0], f"the error is shown once: {reply}")
        case Shown.REFUSED:
            check(bool(reply.of(Refused)), f"the user is told that the text can't be sent, and there was {reply}")
        case Shown.ESTABLISHED | Shown.FINISHED:
            check(len(told) == 1, f"the user is told {row.shows}, and there was {reply}")
            wanted = Established if row.shows is Shown.ESTABLISHED else Finished
            check(isinstance(told[0], wanted), f"the user is told {row.shows}, and there was {reply}")
            return
        case Shown.NOTHING | Shown.UNREADABLE:
            check(not texts, f"no text is shown, and there was {reply}")
    check(not told, f"no session begins or ends, and there was {reply}")


# ---- the states that follow -----------------------------------------------------------------------------------------


def probe(at: Position, also: AuthState | None = None) -> None:
    """Find out whether the target is where it should be. also: another authentication state that is allowed.

    A handshake under way is completed, so this comes last.
    """
    at.set(Setting.USUAL)
    _probe_message(at)
    target = at.subject
    if at.auth is AuthState.AWAITING_DHKEY:
        at.new = at.insider()  # the D-H Key of the one before would be taken in AWAITING_SIG, too
        reply = target.receive(at.new.dh_key())
        if also is AuthState.NONE and not reply.sent:
            refused(reply, "handshake.not-given-up-as-a-whole", "a D-H Key after the handshake was given up")
            return
        at.reveal = reply.message(Kind.REVEAL_SIGNATURE)
        at.auth = AuthState.AWAITING_SIG
    if at.auth is AuthState.NONE:
        _probe_none(at)
        return
    if at.auth is AuthState.AWAITING_REVEALSIG and at.unopened and at.dh_key is not None:
        again = target.receive(at.new.commit()).message(Kind.DH_KEY)
        check(again.number("gy") == at.dh_key.number("gy"), "in AWAITING_REVEALSIG the same D-H Key goes out again")
    reply = target.receive(at.completing())
    if also is AuthState.NONE and not reply.of(Established):
        refused(
            reply, "handshake.not-given-up-as-a-whole", "the genuine message after a failure that ended the handshake"
        )
        _probe_given_up(at)
        return
    reply.one(Established)
    if at.auth is AuthState.AWAITING_REVEALSIG:
        reply.message(Kind.SIGNATURE)


def _probe_message(at: Position) -> None:
    """PLAINTEXT, ENCRYPTED or FINISHED: what becomes of a text that the user types."""
    if at.message is MessageState.PLAINTEXT:
        at.subject.assert_sent_in_clear(b"which state is this?")
    elif at.message is MessageState.ENCRYPTED:
        at.subject.assert_sends_text(at.old, b"which state is this?")
    else:
        at.subject.assert_not_sent(b"which state is this?")


def _probe_given_up(at: Position) -> None:
    """NONE after a failure: what begins now is a new handshake, and not the old one, spoilt."""
    if at.auth is AuthState.AWAITING_REVEALSIG and at.dh_key is not None:
        dh_key = at.subject.receive(at.insider().commit()).message(Kind.DH_KEY)
        check(dh_key.number("gy") != at.dh_key.number("gy"), "after a handshake that was given up the D-H Key is new")
    else:
        refused(
            at.subject.receive(at.new.dh_key()),
            "handshake.not-given-up-as-a-whole",
            "a D-H Key after a handshake that was given up",
        )


def _probe_none(at: Position) -> None:
    """NONE: nothing that a state could wait for is taken up."""
    refused(at.subject.receive(at.insider().dh_key()), "handshake.stray-dh-key-not-ignored", "a D-H Key in NONE")
    if at.dh_key is not None:
        refused(
            at.subject.receive(at.new.reveal_signature(wire.build(at.dh_key))),
            "handshake.stray-reveal-signature-not-ignored",
            "a Reveal Signature in NONE",
        )
    if at.reveal is not None and at.commit is not None:
        gx = at.new.decommit(wire.build(at.commit), wire.build(at.reveal))
        refused(
            at.subject.receive(at.new.signature(gx)),
            "handshake.stray-signature-message-not-ignored",
            "a Signature in NONE",
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """A cell that is not as it must be, and what was wrong."""

    cell: Cell
    what: str

    def __str__(self) -> str:
        name = str(self.cell).partition(" ")[2]  # the version is in the scenario's id: here both versions say the same
        return f"{name}: {self.what}"


def walk(context: Context, cells: Sequence[Cell]) -> None:
    """Visit cells of the same states on one way, and probe the states that follow the last. CheckFailed, Unreached."""
    try:
        at = Position(context, cells[0].message, cells[0].auth)
    except CheckFailed as failed:
        raise Unreached(f"{cells[0].message.name}, {cells[0].auth.name}: {failed}") from failed
    at.arrive(filled()[cells[0]].message is MessageState.ENCRYPTED)
    for cell in cells:
        visit(at, cell)
    probe(at, filled()[cells[-1]].or_auth)
