"""`weir schema`: JSON Schemas of specs, from which editors complete and warn."""

from __future__ import annotations

from typing import Any

import click

from engine.cli.console import Console, color_option, pass_console
from engine.cli.shown import as_json
from engine.graph.scheme import Scheme
from engine.spec.json_schema import DIALECT
from engine.spec.schema import json_schema


@click.command("schema")
@click.argument("kind", required=False)
@color_option
@pass_console
def command(console: Console, kind: str | None) -> None:
    """Print the JSON Schema of one KIND of spec; without it, that of files with specs of all kinds."""
    scheme = Scheme.installed()
    if kind is None:
        console.data(as_json(of_files(scheme)))
    else:
        console.data(as_json(json_schema(scheme.codec(kind).spec, kind)))


def of_files(scheme: Scheme) -> dict[str, Any]:
    """The schema of a file: one spec, or a list of them, each after its `kind`."""
    definitions: dict[str, Any] = {}
    choices = []
    for kind in scheme.kinds():
        schema = json_schema(scheme.codec(kind).spec, kind)
        schema.pop("$schema", None)
        for name, definition in schema.pop("$defs", {}).items():
            definitions[f"{kind}.{name}"] = _within(definition, kind)
        definitions[kind] = _within(schema, kind)
        choices.append(
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": f"#/$defs/{kind}"},
            }
        )
    spec = {
        "type": "object",
        "properties": {"kind": {"enum": scheme.kinds(), "description": "The kind of the node."}},
        "required": ["kind"],
        "allOf": choices,
    }
    return {
        "$schema": DIALECT,
        "title": "Specs of Weir",
        "anyOf": [{"$ref": "#/$defs/spec"}, {"type": "array", "items": {"$ref": "#/$defs/spec"}}],
        "$defs": {**definitions, "spec": spec},
    }


def _within(schema: Any, kind: str) -> Any:
    """A part of a kind's own schema with its references led to where its definitions stand now."""
    if isinstance(schema, list):
        return [_within(item, kind) for item in schema]
    if not isinstance(schema, dict):
        return schema
    led = {}
    for key, value in schema.items():
        if key == "$ref" and isinstance(value, str):
            led[key] = value.replace("#/$defs/", f"#/$defs/{kind}.")
        else:
            led[key] = _within(value, kind)
    return led
