"""WeeChat and its OTR script: a program without a screen, an IRC server, and a script that types and reports.

The OTR script is based on python-potr and speaks only version 2. It informs its user in lines on the screen. README.md
lists which line becomes which event, and what is not told.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from otterproof.implementations.contract import DsaPrivateKey
from otterproof.implementations.drivers import potr
from otterproof.implementations.drivers.adapter import About, Settings
from otterproof.implementations.drivers.chat.irc import NICK, SERVER
from otterproof.implementations.drivers.chat.party import ChatParty, Programs, one_line, refuse_instance
from otterproof.implementations.drivers.chat.tapped import TappedProgram
from otterproof.implementations.drivers.linejson import Unsupported

#: The OTR script, from Debian.
SCRIPT = Path("/usr/share/weechat/python/otr.py")

#: The user's settings: messages are not split or delayed, and texts arrive as they were typed.
_IRC = """\
[server_default]
anti_flood_prio_high = 0
anti_flood_prio_low = 0
split_msg_max_length = 4096

[server]
{server}.addresses = "127.0.0.1/{port}"
{server}.password = "{password}"
{server}.nicks = "{nick}"
{server}.ssl = off
{server}.autoconnect = on
"""
_OTR = "[policy]\ndefault.html_filter = off\n"

#: WeeChat's Python runs this when it starts.
_REPAIR = """\
from Cryptodome.Cipher import AES
from repairs import restore
import potr.compatcrypto.pycrypto

restore(potr.compatcrypto.pycrypto, AES)
"""

#: In bytes: the longest text that WeeChat does not split.
LONGEST_TEXT = 3900

_TAP = Path(__file__).with_name("weechat_tap.py")

#: The prefix of the OTR script's lines.
_PREFIX = ":! otr !:\t"

_CLEAR = b"Unencrypted message received: "

_HEX_FINGERPRINT = r"([0-9A-F]{8}(?: [0-9A-F]{8}){4})"
_FINGERPRINT = re.compile(rf"\s*\S+'s fingerprint : {_HEX_FINGERPRINT}")
_OWN_FINGERPRINT = re.compile(rf"{NICK}@{SERVER} \|{_HEX_FINGERPRINT}")


class WeechatParty(ChatParty):
    """A conversation in a window of WeeChat."""

    programs: ClassVar[Programs[Weechat]]

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._program = self.programs.take(settings.key)
        self.fingerprint = self._program.fingerprint
        self._established: dict[str, Any] = {}
        #: The lines of the text being received; a message may have several.
        self._lines: list[bytes] = []
        self._nick = self._program.join(self)

    @property
    def program(self) -> Weechat:
        return self._program

    def forget(self) -> None:
        self._program.leave(self._nick)

    # Actions of the user.

    def receive(self, message: bytes) -> None:
        if message.startswith(b"\x01"):
            raise Unsupported("what begins with U+0001 is a command of IRC's")
        self.begin(one_line("a message", message))
        self._lines = []
        self._program.deliver(self._nick, message)
        if self._lines:
            self._show_text(b"\n".join(self._lines))

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> None:
        refuse_instance("WeeChat", instance)
        if padding is not None:
            raise Unsupported("WeeChat adds no padding")
        if not text:
            raise Unsupported("WeeChat sends no empty texts")
        self._type("send", (b"/" if text.startswith(b"/") else b"") + _utf8(one_line("a text", text)))

    def start(self) -> None:
        self._type("start", b"/otr start")

    def end(self, *, instance: int | None = None) -> None:
        refuse_instance("WeeChat", instance)
        self._type("end", b"/otr finish")

    def _type(self, action: str, command: bytes) -> None:
        self.begin(b"", action)
        self._program.type(self._nick, command)

    # What the user is shown becomes events.

    def on_text(self, text: bytes) -> None:
        """Called for each line of a received text."""
        if text.startswith(b"\x01ACTION ") and text.endswith(b"\x01"):
            text = b"/me " + text[8:-1]  # the script turns this into an action
        self._lines.append(text)

    def _show_text(self, text: bytes) -> None:
        warned = text.startswith(_CLEAR) and not self.message.startswith(_CLEAR)
        if warned:
            text = text.removeprefix(_CLEAR).replace(b"\n" + _CLEAR, b"\n")
        secure = not warned and self.is_secure(text)
        self.emit("text_received", text=text, secure=secure, warn=warned, instance=0)

    def on_shown(self, line: bytes) -> None:
        words = line.decode(errors="replace")
        self.show(words)
        if not words.startswith((_PREFIX, "\t")):  # continuation lines have no prefix; texts have another
            return
        words = words.removeprefix(_PREFIX).removeprefix("\t")
        if words.startswith(("Unauthenticated secured", "Authenticated secured")):
            self.established(None)
            self._established = self.events[-1]
        elif words == "Private conversation has been refreshed.":
            self.established(None)
            self.events[-1]["refreshed"] = True
        elif found := _FINGERPRINT.match(words):
            self._established["fingerprint"] = found[1].replace(" ", "").lower()
        elif words.startswith(f"{self._nick} has ended the private conversation."):
            self.ended_by_peer()
        elif words == "Private conversation ended.":
            self.ended_by_user()
        elif words.startswith("Received OTR error: "):
            text = line.partition(b"Received OTR error: ")[2].removeprefix(b"?OTR Error:")
            self.emit("error_message_received", text=text.removeprefix(b" "))
        elif words.startswith("Received encrypted data but no private session"):
            self.unreadable("not_encrypted")
        elif words.startswith("Your message was not sent."):
            self.emit("action_refused", action="send", reason="wrong_state")
        elif words.startswith("Failed to send message."):
            self.emit("action_refused", action="send", reason=None)

    def on_traceback(self) -> None:
        """A traceback of the OTR script has appeared in another window."""
        if self.message:
            self.rejected()


def _utf8(text: bytes) -> bytes:
    """Return the text if it can be typed. Unsupported if it is not UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError:
        raise Unsupported("WeeChat takes texts in UTF-8 only") from None
    return text


