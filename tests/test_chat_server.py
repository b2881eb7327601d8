"""The parts of the chat drivers, without a chat program: the loop, the IRC and XMPP servers, homes and terminals."""

from __future__ import annotations

import base64
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from otterproof.harness.testkit.keys import published_key
from otterproof.implementations.contract import Policy
from otterproof.implementations.drivers.adapter import SeededRandom, Settings
from otterproof.implementations.drivers.chat.bitlbee_party import unwrapped
from otterproof.implementations.drivers.chat.home import Home
from otterproof.implementations.drivers.chat.irc import IrcServer
from otterproof.implementations.drivers.chat.loop import Closed, Lines, Loop, Stream, take_until
from otterproof.implementations.drivers.chat.party import ChatParty, Program, kind_and_version, one_line, sender_of
from otterproof.implementations.drivers.chat.profanity_party import ProfanityParty
from otterproof.implementations.drivers.chat.xmpp import XmppServer, carried
from otterproof.implementations.drivers.linejson import Unsupported


class Client:
    """An IRC client in the same loop, which answers each PING and does what the test wants."""

    def __init__(self, loop: Loop, port: int) -> None:
        self.heard: list[bytes] = []
        self.answers: dict[bytes, list[bytes]] = {}
        self.lines = Lines(loop, socket.create_connection(("127.0.0.1", port)).detach(), self._line, b"\r\n")

    def _line(self, line: bytes) -> None:
        self.heard.append(line)
        if line.startswith(b"PING "):
            self.lines.write(b"PONG " + line.removeprefix(b"PING "))
        for answer in self.answers.get(line, ()):
            self.lines.write(answer)


class Chat:
    """The server and a client that has registered."""

    def __init__(self, password: str | None = None) -> None:
        self.loop = Loop()
        self.sent: list[tuple[str, bytes]] = []
        self.server = IrcServer(self.loop, lambda nick, text: self.sent.append((nick, text)))
        self.client = Client(self.loop, self.server.port)
        for line in ("CAP LS 302", f"PASS {password or self.server.password}", "NICK target", "USER u 0 * :u"):
            self.client.lines.write(line.encode())

    def connect(self) -> None:
        self.loop.until(lambda: self.server.connected)
        self.server.barrier()

    def ask(self, line: bytes) -> list[bytes]:
        """The server's answer to a line."""
        self.client.lines.write(line)
        del self.client.heard[:]
        self.server.barrier()
        self.loop.drain()
        return [one for one in self.client.heard if not one.startswith(b"PING")]

    def close(self) -> None:
        self.client.lines.close()
        self.server.close()
        self.loop.close()


@pytest.fixture
def chat() -> Iterator[Chat]:
    made = Chat()
    yield made
    made.close()


def test_messages_go_both_ways_byte_for_byte(chat: Chat) -> None:
    chat.connect()
    text = bytes(one for one in range(256) if one not in b"\0\r\n") * 40
    chat.client.answers[b":p1!u@loop PRIVMSG target :" + text] = [b"PRIVMSG p1 :" + text, b"PRIVMSG p2 :two"]
    chat.server.say("p1", text)
    chat.server.barrier()
    assert chat.sent == [("p1", text), ("p2", b"two")]


def test_a_barrier_waits_for_everything_before_it(chat: Chat) -> None:
    chat.connect()
    for number in range(300):
        line = b"%d" % number
        chat.client.answers[b":p1!u@loop PRIVMSG target :" + line] = [b"PRIVMSG p1 :" + line] * 3
        chat.server.say("p1", line)
    chat.server.barrier()
    assert [text for _, text in chat.sent] == [b"%d" % number for number in range(300) for _ in range(3)]


def test_an_old_pong_is_no_barrier(chat: Chat) -> None:
    chat.connect()
    chat.server.barrier()
    chat.client.answers[b":p1!u@loop PRIVMSG target :x"] = [b"PONG :1", b"PONG :what", b"PRIVMSG p1 :y"]
    chat.server.say("p1", b"x")
    chat.server.barrier()
    assert chat.sent == [("p1", b"y")]


