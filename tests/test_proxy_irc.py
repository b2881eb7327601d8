"""The proxy on IRC: its server and its bridge without sockets, with hostile clients, and with real sockets."""

from __future__ import annotations

import asyncio
import random

import pytest

from otterproof.harness.runs.proxy.bridge import Bridge
from otterproof.harness.runs.proxy.irc import LONGEST_LINE, MOST_CLIENTS, MOST_WAITING, Client, Hub
from otterproof.harness.runs.proxy.items import Happening, What
from otterproof.harness.runs.proxy.relay import Always
from otterproof.harness.runs.proxy.rules import Rules, rule_from_words
from otterproof.harness.runs.proxy.serving import Address, BridgeService, IrcService, NotServing
from otterproof.harness.runs.proxy.watched import Wanted


class Net:
    """A server and its output."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.notes: list[str] = []
        self.there: list[str] = []
        self.hub = Hub(
            lambda sender, text: self.heard.append((sender, text)),
            self.there.append,
            lambda nick: self.there.remove(nick),
            self.notes.append,
        )

    def client(self, nick: str = "") -> Client:
        client = self.hub.connect()
        assert client is not None
        if nick:
            client.feed(f"CAP LS 302\r\nNICK {nick}\r\nUSER u 0 * :u\r\n".encode())
            client.out.clear()
        return client


def test_two_clients_talk() -> None:
    net = Net()
    alice, bob = net.client("alice"), net.client("bob")
    alice.feed(b"PRIVMSG bob :?OTRv23?\r\nPRIVMSG bob one-word\nPRIVMSG bob :\r\n")
    assert net.heard == [("alice", b"?OTRv23?"), ("alice", b"one-word")]
    assert b" 412 " in alice.out
    assert net.hub.say("alice", "bob", b"hello there")
    assert bytes(bob.out) == b":alice!u@otterproof PRIVMSG bob :hello there\r\n"


def test_what_is_no_message_is_not_relayed() -> None:
    net = Net()
    alice, bob = net.client("alice"), net.client("bob")
    alice.feed(
        b"PRIVMSG bob :\x01VERSION\x01\r\nNOTICE bob :hm\r\nPRIVMSG carol :hi\r\nJOIN #x\r\nPING :7\r\nWHOIS bob\r\n"
    )
    assert net.heard == []
    assert bob.out.count(b"\r\n") == 2
    for code in (b" 401 ", b" 403 ", b" PONG ", b" 311 "):
        assert code in alice.out


def test_a_message_that_no_line_can_carry_is_not_sent() -> None:
    net = Net()
    net.client("alice")
    bob = net.client("bob")
    for text in (b"", b"a\r\nPRIVMSG x :y", b"a\0b", b"a\nb"):
        assert not net.hub.say("alice", "bob", text)
    assert bob.out == b""


def test_nicks_are_two_and_come_back() -> None:
    net = Net()
    alice, _ = net.client("alice"), net.client("bob")
    for wrong in ("carol", "alice", "ALICE", "a b", "1x", "", "x" * 31, "né"):
        late = net.client()
        late.feed(f"USER u 0 * :u\r\nNICK {wrong}\r\n".encode())
        assert late.nick == ""
        late.gone()
    alice.gone()
    assert net.there == ["bob"]
    again = net.client("alice")
    assert again.nick == "alice"
    assert net.there == ["bob", "alice"]


def test_clients_have_a_limit() -> None:
    net = Net()
    clients = [net.client() for _ in range(MOST_CLIENTS)]
    assert net.hub.connect() is None
    clients[0].gone()
    assert net.hub.connect() is not None


def test_a_line_has_a_limit() -> None:
    net = Net()
    alice = net.client("alice")
    for _ in range(20):
        alice.feed(b"x" * (LONGEST_LINE // 10))
    assert alice.closing
    assert any("at most" in note for note in net.notes)


def test_a_client_that_does_not_read_is_disconnected() -> None:
    net = Net()
    net.client("alice")
    bob = net.client("bob")
    while not bob.closing:
        net.hub.say("alice", "bob", b"x" * 60_000)
        assert len(bob.out) < 2 * MOST_WAITING
    assert any("does not read" in note for note in net.notes)


@pytest.mark.parametrize("seed", range(20))
def test_no_client_can_break_the_server(seed: int) -> None:
    source = random.Random(seed)
    words = [
        b"NICK",
        b"USER",
        b"PRIVMSG",
        b"PING",
        b"CAP",
        b"LS",
        b"REQ",
        b"WHOIS",
        b"QUIT",
        b"alice",
        b"bob",
        b":",
        b" ",
    ]
    words += [b"\r\n", b"\n", b"\0", b"\xff\xfe", b":x", b"\x1b[2J", b"?OTR|1|2,1,2,x,", b"JOIN", b"ISON", b"MODE"]
    net = Net()
    net.client("bob")
    for _ in range(5):
        client = net.client()
        for _ in range(200):
            client.feed(b" ".join(source.choices(words, k=source.randrange(6))) + source.choice([b"", b"\r\n"]))
        client.gone()
    assert all(note.isprintable() for note in net.notes)
    assert set(net.there) <= {"alice", "bob"} | set(net.hub.nicks)


def bridge() -> tuple[Bridge, list[tuple[str, bytes]], list[str]]:
    heard: list[tuple[str, bytes]] = []
    named: list[str] = []
    made = Bridge("bob", named.append, lambda sender, text: heard.append((sender, text)), named.append)
    return made, heard, named


def test_a_bridge_takes_what_the_correspondents_say_and_nothing_else() -> None:
    made, heard, named = bridge()
    made.from_client(b"NICK me\r\nUSER u 0 * :u\r\n")
    assert bytes(made.to_server) == b"NICK me\r\nUSER u 0 * :u\r\n"
    made.to_server.clear()
    made.from_server(
        b":s 001 me :Welcome\r\n:bob!b@h PRIVMSG me :?OTRv3?\r\n:eve!e@h PRIVMSG me :hi\r\n:bob!b@h JOIN #x\r\n"
    )
    assert named == ["me"]
    made.from_client(
        b"PRIVMSG bob :?OTR:AAMC.\r\nprivmsg BOB :two\r\nPRIVMSG eve :no\r\nPRIVMSG bob :\x01ACTION waves\x01\r\n"
    )
    assert heard == [("bob", b"?OTRv3?"), ("me", b"?OTR:AAMC."), ("me", b"two")]
    assert bytes(made.to_server) == b"PRIVMSG eve :no\r\nPRIVMSG bob :\x01ACTION waves\x01\r\n"
    assert bytes(made.to_client) == b":s 001 me :Welcome\r\n:eve!e@h PRIVMSG me :hi\r\n:bob!b@h JOIN #x\r\n"
    made.to_client.clear()
    assert made.say("me", b"?OTRv3?")
    assert bytes(made.to_client) == b":bob!b@h PRIVMSG me :?OTRv3?\r\n"
    assert not made.say("me", b"a\r\nQUIT")


def test_tags_of_a_line_do_not_hide_a_message() -> None:
    made, heard, _ = bridge()
    made.from_server(
        b"@time=1 :s 001 me :Welcome\r\n@time=2;id=x :bob!b@h PRIVMSG me :?OTRv3?\r\n@a  :bob!b@h PRIVMSG me :two\r\n"
    )
    made.from_client(b"@label=1 PRIVMSG bob :three\r\n@\r\n")
    assert heard == [("bob", b"?OTRv3?"), ("bob", b"two"), ("me", b"three")]


def test_a_bridge_has_limits() -> None:
    made, _, notes = bridge()
    assert made.from_client(b"x" * LONGEST_LINE)
    assert not made.from_client(b"xx")
    assert "more than" in notes[-1]


class Person:
    """A client with a socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def arrive(cls, port: int, nick: str) -> Person:
        person = cls(*await asyncio.open_connection("127.0.0.1", port))
        person.say(f"NICK {nick}", "USER u 0 * :u")
        await person.until(b" 422 ")
        return person

    def say(self, *lines: str) -> None:
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())

    async def until(self, part: bytes) -> bytes:
        while True:
            line = await asyncio.wait_for(self.reader.readline(), 30)
            assert line, "the connection is closed"
            if part in line:
                return line

    async def leave(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


def test_over_sockets() -> None:
    seen: list[Happening] = []

    async def talk() -> None:
        rules = Rules([rule_from_words("nth=2 do=drop"), rule_from_words("nth=3 do=delay seconds=0.01")])
        service = IrcService(Address("127.0.0.1", 0), Wanted(rules, seen.append))
        await service.start()
        running = asyncio.create_task(service.run())
        alice = await Person.arrive(service.listen.port, "alice")
        bob = await Person.arrive(service.listen.port, "bob")
        alice.say("PRIVMSG bob :one", "PRIVMSG bob :two", "PRIVMSG bob :three")
        assert await bob.until(b" PRIVMSG ") == b":alice!u@otterproof PRIVMSG bob :one\r\n"
        assert await bob.until(b" PRIVMSG ") == b":alice!u@otterproof PRIVMSG bob :three\r\n"
        bob.say("PRIVMSG alice :hi")
        assert (await alice.until(b" PRIVMSG ")).endswith(b" :hi\r\n")
        await alice.leave()
        await bob.leave()
        await asyncio.wait_for(running, 30)

    asyncio.run(talk())
    assert [one.item.raw for one in seen if one.what is What.SENT and one.item] == [b"one", b"two", b"three", b"hi"]
    assert What.DROPPED in [one.what for one in seen]


def test_over_a_server_that_exists() -> None:
    seen: list[Happening] = []

    async def talk() -> None:
        far = IrcService(Address("127.0.0.1", 0), Wanted(Always(), lambda _: None))
        await far.start()
        serving = asyncio.create_task(far.run())
        rules = Rules([rule_from_words("from=bob nth=1 do=duplicate")])
        service = BridgeService(Address("127.0.0.1", 0), far.listen, "bob", Wanted(rules, seen.append))
        await service.start()
        running = asyncio.create_task(service.run())
        bob = await Person.arrive(far.listen.port, "bob")
        alice = await Person.arrive(service.listen.port, "alice")
        alice.say("PRIVMSG bob :one")
        assert (await bob.until(b" PRIVMSG ")).endswith(b" PRIVMSG bob :one\r\n")
        bob.say("PRIVMSG alice :two")
        assert (await alice.until(b" PRIVMSG ")).endswith(b" :two\r\n")
        assert (await alice.until(b" PRIVMSG ")).endswith(b" :two\r\n")
        await alice.leave()
        await asyncio.wait_for(running, 30)
        await bob.leave()
        await asyncio.wait_for(serving, 30)

    asyncio.run(talk())
    assert [one.item.sender for one in seen if one.what is What.SENT and one.item] == ["alice", "bob"]


def test_a_server_that_is_not_there() -> None:
    async def talk() -> None:
        probe = IrcService(Address("127.0.0.1", 0), Wanted(Always(), lambda _: None))
        await probe.start()
        nobody = probe.listen
        await probe.stop()
        service = BridgeService(Address("127.0.0.1", 0), nobody, "bob", Wanted(Always(), lambda _: None))
        await service.start()
        running = asyncio.create_task(service.run())
        _, writer = await asyncio.open_connection("127.0.0.1", service.listen.port)
        with pytest.raises(NotServing, match="can't be reached"):
            await asyncio.wait_for(running, 30)
        writer.close()

    asyncio.run(talk())


def test_a_port_that_is_taken() -> None:
    async def talk() -> None:
        first = IrcService(Address("127.0.0.1", 0), Wanted(Always(), lambda _: None))
        await first.start()
        second = IrcService(first.listen, Wanted(Always(), lambda _: None))
        with pytest.raises(NotServing, match="--listen"):
            await second.run()
        await first.stop()

    asyncio.run(talk())
