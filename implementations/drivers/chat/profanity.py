"""Profanity: an XMPP client on a terminal. A plugin types commands and reports texts; the rest is read off the screen.

Every step ends with a mark, a line that the plugin prints into the correspondent's window. When it is on the screen,
everything before it is, too. README.md lists which line becomes which event, and what is not told.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from otterproof.implementations.contract import DsaPrivateKey
from otterproof.implementations.drivers.adapter import About
from otterproof.implementations.drivers.chat.home import Home
from otterproof.implementations.drivers.chat.loop import Closed, Lines, Loop
from otterproof.implementations.drivers.chat.party import Correspondents
from otterproof.implementations.drivers.chat.terminal import on_terminal
from otterproof.implementations.drivers.chat.window import SIZE, Window
from otterproof.implementations.drivers.chat.xmpp import OWN, XmppServer
from otterproof.implementations.keyfile import Account, format_keys

if TYPE_CHECKING:
    from otterproof.implementations.drivers.chat.profanity_party import ProfanityParty

#: The time format of the windows: a constant at the start of each line, which continuation lines do not have.
STAMP = "@"

_SETTINGS = f"""\
[connection]
account=t

[ui]
splash=false
roster=false
occupants=false
wrap=false
time.console={STAMP}
time.chat={STAMP}

[chatstates]
enabled=false

[plugins]
load=tap.py
"""
_ACCOUNT = """\
[t]
enabled=true
jid={own}
server=127.0.0.1
port={port}
password={password}
tls.policy=disable
resource=r
"""

_KEYS = f"data/profanity/otr/{OWN.replace('@', '_at_')}"

_TAP = Path(__file__).with_name("profanity_tap.py")

#: Profanity's policy, which has no setting.
FIXED_POLICY = ("allow_v2",)


class Profanity(Correspondents["ProfanityParty"]):
    """A running Profanity with one key, in which every party is a correspondent."""

    #: The parties that one process serves: each window stays in memory until it is closed.
    MOST = 100

    def __init__(self, key: DsaPrivateKey, _: int | None = None) -> None:
        super().__init__()
        self.instance_tag: int | None = None
        self._marks = 0
        self._loop = Loop()
        self._server = XmppServer(self._loop, self._sent)
        self._server.introduce("tap")
        self._home = Home("profanity")
        account = _ACCOUNT.format(own=OWN, port=self._server.port, password=self._server.password)
        self._home.file("config/profanity/profrc", _SETTINGS)
        self._home.file("data/profanity/accounts", account)
        self._home.file(f"{_KEYS}/keys.txt", format_keys([Account(OWN, "xmpp", key)]))
        self._home.file(f"{_KEYS}/fingerprints.txt", "")
        self._home.file("data/profanity/plugins/tap.py", _TAP.read_bytes())
        self._start()

    def _start(self) -> None:
        """Start Profanity, and wait until it is ready."""
        ours, theirs = socket.socketpair()
        home = str(self._home.path)
        self._window = Window()
        self._process = on_terminal(
            self._loop,
            ["profanity"],
            {
                "TERM": "linux",
                "LC_ALL": "C.UTF-8",
                "HOME": home,
                "PATH": os.environ["PATH"],
                "XDG_CONFIG_HOME": f"{home}/config",
                "XDG_DATA_HOME": f"{home}/data",
                "TAP_FD": f"{theirs.fileno()}",
            },
            [theirs.fileno()],
            size=SIZE,
            shown=self._window.feed,
        )
        theirs.close()
        self._tap = Lines(self._loop, ours.detach(), self._told)
        try:
            self._loop.until(lambda: self._server.connected)
        except Closed:
            self._process.die_alike()
        self._server.introduce("asker")
        self.fingerprint = self._own_fingerprint()

    def _own_fingerprint(self) -> bytes:
        self.type("asker", b"/otr myfp")
        for line in self._settle("asker"):
            _, found, digits = line.partition("Your OTR fingerprint: ")
            if found:
                return bytes.fromhex(digits)
        self.close()
        raise ValueError("Profanity has not loaded its plugin, or not the key")

    def join(self, party: ProfanityParty) -> str:
        """Add a correspondent and return the nick."""
        nick = self._nick_for(party)
        self._server.introduce(nick)
        self._settle(nick)
        return nick

    def leave(self, nick: str) -> None:
        """The user closes a correspondent's window."""
        self.parties.pop(nick, None)
        self.type(nick, b"/close")

    def deliver(self, nick: str, message: bytes) -> list[str]:
        """Deliver a correspondent's message. Returns the lines shown."""
        self._server.say(nick, message)
        return self._settle(nick)

    def type(self, nick: str, command: bytes) -> None:
        """The user types a command into a correspondent's window."""
        self._tell("type", nick, command)

    def do(self, nick: str, command: bytes) -> list[str]:
        """The user types a command. Returns the lines shown."""
        self.type(nick, command)
        return self._settle(nick)

    def _tell(self, verb: str, nick: str, what: bytes) -> None:
        self._server.say("tap", b" ".join(word.hex().encode() for word in (verb.encode(), nick.encode(), what)))

    def _settle(self, nick: str) -> list[str]:
        """Wait until Profanity has handled all its input. Returns the lines that it has shown."""
        self._marks += 1
        before, after = (f"<mark {number}>" for number in (self._marks - 1, self._marks))
        self._tell("mark", nick, after.encode())
        try:
            self._server.barrier()
            self._loop.until(lambda: self._window.between(before, after) is not None)
            self._loop.drain()
        except Closed:
            self._process.die_alike()
        return _joined(self._window.between(before, after) or [])

    def _told(self, line: bytes) -> None:
        """Handle a line from the plugin."""
        what, nick, text = (bytes.fromhex(word.decode()) for word in line.split(b" "))
        party = self.parties.get(nick.decode(errors="replace"))
        if party is not None and what == b"text":
            party.on_text(text)

    def restart(self) -> None:
        """See `Program`."""
        self._process.write(b"/quit\r")
        self._process.wait()
        self._tap.close()
        self._server.hang_up()
        self._start()
        for party in self.parties.values():
            party.begin_again()

    def logs(self) -> Mapping[str, bytes]:
        """See `Program`."""
        return self._home.logs("*/otr/*/*", "plugins/*", "__pycache__/*")

    def close(self) -> None:
        """End Profanity and clean up."""
        self._tap.close()
        self._server.close()
        self._process.close()
        self._home.remove()
        self._loop.close()


def _joined(lines: list[str]) -> list[str]:
    """The lines as they were printed, without their time; long ones are joined again."""
    found: list[str] = []
    for line in lines:
        if line.startswith(f"{STAMP} "):
            found.append(line.removeprefix(f"{STAMP} "))
        elif found:
            found[-1] += line if len(found[-1]) % SIZE[1] == 0 else f"\n{line.strip()}"
    return found


def about() -> About:
    """The answer to `hello`."""
    said = subprocess.run(["profanity", "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    version = said.partition("version ")[2].split()[:1]
    capabilities = ["v2", "smp", "smp_question", "restart", "logs"]
    return About(
        "profanity", version[0] if version else "unknown", [2], capabilities, "none", FIXED_POLICY, silent_refresh=True
    )
