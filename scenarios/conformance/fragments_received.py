"""Receiving fragments: what is reassembled, what is forgotten, and what is not a fragment. [Fragmentation]

Most scenarios cut messages of a session into pieces: a text that is shown proves that they were reassembled.
"""

from __future__ import annotations

from otterproof.harness.testkit.context import ALLOW, Context, check, check_equal
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, build
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import MAX_INSTANCES, MessageRejected, RejectReason, SessionEstablished
from otterproof.scenarios.conformance.fragments_play import (
    OUT_OF_ORDER,
    SAMPLE,
    SAMPLE_TAGS,
    assert_all_rejected,
    assert_arrives,
    cut,
    fragment,
    fragments,
    in_words,
)


@scenario(
    requirements=(
        "FRAGMENT-RECV-1",
        "FRAGMENT-RECV-2",
        "!FRAGMENT-RECV-2",
        "FRAGMENT-RECV-3",
        "FRAGMENT-RECV-11",
        "FRAGMENT-RECV-13",
        "!FRAGMENT-RECV-13",
        "FRAGMENT-RECV-14",
        "FRAGMENT-RECV-17",
        "FRAGMENT-SEND-6",
    )
)
def fragments_in_order_are_reassembled(context: Context) -> None:
    """A message in one fragment, in a few or in hundreds is received with its last fragment, and not before."""
    target, insider = context.encrypted()
    for count in (1, 2, 3, 10, 300):
        check_id = "fragment.single-fragment-refused" if count == 1 else "fragment.not-put-together"
        assert_arrives(target, insider, b"in %d fragments" % count, count, check_id)
    target.assert_session_alive(insider)


@scenario(requirements=("!FRAGMENT-RECV-14", "!FRAGMENT-RECV-19", "FRAGMENT-RECV-19"))
def repeated_last_fragment_has_no_effect(context: Context) -> None:
    """The last fragment of a message, or its only one, has no effect when it is repeated."""
    target, insider = context.encrypted()
    for count in (2, 3):
        parts = fragments(insider, insider.data(b"in %d fragments" % count), count)
        for part in parts[:-1]:
            target.receive(part)
        target.receive(parts[-1]).assert_shown("fragment.not-put-together", b"in %d fragments" % count)
        case = f"the last of {count} fragments a second time"
        target.receive(parts[-1]).assert_ignored("fragment.last-one-counts-twice", case)
    (only,) = fragments(insider, insider.data(b"in one"), 1)
    target.receive(only).assert_shown("fragment.single-fragment-refused", b"in one")
    target.receive(only).assert_rejected("fragment.last-one-counts-twice", "the only fragment a second time")


@scenario(requirements=("FRAGMENT-RECV-3", "FRAGMENT-RECV-4", "!FRAGMENT-RECV-4"))
def leading_zeros_in_headers_are_accepted(context: Context) -> None:
    """Leading zeros in k, n and the tags make no difference, nor do capital letters in the tags.

    A tag that is not hexadecimal, or a k or n with letters, makes no fragment.
    """
    target, insider = context.encrypted()
    tags = (b"%x|%x", b"%08x|%08x", b"%X|%X", b"%06X|%05x") if context.version == 3 else (b"",)
    for form in tags:
        front = b"|" + form % (insider.tag, insider.target_tag) if form else b""
        for number in (b"%d", b"%05d", b"%03d"):
            text = b"numbers as %s, tags as %s" % (number, form)
            first, last = (
                b"?OTR%s,%s,%s,%s," % (front, number % k, number % 2, piece)
                for k, piece in enumerate(cut(insider.data(text), 2), start=1)
            )
            target.receive(first)
            case = f"numbers written as {shown(number)}, tags as {shown(form)}"
            target.receive(last).assert_shown("fragment.number-format-refused", text, case=case)
    if context.version == 3:
        piece = insider.data(b"a tag with other letters")
        part = b"?OTR|2g2b|%x,1,1,%s," % (insider.target_tag, piece)
        assert_all_rejected(target, "fragment.malformed-header-accepted", [part], "a tag that is not hexadecimal")
    part = fragment(insider, b"0x1", b"0x1", insider.data(b"x"))
    assert_all_rejected(target, "fragment.malformed-header-accepted", [part], "numbers with letters")


