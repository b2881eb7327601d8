"""IRC without sockets: a small server for two clients, whose private messages to each other go through the relay.

Bytes in, bytes out. Clients are not trusted: lines, names and pending output have limits, and a client that exceeds one
is disconnected. The server supports only what a client needs to register and to talk to another: no channels, no
operators.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from otterproof.harness.support.printable import printable

#: The longest line, the most bytes pending for a client, and the most clients connected at once.
LONGEST_LINE, MOST_WAITING, MOST_CLIENTS = 1 << 16, 4 << 20, 8

#: The server's own name.
SERVER = "otterproof"

NICK = re.compile(r"[A-Za-z\[\]\\`_^{|}][A-Za-z0-9\[\]\\`_^{|}-]{0,29}")

#: Bytes that an IRC line can't contain.
_ENDS = (b"\r", b"\n", b"\0")


def fits_a_line(text: bytes) -> bool:
    """Whether IRC can carry a text."""
    return bool(text) and not any(end in text for end in _ENDS)


class LineReader:
    """Splits bytes into lines. too_long: the other side has sent a line without end."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self.too_long = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are now complete, without their line ends."""
        if self.too_long:
            return []
        *lines, rest = (bytes(self._rest) + data).split(b"\n") if b"\n" in data else (bytes(self._rest) + data,)
        self._rest = bytearray(rest)
        self.too_long = len(rest) > LONGEST_LINE or any(len(line) > LONGEST_LINE for line in lines)
        return [] if self.too_long else [line.removesuffix(b"\r") for line in lines]


