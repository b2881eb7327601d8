"""A party that takes the actions of contract.Engine and hands each to one place, by name and arguments.

Parties that stand for something else (several engines at once, a program behind a protocol) treat all actions alike;
they derive from `Actor` and say in `_do` what that is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from implementations.contract import Event


class Actor(ABC):
    """The actions that give events, with the arguments that contract.Engine has for them."""

    @abstractmethod
    def _do(self, action: str, **args: object) -> Sequence[Event]:
        """Take an action; arguments that were left out are None."""

    def receive(self, message: bytes) -> Sequence[Event]:
        return self._do("receive", message=message)

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> Sequence[Event]:
        return self._do("send", text=text, padding=padding, instance=instance)

    def start(self) -> Sequence[Event]:
        return self._do("start")

    def end(self, *, instance: int | None = None) -> Sequence[Event]:
        return self._do("end", instance=instance)

    def smp_start(
        self, secret: bytes, *, question: bytes | None = None, instance: int | None = None
    ) -> Sequence[Event]:
        return self._do("smp_start", secret=secret, question=question, instance=instance)

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> Sequence[Event]:
        return self._do("smp_answer", secret=secret, instance=instance)

    def smp_abort(self, *, instance: int | None = None) -> Sequence[Event]:
        return self._do("smp_abort", instance=instance)

    def extra_key(self, use: int, data: bytes = b"", *, instance: int | None = None) -> Sequence[Event]:
        return self._do("extra_key", use=use, data=data, instance=instance)
