"""What the view shows: a conversation on IRC, or one between two targets. A person can act on both in the same way."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from otterproof.harness.runs.proxy.actions import HOLD, PASS, Action
from otterproof.harness.runs.proxy.between import Conversation
from otterproof.harness.runs.proxy.items import Happening
from otterproof.harness.runs.proxy.relay import Relay
from otterproof.harness.runs.proxy.rules import Rules
from otterproof.harness.runs.proxy.serving import Service

#: The most happenings that wait to be shown. If a program says more than anybody could read, the oldest are dropped.
MOST_WAITING = 2000

#: Seconds between two steps of a conversation that Otterproof plays itself, so that a person can follow.
PACE = 0.15


class Stage(ABC):
    """A conversation that a person watches. happenings: those not yet shown.

    rules: decide what happens to messages; None if a person can't hold messages back.
    """

    def __init__(self, rules: Rules | None) -> None:
        self.happenings: deque[Happening] = deque(maxlen=MOST_WAITING)
        self.rules = rules

    @property
    def holds(self) -> bool:
        """Whether all messages without a rule are held back."""
        return self.rules is not None and self.rules.otherwise == HOLD

    def hold(self, holds: bool) -> None:
        """Turn holding back of messages on or off."""
        if self.rules is not None:
            self.rules.otherwise = HOLD if holds else PASS

    @property
    @abstractmethod
    def relay(self) -> Relay | None:
        """The relay, once there is one."""

    @property
    @abstractmethod
    def title(self) -> str:
        """A title for the conversation."""

    @abstractmethod
    async def run(self) -> None:
        """Run until the conversation is over. Raises whatever ends it."""

    @abstractmethod
    def act(self, number: int, action: Action) -> None:
        """Apply an action to a message."""

    def turn(self) -> bool:
        """Let the next user take a turn, whatever is under way; return whether there is one. Users may be people."""
        return False


class OnIrc(Stage):
    """A conversation on IRC."""

    def __init__(self, make: Callable[[Callable[[Happening], None]], Service], rules: Rules | None) -> None:
        super().__init__(rules)
        self.service = make(self.happenings.append)

    @property
    def relay(self) -> Relay | None:
        return None if self.service.watched is None else self.service.watched.relay

    @property
    def title(self) -> str:
        return f"IRC on {self.service.listen}"

    async def run(self) -> None:
        await self.service.run()

    def act(self, number: int, action: Action) -> None:
        self.service.act(number, action)


class OfTargets(Stage):
    """A conversation between two targets.

    A thread calls them, one thing at a time; a person's actions are executed in between.
    """

    def __init__(
        self, make: Callable[[Callable[[Happening], None]], Conversation], rules: Rules | None, pace: float
    ) -> None:
        super().__init__(rules)
        self.conversation = make(self.happenings.append)
        self._pace = pace
        self._wanted: deque[Callable[[], object]] = deque()
        self._woken = asyncio.Event()

    @property
    def relay(self) -> Relay | None:
        return self.conversation.watched.relay

    @property
    def title(self) -> str:
        return " and ".join(f"{name} ({target.name})" for name, target in self.conversation.targets.items())

    async def run(self) -> None:
        while True:
            while self._wanted:
                await asyncio.to_thread(self._wanted.popleft())
            waits = bool(self.conversation.watched.relay.held()) and not self.conversation.ready()
            if not waits and await asyncio.to_thread(self.conversation.step):
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._pace)
            elif not self.conversation.turns_left and not self.conversation.watched.relay.held():
                return
            else:
                await self._woken.wait()
            self._woken.clear()

    def act(self, number: int, action: Action) -> None:
        self._want(lambda: self.conversation.watched.relay.act(number, action, self.conversation.now))

    def turn(self) -> bool:
        if self.conversation.turns_left:
            self._want(self.conversation.take_turn)
        return bool(self.conversation.turns_left)

    def _want(self, work: Callable[[], object]) -> None:
        self._wanted.append(work)
        self._woken.set()