class Client:
    """A connection to the server. out: data to write to it. closing: close it after that."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lines = LineReader()
        self.out = bytearray()
        self.closing = False
        self.nick = ""
        self._named = ""
        self._user = False

    def feed(self, data: bytes) -> None:
        """Handle received bytes."""
        for line in self._lines.feed(data):
            if not self.closing:
                self._line(line)
        if self._lines.too_long and not self.closing:
            self.refuse(f"a line has at most {LONGEST_LINE} bytes")

    def gone(self) -> None:
        """The connection is closed."""
        self.closing = True
        self._hub.leave(self)

    def refuse(self, why: str) -> None:
        """Close the connection, giving the reason."""
        self.write(f"ERROR :{why}".encode())
        self.closing = True
        self._hub.note(f"{printable(self.nick) or 'a client'} is disconnected: {why}")

    def write(self, line: bytes) -> None:
        """Write a line. A client that does not read is disconnected."""
        if self.closing:
            return
        if len(self.out) > MOST_WAITING:
            self.out.clear()
            self.closing = True
            self._hub.note(f"{printable(self.nick) or 'a client'} is disconnected: it does not read")
            return
        self.out += line + b"\r\n"

    def _reply(self, code: str, rest: str) -> None:
        self.write(f":{SERVER} {code} {self.nick or '*'} {rest}".encode(errors="replace"))

    def _line(self, line: bytes) -> None:
        if line.startswith(b":"):
            line = line.partition(b" ")[2]  # drop the prefix: a client may claim any sender
        head, colon, trailing = line.partition(b" :")
        words = head.decode("latin-1").split()
        if not words:
            return
        command, given = words[0].upper(), words[1:]
        last = trailing if colon else (given[-1].encode("latin-1") if given else b"")
        match command:
            case "NICK":
                self._call_itself(given[0] if given else last.decode("latin-1"))
            case "USER":
                self._user = True
                self._begin()
            case "CAP" if given[:1] == ["LS"]:
                self.write(f":{SERVER} CAP * LS :".encode())
            case "CAP" if given[:1] == ["REQ"]:
                self.write(f":{SERVER} CAP * NAK :".encode() + last)
            case "PING":
                self.write(f":{SERVER} PONG {SERVER} :".encode() + last)
            case "QUIT":
                self.closing = True
            case "PRIVMSG" | "NOTICE" if self.nick and given:
                self._hub.message(self, command, given[0], trailing if colon else b" ".join(_tail(given)))
            case _ if self.nick:
                self._ask(command, given)

    def _call_itself(self, nick: str) -> None:
        if self.nick:
            if nick != self.nick:
                self._reply("447", ":a nick can't be changed here")
        elif not NICK.fullmatch(nick):
            self._reply("432", "* :a nick has 1 to 30 letters, digits and some signs")
        elif not self._hub.is_free(nick):
            self._reply("433", f"{nick} :somebody else has that nick, or two are here already")
        else:
            self._named = nick
            self._begin()

    def _begin(self) -> None:
        """Register the client once it has sent everything required."""
        if self.nick or not (self._user and self._named):
            return
        if not self._hub.is_free(self._named):
            self._reply("433", f"{self._named} :somebody else has that nick")
            self._named = ""
            return
        self.nick = self._named
        for code, text in (("001", "Welcome"), ("002", f"Your host is {SERVER}"), ("003", "It was started just now")):
            self._reply(code, f":{text}")
        self._reply("004", f"{SERVER} 1 i n")
        self._reply("005", "CHANTYPES=# NICKLEN=30 CASEMAPPING=ascii :are supported")
        self._reply("422", ":There is no message of the day")
        self._hub.join(self)

    def _ask(self, command: str, given: list[str]) -> None:
        """Answer a query about who is online; other commands need no answer."""
        nicks = [one.lstrip(":") for one in given if NICK.fullmatch(one.lstrip(":"))]
        there = [one for one in nicks if self._hub.is_there(one)]
        match command:
            case "USERHOST":
                self._reply("302", ":" + " ".join(f"{nick}=+u@{SERVER}" for nick in there))
            case "ISON":
                self._reply("303", ":" + " ".join(there))
            case "WHOIS" if nicks and there:
                self._reply("311", f"{there[-1]} u {SERVER} * :{there[-1]}")
                self._reply("318", f"{there[-1]} :End of WHOIS")
            case "WHOIS" if nicks:
                self._reply("401", f"{nicks[-1]} :No such nick")
            case "WHO" if given:
                self._reply("315", f"{given[0][:40]} :End of WHO")
            case "MODE" if nicks:
                self._reply("221", "+i")
            case "JOIN" if given:
                self._reply("403", f"{given[0][:40]} :There are no channels here")


def _tail(given: list[str]) -> list[bytes]:
    return [word.encode("latin-1") for word in given[1:]]


class Hub:
    """The server.

    heard: called with the sender and what it says to the other; joined and left: with a nick; note: with words about
    anything else that happens.
    """

    def __init__(
        self,
        heard: Callable[[str, bytes], None],
        joined: Callable[[str], None],
        left: Callable[[str], None],
        note: Callable[[str], None],
    ) -> None:
        self._heard, self._joined, self._left, self.note = heard, joined, left, note
        #: Nicks that have been here, in order of arrival; a nick that was here can come back.
        self.nicks: list[str] = []
        self._there: dict[str, Client] = {}
        self._connected = 0

    def connect(self) -> Client | None:
        """A new connection; None if there are too many."""
        if self._connected >= MOST_CLIENTS:
            return None
        self._connected += 1
        return Client(self)

    def is_free(self, nick: str) -> bool:
        """Whether a client can have a nick."""
        low = {one.lower(): one for one in self.nicks}
        if nick.lower() in low:
            return low[nick.lower()] == nick and nick not in self._there
        return len(self.nicks) < 2

    def is_there(self, nick: str) -> bool:
        """Whether a client of that nick is connected."""
        return nick in self._there

    @property
    def there(self) -> int:
        """How many of the two clients are connected."""
        return len(self._there)

    def join(self, client: Client) -> None:
        """A client has registered."""
        self._there[client.nick] = client
        if client.nick not in self.nicks:
            self.nicks.append(client.nick)
        self._joined(client.nick)

    def leave(self, client: Client) -> None:
        """A connection has closed."""
        self._connected -= 1
        if self._there.get(client.nick) is client:
            del self._there[client.nick]
            self._left(client.nick)

    def message(self, client: Client, command: str, to: str, text: bytes) -> None:
        """Handle what a client says to somebody. CTCP commands pass unchanged."""
        other = next((one for one in self.nicks if one != client.nick), None)
        if not text:
            client.write(f":{SERVER} 412 {client.nick} :No text to send".encode())
        elif other is None or to.lower() != other.lower() or other not in self._there:
            shown = to if NICK.fullmatch(to) else "*"
            client.write(f":{SERVER} 401 {client.nick} {shown} :No such nick".encode())
        elif command == "NOTICE" or text.startswith(b"\x01"):
            self._there[other].write(f":{client.nick}!u@{SERVER} {command} {other} :".encode() + text)
            self.note(
                f"{client.nick} sends a {'notice' if command == 'NOTICE' else 'CTCP request'}, which passes unchanged"
            )
        else:
            self._heard(client.nick, text)

    def say(self, sender: str, to: str, text: bytes) -> bool:
        """Deliver something; return whether the receiver is connected and IRC can carry it."""
        if to not in self._there or not fits_a_line(text):
            return False
        self._there[to].write(f":{sender}!u@{SERVER} PRIVMSG {to} :".encode() + text)
        return True
