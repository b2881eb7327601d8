"""Fragments that the target makes, where the network takes short messages only. [Fragmentation]"""

from __future__ import annotations

import re
from collections.abc import Iterable

from otterproof.harness import wire
from otterproof.harness.targets.driver import TargetUnsupported
from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.reply import Reply
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, build
from otterproof.implementations.contract import Established, OtrError

FORMS = {
    2: re.compile(rb"\?OTR,([0-9]{1,5}),([0-9]{1,5}),([^,]*),"),
    3: re.compile(rb"\?OTR\|([0-9a-fA-F]{1,8})\|([0-9a-fA-F]{1,8}),([0-9]{1,5}),([0-9]{1,5}),([^,]*),"),
}

#: Room for the header of a fragment of either version, and for some bytes of the message.
SMALL = 100


def check_fragments(raw: Iterable[bytes], version: int, size: int) -> None:
    """Demand that messages are whole, or fragments of the version's form that make up a whole one of that version."""
    joined, expected, count, tags = b"", 1, 0, (0, 0)
    for one in raw:
        encoded = one.startswith((b"?OTR:", b"?OTR|", b"?OTR,"))
        long = f"no message is longer than {size} bytes, and one has {len(one)}: {one[:60]!r}"
        check(len(one) <= size or not encoded, long)
        if one.startswith(b"?OTR:") or not encoded:
            check(expected == 1, f"all fragments of a message are sent, and of {count} there were {expected - 1}")
            continue
        match = FORMS[version].fullmatch(one)
        if match is None:
            check(False, f"a fragment has the form of version {version}, and there was {one[:60]!r}")
            return
        k, n, piece = int(match[match.re.groups - 2]), int(match[match.re.groups - 1]), match[match.re.groups]
        check(
            k == expected and k <= n <= 65535,
            f"fragments are numbered 1 to n, and after {expected - 1} came {k} of {n}",
        )
        check(k == 1 or n == count, f"n is the same in all fragments of a message, and was {count} and {n}")
        check(bool(piece), f"no piece is empty, and number {k} of {n} was")
        here = (int(match[1], 16), int(match[2], 16)) if version == 3 else (0, 0)
        check(
            k == 1 or here == tags, f"all fragments of a message have the same tags, and there were {tags} and {here}"
        )
        joined, expected, count, tags = joined + piece, k + 1, n, here
        if k == n:
            message = wire.parse(joined)
            whole = message.kind in wire.ENCODED and not message.problems and message.version == version
            check(whole, f"the pieces make up a message of version {version}, and made {joined[:60]!r}")
            if version == 3:
                own = message.number("sender_tag"), message.number("receiver_tag")
                check(here == own, f"the tags of the fragments are those of the message, {own}, and were {here}")
            joined, expected = b"", 1
    check(expected == 1, f"all fragments of a message are sent, and of {count} there were {expected - 1}")


@scenario(
    needs=("fragmentation_out",),
    requirements=(
        "FRAGMENT-SEND-1",
        "FRAGMENT-SEND-2",
        "FRAGMENT-SEND-3",
        "FRAGMENT-SEND-4",
        "FRAGMENT-SEND-5",
        "FRAGMENT-SEND-6",
        "FRAGMENT-SEND-7",
        "FRAGMENT-SEND-8",
        "FRAGMENT-SEND-9",
        "FRAGMENT-SEND-10",
        "FRAGMENT-SEND-11",
    ),
)
def long_messages_are_sent_in_fragments(context: Context) -> None:
    """Messages of handshakes and texts go out in fragments that fit, are well formed and make up what was sent."""
    for size in (SMALL, 333):
        replies: list[Reply] = []
        for begins in (False, True):
            target = context.target_session(max_message_size=size)
            insider = target.insider()
            target.establish(insider, target_begins=begins)
            text = b"from the target " * 20
            target.assert_sends_text(insider, text)
            target.assert_sends_text(insider, b"")
            replies.append(target.replies(0, "target"))
        for reply in replies:
            check_fragments(reply.raw, context.version, size)
            short = [one for one in reply.raw if one.startswith(b"?OTR:")]
            check(not short or size > SMALL, "messages of a handshake do not fit and are cut")


@scenario(needs=("fragmentation_out",), requirements=("FRAGMENT-SEND-1", "!FRAGMENT-SEND-1", "!FRAGMENT-SEND-8"))
def messages_that_fit_are_sent_whole(context: Context) -> None:
    """A message that is exactly as long as the network takes goes out whole; one byte less, and it is cut."""
    (whole,) = context.target_session().query().raw
    check(whole.startswith(b"?OTR:"), "without a limit nothing is cut")
    for size in (len(whole) + 1, len(whole), len(whole) - 1):
        reply = context.target_session(max_message_size=size).query()
        length = len(build(reply.message(Kind.DH_COMMIT)))
        check((len(reply.raw) == 1) is (length <= size), f"a message of {length} bytes is cut only above {size}")
        check_fragments(reply.raw, context.version, size)


@scenario(needs=("fragmentation_out",), requirements=("FRAGMENT-SEND-7", "FRAGMENT-SEND-5"))
def pieces_that_come_out_even_leave_no_empty_one(context: Context) -> None:
    """Where the length of a message is a multiple of what a fragment holds, there is no piece too many or too few."""
    (whole,) = context.target_session().query().raw
    header = len(b"?OTR|00000000|00000000,00001,00001,,") if context.version == 3 else len(b"?OTR,00001,00001,,")
    for size in range(header + len(whole) // 2 - 1, header + len(whole) // 2 + 2):
        check_fragments(context.target_session(max_message_size=size).query().raw, context.version, size)


@scenario(needs=("fragmentation_out",), requirements=("FRAGMENT-SEND-12", "!FRAGMENT-SEND-12"))
def a_size_without_room_is_refused(context: Context) -> None:
    """With a size that a header alone fills nothing is sent, or the size is refused; with a sensible one all goes well.

    What must not be: fragments with nothing in them, or some that are longer than was asked for.
    """
    for size in (1, 17, 18, 30):
        try:
            target = context.target_session(max_message_size=size)
        except (OtrError, TargetUnsupported):
            continue
        sent = [one for one in target.query().raw if not one.startswith(b"?OTR:")]
        check_fragments(sent, context.version, size)
    target = context.target_session(max_message_size=SMALL)
    insider = target.insider()
    target.handshake_by_insider(insider).one(Established)
    target.assert_sends_text(insider, b"a sensible size")
