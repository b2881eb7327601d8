"""Sequence diagrams of transcripts: the fate of each message, and pictures that escape any text."""

from __future__ import annotations

import typing
import xml.etree.ElementTree as ElementTree
from dataclasses import fields
from pathlib import Path

import pytest
from rich.cells import cell_len

from otterproof.harness.simulation.describe import describe_move
from otterproof.harness.simulation.diagram import NETWORK, Arrow, Change, Fate, Note, diagram_of
from otterproof.harness.simulation.moves import (
    Delay,
    Deliver,
    Drop,
    Duplicate,
    Inject,
    Move,
    Replay,
    Settle,
    Tick,
    Truncate,
    User,
)
from otterproof.harness.simulation.transcript import Header, PartyInfo, TranscriptWriter, Verdict
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.ui import cli
from otterproof.harness.ui.diagram_text import lines_of
from otterproof.harness.ui.fuzz_findings import whose
from otterproof.harness.ui.site.diagram import as_page, as_svg
from otterproof.harness.wire import fragment
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import (
    ActionRefused,
    OutgoingMessage,
    PartyConfig,
    PeerEndedSession,
    RefuseReason,
    SessionEstablished,
    TextReceived,
    UserEndedSession,
)
from tests.hostile.texts import EVERYTHING

DATA = b"?OTR:" + b"AAMDAAAAAQAAAAEAAAAAAAAAAAAAAAAAAAAA" + b"."
CHANGED = DATA.replace(b"EAAAAAAAA", b"EAAAAAABB", 1)


def written(path: Path, detail: str = "It is wrong.") -> Path:
    """Alice sends two messages: one arrives twice and once changed, the other is lost. Bob also gets a forged one."""
    parties = {name: PartyInfo("reference", PartyConfig(published_key(name))) for name in ("alice", "bob")}
    with TranscriptWriter.create(path, Header(b"seed", parties, "made.up")) as writer:
        writer.step(0, "alice", "send", {"text": b"hello"}, [OutgoingMessage(DATA)])
        writer.step(0, "bob", "receive", {"message": DATA}, [TextReceived(b"hello", True, False, 0)])
        writer.step(0, "alice", "send", {"text": b"again"}, [OutgoingMessage(b"?OTR:AAMK.")])
        writer.step(0, "bob", "receive", {"message": DATA}, [])
        writer.step(0, "bob", "receive", {"message": CHANGED}, [])
        writer.step(0, "bob", "receive", {"message": b"?OTRv9?"}, [])
        writer.step(0, "alice", "receive", {"message": DATA}, [], failure="it is gone")
        writer.verdict(Verdict.FAIL, detail)
    return path


def test_what_became_of_each_message(tmp_path: Path) -> None:
    diagram = diagram_of(read_transcript(written(tmp_path / "t.jsonl")))
    assert diagram.lanes == ("alice", NETWORK, "bob")
    arrows = [(row.step, row.sender, row.receiver, row.fate) for row in diagram.rows if isinstance(row, Arrow)]
    assert arrows == [
        (1, "alice", NETWORK, Fate.AS_SENT),
        (2, NETWORK, "bob", Fate.AS_SENT),
        (3, "alice", NETWORK, Fate.LOST),
        (4, NETWORK, "bob", Fate.AGAIN),
        (5, NETWORK, "bob", Fate.CHANGED),
        (6, NETWORK, "bob", Fate.MADE),
        (7, NETWORK, "alice", Fate.BACK),
    ]
    texts = [row.text for row in diagram.rows if isinstance(row, Arrow)]
    assert texts[:3] == ['"hello"', '"hello"', '"again"']
    changed = next(row for row in diagram.rows if isinstance(row, Arrow) and row.fate is Fate.CHANGED)
    assert changed.change == Change(16, "00 00 00", "10 40", "00 00 00")
    assert [row.text for row in diagram.rows if isinstance(row, Note)] == ["breaks down: it is gone"]
    shown = [line.plain for line in lines_of(diagram, 100)]
    assert "changed on the way" in " ".join(" ".join(shown).replace("│", " ").split())
    assert any("00 00 00 [10 40] 00 00 00" in line for line in shown)
    assert any("✕" in line for line in shown)
    assert all(line.count("│") <= 3 for line in shown)


