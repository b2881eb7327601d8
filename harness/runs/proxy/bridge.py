"""Between an IRC client and a server, without sockets: lines in, lines out.

Everything passes unchanged except private messages between the client and one correspondent, which go to the relay.
What the relay delivers continues as a line of the same form. The client's nick is taken from the server's welcome.
"""

from __future__ import annotations

from collections.abc import Callable

from otterproof.harness.runs.proxy.irc import LONGEST_LINE, LineReader, fits_a_line


class Bridge:
    """One client and one server.

    peer: the correspondent. named: called with the client's nick. heard: called with the sender and the text of a
    private message. note: called with words about anything else that happens. to_client, to_server: data to write.
    """

    def __init__(
        self,
        peer: str,
        named: Callable[[str], None],
        heard: Callable[[str, bytes], None],
        note: Callable[[str], None],
    ) -> None:
        self._peer, self._named, self._heard, self._note = peer, named, heard, note
        self._client, self._server = LineReader(), LineReader()
        self._nick = ""
        #: How the server names the correspondent: nick!user@host.
        self._prefix = f"{peer}!{peer}@otterproof".encode()
        self.to_client, self.to_server = bytearray(), bytearray()

    def from_client(self, data: bytes) -> bool:
        """Handle data from the client; return whether the connection continues."""
        for line in self._client.feed(data):
            text = _private(_untagged(line), self._peer) if self._nick else None
            if text is None:
                self.to_server += line + b"\r\n"
            else:
                self._heard(self._nick, text)
        return self._goes_on(self._client, "client")

    def from_server(self, data: bytes) -> bool:
        """Handle data from the server; return whether the connection continues."""
        for line in self._server.feed(data):
            plain = _untagged(line)
            prefix, _, rest = plain[1:].partition(b" ") if plain.startswith(b":") else (b"", b"", plain)
            self._welcome(rest)
            sender = prefix.partition(b"!")[0].decode("latin-1")
            text = _private(rest, self._nick) if self._nick and sender.lower() == self._peer.lower() else None
            if text is None:
                self.to_client += line + b"\r\n"
            else:
                self._prefix = prefix
                self._heard(self._peer, text)
        return self._goes_on(self._server, "server")

    def _welcome(self, rest: bytes) -> None:
        words = rest.split(b" ", 2)
        if words[0] == b"001" and len(words) > 1 and not self._nick:
            nick = words[1].decode("latin-1")
            if nick.isascii() and nick.isprintable() and nick.lower() != self._peer.lower():
                self._nick = nick
                self._named(nick)

    def _goes_on(self, reader: LineReader, whose: str) -> bool:
        if reader.too_long:
            self._note(f"the connection is closed: a line of the {whose} has more than {LONGEST_LINE} bytes")
        return not reader.too_long

    def say(self, receiver: str, text: bytes) -> bool:
        """Deliver something; return whether IRC can carry it."""
        if not fits_a_line(text):
            return False
        if receiver == self._peer:
            self.to_server += f"PRIVMSG {self._peer} :".encode() + text + b"\r\n"
        else:
            self.to_client += b":" + self._prefix + f" PRIVMSG {self._nick} :".encode() + text + b"\r\n"
        return True


def _untagged(line: bytes) -> bytes:
    """A line without the IRCv3 tags, such as the time, that may precede it."""
    return line.partition(b" ")[2].lstrip(b" ") if line.startswith(b"@") else line


def _private(line: bytes, to: str) -> bytes | None:
    """The text of a private message to somebody; None for any other line, and for CTCP requests."""
    words = line.split(b" ", 2)
    if len(words) < 3 or words[0].upper() != b"PRIVMSG" or words[1].decode("latin-1").lower() != to.lower():
        return None
    text = words[2].removeprefix(b":")
    return None if text.startswith(b"\x01") or not text else text
