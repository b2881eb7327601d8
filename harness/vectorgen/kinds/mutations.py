"""Ways to make any encoded message wrong: truncated, extended, or under another version or type."""

from __future__ import annotations

from collections.abc import Callable

from otterproof.harness import wire
from otterproof.harness.vectorgen.builder import valid
from otterproof.harness.vectorgen.client_session import ClientSession
from otterproof.harness.vectorgen.play_builder import Plays, bound
from otterproof.harness.wire import Message

#: Makes one message from another.
Change = Callable[[Message], Message]


def changed(message: bytes, change: Change) -> bytes:
    return wire.build(change(wire.parse(message)))


def cut(message: bytes, size: int) -> bytes:
    """The binary message, truncated to some bytes."""
    return wire.armour(wire.parse(message).body[:size])


def ends(message: bytes, at_end: int) -> list[int]:
    """Lengths at which to cut a message: in its header, at the start of each field, inside and before its last byte."""
    parsed = wire.parse(message)
    found = {0, 1, 2, 3, len(parsed.body) - 1, len(parsed.body) - at_end}
    for field in parsed.fields:
        found |= {field.offset, field.offset + min(4, len(field.raw)), field.offset + len(field.raw) // 2}
    return sorted(size for size in found if 0 <= size < len(parsed.body))


def cuts(
    group: Plays, make: Callable[[ClientSession], bytes], sizes: list[int], shows: str, reaction: str = "ignored"
) -> None:
    """A message truncated at several places."""
    for size in sizes:
        group.play(
            f"cut-{size}",
            f"cut short after {size} bytes",
            f"ARMOUR-PARSE-6 TYPES-DATA-2{' ARMOUR-PARSE-2' if size < 3 else ''} {shows}".strip(),
            bound(size, lambda session, size: session.give(cut(make(session), size))),
            reaction=reaction,
            flags="CutShort",
        )


def longer(group: Plays, make: Callable[[ClientSession], bytes], shows: str, sends: tuple[str, ...]) -> None:
    """A message with bytes after its last field. sends: what the client sends if it accepts the message."""
    for more in (1, 4, 20):
        group.play(
            f"more-{more}",
            f"{more} bytes follow the last field",
            f"ARMOUR-PARSE-7 {shows}",
            bound(more, lambda session, more: session.give(wire.armour(wire.parse(make(session)).body + bytes(more)))),
            reaction="ignored",
            flags="TrailingBytes",
            ours="ARMOUR-TRAILING:reject",
            others={"ARMOUR-TRAILING:accept": valid(sends=sends, shows=())},
        )


def versions_and_types(group: Plays, make: Callable[[ClientSession], bytes], version: int) -> None:
    """The same message under another version or type."""
    for other in (0, 1, 4, 5, 0x100 * version, 0xFFFF):
        group.play(
            f"version-{other:x}",
            f"the version field is {other:#06x}",
            "ARMOUR-PARSE-4 ARMOUR-PARSE-3",
            bound(
                other,
                lambda session, other: session.give(
                    changed(make(session), lambda one: one.with_value("version", other))
                ),
            ),
            reaction="ignored",
            flags="Header",
        )
    for kind in (0x00, 0x01, 0x04, 0x0B, 0x10, 0x13, 0x82, 0xFF):
        group.play(
            f"type-{kind:02x}",
            f"the type is {kind:#04x}",
            "ARMOUR-PARSE-5 ARMOUR-PARSE-3",
            bound(
                kind,
                lambda session, kind: session.give(changed(make(session), lambda one: one.with_value("type", kind))),
            ),
            reaction="ignored",
            flags="Header",
        )
