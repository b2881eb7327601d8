"""Measures how the work of a function grows with its input, and makes inputs that tend to be slow to parse.

Work is measured as processor time of this process, not by the clock. Counting lines or calls would miss the most
important work: copies, comparisons and regular expressions run in C, within one line. Processor time is noisy, so an
entry is only compared with itself, at sizes so far apart that noise can't decide: where a linear function does 21 times
the work, a quadratic one does 273 times, and 8 times 21 is allowed. At larger sizes the gap is wider.
"""

from __future__ import annotations

import gc
from base64 import b64encode
from collections.abc import Callable, Mapping
from time import process_time
from typing import Generic, TypeVar

#: Sizes of the compared inputs, in bytes or whatever unit the input maker uses.
SMALL, LARGE = 1 << 9, 1 << 20

#: The allowed factor of work per byte between a large and a small input: caches and memory are slower for large ones.
SLACK = 8

#: An entry that takes less time than this, in seconds, is too quick to measure; it counts as taking this long.
_TICK = 20e-6

#: A difference below this share of the entry's work for the smallest input counts as noise.
_NOISE = 0.25

#: The work at the smallest size times the first value defines what is linear. Inputs are judged from the smallest size
#: times the second value: below that, quadratic work stays within the limit, and noise might not.
_STEP, _JUDGED_FROM = 4, 64

#: How often everything is measured again before an entry is said to grow too fast.
_AGAIN = 3

#: Tries per measurement, and the processor time in seconds after which there are no more.
_TRIES, _PATIENCE = 5, 1.0

T = TypeVar("T")


class GrowsTooFast(AssertionError):
    """The work of an entry grows faster than its input."""


def _work(entry: Callable[[T], object], value: T, enough: float = 0.0) -> float:
    """The least processor time in seconds over a few tries; stops early at `enough` or less."""
    least, spent, tries = float("inf"), 0.0, 0
    while tries < _TRIES and least > enough and spent < _PATIENCE:
        gc.disable()
        try:
            began = process_time()
            entry(value)
            taken = process_time() - began
        finally:
            gc.enable()
        least, spent, tries = min(least, taken), spent + taken, tries + 1
    return least


def growth(entry: Callable[[T], object], make: Callable[[int], T], *, small: int = SMALL, large: int = LARGE) -> None:
    """GrowsTooFast unless the work of `entry(make(size))` is linear in size, from `small` to `large`. ValueError if the
    two are too close to tell.

    The entry's work for the smallest input is subtracted, because most of it is not growth: messages that trigger
    cryptography do so at any size. The size doubles from small to large, so an entry that grows too fast is caught at
    the first size that shows it, and need not finish the largest. The smallest size is raised until the work for it
    stands out from the fixed work. The entry must do the same on each call; one with a state restores it first.
    """
    if _JUDGED_FROM * small > large:
        raise ValueError(
            f"nothing is judged from {small} to {large}; give a large size of {_JUDGED_FROM * small} or more"
        )
    entry(make(small))  # fills caches that are filled on first use
    while True:
        yardstick = _Yardstick(entry, make(small), make(_STEP * small))
        if yardstick.stands_out or _STEP * _JUDGED_FROM * small > large:
            break
        small *= _STEP
    size = _JUDGED_FROM * small
    while size <= large:
        times = (size - small) / (_STEP * small - small)
        taken = yardstick.times(_work(entry, make(size), enough=yardstick.work(SLACK * times)))
        for _ in range(_AGAIN):
            if taken <= SLACK * times:
                break
            # Real growth repeats; noise does not.
            yardstick = _Yardstick(entry, make(small), make(_STEP * small))
            taken = yardstick.times(_work(entry, make(size), enough=yardstick.work(SLACK * times)))
        if taken > SLACK * times:
            raise GrowsTooFast(
                f"{taken:.0f} times the work for {times:.0f} times the input, at size {size}; "
                f"at most {SLACK * times:.0f} times is linear ({yardstick})"
            )
        size *= 2