def test_programs_are_answered_while_nothing_is_asked_of_the_driver(chat: Chat) -> None:
    """A program that has ended disturbs nothing until it is used."""
    ended = Chat()
    for one in (chat, ended):
        one.connect()
    ended.client.lines.close()
    requests, harness = os.pipe()

    class Told(list[bytes]):
        def append(self, line: bytes) -> None:
            os.write(harness, line)

    chat.client.heard = Told()
    chat.client.lines.write(b"PING :still there?")
    take_until(requests, [ended.loop, chat.loop])
    assert os.read(requests, 100) == b":loop PONG loop :still there?"
    with pytest.raises(Closed):
        ended.loop.until(lambda: False)
    for fd in (requests, harness):
        os.close(fd)
    ended.server.close()
    ended.loop.close()


def test_clients_without_the_password_are_not_served() -> None:
    chat = Chat("0" * 32)
    chat.loop.drain()
    assert not chat.server.connected
    chat.close()


def test_only_one_client_is_served(chat: Chat) -> None:
    chat.connect()
    with socket.create_connection(("127.0.0.1", chat.server.port)) as second:
        second.settimeout(20)
        chat.loop.drain()
        assert second.recv(100) == b""
    chat.server.barrier()


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"USERHOST p1", b":loop 302 target :p1=+u@loop"),
        (b"ISON :p1 p2", b":loop 303 target :p1 p2"),
        (b"WHOIS p1", b":loop 311 target p1 u loop * :p1"),
        (b"PING :token", b":loop PONG loop :token"),
        (b"JOIN :", None),
        (b"", None),
    ],
)
def test_questions_of_clients_are_answered(chat: Chat, line: bytes, answer: bytes | None) -> None:
    chat.connect()
    answers = chat.ask(line)
    assert answers[:1] == ([] if answer is None else [answer])


def test_a_connection_that_ends_is_told() -> None:
    loop = Loop()
    ours, theirs = socket.socketpair()
    Lines(loop, ours.detach(), lambda line: None)
    theirs.close()
    with pytest.raises(Closed):
        loop.until(lambda: False)
    loop.close()


def test_homes_are_private_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    home = Home("program")
    path = home.file("folder/file", "content")
    assert path.read_text() == "content"
    assert path.stat().st_mode & 0o777 == 0o600
    assert home.path.stat().st_mode & 0o777 == 0o700
    other = Home("program")
    assert home.path.exists(), "a home that is in use is removed by another driver"
    home.remove()
    other.remove()
    assert not home.path.exists()
    assert not other.path.exists()


def test_homes_of_killed_drivers_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    left = Home("program")
    assert left._lock is not None
    os.close(left._lock)  # as the end of a process does
    Home("program").remove()
    assert not left.path.exists()


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    open_to_all = tmp_path / f"otterproof-chat-{os.getuid()}"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    home = Home("program")
    assert open_to_all not in home.path.parents
    home.remove()


DIES = """
import os, sys
from otterproof.implementations.drivers.chat.loop import Loop
from otterproof.implementations.drivers.chat.terminal import on_terminal
loop = Loop()
on_terminal(loop, ["sh", "-c", sys.argv[1]], dict(os.environ))
loop.until(lambda: False)
"""


