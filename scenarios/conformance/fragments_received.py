"""Fragments that arrive: what is put together, what is forgotten, and what is no fragment at all. [Fragmentation]

Most scenarios cut messages of a session in pieces, so that a text that is shown proves that they were put together.
"""

from __future__ import annotations

from collections.abc import Sequence

from otterproof.harness.testkit.context import Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, build
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import MAX_INSTANCES, MAX_REASSEMBLY, Established, Reason, Rejected

#: The worked example of the protocol text: the instance tags in the fragments, and the message in three pieces. (The
#: sender's tag in the message is another one.)
SAMPLE_TAGS = (0x5A73A599, 0x27E31597)
SAMPLE = (
    b"?OTR:AAMDJ+MVmSfjFZcAAAAAAQAAAAIAAADA1g5IjD1ZGLDVQEyCgCyn9hbrL3KAbGDdzE2ZkMyTKl7XfkSxh8YJnudstiB74i4BzT0W2haClg6d"
    b"Mary/jo9sMudwmUdlnKpIGEKXWdvJKT+hQ26h9nzMgEditLB8v,jPEWAJ6gBXvZrY6ZQrx3gb4v0UaSMOMiR5sB7Eaulb2Yc6RmRnnlxgUUC2alosg4"
    b"WIeFN951PLjScajVba6dqlDi+q1H5tPvI5SWMN7PCBWIJ41+WvF+5IAZzQZYgNaVLbAAAAAAAAAAEAAAAHwNiIi5Ms+4PsY/L2i,pkTtquknfx6HodL"
    b"vk3RAAAAAA==."
).split(b",")

#: k and n of fragments, in the order in which they come, that do not make up a message of three.
OUT_OF_ORDER = (
    ((1, 3), (3, 3)),
    ((2, 3), (3, 3)),
    ((1, 3), (3, 3), (2, 3)),
    ((2, 3), (1, 3), (3, 3)),
    ((1, 3), (3, 3), (3, 3)),
    ((1, 3), (2, 3), (2, 3), (3, 3)),
    ((1, 3), (3, 3), (2, 3), (3, 3)),
    ((1, 3), (2, 4), (3, 3)),
    ((1, 4), (2, 3), (3, 3)),
    ((1, 3), (2, 3), (3, 4)),
    ((3, 3), (2, 3), (1, 3)),
)


