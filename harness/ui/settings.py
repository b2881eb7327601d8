"""A project's settings for all runs: `otterproof.toml`, or the table [tool.otterproof] of its pyproject.toml.

The file is looked for only in the project's own folder, and never in those around it, because it may name a command to
run. settings.schema.json beside this module describes its content; anything else is an error.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from otterproof.harness.support.defaults import DEFAULT_PROFILE, DEFAULT_SEED
from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.exits import USAGE
from otterproof.harness.support.inputs import LIMITS, parse_toml, read_input
from otterproof.harness.support.printable import printable
from otterproof.harness.support.suggestions import did_you_mean

#: The settings file, the file that may contain settings, and their place in it.
FILE, SHARED, TABLE = "otterproof.toml", "pyproject.toml", ("tool", "otterproof")

SCHEMA = Path(__file__).with_name("settings.schema.json")


class SettingsError(CommandError, ValueError):
    """A project's settings can't be used. The message lists every problem, and what to do about it."""

    exit_code = USAGE


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a project, as settings.schema.json describes them.

    Paths are already resolved. file: where the settings are from, None without any.
    """

    file: Path | None = None
    target: str = ""
    name: str | None = None
    known: Path | None = None
    report: Path | None = None
    scenarios: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    profile: str = DEFAULT_PROFILE
    seed: str = DEFAULT_SEED
    timeout: float | None = None
    strict: bool = False

    def for_target(self, given: str | None) -> Settings:
        """The settings for the target that the command line names; those about another one are ignored."""
        if given is None or given == self.target:
            return self
        return replace(self, target=given, name=None, known=None, only=(), without=(), timeout=None)

    def find_scenarios(self) -> None:
        """Make modules of scenarios importable from the folder of the file that names them.

        Installed packages come first, so that no file of the project can replace one.
        """
        if self.scenarios and self.file is not None and str(self.file.parent) not in sys.path:
            sys.path.append(str(self.file.parent))


def settings_of(folder: Path) -> Settings:
    """Read the settings in a folder. Raises SettingsError, or InputError if a file can't be read."""
    own, shared = folder / FILE, folder / SHARED
    found = _read(own) if own.is_file() else None
    inside: Any = _read(shared) if shared.is_file() else {}
    for key in TABLE:
        inside = inside.get(key, {}) if isinstance(inside, Mapping) else {}
    if found is not None and inside:
        raise SettingsError(f"{folder} has settings in {FILE} and in [{'.'.join(TABLE)}] of {SHARED}; keep one of them")
    if found is None and not inside:
        return Settings()
    file = own if found is not None else shared
    content = found if found is not None else inside
    problems = list(_problems(content))
    if problems:
        raise SettingsError("\n".join(f"{file}: {problem}" for problem in problems))
    return Settings(file=file, **{key: _value(folder, key, value) for key, value in content.items()})


def _value(folder: Path, key: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if key == "known" and value == "none":
        return Path(value)
    return folder / value if key in ("known", "report") else value


def _read(path: Path) -> dict[str, Any]:
    try:
        return parse_toml(read_input(path, limit=LIMITS["settings"], what="a file of settings"))
    except ValueError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error


@cache
def _schema() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(SCHEMA.read_text())
    return content


def _problems(content: object) -> Iterator[str]:
    """What is wrong with settings, each with what to do about it."""
    known = _schema()["properties"]
    for error in sorted(Draft202012Validator(_schema()).iter_errors(content), key=lambda error: [*error.path]):
        if error.validator == "additionalProperties" and isinstance(content, Mapping):
            for key in sorted(content.keys() - known.keys()):
                advice = did_you_mean(key, known, f"there are {', '.join(known)}")
                yield printable(f"unknown setting {key!r:.60}{advice}")
        else:
            key = f"{next(iter(error.path), '')}"
            what = known.get(key, {}).get("description", "See settings.schema.json.")
            yield printable(f"{key}: {error.message[:200]}; {what}")
    timeout = content.get("timeout") if isinstance(content, Mapping) else None
    if isinstance(timeout, float) and not math.isfinite(timeout):  # TOML has these numbers, JSON Schema does not
        yield f"timeout: {timeout} is not a number of seconds; {known['timeout']['description']}"
