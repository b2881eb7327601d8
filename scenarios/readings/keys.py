"""Probes of the readings on public keys, revealed MAC keys and stored texts.

[Public keys, signatures, and fingerprints; Revealing MAC keys; User types a message to be sent]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW, Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider, SignatureOptions
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.probe import reading, same_answer
from otterproof.harness.testkit.reply import Reply
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.numbers import dsa_sign
from otterproof.implementations.contract import DsaPrivateKey, DsaPublicKey, Policy, SessionEstablished


@reading("TYPES-MPI-ZEROS")
def numbers_with_leading_zeros(context: Context) -> str:
    target = context.target_session()
    insider = target.insider()
    target.query()
    dh_key = wire.parse(insider.dh_key())
    length, digits = dh_key.raw("gy")[:4], dh_key.raw("gy")[4:]
    padded = (int.from_bytes(length) + 1).to_bytes(4) + b"\0" + digits
    reply = target.receive(wire.build(dh_key.with_raw("gy", padded)))
    return "normalise" if reply.messages(Kind.REVEAL_SIGNATURE) else "reject"


@reading("KEYS-DSA-CHECK")
def keys_with_invalid_parameters(context: Context) -> str:
    """With y = 1 or g = 1, anyone can make a signature that verifies."""
    key = published_key("mallory").public

    def accepted(advertised: DsaPublicKey, pair: tuple[int, int]) -> bool:
        target = context.target_session()
        signed = SignatureOptions(advertised_key=advertised, signature=pair)
        return bool(target.handshake_by_insider(target.insider(), signed).of(SessionEstablished))

    nobody = context.target_session()
    insider = nobody.insider()
    insider.key = DsaPrivateKey(replace(key, y=1), 0)
    r = pow(key.y, 3, key.p) % key.q
    if (
        accepted(replace(key, g=1, y=1), (1, 1))
        or accepted(replace(key, g=1), (r, r * pow(3, -1, key.q) % key.q))
        or nobody.handshake_by_insider(insider).of(SessionEstablished)
    ):
        return "none"
    short = (1 << 511) | 0x2F  # a p of 512 bits, good enough to test the size
    own = DsaPrivateKey(DsaPublicKey(short, key.q, key.g % short, 4), 1)
    return "size" if accepted(own.public, dsa_sign(own, bytes(32), 5)) else "ranges"


def old_keys(messages: list[Message]) -> list[bytes]:
    """The MAC keys that messages reveal, in order."""
    return [key for message in messages for key in message.revealed_mac_keys()]


def talked(target: TargetSession, insider: Insider, rounds: int = 4) -> tuple[list[Message], set[tuple[int, int]]]:
    """An exchange of texts; the target's messages, and the pairs of keys (ours, theirs) with which it verified ours."""
    sent, used = [], set()
    for number in range(rounds):
        sent.append(target.assert_sends_text(insider, b"from the target %d" % number))
        used.add((insider.our_keyid - 1, insider.their_keyid))
        target.assert_receives_text(insider, b"from the insider %d" % number)
    return sent, used


def known_keys(insider: Insider, pairs: Iterator[tuple[int, int]] | set[tuple[int, int]]) -> set[bytes]:
    """The MAC keys with which the target verifies the insider's messages under these pairs."""
    return {insider.keys(*pair).sending_mac for pair in pairs}


@reading("MACREVEAL-UNUSED")
def which_mac_keys_are_revealed(context: Context) -> str:
    target, insider = context.encrypted()
    sent, used = talked(target, insider)
    sent.append(target.assert_sends_text(insider, b"the last one"))
    revealed = set(old_keys(sent))
    check("mac-reveal.used-key-not-revealed", bool(revealed), expected="MAC keys, as keys change", got=revealed)
    if revealed <= known_keys(insider, used):
        return "used"
    every = {(ours, theirs) for ours in insider.exponents for theirs in insider.theirs if ours < insider.our_keyid}
    unknown = revealed - known_keys(insider, every)
    check("mac-reveal.wrong-key-revealed", not unknown, expected="receiving MAC keys only", got=sorted(unknown))
    return "all"


@reading("MACREVEAL-REFUSED")
def the_key_of_a_message_that_was_refused(context: Context) -> str:
    target, insider = context.encrypted()
    if target.receive(insider.data(b"counter 0", ctr=0)).secure:
        return "counts"  # it was accepted, so its key did verify a message
    key = insider.keys(insider.our_keyid - 1, insider.their_keyid).sending_mac
    sent, _ = talked(target, insider)
    sent.append(target.assert_sends_text(insider, b"the last one"))
    return "counts" if key in old_keys(sent) else "not"