@scenario(
    requirements=(
        "FRAGMENT-RECV-7",
        "!FRAGMENT-RECV-7",
        "FRAGMENT-RECV-8",
        "!FRAGMENT-RECV-8",
        "FRAGMENT-RECV-9",
        "!FRAGMENT-RECV-9",
    )
)
def illegal_fragment_numbers_are_ignored(context: Context) -> None:
    """A fragment with a k or n of 0, or with k above n, neither begins, continues nor completes a message."""
    target, insider = context.encrypted()
    whole = insider.data(b"with illegal numbers")
    head, tail = cut(whole, 2)
    for numbers in (
        [(0, 2), (2, 2)],
        [(0, 2), (1, 2)],
        [(0, 1), (1, 1)],
        [(1, 2), (3, 2)],
        [(1, 1), (2, 1)],
        [(2, 2), (3, 2)],
    ):
        parts = [fragment(insider, k, n, piece) for (k, n), piece in zip(numbers, (head, tail), strict=True)]
        assert_all_rejected(target, "fragment.illegal-number-accepted", parts, f"fragments {in_words(numbers)}")
    for k, n in ((0, 0), (1, 0), (2, 1), (0, 1), (0, 65535)):
        case = f"fragment {k} of {n}"
        assert_all_rejected(target, "fragment.illegal-number-accepted", [fragment(insider, k, n, whole)], case)
    assert_arrives(target, insider, b"with legal ones")


@scenario(
    requirements=(
        "FRAGMENT-RECV-12",
        "!FRAGMENT-RECV-12",
        "!FRAGMENT-RECV-11",
        "!FRAGMENT-RECV-1",
        "!FRAGMENT-SEND-4",
        "!FRAGMENT-RECV-17",
    )
)
def fragments_out_of_order_are_forgotten(context: Context) -> None:
    """After a gap, a repetition, a step back, another n, or a lone last fragment, nothing is reassembled."""
    target, insider = context.encrypted()
    lone = fragment(insider, 3, 3, insider.data(b"whole, and numbered as the last"))
    assert_all_rejected(target, "fragment.out-of-order-accepted", [lone, lone], "a last fragment alone")
    for numbers in OUT_OF_ORDER:
        for text in (b"pieces as they are numbered", b"pieces as they come"):
            message = insider.data(text)
            pieces = cut(message, 3) if text.endswith(b"numbered") else cut(message, len(numbers))
            order = [k - 1 for k, _ in numbers] if text.endswith(b"numbered") else range(len(numbers))
            parts = [fragment(insider, k, n, pieces[at]) for (k, n), at in zip(numbers, order, strict=True)]
            assert_all_rejected(target, "fragment.out-of-order-accepted", parts, f"fragments {in_words(numbers)}")
    assert_arrives(target, insider, b"in order", 3)


@scenario(requirements=("FRAGMENT-RECV-10", "!FRAGMENT-RECV-10"))
def first_fragment_discards_stored_ones(context: Context) -> None:
    """A fragment numbered 1 replaces all stored fragments, and none of those is used any more."""
    target, insider = context.encrypted()
    dropped = fragments(insider, insider.data(b"never completed"), 3)
    target.receive(dropped[0])
    target.receive(dropped[1])
    assert_arrives(target, insider, b"begun anew", 3, "fragment.first-one-does-not-restart")
    target.receive(dropped[0])
    first, second, third = fragments(insider, insider.data(b"begun twice"), 3)
    target.receive(first)
    target.receive(dropped[0])
    target.receive(first)
    target.receive(second)
    target.receive(third).assert_shown("fragment.first-one-does-not-restart", b"begun twice")
    case = "the rest of a message that another one has replaced"
    assert_all_rejected(target, "fragment.first-one-does-not-restart", dropped[1:], case)


