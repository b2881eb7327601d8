"""The windows of a program, as a screen reader sees and uses them: AT-SPI over the accessibility bus.

This module calls the interface directly. The usual library has a cache that it updates while it waits for an answer,
and then it waits for itself. Here nothing is cached; every query goes to the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from jeepney import DBusAddress

from otterproof.implementations.drivers.chat.bus import Bus
from otterproof.implementations.drivers.chat.loop import Loop

_ROOT = "/org/a11y/atspi/accessible/root"
_INTERFACE = "org.a11y.atspi"

#: The bit numbers of some states.
_CHECKED, _SENSITIVE, _SHOWING = 4, 24, 25

#: How a search rule matches: all of its conditions, or any of them. And the order of results, from top to bottom.
_ALL, _ANY, _FROM_TOP = 1, 2, 1

#: Coordinates relative to the screen.
_OF_SCREEN = 0


class Role(IntEnum):
    """The role of an element in a window, by its AT-SPI number."""

    CHECK_MENU_ITEM = 8
    DIALOG = 16
    FRAME = 23
    LABEL = 29
    MENU_BAR = 34
    MENU_ITEM = 35
    PUSH_BUTTON = 43
    TEXT = 61


@dataclass(frozen=True, slots=True)
class Node:
    """A window, or an element in one."""

    bus: Bus
    program: str
    path: str

    def _at(self, interface: str) -> DBusAddress:
        return DBusAddress(self.path, self.program, f"{_INTERFACE}.{interface}")

    @property
    def name(self) -> str:
        return str(self.bus.read(self._at("Accessible"), "Name"))

    @property
    def role(self) -> int:
        return int(self.bus.call(self._at("Accessible"), "GetRole")[0])

    @property
    def children(self) -> list[Node]:
        (found,) = self.bus.call(self._at("Accessible"), "GetChildren")
        return [Node(self.bus, program, path) for program, path in found]

    def _has(self, state: int) -> bool:
        (words,) = self.bus.call(self._at("Accessible"), "GetState")
        return bool(words[0] >> state & 1)

    @property
    def checked(self) -> bool:
        return self._has(_CHECKED)

    @property
    def sensitive(self) -> bool:
        return self._has(_SENSITIVE)

    @property
    def showing(self) -> bool:
        return self._has(_SHOWING)

    def all(self, role: Role) -> list[Node]:
        """The descendants with a role, from top to bottom."""
        roles = [0, 0, 0, 0]
        roles[role // 32] = 1 << role % 32
        bits = [one - (one >> 31 << 32) for one in roles]  # signed numbers
        rule: tuple[object, ...] = ([0, 0], _ALL, {}, _ALL, bits, _ANY, [], _ALL, False)
        where, signature = self._at("Collection"), "(aiia{ss}iaiiasib)uib"
        (found,) = self.bus.call(where, "GetMatches", signature, rule, _FROM_TOP, 0, True)
        return [Node(self.bus, program, path) for program, path in found]

    def named(self, role: Role, *names: str) -> Node | None:
        """The first descendant with the role and one of the names, ignoring surrounding blanks."""
        return next((one for one in self.all(role) if one.name.strip() in names), None)

    @property
    def words(self) -> list[str]:
        """The texts of the labels in this element."""
        return [name for one in self.all(Role.LABEL) if (name := one.name)]

    def click(self) -> None:
        """Do what a click does. The program acts on it only when it is idle."""
        self.bus.call(self._at("Action"), "DoAction", "i", 0)

    @property
    def text(self) -> str:
        return str(self.bus.call(self._at("Text"), "GetText", "ii", 0, -1)[0])

    def write(self, text: str) -> None:
        """Replace the text."""
        self.bus.call(self._at("EditableText"), "SetTextContents", "s", text)

    @property
    def position(self) -> tuple[int, int]:
        """The position on the screen, which the program gets from the X server."""
        found = self.bus.call(self._at("Component"), "GetPosition", "u", _OF_SCREEN)
        return int(found[0]), int(found[1])

    def move(self, x: int, y: int) -> None:
        """Move a window."""
        self.bus.call(self._at("Component"), "SetPosition", "iiu", x, y, _OF_SCREEN)


class Windows:
    """The windows of the only program on a desk. bus: the bus that the program was started with."""

    def __init__(self, loop: Loop, bus: Bus) -> None:
        where = DBusAddress("/org/a11y/bus", "org.a11y.Bus", "org.a11y.Bus")
        self.bus = Bus(loop, bus.call(where, "GetAddress")[0])
        registry = Node(self.bus, f"{_INTERFACE}.Registry", _ROOT)
        while not (programs := registry.children):  # the program has not registered yet
            pass
        self._program = programs[0]

    def all(self) -> list[Node]:
        """The windows, in the order in which they were opened."""
        return self._program.children

    def named(self, name: str) -> Node | None:
        """The first window with the name."""
        return next((one for one in self.all() if one.name == name), None)

    def close(self) -> None:
        """Close the connection."""
        self.bus.close()
