"""What a client must check in Reveal Signature and Signature Messages: MACs, signature, structure, key ids.

Each lie has exactly one fault, so that only the check for that fault can detect it. [Authenticated Key Exchange, Reveal
Signature Message, Signature Message]
"""

from __future__ import annotations

from dataclasses import replace

from otterproof.harness import wire
from otterproof.harness.testkit.context import TARGET, Context
from otterproof.harness.testkit.insider import SignatureOptions
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, crypto
from otterproof.harness.wire.handshake_lies import (
    HASHED_AGAIN,
    WRONG_ENCRYPTION,
    WRONG_MACS,
    WRONG_REVEAL_MACS,
    WRONG_SIGNATURES,
    WRONG_STRUCTURE,
)
from otterproof.harness.wire.signed import SignedMessage
from otterproof.implementations.contract import SessionEstablished
from otterproof.scenarios.conformance.handshake_play import (
    KEY_ID_0,
    WRONG_FIELDS,
    commit_for_query,
    refused,
    reveal_for,
    signature_of,
    start_over,
    tells_lies,
)


@scenario(
    requirements=("AKE-VERIFY-2", "!AKE-VERIFY-2", "!REVEAL-MAC-1", "!REVEAL-MAC-2", "!REVEAL-ACCEPT-1", "AKE-VERIFY-6")
)
def reveal_signature_with_a_wrong_mac(context: Context) -> None:
    """The MAC of a Reveal Signature Message is verified under m2, over the encrypted signature and its length."""
    tells_lies(context, "handshake.reveal-signature-mac-not-verified", WRONG_REVEAL_MACS, primed=False)


@scenario(requirements=("AKE-VERIFY-4", "!AKE-VERIFY-4", "!SIG-MAC-1", "!SIG-MAC-2", "!SIG-ACCEPT-1", "AKE-VERIFY-6"))
def signature_message_with_a_wrong_mac(context: Context) -> None:
    """The MAC of a Signature Message is verified under m2', over the encrypted signature and its length."""
    tells_lies(context, "handshake.signature-message-mac-not-verified", WRONG_MACS, primed=True)


@scenario(
    requirements=(
        "!AKE-VERIFY-3",
        "!REVEAL-SIG-5",
        "!AKE-OUTLINE-2",
        "!AKE-BOTH-1",
        "!REVEAL-ACCEPT-1",
        "!AKE-VERIFY-6",
    )
)
def reveal_signature_with_a_wrong_signature(context: Context) -> None:
    """The target verifies the DSA signature in a Reveal Signature Message.

    It uses the key in the message; the signature covers both D-H values, that key and its key id.
    """
    tells_lies(context, "handshake.reveal-signature-dsa-not-verified", WRONG_SIGNATURES, primed=False)


@scenario(
    requirements=("!AKE-VERIFY-5", "!SIG-SIG-5", "!AKE-OUTLINE-2", "!AKE-BOTH-1", "!SIG-ACCEPT-1", "!AKE-VERIFY-6")
)
def signature_message_with_a_wrong_signature(context: Context) -> None:
    """The target verifies the DSA signature in a Signature Message.

    It uses the key in the message; the signature covers both D-H values, that key and its key id.
    """
    tells_lies(context, "handshake.signature-message-dsa-not-verified", WRONG_SIGNATURES, primed=True)


@scenario(requirements=("!REVEAL-SIG-7", "!SIG-SIG-7"))
def signature_of_a_hash_of_m(context: Context) -> None:
    """The signature covers all of M itself: a signature over a hash or a part of M is refused in both messages."""
    for primed in (False, True):
        with context.case():
            tells_lies(context, "handshake.signed-hash-of-m-accepted", HASHED_AGAIN, primed=primed)


@scenario(requirements=("!REVEAL-SIG-1", "!REVEAL-SIG-8", "!SIG-SIG-1", "!SIG-SIG-8", "!AKE-OUTLINE-3"))
def encrypted_signature_under_a_wrong_key(context: Context) -> None:
    """X is accepted only if it is encrypted under the key of its direction, with initial counter 0."""
    for primed in (False, True):
        with context.case():
            tells_lies(context, "handshake.wrong-encryption-accepted", WRONG_ENCRYPTION, primed=primed)


@scenario(requirements=("REVEAL-SIG-9", "!REVEAL-SIG-9", "!REVEAL-SIG-6", "SIG-SIG-9", "!SIG-SIG-9", "!SIG-SIG-6"))
def malformed_signature_block(context: Context) -> None:
    """An X that is cut short, or has its parts in another order, is refused in both messages and does no harm."""
    for primed in (False, True):
        with context.case():
            tells_lies(context, "handshake.malformed-signature-block-accepted", WRONG_STRUCTURE, primed=primed)


@scenario(requirements=("!REVEAL-FORM-8", "!SIG-FORM-6", "REVEAL-REJECT-1", "SIG-REJECT-1"))
def truncated_signed_messages(context: Context) -> None:
    """A Reveal Signature or Signature Message that is cut short or has wrong lengths is refused and does no harm."""
    for primed in (False, True):
        with context.case():
            tells_lies(context, "handshake.malformed-signed-message-accepted", WRONG_FIELDS, primed=primed)


