"""What the parties of all chat programs share: the state that the user sees, and the messages that the server sees.

A party is one correspondent of a running program. There is one program for each key, and each party has a new nick. The
driver knows only what the program tells its user, except for two things that it reads from the messages in transit: the
version of a session, which no program shows, and whether an unreadable message was a Data Message.
"""

from __future__ import annotations

import base64
import binascii
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Generic, Protocol, TypeVar

from otterproof.implementations.contract import DsaPrivateKey
from otterproof.implementations.drivers.adapter import Adapted, Settings
from otterproof.implementations.drivers.chat.loop import Loop, take_until
from otterproof.implementations.drivers.linejson import Unsupported

PLAINTEXT, ENCRYPTED, FINISHED = "plaintext", "encrypted", "finished"

#: The types of handshake messages, and of Data Messages.
_HANDSHAKE, DATA = (0x02, 0x0A, 0x11, 0x12), 0x03

_SENDER = re.compile(rb"\?OTR\|([0-9a-fA-F]{1,8})\|")

#: The most programs that run at a time, unless more are in use.
_MOST_RUNNING = 6

#: The most lines kept of what the user was shown in one step, and the most characters of each.
_MOST_LINES, _LONGEST_LINE = 200, 2000


class Program(Protocol):
    """A running program: what parties need of it."""

    @property
    def loop(self) -> Loop:
        """The loop that handles its input and output."""
        ...

    @property
    def parties(self) -> Mapping[str, ChatParty]:
        """Its parties, by the nicks of their correspondents."""
        ...

    @property
    def worn_out(self) -> bool:
        """Whether the next party should get a new process."""
        ...

    @property
    def instance_tag(self) -> int | None:
        """Its instance tag, if known."""
        ...

    @property
    def fingerprint(self) -> bytes:
        """The fingerprint of its own key, as it shows it to its user."""
        ...

    def restart(self) -> None:
        """Have the user end it and start it again."""
        ...

    def logs(self) -> Mapping[str, bytes]:
        """The files that it has written, except its key stores, by name."""
        ...

    def close(self) -> None:
        """End it and clean up."""
        ...


P = TypeVar("P", bound=Program)


class Programs(Generic[P]):
    """The running programs: one for each key, and for each instance tag that a program reads from a file."""

    def __init__(self, start: Callable[..., P]) -> None:
        self._start = start
        self._running: dict[tuple[DsaPrivateKey, int | None], P] = {}
        self._alone: list[P] = []

    def take(self, key: DsaPrivateKey, instance_tag: int | None = None, *, alone: bool = False, **more: int) -> P:
        """The program for a key, started if necessary. With `alone` or more settings: a new one, for a single party."""
        if alone or more:
            self._alone.append(self._start(key, instance_tag, **more))
            return self._alone[-1]
        made_of = key, instance_tag
        if made_of in self._running and self._running[made_of].worn_out:
            self._running.pop(made_of).close()
        if made_of in self._running:
            self._running[made_of] = self._running.pop(made_of)  # keep the order of last use
        else:
            self._make_room()
            self._running[made_of] = self._start(key, instance_tag)
        return self._running[made_of]

    def _make_room(self) -> None:
        """End the least recently used programs if there are many, since some runs need a new key each time."""
        for made_of, program in list(self._running.items()):
            if len(self._running) < _MOST_RUNNING:
                return
            if not program.parties:
                self._running.pop(made_of).close()

    def leave(self, program: P) -> None:
        """A party has left a program. End the program if it was for that party alone."""
        if program in self._alone:
            self._alone.remove(program)
            program.close()

    def wait(self, fd: int) -> None:
        """Serve the programs until a descriptor is readable: some leave a server that does not answer their pings."""
        take_until(fd, [one.loop for one in (*self._running.values(), *self._alone)])

    def close(self) -> None:
        """End all programs."""
        while self._alone:
            self._alone.pop().close()
        while self._running:
            self._running.popitem()[1].close()


Q = TypeVar("Q", bound="ChatParty")


class Correspondents(Generic[Q]):
    """The parties of a running program, each a correspondent with a new nick. A base class of every `Program`."""

    #: How many parties one process serves.
    MOST: ClassVar[int]

    _loop: Loop

    def __init__(self) -> None:
        self.parties: dict[str, Q] = {}
        self.served = 0

    @property
    def loop(self) -> Loop:
        """See `Program`."""
        return self._loop

    @property
    def worn_out(self) -> bool:
        """See `Program`."""
        return self.served >= self.MOST and not self.parties

    def _nick_for(self, party: Q, ending: str = "") -> str:
        """A new party's nick: a number, with an ending if no nick may be the beginning of another."""
        self.served += 1
        nick = f"p{self.served}{ending}"
        self.parties[nick] = party
        return nick

    def _sent(self, nick: str, message: bytes) -> None:
        """The program has sent a message to a nick."""
        if nick in self.parties:
            self.parties[nick].transmitted(message)


