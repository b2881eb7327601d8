"""Code coverage of a Python library, for the method `coverage` of its driver.

The package `coverage` records it (the extra `otterproof[coverage]`). An edge is one of its arcs: a line of a file and
the line executed after it. Nothing is recorded, and nothing runs slower, until the harness asks for coverage.
[docs/reference/driver-protocol.md, Coverage]
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from coverage import Coverage

#: After this many requests recording starts over, because `coverage` keeps everything that it has recorded.
_KEPT = 100


def countable() -> bool:
    """Whether the package `coverage` is installed."""
    return find_spec("coverage") is not None


class Edges:
    """Records the edges reached in the code below a folder."""

    def __init__(self, code: Path) -> None:
        self._code = code
        self._counting: Coverage | None = None
        self._asked = 0
        self._told: set[int] = set()
        self._numbers: dict[tuple[str, tuple[int, int]], int] = {}

    def answer(self, params: dict[str, Any]) -> dict[str, Any]:
        """The protocol method `coverage`."""
        if params.get("begin"):
            self.begin()
            return {"edges": []}
        return {"edges": self.reached()}

    def begin(self) -> None:
        """Start over: no edge counts as reached or reported."""
        if self._counting is None:
            self._start()
        self.reached()
        self._told.clear()

    def reached(self) -> list[int]:
        """The edges reached since `begin` and not reported yet."""
        if self._counting is None:
            return []
        data = self._counting.get_data()
        data.set_query_context(self._context)
        found = {self._number(file, arc) for file in data.measured_files() for arc in data.arcs(file) or ()}
        self._asked += 1
        if self._asked % _KEPT == 0:
            self._counting.stop()
            self._start()
        else:
            self._counting.switch_context(self._context)
        new = found - self._told
        self._told |= new
        return sorted(new)

    @property
    def _context(self) -> str:
        """The name under which `coverage` stores what is reached until the next request."""
        return str(self._asked)

    def _start(self) -> None:
        from coverage import Coverage

        # Ignore coverage settings of the user's project in the folder where the driver starts.
        self._counting = Coverage(
            data_file=None, branch=True, include=[f"{self._code}/*"], config_file=False, messages=False
        )
        # The other cores report each arc only once, and not again after a request.
        self._counting.set_option("run:core", "ctrace")
        self._counting.start()
        self._counting.switch_context(self._context)

    def _number(self, file: str, arc: tuple[int, int]) -> int:
        """The number of an arc, which does not depend on where the library is installed."""
        key = (file, arc)
        if key not in self._numbers:
            name = Path(file).relative_to(self._code).as_posix()
            self._numbers[key] = crc32(f"{name} {arc[0]} {arc[1]}".encode())
        return self._numbers[key]
