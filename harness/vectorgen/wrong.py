"""What is wrong with an answer to a vector, in words, for the record of the failure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from otterproof.harness.wire.shown import shown


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong.

    what: the part of the answer, or a sentence. expected, got: in words, "" if unknown. where: the step or message.
    """

    what: str
    expected: str = ""
    got: str = ""
    where: str = ""

    @classmethod
    def value(cls, what: str, right: object, found: object) -> Wrong:
        """A part of the answer has the wrong value."""
        return cls(what, shown(right), shown(found))

    def at(self, where: str) -> Wrong:
        """The same, located in a part of the case."""
        return replace(self, where=f"{where}, {self.where}" if self.where else where)

    def __str__(self) -> str:
        values = f": expected {self.expected}, got {self.got}" if self.expected or self.got else ""
        return f"{self.where}: {self.what}{values}" if self.where else f"{self.what}{values}"
