"""An independent judge of the vectors: the OTR toolkit of libotr's authors, installed as system programs.

Neither the project's engines nor its codec share code with it. `otr_sesskeys` and `otr_mackey` derive the keys for Data
Messages, `otr_readforge` verifies, decrypts and rewrites a Data Message, `otr_parse` parses all encoded messages. What
the programs can't judge is skipped with a reason: they do not know the range of D-H keys, fragments or states.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from otterproof.harness import wire
from otterproof.harness.targets.driver import TargetError, TargetMissing
from otterproof.harness.vectorgen.answers import Answer, Unanswerable
from otterproof.harness.vectorgen.probing import fits
from otterproof.harness.vectorgen.replaying import messages
from otterproof.harness.vectorgen.wrong import Wrong
from otterproof.harness.wire import Kind, Message
from otterproof.vectors import Case, Group

PROGRAMS = ("otr_parse", "otr_sesskeys", "otr_mackey", "otr_readforge")
INSTALL = "apt-get install libotr5-bin"

#: Seconds allowed for a program to process one message.
_LIMIT = 30

#: How `otr_parse` names the kinds.
_TITLES = {
    Kind.DH_COMMIT: "D-H Commit Message",
    Kind.DH_KEY: "D-H Key Message",
    Kind.REVEAL_SIGNATURE: "Reveal Signature Message",
    Kind.SIGNATURE: "Signature Message",
    Kind.DATA: "Data Message",
}

#: How `otr_parse` names the fields, and in which base it writes the numbers; 0: as bytes.
_LABELS = {
    "version": ("Version", 16),
    "sender_tag": ("Sender instance", 10),
    "receiver_tag": ("Receiver instance", 10),
    "encrypted_gx": ("Encrypted Key", 0),
    "hashed_gx": ("Hashed Key", 0),
    "gy": ("D-H Key", 16),
    "revealed_key": ("Key", 0),
    "encrypted_signature": ("Encrypted Signature", 0),
    "mac": ("MAC", 0),
    "flags": ("Flags", 10),
    "sender_keyid": ("Sender keyid", 10),
    "recipient_keyid": ("Rcpt keyid", 10),
    "next_dh": ("DH y", 16),
    "ctr": ("Counter", 0),
    "encrypted_message": ("Encrypted message", 0),
}

#: Problems, by the codec's codes, with the fields of a message that the programs refuse.
_UNREADABLE = frozenset({"missing", "short", "trailing"})

_PLAINTEXT = b"Plaintext: ``"
_PLAINTEXT_END = b"''\n"


class Toolkit:
    """Answers cases with the toolkit's programs. TargetMissing if they are not installed."""

    def __init__(self) -> None:
        missing = [program for program in PROGRAMS if shutil.which(program) is None]
        if missing:
            raise TargetMissing(f"the OTR toolkit needs {', '.join(missing)}. Install: {INSTALL}")
        self._shown: dict[bytes, tuple[str, Mapping[str, str]]] = {}

    def check(self, group: Group, case: Case) -> Mapping[str, Wrong | None]:
        """The problem with a case, by reading. Unanswerable; TargetError if a program dies."""
        if group.operation == "play":
            return {next(iter(case.outcomes)): self._play(case)}
        if group.operation == "session_keys":
            found = self._session_keys(case)
        elif group.operation == "open_data":
            found = self._open_data(group, case)
        else:
            raise Unanswerable("the toolkit has no program for it")
        return {reading: fits(found, outcome, play=False) for reading, outcome in case.outcomes.items()}

    # ---- keys ----------------------------------------------------------------------------------------------------

    def _session_keys(self, case: Case) -> Answer:
        if not case.outcome().valid:
            raise Unanswerable("otr_sesskeys takes D-H keys out of range")
        theirs = case.fields.number("their_public")
        size = (theirs.bit_length() + 7) // 8
        printed = self._run("otr_sesskeys", case.fields.data("private").hex(), theirs.to_bytes(size).hex())
        told = _table(printed)
        keys = {
            f"{way.lower()}_{kind.lower()}": bytes.fromhex(told[f"{way}{gap}{kind} key"])
            for way, gap in (("Sending", "   "), ("Receiving", " "))
            for kind in ("AES", "MAC")
        }
        for way in ("sending", "receiving"):
            if self._mac_key(keys[f"{way}_aes"]) != keys[f"{way}_mac"]:
                raise ValueError(f"otr_mackey and otr_sesskeys give different {way} MAC keys")
        public = int(told["Our public key"], 16)
        return Answer(True, {"our_public": public, "high_end": b"We are the high end" in printed, **keys})

    def _mac_key(self, aes_key: bytes) -> bytes:
        return bytes.fromhex(_table(self._run("otr_mackey", aes_key.hex()))["MAC key"])

    # ---- Data Messages -------------------------------------------------------------------------------------------

    def _open_data(self, group: Group, case: Case) -> Answer:
        """Parsed, verified, decrypted; and the toolkit's own forgery with the same text must be the same message."""
        message, aes_key = case.fields.data("message"), group.fields.data("aes_key")
        if self._mac_key(aes_key) != group.fields.data("mac_key"):
            raise ValueError("otr_mackey derives another MAC key than the group's")
        shown = self._decrypted(message, aes_key)
        if shown is None:
            return Answer(False, {})
        kind, fields = self._read(message)
        if kind != _TITLES[Kind.DATA]:
            raise ValueError(f"otr_readforge takes it, and otr_parse says {kind!r}")
        expect: dict[str, Any] = {
            name: int(fields[_LABELS[name][0]] or "0", _LABELS[name][1])
            for name in ("flags", "sender_keyid", "recipient_keyid", "next_dh")
        }
        expect["ctr"] = bytes.fromhex(fields["Counter"])
        expect["old_mac_keys"] = tuple(
            bytes.fromhex(value) for label, value in fields.items() if label.startswith("Key ")
        )
        rights = (outcome.expect.data("plaintext") for outcome in case.outcomes.values() if outcome.valid)
        plaintext = next(rights, shown)
        if b"\0" not in plaintext:
            expect["plaintext"] = shown
            forged = self._run("otr_readforge", aes_key.hex(), shown, stdin=message)
            if wire.parse(forged[forged.find(b"?OTR:") :].strip()).body != wire.parse(message).body:
                raise ValueError("otr_readforge forges another message with the same text and keys")
        elif plaintext.split(b"\0")[0] != shown:  # it shows only the text before the TLVs
            expect["plaintext"] = shown
        return Answer(True, expect)

    def _decrypted(self, message: bytes, aes_key: bytes) -> bytes | None:
        """The text that `otr_readforge` shows, up to the first zero byte; None if it refuses the message."""
        printed = self._run("otr_readforge", aes_key.hex(), stdin=message, refuses=True)
        if not printed.startswith(_PLAINTEXT) or not printed.endswith(_PLAINTEXT_END):
            return None
        return printed[len(_PLAINTEXT) : -len(_PLAINTEXT_END)]

    # ---- messages in plays ---------------------------------------------------------------------------------------

    def _play(self, case: Case) -> Wrong | None:
        """Every encoded message must be parsed as the codec parses it, and verify under the case's keys."""
        judged = 0
        values = case.outcome().expect.get("values")
        for number, (message, sent) in enumerate(messages(case.fields.items_of("steps")), 1):
            parsed = wire.parse(message)
            if parsed.kind not in _TITLES:
                continue
            judged += 1
            problem = self._compare(parsed, message)
            if not problem and values and parsed.kind is Kind.DATA and not self._opens(message, sent, values):
                problem = Wrong("it does not verify under the AES keys in values")
            if problem:
                return problem.at(f"message {number}")
        if not judged:
            raise Unanswerable("it has no encoded message, and the toolkit reads nothing else")
        return None

    def _compare(self, parsed: Message, message: bytes) -> Wrong | None:
        """How `otr_parse` and the codec differ on a message; None if they agree."""
        kind, fields = self._read(message)
        title = _TITLES[parsed.kind]
        if any(problem.code in _UNREADABLE for problem in parsed.problems):
            invalid = f"Invalid {title}"
            return None if kind == invalid else Wrong("the kind for otr_parse", invalid, kind)
        if kind != title:
            return Wrong("the kind for otr_parse", title, kind)
        for name, (label, base) in _LABELS.items():
            if not parsed.has(name):
                continue
            right = parsed.number(name) if base else parsed.data(name).hex()
            shown = fields.get(label, "")
            if (int(shown or "0", base) if base else shown) != right:
                return Wrong.value(f"{label} for otr_parse", right, shown)
        return None

    def _opens(self, message: bytes, sent: bool, values: Mapping[str, bytes]) -> bool:
        """Whether a Data Message verifies under the keys that its ids, as `otr_parse` reads them, name in values."""
        _, fields = self._read(message)
        ids = fields["Sender keyid"], fields["Rcpt keyid"]
        ours, theirs = ids if sent else ids[::-1]
        name = f":{ours},{theirs} {'sending' if sent else 'receiving'}_aes"
        keys = [value for label, value in values.items() if label.endswith(name)]
        return any(self._decrypted(message, key) is not None for key in keys)

    def _read(self, message: bytes) -> tuple[str, Mapping[str, str]]:
        """The kind and the fields that `otr_parse` shows of a message; kind "" if it finds no message."""
        if message not in self._shown:
            printed = self._run("otr_parse", stdin=message)
            kind = printed.partition(b"\n")[0].decode("latin-1").removesuffix(":")
            self._shown[message] = kind, _table(printed)
        return self._shown[message]

    def _run(self, *words: str | bytes, stdin: bytes = b"", refuses: bool = False) -> bytes:
        """The output of a program. TargetError if it fails, unless it may refuse its input."""
        try:
            done = subprocess.run(words, input=stdin, capture_output=True, timeout=_LIMIT, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TargetError(f"{words[0]!s}: {error}. Install: {INSTALL}") from error
        if done.returncode < 0 or (done.returncode and not refuses):
            end = done.stderr.decode("latin-1").strip()[-200:]
            raise TargetError(f"{words[0]!s} ends with {done.returncode} on {stdin[:60]!r}: {end}")
        return done.stdout


def _table(printed: bytes) -> dict[str, str]:
    """The lines of the form "label: value"."""
    lines: Sequence[str] = printed.decode("latin-1").split("\n")
    parts = (line.strip("\t").partition(":") for line in lines)
    return {label: value.strip() for label, colon, value in parts if colon}