@scenario(requirements=("FRAGMENT-RECV-15", "!FRAGMENT-RECV-15"))
def unencoded_message_clears_stored_fragments(context: Context) -> None:
    """Plain text, a query or an error between two fragments makes the client forget the first fragment."""
    target, insider = context.encrypted()
    for between in (b"hello", b"", b"?OTR Error: no", b"?OTRv4?"):
        first, last = fragments(insider, insider.data(b"interrupted by %s" % between), 2)
        target.receive(first)
        target.receive(between)
        case = f"fragments with {shown(between)} between them"
        assert_all_rejected(target, "fragment.outlives-unencoded-message", [last], case)
    assert_arrives(target, insider, b"not interrupted")


@scenario(requirements=("FRAGMENT-RECV-16", "!FRAGMENT-RECV-16"))
def whole_message_clears_stored_fragments(context: Context) -> None:
    """A whole message from the same client is received, and the fragments before it are forgotten."""
    target, insider = context.encrypted()
    between = insider.data(b"in between")
    first, last = fragments(insider, insider.data(b"interrupted"), 2)
    target.receive(first)
    target.receive(between).assert_shown("data.text-not-shown", b"in between")
    case = "fragments with a whole message between them"
    assert_all_rejected(target, "fragment.outlives-whole-message", [last], case)
    assert_arrives(target, insider, b"not interrupted")


@scenario(
    requirements=("FRAGMENT-RECV-20", "!FRAGMENT-RECV-20", "!FRAGMENT-RECV-3", "!FRAGMENT-SEND-2", "!FRAGMENT-SEND-3")
)
def malformed_headers_are_not_fragments(context: Context) -> None:
    """A header with a field too many or too few, letters for numbers, or no final comma makes no fragment."""
    target, insider = context.encrypted()
    whole = insider.data(b"of another form")
    tags = b"|%08x|%08x" % (insider.tag, insider.target_tag) if context.version == 3 else b""
    front = b"?OTR" + tags
    for form in (
        front + b",1,1,%s",
        front + b",1,%s,",
        front + b",1,1,1,%s,",
        front + b",one,one,%s,",
        front + b",,,%s,",
        *((b"?OTR|1,1,%s,", b"?OTR|" + tags + b",1,1,%s,") if tags else ()),
    ):
        case = f"a fragment of the form {shown(form)}"
        assert_all_rejected(target, "fragment.malformed-header-accepted", [form % whole], case)
    assert_arrives(target, insider, b"of the right form")


@scenario(needs=("lockstep",), requirements=("!FRAGMENT-SEND-7",))
def our_engines_refuse_empty_fragments(context: Context) -> None:
    """This project's engines accept no empty fragment: a message that has one is not reassembled.

    (The protocol text only forbids sending one.)
    """
    target, insider = context.encrypted()
    head, tail = cut(insider.data(b"with an empty piece"), 2)
    parts = [fragment(insider, k, 3, piece) for k, piece in enumerate((head, b"", tail), start=1)]
    assert_all_rejected(target, "fragment.empty-piece-accepted", parts, "a message with an empty piece")
    assert_arrives(target, insider, b"with full ones")


@scenario(requirements=("FRAGMENT-BOUND-2", "!FRAGMENT-BOUND-2", "!FRAGMENT-SEND-6", "!FRAGMENT-RECV-20"))
def malformed_numbers_are_not_accepted(context: Context) -> None:
    """A number with a sign or a space, or above 65535 (which wraps around in 16 bits), makes no fragment."""
    target, insider = context.encrypted()
    for one, two in ((b"+1", b"2"), (b" 1", b"2"), (b"65537", b"2"), (b"1", b"65538"), (b"-65535", b"2")):
        head, tail = cut(insider.data(b"numbered %s of %s" % (one, two)), 2)
        last = b"65538" if len(two) > 1 else b"2"
        parts = [fragment(insider, one, two, head), fragment(insider, last, two, tail)]
        digits = one.isdigit() and two.isdigit()
        check_id = "fragment.number-wraps-around" if digits else "fragment.malformed-header-accepted"
        assert_all_rejected(target, check_id, parts, f"fragments numbered {shown([one, last])} of {shown(two)}")
    assert_arrives(target, insider, b"numbered as it must be")


