"""What the parties of all chat programs share: their state as the user sees it, and what the server sees go out.

A party is one correspondent of a running program: programs are kept by key, and each party has a new nick. The driver
knows of a session what the program tells its user, no more. Two things it reads off the messages on the way: the
version of a session, which no program shows, and whether a message that could not be read was a Data Message.
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

#: Message types in which a party takes part in a handshake, and Data Messages.
_HANDSHAKE, DATA = (0x02, 0x0A, 0x11, 0x12), 0x03

_SENDER = re.compile(rb"\?OTR\|([0-9a-fA-F]{1,8})\|")

#: Programs that run at a time, as long as none of them is needed.
_MOST_RUNNING = 6

#: Lines that are kept of what the user was shown in one step, and characters of each.
_MOST_LINES, _LONGEST_LINE = 200, 2000


class Program(Protocol):
    """A running program, as far as all parties need it."""

    @property
    def loop(self) -> Loop:
        """What waits for it."""
        ...

    @property
    def parties(self) -> Mapping[str, ChatParty]:
        """Those that are in it, by the nicks of their correspondents."""
        ...

    @property
    def worn_out(self) -> bool:
        """Whether the next party should have a new process."""
        ...

    @property
    def instance_tag(self) -> int | None:
        """Its instance tag, as far as it is known."""
        ...

    @property
    def fingerprint(self) -> bytes:
        """The fingerprint of its key, as it tells its user."""
        ...

    def restart(self) -> None:
        """Its user ends it and starts it again."""
        ...

    def logs(self) -> Mapping[str, bytes]:
        """What it has written beside its store of keys, by the names of files."""
        ...

    def close(self) -> None:
        """End it, and leave nothing behind."""
        ...


P = TypeVar("P", bound=Program)


class Programs(Generic[P]):
    """The running programs: one for each key, and for each instance tag if the program takes it from a file."""

    def __init__(self, start: Callable[..., P]) -> None:
        self._start = start
        self._running: dict[tuple[DsaPrivateKey, int | None], P] = {}
        self._alone: list[P] = []

    def take(self, key: DsaPrivateKey, instance_tag: int | None = None, *, alone: bool = False, **more: int) -> P:
        """The program of a key, started if need be. alone, or with more settings: a new one, for a single party."""
        if alone or more:
            self._alone.append(self._start(key, instance_tag, **more))
            return self._alone[-1]
        made_of = key, instance_tag
        if made_of in self._running and self._running[made_of].worn_out:
            self._running.pop(made_of).close()
        if made_of in self._running:
            self._running[made_of] = self._running.pop(made_of)  # the last one that is used is the last to end
        else:
            self._make_room()
            self._running[made_of] = self._start(key, instance_tag)
        return self._running[made_of]

    def _make_room(self) -> None:
        """End what has not been used for longest, where there are many, for some runs need a new key each time."""
        for made_of, program in list(self._running.items()):
            if len(self._running) < _MOST_RUNNING:
                return
            if not program.parties:
                self._running.pop(made_of).close()

    def leave(self, program: P) -> None:
        """A party has left a program, which ends if it was alone in it."""
        if program in self._alone:
            self._alone.remove(program)
            program.close()

    def wait(self, fd: int) -> None:
        """Until a descriptor can be read, answer the programs: some leave a server that does not answer their pings."""
        take_until(fd, [one.loop for one in (*self._running.values(), *self._alone)])

    def close(self) -> None:
        """End them all."""
        while self._alone:
            self._alone.pop().close()
        while self._running:
            self._running.popitem()[1].close()


Q = TypeVar("Q", bound="ChatParty")


class Correspondents(Generic[Q]):
    """The parties that are in a running program, each a correspondent under a new nick; a part of every `Program`."""

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
        """The nick of a party that comes: a number, with an ending if no nick may begin with another one."""
        self.served += 1
        nick = f"p{self.served}{ending}"
        self.parties[nick] = party
        return nick

    def _sent(self, nick: str, message: bytes) -> None:
        """The program has sent a message to somebody."""
        if nick in self.parties:
            self.parties[nick].transmitted(message)


class ChatParty(Adapted):
    """A conversation with one correspondent, in a window of the program."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.state = PLAINTEXT
        #: The correspondents' instance tags of the sessions that are encrypted, 0 in version 2.
        self.sessions: set[int] = set()
        #: The message that is being received, and whether there had been a session before it.
        self.message = b""
        self._had_session = False
        #: What the user is doing, by the action's name; "" while a message is being received.
        self.action = ""
        #: Whether the user has been asked for the secret of SMP and has not answered.
        self.asked = False
        #: The version of the last handshake message that the program has sent.
        self.version = 0

    @property
    @abstractmethod
    def program(self) -> Program:
        """The program that it is in."""

    def restart(self) -> None:
        self.program.restart()
        self.fingerprint, self.instance_tag = self.program.fingerprint, self.program.instance_tag

    def logs(self) -> Mapping[str, bytes]:
        return self.program.logs()

    def begin_again(self) -> None:
        """The program has been started again: there is no session any more."""
        self.state, self.asked, self.version = PLAINTEXT, False, 0
        self.sessions.clear()
        self._had_session = False

    def begin(self, message: bytes, action: str = "") -> None:
        """A message is about to be received, or, if it is b"", the user is about to act."""
        self.message, self.action = message, action
        self._had_session = self._had_session or bool(self.sessions)

    def show(self, line: str) -> None:
        """The program has put a line on the user's screen."""
        if len(self.shown) < _MOST_LINES:
            self.shown.append(line[:_LONGEST_LINE])

    def transmitted(self, message: bytes) -> None:
        """The program has sent a message to the correspondent."""
        if self.action != "send" and kind_and_version(message)[0] in (*_HANDSHAKE, 0):  # a text may look like anything
            self.version = version_of(message) or self.version
        self.emit("outgoing_message", message=message)

    def established(self, fingerprint: str | None) -> None:
        """The user is told that the conversation is private now."""
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
        """The user is told that the correspondent has ended the session."""
        self.state, self.asked = FINISHED, False
        self.sessions.discard(sender_of(self.message))
        self.emit("peer_ended_session", instance=self.instance())

    def ended_by_user(self) -> None:
        """The user is told that the conversation is over; a program may say so where there was none."""
        if self.state != PLAINTEXT:
            self.emit("user_ended_session", instance=self.instance())
        self.state, self.asked = PLAINTEXT, False
        self.sessions.clear()

    def is_secure(self, text: bytes) -> bool:
        """Whether a text that was shown without a warning had been encrypted.

        A program does not say in which of several sessions. But only by decrypting does it get another text out of a
        Data Message, or out of fragments, which may have plain text in them as long as there has never been a session.
        """
        fragment = self._had_session and self.message.startswith((b"?OTR,", b"?OTR|"))
        return (fragment or kind_and_version(self.message)[0] == DATA) and text != self.message

    def instance(self) -> int | None:
        """The correspondent's tag, which no program tells; version 2 has none.

        The version is that of the message received or of the session that is open. While a handshake is under way, that
        of the program's last message may be another one.
        """
        version = version_of(self.message)
        if not version and self.sessions:
            version = 2 if self.sessions == {0} else 3
        return 0 if (version or self.version) == 2 else None

    def unreadable(self, reason: str | None = None) -> None:
        """The user is told that a message could not be read: an encrypted one, or one of the handshake."""
        kind, _ = kind_and_version(self.message)
        if kind == DATA or (kind == 0 and self.state != PLAINTEXT):
            self.emit("message_unreadable", instance=self.instance(), reason=reason, field=None, offset=None)
        else:
            self.rejected(reason)

    def rejected(self, reason: str | None = None) -> None:
        """The user is told that a message was not taken."""
        self.emit("message_rejected", reason=reason, field=None, offset=None)

    def told(self, what: str, reason: str | None, *, refused: str) -> None:
        """The user is told of a message that was "unreadable" or "rejected", or that something was "refused".

        refused: the action that was refused then, by its name; "" if there was none.
        """
        if what == "unreadable":
            self.unreadable(reason)
        elif what == "rejected":
            self.rejected(reason)
        elif refused:
            self.emit("action_refused", action=refused, reason=reason)

    def smp_over(self, instance: int | None, *, equal: bool | None) -> None:
        """The user is told that a run of SMP is over. equal: its result; None: it has none."""
        self.asked = False
        if equal is None:
            self.emit("smp_aborted", instance=instance, reason=None)
        else:
            self.emit("smp_finished", instance=instance, equal=equal)