def test_the_message_states_stand_on_the_lanes(tmp_path: Path) -> None:
    parties = {name: PartyInfo("reference", PartyConfig(published_key(name))) for name in ("alice", "bob")}
    begun = SessionEstablished(0, 2, b"", b"", False, False, False)
    with TranscriptWriter.create(tmp_path / "t.jsonl", Header(b"", parties, "made.up")) as writer:
        writer.step(0, "alice", "receive", {"message": DATA}, [begun])
        writer.step(0, "alice", "receive", {"message": DATA}, [begun])
        writer.step(0, "alice", "receive", {"message": DATA}, [PeerEndedSession(0)])
        writer.step(0, "alice", "end", {}, [UserEndedSession(0)])
        writer.verdict(Verdict.PASS, "")
    diagram = diagram_of(read_transcript(tmp_path / "t.jsonl"))
    states = [(row.step, row.lane, row.text) for row in diagram.rows if isinstance(row, Note) and row.state]
    assert states == [(1, "alice", "ENCRYPTED"), (3, "alice", "FINISHED"), (4, "alice", "PLAINTEXT")]
    root = ElementTree.fromstring(as_svg(diagram))
    lanes = [one for one in root.iter("{http://www.w3.org/2000/svg}line") if str(one.get("class")).startswith("lane ")]
    spans = [(one.get("x1"), one.get("y1"), one.get("y2"), one.get("class")) for one in lanes]
    kinds = ["lane PLAINTEXT", "lane PLAINTEXT", "lane ENCRYPTED", "lane FINISHED", "lane PLAINTEXT"]
    assert [kind for *_, kind in spans] == kinds
    first, _, *later = spans
    assert all(one[2] == next_one[1] for one, next_one in zip([first, *later], later, strict=False))


def test_a_text_in_the_clear_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    parties = {"alice": PartyInfo("reference", PartyConfig(published_key("alice")))}
    with TranscriptWriter.create(path, Header(b"seed", parties, "made.up")) as writer:
        writer.step(0, "alice", "send", {"text": b"hello"}, [OutgoingMessage(b"hello")])
        writer.verdict(Verdict.PASS, "")
    (arrow,) = diagram_of(read_transcript(path)).rows
    assert isinstance(arrow, Arrow)
    assert arrow.label == 'plain text "hello"'


def test_fragments_of_one_message_are_one_arrow(tmp_path: Path) -> None:
    """Unless one of them was tampered with or lost."""
    pieces = fragment(DATA, 30, 2)
    assert len(pieces) > 3
    parties = {name: PartyInfo("reference", PartyConfig(published_key(name))) for name in ("alice", "bob")}
    with TranscriptWriter.create(tmp_path / "t.jsonl", Header(b"", parties, "made.up")) as writer:
        writer.step(0, "alice", "send", {"text": b"hello"}, [OutgoingMessage(one) for one in pieces])
        for one in pieces[:-1]:
            writer.step(0, "bob", "receive", {"message": one}, [])
        writer.step(0, "bob", "receive", {"message": pieces[0]}, [])
        writer.step(0, "bob", "receive", {"message": pieces[-1]}, [TextReceived(b"hello", True, False, 0)])
        writer.verdict(Verdict.FAIL, "")
    diagram = diagram_of(read_transcript(tmp_path / "t.jsonl"))
    arrows = [row for row in diagram.rows if isinstance(row, Arrow)]
    assert [(row.step, row.label) for row in arrows] == [
        (1, f'Data Message in {len(pieces)} fragments "hello"'),
        (2, f"{len(pieces) - 1} fragments"),
        (len(pieces) + 1, "version 2 fragment [came before]"),
        (len(pieces) + 2, 'version 2 fragment "hello"'),
    ]
    assert diagram.last == len(pieces) + 2


def test_the_last_fragments_alone_are_no_message(tmp_path: Path) -> None:
    pieces = fragment(DATA, 30, 2)
    parties = {name: PartyInfo("reference", PartyConfig(published_key(name))) for name in ("alice", "bob")}
    with TranscriptWriter.create(tmp_path / "t.jsonl", Header(b"", parties, "made.up")) as writer:
        writer.step(0, "alice", "send", {"text": b"hello"}, [OutgoingMessage(one) for one in pieces])
        writer.step(0, "bob", "receive", {"message": pieces[0]}, [])
        writer.step(0, "bob", "receive", {"message": b"between"}, [])
        for one in pieces[1:]:
            writer.step(0, "bob", "receive", {"message": one}, [])
        writer.verdict(Verdict.PASS, "")
    arrows = [row.label for row in diagram_of(read_transcript(tmp_path / "t.jsonl")).rows if isinstance(row, Arrow)]
    assert arrows[1:] == [
        "version 2 fragment",
        'plain text "between" [sent by nobody else]',
        f"{len(pieces) - 1} fragments",
    ]


