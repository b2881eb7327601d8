"""The version of Otterproof, as it is shown and recorded."""

from __future__ import annotations

from functools import cache


@cache
def tool_version() -> str:
    """ "otterproof 1.2.3"; without the number when the package is not installed."""
    import importlib.metadata  # slow, and few commands show the version

    try:
        return f"otterproof {importlib.metadata.version('otterproof')}"
    except importlib.metadata.PackageNotFoundError:
        return "otterproof"
