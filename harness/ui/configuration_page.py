"""docs/reference/configuration.md: the settings of a project, from their schema, and what the pytest plugin adds."""

from __future__ import annotations

import dataclasses
import inspect
import json
from typing import Any

from otterproof.harness.spec import pages
from otterproof.harness.ui import pytest_plugin
from otterproof.harness.ui.settings import FILE, SCHEMA, SHARED, TABLE, Settings

_HEAD = f"""\
# Configuration

This page is made from the schema of the settings and from the pytest plugin; do not edit it. `otterproof docs` writes
it.

Settings are in `{FILE}` or in the table `[{".".join(TABLE)}]` of `{SHARED}`; it is an error to have both.
`otterproof check` reads the file in the current folder. pytest reads it in its root folder or, if there are no settings
there, in the folder where it was started. No other folder is searched, because the file names a command to run. Paths
are relative to the file, and an unknown key is an error. The command line overrides the settings. If it names another
target, the settings `name`, `known`, `only`, `without` and `timeout` are ignored.

```toml
target = "exec:python3 my_driver.py"
name = "mylib"
known = "known-deviations.toml"
```

"""

_TAIL = """
## Environment

`OTTERPROOF_DRIVER_MEMORY` limits a driver's memory, in MiB; see
[the driver protocol](driver-protocol.md#what-a-driver-starts). Only the
[script of a finding](../how-to/fuzz.md#findings) reads `OTTERPROOF_REPRO_TIMEOUT`, in seconds.
"""

_TYPES = {"string": "text", "number": "number", "boolean": "`true` or `false`", "array": "list of texts"}


class _Options:
    """Stands in for pytest's parser, and collects the options that the plugin adds."""

    def __init__(self) -> None:
        self.help: dict[str, str] = {}

    def getgroup(self, *_: str) -> _Options:
        return self

    def addoption(self, name: str, **what: Any) -> None:
        value = f" {what['metavar']}" if "metavar" in what else ""
        choices = "{" + ",".join(what["choices"]) + "}" if "choices" in what else ""
        self.help[f"{name}{value}{choices and ' ' + choices}"] = what["help"]

    def addini(self, name: str, text: str, **_: Any) -> None:
        self.help[name] = f"{text} (set in pytest's configuration file)"


def render() -> str:
    """The page."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    options = _Options()
    pytest_plugin.pytest_addoption(options)  # type: ignore[arg-type]  # has all methods that are called
    defaults = {field.name: field.default for field in dataclasses.fields(Settings)}
    lines = ["## Settings", "", "| setting | value | default | meaning |", "|---|---|---|---|"]
    for name, one in schema["properties"].items():
        lines.append(f"| `{name}` | {_value(one)} | {_default(defaults[name])} | {one['description']} |")
    lines += ["", "## Options of pytest", "", "| option | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {pages.sentence(text)} |" for name, text in options.help.items()]
    lines += ["", "| marker | what it marks |", "|---|---|"]
    lines += [f"| `{name}` | {pages.sentence(text)} |" for name, text in pytest_plugin.MARKERS.items()]
    lines += ["", "## Fixtures", "", "| fixture | what it is |", "|---|---|"]
    lines += [f"| `{name}` | {_fixture(name)} |" for name in pytest_plugin.__all__]
    return _HEAD + "\n".join([*lines, ""]) + _TAIL


def _value(one: dict[str, Any]) -> str:
    return " or ".join(f"`{value}`" for value in one["enum"]) if "enum" in one else _TYPES[one["type"]]


def _default(value: object) -> str:
    return "" if value in (None, "", ()) else f"`{json.dumps(value)}`"


def _fixture(name: str) -> str:
    return " ".join((inspect.getdoc(getattr(pytest_plugin, name)) or "").split())


pages.register("reference/configuration.md", render)
