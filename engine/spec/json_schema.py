"""JSON Schemas of specs (draft 2020-12), from which editors complete and warn.

They describe what may be *written*: old names of fields (marked deprecated), templates in place of any value, and the
common fields with their descriptions.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from typing import Any, Final

from engine.spec.fields import written as written_as
from engine.spec.schema import NodeSpec, field_names

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

TEMPLATE: Final = {"type": "string", "pattern": r"\{\{", "description": "A template, filled from `env`."}
"""What may stand for a value of any type in a spec that has an `env`."""

_ID: Final = {"type": "string", "format": "uuid"}
_NAME: Final = {"type": "string", "minLength": 1, "maxLength": 253, "pattern": "^[^/]*$"}
_TEXTS: Final = {"type": ["object", "null"], "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}
_LINK: Final = {
    "type": "object",
    "properties": {
        "name": {**_NAME, "description": "The name of the node that the port leads to."},
        "id": {"type": "string", "description": "The id of that node, instead of its name."},
        "port": {"type": "string", "default": "in", "description": "The port of that node."},
    },
    "anyOf": [{"required": ["name"]}, {"required": ["id"]}],
    "additionalProperties": False,
}
_ENTRY: Final = {
    "anyOf": [
        {
            "type": "object",
            "properties": {
                "name": {**_NAME, "description": "The name of the value to take from."},
                "id": {**_ID, "description": "The id of that value, instead of its name."},
                "data": {"description": "A literal, or templates that take parts of the value or the environment."},
                "value": {"description": "The old name of `data`.", "deprecated": True},
            },
            "additionalProperties": False,
        },
        {"type": ["string", "number", "boolean", "null"], "description": "A literal."},
    ]
}
_PORTS: Final = {
    "type": ["object", "null"],
    "description": "Where each out port leads. An unlinked `out` answers whoever sent the packet.",
    "additionalProperties": {
        "anyOf": [{"type": "array", "items": {"$ref": "#/$defs/Link"}}, {"$ref": "#/$defs/Link"}, {"type": "null"}]
    },
    "examples": [{"out": [{"name": "next", "port": "in"}]}],
}


def of_kind(model: type[NodeSpec], kind: str) -> dict[str, Any]:
    """The JSON Schema of a whole spec of this kind."""
    own = model.model_json_schema(mode="validation", by_alias=True)
    definitions = own.pop("$defs", {})
    if "$ref" in own:  # a class that holds itself
        own = definitions[own["$ref"].rpartition("/")[2]]
    schema: dict[str, Any] = {"$schema": DIALECT, "title": kind, "type": "object"}
    if own.get("description"):
        schema["description"] = own["description"]
    schema["properties"] = {**_common(kind), **own.get("properties", {})}
    schema["required"] = ["kind", *own.get("required", [])]
    if "allOf" in own:
        schema["allOf"] = own["allOf"]
    schema["additionalProperties"] = False
    schema["$defs"] = {**definitions, "Link": deepcopy(_LINK), "Env": deepcopy(_ENTRY)}
    return schema


def adapt(schema: dict[str, Any], model: type[NodeSpec]) -> None:
    """Turn pydantic's schema of one class into one of what may be written: old names, and templates for any value."""
    properties: dict[str, Any] = schema.get("properties", {})
    required: list[str] = schema.get("required", [])
    either: list[dict[str, Any]] = []
    for field, names in field_names(model).items():
        written = next((name for name in names if name in properties), None)
        if written is None:
            continue
        default = model.model_fields[field].default
        if isinstance(default, timedelta):
            properties[written]["default"] = written_as(default)
        properties[written] = _or_template(properties[written])
        others = [name for name in names if name not in properties]
        for other in others:
            properties[other] = {**deepcopy(properties[written]), "deprecated": True}
        if others and written in required:
            required.remove(written)
            either.append({"anyOf": [{"required": [name]} for name in (written, *others)]})
    if not required:
        schema.pop("required", None)
    if either:
        schema["allOf"] = either


def _or_template(schema: dict[str, Any]) -> dict[str, Any]:
    if not schema.keys() - {"title", "description", "default", "examples", "deprecated"}:
        return schema  # takes anything already
    kinds = schema.get("type", [])
    if (kinds == "string" or "string" in kinds) and not schema.keys() & {"enum", "const", "format", "minLength"}:
        return schema
    notes: dict[str, Any] = {
        key: schema[key] for key in ("title", "description", "default", "examples") if key in schema
    }
    checks = {key: value for key, value in schema.items() if key not in notes}
    return {"anyOf": [checks, dict(TEMPLATE)], **notes}


def _common(kind: str) -> dict[str, Any]:
    return {
        "kind": {"const": kind, "description": "The kind of the node."},
        "id": {**_ID, "description": "What tells the node from all others; given by the store if left out."},
        "namespace": {**_NAME, "description": "Nodes see those of their own namespace only.", "default": "default"},
        "name": {**_NAME, "description": "What links call the node by; unique in its namespace."},
        "labels": {**deepcopy(_TEXTS), "description": "Texts to select nodes by."},
        "annotations": {**deepcopy(_TEXTS), "description": "Texts for people and tools; the engine ignores them."},
        "env": {
            "type": ["object", "null"],
            "description": "Names that templates such as {{ .NAME }} in this spec stand for.",
            "additionalProperties": {
                "anyOf": [{"$ref": "#/$defs/Env"}, {"type": "array", "items": {"$ref": "#/$defs/Env"}, "minItems": 1}]
            },
            "examples": [{"USER": {"name": "creds", "data": "{{ .user }}"}}],
        },
        "ports": deepcopy(_PORTS),
        "links": {**deepcopy(_PORTS), "description": "The old name of `ports`.", "deprecated": True},
        "revision": {
            "type": ["integer", "null"],
            "minimum": 0,
            "description": "The revision that was read: writing fails if somebody else wrote meanwhile.",
        },
    }
