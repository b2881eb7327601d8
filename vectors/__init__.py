"""Known-answer vectors for OTR 2 and 3, as data: JSON files, their schemas, and a typed loader.

The package stands alone: it imports nothing else of Otterproof. docs/reference/vectors.md describes the files; the
generator and the verifier are in harness/vectorgen.
"""

from __future__ import annotations

from .forms import VectorError
from .loader import (
    FOLDER,
    Case,
    Fields,
    Group,
    Note,
    Outcome,
    VectorFile,
    load,
    load_all,
    parse,
    render,
)
from .operations import KINDS, OPERATIONS, Kind, Operation

__all__ = [
    "FOLDER",
    "KINDS",
    "OPERATIONS",
    "Case",
    "Fields",
    "Group",
    "Kind",
    "Note",
    "Operation",
    "Outcome",
    "VectorError",
    "VectorFile",
    "load",
    "load_all",
    "parse",
    "render",
]
