"""How often Python looks for garbage in cycles, in processes that are this project's own.

Judging makes many small values that live for a step or a case, and almost none of them are in cycles. Python's default,
to look after some 700 new ones, takes a twelfth of the time of a case that is not cryptography.
"""

from __future__ import annotations

import gc

#: After so many new values; the older generations are looked at after ten times as many each, as by default.
NEW_VALUES = 10_000


def collect_rarely() -> None:
    """Look for garbage in cycles less often from now on, in the whole process."""
    gc.set_threshold(NEW_VALUES, *gc.get_threshold()[1:])