class _Yardstick(Generic[T]):
    """An entry's time for the smallest input, and the extra time for one a few times as large, in seconds.

    Another program on the machine can slow down all tries at one moment, which would make what is compared with them
    look quick. So both are measured again at each comparison, and the minimum counts.
    """

    def __init__(self, entry: Callable[[T], object], small: T, larger: T) -> None:
        self._entry, self._small, self._larger = entry, small, larger
        self._fixed = self._least = float("inf")
        self._measure()

    def __str__(self) -> str:
        return (
            f"{self._fixed * 1e3:.3f} ms for the smallest input, {self._least * 1e3:.3f} ms for one some times as large"
        )

    @property
    def stands_out(self) -> bool:
        """Whether the extra time for the larger input exceeds the noise."""
        return self._least - self._fixed > self._floor

    def work(self, times: float) -> float:
        """The seconds an entry takes for this many times the first growth."""
        return self._fixed + self._first * times

    def times(self, taken: float) -> float:
        """The multiple of the first growth that these seconds stand for."""
        self._measure()
        return (taken - self._fixed) / self._first

    def _measure(self) -> None:
        self._fixed = min(self._fixed, _work(self._entry, self._small))
        self._least = min(self._least, _work(self._entry, self._larger))

    @property
    def _floor(self) -> float:
        return max(self._fixed * _NOISE, _TICK)

    @property
    def _first(self) -> float:
        return max(self._least - self._fixed, self._floor)


def all_linear(
    entry: Callable[[T], object], inputs: Mapping[str, Callable[[int], T]], *, small: int = SMALL, large: int = LARGE
) -> None:
    """Like `growth`, for several kinds of input: GrowsTooFast names each one that is not linear."""
    problems = []
    for name, make in inputs.items():
        try:
            growth(entry, make, small=small, large=large)
        except GrowsTooFast as problem:
            problems.append(f"{name}: {problem}")
    if problems:
        raise GrowsTooFast("\n".join(problems))


# ---- inputs: a name, and a function from a size in bytes to a message of about that size ----------------------------

#: The instance tags of the party under test and of the sender of its messages.
OWN_TAG, THEIR_TAG = 0x1A2B, 0x2B2B

_TAG_BASE = bytes.fromhex("20092020090909092009200920092020")
_TAG_GROUP = bytes.fromhex("2020090920200909")

Family = Callable[[int], bytes]