class Weechat(TappedProgram[WeechatParty]):
    """A running WeeChat."""

    #: The party that is receiving a message.
    _receiving: WeechatParty | None = None

    NAME, STORES, QUIT = "weechat", ("otr/*", "python/**", "repairs/*"), b"/quit"

    def _prepare(self, key: DsaPrivateKey) -> None:
        where = {"server": SERVER, "nick": NICK, "port": self._server.port, "password": self._server.password}
        self._home.file("irc.conf", _IRC.format(**where))
        self._home.file("otr.conf", _OTR)
        self._home.file(f"otr/{NICK}@{SERVER}.key3", _private_key(key))
        self._home.file("python/autoload/otr.py", SCRIPT.read_bytes())
        self._home.file("python/autoload/tap.py", _TAP.read_bytes())
        self._home.file("repairs/repairs.py", (Path(potr.__path__[0]) / "pycrypto.py").read_bytes())
        self._home.file("repairs/sitecustomize.py", _REPAIR)

    def _command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        program = shutil.which("weechat-headless") or "weechat-headless"
        # Its Python looks for modules next to the first python3 on PATH, which may be in a virtual environment.
        path = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{self._home.path}/repairs"}
        return [program, "-d", str(self._home.path)], path

    def _identify(self) -> tuple[bytes, int | None]:
        self._overheard.clear()
        self.type("asker", b"/otr fingerprint")
        self.leave("asker")
        for line in self._overheard:
            if found := _OWN_FINGERPRINT.search(line.decode(errors="replace")):
                return bytes.fromhex(found[1]), None
        raise ValueError(f"WeeChat has not loaded its OTR script, or not the key; it says {self._overheard!a:.900}")

    def join(self, party: WeechatParty) -> str:
        nick = super().join(party)
        self._ask(b"open", nick.encode())  # otherwise errors appear in the server's window
        return nick

    def deliver(self, nick: str, message: bytes) -> None:
        self._receiving = self.parties.get(nick)
        super().deliver(nick, message)
        self._receiving = None

    def _told_elsewhere(self, line: bytes) -> None:
        if b"Traceback (most recent call last)" in line and self._receiving is not None:
            self._receiving.on_traceback()

    def logs(self) -> Mapping[str, bytes]:
        """See `Program`. WeeChat flushes its logs first."""
        self.type("asker", b"/logger flush")
        return super().logs()


def _private_key(key: DsaPrivateKey) -> bytes:
    """A key in the format of python-potr: its type, then five numbers, each preceded by its length."""
    public = key.public
    numbers = (public.p, public.q, public.g, public.y, key.x)
    values = [number.to_bytes((number.bit_length() + 7) // 8) for number in numbers]
    return b"\0\0" + b"".join(len(value).to_bytes(4) + value for value in values)


def about() -> About:
    """The answer to `hello`."""
    said = subprocess.run(["weechat-headless", "--version"], capture_output=True, text=True, timeout=30, check=True)
    version = said.stdout.strip() or "unknown"
    policy = ("allow_v2", "whitespace_start_ake")
    return About("weechat", version, [2], ["v2", "restart", "logs"], "none", policy, LONGEST_TEXT)
