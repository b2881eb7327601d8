"""The model's rules for the authenticated key exchange: what each message does in each authentication state.

Whether a message's secrets are right depends on where its fields come from: a Reveal Signature opens a commit if both
come from the same handshake, and its seal is good if it was made for the two D-H keys that the receiver expects.
[Authentication state; Receiving a D-H Commit / D-H Key / Reveal Signature / Signature Message]
"""

from __future__ import annotations

from dataclasses import replace

from otterproof.harness.judges.model.book import SignatureMeaning
from otterproof.harness.judges.model.expect import DhKeyMessage, Establishes, OneOf, SealedMessage
from otterproof.harness.judges.model.names import Dh, Drawn, Given, MessageName, Ssid, pair
from otterproof.harness.judges.model.plain import Plain
from otterproof.harness.judges.model.state import AwaitingDhKey, AwaitingRevealSig, AwaitingSig, Idle, Ratchet, Session
from otterproof.harness.judges.model.step import Step
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.numbers import in_group
from otterproof.implementations.contract import (
    RECENT,
    MessageRejected,
    MessageState,
    RejectReason,
    SmpAbortReason,
    StoredTextDropped,
)

#: The D-H keys of every handshake have this id. [DATA-KEYID-1, KEYMGMT-AKE-1, REVEAL-SIG-2, SIG-SIG-2,
#: choice handshake.fresh-keys]
FIRST_KEYID = 1

#: How a Reveal Signature can fail if nothing is known about the commit. Mistakes at a place in X and bytes after gx are
#: not listed here.
_AFTER_COMMITMENT = (
    RejectReason.BAD_COMMITMENT,
    RejectReason.BAD_GROUP_ELEMENT,
    RejectReason.BAD_MAC,
    RejectReason.BAD_PUBLIC_KEY,
    RejectReason.BAD_KEY_ID,
    RejectReason.BAD_SIGNATURE,
)
_BAD_GXMPI = (MessageRejected(RejectReason.MALFORMED, "gx", 0), MessageRejected(RejectReason.NON_MINIMAL_MPI, "gx", 0))


def receive_handshake(step: Step, message: Message, version: int, instance: int) -> None:
    """Receive a handshake message whose header and structure are in order. [AKE-OUTLINE-1]"""
    session = step.session(instance)
    match message.kind:
        case Kind.DH_COMMIT:
            _receive_commit(step, session, version, message.data("encrypted_gx"), message.data("hashed_gx"))
        case Kind.DH_KEY:
            _receive_dh_key(step, session, version, message.number("gy"))
        case Kind.REVEAL_SIGNATURE:
            _receive_reveal_signature(step, session, version, message)
        case _:
            _receive_signature(step, session, version, message)


def _receive_commit(step: Step, session: Session, version: int, encrypted_gx: bytes, hashed_gx: bytes) -> None:
    """[Receiving a D-H Commit Message]"""
    auth = session.auth
    # [COMMIT-DHKEY-1]
    if isinstance(auth, AwaitingDhKey) and step.book.commit_fields(auth.commit)[1] > hashed_gx:
        step.reject(RejectReason.COLLISION_WON)  # [COMMIT-DHKEY-2, COMMIT-DHKEY-4]
        step.send_again(auth.message)  # [COMMIT-DHKEY-3, COMMIT-DHKEY-8]
        return
    if isinstance(auth, AwaitingRevealSig):
        # [COMMIT-REVEALSIG-2, COMMIT-REVEALSIG-3]
        step.put(replace(session, auth=replace(auth, encrypted_gx=encrypted_gx, hashed_gx=hashed_gx)))
        step.send_again(auth.message)  # [COMMIT-REVEALSIG-1]
        return
    placed = step.make_room(session)
    if placed is None:
        step.reject(RejectReason.TOO_MANY_INSTANCES)
        return
    y = step.draw_key("ake.y")
    step.state = replace(step.state, answered=step.state.answered | {y})
    name = MessageName("D-H Key", (y,), session.instance)
    # The session itself stays as it is. [COMMIT-DHKEY-6, COMMIT-LIVE-1, COMMIT-NONE-2, COMMIT-SIG-2, STATE-AUTH-3]
    step.put(replace(placed, auth=AwaitingRevealSig(y, encrypted_gx, hashed_gx, name)))
    # [COMMIT-DHKEY-5, COMMIT-NONE-1, COMMIT-SIG-1, INSTANCE-REPLY-1]
    step.send(DhKeyMessage(step.header(version, session.instance), y, name))


