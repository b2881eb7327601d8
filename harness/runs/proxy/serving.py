"""The proxy's sockets: an IRC server on the loopback interface for both programs, or a bridge to an existing server.

`IrcService` is itself the server. `BridgeService` stands between one client and an existing server: all lines pass
unchanged except private messages between the client and one correspondent, which go through the relay.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from otterproof.harness.runs.proxy.actions import Action
from otterproof.harness.runs.proxy.bridge import Bridge
from otterproof.harness.runs.proxy.irc import Client, Hub
from otterproof.harness.runs.proxy.items import Happening, Item, What
from otterproof.harness.runs.proxy.watched import Wanted, Watched
from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.exits import NOT_RUN

_CHUNK = 1 << 14

#: The most bytes in a socket's buffer before a client that does not read is disconnected.
_MOST_BUFFERED = 4 << 20


class NotServing(CommandError):
    """The proxy can't listen, or can't reach the server."""

    exit_code = NOT_RUN


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Service(ABC):
    """What both services share: connections, the relay once both parties have a name, and its timer."""

    def __init__(self, listen: Address, wanted: Wanted, stays: bool = False) -> None:
        self.listen = listen
        self.wanted = wanted
        #: The conversation, once both parties are known.
        self.watched: Watched | None = None
        self.over = asyncio.Event()
        self._stays = stays
        self._began = time.monotonic()
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._error: BaseException | None = None

    @property
    def now(self) -> float:
        """Seconds since the proxy was started."""
        return time.monotonic() - self._began

    async def start(self) -> None:
        """Listen. Raises NotServing."""
        try:
            self._server = await asyncio.start_server(self._connected, self.listen.host, self.listen.port)
        except OSError as error:
            raise NotServing(
                f"nothing can listen on {self.listen}: {error.strerror or error}; name another address with --listen"
            ) from error
        host, port = self._server.sockets[0].getsockname()[:2]
        self.listen = Address(host, port)
        self.note(f"listening on {self.listen}")

    async def run(self) -> None:
        """Serve until the conversation is over, then close everything. Raises NotServing, OutputError."""
        if self._server is None:
            await self.start()
        try:
            await self.over.wait()
        finally:
            await self.stop()
        if self._error is not None:
            raise self._error

    async def stop(self) -> None:
        """Close everything."""
        self.over.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        for writer in list(self._writers):
            writer.close()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def note(self, words: str) -> None:
        """Record something that is not about a message."""
        if self.watched is not None:
            self.watched.relay.tell(What.NOTED, None, words)
        else:
            self.wanted.listener(Happening(0, self.now, What.NOTED, None, words))

    def act(self, number: int, action: Action) -> None:
        """Apply a person's action to a message."""
        if self.watched is not None and self.watched.relay.act(number, action, self.now):
            self.flush()

    def converse(self, names: tuple[str, str]) -> None:
        """Begin the conversation: both parties are known."""
        self.watched = Watched(names, self.wanted, (f"irc:{names[0]}", f"irc:{names[1]}"))

    def hear(self, sender: str, raw: bytes) -> None:
        """Handle what a party has sent."""
        if self.watched is not None and sender in self.watched.relay.names:
            self.watched.relay.hear(sender, raw, self.now)
            self.flush()

    def flush(self) -> None:
        """Deliver what is due, and schedule the next delayed message."""
        if self.watched is None:
            return
        for item in self.watched.relay.take():
            for piece in item.pieces:
                if not self.deliver(item, piece):
                    self.watched.relay.tell(What.NOTED, item, "lost: the receiver is gone, or IRC can't carry it")
                    break
        self.write_out()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.watched.relay.next_due()
        if due is not None:
            self._timer = asyncio.get_running_loop().call_later(max(due - self.now, 0), self._tick)

    def _tick(self) -> None:
        if self.watched is not None:
            with self.catching():
                self.watched.relay.tick(self.now)
                self.flush()

    def catching(self) -> _Catching:
        """A context in which an error ends the service, and `run` raises it: a defect of ours, or a full disk."""
        return _Catching(self)

    def failed(self, error: BaseException) -> None:
        """Handle an error that has ended a task."""
        self._error = self._error or error
        self.over.set()

    def finish(self) -> None:
        """End the conversation: everybody has left."""
        if not self._stays:
            self.over.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        try:
            with self.catching():
                await self.serve(reader, writer)
        except asyncio.CancelledError:
            return  # the service is ending; Python 3.11 logs an error for a connection whose task was cancelled
        finally:
            self._writers.discard(writer)
            if task is not None:
                self._tasks.discard(task)
            writer.close()

    def keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a task in the background, and keep a reference to it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client that has connected."""

    @abstractmethod
    def deliver(self, item: Item, piece: bytes) -> bool:
        """Deliver a piece of a message to its receiver; return whether that was possible."""

    @abstractmethod
    def write_out(self) -> None:
        """Write all pending output."""


class _Catching:
    """See `Service.catching`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        if not isinstance(error, ConnectionError):
            self._service.failed(error)
        return True


