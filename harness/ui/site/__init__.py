"""Pages and pictures made from results: Jinja2 templates, which escape everything that is inserted."""

from __future__ import annotations

import shlex
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from otterproof.harness.support.printable import printable


@cache
def environment() -> Environment:
    """The templates. Control characters become visible; inserted values are text, never markup."""
    made = Environment(
        loader=PackageLoader("otterproof.harness.ui.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: printable(value, lines=True) if type(value) is str else value,
    )
    made.filters["words"] = shlex.join
    return made