@scenario(requirements=("!FRAGMENT-SEND-5",))
def changed_fragments_yield_no_text(context: Context) -> None:
    """Pieces that are changed, exchanged or left out yield no text."""
    target, insider = context.encrypted()
    message = insider.data(b"a text that is long enough to be cut in pieces")
    first, second, third = cut(message, 3)
    for pieces in ((second, first, third), (first, second[:-4], third), (first, first, third)):
        parts = [fragment(insider, k, 3, piece) for k, piece in enumerate(pieces, start=1)]
        case = "pieces that are not those of the message"
        assert_all_rejected(target, "fragment.wrong-pieces-accepted", parts, case)
    target.assert_session_alive(insider)


@scenario(
    versions=(3,),
    requirements=(
        "FRAGMENT-RECV-5",
        "!FRAGMENT-RECV-5",
        "FRAGMENT-RECV-6",
        "!FRAGMENT-RECV-6",
        "FRAGMENT-RECV-22",
        "!FRAGMENT-RECV-22",
        "!FRAGMENT-SEND-11",
    ),
)
def fragments_for_other_clients_are_discarded(context: Context) -> None:
    """A fragment counts only if its receiver tag is the target's own or 0; others are ignored and disturb nothing."""
    target, insider = context.encrypted()
    other = insider.target_tag ^ 0x10
    for part in fragments(insider, insider.data(b"for another client"), 2, other):
        target.receive(part).assert_ignored("fragment.for-another-client-accepted", "a fragment for another client")
    first, last = fragments(insider, insider.data(b"for whoever gets it"), 2, 0)
    target.receive(first)
    target.receive(last).assert_shown("fragment.receiver-tag-0-refused", b"for whoever gets it")
    first, last = fragments(insider, insider.data(b"undisturbed"), 2)
    target.receive(first)
    for part in fragments(insider, insider.data(b"in between"), 3, other):
        target.receive(part)
    target.receive(last).assert_shown("fragment.disturbed-by-another-clients", b"undisturbed")


@scenario(versions=(3,), needs=("v2",), requirements=("FRAGMENT-RECV-18", "!FRAGMENT-RECV-18"))
def version_2_fragments_are_reassembled(context: Context) -> None:
    """A client that allows versions 2 and 3 reassembles version 2 fragments, which have no tags."""
    check_id = "fragment.version-2-form-refused"
    target = context.target_session(policy=ALLOW[2] | ALLOW[3])
    insider = Insider(target.insider().key, None, version=2, seed=b"older")
    target.user("start")
    *parts, last = fragments(insider, insider.commit(), 3)
    for part in parts:
        target.receive(part)
    dh_key = target.receive(last).message(Kind.DH_KEY, check_id)
    *parts, last = fragments(insider, insider.reveal_signature(build(dh_key)), 4)
    for part in parts:
        target.receive(part)
    target.receive(last).one(SessionEstablished, check_id)
    for count in (1, 3):
        _, *others = fragments(insider, insider.data(b"without the first one"), count)
        assert_all_rejected(target, "fragment.out-of-order-accepted", others, "fragments without the first one")
        assert_arrives(target, insider, b"in %d fragments without tags" % count, count, check_id)