@reading("MACREVEAL-FORGED")
def the_key_of_a_forgery(context: Context) -> str:
    revealed = []
    for mac in (bytes(20), None):
        target, insider = context.encrypted()
        if mac is not None:
            forged = insider.data(b"forged", mac=mac)
            target.receive(forged).assert_rejected("data.mac-not-verified", "a message with a wrong MAC")
        key = insider.keys(insider.our_keyid - 1, insider.their_keyid).sending_mac
        sent, _ = talked(target, insider)
        sent.append(target.assert_sends_text(insider, b"the last one"))
        revealed.append(key in old_keys(sent))
    return "counts" if revealed == [True, False] else "not"


@reading("MACREVEAL-END")
def mac_keys_at_the_end(context: Context) -> str:
    target, insider = context.encrypted()
    talked(target, insider)
    live = insider.keys(insider.our_keyid - 1, insider.their_keyid).sending_mac
    last = target.user("end").message(Kind.DATA)
    if live in old_keys([last]):
        return "last"
    again = target.insider(seed=b"again")
    target.establish(again)
    return "pending" if live in old_keys([target.assert_sends_text(again, b"a text")]) else "dropped"


@reading("MACREVEAL-REKEY")
def mac_keys_after_a_new_handshake(context: Context) -> str:
    answers = []
    for ended in (False, True):
        target, insider = context.encrypted()
        talked(target, insider)
        live = insider.keys(insider.our_keyid - 1, insider.their_keyid).sending_mac
        if ended:
            target.receive(insider.data(tlvs=[tlv(1)]))
        again = target.insider(seed=b"again")
        target.establish(again)
        answers.append("carried" if live in old_keys([target.assert_sends_text(again, b"a text")]) else "dropped")
    return same_answer(answers, "a new handshake in ENCRYPTED, and one after the peer's end")


def texts(target: TargetSession, insider: Insider, reply: Reply) -> list[bytes]:
    """The texts in the data messages of a reply."""
    return [target.read(insider, message).text for message in reply.messages(Kind.DATA)]


@reading("USER-RESEND")
def resending_of_lost_texts(context: Context) -> str:
    target, _ = context.encrypted()
    target.user("send", text=b"one")
    target.receive(b"?OTR Error: An encrypted message could not be read.")
    again = target.insider(seed=b"again")
    found = [text for text in texts(target, again, target.handshake_by_insider(again)) if b"one" in text]
    if not found:
        return "drop"
    return "resend" if b"one" in found else "marked"


def waiting(context: Context, *typed: bytes) -> tuple[TargetSession, Insider]:
    """A target that requires encryption, with texts stored until there is a session."""
    target = context.target_session(policy=ALLOW[context.version] | Policy.REQUIRE_ENCRYPTION)
    for text in typed:
        target.user("send", text=text)
    return target, target.insider()


@reading("USER-RECENT", needs=("time", "stored_messages", "policy"))
def age_limit_of_stored_texts(context: Context) -> str:
    came = {}
    for seconds in (10, 70, 3600):
        target, insider = waiting(context, b"one")
        target.tick(seconds)
        came[seconds] = b"one" in texts(target, insider, target.handshake_by_insider(insider))
    check("user.stored-text-not-sent", came[10], expected=b"one", got="no such text", case="a text of ten seconds ago")
    consistent = came[70] or not came[3600]
    case = "a text of an hour ago is sent, and one of 70 seconds ago is not"
    check("reading.inconsistent", consistent, expected="a longer wait is no advantage", case=case)
    return "any" if came[3600] else "window"


@reading("USER-STORED-KEY", needs=("stored_messages",))
def a_text_for_another_key(context: Context) -> str:
    came = []
    for key in ("mallory", "carol"):
        target, insider = context.encrypted()
        target.receive(insider.data(tlvs=[tlv(1)]))
        target.user("send", text=b"one")
        again = target.insider(key, insider.tag, b"again")
        came.append(b"one" in texts(target, again, target.handshake_by_insider(again)))
    case = "a text that was typed in FINISHED, after a new handshake with the same peer"
    check("user.stored-text-not-sent", came[0], expected=b"one", got="no such text", case=case)
    return "any" if came[1] else "same"


@reading("USER-STORED-COUNT", needs=("stored_messages", "policy"))
def several_stored_texts(context: Context) -> str:
    target, insider = waiting(context, b"one", b"two")
    found = texts(target, insider, target.handshake_by_insider(insider))
    check("user.stored-text-not-sent", b"two" in found, expected=b"two", got=found, case="the last of two texts")
    return "all" if found == [b"one", b"two"] else "last"
