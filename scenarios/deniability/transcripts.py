"""What a transcript proves: nothing, because anyone could have written it with the MAC keys that both sides reveal.

A forger has seen a conversation and its revealed keys. With no other key, the forger replaces the known words of a
message with others of the same length. The target itself would have accepted the forgery in place of the genuine
message.
"""

from __future__ import annotations

from collections.abc import Iterator

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, TargetSession, check, check_equal
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.reply import Unsupported
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Message, crypto

SAID, FORGED = b"I will pay on Monday", b"I never owed a thing"


def revealed(messages: list[Message]) -> Iterator[bytes]:
    """The MAC keys that some messages reveal."""
    for message in messages:
        yield from message.revealed_mac_keys()


def forge(message: Message, said: bytes, words: bytes, key: bytes) -> Message:
    """The message with other words. AES in counter mode needs no key for that, and the MAC key is known."""
    old = message.data("encrypted_message")
    mask = bytes(a ^ b for a, b in zip(said, words, strict=True)).ljust(len(old), b"\0")
    changed = message.with_value("encrypted_message", bytes(a ^ b for a, b in zip(old, mask, strict=True)))
    return crypto.mac_data(changed, key)


def conversation(target: TargetSession, insider: Insider) -> tuple[list[Message], list[Message]]:
    """Both sides talk until the keys of the first message are revealed; the insider's messages, and the target's."""
    said = [wire.parse(insider.data(SAID))]
    target.receive(wire.build(said[0])).assert_shown("text.not-delivered", SAID)
    answers = []
    for number in range(3):
        answers.append(target.assert_sends_text(insider, b"answer %d" % number))
        said.append(wire.parse(insider.data(b"text %d" % number)))
        target.receive(wire.build(said[-1])).assert_shown("text.not-delivered", b"text %d" % number)
    answers.append(target.assert_sends_text(insider, b"the last answer"))
    return said, answers


@scenario(requirements=("MACREVEAL-WHEN-6", "MACREVEAL-WHEN-3", "MACREVEAL-WHAT-4", "DATA-OLDMACS-1"))
def mac_key_of_a_message_is_revealed_once(context: Context) -> None:
    """As a conversation goes on, the target reveals the MAC key of a message, and does so once.

    No other key is needed to make the message say something else under a valid MAC.
    """
    target, insider = context.encrypted()
    said, answers = conversation(target, insider)
    times = sum(crypto.verifies(said[0], key) for key in revealed(answers))
    case = "the MAC key of the first message"
    check("mac-reveal.used-key-not-revealed", times > 0, expected="revealed once", got="not revealed", case=case)
    check("mac-reveal.revealed-twice", times == 1, expected="revealed once", got=f"revealed {times} times", case=case)


@scenario(requirements=("MACREVEAL-WHEN-6", "DATA-MAC-1"))
def forgery_is_accepted_in_a_repeated_conversation(context: Context) -> None:
    """When the conversation is repeated with a forged message in place of a genuine one, the target shows the forgery.

    So what it shows proves nothing.
    """
    if context.target.randomness == "none":
        raise Unsupported("its randomness can't be repeated, so the same conversation can't be had twice")
    target, insider = context.encrypted()
    said, answers = conversation(target, insider)
    keys = [key for key in revealed(answers) if crypto.verifies(said[0], key)]
    case = "the MAC key of the first message"
    check("mac-reveal.used-key-not-revealed", bool(keys), expected="revealed", got="not revealed", case=case)
    again, same = context.encrypted()
    check_equal("driver.not-repeatable", same.ssid, insider.ssid, case="the ssid")
    forged = wire.build(forge(said[0], SAID, FORGED, keys[0]))
    again.receive(forged).assert_shown("deniability.forgery-not-accepted-in-time", FORGED)


@scenario(requirements=("!MACREVEAL-WHAT-6", "!MACREVEAL-WHEN-4", "DATA-RECV-13"))
def forgeries_are_refused_after_the_reveal(context: Context) -> None:
    """Once a MAC key is revealed, no message under it is accepted, neither the original nor a forgery."""
    target, insider = context.encrypted()
    said, answers = conversation(target, insider)
    for key in revealed(answers):
        for message in said:
            if not crypto.verifies(message, key):
                continue
            later = message.with_value("ctr", (1 << 40).to_bytes(8))
            case = "a message under a MAC key that was revealed"
            for forged in (message, crypto.mac_data(later, key), forge(later, b"", b"", key)):
                target.receive(wire.build(forged)).assert_rejected("mac-reveal.revealed-key-accepted", case)
    target.assert_session_alive(insider)
