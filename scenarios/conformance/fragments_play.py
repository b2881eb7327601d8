"""How the scenarios make fragments, and what they demand of a target that gets them; no scenarios."""

from __future__ import annotations

from collections.abc import Sequence

from otterproof.harness.testkit.context import TargetSession
from otterproof.harness.testkit.insider import Insider

#: The worked example of the protocol text: the instance tags in the fragments, and the message in three pieces. (The
#: sender tag inside the message is a different one.)
SAMPLE_TAGS = (0x5A73A599, 0x27E31597)
SAMPLE = (
    b"?OTR:AAMDJ+MVmSfjFZcAAAAAAQAAAAIAAADA1g5IjD1ZGLDVQEyCgCyn9hbrL3KAbGDdzE2ZkMyTKl7XfkSxh8YJnudstiB74i4BzT0W2haClg6d"
    b"Mary/jo9sMudwmUdlnKpIGEKXWdvJKT+hQ26h9nzMgEditLB8v,jPEWAJ6gBXvZrY6ZQrx3gb4v0UaSMOMiR5sB7Eaulb2Yc6RmRnnlxgUUC2alosg4"
    b"WIeFN951PLjScajVba6dqlDi+q1H5tPvI5SWMN7PCBWIJ41+WvF+5IAZzQZYgNaVLbAAAAAAAAAAEAAAAHwNiIi5Ms+4PsY/L2i,pkTtquknfx6HodL"
    b"vk3RAAAAAA==."
).split(b",")

#: k and n of fragments, in order of arrival, that do not make up a message of three.
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
    """A message cut into `count` pieces of about the same size."""
    return [message[len(message) * at // count : len(message) * (at + 1) // count] for at in range(count)]


def fragment(insider: Insider, k: int | bytes, n: int | bytes, piece: bytes, receiver: int | None = None) -> bytes:
    """A fragment from an insider. k, n: numbers, or the bytes to write in their place."""
    k, n = (b"%05d" % number if isinstance(number, int) else number for number in (k, n))
    if insider.version == 2:
        return b"?OTR,%s,%s,%s," % (k, n, piece)
    to = insider.target_tag if receiver is None else receiver
    return b"?OTR|%08x|%08x,%s,%s,%s," % (insider.tag, to, k, n, piece)


def fragments(insider: Insider, message: bytes, count: int, receiver: int | None = None) -> list[bytes]:
    """A message in `count` fragments."""
    pieces = enumerate(cut(message, count), start=1)
    return [fragment(insider, k, count, piece, receiver) for k, piece in pieces]


def assert_arrives(
    target: TargetSession,
    insider: Insider,
    text: bytes,
    count: int = 2,
    check_id: str = "fragment.not-put-together",
) -> None:
    """Send a text in fragments; demand that it is shown with the last one, and not before."""
    *first, last = fragments(insider, insider.data(text), count)
    for one in first:
        target.receive(one).assert_ignored("fragment.acted-on-too-early", "a fragment that is not the last")
    target.receive(last).assert_shown(check_id, text, case=f"a message in {count} fragments")


def assert_all_rejected(target: TargetSession, check_id: str, parts: Sequence[bytes], case: str) -> None:
    """Demand that none of these fragments makes the target show a text."""
    for part in parts:
        target.receive(part).assert_rejected(check_id, case)


def in_words(numbers: Sequence[tuple[int, int]]) -> str:
    """Fragment numbers in words."""
    return ", ".join(f"{k} of {n}" for k, n in numbers)
