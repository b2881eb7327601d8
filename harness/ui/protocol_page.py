"""docs/reference/driver-protocol-lines.md: every method and event of the driver protocol, taken from the schemas.

The page on the driver protocol explains them; this one is for looking up what a line may contain. Otterproof validates
the lines of drivers with the same schemas.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from otterproof.harness.spec import pages
from otterproof.harness.targets import driver

PAGE = "reference/driver-protocol-lines.md"

_FOLDER = Path(driver.__path__[0])

_HEAD = """\
# Lines of the driver protocol

This page is made from `protocol.schema.json` and `protocol-events.schema.json` in `harness/targets/driver`; do not edit
it. `otterproof docs` writes it. [The driver protocol](driver-protocol.md) says what the methods and events mean.
"""

#: How a named part of the schemas is shown.
_NAMED = {
    "bytes": "bytes",
    "hex": "hex",
    "hex_number": "hex number",
    "instance": "tag",
    "instance_tag": "number, 256 or more",
    "policy": "list of [flags](#flags-and-capabilities)",
    "party": "name",
    "key": "object: `p`, `q`, `g`, `y`, `x`, each a hex number",
    "capability": "[capabilities](#flags-and-capabilities)",
}

_TYPES = {"string": "text", "integer": "number", "boolean": "boolean", "array": "list", "object": "object"}


def render() -> str:
    """The page."""
    lines, events = (_read(name) for name in ("protocol.schema.json", "protocol-events.schema.json"))
    return "\n".join([_HEAD, *_methods(lines), *_events(events), "", *_lists(lines)]).rstrip() + "\n"


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((_FOLDER / name).read_text(encoding="utf-8"))["$defs"]
    return content


def _methods(schema: Mapping[str, Any]) -> Iterator[str]:
    yield "## Methods\n"
    for one in schema["request"]["oneOf"]:
        name, params = one["properties"]["method"]["const"], one["properties"].get("params", {})
        result = schema["results"]["$defs"][name]
        yield f"### {name}\n"
        yield from _table("parameter", params, "It has no parameters.")
        yield from _result(schema, result)


def _result(schema: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[str]:
    target = str(result.get("$ref", "")).rpartition("/")[2]
    if target == "events":
        yield "The result has `events`, a list of [events](#events), and may have `shown`, a list of lines.\n"
    elif target == "dump":
        yield "The result is described [with the protocol](driver-protocol.md#state).\n"
    else:
        yield from _table("member of the result", schema.get(target, result), "The result is `{}`.")


def _events(schema: Mapping[str, Any]) -> Iterator[str]:
    yield "## Events\n"
    for one in schema["event"]["oneOf"]:
        fields = {name: form for name, form in one["properties"].items() if name != "event"}
        yield f"### {one['properties']['event']['const']}\n"
        yield from _table("field", {"properties": fields, "required": list(fields)}, "It has no fields.")
    yield "## Reasons\n"
    yield "What is null is not told.\n"
    for name in ("reject_reason", "refuse_reason", "smp_abort_reason"):
        values = ", ".join(f"`{value}`" for value in schema[name]["enum"] if value is not None)
        yield f"- {name.replace('_', ' ')}: {values}"


def _lists(schema: Mapping[str, Any]) -> Iterator[str]:
    yield "## Flags and capabilities\n"
    flags, capabilities = schema["policy"]["items"]["enum"], schema["capability"]["enum"]
    yield f"- flags of a policy: {', '.join(f'`{one}`' for one in flags)}"
    yield f"- capabilities: {', '.join(f'`{one}`' for one in capabilities)}"


def _table(heading: str, form: Mapping[str, Any], empty: str) -> Iterator[str]:
    """The members of an object, each with its form and whether it may be null or left out."""
    members = form.get("properties", {})
    if not members:
        yield f"{empty}\n"
        return
    yield f"| {heading} | form | |\n|---|---|---|"
    for name, one in members.items():
        notes = ["null is allowed"] if _may_be_null(one) else []
        notes += [] if name in form.get("required", ()) else ["may be left out"]
        yield f"| `{name}` | {_form(one)} | {'; '.join(notes)} |"
    yield ""


def _may_be_null(form: Mapping[str, Any]) -> bool:
    kinds = form.get("type", ())
    ref = str(form.get("$ref", ""))
    return "null" in kinds or {"type": "null"} in form.get("anyOf", ()) or ref.endswith("_reason")


def _form(form: Mapping[str, Any]) -> str:
    """A form in words."""
    if "anyOf" in form:
        return " or ".join(_form(one) for one in form["anyOf"] if one != {"type": "null"})
    if "const" in form:
        return f"`{form['const']}`"
    if "enum" in form:
        return ", ".join(f"`{value}`" for value in form["enum"])
    if "$ref" in form:
        name = str(form["$ref"]).rpartition("/")[2]
        return f"[{name.replace('_', ' ')}](#reasons)" if name.endswith("_reason") else _NAMED[name]
    if form.get("type") == "array":
        return f"list of {_form(form['items'])}"
    if form.get("type") == "object":
        return "objects: " + ", ".join(f"`{name}` {_form(one)}" for name, one in form["properties"].items())
    if digits := str(form.get("pattern", "")).partition("{")[2].partition("}")[0]:
        return f"{digits} hex digits"
    kinds = form["type"] if isinstance(form["type"], list) else [form["type"]]
    least = f", {form['minimum']} or more" if form.get("minimum") else ""
    return " or ".join(_TYPES[kind] for kind in kinds if kind != "null") + least


pages.register(PAGE, render)
