"""mcabber: an XMPP client on a terminal, which takes commands from a named pipe and shows a conversation on its screen.

Before every step the driver clears the correspondent's window, so afterwards it shows the results of the step. A step
ends with a mark, which the program prints into its log at the bottom of the screen. README.md lists which line becomes
which event, and what is not told.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from otterproof.implementations.contract import DsaPrivateKey
from otterproof.implementations.drivers.adapter import About
from otterproof.implementations.drivers.chat.home import Home
from otterproof.implementations.drivers.chat.loop import Closed, Loop
from otterproof.implementations.drivers.chat.party import Correspondents
from otterproof.implementations.drivers.chat.terminal import on_terminal
from otterproof.implementations.drivers.chat.window import SIZE, Window
from otterproof.implementations.drivers.chat.xmpp import DOMAIN, OWN, XmppServer
from otterproof.implementations.keyfile import Account, format_keys

if TYPE_CHECKING:
    from otterproof.implementations.drivers.chat.mcabber_party import McabberParty

_SETTINGS = """\
set jid = {own}
set resource = r
set disable_random_resource = 1
set password = {password}
set server = 127.0.0.1
set port = {port}
set tls = 0
set pinginterval = 0
set otr = 1
set otr_dir = {home}/otr
otrpolicy default manual
set logging = 1
set logging_dir = {home}/histo
set log_win_height = 12
set roster_width = 24
set beep_on_message = 0
module load fifo
set fifo_hide_commands = 1
set fifo_name = {home}/fifo
"""

#: The border between the roster and the correspondent's window.
_BORDER = "\N{BOX DRAWINGS LIGHT VERTICAL}"

#: The number of columns to the right of the border.
WIDTH = SIZE[1] - 24

#: In bytes: the longest text that was tested.
LONGEST_TEXT = 2000

_STAMPED = re.compile(r"\d\d-\d\d \d\d:\d\d (.*)")
_OWN_FINGERPRINT = re.compile(rf"{OWN}: ([0-9A-F]{{8}}(?: [0-9A-F]{{8}}){{4}})")
_OTHER_FINGERPRINT = re.compile(r"\[([0-9A-F]{8}(?: [0-9A-F]{8}){4})\]: ")


class Mcabber(Correspondents["McabberParty"]):
    """A running mcabber with one key, in which every party is a correspondent."""

    MOST = 80

    def __init__(self, key: DsaPrivateKey, instance_tag: int | None = None) -> None:
        super().__init__()
        self.instance_tag = instance_tag
        self._marks = 0
        self._open = ""
        self._loop = Loop()
        self._server = XmppServer(self._loop, self._sent)
        self._home = Home("mcabber")
        where = {"own": OWN, "port": self._server.port, "password": self._server.password, "home": self._home.path}
        self._home.file("mcabberrc", _SETTINGS.format(**where))
        (self._home.path / "histo").mkdir(mode=0o700)
        self._home.file(f"otr/{OWN}.key", format_keys([Account(OWN, "jabber", key)]))
        self._home.file(f"otr/{OWN}.fpr", "")
        if instance_tag is not None:
            self._home.file(f"otr/{OWN}.tag", f"{OWN}\tjabber\t{instance_tag:08x}\n")
        self._start()

    def _start(self) -> None:
        """Start mcabber, and wait until it is ready."""
        home = str(self._home.path)
        self._window = Window()
        if not (self._home.path / "fifo").exists():  # mcabber removes it when it ends
            os.mkfifo(self._home.path / "fifo", 0o600)
        # Open for reading and writing, so that mcabber can open it and never reads its end.
        self._fifo = os.open(self._home.path / "fifo", os.O_RDWR | os.O_CLOEXEC)
        self._process = on_terminal(
            self._loop,
            ["mcabber", "-f", f"{home}/mcabberrc"],
            {"TERM": "linux", "LC_ALL": "C.UTF-8", "HOME": home, "PATH": os.environ["PATH"]},
            size=SIZE,
            shown=self._window.feed,
        )
        try:
            self._loop.until(lambda: self._server.connected)
        except Closed:
            self._process.die_alike()
        self._introduce("asker")
        self._open = ""
        self._show("asker")
        self._process.write(b"\r")  # opens the window
        self.fingerprint = self._own_fingerprint()

    def _own_fingerprint(self) -> bytes:
        for line in self._ask(b"/otr key"):
            if found := _OWN_FINGERPRINT.search(line):
                return bytes.fromhex(found[1])
        self.close()
        raise ValueError("mcabber has not loaded its key")

    def join(self, party: McabberParty) -> str:
        """Add a correspondent and return the nick. No other nick contains it, since mcabber searches its roster."""
        nick = self._nick_for(party, "x")
        self._introduce(nick)
        return nick

    def _introduce(self, nick: str) -> None:
        try:
            self._server.introduce(nick)
            self._server.barrier()
        except Closed:
            self._process.die_alike()

    def leave(self, nick: str) -> None:
        """Remove a correspondent."""
        self.parties.pop(nick, None)

    def deliver(self, nick: str, message: bytes) -> tuple[list[str], list[bytes]]:
        """Deliver a correspondent's message. Returns the lines shown and the texts added to the history."""
        return self._step(nick, lambda: self._server.say(nick, message))

    def do(self, nick: str, command: bytes) -> list[str]:
        """The user gives a command. Returns the lines shown."""
        return self._step(nick, lambda: self._command(command))[0]

    def their_fingerprint(self, nick: str) -> str | None:
        """A correspondent's fingerprint, from the command for it; None if mcabber does not know it."""
        for line in self._ask(f"/otr fingerprint {nick}@{DOMAIN}".encode()):
            if found := _OTHER_FINGERPRINT.search(line):
                return found[1].replace(" ", "").lower()
        return None

    def _show(self, nick: str) -> None:
        if nick != self._open:
            self._command(f"/roster search {nick}".encode())
            self._open = nick

    def _step(self, nick: str, act: Callable[[], None]) -> tuple[list[str], list[bytes]]:
        self._show(nick)
        self._command(b"/buffer clear")
        self._mark()
        history = self._home.path / "histo" / f"{nick}@{DOMAIN}"
        before = history.stat().st_size if history.exists() else 0
        act()
        try:
            self._server.barrier()
            self._mark()
            self._server.barrier()
            self._loop.drain()
        except Closed:
            self._process.die_alike()
        new = history.read_bytes()[before:] if history.exists() else b""
        return joined(self._window.right_of(_BORDER)), _texts(new)

    def _mark(self) -> list[str]:
        """Wait until mcabber has carried out its commands. Returns what it has printed into its log meanwhile."""
        self._marks += 1
        before, after = (f"<mark {number}>" for number in (self._marks - 1, self._marks))
        self._command(f"/echo {after}".encode())
        try:
            self._loop.until(lambda: self._window.between(before, after) is not None)
            self._loop.drain()
        except Closed:
            self._process.die_alike()
        return self._window.between(before, after) or []

    def _ask(self, command: bytes) -> list[str]:
        """The lines in the log for a command of the driver's own, not the user's."""
        self._mark()
        self._command(command)
        return self._mark()

    def _command(self, command: bytes) -> None:
        os.write(self._fifo, command + b"\n")

    def restart(self) -> None:
        """See `Program`."""
        self._command(b"/quit")
        self._process.wait()
        os.close(self._fifo)
        self._server.hang_up()
        self._start()
        for party in self.parties.values():
            party.begin_again()

    def logs(self) -> Mapping[str, bytes]:
        """See `Program`. The histories exist only for the driver, so they are not included."""
        return self._home.logs("otr/*", "histo/*", "fifo")

    def close(self) -> None:
        """End mcabber and clean up."""
        os.close(self._fifo)
        self._server.close()
        self._process.close()
        self._home.remove()
        self._loop.close()


