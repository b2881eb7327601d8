"""A case as Python source that needs only names of `otterproof`; pasted into a file, it makes the same run."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, fields

from otterproof.harness.simulation.moves import Move


@dataclass(frozen=True, slots=True)
class Source:
    """Moves in a case, as Python that imports only from `otterproof`. case: the call of `maker` that makes the case."""

    case: str
    program: tuple[Move, ...]
    maker: str = "Case"

    def imports(self, also: str = "") -> str:
        """The import that the body needs. also: another public name that the call needs."""
        names = {self.maker, also, "Policy" if "Policy." in self.body() else "", "moves" if self.program else ""}
        return f"from otterproof import {', '.join(sorted(names - {''}))}\n"

    def body(self, indent: str = "") -> str:
        """The code of the run."""
        lines = "".join(f"            {as_source(move)},\n" for move in self.program)
        program = f"    case.run(\n        [\n{lines}        ]\n    )\n" if lines else ""
        return textwrap.indent(f"with {self.case} as case:\n{program}    case.finish()\n", indent)


def as_source(move: Move) -> str:
    """A move as Python source, with the names of its fields."""
    arguments = ", ".join(f"{one.name}={getattr(move, one.name)!r}" for one in fields(move))
    return f"moves.{type(move).__name__}({arguments})"
