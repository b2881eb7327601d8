"""bitlbee and its OTR plugin: an IRC server to its user and an XMPP client to the world; the driver is both ends.

It needs no terminal: the user's IRC client is a pair of sockets. A session's state is asked for after every step with
`otr info`, because bitlbee does not tell its user when the correspondent has ended one. README.md has which line
becomes which event.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from otterproof.implementations.contract import DsaPrivateKey
from otterproof.implementations.drivers.adapter import About, Settings
from otterproof.implementations.drivers.chat.home import Home
from otterproof.implementations.drivers.chat.loop import Closed, Lines, Loop
from otterproof.implementations.drivers.chat.party import (
    ENCRYPTED,
    FINISHED,
    PLAINTEXT,
    ChatParty,
    Programs,
    one_line,
)
from otterproof.implementations.drivers.chat.terminal import Process, on_socket
from otterproof.implementations.drivers.chat.xmpp import OWN, XmppServer, carried
from otterproof.implementations.drivers.linejson import Unsupported
from otterproof.implementations.keyfile import Account, format_keys

#: The user's nick and password with bitlbee, and the channel where bitlbee takes commands.
NICK, PASSWORD, CHANNEL = "ui", "password", "&bitlbee"

#: The most bytes of a text on a line of IRC, whatever the nick.
LONGEST_TEXT = 450

#: Where bitlbee breaks lines, and the longest that it takes.
_WRAP, _LINE = 425, 510

_CONFIG = "[settings]\nRunMode = Inetd\nAuthMode = Open\nConfigDir = {home}\nUser = {user}\n"

#: What comes before the words of the plugin in the conversation. XMPP can't carry U+0002, so no correspondent can
#: write this in the clear.
_NOTICE = "<<\x02OTR\x02>> "

#: Words of the plugin -> the event, and what is told with it.
_WORDS: Mapping[str, tuple[str, Any]] = {
    "unreadable encrypted message received": ("unreadable", None),
    "malformed OTR message received": ("unreadable", None),
    "unexpected encrypted message received": ("unreadable", "not_encrypted"),
    "unrecognized OTR message received": ("rejected", None),
    "received our own OTR message (!?)": ("rejected", None),
    "OTR message for a different instance received": ("rejected", "other_instance"),
    "other end has disconnected OTR - close connection or reconnect!": ("refused", "wrong_state"),
    "policy requires encryption - message not sent": ("refused", None),
    "error during encryption - message not sent": ("refused", None),
}
_ERROR, _CLEAR = "OTR error message received: ", "unencrypted message received: "
_ASKED = re.compile(r'smp: initiated by (\S+)(?: with question: \x02"(.*?)(?:"\x02)?| - respond with .*)$', re.DOTALL)
_RESULT = re.compile(r"smp (\S+): (correct answer|secrets proved equal|wrong answer|secrets did not match), ")
_ABORTED = re.compile(r"smp (\S+): (opponent violated protocol|protocol error), aborting$")
_PEER_ABORTED = re.compile(r"smp: received abort from (\S+)$")
_FINGERPRINT = re.compile(r"([0-9A-F]{8}(?: [0-9A-F]{8}){4})")
_OWN_FINGERPRINT = re.compile(r" {4}([0-9A-F]{8}(?: [0-9A-F]{8}){4})$")
_STATE = re.compile(r"connection state: (cleartext|encrypted \(v(\d)\)|shut down)")


class Session(NamedTuple):
    """What `otr info` says of a session. target: whether texts go there."""

    target: bool
    state: str
    version: int
    fingerprint: str | None


class BitlbeeParty(ChatParty):
    """A conversation with one correspondent."""

    programs: ClassVar[Programs[Bitlbee]]

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        # Without a tag it is another client of the account, and not another conversation of this one.
        self._program = self.programs.take(settings.key, settings.instance_tag, alone=settings.instance_tag is None)
        self.fingerprint = self._program.fingerprint
        self.instance_tag = settings.instance_tag
        self._action = ""
        #: The lines of the text that is being shown; one message may have several.
        self._text: list[bytes] = []
        self._clear: list[bytes] = []
        #: The lines of a question that is being shown.
        self._question: list[bytes] = []
        #: How many sessions the correspondent has ended and the user has not.
        self._finished = 0
        self._nick = self._program.join(self)

    def forget(self) -> None:
        self._program.leave(self._nick)
        self.programs.leave(self._program)

    # What the user does.

    def receive(self, message: bytes) -> None:
        if not message:
            raise Unsupported("XMPP carries no empty messages")
        carried(message)
        self._begin("", message)
        self._program.deliver(self._nick, message)
        self._show_text()
        self._ask_state()

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> None:
        self._choose(instance)
        if padding is not None:
            raise Unsupported("bitlbee adds no padding")
        if not text or text.startswith((b"\x01", b"/")):
            raise Unsupported("what is empty, or begins with U+0001 or a slash, is no text for an IRC client")
        if self.state != ENCRYPTED:
            carried(text)
        self._begin("send", b"")
        self._program.type(f"PRIVMSG {self._nick} :".encode() + _utf8(one_line("a text", text)))
        self._ask_state()

    def _choose(self, instance: int | None) -> None:
        """Unsupported if an action is for another session than the only one."""
        if instance is not None and self.sessions != {instance}:
            raise Unsupported("the user of bitlbee can't choose an instance")

    def start(self) -> None:
        self._command("start", "connect", self._nick)

    def end(self, *, instance: int | None = None) -> None:
        self._choose(instance)
        self._command("end", "disconnect", self._nick)

    def smp_start(self, secret: bytes, *, question: bytes | None = None, instance: int | None = None) -> None:
        self._choose(instance)
        if question is not None:
            self._command("smp_start", "smpq", self._nick, _quoted(question), _quoted(secret))
        elif self.asked:
            raise Unsupported("bitlbee takes otr smp for the answer to the question that is waiting")
        else:
            self._command("smp_start", "smp", self._nick, _quoted(secret))

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> None:
        self._choose(instance)
        if not self.asked:
            raise Unsupported("bitlbee takes otr smp for a new request where no question is waiting")
        self.asked = False
        self._command("smp_answer", "smp", self._nick, _quoted(secret))

    def _command(self, action: str, *words: str | bytes) -> None:
        self._begin(action, b"")
        self._program.command(b" ".join([b"otr", *(w.encode() if isinstance(w, str) else w for w in words)]))
        self._ask_state()

    def _begin(self, action: str, message: bytes) -> None:
        self.begin(message)
        self._action = action
        self._text, self._clear = [], []

    # What the user is shown.

    def on_line(self, line: bytes) -> None:
        """A line in the window of the correspondent: a text, or words of the plugin about a message."""
        words = line.decode(errors="replace")
        self.show(f"<{self._nick}> {words}")
        if not words.startswith(_NOTICE):
            self._text.append(line)
            return
        words = words.removeprefix(_NOTICE)
        if words.startswith(_CLEAR):
            self._clear.append(line[len(_NOTICE + _CLEAR) :])
        elif words.startswith(_ERROR):
            self.emit("error_message_received", text=words.removeprefix(_ERROR))
        elif words in _WORDS:
            self._told(*_WORDS[words])

    def on_notice(self, line: bytes) -> None:
        """A notice in the window of the correspondent: the plugin tells of the session."""
        words = line.decode(errors="replace")
        self.show(f"-{self._nick}- {words}")
        if words.startswith("conversation is now off the record"):
            self.established(None)
        elif words.startswith("otr connection has been refreshed"):
            self.established(None)
            self.events[-1]["refreshed"] = True
        elif words.startswith("OTR connection failed: "):
            self.emit("message_rejected", reason=None, field=None, offset=None)
        elif words.startswith("conversation is now in cleartext"):
            self.ended_by_user()

    def _told(self, event: str, reason: str | None) -> None:
        match event:
            case "unreadable":
                self.unreadable(reason)
            case "rejected":
                self.emit("message_rejected", reason=reason, field=None, offset=None)
            case "refused":
                self.emit("action_refused", action="send", reason=reason)

    def on_control(self, line: bytes) -> None:
        """A line in the channel where bitlbee answers commands, while this party is at work."""
        words = line.decode(errors="replace")
        self.show(f"<root> {words}")
        if self._question or words.startswith(f"smp: initiated by {self._nick} with question: "):
            if not words.startswith("smp: respond with "):
                self._question.append(line)
                return
            words = unwrapped(self._question).decode(errors="replace")
            self._question = []
        if (found := _ASKED.match(words)) and found[1] == self._nick:
            self.asked = True
            question = None if found[2] is None else found[2].encode()
            self.emit("smp_requested", instance=self.instance(), question=question)
        elif (found := _RESULT.match(words)) and found[1] == self._nick:
            self.asked = False
            equal = found[2] in ("correct answer", "secrets proved equal")
            self.emit("smp_finished", instance=self.instance(), equal=equal)
        elif (found := _ABORTED.match(words) or _PEER_ABORTED.match(words)) and found[1] == self._nick:
            self.asked = False
            self.emit("smp_aborted", instance=self.instance(), reason=None)
        elif words.startswith("smp: otr inactive with") and self._action:
            self.emit("action_refused", action=self._action, reason="wrong_state")

    def _show_text(self) -> None:
        """Tell the text that the last message had, if it had one."""
        if self._text:
            text = unwrapped(self._text)
            secure = self.is_secure(text)
            instance = self.instance() if secure else 0
            self.emit("text_received", text=text, secure=secure, warn=False, instance=instance)
        if self._clear:
            self.emit("text_received", text=unwrapped(self._clear), secure=False, warn=True, instance=0)

    def _ask_state(self) -> None:
        """Ask for the state of the session, and tell what has changed."""
        sessions = self._program.sessions(self._nick)
        session = sessions[-1] if sessions else None
        for event in self.events:
            if event["event"] == "session_established" and session is not None and session.state == ENCRYPTED:
                event["fingerprint"] = session.fingerprint
                event["version"] = session.version
                event["instance"] = 0 if session.version == 2 else None
        finished = sum(one.state == FINISHED for one in sessions)
        if finished > self._finished:
            self.ended_by_peer()
        self._finished = finished


def unwrapped(lines: list[bytes]) -> bytes:
    """A text of which bitlbee has made several lines: at its own line ends, and where a line would be too long."""
    text, last = lines[0], lines[0]
    for line in lines[1:]:
        if len(last) >= _WRAP:
            between = b""
        elif len(last) + 1 + len(line.split(b" ")[0]) > _WRAP:
            between = b" "
        else:
            between = b"\n"
        text, last = text + between + line, line
    return text


def _utf8(text: bytes) -> bytes:
    """A text that can be typed: Unsupported if it is not UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError:
        raise Unsupported("bitlbee takes texts in UTF-8 only") from None
    return text