def cut(message: bytes, count: int) -> list[bytes]:
    """A message in so many pieces of about the same size."""
    return [message[len(message) * at // count : len(message) * (at + 1) // count] for at in range(count)]


def fragment(insider: Insider, k: int | bytes, n: int | bytes, piece: bytes, receiver: int | None = None) -> bytes:
    """A fragment from an insider; k and n as numbers, or as they are to be written."""
    k, n = (b"%05d" % number if isinstance(number, int) else number for number in (k, n))
    if insider.version == 2:
        return b"?OTR,%s,%s,%s," % (k, n, piece)
    to = insider.target_tag if receiver is None else receiver
    return b"?OTR|%08x|%08x,%s,%s,%s," % (insider.tag, to, k, n, piece)


def fragments(insider: Insider, message: bytes, count: int, receiver: int | None = None) -> list[bytes]:
    """A message in so many fragments."""
    pieces = enumerate(cut(message, count), start=1)
    return [fragment(insider, k, count, piece, receiver) for k, piece in pieces]


def arrives(target: TargetSession, insider: Insider, text: bytes, count: int = 2) -> None:
    """A text in fragments that must be shown, at the last one and no earlier."""
    *first, last = fragments(insider, insider.data(text), count)
    for one in first:
        target.receive(one).assert_ignored("a fragment that is not the last")
    target.receive(last).assert_shown(text)


def comes_to_nothing(target: TargetSession, parts: Sequence[bytes], why: str) -> None:
    """Demand that no text comes of fragments, whichever of them is the last."""
    for part in parts:
        target.receive(part).assert_rejected(why)


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
def fragments_in_order_make_the_message(context: Context) -> None:
    """A message in one piece, in a few or in hundreds is received with its last fragment, and not before."""
    target, insider = context.encrypted()
    for count in (1, 2, 3, 10, 300):
        arrives(target, insider, b"in %d fragments" % count, count)
    target.assert_session_alive(insider)


@scenario(requirements=("!FRAGMENT-RECV-14", "!FRAGMENT-RECV-19", "FRAGMENT-RECV-19"))
def the_last_fragment_again_yields_nothing(context: Context) -> None:
    """Once a message is put together, its last fragment, or its only one, brings nothing when it comes again."""
    target, insider = context.encrypted()
    for count in (2, 3):
        parts = fragments(insider, insider.data(b"in %d fragments" % count), count)
        for part in parts[:-1]:
            target.receive(part)
        target.receive(parts[-1]).assert_shown(b"in %d fragments" % count)
        target.receive(parts[-1]).assert_ignored("the last fragment, come again,")
    (only,) = fragments(insider, insider.data(b"in one"), 1)
    target.receive(only).assert_shown(b"in one")
    target.receive(only).assert_rejected("a message that came before")


@scenario(requirements=("FRAGMENT-RECV-3", "FRAGMENT-RECV-4", "!FRAGMENT-RECV-4"))
def numbers_and_tags_may_be_written_long_or_short(context: Context) -> None:
    """Leading zeros in k, n and tags make no difference, nor do capital letters in tags; other letters do."""
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
            target.receive(last).assert_shown(text)
    if context.version == 3:
        piece = insider.data(b"a tag with other letters")
        comes_to_nothing(target, [b"?OTR|2g2b|%x,1,1,%s," % (insider.target_tag, piece)], "a tag with other letters")
    comes_to_nothing(target, [fragment(insider, b"0x1", b"0x1", insider.data(b"x"))], "numbers with letters")


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
def illegal_numbers_are_discarded(context: Context) -> None:
    """A fragment with k or n of 0, or k above n, begins nothing, continues nothing and completes nothing."""
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
        comes_to_nothing(target, parts, f"fragments numbered {numbers}")
    for k, n in ((0, 0), (1, 0), (2, 1), (0, 1), (0, 65535)):
        comes_to_nothing(target, [fragment(insider, k, n, whole)], f"fragment {k} of {n}")
    arrives(target, insider, b"with legal ones")


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
    """A gap, a repetition, a step back, another n, or a lone last fragment: nothing is put together."""
    target, insider = context.encrypted()
    lone = fragment(insider, 3, 3, insider.data(b"whole, and numbered as the last"))
    comes_to_nothing(target, [lone, lone], "a last fragment alone")
    for numbers in OUT_OF_ORDER:
        for text in (b"pieces as they are numbered", b"pieces as they come"):
            message = insider.data(text)
            pieces = cut(message, 3) if text.endswith(b"numbered") else cut(message, len(numbers))
            order = [k - 1 for k, _ in numbers] if text.endswith(b"numbered") else range(len(numbers))
            parts = [fragment(insider, k, n, pieces[at]) for (k, n), at in zip(numbers, order, strict=True)]
            comes_to_nothing(target, parts, f"the fragments {numbers}")
    arrives(target, insider, b"in order", 3)


@scenario(requirements=("FRAGMENT-RECV-10", "!FRAGMENT-RECV-10"))
def a_first_fragment_begins_anew(context: Context) -> None:
    """A fragment numbered 1 replaces what was stored, of which nothing is used any more."""
    target, insider = context.encrypted()
    dropped = fragments(insider, insider.data(b"never completed"), 3)
    target.receive(dropped[0])
    target.receive(dropped[1])
    arrives(target, insider, b"begun anew", 3)
    target.receive(dropped[0])
    first, second, third = fragments(insider, insider.data(b"begun twice"), 3)
    target.receive(first)
    target.receive(dropped[0])
    target.receive(first)
    target.receive(second)
    target.receive(third).assert_shown(b"begun twice")
    comes_to_nothing(target, dropped[1:], "the rest of a message that was begun anew")


@scenario(requirements=("FRAGMENT-RECV-15", "!FRAGMENT-RECV-15"))
def text_in_between_makes_it_forget(context: Context) -> None:
    """Plain text, a query or an error between two fragments makes the client forget the first."""
    target, insider = context.encrypted()
    for between in (b"hello", b"", b"?OTR Error: no", b"?OTRv4?"):
        first, last = fragments(insider, insider.data(b"interrupted by %s" % between), 2)
        target.receive(first)
        target.receive(between)
        comes_to_nothing(target, [last], f"fragments with {between!r} between them")
    arrives(target, insider, b"not interrupted")


@scenario(requirements=("FRAGMENT-RECV-16", "!FRAGMENT-RECV-16"))
def a_whole_message_in_between_makes_it_forget(context: Context) -> None:
    """A message in one piece from the same client is received, and what was stored before it is forgotten."""
    target, insider = context.encrypted()
    between = insider.data(b"in between")
    first, last = fragments(insider, insider.data(b"interrupted"), 2)
    target.receive(first)
    target.receive(between).assert_shown(b"in between")
    comes_to_nothing(target, [last], "fragments with a whole message between them")
    arrives(target, insider, b"not interrupted")


@scenario(
    requirements=("FRAGMENT-RECV-20", "!FRAGMENT-RECV-20", "!FRAGMENT-RECV-3", "!FRAGMENT-SEND-2", "!FRAGMENT-SEND-3")
)
def other_forms_are_no_fragments(context: Context) -> None:
    """A field too many or too few, letters for numbers, or no comma at the end: nothing is put together."""
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
        comes_to_nothing(target, [form % whole], f"a fragment of the form {form!r}")
    arrives(target, insider, b"of the right form")


@scenario(needs=("lockstep",), requirements=("!FRAGMENT-SEND-7",))
def our_engines_count_no_empty_pieces(context: Context) -> None:
    """Who sends no empty piece need not take one: for our engines it is no fragment, and spoils its message."""
    target, insider = context.encrypted()
    head, tail = cut(insider.data(b"with an empty piece"), 2)
    parts = [fragment(insider, k, 3, piece) for k, piece in enumerate((head, b"", tail), start=1)]
    comes_to_nothing(target, parts, "a message with an empty piece")
    arrives(target, insider, b"with full ones")


@scenario(requirements=("FRAGMENT-BOUND-2", "!FRAGMENT-BOUND-2", "!FRAGMENT-SEND-6", "!FRAGMENT-RECV-20"))
def numbers_that_are_not_of_the_form_do_not_count(context: Context) -> None:
    """Signs, blanks and numbers above 65535, which wrap around to small ones, make no fragment."""
    target, insider = context.encrypted()
    for one, two in ((b"+1", b"2"), (b" 1", b"2"), (b"65537", b"2"), (b"1", b"65538"), (b"-65535", b"2")):
        head, tail = cut(insider.data(b"numbered %s of %s" % (one, two)), 2)
        last = b"65538" if len(two) > 1 else b"2"
        parts = [fragment(insider, one, two, head), fragment(insider, last, two, tail)]
        comes_to_nothing(target, parts, f"fragments numbered {one!r} and {last!r} of {two!r}")
    arrives(target, insider, b"numbered as it must be")


@scenario(requirements=("!FRAGMENT-SEND-5",))
def a_changed_piece_spoils_the_message(context: Context) -> None:
    """Pieces with something changed, exchanged or left out give no text."""
    target, insider = context.encrypted()
    message = insider.data(b"a text that is long enough to be cut in pieces")
    first, second, third = cut(message, 3)
    for pieces in ((second, first, third), (first, second[:-4], third), (first, first, third)):
        parts = [fragment(insider, k, 3, piece) for k, piece in enumerate(pieces, start=1)]
        comes_to_nothing(target, parts, "pieces that are not those of the message")
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
    """A fragment counts if it is for the own instance tag or for 0; others leave what is stored as it is."""
    target, insider = context.encrypted()
    other = insider.target_tag ^ 0x10
    for part in fragments(insider, insider.data(b"for another client"), 2, other):
        target.receive(part).assert_ignored("a fragment for another client")
    first, last = fragments(insider, insider.data(b"for whoever gets it"), 2, 0)
    target.receive(first)
    target.receive(last).assert_shown(b"for whoever gets it")
    first, last = fragments(insider, insider.data(b"undisturbed"), 2)
    target.receive(first)
    for part in fragments(insider, insider.data(b"in between"), 3, other):
        target.receive(part)
    target.receive(last).assert_shown(b"undisturbed")


@scenario(versions=(3,), requirements=("FRAGMENT-RECV-18", "!FRAGMENT-RECV-18", "!FRAGMENT-SEND-10"))
def version_2_fragments_are_put_together_too(context: Context) -> None:
    """A client of version 3 takes fragments without tags as well, in order and from the first one on."""
    target, insider = context.encrypted()
    for count in (1, 3):
        text = b"in %d fragments without tags" % count
        pieces = cut(insider.data(text), count)
        parts = [b"?OTR,%d,%d,%s," % (k, count, piece) for k, piece in enumerate(pieces, start=1)]
        comes_to_nothing(target, parts[1:], "fragments without the first one")
        for part in parts[:-1]:
            target.receive(part).assert_ignored("a fragment that is not the last")
        target.receive(parts[-1]).assert_shown(text)


@scenario(requirements=("FRAGMENT-SEND-9", "!FRAGMENT-SEND-9"))
def handshakes_arrive_in_fragments(context: Context) -> None:
    """Every message of a handshake may come in fragments; one with a piece missing leads nowhere."""
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    receiver = 0 if context.version == 3 else None
    first, second, third = fragments(insider, insider.commit(), 3, receiver)
    for part in (first, third):
        target.receive(part).assert_ignored("a commit with a piece missing")
    for part in (first, second):
        target.receive(part).assert_ignored("a part of a commit")
    dh_key = target.receive(third).message(Kind.DH_KEY)
    *parts, last = fragments(insider, insider.reveal_signature(build(dh_key)), 4)
    for part in parts:
        target.receive(part)
    target.receive(last).one(Established)
    target.assert_session_alive(insider)
    target = context.target_session()
    insider = target.insider()
    commit = target.query().message(Kind.DH_COMMIT)
    first, last = fragments(insider, insider.dh_key(), 2)
    target.receive(first)
    reveal = target.receive(last).message(Kind.REVEAL_SIGNATURE)
    *parts, last = fragments(insider, insider.signature(insider.decommit(build(commit), build(reveal))), 3)
    for part in parts:
        target.receive(part)
    target.receive(last).one(Established)


@scenario(versions=(3,), requirements=("!FRAGMENT-RECV-21",))
def fragments_of_different_clients_are_never_mixed(context: Context) -> None:
    """The first fragment of one client and the last of another make no message, and both can send again."""
    target, insider = context.encrypted()
    other = target.insider("bob", tag=0x3C3C, seed=b"other")
    first, last = cut(insider.data(b"of two clients"), 2)
    comes_to_nothing(target, [fragment(insider, 1, 2, first), fragment(other, 2, 2, last)], "pieces of two clients")
    arrives(target, insider, b"of one client")


@scenario(versions=(3,), needs=("lockstep",), requirements=("FRAGMENT-RECV-21", "FRAGMENT-RECV-16"))
def our_engines_keep_the_fragments_of_each_client(context: Context) -> None:
    """The engines of this project have a store for each sender: fragments of several interleave, whole messages too."""
    target, insider = context.encrypted()
    other = target.insider("bob", tag=0x3C3C, seed=b"other")
    mine, others = (
        fragments(insider, insider.data(b"of this one"), 2),
        fragments(other, other.commit(), 2, 0),
    )
    target.receive(mine[0])
    target.receive(others[0])
    target.receive(mine[1]).assert_shown(b"of this one")
    target.receive(others[1]).assert_sent(Kind.DH_KEY)
    first, last = fragments(insider, insider.data(b"and again"), 2)
    target.receive(first)
    target.receive(other.commit()).assert_sent(Kind.DH_KEY)
    target.receive(last).assert_shown(b"and again")


@scenario(
    needs=("lockstep",),
    requirements=("FRAGMENT-RECV-7", "FRAGMENT-RECV-8", "FRAGMENT-RECV-9", "FRAGMENT-RECV-20", "!FRAGMENT-RECV-12"),
)
def our_engines_keep_what_is_stored_past_illegal_fragments(context: Context) -> None:
    """For the engines of this project an illegal fragment, or none of the form, is as if it had not come."""
    target, insider = context.encrypted()
    for k, n in ((0, 2), (1, 0), (3, 2), (b"x", b"y"), (2, b"65538")):
        first, last = fragments(insider, insider.data(b"undisturbed"), 2)
        target.receive(first)
        target.receive(fragment(insider, k, n, b"piece")).assert_ignored("an illegal fragment")
        target.receive(last).assert_shown(b"undisturbed")


@scenario(requirements=("FRAGMENT-BOUND-3", "!FRAGMENT-BOUND-3"))
def fragments_within_fragments_lead_nowhere(context: Context) -> None:
    """A fragment as the piece of a fragment, many levels deep, is not unpacked without end, and does no harm."""
    target, insider = context.encrypted()
    nested = fragment(insider, 1, 1, insider.data(b"deep inside"))
    for _ in range(20):
        nested = fragment(insider, 1, 1, nested)
    comes_to_nothing(target, [nested, *fragments(insider, nested, 2)], "fragments within fragments")
    inner = nested.split(b",")[0] if context.version == 3 else b"?OTR|"
    first, last = fragments(insider, inner, 2)
    target.receive(first)
    reply = target.receive(last)
    reply.assert_rejected("the beginning of a fragment within fragments")
    if "lockstep" in context.target.capabilities:
        reasons = [event.reason for event in reply.of(Rejected)]
        check(reasons == [Reason.NESTED_FRAGMENT], f"it is rejected as a fragment within one, and was with {reasons}")
    arrives(target, insider, b"on one level")


@scenario(needs=("lockstep",), requirements=("FRAGMENT-BOUND-1", "!FRAGMENT-BOUND-1"))
def our_engines_bound_what_they_keep(context: Context) -> None:
    """Of one message two mebibytes are kept, and in version 3 the fragments of sixteen senders."""
    target, insider = context.encrypted()
    padding = [tlv(0, bytes(0xFFFF))]
    fits = insider.data(b"fits", tlvs=padding * 20)
    target.receive(fragments(insider, fits, 2)[0])
    target.receive(fragments(insider, fits, 2)[1]).assert_shown(b"fits")
    too_long = insider.data(b"too long", tlvs=padding * 25)
    check(len(too_long) > MAX_REASSEMBLY > len(fits), "one message is above the limit, and one below")
    comes_to_nothing(target, fragments(insider, too_long, 3), "a message above the limit")
    if context.version == 3:
        first, last = fragments(insider, insider.data(b"too many senders"), 2)
        target.receive(first)
        for tag in range(0x5000, 0x5000 + MAX_INSTANCES):
            sender = target.insider("bob", tag=tag)
            target.receive(fragment(sender, 1, 2, b"piece")).assert_ignored("a first fragment")
        comes_to_nothing(target, [last], "a message that others' fragments have pushed out")
    arrives(target, insider, b"as before")


@scenario(versions=(3,), needs=("instance_tags",), requirements=("FRAGMENT-SAMPLE-1", "!FRAGMENT-SAMPLE-1"))
def the_worked_example_is_put_together(context: Context) -> None:
    """Fragments as in the worked example make up a message; of the example's own comes what comes of its message."""
    sender, receiver = SAMPLE_TAGS
    target = context.target_session(instance_tag=receiver)
    insider = target.insider(tag=sender)
    target.establish(insider)
    for texts in (SAMPLE, cut(insider.data(b"like the example"), 3)):
        parts = [b"?OTR|5a73a599|27e31597,%05d,00003,%s," % (k, piece) for k, piece in enumerate(texts, start=1)]
        for part in (parts[0], parts[2], parts[0], parts[1]):
            target.receive(part).assert_ignored("a fragment that completes nothing")
        reply = target.receive(parts[2])
        if texts is SAMPLE:
            whole = target.receive(b"".join(SAMPLE))
            same = (reply.raw, reply.accepted) == (whole.raw, whole.accepted)
            check(same, f"of the fragments comes what comes of the message, {whole}, and there was {reply}")
    reply.assert_shown(b"like the example")