@scenario(requirements=("FRAGMENT-SEND-9", "!FRAGMENT-SEND-9"))
def fragmented_handshakes_complete(context: Context) -> None:
    """Every message of a handshake may arrive in fragments; a message with a missing piece has no effect."""
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    receiver = 0 if context.version == 3 else None
    first, second, third = fragments(insider, insider.commit(), 3, receiver)
    for part in (first, third):
        case = "a D-H Commit Message with a missing piece"
        target.receive(part).assert_ignored("fragment.out-of-order-accepted", case)
    for part in (first, second):
        target.receive(part).assert_ignored("fragment.acted-on-too-early", "a part of a D-H Commit Message")
    dh_key = target.receive(third).message(Kind.DH_KEY, "fragment.handshake-not-put-together")
    *parts, last = fragments(insider, insider.reveal_signature(build(dh_key)), 4)
    for part in parts:
        target.receive(part)
    target.receive(last).one(SessionEstablished, "fragment.handshake-not-put-together")
    target.assert_session_alive(insider)
    target = context.target_session()
    insider = target.insider()
    commit = target.query().message(Kind.DH_COMMIT)
    first, last = fragments(insider, insider.dh_key(), 2)
    target.receive(first)
    reveal = target.receive(last).message(Kind.REVEAL_SIGNATURE, "fragment.handshake-not-put-together")
    *parts, last = fragments(insider, insider.signature(insider.decommit(build(commit), build(reveal))), 3)
    for part in parts:
        target.receive(part)
    target.receive(last).one(SessionEstablished, "fragment.handshake-not-put-together")


@scenario(versions=(3,), requirements=("!FRAGMENT-RECV-21",))
def fragments_of_different_clients_are_never_mixed(context: Context) -> None:
    """The first fragment of one client and the last of another make no message, and the next message arrives."""
    target, insider = context.encrypted()
    other = target.insider("bob", tag=0x3C3C, seed=b"other")
    first, last = cut(insider.data(b"of two clients"), 2)
    parts = [fragment(insider, 1, 2, first), fragment(other, 2, 2, last)]
    assert_all_rejected(target, "fragment.senders-mixed", parts, "the pieces of a message from two clients")
    assert_arrives(target, insider, b"of one client")


@scenario(versions=(3,), needs=("lockstep",), requirements=("FRAGMENT-RECV-21", "FRAGMENT-RECV-16"))
def our_engines_store_fragments_per_sender(context: Context) -> None:
    """This project's engines store each sender's fragments apart, so messages of several senders may interleave."""
    target, insider = context.encrypted()
    other = target.insider("bob", tag=0x3C3C, seed=b"other")
    mine, others = (
        fragments(insider, insider.data(b"of this one"), 2),
        fragments(other, other.commit(), 2, 0),
    )
    target.receive(mine[0])
    target.receive(others[0])
    target.receive(mine[1]).assert_shown("fragment.senders-disturb-each-other", b"of this one")
    target.receive(others[1]).assert_sent("fragment.senders-disturb-each-other", Kind.DH_KEY)
    first, last = fragments(insider, insider.data(b"and again"), 2)
    target.receive(first)
    target.receive(other.commit()).assert_sent("handshake.commit-not-answered", Kind.DH_KEY)
    target.receive(last).assert_shown("fragment.senders-disturb-each-other", b"and again")


@scenario(
    needs=("lockstep",),
    requirements=("FRAGMENT-RECV-7", "FRAGMENT-RECV-8", "FRAGMENT-RECV-9", "FRAGMENT-RECV-20", "!FRAGMENT-RECV-12"),
)
def our_engines_ignore_illegal_fragments(context: Context) -> None:
    """This project's engines ignore an illegal or malformed fragment, and keep what they have stored."""
    target, insider = context.encrypted()
    for k, n in ((0, 2), (1, 0), (3, 2), (b"x", b"y"), (2, b"65538")):
        first, last = fragments(insider, insider.data(b"undisturbed"), 2)
        target.receive(first)
        check_id, case = "fragment.disturbed-by-illegal-fragment", f"a fragment numbered {shown(k)} of {shown(n)}"
        target.receive(fragment(insider, k, n, b"piece")).assert_ignored(check_id, case)
        target.receive(last).assert_shown(check_id, b"undisturbed", case=f"after {case}")


