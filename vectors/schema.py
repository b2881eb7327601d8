"""The JSON Schema of each kind of vector file, made from the table of operations.

The schemas are committed, so that consumers can validate what they load; lint checks that they are up to date.
"""

from __future__ import annotations

import json
from typing import Any

from .forms import Field, shape_schema
from .loader import CASE, FILE, FOLDER, GROUP, NOTE, RESULTS, VERSION
from .operations import OPERATIONS, REACTIONS, Kind, Operation

SCHEMAS = FOLDER / "schemas"


def _outcome(asked: Operation) -> dict[str, Any]:
    """Valid or invalid, each with its expectations."""
    valid = {"result": {"const": "valid"}, "expect": shape_schema(asked.expect)}
    invalid = {
        "result": {"const": "invalid"},
        "reaction": {"enum": list(REACTIONS)},
        "expect": shape_schema(asked.refused),
    }
    return {"title": f"outcome of {asked.name}", "oneOf": [shape_schema({}, valid), shape_schema({}, invalid)]}


def _case(asked: Operation) -> dict[str, Any]:
    """A case: its own fields, and either one outcome or one per reading."""
    own: dict[str, Field] = {**CASE, **asked.case}
    made = shape_schema(own)
    made["properties"] |= {"result": {"enum": list(RESULTS)}, "reaction": {"enum": list(REACTIONS)}}
    made["properties"] |= {"expect": {"type": "object"}}
    made["properties"]["results"] = {
        "type": "object",
        "minProperties": 2,
        "additionalProperties": _outcome(asked),
    }
    several: dict[str, Any] = {"required": ["results"], "not": {"required": ["result"]}}
    made["oneOf"] = [several]
    for result, shape in zip(RESULTS, (asked.expect, asked.refused), strict=True):
        names = ["result", "expect"] if result == "valid" else ["result", "reaction", "expect"]
        forbidden = ["results", "reaction"] if result == "valid" else ["results"]
        made["oneOf"].append(
            {
                "properties": {"result": {"const": result}, "expect": shape_schema(shape)},
                "required": names,
                "not": {"anyOf": [{"required": [name]} for name in forbidden]},
            }
        )
    return made


def _group(asked: Operation) -> dict[str, Any]:
    more = {"cases": {"type": "array", "minItems": 1, "items": _case(asked)}}
    made = shape_schema({**GROUP, **asked.group}, more)
    made["properties"]["operation"] = {"const": asked.name}
    return made


def _shared(value: Any, parts: dict[str, Any]) -> Any:
    """The schema with every titled part moved to `parts` under its title."""
    if isinstance(value, list):
        return [_shared(one, parts) for one in value]
    if not isinstance(value, dict):
        return value
    made = {name: _shared(one, parts) for name, one in value.items()}
    title = made.get("title")
    if not isinstance(title, str):
        return made
    parts.setdefault(title, made)
    return {"$ref": "#/$defs/" + title.replace(" ", "%20")}


def schema(kind: Kind) -> dict[str, Any]:
    """The schema of the files of a kind."""
    groups = [_group(OPERATIONS[name]) for name in kind.operations]
    more = {
        "notes": {"type": "object", "additionalProperties": shape_schema(NOTE)},
        "groups": {"type": "array", "minItems": 1, "items": groups[0] if len(groups) == 1 else {"oneOf": groups}},
    }
    made = shape_schema(FILE, more)
    made["properties"]["kind"] = {"const": kind.name}
    made["properties"]["version"] = {"const": VERSION}
    made["properties"]["schema"] = {"const": f"schemas/{kind.name}.schema.json"}
    parts: dict[str, Any] = {}
    body = _shared(made, parts)
    title = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Otterproof vectors: {kind.name}"}
    return {**title, "description": kind.text, **body, "$defs": parts}


def render(kind: Kind) -> str:
    """The schema as JSON text."""
    return json.dumps(schema(kind), indent=1) + "\n"