def _put(writer: asyncio.StreamWriter, data: bytearray) -> None:
    """Write bytes to a socket; disconnect a client that does not read."""
    if data:
        with suppress(ConnectionError, RuntimeError):
            writer.write(bytes(data))
        data.clear()
    if writer.transport.get_write_buffer_size() > _MOST_BUFFERED:
        writer.transport.abort()


class IrcService(Service):
    """An IRC server for two programs."""

    def __init__(self, listen: Address, wanted: Wanted, stays: bool = False) -> None:
        super().__init__(listen, wanted, stays)
        self._hub = Hub(self._heard, self._joined, self._left, self.note)
        self._clients: dict[Client, asyncio.StreamWriter] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = self._hub.connect()
        if client is None:
            return
        self._clients[client] = writer
        try:
            while not client.closing:
                data = await reader.read(_CHUNK)
                if not data:
                    break
                client.feed(data)
                self.write_out()
        finally:
            self.write_out()
            del self._clients[client]
            client.gone()

    def write_out(self) -> None:
        for client, writer in list(self._clients.items()):
            _put(writer, client.out)
            if client.closing:
                writer.close()

    def deliver(self, item: Item, piece: bytes) -> bool:
        return self._hub.say(item.sender, item.receiver, piece)

    def _heard(self, sender: str, text: bytes) -> None:
        self.hear(sender, text)

    def _joined(self, nick: str) -> None:
        self.note(f"{nick} is there")
        if self.watched is None and len(self._hub.nicks) == 2:
            first, second = self._hub.nicks
            self.converse((first, second))

    def _left(self, nick: str) -> None:
        if self.over.is_set():
            return
        self.note(f"{nick} has left")
        if self.watched is not None and not self._hub.there:
            self.finish()


class BridgeService(Service):
    """Between a client and a server. peer: the correspondent whose messages go through the relay."""

    def __init__(self, listen: Address, server: Address, peer: str, wanted: Wanted, stays: bool = False) -> None:
        super().__init__(listen, wanted, stays)
        self._address, self._peer = server, peer
        self._bridge: Bridge | None = None
        self._writers_of: tuple[asyncio.StreamWriter, asyncio.StreamWriter] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._bridge is not None:
            self.note("rejected a second client: one is already connected")
            return
        bridge = self._bridge = Bridge(self._peer, self._named, self._heard, self.note)
        try:
            try:
                far_reader, far_writer = await asyncio.open_connection(self._address.host, self._address.port)
            except OSError as error:
                self.failed(NotServing(f"the server {self._address} can't be reached: {error.strerror or error}"))
                return
            self._writers.add(far_writer)
            self._writers_of = writer, far_writer
            self.note(f"a client is connected to {self._address}")
            other = self.keep(self._from_server(bridge, far_reader, writer))
            await self._pump(reader, bridge.from_client)
            other.cancel()
            self._writers.discard(far_writer)
            far_writer.close()
        finally:
            self._bridge = self._writers_of = None
            if not self.over.is_set():
                self.note("the client has left")
                self.finish()

    async def _from_server(self, bridge: Bridge, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self.catching():
            await self._pump(reader, bridge.from_server)
        self.note("the server has closed the connection")
        writer.close()

    async def _pump(self, reader: asyncio.StreamReader, feed: Callable[[bytes], bool]) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                goes_on = feed(data)
                self.write_out()
                if not goes_on:
                    break

    def write_out(self) -> None:
        if self._bridge is not None and self._writers_of is not None:
            _put(self._writers_of[0], self._bridge.to_client)
            _put(self._writers_of[1], self._bridge.to_server)

    def deliver(self, item: Item, piece: bytes) -> bool:
        return self._bridge is not None and self._bridge.say(item.receiver, piece)

    def _named(self, nick: str) -> None:
        if self.watched is None:
            self.converse((nick, self._peer))

    def _heard(self, sender: str, text: bytes) -> None:
        self.hear(sender, text)
