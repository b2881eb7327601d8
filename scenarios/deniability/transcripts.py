"""What a transcript proves: nothing, since with the MAC keys that both sides reveal anybody could have written it.

A forger saw a conversation and its revealed keys. He puts other words of the same length into a message whose words he
knows, with no key but the revealed one, and the forgery is such that the target itself would have taken it at its time.
"""

from __future__ import annotations

from collections.abc import Iterator

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.reply import Unsupported
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Message, crypto

SAID, FORGED = b"I will pay on Monday", b"I never owed a thing"


def revealed(messages: list[Message]) -> Iterator[bytes]:
    """The MAC keys that some messages reveal."""
    for message in messages:
        block = message.data("old_mac_keys")
        yield from (block[at : at + 20] for at in range(0, len(block), 20))


def forge(message: Message, said: bytes, words: bytes, key: bytes) -> Message:
    """Other words in place of those that were said. AES in counter mode needs no key for that, and the MAC is known."""
    old = message.data("encrypted_message")
    mask = bytes(a ^ b for a, b in zip(said, words, strict=True)).ljust(len(old), b"\0")
    changed = message.with_value("encrypted_message", bytes(a ^ b for a, b in zip(old, mask, strict=True)))
    return crypto.mac_data(changed, key)


def conversation(target: TargetSession, insider: Insider) -> tuple[list[Message], list[Message]]:
    """Both sides talk until the keys of the first message are revealed; what the insider and the target sent."""
    said = [wire.parse(insider.data(SAID))]
    target.receive(wire.build(said[0])).assert_shown(SAID)
    answers = []
    for number in range(3):
        answers.append(target.assert_sends_text(insider, b"answer %d" % number))
        said.append(wire.parse(insider.data(b"text %d" % number)))
        target.receive(wire.build(said[-1])).assert_shown(b"text %d" % number)
    answers.append(target.assert_sends_text(insider, b"the last answer"))
    return said, answers


@scenario(requirements=("MACREVEAL-WHEN-6", "MACREVEAL-WHEN-3", "MACREVEAL-WHAT-4", "DATA-OLDMACS-1"))
def a_forger_rewrites_a_message(context: Context) -> None:
    """The MAC key of a message is revealed once the conversation has gone on, and with it somebody without any other
    key makes the message say something else, under a MAC that is right.
    """
    target, insider = context.encrypted()
    said, answers = conversation(target, insider)
    keys = [key for key in revealed(answers) if crypto.verifies(said[0], key)]
    check(len(keys) == 1, f"the target reveals the MAC key of the first message once, and did {len(keys)} times")
    forged = forge(said[0], SAID, FORGED, keys[0])
    text = crypto.decrypt_data(forged, insider.keys(1, 1).sending_aes)
    check(text.startswith(FORGED), f"the forged message says {FORGED!r}, and says {text!r}")
    check(crypto.verifies(forged, insider.keys(1, 1).sending_mac), "its MAC is right")


@scenario(requirements=("MACREVEAL-WHEN-6", "DATA-MAC-1"))
def the_target_would_have_taken_the_forgery(context: Context) -> None:
    """In the same conversation from the start, with the forged message in the place of the genuine one, the target
    shows the forged words as those of its correspondent: so what it shows proves nothing.
    """
    if context.target.randomness == "none":
        raise Unsupported("its randomness can't be repeated, so the same conversation can't be had twice")
    target, insider = context.encrypted()
    said, answers = conversation(target, insider)
    keys = [key for key in revealed(answers) if crypto.verifies(said[0], key)]
    check(bool(keys), "the MAC key of the first message is revealed")
    again, same = context.encrypted()
    check(same.ssid == insider.ssid, "the conversation is the same")
    again.receive(wire.build(forge(said[0], SAID, FORGED, keys[0]))).assert_shown(FORGED)


@scenario(requirements=("!MACREVEAL-WHAT-6", "!MACREVEAL-WHEN-4", "DATA-RECV-13"))
def no_forgery_is_taken_after_the_fact(context: Context) -> None:
    """At the time when a MAC key is revealed nothing is accepted under it any more: neither the message itself again
    nor one forged with it, whatever its counter.
    """
    target, insider = context.encrypted()
    said, answers = conversation(target, insider)
    for key in revealed(answers):
        for message in said:
            if not crypto.verifies(message, key):
                continue
            later = message.with_value("ctr", (1 << 40).to_bytes(8))
            for forged in (message, crypto.mac_data(later, key), forge(later, b"", b"", key)):
                target.receive(wire.build(forged)).assert_rejected("a message under a MAC key that was revealed")
    target.assert_session_alive(insider)


@scenario(requirements=("KEYS-PUBKEY-1", "AKE-OUTLINE-3"))
def messages_are_not_signed(context: Context) -> None:
    """Long-term keys sign the handshake and nothing else: a data message has no signature, and each side has all that
    is needed to make the other's messages.
    """
    target, insider = context.encrypted()
    message = target.assert_sends_text(insider, SAID)
    check(not message.problems, "the fields are those of a Data Message, and nothing more")
    keys = insider.keys(1, 1)
    forged = crypto.mac_data(crypto.encrypt_data(message, keys.receiving_aes, FORGED), keys.receiving_mac)
    check(crypto.verifies(forged, keys.receiving_mac), "the correspondent can make the target's message himself")
    pieces = (len(message.data("mac")), len(message.data("ctr")))
    check(pieces == (20, 8), f"MAC and counter have 20 and 8 bytes, and have {pieces}")
