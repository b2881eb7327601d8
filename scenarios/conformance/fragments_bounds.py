"""How much a client stores for fragments: a sender must not be able to use up its memory. [Fragmentation]"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import MessageUnreadable
from otterproof.scenarios.conformance.fragments_play import assert_arrives, fragments

#: More bytes than any client needs in a message. The texts name no limit; what a person types has some kilobytes.
TOO_LONG = 8 << 20

#: More clients than anyone has.
TOO_MANY = 300


@scenario(requirements=("FRAGMENT-BOUND-1", "!FRAGMENT-BOUND-1"))
def size_of_a_message_in_fragments(context: Context) -> None:
    """A message of eight megabytes is not reassembled from fragments, and the next message still arrives."""
    target, insider = context.encrypted()
    message = insider.data(b"too long", tlvs=[tlv(0, bytes(0xFFFF))] * (TOO_LONG * 3 // 4 // 0xFFFF))
    shown = [text for part in fragments(insider, message, 128) for text in target.receive(part).secure]
    case = f"a message of {len(message)} bytes"
    check("fragment.size-not-bounded", not shown, expected="no text", got=shown, case=case)
    assert_arrives(target, insider, b"short enough")


@scenario(versions=(3,), requirements=("FRAGMENT-BOUND-1", "!FRAGMENT-BOUND-1"))
def number_of_senders_of_fragments(context: Context) -> None:
    """When the fragments of very many senders interleave, not all of their messages are reassembled.

    They send Data Messages that can't be read; a target that reassembles one tells its user or the sender.
    """
    target, insider = context.encrypted()
    unreadable = wire.parse(insider.data(b"for another session"))
    senders = [target.insider(tag=0x5000 + number) for number in range(TOO_MANY)]
    parts = [fragments(sender, wire.build(unreadable.with_value("sender_tag", sender.tag)), 2) for sender in senders]
    for first, _ in parts:
        target.receive(first)
    replies = [target.receive(last) for _, last in parts]
    whole = sum(bool(reply.of(MessageUnreadable) or reply.messages(Kind.ERROR)) for reply in replies)
    case = f"messages of {TOO_MANY} senders in two fragments each"
    wanted = f"fewer than {TOO_MANY} put together"
    check("fragment.senders-not-bounded", whole < TOO_MANY, expected=wanted, got=whole, case=case)
    assert_arrives(target, insider, b"from one sender")
