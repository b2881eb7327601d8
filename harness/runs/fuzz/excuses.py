"""Excuses: known failures that programs go on past, either all failures of a check or only those in some buckets.

An excuse is kept as a line of text, in setups, transcripts and generated tests. It is the id of a check, and after it
in parentheses what it is limited to, as in `rejection.wrong-answer (kind: data | dh_key)`. A part that is not limited
fits anything, and an unknown part of a failure fits any excuse: a fragment may belong to any kind of message, and the
end of a run says little about the place of a mistake. [otterproof.harness.runs.fuzz.bucket] In a value, `*` stands for
anything: `encrypted/*: fragment_v*` is a fragment of either version in ENCRYPTED, in any authentication state.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from otterproof.harness.runs.failure import Failure, place_of
from otterproof.harness.runs.fuzz.behaviour import Tracker
from otterproof.harness.runs.fuzz.bucket import Bucket, bucket_of
from otterproof.harness.simulation.world import Step
from otterproof.harness.spec.checks import checks

#: The parts of a bucket that an excuse can be limited to.
PARTS = ("kind", "cell", "observed")

#: The most values of a part, and the most characters of a value.
MOST_VALUES, LONGEST_VALUE = 20, 200

_LIMITED = re.compile(r"(?P<check>\S+) \((?P<parts>[^()]+)\)")


def is_value(text: str) -> bool:
    """Whether a text can be the value of a part."""
    return 0 < len(text) <= LONGEST_VALUE and text == text.strip() and not set(text) & set("|;()\n")


@cache
def _pattern(known: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, known.split("*"))))


def _is_among(value: str, known: Iterable[str]) -> bool:
    """Whether a value matches one of several, in which `*` stands for anything."""
    return any(_pattern(one).fullmatch(value) for one in known)


@dataclass(frozen=True, slots=True, order=True)
class Excuse:
    """A check, and the buckets in which its failures are known. kind, cell, observed: as in Bucket; () for any."""

    check: str
    kind: tuple[str, ...] = ()
    cell: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()

    @property
    def is_limited(self) -> bool:
        """Whether it covers only some failures of its check."""
        return any(getattr(self, name) for name in PARTS)

    def covers(self, bucket: Bucket) -> bool:
        """Whether it covers failures of a bucket, as far as the bucket is known."""
        kind = "" if bucket.kind.startswith("fragment") else bucket.kind
        did = bucket.observed or ("nothing" if bucket.cell else "")
        parts = ((self.kind, kind), (self.cell, bucket.cell), (self.observed, did))
        return self.check == bucket.check and all(not known or not one or _is_among(one, known) for known, one in parts)

    def includes(self, other: Excuse) -> bool:
        """Whether it covers everything that the other one covers."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in PARTS)
        return self.check == other.check and all(
            not own or (its and all(_is_among(one, own) for one in its)) for own, its in pairs
        )

    def __str__(self) -> str:
        parts = [f"{name}: {' | '.join(values)}" for name in PARTS if (values := getattr(self, name))]
        return f"{self.check} ({'; '.join(parts)})" if parts else self.check


def excuse_of(text: str) -> Excuse:
    """The excuse in a line of text. ValueError when the text is no excuse."""
    found = _LIMITED.fullmatch(text)
    if found is None:
        if not text or set(text) & set(" ()"):
            raise ValueError(f"{text!a:.80} is neither the id of a check nor one with the parts of a bucket behind it")
        return Excuse(text)
    parts: dict[str, tuple[str, ...]] = {}
    for part in found["parts"].split("; "):
        name, _, values = part.partition(": ")
        if name not in PARTS or name in parts or not all(map(is_value, values.split(" | "))):
            raise ValueError(f"{text!a:.80}: {part!a:.80} is not one of {', '.join(PARTS)} with its values")
        parts[name] = tuple(values.split(" | "))
    return Excuse(found["check"], **parts)


def check_in(text: str) -> str:
    """The id of the check in the text of an excuse."""
    return text.partition(" ")[0]


def known_by(bucket: Bucket, texts: Iterable[str]) -> str:
    """The first of some excuses that covers failures of a bucket; "" if no excuse does."""
    return next((one for one in texts if check_in(one) == bucket.check and excuse_of(one).covers(bucket)), "")


def baseline_of(bucket: Bucket, aliases: Collection[str] = ()) -> Excuse:
    """The excuse that covers a finding: its check, with the kinds of messages or the cells of its cause.

    aliases: causes of failures that turned out to be the same. [otterproof.harness.runs.fuzz.state.Finding]
    """
    begins = f"{bucket.check}: "
    about = {bucket.cause[1], *(one.removeprefix(begins) if one.startswith(begins) else "" for one in aliases)}
    if not all(map(is_value, about)) or len(about) > MOST_VALUES:
        return Excuse(bucket.check)
    values = tuple(sorted(about))
    return Excuse(bucket.check, kind=values) if bucket.check in checks() else Excuse(bucket.check, cell=values)


def widest(excuses: Iterable[Excuse]) -> Sequence[Excuse]:
    """The excuses, sorted, without those that others include."""
    kept: list[Excuse] = []
    for one in sorted(set(excuses)):
        if not any(other.includes(one) for other in kept):
            kept = [*(other for other in kept if not one.includes(other)), one]
    return kept


class Excusing:
    """Decides for each failure in a run whether it is known. texts: the excuses. established: as for a Tracker.

    It is a watcher, and must see each step before the judges do. met: the excuses that covered failures so far. at_end:
    whether the moves are over.
    """

    def __init__(self, texts: Sequence[str], role: str, *, established: bool) -> None:
        self._texts: dict[str, list[str]] = defaultdict(list)
        for text in texts:
            self._texts[check_in(text)].append(text)
        self._limited = any(excuse_of(text).is_limited for text in texts)
        self._tracker = Tracker(role, established=established)
        self._last: deque[Step] = deque(maxlen=1)
        self.met: set[str] = set()
        self.at_end = False

    @property
    def checks(self) -> Collection[str]:
        """The checks that are known to fail, at least in some buckets."""
        return self._texts.keys()

    def __call__(self, step: Step) -> None:
        """Take in a step of the run."""
        if self._limited:
            self._tracker(step)
            self._last.append(step)

    def is_excused(self, check: str) -> bool:
        """Whether an excuse covers the failure of a check in the last step."""
        texts = self._texts[check]
        text = check if check in texts else known_by(self._bucket(check), texts)
        if text:
            self.met.add(text)
        return bool(text)

    def _bucket(self, check: str) -> Bucket:
        field = checks()[check].field if check in checks() else ""
        record = Failure(check, "", place=place_of(tuple(self._last), field))
        return bucket_of(record, self._tracker.cell, at_end=self.at_end)
