"""The happenings of the proxy in words, for the printed lines and for the view."""

from __future__ import annotations

from collections.abc import Iterator

from otterproof.harness.runs.inspector.inspected import Inspected, inspect_all
from otterproof.harness.runs.inspector.opening import Secrets
from otterproof.harness.runs.inspector.sources import Found
from otterproof.harness.runs.proxy.items import Happening, Item, What
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.message import offered_versions
from otterproof.harness.wire.shown import TITLES, shown

#: The words for happenings other than sending a message.
WORDS = {
    What.PASSED: "goes on",
    What.CHANGED: "is changed",
    What.DROPPED: "is lost",
    What.HELD: "is held back",
    What.MADE: "is made",
}

#: The most characters of a text in a line.
_TEXT = 60


def title(item: Item) -> str:
    """The title of a message: D-H Commit Message."""
    return TITLES[item.message.kind].removeprefix("an ").removeprefix("a ")


def brief(item: Item) -> str:
    """The most important fields of a message, on one line; "" if there are none."""
    message = item.message
    match message.kind:
        case Kind.PLAINTEXT | Kind.TAGGED_PLAINTEXT:
            return _cut(shown(message.data("text") if message.kind is Kind.PLAINTEXT else message.data("before")))
        case Kind.QUERY:
            versions = sorted(offered_versions(message))
            return f"offers {', '.join(map(str, versions))}" if versions else "offers no version"
        case Kind.ERROR:
            return _cut(shown(message.data("text")))
        case Kind.DATA:
            return _data(message)
    return ""


def _data(message: Message) -> str:
    words = []
    if message.has("sender_keyid") and message.has("recipient_keyid"):
        words.append(f"keys {message.number('sender_keyid')}/{message.number('recipient_keyid')}")
    if message.has("ctr"):
        words.append(f"ctr {int.from_bytes(message.data('ctr'))}")
    if message.has("encrypted_message"):
        words.append(f"{len(message.data('encrypted_message'))} bytes")
    if message.has("old_mac_keys") and (count := len(message.revealed_mac_keys())):
        words.append(f"reveals {count} MAC key{'' if count == 1 else 's'}")
    if message.has("flags") and message.number("flags"):
        words.append(f"flags {message.number('flags'):#x}")
    return ", ".join(words)


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[:_TEXT]}..."


def size(item: Item) -> str:
    """The length of a message, and its number of fragments."""
    pieces = f", {len(item.pieces)} fragments" if len(item.pieces) > 1 else ""
    return f"{len(item.raw)} bytes{pieces}"


def taken_apart(item: Item, others: Iterator[Item] | None = None) -> Inspected:
    """Everything that can be seen of a message without a key.

    others: messages of the conversation, whose revealed keys may decrypt it.
    """
    place = f"message {item.number}, {item.sender} to {item.receiver}"
    found = [Found(item.raw, place, len(item.pieces)), *(Found(one.raw, "") for one in others or ())]
    return next(iter(inspect_all(found, Secrets())))


def in_words(happening: Happening) -> str:
    """A happening on one line, without its time."""
    item = happening.item
    if item is None:
        return happening.words
    number = f"#{item.number}"
    if happening.what is What.SENT:
        more = f"  {brief(item)}" if brief(item) else ""
        return f"{item.sender} -> {item.receiver}  {number} {title(item)}, {size(item)}{more}"
    if happening.what is What.JUDGED:
        return f"{item.sender} breaks a rule with {number}: {happening.words}"
    if happening.what is What.NOTED:
        return f"{number}: {happening.words}"
    words = f": {happening.words}" if happening.words else ""
    whose = f"{item.sender} -> {item.receiver}  " if item.made else ""
    return f"{whose}{number} {title(item)} {WORDS[happening.what]}{words}"