def test_fragments_of_which_the_same_became_are_one_arrow(tmp_path: Path) -> None:
    pieces = fragment(DATA, 30, 2)
    other = fragment(CHANGED, 40, 2)
    parties = {name: PartyInfo("reference", PartyConfig(published_key(name))) for name in ("alice", "bob")}
    with TranscriptWriter.create(tmp_path / "t.jsonl", Header(b"", parties, "made.up")) as writer:
        writer.step(0, "alice", "send", {"text": b"hello"}, [OutgoingMessage(one) for one in pieces])
        for one in other:
            writer.step(0, "bob", "receive", {"message": one}, [])
        writer.verdict(Verdict.PASS, "")
    arrows = [row.label for row in diagram_of(read_transcript(tmp_path / "t.jsonl")).rows if isinstance(row, Arrow)]
    assert arrows == [
        f'Data Message in {len(pieces)} fragments "hello" [never arrives]',
        f"Data Message in {len(other)} fragments [sent by nobody else]",
    ]


def test_a_fragment_that_was_sent_twice_may_arrive_twice(tmp_path: Path) -> None:
    """The first fragments of two messages in one session are often the same."""
    first = fragment(DATA, 30, 2)
    second = [*first[:-1], first[-1].replace(b"A", b"B", 1)]
    parties = {name: PartyInfo("reference", PartyConfig(published_key(name))) for name in ("alice", "bob")}
    with TranscriptWriter.create(tmp_path / "t.jsonl", Header(b"", parties, "made.up")) as writer:
        for pieces in (first, second):
            writer.step(0, "alice", "send", {"text": b"hello"}, [OutgoingMessage(one) for one in pieces])
            for one in pieces:
                writer.step(0, "bob", "receive", {"message": one}, [])
        writer.step(0, "bob", "receive", {"message": first[0]}, [])
        writer.verdict(Verdict.PASS, "")
    rows = diagram_of(read_transcript(tmp_path / "t.jsonl")).rows
    count = len(first)
    assert [row.label for row in rows if isinstance(row, Arrow) and row.receiver == "bob"] == [
        f"Data Message in {count} fragments",
        f"Data Message in {count} fragments",
        "version 2 fragment [came before]",
    ]


def test_every_move_can_be_told_in_words() -> None:
    examples: list[tuple[Move, str]] = [
        (User("alice", "send", {"text": b"hello"}), 'alice\'s user sends "hello"'),
        (User("target", "smp_start", {"secret": b"x"}), 'the target\'s user starts SMP: secret "x"'),
        (User("bob", "end"), "bob's user ends the conversation"),
        (Drop("bob", 2), "the network loses the third message waiting for bob"),
        (Deliver("bob", 0), "the network delivers the first message waiting for bob"),
        (Delay("bob", -1), "the network puts the last message waiting for bob behind the others"),
        (Duplicate("bob", -2), "the network copies the second-to-last message waiting for bob"),
        (Deliver("bob", 21), "the network delivers the 22nd message waiting for bob"),
        (Replay("bob", -1), "the adversary gives bob a copy of the last message of all that were sent"),
        (Truncate("bob", 0, 1), "the adversary cuts the first message waiting for bob after 1 byte"),
        (Inject("bob", b"?OTRv3?"), 'the adversary gives bob "?OTRv3?"'),
        (Inject("bob", b"?OTR \t  \r\n"), r'the adversary gives bob "?OTR \t  \r\n"'),
        (Inject("bob", b""), "the adversary gives bob an empty message"),
        (User("bob", "smp_start", {"question": None}), "bob's user starts SMP: without a question"),
        (Tick(1), "1 second passes"),
        (Settle(1), "the network delivers what is under way and what that causes, at most 1 message"),
    ]
    assert [describe_move(move) for move, _ in examples] == [words for _, words in examples]
    values = {int: 1, str: "bob", bytes: b"x"}
    for kind in typing.get_args(Move):
        types = typing.get_type_hints(kind)
        made = kind(**{one.name: values.get(types[one.name], 1) for one in fields(kind) if one.name != "args"})
        assert describe_move(made).startswith(("the ", "bob's ", "1 second passes"))