def _repeated(unit: bytes, *, before: bytes = b"", after: bytes = b"") -> Family:
    return lambda size: before + unit * (size // len(unit)) + after


#: Unencrypted messages, fragments, and armour that holds no message.
TEXTS: Mapping[str, Family] = {
    "plain text": _repeated(b"a"),
    "spaces": _repeated(b" "),
    "tabs": _repeated(b"\t"),
    "NULs": _repeated(b"\0"),
    "high bytes": _repeated(b"\xff"),
    "question marks": _repeated(b"?"),
    "commas": _repeated(b","),
    "dots": _repeated(b"."),
    "bars": _repeated(b"|"),
    "lines": _repeated(b"\n"),
    "whitespace tag with many groups": _repeated(_TAG_GROUP, before=_TAG_BASE),
    "whitespace tag with many unknown groups": _repeated(b" ", before=b"text" + _TAG_BASE, after=b"text"),
    "whitespace tag after long text": _repeated(b"a", after=_TAG_BASE + _TAG_GROUP),
    "whitespace tag before long text": _repeated(b"a", before=_TAG_BASE + _TAG_GROUP),
    "many whitespace tags": _repeated(_TAG_BASE + _TAG_GROUP + b"a"),
    "many whitespace tags without a group": _repeated(_TAG_BASE + b"a"),
    "many bases of whitespace tags": _repeated(_TAG_BASE),
    "many beginnings of whitespace tags": _repeated(_TAG_BASE[:-1] + b"a"),
    "many beginnings of groups": _repeated(_TAG_BASE + _TAG_GROUP[:-1] + b"a"),
    "many markers": _repeated(b"?OTR"),
    "many halves of markers": _repeated(b"?OT"),
    "query with many versions": _repeated(b"3", before=b"?OTRv", after=b"?"),
    "query with many unknown versions": _repeated(b"x", before=b"?OTR?v", after=b"?"),
    "query without an end": _repeated(b"3", before=b"?OTRv"),
    "query of both kinds without an end": _repeated(b"3", before=b"?OTR?v"),
    "queries without an end": _repeated(b"?OTRv3 "),
    "queries of both kinds without an end": _repeated(b"?OTR?v3 "),
    "query after long text": _repeated(b"a", after=b"?OTRv3?"),
    "query before long text": _repeated(b"a", before=b"?OTRv3?"),
    "query after queries without an end": _repeated(b"?OTRv \n", after=b"?OTRv3?"),
    "many queries": _repeated(b"?OTRv3?"),
    "many queries of version 1": _repeated(b"?OTR?"),
    "long error": _repeated(b"a", before=b"?OTR Error:"),
    "error after long text": _repeated(b"a", after=b"?OTR Error:"),
    "many errors": _repeated(b"?OTR Error:"),
    "many beginnings of errors": _repeated(b"?OTR Error "),
    "armour without an end": _repeated(b"AAAA", before=b"?OTR:"),
    "armour that ends after other bytes": _repeated(b"AAAA", before=b"?OTR:", after=b"!."),
    "armour with wrong padding": _repeated(b"A", before=b"?OTR:", after=b"=A=."),
    "armour of padding": _repeated(b"=", before=b"?OTR:", after=b"."),
    "armour of padded groups": _repeated(b"AA==", before=b"?OTR:", after=b"."),
    "armour of lines": _repeated(b"AAAAAAAAAAAAAAA\n", before=b"?OTR:", after=b"."),
    "armour of zeros": _repeated(b"AAAA", before=b"?OTR:", after=b"."),
    "armour after long text": _repeated(b"a", after=b"?OTR:AAMD."),
    "armour before long text": _repeated(b"a", before=b"?OTR:AAMD."),
    "many beginnings of armour": _repeated(b"?OTR:"),
    "many messages in armour": _repeated(b"?OTR:AAMD."),
    "fragment with a long piece": _repeated(b"a", before=b"?OTR,1,2,", after=b","),
    "fragment with a long piece, version 3": _repeated(b"a", before=b"?OTR|2b2b|1a2b,1,2,", after=b","),
    "only fragment, a long plain text": _repeated(b"a", before=b"?OTR,1,1,", after=b","),
    "only fragment, many whitespace groups": _repeated(_TAG_GROUP, before=b"?OTR,1,1," + _TAG_BASE, after=b","),
    "only fragment, long armour": _repeated(b"AAAA", before=b"?OTR,1,1,?OTR:", after=b".,"),
    "only fragment, a fragment": _repeated(b"?OTR|", before=b"?OTR,1,1,", after=b","),
    "fragment whose piece has no end": _repeated(b"a", before=b"?OTR,1,2,"),
    "fragment after long text": _repeated(b"a", after=b"?OTR,1,2,a,"),
    "fragment before long text": _repeated(b"a", before=b"?OTR,1,2,a,"),
    "fragment with many digits": _repeated(b"1", before=b"?OTR,", after=b",2,a,"),
    "fragment with a long tag": _repeated(b"a", before=b"?OTR|", after=b"|1a2b,1,2,a,"),
    "many beginnings of fragments": _repeated(b"?OTR,"),
    "many beginnings of fragments, version 3": _repeated(b"?OTR|"),
    "many fragments without a piece": _repeated(b"?OTR,1,2,,"),
    "many fragments without a piece, version 3": _repeated(b"?OTR|2b2b|1a2b,1,2,,"),
    "many fragments in one message": _repeated(b"?OTR,1,2,a,"),
    "many fragments whose pieces have no end": _repeated(b"?OTR,1,2,a"),
    "many fragments without a piece, then a right one": _repeated(b"?OTR,1,2,,", after=b"?OTR,1,2,a,"),
}


def encoded(version: int, kind: int, body: bytes, receiver: int = OWN_TAG, sender: int = THEIR_TAG) -> bytes:
    """A message in armour, with a header and this body."""
    tags = sender.to_bytes(4) + receiver.to_bytes(4) if version == 3 else b""
    return b"?OTR:" + b64encode(version.to_bytes(2) + kind.to_bytes(1) + tags + body) + b"."


def data(content: bytes) -> bytes:
    """DATA or MPI: the content after its length."""
    return len(content).to_bytes(4) + content


_KEY_IDS = (1).to_bytes(4) + (1).to_bytes(4)
_GOOD_MPI = data(b"\x02")
_CTR, _MAC = b"\0\0\0\0\0\0\0\1", bytes(20)

#: Bodies of encoded messages: name -> (type, size -> body).
BODIES: Mapping[str, tuple[int, Family]] = {
    "D-H Commit, long encrypted gx": (0x02, lambda size: data(b"\1" * size) + data(bytes(32))),
    "D-H Commit, long hash": (0x02, lambda size: data(bytes(196)) + data(bytes(size))),
    "D-H Commit, bytes after it": (0x02, lambda size: data(bytes(196)) + data(bytes(32)) + bytes(size)),
    "D-H Commit, cut short": (0x02, lambda size: b"\x7f\xff\xff\xff" + bytes(size)),
    "D-H Key, long gy": (0x0A, lambda size: data(b"\xff" * (size + 1))),
    "D-H Key, gy of zeros": (0x0A, lambda size: data(bytes(size + 1))),
    "D-H Key, bytes after it": (0x0A, lambda size: _GOOD_MPI + bytes(size)),
    "D-H Key, cut short": (0x0A, lambda size: b"\xff\xff\xff\xff" + b"\1" * size),
    "Reveal Signature, long key": (0x11, lambda size: data(bytes(size)) + data(b"\1" * 200) + _MAC),
    "Reveal Signature, long signature": (0x11, lambda size: data(bytes(16)) + data(b"\1" * size) + _MAC),
    "Reveal Signature, bytes after it": (0x11, lambda size: data(bytes(16)) + data(bytes(200)) + _MAC + bytes(size)),
    "Signature, long signature": (0x12, lambda size: data(b"\1" * size) + _MAC),
    "Signature, cut short": (0x12, lambda size: b"\x7f\xff\xff\xff" + bytes(size)),
    "Data, long text": (
        0x03,
        lambda size: b"\0" + _KEY_IDS + _GOOD_MPI + _CTR + data(b"\1" * size) + _MAC + data(b""),
    ),
    "Data, long next_dh": (
        0x03,
        lambda size: b"\0" + _KEY_IDS + data(b"\xff" * (size + 1)) + _CTR + data(b"text") + _MAC + data(b""),
    ),
    "Data, next_dh of zeros": (
        0x03,
        lambda size: b"\0" + _KEY_IDS + data(bytes(size + 1)) + _CTR + data(b"text") + _MAC + data(b""),
    ),
    "Data, many old MAC keys": (
        0x03,
        lambda size: b"\0" + _KEY_IDS + _GOOD_MPI + _CTR + data(b"text") + _MAC + data(bytes(size // 20 * 20)),
    ),
    "Data, old MAC keys cut short": (
        0x03,
        lambda size: b"\0" + _KEY_IDS + _GOOD_MPI + _CTR + data(b"text") + _MAC + data(bytes(size // 20 * 20 + 1)),
    ),
    "Data, bytes after it": (
        0x03,
        lambda size: b"\0" + _KEY_IDS + _GOOD_MPI + _CTR + data(b"text") + _MAC + data(b"") + bytes(size),
    ),
    "unknown type": (0x77, bytes),
}


def _message(version: int, kind: int, body: Family) -> Family:
    return lambda size: encoded(version, kind, body(size))


#: Everything that can be received, in any state: name -> (size -> message).
MESSAGES: Mapping[str, Family] = {
    **TEXTS,
    **{
        f"{name}, version {version}": _message(version, kind, body)
        for name, (kind, body) in BODIES.items()
        for version in (2, 3)
    },
    "unknown version": _message(4, 0x03, bytes),
    "foreign instance": lambda size: encoded(3, 0x0A, data(b"\xff" * (size + 1)), receiver=0x3C3C),
}

#: Plaintexts of data messages from a peer with the right keys: texts and TLVs, valid and invalid.
PLAINTEXTS: Mapping[str, Family] = {
    "long text": _repeated(b"a"),
    "NULs": _repeated(b"\0"),
    "high bytes": _repeated(b"\xff"),
    "text that looks like queries": _repeated(b"?OTRv3?"),
    "text with a whitespace tag": _repeated(_TAG_GROUP, before=_TAG_BASE),
    "many padding TLVs": _repeated(b"\0\0\0\0", before=b"\0"),
    "many unknown TLVs": _repeated(b"\0\x63\0\1a", before=b"\0"),
    "TLVs of full length": _repeated(b"\0\0\xff\xff" + bytes(0xFFFF), before=b"\0"),
    "many SMP aborts": _repeated(b"\0\6\0\0", before=b"\0"),
    "many extra keys": _repeated(b"\0\x08\0\4\0\0\0\0", before=b"\0"),
    "many extra keys cut short": _repeated(b"\0\x08\0\0", before=b"\0"),
    "TLVs after the end of the conversation": _repeated(b"\0\x08\0\4\0\0\0\0", before=b"\0\0\1\0\0"),
    "TLV cut short": _repeated(b"\0\0\0\0", before=b"\0", after=b"\0\0\xff\xff"),
}

#: Plaintexts with one SMP TLV, whose value has at most about 60 kB.
SMP_PLAINTEXTS: Mapping[str, Family] = {
    "SMP 1 of few long numbers": lambda size: _tlv(2, (6).to_bytes(4) + data(b"\xff" * (size // 6 + 1)) * 6),
    "SMP 1 with a long hash": lambda size: _tlv(
        2, (6).to_bytes(4) + (_GOOD_MPI + data(b"\xff" * (size // 2 + 1)) + data(b"\1")) * 2
    ),
    "SMP 1 of many numbers": lambda size: _tlv(2, (size // 5).to_bytes(4) + _GOOD_MPI * (size // 5)),
    "SMP 1 of empty numbers": lambda size: _tlv(2, (size // 4).to_bytes(4) + data(b"") * (size // 4)),
    "SMP 1 with a long question": lambda size: _tlv(7, b"a" * size + b"\0" + (6).to_bytes(4) + _GOOD_MPI * 6),
    "SMP 1 with a question without an end": lambda size: _tlv(7, b"a" * size),
    "SMP 2 that is not expected": lambda size: _tlv(3, bytes(size)),
    "SMP abort with a value": lambda size: _tlv(6, bytes(size)),
    "extra key with long data": lambda size: _tlv(8, bytes(4 + size)),
}


def _tlv(kind: int, value: bytes) -> bytes:
    return b"\0" + kind.to_bytes(2) + len(value).to_bytes(2) + value


def fragments(size: int) -> list[bytes]:
    """This many fragments, in order, of a message that is never completed."""
    return [b"?OTR,%d,65535,%s," % (k, b"AAAAAAAA") for k in range(1, min(size, 65_534) + 1)]