@scenario(requirements=("FRAGMENT-BOUND-3", "!FRAGMENT-BOUND-3"))
def nested_fragments_do_no_harm(context: Context) -> None:
    """A fragment inside a fragment, many levels deep, is not unpacked repeatedly and does no harm."""
    target, insider = context.encrypted()
    nested = fragment(insider, 1, 1, insider.data(b"deep inside"))
    for _ in range(20):
        nested = fragment(insider, 1, 1, nested)
    parts = [nested, *fragments(insider, nested, 2)]
    assert_all_rejected(target, "fragment.nested-fragment-unpacked", parts, "fragments within fragments")
    inner = nested.split(b",")[0] if context.version == 3 else b"?OTR|"
    first, last = fragments(insider, inner, 2)
    target.receive(first)
    reply = target.receive(last)
    reply.assert_rejected("fragment.nested-fragment-unpacked", "the beginning of a fragment, within fragments")
    if "lockstep" in context.target.capabilities:
        reasons = [event.reason for event in reply.of(MessageRejected)]
        check_equal("fragment.nesting-not-named", reasons, [RejectReason.NESTED_FRAGMENT])
    assert_arrives(target, insider, b"on one level")


@scenario(needs=("lockstep",), requirements=("FRAGMENT-BOUND-1", "!FRAGMENT-BOUND-1"))
def our_engines_limit_stored_fragments(context: Context) -> None:
    """This project's engines store at most two mebibytes of one message, and fragments of at most sixteen senders."""
    target, insider = context.encrypted()
    padding = [tlv(0, bytes(0xFFFF))]
    fits = insider.data(b"fits", tlvs=padding * 20)
    target.receive(fragments(insider, fits, 2)[0])
    target.receive(fragments(insider, fits, 2)[1]).assert_shown("fragment.limit-too-low", b"fits")
    too_long = insider.data(b"too long", tlvs=padding * 25)
    case = "a message above the limit"
    assert_all_rejected(target, "fragment.size-not-bounded", fragments(insider, too_long, 3), case)
    if context.version == 3:
        first, last = fragments(insider, insider.data(b"too many senders"), 2)
        target.receive(first)
        for tag in range(0x5000, 0x5000 + MAX_INSTANCES):
            sender = target.insider("bob", tag=tag)
            reply = target.receive(fragment(sender, 1, 2, b"piece"))
            reply.assert_ignored("fragment.acted-on-too-early", "a first fragment")
        case = f"the last fragment of a message, after those of {MAX_INSTANCES} other senders"
        assert_all_rejected(target, "fragment.senders-not-bounded", [last], case)
    assert_arrives(target, insider, b"as before")


@scenario(versions=(3,), needs=("instance_tags",), requirements=("FRAGMENT-SAMPLE-1", "!FRAGMENT-SAMPLE-1"))
def worked_example_is_reassembled(context: Context) -> None:
    """Fragments like those of the protocol's worked example are reassembled.

    The fragments of the example itself have the same effect as its whole message.
    """
    sender, receiver = SAMPLE_TAGS
    target = context.target_session(instance_tag=receiver)
    insider = target.insider(tag=sender)
    target.establish(insider)
    for texts in (SAMPLE, cut(insider.data(b"like the example"), 3)):
        parts = [b"?OTR|5a73a599|27e31597,%05d,00003,%s," % (k, piece) for k, piece in enumerate(texts, start=1)]
        for part in (parts[0], parts[2], parts[0], parts[1]):
            target.receive(part).assert_ignored("fragment.acted-on-too-early", "a fragment that completes no message")
        reply = target.receive(parts[2])
        if texts is SAMPLE:
            whole = target.receive(b"".join(SAMPLE))
            same = (reply.raw, reply.accepted) == (whole.raw, whole.accepted)
            check("fragment.worked-example-differs", same, expected=whole, got=reply)
    reply.assert_shown("fragment.worked-example-differs", b"like the example")
