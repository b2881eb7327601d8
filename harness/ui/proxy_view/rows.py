"""The rows of the view: a message in the conversation, its fields, a line of the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.text import Text

from otterproof.harness.runs.inspector.inspected import Inspected
from otterproof.harness.runs.proxy.items import Happening, Item, What
from otterproof.harness.support.printable import printable
from otterproof.harness.ui.proxy_words import brief, in_words, size, taken_apart, title
from otterproof.harness.wire import Kind

#: The mark of a message in the conversation, by what has happened to it.
MARKS = {What.HELD: "‖", What.DROPPED: "✕", What.CHANGED: "≠", What.PASSED: " "}

#: Styles: of a row by its mark, and of a log line by what happened.
_BY_MARK = {"‖": "bold yellow", "✕": "red", "≠": "bold magenta", "+": "bold cyan", "!": "bold white on red"}
_BY_WHAT = {
    What.JUDGED: "bold red",
    What.CHANGED: "magenta",
    What.DROPPED: "red",
    What.HELD: "yellow",
    What.MADE: "cyan",
    What.ACTED: "bold",
    What.TOLD: "green",
}

#: The kind of a message, in a word or two.
_SHORT = {
    Kind.PLAINTEXT: "Text",
    Kind.TAGGED_PLAINTEXT: "Tagged text",
    Kind.QUERY: "Query",
    Kind.ERROR: "Error",
    Kind.FRAGMENT_V2: "Fragment",
    Kind.FRAGMENT_V3: "Fragment",
    Kind.DH_COMMIT: "D-H Commit",
    Kind.DH_KEY: "D-H Key",
    Kind.REVEAL_SIGNATURE: "Reveal Signature",
    Kind.SIGNATURE: "Signature",
    Kind.DATA: "Data",
    Kind.UNKNOWN_ENCODED: "Unknown type",
    Kind.BAD_ARMOUR: "Damaged base64",
}

#: The number of other messages whose revealed keys are tried on the message shown; it has to be fast.
_OTHERS = 40


def marked_by(what: What, before: str) -> str:
    """The mark of a message after something happened to it; "" if unchanged."""
    if what is What.JUDGED:
        return "!"
    if what is What.PASSED:
        return " " if before == "‖" else ""
    return MARKS.get(what, "")


def row(item: Item, mark: str, *, to_the_right: bool) -> Text:
    """A message on one line: its number, its direction, its kind."""
    arrow = "──▶" if to_the_right else "◀──"
    colour = "cyan" if to_the_right else "green"
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{mark}", _BY_MARK.get(mark, ""))
    text.append(f"{item.number:3} ", "dim")
    text.append(f"{arrow} ", colour)
    text.append(_SHORT.get(item.message.kind, title(item)), _BY_MARK.get(mark, "bold"))
    if more := brief(item):
        text.append(f"  {printable(more)}", "dim")
    return text


def field_rows(
    item: Item, others: Iterable[Item], width: int, *, meanings: bool
) -> tuple[Text, list[tuple[str, Text]]]:
    """A message's title, and its fields, each with its name; "" for a row that is not a field of the message itself.

    meanings: show a field's meaning below it.
    """
    near = [one for one, _ in zip(others, range(_OTHERS), strict=False)]
    inspected = taken_apart(item, iter(near))
    about = Text(overflow="ellipsis")
    about.append(printable(f"#{item.number} {title(item)}"), "bold")
    about.append("\n")
    about.append(printable(f"{item.sender} → {item.receiver}, {size(item)}"), "dim")
    return about, list(_rows(inspected, width, meanings))


def _rows(inspected: Inspected, width: int, meanings: bool) -> Iterator[tuple[str, Text]]:
    names = max((len(field.name) for layer in inspected.layers for field in layer.fields), default=0)
    for number, layer in enumerate(inspected.layers):
        if number:
            yield "", Text(printable(layer.title), "bold underline", no_wrap=True, overflow="ellipsis")
        for field in layer.fields:
            text = Text(overflow="fold")
            text.append(f"{field.offset:4} ", "dim")
            text.append(f"{printable(field.name):{names}}  ", "cyan")
            text.append(printable(_cut(field.value, max(width - names - 7, 12))))
            if field.meaning and meanings:
                text.append(f"\n     {printable(_cut(field.meaning, width - 5))}", "dim italic")
            yield field.name if number == 0 else "", text
    for note in inspected.notes:
        yield "", Text(printable(note), "green")
    for problem, requirement in inspected.problems:
        yield "", Text(printable(f"problem: {problem} {requirement}"), "red")


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 3]}..."


def log_line(happening: Happening) -> Text:
    """A line of the log."""
    text = Text()
    if happening.at:
        text.append(f"{happening.at:8.2f}  ", "dim")
    text.append(printable(in_words(happening)), _BY_WHAT.get(happening.what, "dim"))
    return text
