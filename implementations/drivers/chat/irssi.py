"""irssi and its OTR plugin: a terminal, an IRC server, and a script in irssi that types and reports what is shown.

The user types commands into the correspondent's window. The plugin informs the user by lines on the screen and by its
signals for the status bar. README.md lists which line becomes which event, and what irssi does not tell.
"""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from otterproof.implementations.contract import DsaPrivateKey
from otterproof.implementations.drivers.adapter import About, Settings
from otterproof.implementations.drivers.chat.irc import NICK, SERVER
from otterproof.implementations.drivers.chat.party import (
    ChatParty,
    Programs,
    one_line,
    refuse_instance,
)
from otterproof.implementations.drivers.chat.tapped import TappedProgram
from otterproof.implementations.drivers.linejson import Unsupported
from otterproof.implementations.keyfile import Account, format_keys

_CONFIG = """\
servers = ({{ address = "127.0.0.1"; chatnet = "{server}"; port = "{port}"; password = "{password}"; \
autoconnect = "yes"; }});
chatnets = {{ {server} = {{ type = "IRC"; nick = "{nick}"; cmdmax = "1000000000"; cmdspeed = "10"; }}; }};
settings = {{
  core = {{ real_name = "u"; user_name = "u"; nick = "{nick}"; recode = "off"; server_reconnect_time = "1h"; }};
  "fe-common/core" = {{ emphasis = "no"; autocreate_query_level = "MSGS"; beep_msg_level = "NONE";
    term_charset = "UTF-8"; autolog = "no"; }};
  "irc/core" = {{ cmds_max_at_once = "1000000000"; cmd_queue_speed = "10msec"; skip_motd = "yes"; usermode = ""; }};
}};
"""

#: In bytes: the longest message that irssi accepts. It cuts lines after 64 KiB; a real server would after 512 bytes.
LONGEST_MESSAGE = 65_000

#: In bytes: the longest text that irssi does not split.
LONGEST_TEXT = 413

#: The plugin's policy, fixed in its source: manual, but it answers whitespace tags.
FIXED_POLICY = ("allow_v2", "allow_v3", "whitespace_start_ake")

#: The beginning of the plugin's line about an unreadable message -> the reason.
_UNREADABLE = {
    "Unreadable encrypted message from": None,
    "Malformed message from": None,
    "The encrypted message from": "not_encrypted",
}

_TAP = Path(__file__).with_name("tap.pl")

_FINGERPRINT = re.compile(r"OTR key fingerprint: ([0-9A-F ]{44}) for (\S+)$")
_ERROR = re.compile(r"Error in private conversation: (.*)$")
_QUESTION = re.compile(r"Question: (.*)", re.DOTALL)
_OWN_FINGERPRINT = re.compile(rb"-!- Irssi: Fingerprint for \S+: ([0-9A-F ]{44})$")
_PRINTABLE = re.compile(rb"[ -~]*")


