"""The names of pages."""

from __future__ import annotations

import hashlib
import re


def page_name(text: str) -> str:
    """A text as the name of a page: letters, digits, points and hyphens; a hash if anything is lost."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip(".-")[:80]
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}"
