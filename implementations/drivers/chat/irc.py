"""An IRC server on the loopback interface for one client. Its correspondents are a callback, not connections.

A PING to the client is a barrier: the client handles its lines in order, so when the PONG arrives, everything that it
sent because of earlier lines has arrived, too. The length of a line and the rate of lines are not limited.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from otterproof.implementations.drivers.chat.loop import Lines, Loop
from otterproof.implementations.drivers.chat.server import LoopbackServer

#: The nick of the program's user, and the server's own name.
NICK, SERVER = "target", "loop"

_WELCOME = (
    ("001", "Welcome"),
    ("002", "Your host is loop"),
    ("003", "This server was created just now"),
)


class IrcServer(LoopbackServer):
    """The server. `heard` is called with the nick and the text of each message to a correspondent."""

    def __init__(self, loop: Loop, heard: Callable[[str, bytes], None]) -> None:
        super().__init__(loop, lambda fd: Lines(loop, fd, self._line, b"\r\n"))
        self._heard = heard

    def say(self, nick: str, text: bytes) -> None:
        """Send the user a correspondent's message."""
        self._send(f":{nick}!u@{SERVER} PRIVMSG {NICK} :".encode() + text)

    def barrier(self) -> None:
        """Wait until the client has handled everything sent so far."""
        number = next(self._pings)
        self._send(f"PING :{number}".encode())
        self._wait_for(number)

    def _send(self, line: bytes) -> None:
        if self._client is not None:
            self._client.write(line)

    def _reply(self, code: str, rest: str) -> None:
        self._send(f":{SERVER} {code} {NICK} {rest}".encode())

    def _line(self, line: bytes) -> None:
        head, _, trailing = line.partition(b" :")
        command, *words = head.decode("latin-1").split() or [""]
        command = command.upper()
        if command == "PASS":
            given = words[0] if words else trailing.decode("latin-1")
            self._trusted = secrets.compare_digest(given.encode(), self.password.encode())
        elif command == "CAP" and words[:1] == ["LS"]:
            self._send(f":{SERVER} CAP * LS :".encode())
        elif command == "USER" and self._trusted:
            self._welcome()
        elif not self.connected:
            pass
        elif command == "PRIVMSG" and words and not trailing:
            self._reply("412", ":No text to send")  # as every server does; the correspondent gets nothing
        elif command == "PRIVMSG" and words:
            self._heard(words[0], trailing)
        elif command == "PONG":
            number = trailing or words[-1].encode()
            self._answered = max(self._answered, int(number)) if number.isdigit() else self._answered
        elif command == "PING":
            self._send(f":{SERVER} PONG {SERVER} :".encode() + (trailing or " ".join(words).encode()))
        else:
            self._ask(command, words, trailing)

    def _welcome(self) -> None:
        for code, text in _WELCOME:
            self._reply(code, f":{text}")
        self._reply("004", f"{SERVER} 1 i n")
        self._reply("005", "CHANTYPES=# NICKLEN=30 :are supported")
        self._reply("422", ":There is no message of the day")
        self.connected = True

    def _ask(self, command: str, words: list[str], trailing: bytes) -> None:
        """Answer queries about users; other commands need no answer."""
        nicks = [*words, *trailing.decode("latin-1").split()]
        if command == "USERHOST":
            self._reply("302", ":" + " ".join(f"{nick}=+u@{SERVER}" for nick in nicks))
        elif command == "ISON":
            self._reply("303", ":" + " ".join(nicks))
        elif command == "WHOIS" and nicks:
            self._reply("311", f"{nicks[-1]} u {SERVER} * :{nicks[-1]}")
            self._reply("318", f"{nicks[-1]} :End of WHOIS")
        elif command == "WHO" and nicks:
            self._reply("315", f"{nicks[0]} :End of WHO")
        elif command == "MODE" and nicks:
            self._reply("221", "+i")