def _receive_dh_key(step: Step, session: Session, version: int, value: int) -> None:
    """[Receiving a D-H Key Message]"""
    auth, gy = session.auth, step.book.dh(value)
    if isinstance(auth, AwaitingSig) and auth.gy == gy:
        step.send_again(auth.message)  # [DHKEY-SIG-1]
        return
    if not isinstance(auth, AwaitingDhKey):
        step.reject(RejectReason.UNEXPECTED)  # [DHKEY-NONE-1, DHKEY-REVEALSIG-1, DHKEY-SIG-2]
        return
    if not in_group(value):
        step.reject(RejectReason.BAD_GROUP_ELEMENT)  # [AKE-VALID-1, AKE-VALID-3, AKE-VALID-4]
        return
    if version == 3 and gy in step.state.answered:
        step.reject(RejectReason.UNEXPECTED)  # [AKE-REFLECT-1]
        return
    placed = step.make_room(session)
    if placed is None:
        step.reject(RejectReason.TOO_MANY_INSTANCES)
        return
    step.state = replace(step.state, answered=step.state.answered | {gy})
    x = auth.commit.x
    name = MessageName("Reveal Signature", (x, gy), session.instance, step.draw("dsa.k"))
    step.put(replace(placed, auth=AwaitingSig(auth.commit, gy, name)))  # [DHKEY-DHKEY-2, STATE-AUTH-4]
    seal = SignatureMeaning(Kind.REVEAL_SIGNATURE, x, gy, step.own, FIRST_KEYID)
    step.send(SealedMessage(step.header(version, session.instance), seal, auth.commit, name))  # [DHKEY-DHKEY-1]


def _receive_reveal_signature(step: Step, session: Session, version: int, message: Message) -> None:
    """[Receiving a Reveal Signature Message; REVEAL-ACCEPT-1, choice handshake.reveal-signature-check-order]"""
    auth = session.auth
    if not isinstance(auth, AwaitingRevealSig):
        step.reject(RejectReason.UNEXPECTED)  # [REVEAL-AWAITSIG-1, REVEAL-DHKEY-1, REVEAL-NONE-1]
        return
    opening = step.book.opening(auth.encrypted_gx, auth.hashed_gx, message.data("revealed_key"))
    if opening is None:
        _reject_unopened(step, auth)
        return
    if opening.problem is not None:
        step.give(opening.problem)
        return
    if isinstance(opening.x, Given) and not in_group(opening.x.value):
        step.reject(RejectReason.BAD_GROUP_ELEMENT)  # [AKE-VALID-2, AKE-VALID-3]
        return
    seal = _open(step, message, opening.x, auth.y)
    if seal is not None:  # [AKE-VERIFY-6, REVEAL-IGNORED-1, REVEAL-REJECT-1]
        _complete(step, session, version, auth.y, seal)


def _reject_unopened(step: Step, auth: AwaitingRevealSig) -> None:
    """The revealed key does not open the commit. If the commit is unknown, the reason can't be predicted."""
    if step.book.knows_commit_field(auth.encrypted_gx, auth.hashed_gx):
        step.reject(RejectReason.BAD_COMMITMENT)  # [AKE-VERIFY-1]
        return
    ends = (MessageRejected(RejectReason.MALFORMED, "end", at) for at in range(4, len(auth.encrypted_gx)))
    step.expected.append(OneOf((*map(MessageRejected, _AFTER_COMMITMENT), *_BAD_GXMPI, *ends)))


def _receive_signature(step: Step, session: Session, version: int, message: Message) -> None:
    """[Receiving a Signature Message; SIG-ACCEPT-1]"""
    auth = session.auth
    if not isinstance(auth, AwaitingSig):
        step.reject(RejectReason.UNEXPECTED)  # [SIG-DHKEY-1, SIG-NONE-1, SIG-REVEALSIG-1]
        return
    seal = _open(step, message, auth.gy, auth.commit.x)
    if seal is not None:  # [SIG-REJECT-1]
        _complete(step, session, version, auth.commit.x, seal)


