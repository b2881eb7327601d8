"""A D-Bus client in the driver's loop: while a call waits for its answer, everything else goes on."""

from __future__ import annotations

import re
import socket
from itertools import count
from typing import Any

from jeepney import DBusAddress, Message, MessageType, Properties, new_method_call
from jeepney.auth import BEGIN, Authenticator
from jeepney.low_level import HeaderFields, Parser

from otterproof.implementations.drivers.chat.loop import Loop, Stream

#: The address of a bus with a socket in the file system, as dbus-daemon writes it.
_ADDRESS = re.compile(r"unix:path=([^,;]+)")

_CHUNK = 4096


class BusError(Exception):
    """The answer to a call is an error."""


class Bus:
    """A connection to a bus. address: as dbus-daemon writes it."""

    def __init__(self, loop: Loop, address: str) -> None:
        found = _ADDRESS.match(address)
        if not found:
            raise ValueError(f"the bus {address!r:.200} has no socket in a file")
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(found[1])
        _log_in(connection)
        self._loop = loop
        self._parser = Parser()
        self._serials = count(1)
        self._answers: dict[int, Message] = {}
        self._stream = Stream(loop, connection.detach(), self._read)
        self.call(DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus"), "Hello")

    def call(self, where: DBusAddress, method: str, signature: str = "", *arguments: object) -> tuple[Any, ...]:
        """Call a method and wait for its results. BusError if the answer is an error."""
        return self._ask(new_method_call(where, method, signature or None, arguments))

    def read(self, where: DBusAddress, name: str) -> object:
        """The value of a property. BusError if the answer is an error."""
        return self._ask(Properties(where).get(name))[0][1]

    def _ask(self, message: Message) -> tuple[Any, ...]:
        serial = next(self._serials)
        self._stream.write(message.serialise(serial))
        self._loop.until(lambda: serial in self._answers)
        answer = self._answers.pop(serial)
        if answer.header.message_type == MessageType.error:
            name = answer.header.fields.get(HeaderFields.error_name)
            raise BusError(f"{name}: {answer.body!r:.300}")
        body: tuple[Any, ...] = answer.body
        return body

    def _read(self, chunk: bytes) -> None:
        self._parser.add_data(chunk)
        while (message := self._parser.get_next_message()) is not None:
            if message.header.message_type in (MessageType.method_return, MessageType.error):
                self._answers[message.header.fields[HeaderFields.reply_serial]] = message

    @property
    def ended(self) -> bool:
        """Whether the bus has ended."""
        return self._stream.ended

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()


def _log_in(connection: socket.socket) -> None:
    """Authenticate as the user of this process, which the bus checks itself."""
    steps = Authenticator()
    for words in steps:
        connection.sendall(words)
        steps.feed(connection.recv(_CHUNK))
    connection.sendall(BEGIN)