def sender_of(message: bytes) -> int:
    """The sender's instance tag in a message or fragment of version 3, else 0."""
    if found := _SENDER.match(message):
        return int(found[1], 16)
    kind, version = kind_and_version(message)
    try:
        return int.from_bytes(base64.b64decode(message[5:17], validate=True)[3:7]) if kind and version == 3 else 0
    except binascii.Error:
        return 0


def version_of(message: bytes) -> int:
    """The version of an encoded message or of a fragment; 0 for what has none."""
    if message.startswith((b"?OTR,", b"?OTR|")):
        return 2 if message.startswith(b"?OTR,") else 3
    return kind_and_version(message)[1]


def kind_and_version(message: bytes) -> tuple[int, int]:
    """The type and version of an encoded message; 0 for what has none, such as a fragment."""
    if not message.startswith(b"?OTR:"):
        return 0, 0
    try:
        head = base64.b64decode(message[5:9], validate=True)
    except binascii.Error:
        return 0, 0
    return (head[2], int.from_bytes(head[:2])) if len(head) == 3 else (0, 0)


def refuse_instance(program: str, instance: int | None) -> None:
    """Unsupported if an action names a session."""
    if instance is not None:
        raise Unsupported(f"the user of {program} can't choose an instance")


def one_line(what: str, text: bytes) -> bytes:
    """A text that can be typed, or carried by IRC: Unsupported if it has a NUL or a line's end."""
    if any(byte in text for byte in b"\0\r\n"):
        raise Unsupported(f"{what} with a NUL or a line's end can't be on one line of IRC")
    return text
