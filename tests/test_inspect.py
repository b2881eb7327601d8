"""The inspector: what it finds, opens and forges, compared with the toolkit of libotr's authors where both apply."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from otterproof.harness.runs.inspector import opening
from otterproof.harness.runs.inspector.inspected import MEANINGS, inspect_all, meanings
from otterproof.harness.runs.inspector.opening import Opener, Secrets
from otterproof.harness.runs.inspector.sources import messages_in
from otterproof.harness.spec import requirements
from otterproof.harness.support.errors import UsageError
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.ui import cli
from otterproof.harness.wire import Kind, build, parse
from otterproof.harness.wire.crypto import session_keys
from otterproof.harness.wire.fragments import fragment
from otterproof.harness.wire.layouts import BODIES, TAG_BASE, TAG_VERSIONS
from otterproof.harness.wire.numbers import fingerprint, power
from otterproof.implementations.contract import OutgoingMessage

VERSIONS = pytest.mark.parametrize("version", [2, 3])


def conversation(version: int) -> tuple[list[bytes], Insider]:
    """All messages of a conversation with an SMP run, and an insider who knows the keys of one side."""
    context = Context(EngineTarget("reference"), version, b"inspect")
    target, insider = context.encrypted(target_begins=True)
    target.assert_receives_text(insider, b"good morning")
    target.assert_sends_text(insider, b"and to you")
    target.assert_receives_text(insider, b"how are you?")
    target.assert_sends_text(insider, b"well, thanks")
    target.user("smp_start", secret=b"secret", question=b"which?" if version == 3 else None)
    messages = []
    for step in context.records[-1].log:
        messages += [one for name, one in step.args.items() if name == "message" and isinstance(one, bytes)]
        messages += [event.message for event in step.events if isinstance(event, OutgoingMessage)]
    return messages, insider


def inspected(version: int, *, secrets: bool = True) -> tuple[list[bytes], Insider, list[object]]:
    messages, insider = conversation(version)
    private = tuple(insider.exponents.values()) if secrets else ()
    return messages, insider, list(inspect_all(messages_in(b"\n".join(messages)), Secrets(private=private)))


# ---- finding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (b"10:01 <bob> ?OTR:AAMK. and more", [Kind.DH_KEY]),
        (b"?OTR:AAMK.\r\n?OTRv23?\n", [Kind.DH_KEY, Kind.QUERY]),
        (b"hello ?OTRv3? there ?OTR:AAMK.", [Kind.QUERY, Kind.DH_KEY]),
        (b"x ?OTR Error: it went wrong", [Kind.ERROR]),
        (b"good day" + TAG_BASE + TAG_VERSIONS[3], [Kind.TAGGED_PLAINTEXT]),
        (b"?OTR,1,2,?OTR:AA,\n?OTR,2,2,MK.,", [Kind.DH_KEY]),
        (b"?OTR,1,2,?OTR:AA,", [Kind.FRAGMENT_V2]),
        (b"?OTR,1,1,?OTR:AAMK.,?OTRv3? and, more", [Kind.DH_KEY, Kind.QUERY]),
        (b"?OTR,x ?OTRv3?", [Kind.FRAGMENT_V2]),
        (b"?OTR" * 50_000 + b"v3?", [Kind.PLAINTEXT] * 49_999 + [Kind.QUERY]),
        (b"?OTR:AAM", [Kind.BAD_ARMOUR]),
    ],
)
def test_messages_are_found_in_what_is_pasted(text: bytes, kinds: list[Kind]) -> None:
    assert [parse(one.raw).kind for one in messages_in(text)] == kinds


def test_fragments_are_put_together_and_say_where_they_were() -> None:
    messages, _ = conversation(3)
    pieces = fragment(messages[-1], 200, 3, (0x1A1A, 0x2B2B))
    (found,) = messages_in(b"\n".join(b"<alice> " + piece for piece in pieces))
    assert found.raw == messages[-1]
    assert (found.place, found.pieces) == (f"line 1 to line {len(pieces)}", len(pieces))


def test_without_a_message_there_is_nothing_to_say() -> None:
    with pytest.raises(UsageError, match="no OTR message"):
        messages_in(b"good morning\n")


def test_a_transcript_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(
        ["check", "reference", "--only", "key_id_0_is_refused", "--transcripts", str(tmp_path), "--jobs", "1"]
    )
    assert code == 0
    capsys.readouterr()
    path = next(tmp_path.glob("conformance.data.*v3*.jsonl"))
    assert cli.main(["inspect", str(path)]) == 0
    assert "step 2, target receives it" in capsys.readouterr().out


# ---- opening ---------------------------------------------------------------------------------------------------------


@VERSIONS
def test_a_private_key_opens_the_conversation(version: int) -> None:
    messages, insider, _ = inspected(version)
    told = list(inspect_all(messages_in(b"\n".join(messages)), Secrets(private=tuple(insider.exponents.values()))))
    texts = [field.value for one in told for layer in one.layers for field in layer.fields if field.name == "text"]
    assert [text for text in texts if text != "no bytes"] == [
        '"good morning"',
        '"and to you"',
        '"how are you?"',
        '"well, thanks"',
    ]
    signed = [one for one in told if one.kind in ("reveal_signature", "signature")]
    assert len(signed) == 2
    assert all(any(f"ssid {insider.ssid.hex()}" in note for note in one.notes) for one in signed)
    assert any(fingerprint(insider.key.public).hex() in note for one in signed for note in one.notes)
    (commit,) = (one for one in told if one.kind == "dh_commit")
    assert commit.layers[1].title == "what it commits to, opened with the revealed key"
    smp = [layer for one in told for layer in one.layers if layer.title.startswith("TLV")]
    assert [layer.title[:5] for layer in smp] == ["TLV 7" if version == 3 else "TLV 2"]
    assert "g2a" in {field.name for field in smp[0].fields}
    assert not [problem for one in told for problem in one.problems]


@VERSIONS
def test_without_secrets_only_what_is_public_is_told(version: int) -> None:
    messages, _, _ = inspected(version)
    told = list(inspect_all(messages_in(b"\n".join(messages)), Secrets()))
    opened = [one.kind for one in told if len(one.layers) > 1]
    assert opened == ["dh_commit"]
    revealed = [note for one in told for note in one.notes if "later message reveals" in note]
    assert revealed, "MAC keys were revealed, and verify earlier messages"


def test_problems_are_told_with_their_requirement() -> None:
    (told,) = inspect_all(messages_in(b"?OTR:AAMKAAAAAQ==."), Secrets())
    assert [name for _, name in told.problems]
    (told,) = inspect_all(messages_in(b"?OTR:AAM"), Secrets())
    assert told.problems[0][1] == "ARMOUR-FORM-1"


def test_the_table_of_meanings_fits_the_codec_and_the_requirements() -> None:
    known = requirements.load().requirements
    for kind, fields in meanings().items():
        assert kind == "any" or kind in {one.value for one in Kind}, MEANINGS
        assert all(not source or source in known for _, source in fields.values()), kind
    for kind, layout in BODIES.items():
        there = {**meanings()["any"], **meanings()[kind]}
        assert {part.name for part in layout} <= there.keys(), kind


# ---- forging ---------------------------------------------------------------------------------------------------------


def data_message(version: int) -> tuple[bytes, bytes, bytes]:
    """A Data Message with the text "good morning", its AES key and its MAC key."""
    messages, insider = conversation(version)
    opener = Opener([parse(one) for one in messages], Secrets(private=tuple(insider.exponents.values())))
    message = next(one for one in messages if parse(one).kind is Kind.DATA)
    key = opener.key_of(parse(message))
    assert key is not None
    assert key.aes is not None
    return message, key.aes, key.mac


@VERSIONS
def test_a_revealed_key_is_enough_to_forge(version: int, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    messages, _ = conversation(version)
    (tmp_path / "log").write_bytes(b"\n".join(messages))
    assert cli.main(["inspect", str(tmp_path / "log"), "--forge", "GOOD EVENING", "--was", "good morning"]) == 0
    forged = capsys.readouterr().out.strip().encode()
    _, aes, _ = data_message(version)
    assert cli.main(["inspect", forged.decode(), "--aes", aes.hex(), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["messages"]
    assert told["layers"][1]["fields"][0]["value"] == '"GOOD EVENING"'
    assert cli.main(["inspect", str(tmp_path / "log"), "--forge", "longer than it was", "--was", "good morning"]) == 2
    assert cli.main(["inspect", str(tmp_path / "log"), "--forge", "x" * 9999, "--was", "x" * 9999]) == 2
    assert "can't have 9999 bytes" in capsys.readouterr().err
    assert cli.main(["inspect", str(tmp_path / "log"), "--forge", "GOOD EVENING"]) == 2
    assert "--was" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [("grüß dich\n" * 50, '"' + "grüß dich\\n" * 50 + '"'), ("\udcff" * 50, "ff" * 50 + " (50 bytes)")],
)
def test_a_text_is_told_whole(text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    message, aes, _ = data_message(3)
    assert cli.main(["inspect", message.decode(), "--aes", aes.hex(), "--forge", text]) == 0
    forged = capsys.readouterr().out.strip()
    assert cli.main(["inspect", forged, "--aes", aes.hex()]) == 0
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["?OTR:AAMK.", "--aes", "00"], "16 bytes"),
        (["?OTR:AAMK.", "--mac", "xx"], "not hexadecimal"),
        (["?OTR:AAMK.", "--private", "1" * 1025], "more than 1024 digits"),
        (["?OTR:AAMK.", "--forge", "x"], "no Data Message verifies"),
        (["no such file"], "no such file"),
    ],
)
def test_wrong_requests_are_told(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = cli.main(["inspect", *words])
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == 2
    assert says in capsys.readouterr().err


def test_a_number_may_have_an_odd_number_of_digits() -> None:
    """Programs print numbers without leading zeros."""
    assert cli.parser(["inspect"]).parse_args(["inspect", "--private", "abc", "--secret", "0abc"]).private == [0xABC]


def test_it_reads_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"bob: ?OTR:AAMK.\n\x1b[2J ?OTR Error: \x1b[2J")))
    assert cli.main(["inspect"]) == 0
    out = capsys.readouterr().out
    assert "line 1" in out
    assert "\x1b" not in out
    monkeypatch.setattr(sys, "stdin", None)
    assert cli.main(["inspect"]) == 2


# ---- long and hostile input


def test_whole_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """Fields are shortened for readers, unless everything is requested."""
    messages, _, _ = inspected(3, secrets=False)
    (commit,) = (one for one in messages if parse(one).kind is Kind.DH_COMMIT)
    value = parse(commit).data("encrypted_gx").hex()
    assert cli.main(["inspect", commit.decode()]) == 0
    shown = capsys.readouterr().out
    assert value not in shown
    assert " ... " in shown
    assert cli.main(["inspect", commit.decode(), "--full"]) == 0
    assert value in capsys.readouterr().out
    assert cli.main(["inspect", commit.decode(), "--json"]) == 0
    assert value in capsys.readouterr().out


def revealing(count: int, *, keys: bytes = bytes(20)) -> bytes:
    """A Data Message that reveals this many MAC keys, all different."""
    messages, _, _ = inspected(3, secrets=False)
    message = next(parse(one) for one in messages if parse(one).kind is Kind.DATA)
    made = b"".join(number.to_bytes(20) for number in range(1, count)) + keys
    return build(message.with_value("old_mac_keys", made))


def test_the_time_does_not_grow_with_the_number_of_revealed_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message can reveal any number of keys, and a log can have any number of messages."""
    tried: list[bytes] = []

    def verifies(_: object, key: bytes) -> bool:
        tried.append(key)
        return False

    monkeypatch.setattr(opening, "verifies", verifies)
    for keys in (opening.NEAREST, 50 * opening.NEAREST):
        log = b"\n".join(3 * [revealing(keys)])
        tried.clear()
        (*_, told) = inspect_all(messages_in(log), Secrets())
        assert len(tried) == 3 * opening.NEAREST
    (note,) = told.notes
    assert note.endswith(f"and {149 * opening.NEAREST} were not tried")


