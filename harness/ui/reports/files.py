"""What result files have in common.

Their texts are printable, their paths are relative to their folder, and they are validated against a schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.exits import USAGE
from otterproof.harness.support.inputs import LIMITS, parse_json, read_input
from otterproof.harness.support.printable import printable


class CardError(CommandError, ValueError):
    """A file of results can't be used. The message says where it is wrong."""

    exit_code = USAGE


def beside(paths: Iterable[str], folder: Path) -> Iterator[str]:
    """Paths relative to a folder; others are left out, because they would point outside a report."""
    for path in paths:
        if Path(path).resolve().is_relative_to(folder.resolve()):
            yield Path(path).resolve().relative_to(folder.resolve()).as_posix()


def clean(value: Any) -> Any:
    """A value with all texts made printable."""
    if isinstance(value, str):
        return printable(value, lines=True)
    if isinstance(value, list):
        return [clean(one) for one in value]
    if isinstance(value, dict):
        return {printable(name): clean(one) for name, one in value.items()}
    return value


def read_checked(path: Path, schema: Path, what: str) -> dict[str, Any]:
    """Read a file that must match a schema, and make its texts printable. what: the file in words.

    Raises CardError, InputError.
    """
    try:
        content: Any = parse_json(read_input(path, limit=LIMITS["card"], what=what))
    except ValueError as error:
        raise CardError(f"{path} is not JSON: {error}") from error
    wrong = next(_validator(schema).iter_errors(content), None)
    if wrong is not None:
        place = wrong.json_path.removeprefix("$").removeprefix(".") or "the whole"
        raise CardError(printable(f"{path} is not {what}: {place}: {wrong.message[:200]}"))
    made: dict[str, Any] = clean(content)
    return made


@cache
def _validator(schema: Path) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema.read_text()))
