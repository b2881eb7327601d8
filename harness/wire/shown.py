"""Values as people read them in a failure report: what was expected, and what came instead.

Foreign text is made printable here, and everything is cut to a maximum length, so a failure never floods a terminal.
Bytes that read as text are shown in quotes, with tabs and line ends escaped, others in hexadecimal with their length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum, Flag

from otterproof.harness.support.printable import printable
from otterproof.harness.wire.message import Kind, Message, parse
from otterproof.implementations.contract import (
    ActionRefused,
    ErrorMessageReceived,
    ExtraKeyDerived,
    MessageRejected,
    MessageUnreadable,
    OutgoingMessage,
    PeerEndedSession,
    SessionEstablished,
    SmpAborted,
    SmpFinished,
    SmpRequested,
    StoredTextDropped,
    TextReceived,
    UserEndedSession,
)

#: What messages are called in the protocol texts.
TITLES: Mapping[Kind, str] = {
    Kind.PLAINTEXT: "plain text",
    Kind.TAGGED_PLAINTEXT: "plain text with a whitespace tag",
    Kind.QUERY: "an OTR Query Message",
    Kind.ERROR: "an OTR Error Message",
    Kind.FRAGMENT_V2: "a version 2 fragment",
    Kind.FRAGMENT_V3: "a version 3 fragment",
    Kind.DH_COMMIT: "a D-H Commit Message",
    Kind.DH_KEY: "a D-H Key Message",
    Kind.REVEAL_SIGNATURE: "a Reveal Signature Message",
    Kind.SIGNATURE: "a Signature Message",
    Kind.DATA: "a Data Message",
    Kind.UNKNOWN_ENCODED: "an encoded message of an unknown version or type",
    Kind.BAD_ARMOUR: "a message whose base64 is damaged",
}

#: The maximum number of characters of a text, and of bytes of a value, that are shown.
_TEXT, _BYTES = 160, 40

#: Removes the characters that texts and whitespace tags have besides printable ones.
_BLANKS = str.maketrans("", "", "\t\n\r")

#: The maximum number of items of a sequence that are shown.
_ITEMS = 12


def shown(value: object) -> str:
    """A value in words, on one line: numbers, bytes, texts, messages, events, and sequences of them."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case Kind():
            return TITLES[value]
        case str():
            return _cut(printable(value), _TEXT * 2)
        case Flag():
            return value.name or "no flag"
        case Enum():
            return str(value.name).lower().replace("_", " ")
        case int():
            return str(value) if -(1 << 64) < value < 1 << 64 else _middle(f"{value:#x}")
        case bytes() | bytearray():
            return _bytes(bytes(value))
        case Message():
            return f"{TITLES[value.kind]} ({len(value.body)} bytes)"
        case _ if (words := _event(value)) is not None:
            return words
        case Mapping():
            return _list(f"{shown(key)}: {shown(item)}" for key, item in value.items())
        case _ if is_dataclass(value) and type(value).__str__ is not object.__str__:
            return _cut(printable(str(value)), _TEXT * 2)
        case _ if is_dataclass(value) and not isinstance(value, type):
            inner = ", ".join(filter(None, (_field(field.name, getattr(value, field.name)) for field in fields(value))))
            return f"{type(value).__name__}({inner})" if inner else type(value).__name__
        case Iterable():
            return _list(map(shown, value))
        case _:
            return _cut(printable(str(value)), _TEXT)


def counted(number: int, noun: str, several: str = "") -> str:
    """A number of things: 1 move, 2 moves. several: more than one of them, if that is not the noun with an s."""
    return f"{number} {noun if number == 1 else several or f'{noun}s'}"


def call(party: str, action: str, args: Mapping[str, object]) -> str:
    """An action as a call: alice.send(text "hi")."""
    return f"{party}.{action}({', '.join(f'{name} {shown(value)}' for name, value in args.items())})"


def _field(name: str, value: object) -> str:
    """A field of an event or a snapshot; "" for an empty text. Instance tags are always hexadecimal."""
    if value == "":
        return ""
    is_tag = name == "instance" or name.endswith("_tag")
    return f"{name} {value:08x}" if is_tag and isinstance(value, int) else f"{name} {shown(value)}"


def _list(items: Iterable[str]) -> str:
    every = list(items)
    rest = f", and {len(every) - _ITEMS} more" if len(every) > _ITEMS else ""
    return ", ".join(every[:_ITEMS]) + rest or "nothing"


def _bytes(value: bytes) -> str:
    if not value:
        return "no bytes"
    text = value.decode("ascii") if value.isascii() else ""
    if text and text.translate(_BLANKS).isprintable() and (text.isprintable() or not text.isspace()):
        return '"' + _cut(printable(text), _TEXT) + '"'
    dots = "..." if len(value) > _BYTES else ""
    return f"{value[:_BYTES].hex()}{dots} ({counted(len(value), 'byte')})"


def _middle(number: str) -> str:
    """A large number with its middle cut out: two that differ mostly differ at an end."""
    return number if len(number) <= _TEXT else f"{number[:_BYTES]}...{number[-_BYTES:]} ({len(number)} characters)"


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[:size]}... ({len(text)} characters)"


def message_in_words(message: bytes) -> str:
    """The kind of a message; for plain text, also the text itself."""
    kind = parse(message).kind
    return f"{TITLES[kind]} {shown(message)}" if kind is Kind.PLAINTEXT else TITLES[kind]


def _event(event: object) -> str | None:
    """What an event says, as the end of a sentence about the party; None for anything else."""
    match event:
        case OutgoingMessage(message):
            return f"sends {message_in_words(message)}"
        case TextReceived(text, True):
            return f"shows {shown(text)} as secure"
        case TextReceived(text, False, warn):
            return f"shows {shown(text)} as clear text" + (", with a warning" if warn else "")
        case SessionEstablished(version=version, refreshed=refreshed):
            return f"{'refreshes its' if refreshed else 'reports a'} version {shown(version)} session"
        case PeerEndedSession():
            return "reports that the peer ended the session"
        case UserEndedSession():
            return "reports that the session is over"
        case ErrorMessageReceived():
            return "shows the Error Message"
        case MessageUnreadable(reason=reason):
            return "reports an unreadable message" + _because(reason)
        case MessageRejected(reason=reason):
            return "ignores it" + _because(reason)
        case ActionRefused(reason=reason):
            return "refuses" + _because(reason)
        case StoredTextDropped():
            return "reports that a stored text was dropped"
        case SmpRequested():
            return "asks its user for the SMP secret"
        case SmpFinished(equal=equal):
            return f"reports that the SMP secrets {'are equal' if equal else 'differ'}"
        case SmpAborted(reason=reason):
            return "reports that SMP was aborted" + _because(reason)
        case ExtraKeyDerived():
            return "reports the extra symmetric key"
    return None


def _because(reason: Enum | None) -> str:
    """The reason that an event gives; targets need not give one."""
    return "" if reason is None else f" ({shown(reason)})"
