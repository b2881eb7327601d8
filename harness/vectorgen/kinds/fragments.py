"""Fragments: reassembly in every order, illegal fragments, several streams at once, and fragments sent. [Fragmentation]

The reassembled message is an Error Message, because its text is visible to everyone. The results of the orders come
from the rule in the protocol text, reimplemented here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from otterproof.harness.vectorgen.builder import FileBuilder, GroupBuilder, invalid, valid
from otterproof.harness.vectorgen.client_session import ALLOW, BOTH, PEER_TAG, TAG
from otterproof.harness.vectorgen.kinds.samples import worked_example
from otterproof.harness.vectorgen.play_builder import Act, does, gives
from otterproof.harness.wire import TAG_BASE, TAG_VERSIONS, fragment
from otterproof.implementations.contract import Policy
from otterproof.implementations.jsonform import policy_to_json

#: The text to reassemble, and the message that carries it.
_TEXT = b" abcdefghijklmnopqrstuvwxyz"
_MESSAGE = b"?OTR Error:" + _TEXT

#: The same from another sender.
_OTHER_TEXT = b" 0123456789"
_OTHER = b"?OTR Error:" + _OTHER_TEXT


def piece(
    version: int, k: int | bytes, n: int | bytes, content: bytes, tags: tuple[int, int] = (PEER_TAG, TAG)
) -> bytes:
    """A fragment; numbers given as bytes are used literally."""
    front = b"?OTR|%08x|%08x" % tags if version == 3 else b"?OTR"
    first, last = (number if isinstance(number, bytes) else b"%05d" % number for number in (k, n))
    return b"%s,%s,%s,%s," % (front, first, last, content)


def cut(message: bytes, n: int) -> list[bytes]:
    """A message in n pieces of about the same size."""
    return [message[len(message) * k // n : len(message) * (k + 1) // n] for k in range(n)]


def pieces(version: int, n: int, message: bytes = _MESSAGE, tags: tuple[int, int] = (PEER_TAG, TAG)) -> list[bytes]:
    return [piece(version, k, n, content, tags) for k, content in enumerate(cut(message, n), 1)]


def completes(order: Sequence[int], n: int) -> bool:
    """Whether fragments k of n, in this order, complete a whole message at least once. [Receiving Fragments]"""
    stored, whole = 0, False
    for k in order:
        stored = k if k in (1, stored + 1) else 0
        if stored == n:
            whole, stored = True, 0
    return whole


def fragments(file: FileBuilder) -> None:
    """All groups, in both versions; version 2 fragments also for a client that allows both."""
    for version in (2, 3):
        allowed = tuple(policy_to_json(ALLOW[version]))
        common = {"instance_tag": TAG, "policy": allowed}
        _orders(file.group(f"v{version}-orders", "Three fragments in every order.", "assembly", **common), version)
        _whole(file.group(f"v{version}-whole", "Fragments in order.", "assembly", **common), version)
        _illegal(file.group(f"v{version}-illegal", "Not fragments.", "assembly", **common), version)
        _between(file.group(f"v{version}-between", "Something between the fragments.", "assembly", **common), version)
        _sent(file, version)
    both = file.group(
        "v2-for-v3",
        "Version 2 fragments, received by a client that allows both versions.",
        "assembly",
        instance_tag=TAG,
        policy=tuple(policy_to_json(BOTH)),
    )
    _whole(both, 2, "FRAGMENT-RECV-18")
    _tags(file.group("v3-tags", "Tags in fragments.", "assembly", instance_tag=TAG, policy=("allow_v3",)))
    worked_example(file)
    streams = {"instance_tag": TAG, "policy": tuple(policy_to_json(BOTH))}
    _streams(file.group("streams", "Fragments of several senders, interleaved.", "assembly", **streams))


def _orders(group: GroupBuilder, version: int) -> None:
    three = pieces(version, 3)
    shown = "FRAGMENT-RECV-10 FRAGMENT-RECV-11 FRAGMENT-RECV-12" + (" FRAGMENT-RECV-17" if version == 2 else "")
    orders = [order for size in (1, 2, 3) for order in product((1, 2, 3), repeat=size)]
    orders += [
        (1, 1, 2, 3),
        (1, 2, 1, 2, 3),
        (1, 2, 3, 3),
        (1, 2, 3, 1, 2, 3),
        (1, 2, 2, 3),
        (1, 3, 2, 3),
        (2, 1, 2, 3),
        (1, 2, 3, 2, 3),
    ]
    for order in orders:
        whole = completes(order, 3)
        more = " FRAGMENT-RECV-19" if order == (1, 2, 3, 3) else ""
        group.case(
            "".join(map(str, order)),
            f"{', '.join(map(str, order))} of 3",
            shown + more,
            reaction="" if whole else "ignored",
            flags="" if whole else "Order",
            messages=tuple(three[k - 1] for k in order),
        )


def _whole(group: GroupBuilder, version: int, more: str = "") -> None:
    shows = f"FRAGMENT-RECV-1 FRAGMENT-RECV-2 FRAGMENT-RECV-3 FRAGMENT-RECV-13 {more}"
    for n in (1, 2, 3, 4, 5, 10, 38):
        extra = " FRAGMENT-RECV-14" if n == 1 else ""
        group.case(f"n-{n}", f"in {n}", shows + extra, messages=tuple(pieces(version, n)))
    group.case(
        "one-byte-first",
        "the first piece is one byte",
        shows,
        messages=tuple(piece(version, k, 2, content) for k, content in ((1, _MESSAGE[:1]), (2, _MESSAGE[1:]))),
    )
    leading = "FRAGMENT-RECV-4"
    two = cut(_MESSAGE, 2)
    for name, form in {"none": b"%d", "two": b"%02d", "four": b"%04d"}.items():
        messages = tuple(piece(version, form % k, form % 2, content) for k, content in enumerate(two, 1))
        group.case(f"zeros-{name}", f"numbers written with {name} leading zeros or fewer", leading, messages=messages)
    mixed = (piece(version, b"1", b"00002", two[0]), piece(version, b"002", b"2", two[1]))
    group.case("zeros-mixed", "numbers written in different ways", leading, messages=mixed)
    top = piece(version, 1, 65535, b"x")
    group.case(
        "restart-65535",
        "the largest n, then a message of two",
        "FRAGMENT-SEND-6 FRAGMENT-RECV-10",
        messages=(top, *pieces(version, 2)),
    )
    for name, (before, after) in {
        "blank": (b" ", b""),
        "text": (b"hello ", b" bye"),
        "markup": (b"<p>", b"</p>"),
    }.items():
        messages = tuple(before + one + after for one in pieces(version, 2))
        group.case(f"around-{name}", "something stands around each fragment", "FRAGMENT-RECV-3", messages=messages)


#: Illegal fragments: name -> (k, n, content, comment, requirements)
_ILLEGAL: Mapping[str, tuple[bytes, bytes, bytes, str, str]] = {
    "k-0": (b"0", b"1", _MESSAGE, "k is 0", "FRAGMENT-RECV-7"),
    "k-00000": (b"00000", b"00001", _MESSAGE, "k is 0, in five digits", "FRAGMENT-RECV-7"),
    "n-0": (b"1", b"0", _MESSAGE, "n is 0", "FRAGMENT-RECV-8"),
    "both-0": (b"0", b"0", _MESSAGE, "both are 0", "FRAGMENT-RECV-7 FRAGMENT-RECV-8"),
    "k-2-of-1": (b"2", b"1", _MESSAGE, "k is above n", "FRAGMENT-RECV-9"),
    "k-65535-of-1": (b"65535", b"1", _MESSAGE, "k is far above n", "FRAGMENT-RECV-9"),
    "k-65537": (b"65537", b"65537", _MESSAGE, "1 modulo 65536", "FRAGMENT-BOUND-2"),
    "n-65537": (b"1", b"65537", _MESSAGE, "n is 1 modulo 65536", "FRAGMENT-BOUND-2"),
    "k-65536": (b"65536", b"65536", _MESSAGE, "0 modulo 65536", "FRAGMENT-BOUND-2"),
    "n-99999": (b"1", b"99999", _MESSAGE, "the largest that five digits can be", "FRAGMENT-BOUND-2"),
    "n-six-digits": (b"000001", b"000001", _MESSAGE, "six digits", "FRAGMENT-BOUND-2 FRAGMENT-RECV-20"),
    "n-4294967297": (b"1", b"4294967297", _MESSAGE, "1 modulo 2^32", "FRAGMENT-BOUND-2"),
    "k-plus": (b"+1", b"1", _MESSAGE, "a sign", "FRAGMENT-RECV-20"),
    "k-minus": (b"-1", b"1", _MESSAGE, "a negative number", "FRAGMENT-RECV-20"),
    "n-plus": (b"1", b"+1", _MESSAGE, "a sign", "FRAGMENT-RECV-20"),
    "k-blank": (b" 1", b"1", _MESSAGE, "a blank before k", "FRAGMENT-RECV-20"),
    "n-blank": (b"1", b" 1", _MESSAGE, "a blank before n", "FRAGMENT-RECV-20"),
    "k-blank-after": (b"1 ", b"1", _MESSAGE, "a blank after k", "FRAGMENT-RECV-20"),
    "k-hex": (b"0x1", b"1", _MESSAGE, "hexadecimal", "FRAGMENT-RECV-20"),
    "k-letter": (b"a", b"1", _MESSAGE, "a letter", "FRAGMENT-RECV-20"),
    "n-letter": (b"1", b"f", _MESSAGE, "a letter", "FRAGMENT-RECV-20"),
    "k-empty": (b"", b"1", _MESSAGE, "no k", "FRAGMENT-RECV-20"),
    "n-empty": (b"1", b"", _MESSAGE, "no n", "FRAGMENT-RECV-20"),
    "k-decimal": (b"1.0", b"1", _MESSAGE, "a decimal point", "FRAGMENT-RECV-20"),
    "k-other-digit": (b"\xd9\xa1", b"1", _MESSAGE, "a digit that is no ASCII", "FRAGMENT-RECV-20"),
    "piece-empty": (b"1", b"1", b"", "an empty piece", "FRAGMENT-SEND-7"),
}

#: The ones that scanf would parse: in that reading they are legal.
_SCANF = {"k-65537", "n-65537", "k-plus", "n-plus", "k-blank", "n-blank"}


def _illegal(group: GroupBuilder, version: int) -> None:
    for name, (k, n, content, comment, shows) in _ILLEGAL.items():
        scanned = name in _SCANF
        others = {"FRAGMENT-NUMBERS:scanf": valid(yields=(_TEXT,), stored={})} if scanned else {}
        group.case(
            name,
            comment,
            shows,
            reaction="ignored",
            flags="IllegalFragment",
            ours="FRAGMENT-NUMBERS:strict" if scanned else "",
            others=others,
            messages=(piece(version, k, n, content),),
        )
        if name in ("n-99999", "piece-empty") or scanned:
            continue
        two = pieces(version, 2)
        bounds = name in ("k-0", "n-0", "k-2-of-1", "both-0", "k-00000", "k-65535-of-1")
        broken = invalid("ignored", stored={})
        group.case(
            f"{name}-between",
            f"{comment}; between the two fragments of a message",
            shows,
            flags="IllegalFragment",
            ours="FRAGMENT-ILLEGAL:keep" if bounds else "",
            others={"FRAGMENT-ILLEGAL:forget": broken} if bounds else {},
            messages=(two[0], piece(version, k, n, content), two[1]),
        )
    whole = piece(version, 1, 1, _MESSAGE)
    front = b"?OTR|" if version == 3 else b"?OTR,"
    broken_forms = {
        "no-last-comma": whole[:-1],
        "no-numbers": front + _MESSAGE + b",",
        "one-number": whole.replace(b",00001,00001,", b",00001,"),
        "blank-in-mark": whole.replace(b"?OTR", b"?OTR ", 1),
        "mark-only": front,
    }
    for name, message in broken_forms.items():
        is_text = name == "blank-in-mark"
        # Without its mark, the fragment is treated as its content.
        if is_text:
            continue
        group.case(
            name,
            "it has not the form",
            "FRAGMENT-RECV-20 FRAGMENT-RECV-3",
            reaction="ignored",
            flags="IllegalFragment",
            messages=(message,),
        )


def _between(group: GroupBuilder, version: int) -> None:
    three = pieces(version, 3)
    gaps = {
        "text": (b"hello", "text: what is stored is forgotten", "FRAGMENT-RECV-15", False),
        "empty": (b"", "an empty text", "FRAGMENT-RECV-15", False),
        "tagged": (b"hi" + TAG_BASE + TAG_VERSIONS[version], "text with a whitespace tag", "FRAGMENT-RECV-15", False),
        "query-other": (b"?OTRv4?", "a query that is not answered", "FRAGMENT-RECV-16", False),
        "unknown-version": (b"?OTR:AAQC.", "a message of another version", "FRAGMENT-RECV-16", False),
        "bad-armour": (b"?OTR:###.", "a message that is not base64", "FRAGMENT-RECV-16", False),
        "other-n": (piece(version, 2, 4, b"x"), "the next k of another n", "FRAGMENT-RECV-12", False),
        "again": (three[0], "the first one again: it starts over", "FRAGMENT-RECV-10", False),
    }
    for name, (message, comment, shows, keeps) in gaps.items():
        order = (three[0], message, three[1], three[2])
        group.case(
            name,
            comment,
            shows,
            reaction="" if keeps or name == "again" else "ignored",
            flags="Order",
            messages=order,
        )
    error = b"?OTR Error: between"
    group.case(
        "error",
        "an Error Message, which is shown; what is stored is forgotten",
        "FRAGMENT-RECV-16",
        flags="Order",
        messages=(three[0], error, three[1], three[2]),
    )
    for name, parts in {"v3": (b"?OTR|2b2b", b"|1a1a"), "mark": (b"?O", b"TR|")}.items():
        group.case(
            f"nested-{name}",
            "what is put together has the mark of a fragment itself",
            "FRAGMENT-BOUND-3 FRAGMENT-RECV-13",
            reaction="ignored",
            flags="IllegalFragment",
            messages=tuple(piece(version, k, 2, part) for k, part in enumerate(parts, 1)),
        )
    group.case("twice", "the same message twice", "FRAGMENT-RECV-13 FRAGMENT-RECV-19", messages=(*three, *three))
    larger = pieces(version, 4)
    group.case(
        "larger-n",
        "a message of 4 replaces one of 3 that was begun",
        "FRAGMENT-RECV-10",
        messages=(three[0], three[1], *larger),
    )
    group.case(
        "mixed-n",
        "the last piece belongs to another message",
        "FRAGMENT-RECV-12",
        reaction="ignored",
        flags="Order",
        messages=(three[0], three[1], larger[2], three[2]),
    )


def _tags(group: GroupBuilder) -> None:
    own = "FRAGMENT-RECV-5 FRAGMENT-RECV-6 INSTANCE-HEADER-2"
    for sender in (0x100, 0x2B2B, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        group.case(
            f"sender-{sender:x}",
            f"sender tag {sender:#x}",
            "INSTANCE-RANGE-1 INSTANCE-OWN-1",
            flags="HighBit" if sender >> 31 else "",
            messages=tuple(pieces(3, 2, tags=(sender, TAG))),
        )
    group.case("receiver-0", "receiver tag 0 is for everybody", own, messages=tuple(pieces(3, 2, tags=(PEER_TAG, 0))))
    for sender in (0, 1, 0xFF):
        group.case(
            f"sender-{sender:x}",
            f"sender tag {sender:#x} is too small",
            "INSTANCE-DISCARD-2",
            reaction="ignored",
            flags="Tags",
            messages=tuple(pieces(3, 2, tags=(sender, TAG))),
        )
    for receiver in (1, 0xFF):
        group.case(
            f"receiver-{receiver:x}",
            f"receiver tag {receiver:#x} is too small",
            "INSTANCE-DISCARD-3",
            reaction="ignored",
            flags="Tags",
            messages=tuple(pieces(3, 2, tags=(PEER_TAG, receiver))),
        )
    for receiver in (0x100, TAG - 1, TAG + 1, TAG | 0x80000000, 0xFFFFFFFF):
        group.case(
            f"other-{receiver:x}",
            f"receiver tag {receiver:#x} is another client's",
            own,
            reaction="ignored",
            flags="Tags",
            messages=tuple(pieces(3, 2, tags=(PEER_TAG, receiver))),
        )
        first, last = pieces(3, 2)
        foreign = piece(3, 2, 2, b"x", (PEER_TAG, receiver))
        group.case(
            f"other-{receiver:x}-between",
            "one for another client disturbs nothing",
            "FRAGMENT-RECV-22 INSTANCE-DISCARD-4",
            flags="Tags",
            messages=(first, foreign, last),
        )
    forms = {
        "upper": b"?OTR|00002B2B|00001A1A,1,1,%s,",
        "short": b"?OTR|2b2b|1a1a,1,1,%s,",
        "mixed": b"?OTR|2B2b|01A1a,1,1,%s,",
    }
    for name, form in forms.items():
        group.case(f"form-{name}", "tags written in another way", "FRAGMENT-RECV-4", messages=(form % _MESSAGE,))
    wrong = {
        "nine-digits": b"?OTR|000002b2b|00001a1a,1,1,%s,",
        "prefix": b"?OTR|0x2b2b|0x1a1a,1,1,%s,",
        "letters": b"?OTR|zzzz|1a1a,1,1,%s,",
        "one-tag": b"?OTR|1a1a,1,1,%s,",
        "three-tags": b"?OTR|2b2b|1a1a|1a1a,1,1,%s,",
        "empty-tag": b"?OTR||1a1a,1,1,%s,",
        "blank": b"?OTR| 2b2b|1a1a,1,1,%s,",
        "sign": b"?OTR|+2b2b|1a1a,1,1,%s,",
    }
    for name, form in wrong.items():
        group.case(
            f"form-{name}",
            "tags that have not the form",
            "FRAGMENT-RECV-20 FRAGMENT-SEND-2",
            reaction="ignored",
            flags="IllegalFragment",
            messages=(form % _MESSAGE,),
        )


def _streams(group: GroupBuilder) -> None:
    """Two senders at once; each message is completed by its sender's last piece."""
    mine, other = pieces(3, 2), pieces(3, 2, _OTHER, (0x3C3C, TAG))
    shows = "FRAGMENT-RECV-21 INSTANCE-MULTI-1"
    orders = {
        "ab-ab": (mine[0], other[0], mine[1], other[1]),
        "ab-ba": (mine[0], other[0], other[1], mine[1]),
        "aab-b": (mine[0], mine[1], other[0], other[1]),
        "a-again": (mine[0], other[0], mine[0], other[1], mine[1]),
        "b-gap": (mine[0], other[1], mine[1]),
    }
    for name, messages in orders.items():
        broken = {
            "ab-ab": invalid("ignored", stored={}),
            "ab-ba": valid(yields=(None, None, _OTHER_TEXT, None), stored={}),
            "a-again": invalid("ignored", stored={}),
            "b-gap": invalid("ignored", stored={}),
        }.get(name)
        group.case(
            f"v3-{name}",
            "each sender's fragments are kept apart",
            shows,
            ours="FRAGMENT-STREAMS:each" if broken else "",
            others={"FRAGMENT-STREAMS:one": broken} if broken else {},
            messages=messages,
        )
    two = pieces(2, 2, _OTHER)
    for name, messages in {
        "v3-v2": (mine[0], two[0], mine[1], two[1]),
        "v2-v3": (two[0], mine[0], two[1], mine[1]),
    }.items():
        group.case(
            name,
            "fragments of both versions",
            shows,
            ours="FRAGMENT-STREAMS:each",
            others={"FRAGMENT-STREAMS:one": invalid("ignored", stored={})},
            messages=messages,
        )
    crowd = [pieces(3, 2, _OTHER, (0x200 + number, TAG)) for number in range(17)]
    group.case(
        "seventeen",
        "more senders than are kept: the one that began longest ago is forgotten",
        "FRAGMENT-BOUND-1",
        flags="Order",
        messages=(*(one[0] for one in crowd), *(one[1] for one in crowd)),
    )
    many = [pieces(3, 2, _OTHER, (0x200 + number, TAG)) for number in range(16)]
    group.case(
        "sixteen", "sixteen senders at once", shows, messages=(*(one[0] for one in many), *(one[1] for one in many))
    )


