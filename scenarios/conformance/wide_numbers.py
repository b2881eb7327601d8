"""Numbers of more than one byte: key ids and fragment numbers that a client reaches itself or receives.

A client's own key ids begin at 1 and rise by one, so it takes hundreds of turns until one has more than one byte. An
insider chooses its first key id. (Counters and the lengths of texts and TLVs are in data_counters, data and tlv.) [Key
Management, Fragmentation]
"""

from __future__ import annotations

from otterproof.harness.testkit.context import Context, check, check_equal, who_begins
from otterproof.harness.testkit.insider import SignatureOptions
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind
from otterproof.scenarios.conformance.fragments_play import assert_all_rejected, assert_arrives, fragment, fragments
from otterproof.scenarios.conformance.fragments_sent import SMALL, check_fragments

#: The last key id before one that needs another byte or has its highest bit set.
LAST_OF_THEIR_SIZE = (0xFF, 0xFFFF, 0xFFFFFF, 0x7FFFFFFF)

#: The most fragments that a message can have.
MOST_FRAGMENTS = 0xFFFF

#: Numbers that leave all lower bytes unchanged when added.
HIGHER_BYTES = (1 << 8, 1 << 16, 1 << 24)


@scenario(requirements=("DATA-KEYID-2", "DATA-NEXT-1", "KEYMGMT-ROTATE-1"))
def own_key_ids_exceed_one_byte(context: Context) -> None:
    """Over 260 turns of a conversation, the target's key id rises by one each turn, past 255, and so does the peer's.

    Each turn has new keys, under which texts arrive both ways.
    """
    target, insider = context.encrypted()
    insider.exponent_size = 8
    for turn in range(1, 261):
        used = target.exchange_texts(insider).number("sender_keyid")
        check_equal("keys.own-key-id-not-in-step", used, turn, case=f"turn {turn}")
    target.assert_session_alive(insider)


@scenario(requirements=("KEYMGMT-RECV-2", "!KEYMGMT-RECV-2", "KEYMGMT-RECV-3", "!KEYMGMT-RECV-3", "TYPES-INT-1"))
def key_ids_are_compared_in_all_bytes(context: Context) -> None:
    """A key id of either side that differs from a live one only in its higher bytes is unknown."""
    for keyid in (1, 0x01010101):
        with context.case(f"key id {keyid}"):
            target, insider = context.encrypted(signed=SignatureOptions(keyid=keyid))
            target.exchange_texts(insider)
            for _ in range(2):
                mine, yours = insider.our_keyid - 1, insider.their_keyid
                for more in HIGHER_BYTES:
                    wrong = insider.data(b"from another key", sender_keyid=mine + more)
                    case = f"sender key id {mine + more:#x} in place of {mine:#x}"
                    target.receive(wrong).assert_rejected("keys.unknown-sender-key-accepted", case)
                    wrong = insider.data(b"to another key", recipient_keyid=yours + more)
                    case = f"recipient key id {yours + more:#x} in place of {yours:#x}"
                    target.receive(wrong).assert_rejected("keys.unknown-recipient-key-accepted", case)
                target.exchange_texts(insider)


@scenario(requirements=("TYPES-INT-1", "KEYMGMT-ROTATE-3", "KEYMGMT-PICK-2"))
def peer_key_ids_grow_by_a_byte(context: Context) -> None:
    """When a peer's key ids rise past 255, 65535 and other limits, texts arrive both ways under each key, in either
    role.
    """
    for target_begins in (False, True):
        for keyid in LAST_OF_THEIR_SIZE:
            with context.case(f"key id {keyid:#x}, and {who_begins(target_begins)}"):
                signed = SignatureOptions(keyid=keyid)
                target, insider = context.encrypted(target_begins=target_begins, signed=signed)
                for turn in range(1, 4):
                    used = target.exchange_texts(insider, check_id="encoding.int-misread").number("recipient_keyid")
                    wanted = f"recipient key id {keyid + turn:#x}"
                    check("keys.wrong-recipient-key", used == keyid + turn, expected=wanted, got=f"{used:#x}")


@scenario(
    needs=("fragmentation_out",),
    requirements=("FRAGMENT-SEND-4", "FRAGMENT-SEND-5", "FRAGMENT-SEND-6", "FRAGMENT-SEND-8"),
)
def hundreds_of_fragments_are_sent(context: Context) -> None:
    """A long text goes out in more than 255 fragments, numbered in order, that make up the whole message."""
    target = context.target_session(max_message_size=SMALL)
    insider = target.insider()
    target.establish(insider)
    text = b"a long text from the target. " * 700
    reply = target.user("send", text=text)
    check_fragments(reply.raw, context.version, SMALL)
    many = len(reply.raw) > 255
    check("fragment.not-used", many, expected="more than 255 fragments", got=len(reply.raw), case="a long text")
    found = target.read(insider, reply.message(Kind.DATA)).text
    check_equal("data.long-text-not-sent", found, text)


@scenario(requirements=("FRAGMENT-RECV-10", "FRAGMENT-SEND-6", "FRAGMENT-RECV-13"))
def legal_fragment_numbers_end_at_65535(context: Context) -> None:
    """The first fragment of up to 65,535 replaces any stored fragments.

    In a nightly run, a message in 65,535 fragments is reassembled.
    """
    target, insider = context.encrypted()
    for n in (0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, MOST_FRAGMENTS):
        first, last = fragments(insider, insider.data(b"replaced"), 2)
        target.receive(first)
        begun = fragment(insider, 1, n, b"?OTR:")
        target.receive(begun).assert_ignored("fragment.acted-on-too-early", f"the first of {n} fragments")
        case = f"the rest of a message that the first of {n} fragments has replaced"
        assert_all_rejected(target, "fragment.large-number-refused", [last], case)
    if context.thorough:
        assert_arrives(target, insider, b"long " * 10_000, MOST_FRAGMENTS)
    assert_arrives(target, insider, b"in two")