def joined(lines: list[str]) -> list[str]:
    """The window's lines without their time. Indented lines continue the line above.

    A word longer than a line is cut at the edge. Other lines are wrapped at a blank, which is not shown, before a word
    that would reach the edge. So a line that is shorter than that ends at a line end of the text.
    """
    found: list[str] = []
    above = 0
    for line in lines:
        words = line.strip()
        if stamped := _STAMPED.match(line):
            found.append(stamped[1])
        elif found and words:
            wrapped = above + 1 + len(words.split()[0]) >= WIDTH
            found[-1] += ("" if above == WIDTH else " " if wrapped else "\n") + words
        above = len(line)
    return found


def _texts(history: bytes) -> list[bytes]:
    """The received texts in a part of a history. Each entry begins with its kind, time, and number of further lines."""
    found, lines = [], history.split(b"\n")
    while lines:
        head, *lines = lines
        words = head.split(b" ", 3)
        if len(words) < 4 or not words[2].isdigit():
            continue
        more = int(words[2])
        if words[0] == b"MR":
            found.append(b"\n".join([words[3], *lines[:more]]))
        lines = lines[more:]
    return found


def about() -> About:
    """The answer to `hello`."""
    said = subprocess.run(["mcabber", "-V"], capture_output=True, text=True, timeout=30, check=False)
    found = re.search(r"MCabber (\S+)", said.stdout)
    version = found[1] if found else "unknown"
    capabilities = ["v2", "v3", "smp", "smp_abort", "instance_tags", "restart", "logs"]
    return About("mcabber", version, [2, 3], capabilities, "none", ("allow_v2", "allow_v3"), LONGEST_TEXT)