def _sent(file: FileBuilder, version: int) -> None:
    """Handshake and data messages sent in fragments."""
    shows = "FRAGMENT-SEND-1 FRAGMENT-SEND-4 FRAGMENT-SEND-5 FRAGMENT-SEND-6 FRAGMENT-SEND-7 FRAGMENT-SEND-8 "
    shows += "FRAGMENT-SEND-9 "
    shows += (
        "FRAGMENT-SEND-2 FRAGMENT-SEND-10 FRAGMENT-SEND-11 INSTANCE-HEADER-2"
        if version == 3
        else "FRAGMENT-SEND-3 INSTANCE-HEADER-3"
    )
    for size in (64, 100, 140, 200, 300):
        group = file.plays(
            f"v{version}-sent-{size}",
            f"Messages sent in fragments of {size} bytes.",
            version=version,
            max_message_size=size,
        )
        group.play("dh-commit", "a D-H Commit", shows, gives(b"?OTRv%d?" % version))
        group.play("dh-key", "a D-H Key", shows, lambda session: session.give(session.insider.commit()))
        group.play("query", "a query is not fragmented", "FRAGMENT-SEND-1", does("start"))
        group.play("text", "text in the clear is not fragmented", "FRAGMENT-SEND-1", does("send", text=b"x" * 400))
    group = file.plays(
        f"v{version}-received",
        "A handshake received in fragments.",
        version=version,
        policy=ALLOW[version] | Policy.NONE,
    )
    for size in (64, 120, 400):
        group.play(
            f"commit-{size}",
            f"a D-H Commit in fragments of {size} bytes",
            "FRAGMENT-RECV-13 FRAGMENT-RECV-1 FRAGMENT-RECV-2",
            _committed(version, size),
        )


def _committed(version: int, size: int, tags: tuple[int, int] = (PEER_TAG, TAG)) -> Act:
    return lambda session: [session.give(one) for one in fragment(session.insider.commit(), size, version, tags)]
