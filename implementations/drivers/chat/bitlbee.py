"""bitlbee and its OTR plugin: an IRC server for its user and an XMPP client to the outside. The driver is both ends.

It needs no terminal: the user's IRC client is a socket pair. After every step the driver asks for the state of the
session with `otr info`, because bitlbee does not tell its user that the correspondent has ended it. README.md lists
which line becomes which event.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Mapping

from otterproof.implementations.contract import DsaPrivateKey
from otterproof.implementations.drivers.adapter import About
from otterproof.implementations.drivers.chat.bitlbee_party import BitlbeeParty, Session
from otterproof.implementations.drivers.chat.home import Home
from otterproof.implementations.drivers.chat.loop import Closed, Lines, Loop
from otterproof.implementations.drivers.chat.party import ENCRYPTED, FINISHED, PLAINTEXT, Correspondents
from otterproof.implementations.drivers.chat.terminal import Process, on_socket
from otterproof.implementations.drivers.chat.xmpp import OWN, XmppServer
from otterproof.implementations.drivers.linejson import Unsupported
from otterproof.implementations.keyfile import Account, format_keys

#: The user's nick and password in bitlbee, and the channel for commands to bitlbee.
NICK, PASSWORD, CHANNEL = "ui", "password", "&bitlbee"

#: In bytes: the longest text that fits on an IRC line with any nick, and the longest line.
LONGEST_TEXT, _LINE = 450, 510

_CONFIG = "[settings]\nRunMode = Inetd\nAuthMode = Open\nConfigDir = {home}\nUser = {user}\n"

_FINGERPRINT = re.compile(r"([0-9A-F]{8}(?: [0-9A-F]{8}){4})")
_OWN_FINGERPRINT = re.compile(r" {4}([0-9A-F]{8}(?: [0-9A-F]{8}){4})$")
_STATE = re.compile(r"connection state: (cleartext|encrypted \(v(\d)\)|shut down)")


class Bitlbee(Correspondents[BitlbeeParty]):
    """A running bitlbee with one key, in which every party is a correspondent."""

    MOST = 200

    def __init__(self, key: DsaPrivateKey, instance_tag: int | None) -> None:
        super().__init__()
        self._current: BitlbeeParty | None = None
        self._answers: list[str] = []
        self._listening = False
        self._loop = Loop()
        self._server = XmppServer(self._loop, self._sent)
        self._home = Home("bitlbee")
        home = str(self._home.path)
        self._home.file("bitlbee.conf", _CONFIG.format(home=home, user=os.environ.get("USER", "root")))
        #: The numbers of answers to pings, of pings, and of other lines on the user's side.
        self._pongs = self._pings = self._lines = 0
        self._process, self._user = self._start()
        self._set_up()
        self._home.file(f"{NICK}.otr_keys", format_keys([Account(OWN, "jabber", key)]))
        if instance_tag is not None:
            self._home.file(f"{NICK}.otr_instags", f"{OWN}\tjabber\t{instance_tag:08x}\n")
        self.instance_tag = instance_tag
        self._process, self._user = self._start()
        self._log_in()

    def _log_in(self) -> None:
        """The user logs in to bitlbee and makes it connect."""
        self.command(b"identify " + PASSWORD.encode())
        self.command(b"account jabber on")
        self._loop.until(lambda: self._server.connected)
        self._settle()
        self.fingerprint = self._own_fingerprint()

    def _start(self) -> tuple[Process, Lines]:
        home = str(self._home.path)
        ours, theirs = socket.socketpair()
        environment = {"HOME": home, "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
        process = on_socket(
            self._loop, ["bitlbee", "-I", "-c", f"{home}/bitlbee.conf", "-d", home], environment, theirs
        )
        user = Lines(self._loop, ours.detach(), self._line, b"\r\n")
        for line in (f"NICK {NICK}", "USER u u u :u"):
            user.write(line.encode())
        return process, user

    def _set_up(self) -> None:
        """Register with bitlbee, and add an account on the server. bitlbee reads keys only when it starts."""
        server = self._server
        for command in (
            f"register {PASSWORD}",
            "set otr_policy manual",
            "set otr_color_encrypted false",
            "set otr_does_html false",
            "set strip_html false",
            "set auto_connect false",
            f"account add jabber {OWN} {server.password}",
            "account jabber set connect_server 127.0.0.1",
            f"account jabber set port {server.port}",
            "account jabber set connection_security opportunistic_tls",
            "account jabber set auth_plain_in_clear true",
            "save",
        ):
            self.command(command.encode())
        self._user.close()
        self._process.close()

    def join(self, party: BitlbeeParty) -> str:
        """Add a correspondent and return the nick."""
        nick = self._nick_for(party)
        self._server.introduce(nick)
        self._settle()
        return nick

    def leave(self, nick: str) -> None:
        """Remove a correspondent."""
        self.parties.pop(nick, None)

    def restart(self) -> None:
        """See `Program`."""
        self._user.write(b"QUIT :")
        self._loop.until(lambda: self._user.empty)
        self._process.wait()
        self._user.close()
        self._server.hang_up()
        self._process, self._user = self._start()
        self._log_in()
        for party in self.parties.values():
            party.begin_again()

    def logs(self) -> Mapping[str, bytes]:
        """See `Program`."""
        return self._home.logs("*.otr_*") | {"standard error": self._process.said}

    def deliver(self, nick: str, message: bytes) -> None:
        """Deliver a correspondent's message."""
        self._current = self.parties[nick]
        self._server.say(nick, message)
        self._settle()

    def type(self, line: bytes) -> None:
        """The user's IRC client sends a line."""
        self._current = self.parties.get(line.split(b" ")[1].decode()) or self._current
        self._write(line)
        self._settle()

    def command(self, command: bytes) -> None:
        """The user gives a command."""
        words = command.split(b" ")
        self._current = self.parties.get(words[2].decode(errors="replace")) if len(words) > 2 else None
        self._write(f"PRIVMSG {CHANNEL} :".encode() + command)
        self._settle()

    def _write(self, line: bytes) -> None:
        """Unsupported for a line too long for IRC, on which bitlbee would close the connection."""
        if len(line) > _LINE:
            raise Unsupported(f"a line of IRC has at most {_LINE} bytes")
        self._user.write(line)

    def _settle(self) -> None:
        """Wait until bitlbee has handled all its input on both sides, and read its output."""
        try:
            # Input on one side causes output on the other, and bitlbee delays lines to its user until it is idle. So
            # ping both sides, the user's last, until nothing new arrives.
            while True:
                before = self._server.stanzas, self._lines
                self._ping_user()
                if self._server.connected:
                    self._server.barrier()
                    self._ping_user()
                self._loop.drain()
                if (self._server.stanzas, self._lines) == before:
                    return
        except Closed:
            self._process.die_alike()

    def _ping_user(self) -> None:
        self._pings += 1
        self._user.write(b"PING :barrier")
        self._loop.until(lambda: self._pongs >= self._pings)

    def _ask(self, command: bytes) -> list[str]:
        """The answer to a command of the driver's own, not the user's."""
        self._answers, self._listening = [], True
        self.command(command)
        self._listening = False
        return self._answers

    def _own_fingerprint(self) -> bytes:
        for line in self._ask(b"otr info"):
            if found := _OWN_FINGERPRINT.match(line):
                return bytes.fromhex(found[1])
        raise ValueError("bitlbee has not loaded its OTR plugin, or not the key")

    def sessions(self, nick: str) -> list[Session]:
        """The sessions with a correspondent, as bitlbee lists them. The last one is the one that it sends in."""
        found: list[Session] = []
        active, taken, identity = False, False, None
        for line in self._ask(b"otr info " + nick.encode()):
            plain = line.replace("\x02", "").strip()
            if plain.startswith(("master context", "instance ")):
                taken, identity = "(target)" in plain, None
            elif plain.endswith(":"):
                active = plain == "active fingerprint:"  # in version 2 it is the one in bold
            elif (active or "\x02" in line) and (one := _FINGERPRINT.match(plain)):
                identity = one[1].replace(" ", "").lower()
            elif one := _STATE.match(plain):
                state = {"cleartext": PLAINTEXT, "shut down": FINISHED}.get(one[1], ENCRYPTED)
                found.append(Session(taken, state, int(one[2] or 0), identity))
        return sorted((one for one in found if one.state != PLAINTEXT), key=lambda one: one.target)

    def _line(self, line: bytes) -> None:
        """Handle a line to the user's IRC client."""
        head, _, text = line.partition(b" :")
        source, _, rest = head.removeprefix(b":").partition(b" ")
        words = rest.split()
        if words[:1] == [b"PONG"]:
            self._pongs += 1
            return
        self._lines += 1
        if words[:1] in ([b"PRIVMSG"], [b"NOTICE"]) and len(words) > 1:
            who = source.partition(b"!")[0].decode(errors="replace")
            if words[1] != CHANNEL.encode():
                party = self.parties.get(who)
                if party is not None and words[0] == b"NOTICE":
                    party.on_notice(text)
                elif party is not None:
                    party.on_line(text)
            elif self._listening:
                self._answers.append(text.decode(errors="replace"))
            elif self._current is not None:
                self._current.on_control(text)

    def close(self) -> None:
        """End bitlbee and clean up."""
        self._user.close()
        self._server.close()
        self._process.close()
        self._home.remove()
        self._loop.close()


def about() -> About:
    """The answer to `hello`."""
    said = subprocess.run(["bitlbee", "-V"], capture_output=True, text=True, timeout=30, check=False)
    words = (said.stdout + said.stderr).split()
    version = words[1] if len(words) > 1 else "unknown"
    capabilities = ["v2", "v3", "smp", "smp_question", "instance_tags", "restart", "logs"]
    return About("bitlbee", version, [2, 3], capabilities, "none", ("allow_v2", "allow_v3"), LONGEST_TEXT)