class ChatParty(Adapted):
    """A conversation with one correspondent in a program."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.state = PLAINTEXT
        #: The correspondent's instance tags of the encrypted sessions; 0 in version 2.
        self.sessions: set[int] = set()
        #: The message being received, and whether there has been a session before it.
        self.message = b""
        self._had_session = False
        #: The name of the user's current action; "" while a message is being received.
        self.action = ""
        #: Whether the user has been asked for the SMP secret and has not answered.
        self.asked = False
        #: The version of the last handshake message sent by the program.
        self.version = 0

    @property
    @abstractmethod
    def program(self) -> Program:
        """The program of this party."""

    def restart(self) -> None:
        self.program.restart()
        self.fingerprint, self.instance_tag = self.program.fingerprint, self.program.instance_tag

    def logs(self) -> Mapping[str, bytes]:
        return self.program.logs()

    def begin_again(self) -> None:
        """The program has been restarted, so there is no session any more."""
        self.state, self.asked, self.version = PLAINTEXT, False, 0
        self.sessions.clear()
        self._had_session = False

    def begin(self, message: bytes, action: str = "") -> None:
        """Called before a message is received or, if it is b"", before a user action."""
        self.message, self.action = message, action
        self._had_session = self._had_session or bool(self.sessions)

    def show(self, line: str) -> None:
        """The program has shown the user a line."""
        if len(self.shown) < _MOST_LINES:
            self.shown.append(line[:_LONGEST_LINE])

    def transmitted(self, message: bytes) -> None:
        """The program has sent a message to the correspondent."""
        if self.action != "send" and kind_and_version(message)[0] in (*_HANDSHAKE, 0):  # a text can look like a message
            self.version = version_of(message) or self.version
        self.emit("outgoing_message", message=message)

    def established(self, fingerprint: str | None) -> None:
        """The program tells the user that the conversation is private now."""
        self.state, self.asked = ENCRYPTED, False
        self.sessions.add(sender_of(self.message))
        self.emit(
            "session_established",
            instance=self.instance(),
            version=self.version or 3,
            ssid=None,
            fingerprint=fingerprint,
            sent_reveal_signature=None,
            refreshed=None,
            same_key=None,
        )

    def ended_by_peer(self) -> None:
        """The program tells the user that the correspondent has ended the session."""
        self.state, self.asked = FINISHED, False
        self.sessions.discard(sender_of(self.message))
        self.emit("peer_ended_session", instance=self.instance())

    def ended_by_user(self) -> None:
        """The program tells the user that the session is over. It may say so even if there was none."""
        if self.state != PLAINTEXT:
            self.emit("user_ended_session", instance=self.instance())
        self.state, self.asked = PLAINTEXT, False
        self.sessions.clear()

    def is_secure(self, text: bytes) -> bool:
        """Whether a text that was shown without a warning was encrypted.

        The program does not say in which of several sessions it came. But only decryption yields a different text from
        a Data Message, or from fragments after there has been a session; before, fragments may contain plain text.
        """
        fragment = self._had_session and self.message.startswith((b"?OTR,", b"?OTR|"))
        return (fragment or kind_and_version(self.message)[0] == DATA) and text != self.message

    def instance(self) -> int | None:
        """The correspondent's instance tag: 0 in version 2, otherwise None, because no program tells it.

        The version is that of the received message or of the open session. The program's last handshake message comes
        last, because during a handshake it may have another version.
        """
        version = version_of(self.message)
        if not version and self.sessions:
            version = 2 if self.sessions == {0} else 3
        return 0 if (version or self.version) == 2 else None

    def unreadable(self, reason: str | None = None) -> None:
        """The program tells the user that it could not read a message: a Data Message or a handshake message."""
        kind, _ = kind_and_version(self.message)
        if kind == DATA or (kind == 0 and self.state != PLAINTEXT):
            self.emit("message_unreadable", instance=self.instance(), reason=reason, field=None, offset=None)
        else:
            self.rejected(reason)

    def rejected(self, reason: str | None = None) -> None:
        """The program tells the user that it did not accept a message."""
        self.emit("message_rejected", reason=reason, field=None, offset=None)

    def told(self, what: str, reason: str | None, *, refused: str) -> None:
        """The program tells the user that a message was "unreadable" or "rejected", or that an action was "refused".

        refused: the name of the action in the last case; "" to report no event.
        """
        if what == "unreadable":
            self.unreadable(reason)
        elif what == "rejected":
            self.rejected(reason)
        elif refused:
            self.emit("action_refused", action=refused, reason=reason)

    def smp_over(self, instance: int | None, *, equal: bool | None) -> None:
        """The program tells the user that an SMP run is over. equal: its result; None if it has none."""
        self.asked = False
        if equal is None:
            self.emit("smp_aborted", instance=instance, reason=None)
        else:
            self.emit("smp_finished", instance=instance, equal=equal)


def sender_of(message: bytes) -> int:
    """The sender's instance tag in a version 3 message or fragment; otherwise 0."""
    if found := _SENDER.match(message):
        return int(found[1], 16)
    kind, version = kind_and_version(message)
    try:
        return int.from_bytes(base64.b64decode(message[5:17], validate=True)[3:7]) if kind and version == 3 else 0
    except binascii.Error:
        return 0


def version_of(message: bytes) -> int:
    """The version of an encoded message or a fragment; otherwise 0."""
    if message.startswith((b"?OTR,", b"?OTR|")):
        return 2 if message.startswith(b"?OTR,") else 3
    return kind_and_version(message)[1]


def kind_and_version(message: bytes) -> tuple[int, int]:
    """The type and version of an encoded message; 0 and 0 for anything else, such as a fragment."""
    if not message.startswith(b"?OTR:"):
        return 0, 0
    try:
        head = base64.b64decode(message[5:9], validate=True)
    except binascii.Error:
        return 0, 0
    return (head[2], int.from_bytes(head[:2])) if len(head) == 3 else (0, 0)


def refuse_instance(program: str, instance: int | None) -> None:
    """Raise Unsupported if an action names a session."""
    if instance is not None:
        raise Unsupported(f"the user of {program} can't choose an instance")


def one_line(what: str, text: bytes) -> bytes:
    """Return the text if it can be typed or sent over IRC. Unsupported if it has a NUL or a line end."""
    if any(byte in text for byte in b"\0\r\n"):
        raise Unsupported(f"{what} with a NUL or a line's end can't be on one line of IRC")
    return text
