"""The form of the state tables: inputs, settings of the policy, rows, and the cells that the rows fill.

A cell is one version, message state, authentication state, input and setting; the table has all combinations. Each
input names the settings that matter for it according to the text, out of the 64 policies. A row fills many cells: it
says what is sent, what the user sees and the next states, or why its cells can't occur.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product as combinations

from otterproof.implementations.contract import VERSIONS, AuthState, MessageState


class Setting(StrEnum):
    """The policy under which an input arrives. All but OFF allow exactly one version, and only the flags they name."""

    USUAL = "usual"
    REQUIRE = "require"
    SEND_TAG = "send_tag"
    TAG_STARTS = "tag_starts"
    ERROR_STARTS = "error_starts"
    OTHER_VERSION = "other_version"
    OFF = "off"


#: A description of each setting for readers.
SETTINGS = {
    Setting.USUAL: "the version is allowed, no other flag is set",
    Setting.REQUIRE: "REQUIRE_ENCRYPTION",
    Setting.SEND_TAG: "SEND_WHITESPACE_TAG, and no plaintext has come",
    Setting.TAG_STARTS: "WHITESPACE_START_AKE",
    Setting.ERROR_STARTS: "ERROR_START_AKE",
    Setting.OTHER_VERSION: "only the other version is allowed (by now)",
    Setting.OFF: "no version is allowed",
}


class Sent(StrEnum):
    """What is sent; the value is for readers."""

    QUERY = "query"
    TEXT = "the text as typed"
    TAGGED = "the text with a tag"
    COMMIT = "D-H Commit, new"
    COMMIT_AGAIN = "the same D-H Commit"
    DH_KEY = "D-H Key, new"
    DH_KEY_AGAIN = "the same D-H Key"
    REVEAL = "Reveal Signature"
    REVEAL_AGAIN = "the same Reveal Signature"
    SIGNATURE = "Signature"
    DATA = "Data Message with the text"
    DATA_END = "Data Message with a type 1 TLV"
    ERROR = "Error Message"

    @property
    def kind(self) -> str:
        """The kind of message, as the codec of the harness names it. [harness/wire/message.py]"""
        return _KINDS[self]

    @property
    def again(self) -> bool:
        """Whether it repeats the message that was sent before."""
        return self in (Sent.COMMIT_AGAIN, Sent.DH_KEY_AGAIN, Sent.REVEAL_AGAIN)


_KINDS = {
    Sent.QUERY: "query",
    Sent.TEXT: "plaintext",
    Sent.TAGGED: "tagged_plaintext",
    Sent.COMMIT: "dh_commit",
    Sent.COMMIT_AGAIN: "dh_commit",
    Sent.DH_KEY: "dh_key",
    Sent.DH_KEY_AGAIN: "dh_key",
    Sent.REVEAL: "reveal_signature",
    Sent.REVEAL_AGAIN: "reveal_signature",
    Sent.SIGNATURE: "signature",
    Sent.DATA: "data",
    Sent.DATA_END: "data",
    Sent.ERROR: "error",
}


class Shown(StrEnum):
    """What the user is shown or told, as far as every driver reports it; the value is for readers."""

    NOTHING = ""
    ANY = "(left open)"
    CLEAR = "the text, without warning"
    WARNED = "the text, with a warning"
    SECURE = "the text, as secure"
    AS_IT_CAME = "the message, as it came"
    ERROR = "the error"
    UNREADABLE = "that a message can't be read"
    REFUSED = "that the text can't be sent"
    ESTABLISHED = "that the session is encrypted"
    FINISHED = "that the correspondent has ended"


@dataclass(frozen=True, slots=True)
class Input:
    """Something that happens to a client. section: of the texts, where the consequences are defined."""

    name: str
    title: str
    section: str
    settings: tuple[Setting, ...] = (Setting.USUAL,)
    versions: tuple[int, ...] = VERSIONS


@dataclass(frozen=True, slots=True)
class Row:
    """What some inputs do in some states.

    message, auth: the next states; None if unchanged. or_sends, or_auth: the alternative that the named reading allows.
    impossible: why such cells can't occur, or ""; if set, the row says nothing else.
    """

    inputs: tuple[str, ...]
    messages: frozenset[MessageState]
    auths: frozenset[AuthState]
    settings: frozenset[Setting]
    sends: tuple[Sent, ...] = ()
    shows: Shown = Shown.NOTHING
    message: MessageState | None = None
    auth: AuthState | None = None
    claims: tuple[str, ...] = ()
    reading: str = ""
    or_sends: tuple[Sent, ...] | None = None
    or_auth: AuthState | None = None
    impossible: str = ""

    @property
    def stays(self) -> bool:
        """Whether nothing relevant to later behaviour changes, in any reading."""
        return (
            self.message is None and self.auth is None and self.or_auth is None and Sent.DH_KEY_AGAIN not in self.sends
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the state tables."""

    version: int
    message: MessageState
    auth: AuthState
    input: str
    setting: Setting

    def __str__(self) -> str:
        setting = "" if self.setting is Setting.USUAL else f" ({self.setting})"
        return f"v{self.version} {self.message.value}/{self.auth.value}: {self.input}{setting}"


def product(inputs: Sequence[Input]) -> Iterator[Cell]:
    """All cells, including those that can't occur."""
    for one in inputs:
        for version, message, auth, setting in combinations(one.versions, MessageState, AuthState, one.settings):
            yield Cell(version, message, auth, one.name, setting)


def find(rows: Sequence[Row], cell: Cell) -> Row:
    """The row of a cell. LookupError unless there is exactly one."""
    found = [
        row
        for row in rows
        if cell.input in row.inputs
        and cell.message in row.messages
        and cell.auth in row.auths
        and cell.setting in row.settings
    ]
    if len(found) != 1:
        raise LookupError(f"{len(found)} rows of the state tables fill the cell {cell}; there must be exactly one")
    return found[0]