class IrssiParty(ChatParty):
    """A conversation in a window of irssi."""

    programs: ClassVar[Programs[Irssi]]

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        # A party without a tag is another client of the account, so it needs its own program.
        self._program = self.programs.take(settings.key, alone=settings.instance_tag is None)
        self.fingerprint = self._program.fingerprint
        self._nick = self._program.join(self)
        self.instance_tag = self._program.instance_tag
        self._warned = False
        #: The lines of the question that is being shown; None if there is none.
        self._question: list[str] | None = None
        self._established: dict[str, Any] = {}
        #: Whether the next message can complete SMP: the user or the correspondent has answered.
        self._result_due = False

    @property
    def program(self) -> Irssi:
        return self._program

    def forget(self) -> None:
        self._program.leave(self._nick)
        self.programs.leave(self._program)

    # Actions of the user.

    def receive(self, message: bytes) -> None:
        if message.startswith(b"\x01"):
            raise Unsupported("what begins with U+0001 is a command of IRC's")
        if len(message) > LONGEST_MESSAGE:
            raise Unsupported(f"irssi takes lines of at most {LONGEST_MESSAGE} bytes from a server")
        self.begin(one_line("a message", message))
        self._warned = False
        self._program.deliver(self._nick, message)

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> None:
        refuse_instance("irssi", instance)
        if padding is not None:
            raise Unsupported("irssi adds no padding")
        if not text:
            raise Unsupported("irssi sends no empty texts")
        self._type("send", b"msg " + self._nick.encode() + b" " + one_line("a text", text))

    def start(self) -> None:
        self._type("start", b"otr init")

    def end(self, *, instance: int | None = None) -> None:
        refuse_instance("irssi", instance)
        self._type("end", b"otr finish")

    def smp_start(self, secret: bytes, *, question: bytes | None = None, instance: int | None = None) -> None:
        refuse_instance("irssi", instance)
        if self.asked:
            raise Unsupported("irssi takes /otr auth for the answer to the question that is waiting")
        if question is None:
            self._type("smp_start", b"otr auth " + _quoted("a secret", secret))
        else:
            self._type(
                "smp_start", b"otr authq " + _quoted("a question", question) + b" " + _quoted("a secret", secret)
            )

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> None:
        refuse_instance("irssi", instance)
        if not self.asked:
            raise Unsupported("irssi takes /otr auth for a new request where no question is waiting")
        answer = b"otr auth " + _quoted("a secret", secret)
        self.asked, self._result_due = False, True
        self._type("smp_answer", answer)

    def smp_abort(self, *, instance: int | None = None) -> None:
        refuse_instance("irssi", instance)
        self.asked = False
        self._type("smp_abort", b"otr authabort")

    def _type(self, action: str, command: bytes) -> None:
        self.begin(b"", action)
        self._program.type(self._nick, command)

    # What the user is shown becomes events.

    def on_text(self, text: bytes) -> None:
        secure = not self._warned and self.is_secure(text)
        self.emit(
            "text_received",
            text=text,
            secure=secure,
            warn=self._warned and not secure,
            instance=self.instance() if secure else 0,
        )

    def on_shown(self, line: bytes) -> None:
        words = line.decode(errors="replace")
        self.show(words)
        words = words.removeprefix("-!- ").removeprefix("Irssi: ")
        if self._question is not None:
            self._question.append(words)
        if words == f"{self._nick} wants to authenticate and asked:":
            self._question = []
        elif words.startswith(f"The following message from {self._nick} was not encrypted"):
            self._warned = True
        elif words == f"{self._nick} has closed the connection to you":
            self.emit("action_refused", action="send", reason="wrong_state")
        elif words.endswith(" already established") and self.action == "start":
            self.emit("action_refused", action="start", reason="wrong_state")
        elif words in ("No OTR session available", f"Context for {self._nick} not found") and self.action:
            self.emit("action_refused", action=self.action, reason="wrong_state")
        elif found := _FINGERPRINT.match(words):
            if found[2] == self._nick:
                self._established["fingerprint"] = found[1].replace(" ", "").lower()
        elif found := _ERROR.match(words):
            self._error(found[1])
        else:
            for beginning, reason in _UNREADABLE.items():
                if words.startswith(f"{beginning} {self._nick}"):
                    self.unreadable(reason)

    def _error(self, text: str) -> None:
        """Report a correspondent's Error Message, or the text of a libgcrypt error."""
        if b"?OTR Error:" not in self.message:
            self.rejected()
        else:
            self.emit("error_message_received", text=text if _PRINTABLE.fullmatch(self.message) else None)

    def on_otr(self, status: bytes) -> None:
        """The plugin's signal for the status bar."""
        match status:
            case b"GONE_SECURE":
                self.established(None)
                self._established = self.events[-1]
            case b"PEER_FINISHED":
                self.ended_by_peer()
            case b"FINISHED":
                self.ended_by_user()
            case b"SMP_INCOMING":
                lines, self._question, self.asked = self._question, None, True
                self.emit("smp_requested", instance=self.instance(), question=_asked(lines))
            case b"SMP_STARTED":
                self._result_due = False
            case b"SMP_FINALIZE":
                self._result_due = True
            case b"SMP_SUCCESS":
                self.smp_over(self.instance(), equal=True)
            case b"SMP_FAILED":  # either the secrets differ, or a message was wrong
                self.smp_over(self.instance(), equal=False if self._result_due else None)
            case b"SMP_ABORTED":
                self.smp_over(self.instance(), equal=None)

    def smp_over(self, instance: int | None, *, equal: bool | None) -> None:
        self._result_due = False
        super().smp_over(instance, equal=equal)


def _asked(lines: list[str] | None) -> bytes | None:
    """The question in the lines shown, the last of which says what to type."""
    found = _QUESTION.match("\n".join(lines[:-1])) if lines else None
    return found[1].encode() if found else None


def _quoted(what: str, text: bytes) -> bytes:
    """A text as an argument in quotation marks."""
    if not text:
        raise Unsupported(f"{what} can't be empty in irssi")
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", one_line(what, text)) + b'"'


class Irssi(TappedProgram[IrssiParty]):
    """A running irssi."""

    NAME, STORES, QUIT = "irssi", ("otr/*",), b"quit"

    def _prepare(self, key: DsaPrivateKey) -> None:
        where = {"server": SERVER, "nick": NICK, "port": self._server.port, "password": self._server.password}
        self._home.file("config", _CONFIG.format(**where))
        self._home.file("otr/otr.key", format_keys([Account(SERVER, "IRC", key)]))
        self._home.file("scripts/autorun/tap.pl", _TAP.read_bytes())

    def _command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        return ["irssi", f"--home={self._home.path}", f"--config={self._home.path}/config"], {}

    def _identify(self) -> tuple[bytes, int | None]:
        return self._own_fingerprint(), self._own_tag()

    def _own_fingerprint(self) -> bytes:
        """The fingerprint of its own key, as it shows it to its user."""
        self._overheard.clear()
        self.type("asker", b"otr info")
        for line in self._overheard:
            if found := _OWN_FINGERPRINT.match(line):
                return bytes.fromhex(found[1].decode())
        raise ValueError(f"irssi has not loaded its OTR plugin, or not the key; it says {self._overheard!a:.300}")

    def _own_tag(self) -> int | None:
        """The instance tag, which irssi draws when it starts, read from its reply to a query."""
        self._overheard.clear()
        self.deliver("asker", b"?OTRv3?")
        self.leave("asker")
        for line in self._overheard:
            if line.startswith(b"?OTR:") and len(line) > 17:
                return int.from_bytes(base64.b64decode(line[5:17])[3:7])
        return None


def about() -> About:
    """The answer to `hello`."""
    said = subprocess.run(["irssi", "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    words = said.split()
    capabilities = ["v2", "v3", "smp", "smp_question", "smp_abort", "restart", "logs"]
    version = words[1] if len(words) > 1 else "unknown"
    return About("irssi", version, [2, 3], capabilities, "none", FIXED_POLICY, LONGEST_TEXT, silent_refresh=True)