def test_the_keys_that_are_revealed_next_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    right = b"\xaa" * 20
    monkeypatch.setattr(opening, "verifies", lambda _, key: key == right)
    many = revealing(2 * opening.NEAREST)
    log = b"\n".join([many, many, revealing(1), revealing(1, keys=right), many])
    told = list(inspect_all(messages_in(log), Secrets()))
    opened = [any("the MAC is right" in note for note in one.notes) for one in told]
    assert opened == [False, True, True, False, False], "it is too far from the first, and before the last two"


# ---- beside the toolkit ----------------------------------------------------------------------------------------------


def toolkit(program: str, *words: str, stdin: bytes = b"") -> bytes:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is missing. Install: apt-get install libotr5-bin")
    return subprocess.run([program, *words], input=stdin, capture_output=True, timeout=60, check=True).stdout


def forged_by(capsys: pytest.CaptureFixture[str], *words: str) -> bytes:
    assert cli.main(["inspect", *words]) == 0
    return capsys.readouterr().out.strip().encode()


@VERSIONS
def test_otr_sesskeys_and_otr_mackey(version: int) -> None:
    _, insider = conversation(version)
    private, theirs = insider.exponents[1], insider.theirs[1]
    printed = toolkit("otr_sesskeys", f"{private:080x}", f"{theirs:0384x}").decode()
    keys = session_keys(power(2, private), theirs, power(theirs, private))
    for key in (keys.sending_aes, keys.sending_mac, keys.receiving_aes, keys.receiving_mac):
        assert key.hex() in printed.lower()
    assert keys.sending_mac.hex() in toolkit("otr_mackey", keys.sending_aes.hex()).decode().lower()


