"""The windows of a program, as a screen reader sees and uses them: AT-SPI, over the accessibility bus.

The interface is spoken as it is, without the library for it: that one keeps a cache which it brings up to date while
it waits for an answer, and then waits for itself. Here nothing is kept, and every question goes to the program.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jeepney import DBusAddress

from otterproof.implementations.drivers.chat.bus import Bus
from otterproof.implementations.drivers.chat.loop import Loop

_ROOT = "/org/a11y/atspi/accessible/root"
_INTERFACE = "org.a11y.atspi"

#: Where the bits of some states are.
_CHECKED, _SENSITIVE, _SHOWING = 4, 24, 25

#: Coordinates of the screen.
_OF_SCREEN = 0


@dataclass(frozen=True, slots=True)
class Node:
    """A window, or something in one."""

    bus: Bus
    program: str
    path: str

    def _at(self, interface: str) -> DBusAddress:
        return DBusAddress(self.path, self.program, f"{_INTERFACE}.{interface}")

    @property
    def name(self) -> str:
        return str(self.bus.read(self._at("Accessible"), "Name"))

    @property
    def role(self) -> str:
        return str(self.bus.call(self._at("Accessible"), "GetRoleName")[0])

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

    def walk(self) -> Iterator[Node]:
        """This one and all in it, from top to bottom."""
        yield self
        for child in self.children:
            yield from child.walk()

    def find(self, role: str, name: str = "", nth: int = 0) -> Node | None:
        """The nth in this one with a role, and a name if there is one given."""
        for one in self.walk():
            if one.role == role and name in ("", one.name):
                if nth == 0:
                    return one
                nth -= 1
        return None

    @property
    def words(self) -> list[str]:
        """The labels in this one."""
        return [one.name for one in self.walk() if one.role == "label" and one.name]

    def click(self) -> None:
        """Do what a click does. The program does it when it has nothing else to do."""
        self.bus.call(self._at("Action"), "DoAction", "i", 0)

    @property
    def text(self) -> str:
        return str(self.bus.call(self._at("Text"), "GetText", "ii", 0, -1)[0])

    def write(self, text: str) -> None:
        """Put a text in the place of the one that is there."""
        self.bus.call(self._at("EditableText"), "SetTextContents", "s", text)

    def move(self, x: int, y: int) -> None:
        """Move a window."""
        self.bus.call(self._at("Component"), "SetPosition", "iiu", x, y, _OF_SCREEN)


class Windows:
    """The windows of the only program on a desk. bus: the one that the program was started with."""

    def __init__(self, loop: Loop, bus: Bus) -> None:
        where = DBusAddress("/org/a11y/bus", "org.a11y.Bus", "org.a11y.Bus")
        self.bus = Bus(loop, bus.call(where, "GetAddress")[0])
        registry = Node(self.bus, f"{_INTERFACE}.Registry", _ROOT)
        while not (programs := registry.children):  # the program is still on its way there
            pass
        self._program = programs[0]

    def all(self) -> list[Node]:
        """The windows, those first that were opened first."""
        return self._program.children

    def named(self, name: str) -> Node | None:
        """The first window with a name."""
        return next((one for one in self.all() if one.name == name), None)

    def close(self) -> None:
        """Close the connection."""
        self.bus.close()
