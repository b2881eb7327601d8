"""The proxy between two irssi: connected over IRC like any other programs, and started by Otterproof.

Skipped, with the command that installs irssi, if it is missing.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from otterproof.harness.runs.inspector.sources import messages_in
from otterproof.harness.runs.proxy.actions import HOLD
from otterproof.harness.runs.proxy.adversary import Adversary
from otterproof.harness.runs.proxy.between import Conversation
from otterproof.harness.runs.proxy.interleavings import interleavings
from otterproof.harness.runs.proxy.items import Happening, What
from otterproof.harness.runs.proxy.relay import Always
from otterproof.harness.runs.proxy.rules import Rules, rule_from_words
from otterproof.harness.runs.proxy.serving import Address, IrcService
from otterproof.harness.runs.proxy.turns import turns_of
from otterproof.harness.runs.proxy.watched import Wanted
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.targets.driver import THIRD_PARTIES, TargetMissing
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.wire import parse
from otterproof.implementations.drivers.chat.home import Home
from otterproof.implementations.drivers.chat.loop import Loop
from otterproof.implementations.drivers.chat.terminal import Process, on_terminal
from otterproof.implementations.keyfile import Account, format_keys

pytestmark = pytest.mark.slow

_CONFIG = """\
servers = ({{ address = "127.0.0.1"; chatnet = "here"; port = "{port}"; autoconnect = "yes"; }});
chatnets = {{ here = {{ type = "IRC"; nick = "{nick}"; }}; }};
settings = {{
  core = {{ real_name = "u"; user_name = "u"; nick = "{nick}"; }};
  "irc/core" = {{ cmds_max_at_once = "1000000"; cmd_queue_speed = "10msec"; skip_motd = "yes"; usermode = ""; }};
}};
"""


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    try:
        THIRD_PARTIES["irssi"].ready()
    except TargetMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Target, Target]]:
    first, second = open_target("irssi"), open_target("irssi")
    with closing(first), closing(second):
        yield first, second


class Person:
    """An irssi at a terminal, with a simulated person who types."""

    def __init__(self, nick: str, port: int, script: str) -> None:
        self._home, self._loop = Home("irssi"), Loop()
        self._home.file("config", _CONFIG.format(nick=nick, port=port))
        self._home.file("otr/otr.key", format_keys([Account("here", "IRC", published_key(nick))]))
        # A script in irssi types for the person, when a line of its own asks for it.
        self._home.file("scripts/autorun/typist.pl", script)
        home = str(self._home.path)
        environment = {"TERM": "vt100", "LC_ALL": "C.UTF-8", "HOME": home, "PATH": os.environ["PATH"]}
        self._process: Process = on_terminal(self._loop, ["irssi", f"--home={home}"], environment)

    def look(self) -> None:
        """Read what it has written to its terminal, so that it never blocks."""
        self._loop.drain()

    def close(self) -> None:
        self._process.close()
        self._home.remove()
        self._loop.close()


#: Types a command as soon as the peer says a word, in the clear or in private: WORD -> COMMAND.
_TYPIST = """\
use Irssi;
my %%says = (%s);
Irssi::signal_add_last('message private', sub {
    my ($server, $text, $nick) = @_;
    $server->command($says{$text}) if exists $says{$text};
});
Irssi::signal_add('event connected', sub { $_[0]->command($says{connected}) if exists $says{connected} });
"""


#: Says two things once the conversation is private. Bob learns that last, so alice can read them.
_SECURED = """\
use Irssi;
Irssi::signal_register({'otr event' => [qw(iobject string string)]});
Irssi::signal_add('otr event', sub {
    my ($server, $nick, $event) = @_;
    return unless $event eq 'GONE_SECURE';
    $server->command("msg $nick $_") for qw(lost hello);
});
"""


def typist(**says: str) -> str:
    return _TYPIST % ", ".join(f"'{word}' => '{command}'" for word, command in says.items())


async def until(people: list[Person], so: Callable[[], bool]) -> None:
    """Let both run until a condition holds."""
    for _ in range(6000):
        for person in people:
            person.look()
        if so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never comes")


def test_two_irssi_on_irc(tmp_path: Path) -> None:
    """A query by hand, a handshake, a text that is lost, one that arrives, and an answer that arrives twice."""
    seen: list[Happening] = []
    rules = [
        rule_from_words("from=bob kind=data nth=1 do=drop"),
        rule_from_words("from=alice kind=data nth=1 do=duplicate"),
    ]
    log, transcript = tmp_path / "log.jsonl", tmp_path / "transcript.jsonl"

    def sent(kind: str) -> int:
        return sum(one.what is What.SENT and one.item is not None and one.item.kind == kind for one in seen)

    async def talk(service: IrcService, people: ExitStack) -> None:
        await service.start()
        running = asyncio.create_task(service.run())
        port = service.listen.port
        both: list[Person] = []
        both.append(Person("bob", port, _SECURED + typist()))
        people.callback(both[0].close)
        await until(both, lambda: any(one.words == "bob is there" for one in seen))
        both.append(Person("alice", port, typist(connected="msg bob ?OTRv23?", hello="msg bob hi")))
        people.callback(both[1].close)
        await until(both, lambda: sent("error") == 1)
        await service.stop()
        await asyncio.wait_for(running, 30)

    service = IrcService(Address("127.0.0.1", 0), Wanted(Rules(rules), seen.append, log, transcript))
    try:
        with ExitStack() as people:
            asyncio.run(talk(service, people))
    finally:
        if service.watched is not None:
            service.watched.close()
    assert service.watched is not None
    assert service.watched.failures == []
    kinds = [one.item.kind for one in seen if one.what is What.SENT and one.item is not None]
    assert kinds[:5] == ["query", "dh_commit", "dh_key", "reveal_signature", "signature"]
    assert kinds[5:] == ["data", "data", "data", "error"], "lost, hello, hi, and an error over the copy"
    assert [one.what for one in seen].count(What.DROPPED) == 1
    found = {parse(one.raw).kind.value for one in messages_in(transcript.read_bytes())}
    assert {"dh_commit", "reveal_signature", "data"} <= found
    assert read_transcript(transcript).verdict is not None
    fragments = [json.loads(line)["fragments"] for line in log.read_text().splitlines() if '"reveal_signature"' in line]
    assert fragments == [2, 2], "irssi cuts its messages, and they go on as they came"


def play(pair: tuple[Target, Target], director: Rules | Adversary | Always) -> tuple[Conversation, list[Happening]]:
    seen: list[Happening] = []
    made = Conversation(pair, turns_of(), Wanted(director, seen.append))
    made.run()
    made.close()
    return made, seen


def test_two_irssi_started_by_otterproof(pair: tuple[Target, Target]) -> None:
    made, seen = play(pair, Always())
    assert made.all_failures() == []
    assert made.told["alice", "smp_finished"] == made.told["bob", "smp_finished"] == 1
    assert made.told["bob", "text_received"] == 3
    assert sum(one.what is What.SENT for one in seen) == 15


def test_messages_of_irssi_are_meddled_with(pair: tuple[Target, Target]) -> None:
    rules = [
        rule_from_words("from=alice kind=data nth=1 do=flip field=encrypted_message"),
        rule_from_words("from=bob kind=data nth=1 do=hold after=1"),
        rule_from_words("from=alice kind=data nth=2 do=replay"),
    ]
    made, seen = play(pair, Rules(rules))
    assert made.told["bob", "message_unreadable"] >= 1
    assert made.told["bob", "text_received"] == 2
    assert {What.CHANGED, What.HELD, What.MADE} <= {one.what for one in seen}
    assert made.all_failures() == []


def test_the_same_seed_does_the_same(pair: tuple[Target, Target]) -> None:
    def done(seed: str) -> list[tuple[str, int, str]]:
        _, seen = play(pair, Adversary(seed))
        meddled = (What.CHANGED, What.DROPPED, What.MADE, What.HELD)
        return [(one.what.value, one.item.number, one.words) for one in seen if one.what in meddled and one.item]

    assert done("4") == done("4") != []


def test_all_that_can_happen_to_a_text(pair: tuple[Target, Target]) -> None:
    def begin() -> Conversation:
        return Conversation(pair, turns_of(), Wanted(Always(HOLD), lambda _: None))

    runs = list(interleavings(begin, 1, first=6))
    assert len(runs) == 4
    assert all(run.failures == () for run in runs)
    texts = [dict(run.outcome)["bob text_received"] for run in runs]
    assert texts == [3, 2, 3, 3]