@VERSIONS
def test_otr_parse_reads_the_same_fields(version: int) -> None:
    messages, _ = conversation(version)
    for raw in messages:
        message = parse(raw)
        if message.kind not in (Kind.DH_COMMIT, Kind.DH_KEY, Kind.REVEAL_SIGNATURE, Kind.SIGNATURE, Kind.DATA):
            continue
        printed = toolkit("otr_parse", stdin=raw + b"\n").decode().lower()
        (told,) = inspect_all(messages_in(raw), Secrets())
        assert told.kind.replace("_", " ").replace("dh ", "d-h ") in printed
        for name in ("mac", "ctr", "revealed_key", "hashed_gx"):
            if message.has(name):
                assert message.data(name).hex() in printed


@VERSIONS
def test_otr_readforge_makes_the_same_message(version: int, capsys: pytest.CaptureFixture[str]) -> None:
    message, aes, _ = data_message(version)
    printed = toolkit("otr_readforge", aes.hex(), "another text", stdin=message + b"\n")
    theirs = parse(printed[printed.find(b"?OTR:") :].strip())
    ours = parse(forged_by(capsys, message.decode(), "--aes", aes.hex(), "--forge", "another text"))
    assert ours.body == theirs.with_value("old_mac_keys", ours.data("old_mac_keys")).body


