"""Moves and lies that the key exchange scenarios share; no scenarios.

A lie is a genuine message of an insider's in which exactly one thing is made wrong. The genuine message follows the
lies, and completes the handshake with a target that ignores them. The protocol text also allows the target to give up
the handshake as a whole. [reading AKE-FAIL-STATE]
"""

from __future__ import annotations

from collections.abc import Callable

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, Reply, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.wire import DH_GENERATOR, Kind, Message, crypto
from otterproof.harness.wire.handshake_lies import Lies
from otterproof.harness.wire.numbers import mpi, power, public_key
from otterproof.harness.wire.shown import shown
from otterproof.harness.wire.signed import SignedMessage
from otterproof.implementations.contract import SessionEstablished, TextReceived

#: Seconds after which no client takes a query for a repeat of the last one.
LATER = 300

#: A long-term key other than the insider's.
OTHERS = (published_key("bob"),)


def dh_key_for(target: TargetSession, insider: Insider, commit: bytes | None = None) -> Message:
    """The target's user asks for a session and the insider commits; the target's D-H Key Message."""
    target.user("start")
    return target.receive(insider.commit() if commit is None else commit).message(Kind.DH_KEY)


def commit_for_query(target: TargetSession) -> Message:
    """The D-H Commit Message that the target sends in answer to a query."""
    target.tick(LATER)
    return target.query().message(Kind.DH_COMMIT)


def reveal_to_dh_key(
    begun: Callable[[], tuple[TargetSession, Insider]], check_id: str
) -> tuple[TargetSession, Insider, Message]:
    """Demand that a target that has just sent a commit answers a D-H Key; the target, its insider and the answer.

    begun: makes such a target, a new one each time. If there is no answer, another one gets a commit with the lowest
    hash. If that one waits for a D-H Key, it sends its own commit again, and the check that fails is the one on a
    missing Reveal Signature; otherwise it is `check_id`.
    """
    target, insider = begun()
    reply = target.receive(insider.dh_key())
    if reply.kinds != [Kind.REVEAL_SIGNATURE]:
        other, another = begun()
        waits = other.receive(another.commit(hashed=bytes(32))).kinds == [Kind.DH_COMMIT]
        check_id = "message.reveal-signature-not-sent" if waits else check_id
    (reveal,) = reply.assert_sent(check_id, Kind.REVEAL_SIGNATURE)
    return target, insider, reveal


def reveal_for(target: TargetSession, insider: Insider) -> tuple[Message, Message]:
    """A query makes the target commit, and the insider answers; the target's D-H Commit and Reveal Signature."""
    commit = commit_for_query(target)
    return commit, target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)


def refused(reply: Reply, check_id: str, why: object) -> None:
    """Demand that an input has no effect and gets no encoded message in answer; an Error Message is allowed."""
    reply.assert_rejected(check_id, why)
    answered = any(kind in wire.ENCODED for kind in reply.kinds)
    check(check_id, not answered, expected="no encoded message in answer", got=reply, case=why)


def messages_of_others(target: TargetSession, version: int) -> dict[Kind, bytes]:
    """A well-formed D-H Key, Reveal Signature and Signature Message of a handshake between two other parties."""
    stranger = Insider(target.insider().key, target.insider().target_tag, version=version, seed=b"elsewhere")
    far = Insider(stranger.key, 0, version=version, seed=b"far away")
    dh_key = far.dh_key()
    return {
        Kind.DH_KEY: stranger.dh_key(),
        Kind.REVEAL_SIGNATURE: stranger.reveal_signature(dh_key),
        Kind.SIGNATURE: stranger.signature(wire.parse(dh_key).number("gy")),
    }


#: The check that fails when a message is not ignored in a state that does not expect it.
STRAY = {
    Kind.DH_KEY: "handshake.stray-dh-key-not-ignored",
    Kind.REVEAL_SIGNATURE: "handshake.stray-reveal-signature-not-ignored",
    Kind.SIGNATURE: "handshake.stray-signature-message-not-ignored",
}


def ignores(target: TargetSession, state: str, *kinds: Kind) -> None:
    """Demand that the target, in its present state, ignores messages of these kinds from another handshake."""
    messages = messages_of_others(target, target.version)
    for kind in kinds:
        target.receive(messages[kind]).assert_ignored(STRAY[kind], f"{shown(kind)} in {state}")


def reveal_of(insider: Insider, dh_key: Message) -> SignedMessage:
    """The insider's genuine Reveal Signature Message for a D-H Key Message of the target."""
    gy = dh_key.number("gy")
    message = wire.parse(insider.reveal_signature(wire.build(dh_key)))
    keys = crypto.handshake_keys(power(gy, insider.x))
    return SignedMessage(message, keys, False, power(DH_GENERATOR, insider.x), gy, insider.key, OTHERS)


def signature_of(insider: Insider, commit: Message, reveal: Message) -> SignedMessage:
    """The insider's genuine Signature Message for the target's Reveal Signature Message."""
    gx = insider.decommit(wire.build(commit), wire.build(reveal))
    message = wire.parse(insider.signature(gx))
    keys = crypto.handshake_keys(power(gx, insider.x))
    return SignedMessage(message, keys, True, power(DH_GENERATOR, insider.x), gx, insider.key, OTHERS)


def completes(target: TargetSession, insider: Insider, genuine: SignedMessage) -> None:
    """Demand that the genuine message completes the handshake, and that texts arrive."""
    target.receive(genuine.raw).one(SessionEstablished)
    target.assert_session_alive(insider)


