"""The proxy without programs: the relay and its actions, rules, the adversary, the judge, and the recording."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from otterproof.harness.runs.inspector.sources import messages_in
from otterproof.harness.runs.proxy import relay as relaying
from otterproof.harness.runs.proxy.actions import ACTIONS, DROP, HOLD, PASS, Action, action_of
from otterproof.harness.runs.proxy.adversary import Adversary
from otterproof.harness.runs.proxy.between import Conversation
from otterproof.harness.runs.proxy.interleavings import interleavings
from otterproof.harness.runs.proxy.items import Happening, Item, What
from otterproof.harness.runs.proxy.outside import OutsideJudge
from otterproof.harness.runs.proxy.relay import Always, Relay
from otterproof.harness.runs.proxy.rules import Rules, rule_from_words, rules_of
from otterproof.harness.runs.proxy.turns import turns_of
from otterproof.harness.runs.proxy.watched import Wanted, Watched
from otterproof.harness.simulation.diagram import Arrow, Fate, diagram_of
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.support.errors import UsageError
from otterproof.harness.targets.registry import open_target
from otterproof.harness.ui.proxy_lines import Lines
from otterproof.harness.wire import Kind, fragment, parse
from otterproof.harness.wire.mutate import change_field
from tests.hostile.texts import EVERYTHING

NAMES = ("alice", "bob")


class Line:
    """A relay and its output."""

    def __init__(self, *rules: str, otherwise: Action = PASS) -> None:
        self.relay = Relay(NAMES, Rules([rule_from_words(one) for one in rules], otherwise))
        self.happened: list[Happening] = []
        self.relay.watchers.append(self.happened.append)

    def say(self, *texts: bytes, sender: str = "alice", now: float = 0) -> list[bytes]:
        for text in texts:
            self.relay.hear(sender, text, now)
        return self.out()

    def out(self) -> list[bytes]:
        return [piece for item in self.relay.take() for piece in item.pieces]

    def did(self) -> list[What]:
        return [one.what for one in self.happened]


@cache
def conversation() -> tuple[Item, ...]:
    """The messages of an honest conversation."""
    seen: list[Happening] = []
    target = open_target("independent")
    talk = Conversation((target, target), turns_of(), Wanted(Always(), seen.append))
    talk.run()
    talk.close()
    return tuple(one.item for one in seen if one.what is What.SENT and one.item is not None)


def data() -> bytes:
    """The first Data Message of the conversation."""
    return next(item.raw for item in conversation() if item.kind == "data")


def honest() -> list[tuple[str, bytes]]:
    """All messages of the conversation, each with its sender."""
    return [(item.sender, item.raw) for item in conversation()]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("do=pass", [b"one", b"two", b"three"]),
        ("nth=2 do=drop", [b"one", b"three"]),
        ("every=2 do=duplicate count=2", [b"one", b"two", b"two", b"two", b"three"]),
        ("nth=3 do=replay", [b"one", b"two", b"three", b"two"]),
        ("nth=3 do=replay back=2", [b"one", b"two", b"three", b"one"]),
        ("nth=1 do=replay", [b"one", b"two", b"three"]),
        ("nth=1 do=hold after=1", [b"two", b"one", b"three"]),
        ("nth=1 do=hold after=2", [b"two", b"three", b"one"]),
        ("nth=1 do=hold", [b"two", b"three"]),
        ("nth=2 do=inject message=mine", [b"one", b"two", b"mine", b"three"]),
        ("nth=1 do=truncate size=2", [b"on", b"two", b"three"]),
        ("nth=1 do=flip bit=7", [b"nne", b"two", b"three"]),
        ("nth=1 do=flip field=no_such_field", [b"one", b"two", b"three"]),
        ("from=bob do=drop", [b"one", b"two", b"three"]),
        ("kind=query do=drop", [b"one", b"two", b"three"]),
    ],
)
def test_each_action(rule: str, expected: list[bytes]) -> None:
    assert Line(rule).say(b"one", b"two", b"three") == expected


def test_what_comes_back_goes_to_the_sender() -> None:
    line = Line("do=reflect")
    line.relay.hear("alice", b"one", 0)
    assert [(item.receiver, item.raw) for item in line.relay.take()] == [("bob", b"one"), ("alice", b"one")]


def test_delay_ends_with_time() -> None:
    line = Line("nth=1 do=delay seconds=5")
    assert line.say(b"one", b"two", now=1) == [b"two"]
    assert line.relay.next_due() == 6
    line.relay.tick(5.9)
    assert line.out() == []
    line.relay.tick(6)
    assert line.out() == [b"one"]
    assert line.relay.next_due() is None


def test_a_field_is_changed_and_nothing_else() -> None:
    changed = Line("do=change field=flags value=1").say(data())[0]
    assert parse(changed).number("flags") == 1
    assert change_field(changed, "flags", parse(data()).number("flags")) == data()
    for name in ("mac", "next_dh", "sender_keyid", "encrypted_message"):
        flipped = parse(Line(f"do=flip field={name}").say(data())[0])
        differing = [one.name for one, other in zip(flipped.fields, parse(data()).fields, strict=True) if one != other]
        assert differing == [name]


def test_fragments_are_put_together_and_go_on_as_they_came() -> None:
    pieces = fragment(data(), 200, 3, (0x100, 0x200))
    line = Line()
    assert line.say(*pieces[:-1]) == []
    assert line.say(pieces[-1]) == pieces
    sent = line.happened[0].item
    assert sent is not None
    assert (sent.raw, sent.kind, sent.pieces) == (data(), "data", tuple(pieces))


def test_a_changed_message_is_cut_again() -> None:
    pieces = fragment(data(), 200, 3, (0x100, 0x200))
    out = Line("do=change field=flags value=1").say(*pieces)
    assert len(out) == len(pieces)
    assert max(map(len, out)) <= 200
    assert all(parse(one).kind is Kind.FRAGMENT_V3 for one in out)


def test_fragments_that_are_never_complete_are_not_lost() -> None:
    pieces = fragment(data(), 200, 3, (0x100, 0x200))
    line = Line()
    assert line.say(pieces[0], b"plain") == [pieces[0], b"plain"]
    assert line.say(pieces[0]) == []
    line.relay.release()
    assert line.out() == [pieces[0]]


def test_what_is_held_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaying, "MOST_HELD", 3)
    line = Line(otherwise=HOLD)
    assert line.say(b"1", b"2", b"3") == []
    assert line.say(b"4", b"5") == [b"1", b"2"]
    assert [item.raw for item in line.relay.held()] == [b"3", b"4", b"5"]


def test_what_is_remembered_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaying, "MOST_REMEMBERED_BYTES", 5000)
    line = Line()
    for _ in range(50):
        line.say(b"x" * 1000)
    assert len(line.relay.remembered()) == 5


def test_incomplete_fragments_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaying, "MOST_PIECES", 4)
    endless = [b"?OTR,%d,60000,x," % k for k in range(1, 9)]
    assert Line().say(*endless) == endless


def test_a_person_lets_go_and_acts() -> None:
    line = Line(otherwise=HOLD)
    line.say(b"one", b"two", b"three")
    assert line.relay.act(2, PASS, 1)
    assert line.relay.act(1, DROP, 1)
    assert line.relay.act(3, Action("duplicate", {}), 1)
    assert line.out() == [b"two", b"three", b"three"]
    assert line.relay.act(1, PASS, 2), "a copy of one that is gone"
    assert line.out() == [b"one"]
    assert not line.relay.act(99, PASS, 2)


def test_parties_have_names_of_their_own() -> None:
    with pytest.raises(ValueError, match="both parties"):
        Relay(("bob", "bob"), Always())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rule = 1", r"may contain only \[\[rule\]\] tables"),
        ("[[rule]]\nkind = 'data'", "it has no action"),
        ("[[rule]]\ndo = 'dorp'", "no action 'dorp'.*drop"),
        ("[[rule]]\ndo = 'drop'\nkind = 'date'", "no kind 'date'"),
        ("[[rule]]\ndo = 'drop'\nnth = -1", "nth must be a whole number"),
        ("[[rule]]\ndo = 'flip'\nbit = 'x'", "bit must be a number"),
        ("[[rule]]\ndo = 'change'\nfield = 'flags'", "change needs value"),
        ("[[rule]]\ndo = 'change'\nfield = 'flags'\nvalue = 'xy'", "not hexadecimal"),
        ("[[rule]]\ndo = 'drop'\nwhere = { flags = 'q' }", "where.flags"),
        ("[[rule]]\ndo = 'delay'\nseconds = 1e9", "from 0 to"),
        ("[[rule]]\ndo = 'drop'\nbits = 1", "does not take 'bits'"),
        ("[[rule", "not TOML"),
    ],
)
def test_rules_that_are_wrong(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=says):
        rules_of(path)


def test_rules_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(
        '[[rule]]\nfrom = "alice"\nkind = "data"\nwhere = { flags = 0 }\nnth = 1\ndo = "drop"\n'
        '[[rule]]\nkind = "handshake"\nnth = 3\ndo = "duplicate"\n'
    )
    director = Rules(rules_of(path))
    chosen = [(item.kind, director.decide(item).name) for item in conversation()]
    assert [one for one in chosen if one[1] != "pass"] == [("reveal_signature", "duplicate"), ("data", "drop")]


def test_every_action_is_known_to_the_parser() -> None:
    for name, parameters in ACTIONS.items():
        given: dict[str, object] = {one.name: "00" if one.kind is str else 1 for one in parameters.every}
        assert str(action_of(name, given, "here")).startswith(name)


def test_the_adversary_follows_from_its_seed() -> None:
    def drawn(seed: str) -> list[str]:
        adversary = Adversary(seed, 2)
        return [str(adversary.decide(item)) for item in conversation()]

    assert drawn("a") == drawn("a")
    assert drawn("a") != drawn("b")
    kinds = {Adversary(str(seed), 1).decide(item).name for seed in range(200) for item in conversation()[:1]}
    assert kinds >= {"drop", "duplicate", "hold", "replay", "flip", "change", "truncate", "inject", "fragment", "forge"}


def judged(items: Sequence[tuple[str, bytes]]) -> list[tuple[str, str]]:
    """The findings of the judge from outside on messages that are all delivered."""
    judge = OutsideJudge(NAMES)
    relay = Relay(NAMES, Always())
    seen: list[Happening] = []
    relay.watchers.append(seen.append)
    for sender, raw in items:
        relay.hear(sender, raw, 0)
    for happening in seen:
        judge.judge(happening)
    return [(name, failure.check) for name, failure in judge.failures]


def test_an_honest_conversation_breaks_no_rule() -> None:
    assert judged(honest()) == []
    again = {check for _, check in judged(honest() + honest())}
    assert again == {"mac-revelation.revealed-twice"}, "a new session begins counters again"


def test_a_counter_that_does_not_rise() -> None:
    at = next(number for number, (_, raw) in enumerate(honest()) if raw == data())
    assert judged([*honest()[: at + 1], honest()[at]]) == [(honest()[at][0], "counters.not-higher")]


def test_a_key_that_is_revealed_twice() -> None:
    at, (sender, raw) = next(
        (number, one)
        for number, one in enumerate(honest())
        if parse(one[1]).kind is Kind.DATA and parse(one[1]).revealed_mac_keys()
    )
    counter = int.from_bytes(parse(raw).data("ctr")) + 1
    again = change_field(raw, "ctr", counter.to_bytes(8))
    assert judged([*honest()[: at + 1], (sender, again)]) == [(sender, "mac-revelation.revealed-twice")]


def test_a_message_that_is_malformed() -> None:
    wrong = change_field(data(), "flags", 2)
    sender = honest()[[raw for _, raw in honest()].index(data())][0]
    before = honest()[: [raw for _, raw in honest()].index(data())]
    assert judged([*before, (sender, wrong)]) == [(sender, "form.undefined-flags")]
    assert judged([("alice", b"?OTR:what a user types."), ("alice", b"?OTR what else")]) == []


FAULTS = [
    ("old-mac-keys-of-19-bytes", "form.partial-mac-key"),
    ("counter-constant", "counters.not-higher"),
    ("counter-starts-at-0", "form.counter-zero"),
    ("mac-keys-revealed-repeatedly", "mac-revelation.revealed-twice"),
    ("live-mac-key-revealed", "mac-revelation.key-still-in-use"),
]


@pytest.mark.parametrize(("fault", "check"), FAULTS)
def test_a_faulty_target_is_found_out(fault: str, check: str) -> None:
    target, other = open_target(f"fault:{fault}"), open_target("independent")
    talk = Conversation((target, other), turns_of(), Wanted(Always(), lambda _: None))
    talk.run()
    talk.close()
    assert check in [failure.check for _, failure in talk.watched.failures]
    assert {name for name, _ in talk.all_failures()} == {"alice"}


@pytest.mark.slow
def test_engines_stand_any_adversary() -> None:
    first, second = open_target("reference"), open_target("independent")
    for seed in range(20):
        talk = Conversation((first, second), turns_of(), Wanted(Adversary(str(seed), 2), lambda _: None))
        talk.run()
        talk.close()
        assert talk.ended is None
        assert talk.all_failures() == []


def test_a_transcript_is_one_that_others_read(tmp_path: Path) -> None:
    log, transcript = tmp_path / "log.jsonl", tmp_path / "transcript.jsonl"
    director = Rules(
        [rule_from_words("from=alice kind=data nth=1 do=flip field=mac"), rule_from_words("nth=5 do=drop")]
    )
    watched = Watched(NAMES, Wanted(director, lambda _: None, log, transcript))
    for sender, raw in honest()[:9]:
        watched.relay.hear(sender, raw, 1.5)
    watched.close()
    diagram = diagram_of(read_transcript(transcript))
    fates = [row.fate for row in diagram.rows if isinstance(row, Arrow)]
    assert fates.count(Fate.CHANGED) == 1
    assert fates.count(Fate.LOST) >= 1
    found = {one.raw for one in messages_in(transcript.read_bytes())}
    assert {raw for _, raw in honest()[:9]} <= found
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    assert {line["event"] for line in lines} == {"sent", "passed", "changed", "dropped"}


@pytest.mark.slow
def test_interleavings_are_all_there_are() -> None:
    target = open_target("independent")
    seen: list[tuple[str, ...]] = []

    def begin() -> Conversation:
        return Conversation((target, target), turns_of(), Wanted(Always(HOLD), lambda _: None))

    for run in interleavings(begin, 1, first=6):
        assert run.failures == ()
        seen.append(run.choices)
    assert seen == [
        ("6 (data) goes to bob",),
        ("6 (data) is lost",),
        ("6 (data) comes twice",),
        ("the next user acts",),
    ]


def test_a_held_message_stays_and_the_conversation_goes_on() -> None:
    seen: list[Happening] = []
    target = open_target("independent")
    director = Rules([rule_from_words("kind=data nth=1 do=hold")])
    talk = Conversation((target, target), turns_of(), Wanted(director, seen.append))
    talk.run()
    assert [item.kind for item in talk.watched.relay.held()] == ["data"]
    assert talk.told["alice", "smp_finished"] == talk.told["bob", "smp_finished"] == 1
    talk.close()


def test_an_interruption_is_not_the_targets_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    target = open_target("independent")
    talk = Conversation((target, target), turns_of(), Wanted(Always(), lambda _: None))
    talk.step()
    monkeypatch.setattr(target, "finish", lambda: pytest.fail("it is asked, in the middle of a call"))
    talk.close(interrupted=True)
    assert talk.all_failures() == []


def test_foreign_bytes_are_escaped_in_the_log_and_in_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, log = Lines(), tmp_path / "log.jsonl"
    watched = Watched(NAMES, Wanted(Always(), lines, log))
    hostile = [
        b"\x1b]0;title\x07\x1b[2J",
        b"\xff\xfe\0",
        b"?OTR:AAMD.\x1b[31m",
        b"?OTR Error:\x1b[2J",
        EVERYTHING.encode("utf-8", "replace"),
    ]
    for raw in hostile:
        watched.relay.hear("alice", raw, 0)
    watched.close()
    written = log.read_bytes()
    assert all(byte == 10 or 32 <= byte < 127 for byte in written)
    raws = [json.loads(line)["raw"].encode("latin-1") for line in written.splitlines()[::2]]
    assert raws == hostile
    assert all(one.isprintable() for one in capsys.readouterr().out.split("\n"))