@VERSIONS
def test_otr_modify_makes_the_same_message(version: int, capsys: pytest.CaptureFixture[str]) -> None:
    message, _, mac = data_message(version)
    printed = toolkit("otr_modify", mac.hex(), "good morning", "GOOD EVENING", "0", stdin=message + b"\n")
    ours = forged_by(capsys, message.decode(), "--mac", mac.hex(), "--forge", "GOOD EVENING", "--was", "good morning")
    assert parse(ours).body == parse(printed.strip()).body


@VERSIONS
def test_otr_remac_makes_the_same_message(version: int, capsys: pytest.CaptureFixture[str]) -> None:
    message, _, mac = data_message(version)
    parsed = parse(message)
    tags = ("sender_tag", "receiver_tag")
    printed = toolkit(
        "otr_remac",
        mac.hex(),
        *(str(parsed.number(name)) if version == 3 else "0" for name in tags),
        "1",
        *(str(parsed.number(name)) for name in ("sender_keyid", "recipient_keyid")),
        f"{parsed.number('next_dh'):x}".zfill(384),
        parsed.data("ctr").hex(),
        parsed.data("encrypted_message").hex(),
        parsed.data("old_mac_keys").hex(),
    )
    ours = parse(forged_by(capsys, message.decode(), "--mac", mac.hex(), "--set", "flags=1"))
    theirs = parse(printed.strip())
    if version == 3:
        assert theirs.body == ours.body
    else:  # it only makes version 3 messages
        assert theirs.version == 3
        assert theirs.data("encrypted_message") == ours.data("encrypted_message")
