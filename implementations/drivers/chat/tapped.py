"""IRC programs with a tap: a script inside the program that types commands and reports what the user is shown.

A line of the tap consists of words in hexadecimal digits. The driver writes `type NICK COMMAND` and `leave NICK`, and
the tap answers each with `done`. It also reports `ready`, `text NICK TEXT`, `shown NICK LINE`, and possibly other words
about a NICK, which go to the method `on_...` of the party with that nick.
"""

from __future__ import annotations

import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from otterproof.implementations.contract import DsaPrivateKey
from otterproof.implementations.drivers.chat.home import Home
from otterproof.implementations.drivers.chat.irc import IrcServer
from otterproof.implementations.drivers.chat.loop import Closed, Lines, Loop
from otterproof.implementations.drivers.chat.party import ChatParty, Correspondents
from otterproof.implementations.drivers.chat.terminal import on_terminal

P = TypeVar("P", bound=ChatParty)

#: The most lines kept that concern no party.
_OVERHEARD = 100


class TappedProgram(Correspondents[P], ABC):
    """A running program with one key, in which every party is a correspondent."""

    #: The parties that one process serves; their windows and OTR contexts stay in memory.
    MOST = 200

    #: The program's name, the patterns of its key stores, and the command that ends it.
    NAME: str
    STORES: Sequence[str]
    QUIT: bytes

    def __init__(self, key: DsaPrivateKey, _: int | None = None) -> None:
        super().__init__()
        self._loop = Loop()
        self._server = IrcServer(self._loop, self._sent)
        self._home = Home(self.NAME)
        self._done = self._asked = 0
        #: Lines of other windows, and messages to other nicks, since it was last cleared.
        self._overheard: list[bytes] = []
        self._prepare(key)
        self._start()

    @abstractmethod
    def _prepare(self, key: DsaPrivateKey) -> None:
        """Write the files that the program needs in its folder."""

    @abstractmethod
    def _command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """The command that starts the program, and its additional environment variables."""

    @abstractmethod
    def _identify(self) -> tuple[bytes, int | None]:
        """The fingerprint that the program shows, and its instance tag. ValueError if it shows none."""

    def _start(self) -> None:
        """Start the program, and wait until it is ready."""
        ours, theirs = socket.socketpair()
        command, environment = self._command()
        usual = {"TERM": "vt100", "LC_ALL": "C.UTF-8", "HOME": str(self._home.path), "PATH": os.environ["PATH"]}
        self._process = on_terminal(
            self._loop, command, {**usual, "TAP_FD": f"{theirs.fileno()}", **environment}, [theirs.fileno()]
        )
        theirs.close()
        self._tap = Lines(self._loop, ours.detach(), self._told)
        self._ready = False
        try:
            self._loop.until(lambda: self._ready and self._server.connected)
            self._server.barrier()  # wait until it knows that it is connected
            self.fingerprint, self.instance_tag = self._identify()
        except Closed:
            self._process.die_alike()
        except ValueError:
            self.close()
            raise

    def join(self, party: P) -> str:
        """Add a correspondent and return the nick."""
        return self._nick_for(party)

    def _settle(self) -> None:
        """Wait until the program has handled all its input, and read its output."""
        try:
            self._loop.until(lambda: self._done >= self._asked)
            self._server.barrier()
            self._loop.drain()
        except Closed:
            self._process.die_alike()

    def type(self, nick: str, command: bytes) -> None:
        """The user types a command into the window of a correspondent."""
        self._ask(b"type", nick.encode(), command)

    def leave(self, nick: str) -> None:
        """The user closes the window of a correspondent."""
        self.parties.pop(nick, None)
        self._ask(b"leave", nick.encode())

    def _ask(self, *words: bytes) -> None:
        self._asked += 1
        self._tap.write(b" ".join(word.hex().encode() for word in words))
        self._settle()

    def deliver(self, nick: str, message: bytes) -> None:
        """Deliver a correspondent's message."""
        self._server.say(nick, message)
        self._settle()

    def _sent(self, nick: str, message: bytes) -> None:
        super()._sent(nick, message)
        if nick not in self.parties:
            self._overheard.append(message)

    def restart(self) -> None:
        """See `Program`."""
        self._tap.write(b" ".join(word.hex().encode() for word in (b"type", b"asker", self.QUIT)))
        with suppress(Closed):  # the program may end before all is sent
            self._loop.until(lambda: self._tap.empty)
        self._process.wait()
        self._tap.close()
        self._server.hang_up()
        self._done = self._asked
        self._start()
        for party in self.parties.values():
            party.begin_again()

    def logs(self) -> Mapping[str, bytes]:
        """See `Program`."""
        return self._home.logs(*self.STORES)

    def _told(self, line: bytes) -> None:
        """Handle a line from the tap."""
        what, *words = (bytes.fromhex(word.decode()) for word in line.split(b" "))
        if what == b"done":
            self._done += 1
        elif what == b"ready":
            self._ready = True
        else:
            party = self.parties.get(words[0].decode(errors="replace"))
            if party is not None:
                getattr(party, f"on_{what.decode()}")(words[1])
            elif what == b"shown":
                self._overheard = [*self._overheard, words[1]][-_OVERHEARD:]
                self._told_elsewhere(words[1])

    def _told_elsewhere(self, line: bytes) -> None:
        """Handle a line in a window that belongs to no correspondent."""

    def close(self) -> None:
        """End the program and clean up."""
        self._tap.close()
        self._server.close()
        self._process.close()
        self._home.remove()
        self._loop.close()