def _quoted(text: bytes) -> bytes:
    """A text as an argument in quotation marks."""
    if not text:
        raise Unsupported("bitlbee takes no empty secrets and questions")
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", _utf8(one_line("a secret or question", text))) + b'"'


class Bitlbee:
    """A running bitlbee with one key, in which every party is a correspondent."""

    #: Parties that one process serves.
    MOST = 200

    def __init__(self, key: DsaPrivateKey, instance_tag: int | None) -> None:
        self.parties: dict[str, BitlbeeParty] = {}
        self.served = 0
        self._current: BitlbeeParty | None = None
        self._answers: list[str] = []
        self._listening = False
        self._loop = Loop()
        self._server = XmppServer(self._loop, self._sent)
        self._home = Home("bitlbee")
        home = str(self._home.path)
        self._home.file("bitlbee.conf", _CONFIG.format(home=home, user=os.environ.get("USER", "root")))
        self._pongs = self._pings = 0
        self._process, self._user = self._start()
        self._set_up()
        self._home.file(f"{NICK}.otr_keys", format_keys([Account(OWN, "jabber", key)]))
        if instance_tag is not None:
            self._home.file(f"{NICK}.otr_instags", f"{OWN}\tjabber\t{instance_tag:08x}\n")
        self._process, self._user = self._start()
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
        """Make an account with bitlbee, and in it one with the server; bitlbee reads keys only when it starts again."""
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

    @property
    def worn_out(self) -> bool:
        """See `Program`."""
        return self.served >= self.MOST and not self.parties

    def join(self, party: BitlbeeParty) -> str:
        """A new correspondent: the nick."""
        self.served += 1
        nick = f"p{self.served}"
        self.parties[nick] = party
        self._server.introduce(nick)
        self._settle()
        return nick

    def leave(self, nick: str) -> None:
        """A correspondent is not needed any more."""
        self.parties.pop(nick, None)

    def deliver(self, nick: str, message: bytes) -> None:
        """A correspondent's message arrives."""
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
        """Unsupported for a line that IRC can't have, over which bitlbee would close the connection."""
        if len(line) > _LINE:
            raise Unsupported(f"a line of IRC has at most {_LINE} bytes")
        self._user.write(line)

    def _settle(self) -> None:
        """Wait until bitlbee has done all that follows from what it got on either side, and take it."""
        try:
            while True:
                before = self._server.stanzas
                self._pings += 1
                self._user.write(b"PING :barrier")
                self._loop.until(lambda: self._pongs >= self._pings)
                if self._server.connected:
                    self._server.barrier()
                self._loop.drain()
                if self._server.stanzas == before:
                    return
        except Closed:
            self._process.die_alike()

    def _ask(self, command: bytes) -> list[str]:
        """The answer to a command that is the driver's question, not the user's."""
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
        """What bitlbee says of the sessions with a correspondent; last the one that it would send in."""
        found: list[Session] = []
        active, taken, identity = False, False, None
        for line in self._ask(b"otr info " + nick.encode()):
            plain = line.replace("\x02", "").strip()
            if plain.startswith(("master context", "instance ")):
                taken, identity = "(target)" in plain, None
            elif plain.endswith(":"):
                active = plain == "active fingerprint:"  # version 2 has it in bold among the others
            elif (active or "\x02" in line) and (one := _FINGERPRINT.match(plain)):
                identity = one[1].replace(" ", "").lower()
            elif one := _STATE.match(plain):
                state = {"cleartext": PLAINTEXT, "shut down": FINISHED}.get(one[1], ENCRYPTED)
                found.append(Session(taken, state, int(one[2] or 0), identity))
        return sorted((one for one in found if one.state != PLAINTEXT), key=lambda one: one.target)

    def _sent(self, nick: str, message: bytes) -> None:
        if nick in self.parties:
            self.parties[nick].transmitted(message)

    def _line(self, line: bytes) -> None:
        """A line to the user's IRC client."""
        head, _, text = line.partition(b" :")
        source, _, rest = head.removeprefix(b":").partition(b" ")
        words = rest.split()
        if words[:1] == [b"PONG"]:
            self._pongs += 1
        elif words[:1] in ([b"PRIVMSG"], [b"NOTICE"]) and len(words) > 1:
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
        """End bitlbee, and leave nothing behind."""
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
    capabilities = ["v2", "v3", "smp", "smp_question", "instance_tags"]
    return About("bitlbee", version, [2, 3], capabilities, "none", ("allow_v2", "allow_v3"), LONGEST_TEXT)