@pytest.mark.parametrize(("how", "code"), [("kill -SEGV $$", -11), ("exit 7", 7), ("exit 0", 1)])
def test_a_driver_ends_as_its_program_does(how: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIES, f"printf 'last \\033[2J words'; {how}"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert b"last \\x1b[2J words" in done.stderr
    assert b"\x1b" not in done.stderr


def test_a_terminal_is_read_while_the_driver_waits() -> None:
    """A program that writes more than a terminal buffers can continue."""
    done = subprocess.run(
        [sys.executable, "-c", DIES, "head -c 1000000 /dev/zero | tr '\\0' x; exit 3"], timeout=60, check=False
    )
    assert done.returncode == 3


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (b"?OTR:AAMDAAAA.", (3, 3)),
        (b"?OTR:AAICAAAA.", (2, 2)),
        (b"?OTR|1|2,1,2,AAMD,", (0, 0)),
        (b"?OTR:AA", (0, 0)),
        (b"?OTR:\xff\xff\xff\xff", (0, 0)),
        (b"hello", (0, 0)),
    ],
)
def test_type_and_version_of_a_message(message: bytes, found: tuple[int, int]) -> None:
    assert kind_and_version(message) == found


@pytest.mark.parametrize(("line", "question"), [("! who goes there?", "who goes there?"), ("!", "")])
def test_profanity_shows_a_question_in_a_line_of_its_own(
    line: str, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["! p1@loop wants to authenticate your identity with the following question:", line]
    lines.append("! use '/otr answer <answer>'.")
    program = SimpleNamespace(fingerprint=b"", join=lambda party: "p1", deliver=lambda nick, message: lines)
    monkeypatch.setattr(ProfanityParty, "programs", SimpleNamespace(take=lambda key: program), raising=False)
    party = ProfanityParty(Settings("me", "them", published_key("alice"), Policy(0), None, SeededRandom(b"")))
    party.receive(b"?OTR:AAID.")
    assert party.events == [{"event": "smp_requested", "instance": 0, "question": question}]


@pytest.mark.parametrize("text", [b"a\nb", b"\r", b"\0"])
def test_what_ends_a_line_is_not_carried(text: bytes) -> None:
    with pytest.raises(Unsupported):
        one_line("a text", text)


class XmppClient:
    """An XMPP client in the same loop, which logs in, answers pings, and keeps what it receives."""

    def __init__(self, loop: Loop, server: XmppServer, password: str) -> None:
        self.heard = ""
        self.on_text: dict[str, str] = {}
        self._server, self._password = server, password
        connection = socket.create_connection(("127.0.0.1", server.port))
        self._stream = Stream(loop, connection.detach(), self._read)
        self._open()

    def write(self, text: str) -> None:
        self._stream.write(text.encode())

    def _open(self) -> None:
        self.write("<stream:stream to='loop' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")

    def _read(self, chunk: bytes) -> None:
        new = chunk.decode()
        self.heard += new
        if "<mechanisms" in new:
            plain = base64.b64encode(f"\0target\0{self._password}".encode()).decode()
            self.write(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>")
        if "<success" in new:
            self._open()
        if "<bind" in new and "<jid>" not in new:
            bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>here</resource></bind>"
            self.write(f"<iq type='set' id='1'>{bind}</iq>")
            self.write("<iq type='get' id='2'><query xmlns='jabber:iq:roster'/></iq>")
            self.write("<iq type='get' id='3' to='p1@loop'><vCard xmlns='vcard-temp'/></iq><presence/>")
        for text, answer in self.on_text.items():
            if text in new:
                self.write(answer)
        for number in re.findall(r"id='(ping-\d+)'", new):
            self.write(f"<iq type='error' id='{number}'/>")

    def close(self) -> None:
        self._stream.close()


def test_an_xmpp_client_gets_what_it_insists_on() -> None:
    loop, sent = Loop(), list[tuple[str, bytes]]()
    server = XmppServer(loop, lambda name, text: sent.append((name, text)))
    server.introduce("p1")
    client = XmppClient(loop, server, server.password)
    loop.until(lambda: server.connected)
    server.barrier()
    assert "target@loop/here" in client.heard
    assert "jid='p1@loop'" in client.heard
    assert "<service-unavailable" in client.heard
    assert "<presence from='p1@loop/r'" in client.heard
    server.introduce("p2")
    text = "a <b>&amp; \t'\"\u00fc\U0001f9a6\r\n end"
    client.on_text["</message>"] = (
        "<message to='p2@loop/r' type='chat'><body>x &lt;y&gt; &amp;&#13;\u00fc</body></message>"
    )
    server.say("p2", text.encode())
    server.barrier()
    assert sent == [("p2", "x <y> &\r\u00fc".encode())]
    assert "a &lt;b&gt;&amp;amp; \t'\"\u00fc\U0001f9a6&#13;\n end" in client.heard
    client.close()
    server.close()
    loop.close()


def test_an_xmpp_client_without_the_password_is_not_served() -> None:
    loop = Loop()
    server = XmppServer(loop, lambda name, text: None)
    client = XmppClient(loop, server, "wrong")
    loop.until(lambda: "<not-authorized" in client.heard)
    client.write("<message to='p1@loop'><body>x</body></message><presence/>")
    loop.drain()
    assert (server.connected, server.stanzas) == (False, 0)
    client.close()
    server.close()
    loop.close()


@pytest.mark.parametrize("message", [b"\xff", b"a\0b", b"\x02", "\ufffe".encode()])
def test_what_xml_can_not_have_is_not_carried(message: bytes) -> None:
    with pytest.raises(Unsupported):
        carried(message)


@pytest.mark.parametrize(
    "text",
    [
        b"short",
        b"two\nlines",
        b"word " * 300,
        b"x" * 1000,
        b"a" * 424 + b" b",
        b"a" * 420 + b" longer word\nand a line",
        b" ".join(b"%d" % number for number in range(2000)),
    ],
)
def test_lines_that_bitlbee_has_broken_are_one_text(text: bytes) -> None:
    shown: list[bytes] = []
    for line in text.split(b"\n"):
        while len(line) > 425:
            at = line.rfind(b" ", 0, 426)
            shown.append(line[: 425 if at < 0 else at])
            line = line[425 if at < 0 else at + 1 :]
        shown.append(line)
    assert unwrapped(shown) == text


class Conversation(ChatParty):
    """A conversation without a chat program."""

    @property
    def program(self) -> Program:
        raise NotImplementedError


@pytest.mark.parametrize("typed", [b"?OTR|", b"?OTR|100|101,1,1,hello,", b"?OTR:AAMC."])
def test_a_typed_text_does_not_change_the_version_of_a_handshake(typed: bytes) -> None:
    settings = Settings("a", "b", published_key("alice"), Policy.ALLOW_V2 | Policy.ALLOW_V3, None, SeededRandom(b""))
    party = Conversation(settings)
    for message, action in ((b"?OTR:AAIC.", "start"), (typed, "send")):
        party.begin(b"", action)
        party.transmitted(message)
    assert party.version == 2
    party.begin(b"?OTR?v23?")
    party.transmitted(b"?OTR:AAMC.")
    assert party.version == 3


def test_a_handshake_of_another_version_changes_nothing_about_the_session_that_is_open() -> None:
    commit = {
        version: b"?OTR:" + base64.b64encode(bytes([0, version, 2, *b"\x00\x00\x1a\x1a", *bytes(5)])) + b"."
        for version in (2, 3)
    }
    settings = Settings("me", "them", published_key("alice"), Policy(0), None, SeededRandom(b""))
    for version, other, instance in ((2, 3, 0), (3, 2, None)):
        party = Conversation(settings)
        party.begin(commit[version])
        party.transmitted(commit[version])
        party.established(None)
        party.begin(b"?OTRv23?")
        party.transmitted(commit[other])
        party.begin(b"", "end")
        party.ended_by_user()
        assert [one["instance"] for one in party.events if "instance" in one] == [instance, instance]


def test_sender_of_a_message() -> None:
    assert sender_of(b"?OTR|1a1a|2b2b,1,2,piece,") == 0x1A1A
    assert sender_of(b"?OTR:AAMDAAAaGgAAKysA.") == 0x1A1A
    assert (sender_of(b"?OTR:AAIDAAAaGgAA."), sender_of(b"hello"), sender_of(b"?OTR:AAMD.")) == (0, 0, 0)