def key_exchange_1(insider: Insider) -> bytes:
    """A well-formed version 1 Key Exchange Message: reply, public key, key id, D-H key, signature."""
    gx = mpi(wire.parse(insider.dh_key()).number("gy"))
    body = b"\0\1\x0a\0" + public_key(insider.key.public)[2:] + (1).to_bytes(4) + gx + bytes(40)
    return wire.armour(body)


#: Versions and types that no handshake message has.
WRONG_HEADERS: dict[str, Callable[[Message], Message]] = {
    "version 4": lambda message: message.with_value("version", 4),
    "version 1": lambda message: message.with_value("version", 1),
    "version 0": lambda message: message.with_value("version", 0),
    "an unknown type": lambda message: message.with_value("type", 0x42),
    "type 0": lambda message: message.with_value("type", 0),
}


def with_wrong_headers(message: bytes) -> dict[str, bytes]:
    """The message with each wrong header, by what is wrong."""
    parsed = wire.parse(message)
    return {name: wire.build(change(parsed)) for name, change in WRONG_HEADERS.items()}


def as_type(message: Message, code: int) -> bytes:
    """The message with another type."""
    return wire.build(message.with_value("type", code))


def has_no_effect(target: TargetSession, check_id: str, genuine: SignedMessage) -> None:
    """Demand that a message has no effect. It may be shown: where no version is allowed, everything is text."""
    reply = target.receive(genuine.raw)
    case = f"{shown(genuine.message.kind)} of a version that is no longer allowed"
    refused(reply, check_id, case)
    texts = [event.text for event in reply.of(TextReceived)]
    check(check_id, texts in ([], [genuine.raw]), expected="no text, or the message as it is", got=reply, case=case)


def tells_lies(context: Context, check_id: str, lies: Lies, *, primed: bool, strictly: bool = False) -> None:
    """Send lies in place of a genuine Reveal Signature (or, primed, Signature) Message, and demand no effect.

    The genuine message then completes the handshake. If it does not, each lie is sent again in a handshake of its own,
    so that the target judges it in the intended state. strictly: the target ignores lies without an answer, and the
    genuine message fails only if the target has given up the handshake as a whole.
    """
    demand = Reply.assert_ignored if strictly else refused
    kind = shown(Kind.SIGNATURE if primed else Kind.REVEAL_SIGNATURE)
    target = context.target_session()
    insider = target.insider()
    genuine = _moment(target, insider, primed)
    for name, lie in lies.items():
        demand(target.receive(lie(genuine)), check_id, f"{kind} with {name}")
    if target.receive(genuine.raw).of(SessionEstablished):
        target.assert_session_alive(insider)
        return
    for name, lie in lies.items():
        if strictly:
            _given_up(target, insider, primed, genuine)
        genuine = _moment(target, insider, primed)
        demand(target.receive(lie(genuine)), check_id, f"{kind} with {name}")
    start_over(target, insider, target_begins=primed)


def start_over(target: TargetSession, insider: Insider, *, target_begins: bool = False, check_id: str = "") -> None:
    """Demand that a whole new handshake makes a session, whatever went before."""
    target.tick(LATER)
    target.establish(insider, target_begins=target_begins, check_id=check_id)
    target.assert_session_alive(insider)


def _given_up(target: TargetSession, insider: Insider, primed: bool, genuine: SignedMessage) -> None:
    """Demand that the authentication state is NONE, since the genuine message did not complete the handshake."""
    check_id = "handshake.not-given-up-as-a-whole"
    if primed:
        case = "a D-H Key Message after a handshake that failed"
        target.receive(insider.dh_key()).assert_ignored(check_id, case)
    else:
        again = dh_key_for(target, insider).number("gy")
        new = again != genuine.theirs
        check(check_id, new, expected="a new g^y for the next handshake", got="the g^y of the handshake that failed")
        reply = target.receive(genuine.raw)
        case = "a Reveal Signature Message for the handshake that failed"
        reply.assert_rejected(check_id, case)


def _moment(target: TargetSession, insider: Insider, primed: bool) -> SignedMessage:
    if primed:
        return signature_of(insider, *reveal_for(target, insider))
    return reveal_of(insider, dh_key_for(target, insider))


# ---- lies -----------------------------------------------------------------------------------------------------------

#: The message itself cut short, or with wrong lengths.
WRONG_FIELDS: Lies = {
    "its last byte missing": lambda of: wire.armour(of.message.body[:-1]),
    "no MAC": lambda of: wire.armour(of.message.body[:-20]),
    "its end within the encrypted signature": lambda of: wire.armour(of.message.body[:-60]),
    "an encrypted signature that is longer than the message": lambda of: wire.build(
        of.message.with_raw("encrypted_signature", (1 << 16).to_bytes(4) + of.message.data("encrypted_signature"))
    ),
    "an encrypted signature of 4 GB": lambda of: wire.build(
        of.message.with_raw("encrypted_signature", b"\xff\xff\xff\xff" + of.message.data("encrypted_signature"))
    ),
    "no encrypted signature": lambda of: wire.build(of.message.with_raw("encrypted_signature", b"")),
}

#: Key id 0, under a valid signature.
KEY_ID_0: Lies = {"key id 0": lambda of: of.with_identity(of.identity[:-4] + bytes(4))}
