"""What the servers of a chat driver share: a port on the loopback interface, one client, and the count of its pings.

Every user of the machine can reach the port, so the client must give a password.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from itertools import count

from otterproof.implementations.drivers.chat.loop import Loop, Stream


class LoopbackServer:
    """Accepts one client and refuses all others. connect: makes the client's stream from a descriptor."""

    def __init__(self, loop: Loop, connect: Callable[[int], Stream]) -> None:
        self._loop, self._connect = loop, connect
        self.password = secrets.token_hex(16)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        #: Whether the client has registered; after that it can receive messages.
        self.connected = False
        self._client: Stream | None = None
        self._trusted = False
        self._pings = count(1)
        self._answered = 0
        loop.add(self._listening.fileno(), self._accept)

    def _accept(self) -> None:
        connection, _ = self._listening.accept()
        if self._client is not None:
            connection.close()
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = self._connect(connection.detach())

    def _wait_for(self, ping: int) -> None:
        """Wait for the answer to a ping. By then the client has handled everything sent before it."""
        self._loop.until(lambda: self._answered >= ping)

    def hang_up(self) -> None:
        """Disconnect the client; another one may connect."""
        if self._client is not None:
            self._client.close()
        self._client, self.connected, self._trusted = None, False, False

    def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            self._client.close()
        self._loop.remove(self._listening.fileno())
        self._listening.close()