def test_a_party_may_be_called_network(tmp_path: Path) -> None:
    """It gets a lane of its own, and text across other lanes is complete."""
    parties = {name: PartyInfo("reference", PartyConfig(published_key("alice"))) for name in ("a", "network", "c")}
    with TranscriptWriter.create(tmp_path / "t.jsonl", Header(b"", parties, "made.up")) as writer:
        writer.step(0, "a", "send", {"text": b"hello"}, [OutgoingMessage(DATA)])
        for name in ("network", "c"):
            writer.step(0, name, "receive", {"message": DATA}, [TextReceived(b"hello" * 12, True, False, 0)])
        writer.verdict(Verdict.PASS, "")
    diagram = diagram_of(read_transcript(tmp_path / "t.jsonl"))
    assert diagram.lanes == ("a", NETWORK, "network", "c")
    shown = "".join("".join(line.plain for line in lines_of(diagram, 100)).replace("│", " ").split())
    assert shown.count("hello" * 12) == 2
    assert "</svg>" in as_svg(diagram)


@pytest.mark.parametrize("width", [20, 80, 200])
def test_any_width_will_do(width: int, tmp_path: Path) -> None:
    diagram = diagram_of(read_transcript(written(tmp_path / "t.jsonl")))
    assert len(list(lines_of(diagram, width))) > len(diagram.rows)


def test_pictures_hold_any_text_as_text(tmp_path: Path) -> None:
    parties = {"target": PartyInfo(EVERYTHING, PartyConfig(published_key("alice")))}
    path = tmp_path / "t.jsonl"
    with TranscriptWriter.create(path, Header(b"", parties, "<script>alert(1)</script>")) as writer:
        writer.step(0, "target", "send", {"text": EVERYTHING.encode(errors="surrogatepass")}, (), failure=EVERYTHING)
        writer.verdict(Verdict.FAIL, EVERYTHING + "<script>")
    diagram = diagram_of(read_transcript(path))
    root = ElementTree.fromstring(as_svg(diagram))
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {
        "svg",
        "title",
        "style",
        "g",
        "rect",
        "text",
        "line",
        "path",
    }
    page = as_page(diagram)
    assert "<script" not in page
    assert "\x1b" not in page


def test_a_record_of_a_pair_can_be_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "t.jsonl")
    assert cli.main(["show", str(path)]) == 0
    out = capsys.readouterr().out
    assert "verdict: fail" in out
    assert "network" in out
    assert cli.main(["show", str(path), "--svg", str(tmp_path / "t.svg"), "--html", str(tmp_path / "t.html")]) == 0
    assert (tmp_path / "t.svg").read_text().startswith("<svg")
    assert "Content-Security-Policy" in (tmp_path / "t.html").read_text()
    assert cli.main(["show", str(tmp_path / "t.svg")]) == 2


def test_wide_characters_keep_the_lanes_where_they_are(tmp_path: Path) -> None:
    """Each takes two columns, also where a text is wrapped."""
    parties = {name: PartyInfo("reference", PartyConfig(published_key("alice"))) for name in ("alice", "bob")}
    with TranscriptWriter.create(tmp_path / "t.jsonl", Header(b"", parties, "made.up")) as writer:
        writer.step(0, "alice", "send", {"text": b"hello"}, [OutgoingMessage(DATA)])
        writer.step(0, "alice", "receive", {"message": DATA}, (), failure="日本語テキスト e\u0301 " * 9)
        writer.step(0, "bob", "receive", {"message": DATA}, [TextReceived(b"hello", True, False, 0)])
        writer.verdict(Verdict.PASS, "")
    _, *lines = (line.plain for line in lines_of(diagram_of(read_transcript(tmp_path / "t.jsonl")), 80))
    assert any("日本" in line for line in lines)
    columns = {cell_len(line.rpartition("│")[0]) for line in lines if "▶" not in line and line.rstrip().endswith("│")}
    assert len(columns) == 1, "the last lane is in one column"


def test_an_event_without_a_reason_is_told_without_one() -> None:
    assert shown(ActionRefused("send", None)) == "refuses"
    assert shown(ActionRefused("send", RefuseReason.TOO_LONG)) == "refuses (too long)"
    assert shown(b"\t") == "09 (1 byte)"
    assert shown(b"\xff?OTR").endswith("(5 bytes)")


@pytest.mark.parametrize(
    ("count", "adversarial", "words"),
    [
        (0, 0, ""),
        (1, 0, ", not the adversary's"),
        (1, 1, ", the adversary's"),
        (3, 0, ", none of them the adversary's"),
        (3, 2, ", 2 of them the adversary's"),
        (3, 3, ", all of them the adversary's"),
    ],
)
def test_how_many_moves_are_the_adversarys(count: int, adversarial: int, words: str) -> None:
    assert whose(count, adversarial) == words