@scenario(requirements=("REVEAL-REJECT-1", "!REVEAL-REJECT-1", "SIG-REJECT-1", "!SIG-REJECT-1", "REVEAL-IGNORED-1"))
def signed_message_with_a_wrong_mac_is_ignored(context: Context) -> None:
    """A Reveal Signature or Signature Message with a wrong MAC is ignored: it gets no answer and makes no session.

    The genuine message then completes the handshake, unless the target has given up the handshake as a whole.
    """
    for primed in (False, True):
        with context.case():
            only_one = dict(list(WRONG_MACS.items())[:1])
            tells_lies(context, "handshake.bad-message-not-ignored", only_one, primed=primed, strictly=True)


@scenario(requirements=("!REVEAL-REJECT-1", "!SIG-REJECT-1", "!REVEAL-IGNORED-1"))
def signed_message_with_a_wrong_signature_is_ignored(context: Context) -> None:
    """A Reveal Signature or Signature Message with a right MAC but a wrong signature is ignored.

    It gets no answer and makes no session. The genuine message then completes the handshake, unless the target has
    given up the handshake as a whole.
    """
    for primed in (False, True):
        with context.case():
            only_one = dict(list(WRONG_SIGNATURES.items())[:1])
            tells_lies(context, "handshake.bad-message-not-ignored", only_one, primed=primed, strictly=True)


@scenario(requirements=("REVEAL-SIG-3", "!REVEAL-SIG-3", "!REVEAL-SIG-2", "SIG-SIG-3", "!SIG-SIG-3", "!SIG-SIG-2"))
def key_id_0_is_refused(context: Context) -> None:
    """A D-H key with key id 0 is refused in both messages, even under a valid signature."""
    for primed in (False, True):
        with context.case():
            tells_lies(context, "handshake.key-id-0-accepted", KEY_ID_0, primed=primed)


@scenario(requirements=("REVEAL-SIG-4", "!REVEAL-SIG-4", "SIG-SIG-4", "!SIG-SIG-4"))
def any_key_id_above_0_is_used(context: Context) -> None:
    """A handshake with any key id above 0 completes; the key then has this id, and no other."""
    for keyid in (1, 300, 0x80000000, 0xFFFFFFF0):
        with context.case(f"keyid {keyid}"):
            for target_begins in (False, True):
                target, insider = context.encrypted(target_begins=target_begins, signed=SignatureOptions(keyid=keyid))
                other = 1 if keyid > 1 else 2
                insider.exponents[other] = insider.x
                data = insider.data(b"under another number", sender_keyid=other, recipient_keyid=1)
                if keyid > 1:
                    case = f"a Data Message under key id {other}, after a handshake with key id {keyid}"
                    target.receive(data).assert_rejected("handshake.key-id-not-used", case)
                target.assert_session_alive(insider)


@scenario(requirements=("SIG-REPLAY-1", "!SIG-REPLAY-1", "!AKE-FRESH-1"))
def messages_of_an_earlier_handshake(context: Context) -> None:
    """The insider's messages of an earlier handshake, repeated in a new one, make no session in either role."""
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    commit = insider.commit()
    reveal = insider.reveal_signature(wire.build(target.receive(commit).message(Kind.DH_KEY)))
    target.receive(reveal).one(SessionEstablished)
    target.user("end")
    target.user("start")
    target.receive(commit).message(Kind.DH_KEY)
    refused(
        target.receive(reveal),
        "handshake.earlier-message-accepted",
        "the Reveal Signature Message of an earlier handshake",
    )

    target = context.target_session()
    genuine = signature_of(insider := target.insider(), *reveal_for(target, insider))
    target.receive(genuine.raw).one(SessionEstablished)
    target.user("end")
    reveal_for(target, insider)
    refused(
        target.receive(genuine.raw),
        "handshake.earlier-message-accepted",
        "the Signature Message of an earlier handshake",
    )
    start_over(target, insider, target_begins=True)


@scenario(requirements=("SIG-REPLAY-2", "!SIG-REPLAY-2"))
def signature_of_the_other_direction(context: Context) -> None:
    """A Signature Message that is made like a Reveal Signature Message is refused.

    It has the target's own encrypted signature, or uses the keys of that direction. The genuine one completes the
    handshake.
    """

    def reflected(of: SignedMessage) -> bytes:
        reveal = target.replies(0, TARGET).messages(Kind.REVEAL_SIGNATURE)[-1]
        changed = of.message.with_value("encrypted_signature", reveal.data("encrypted_signature"))
        return wire.build(changed.with_value("mac", reveal.data("mac")))

    def turned(of: SignedMessage) -> bytes:
        c, _, m2 = of.opposite
        signed = replace(of, primed=False)
        block = crypto.signature_block(wire.parse(signed.signing(signed.m(identity=of.identity), of.identity)), c)
        return wire.build(crypto.with_signature_block(of.message, block, c, m2))

    target = context.target_session()
    insider = target.insider()
    genuine = signature_of(insider, *reveal_for(target, insider))
    refused(
        target.receive(reflected(genuine)), "handshake.other-direction-accepted", "the target's own encrypted signature"
    )
    commit = commit_for_query(target)
    reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
    genuine = signature_of(insider, commit, reveal)
    case = "an encrypted signature made as for a Reveal Signature Message"
    refused(target.receive(turned(genuine)), "handshake.other-direction-accepted", case)
    if target.receive(genuine.raw).of(SessionEstablished):
        target.assert_session_alive(insider)
    else:
        start_over(target, insider, target_begins=True)
