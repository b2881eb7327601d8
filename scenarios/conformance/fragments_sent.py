"""Fragments that the target sends when the network only takes short messages. [Fragmentation]"""

from __future__ import annotations

import re
from collections.abc import Iterable

from otterproof.harness import wire
from otterproof.harness.targets.driver import TargetUnsupported
from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.reply import Reply, fail
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, build
from otterproof.implementations.contract import OtrError, SessionEstablished

FORMS = {
    2: re.compile(rb"\?OTR,([0-9]{1,5}),([0-9]{1,5}),([^,]*),"),
    3: re.compile(rb"\?OTR\|([0-9a-fA-F]{1,8})\|([0-9a-fA-F]{1,8}),([0-9]{1,5}),([0-9]{1,5}),([^,]*),"),
}

#: Room for the header of a fragment of either version, and for some bytes of the message.
SMALL = 100


def check_fragments(raw: Iterable[bytes], version: int, size: int) -> None:
    """Demand that messages are whole, or fragments in the version's form that make up a whole message."""
    joined, expected, count, tags = b"", 1, 0, (0, 0)
    for one in raw:
        encoded = one.startswith((b"?OTR:", b"?OTR|", b"?OTR,"))
        fits = len(one) <= size or not encoded
        check("fragment.too-long", fits, expected=f"at most {size} bytes", got=f"{len(one)} bytes", case=one)
        if one.startswith(b"?OTR:") or not encoded:
            _check_all_sent(expected, count)
            continue
        match = FORMS[version].fullmatch(one)
        if match is None:
            fail("fragment.sent-in-wrong-form", expected=f"a fragment of version {version}", got=one)
        k, n, piece = int(match[match.re.groups - 2]), int(match[match.re.groups - 1]), match[match.re.groups]
        told = f"fragment {k} of {n}"
        in_order = k == expected and k <= n <= 65535
        check("fragment.misnumbered", in_order, expected=f"fragment {expected}", got=told)
        check("fragment.misnumbered", k == 1 or n == count, expected=f"fragment {k} of {count}", got=told)
        check("fragment.empty-piece-sent", bool(piece), got=piece, case=told)
        here = (int(match[1], 16), int(match[2], 16)) if version == 3 else (0, 0)
        check("fragment.wrong-tags-sent", k == 1 or here == tags, expected=_tags(tags), got=_tags(here), case=told)
        joined, expected, count, tags = joined + piece, k + 1, n, here
        if k == n:
            message = wire.parse(joined)
            whole = message.kind in wire.ENCODED and not message.problems and message.version == version
            check("fragment.pieces-make-no-message", whole, expected=f"a version {version} message", got=joined)
            if version == 3:
                own = message.number("sender_tag"), message.number("receiver_tag")
                check("fragment.wrong-tags-sent", here == own, expected=_tags(own), got=_tags(here), case=message.kind)
            joined, expected = b"", 1
    _check_all_sent(expected, count)


def _check_all_sent(expected: int, count: int) -> None:
    """Demand that no fragment is missing. expected: the number of the next one, or 1 if none is due."""
    check("fragment.not-all-sent", expected == 1, expected=f"{count} fragments", got=f"{expected - 1} of them")


def _tags(tags: tuple[int, int]) -> str:
    return f"{tags[0]:#x} to {tags[1]:#x}"


def _whole_commit(context: Context) -> bytes:
    """The target's D-H Commit Message, as it is sent without a maximum size."""
    reply = context.target_session().query()
    reply.message(Kind.DH_COMMIT)
    uncut = len(reply.raw) == 1 and reply.raw[0].startswith(b"?OTR:")
    check("fragment.cut-needlessly", uncut, expected="one whole message", got=reply.raw, case="no maximum size")
    return reply.raw[0]


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
    """Long handshake messages and texts are sent in well-formed fragments that fit and make up the whole messages."""
    for size in (SMALL, 333):
        with context.case(f"size {size}"):
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


@scenario(needs=("fragmentation_out",), requirements=("FRAGMENT-SEND-1", "!FRAGMENT-SEND-1", "!FRAGMENT-SEND-8"))
def messages_that_fit_are_sent_whole(context: Context) -> None:
    """A message exactly as long as the network allows is sent whole; one that is a byte longer is fragmented."""
    whole = _whole_commit(context)
    for size in (len(whole) + 1, len(whole), len(whole) - 1):
        with context.case(f"size {size}"):
            reply = context.target_session(max_message_size=size).query()
            length = len(build(reply.message(Kind.DH_COMMIT)))
            check_id, wanted = (
                ("fragment.cut-needlessly", "one whole message")
                if length <= size
                else ("fragment.not-used", "fragments")
            )
            right = (len(reply.raw) == 1) is (length <= size)
            case = f"a message of {length} bytes where {size} fit"
            check(check_id, right, expected=wanted, got=f"{len(reply.raw)} messages", case=case)
            check_fragments(reply.raw, context.version, size)


@scenario(needs=("fragmentation_out",), requirements=("FRAGMENT-SEND-7", "FRAGMENT-SEND-5"))
def exact_multiples_leave_no_empty_fragment(context: Context) -> None:
    """A message that fills a number of fragments exactly is cut into neither too many nor too few."""
    whole = _whole_commit(context)
    header = len(b"?OTR|00000000|00000000,00001,00001,,") if context.version == 3 else len(b"?OTR,00001,00001,,")
    for size in range(header + len(whole) // 2 - 1, header + len(whole) // 2 + 2):
        with context.case(f"size {size}"):
            check_fragments(context.target_session(max_message_size=size).query().raw, context.version, size)


@scenario(needs=("fragmentation_out",), requirements=("FRAGMENT-SEND-12", "!FRAGMENT-SEND-12"))
def too_small_fragment_size_is_refused(context: Context) -> None:
    """If the maximum size leaves room for no more than a header, the size is refused or no fragment is sent.

    Fragments without content, or longer than the maximum size, must not be sent. A reasonable size works afterwards.
    """
    for size in (1, 17, 18, 30):
        with context.case(f"size {size}"):
            try:
                target = context.target_session(max_message_size=size)
            except (OtrError, TargetUnsupported):
                continue
            sent = [one for one in target.query().raw if not one.startswith(b"?OTR:")]
            check_fragments(sent, context.version, size)
    target = context.target_session(max_message_size=SMALL)
    insider = target.insider()
    target.handshake_by_insider(insider).one(SessionEstablished)
    target.assert_sends_text(insider, b"a sensible size")