def _open(step: Step, message: Message, theirs: Dh, ours: Dh) -> SignatureMeaning | None:
    """The meaning of an encrypted signature that passes every check; otherwise None, and the rejection is predicted.

    [AKE-VERIFY-2, AKE-VERIFY-3, AKE-VERIFY-4, AKE-VERIFY-5]
    """
    seal = step.book.seal(message.data("encrypted_signature"), message.data("mac"))
    # [SIG-REPLAY-1, SIG-REPLAY-2]
    if seal is None or seal.kind != message.kind or seal.own != theirs:
        step.reject(RejectReason.BAD_MAC)
        return None
    if seal.other != ours:
        if step.book.negated(seal.other, ours):
            # Half of all exponents give the same secret for g^y and -g^y. The MAC is then right, but the signature is
            # for the other number.
            step.expected.append(
                OneOf((MessageRejected(RejectReason.BAD_MAC), MessageRejected(RejectReason.BAD_SIGNATURE)))
            )
        else:
            step.reject(RejectReason.BAD_MAC)
        return None
    if seal.problem is not None:
        step.give(seal.problem)
        return None
    return seal


def _complete(step: Step, session: Session, version: int, our_key: Drawn, seal: SignatureMeaning) -> None:
    """Complete a handshake that has passed every check.

    [Upon completing the AKE; AKE-HIDE-1, AKE-OUTLINE-2, choice completion.order]
    """
    old, instance = session.ratchet, session.instance
    responding = seal.kind == Kind.REVEAL_SIGNATURE
    step.put(replace(session, auth=Idle()))  # [REVEAL-ACCEPT-3, SIG-ACCEPT-2]
    if responding:  # [REVEAL-ACCEPT-2]
        name = MessageName("Signature", (our_key, seal.own), instance, step.draw("dsa.k"))
        own_seal = SignatureMeaning(Kind.SIGNATURE, our_key, seal.own, step.own, FIRST_KEYID)
        step.send(SealedMessage(step.header(version, instance), own_seal, None, name))
    step.drop_smp(step.session(instance), SmpAbortReason.REHANDSHAKE)  # [SMP-STATE-4]
    their_keyid, theirs = seal.keyid, {seal.keyid: seal.own}  # [KEYMGMT-AKE-3, REVEAL-SIG-4, SIG-SIG-4]
    pending = session.pending
    if old is not None:
        pending += old.mac_keys(old.verified)  # [MACREVEAL-END-1]
        if old.theirs.get(seal.keyid) == seal.own:  # [KEYMGMT-AKE-2, KEYMGMT-AKE-4]
            their_keyid, theirs = old.their_keyid, dict(old.theirs)
    ours = {FIRST_KEYID: our_key, FIRST_KEYID + 1: step.draw_key("dh.x")}  # [KEYMGMT-START-1]
    ssid = Ssid(pair(our_key, seal.own))
    # [REVEAL-ACCEPT-4, SIG-ACCEPT-3, STATE-AUTH-6, STATE-ENCRYPTED-2, STATE-ENCRYPTED-4, STATE-FINISHED-3]
    step.put(
        replace(
            step.session(instance),
            version=version,
            message_state=MessageState.ENCRYPTED,
            ratchet=Ratchet(FIRST_KEYID + 1, their_keyid, ours, theirs),
            ssid=ssid,
            identity=seal.signer,
            pending=pending,
            last_sent=step.state.now,
        )
    )
    if old is not None:
        step.forget(*old.ours.values())
    step.state = replace(step.state, focus=instance)
    same_key = old is not None and session.identity == seal.signer
    # [AKE-BOTH-1, DERIVE-SSID-2]
    step.expected.append(Establishes(instance, version, ssid, seal.signer, not responding, old is not None, same_key))
    _send_stored(step, instance, seal)


def _send_stored(step: Step, instance: int, seal: SignatureMeaning) -> None:
    """Send the texts that waited for this, if they are recent and for this correspondent. [choice stored.sent]"""
    stored = step.state.stored
    step.state = replace(step.state, stored=())  # [USER-STORED-5]
    for one in stored:
        # [ERROR-RESEND-1, USER-STORED-3, USER-STORED-4]
        if step.state.now - one.since <= RECENT and one.bound in (None, seal.signer):
            # [REVEAL-ACCEPT-5, SIG-ACCEPT-4, USER-STORED-1, USER-STORED-2]
            step.send_data(instance, Plain(one.text))
        else:
            step.give(StoredTextDropped(one.text))  # [USER-STORED-6]
