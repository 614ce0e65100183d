"""`weir explain`: what a kind is for, and what its fields mean, from the class that reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from textwrap import indent
from typing import Any

import click

from engine.cli.console import Console, color_option, pass_console
from engine.errors import NotFoundError
from engine.graph.scheme import Codec, Scheme
from engine.spec.schema import json_schema
from engine.spec.suggest import hint as suggestion

_INDENT = "  "


@click.command("explain")
@click.argument("subject", required=False, metavar="KIND[.FIELD]")
@color_option
@pass_console
def command(console: Console, subject: str | None) -> None:
    """Tell what a KIND, or a FIELD of it, is for. Without one, list all kinds."""
    scheme = Scheme.installed()
    if subject is None:
        for kind in scheme.kinds():
            codec = scheme.codec(kind)
            summary = codec.summary if codec.kind == kind else f"another name of {codec.kind}"
            console.write(f"{kind:<16} {summary}".rstrip())
        return
    kind, *path = subject.split(".")
    codec = scheme.codec(kind)
    schema = json_schema(codec.spec, codec.kind)
    if path:
        console.write("\n".join(_field(subject, _descend(schema, path, codec.kind), schema)))
    else:
        console.write("\n".join(_kind(codec, schema)))


def _kind(codec: Codec[Any], schema: Mapping[str, Any]) -> list[str]:
    lines = [f"KIND: {codec.kind}"]
    if codec.aliases:
        lines.append(f"ALSO: {', '.join(codec.aliases)}")
    if codec.family:
        lines.append(f"FAMILY: {codec.family}")
    told = codec.summary or schema.get("description", "")
    if told:
        lines += ["", told]
    lines += ["", "FIELDS:", *_fields(schema, schema)]
    if codec.example:
        lines += ["", "EXAMPLE:", indent(codec.example.strip("\n"), _INDENT)]
    return lines


def _field(subject: str, schema: Mapping[str, Any], root: Mapping[str, Any]) -> list[str]:
    lines = [f"FIELD: {subject} <{_type(schema, root)}>"]
    if "default" in schema:
        lines.append(f"DEFAULT: {_shown(schema['default'])}")
    if schema.get("description"):
        lines += ["", schema["description"]]
    if schema.get("examples"):
        lines += ["", "EXAMPLES:", *(f"{_INDENT}{_shown(example)}" for example in schema["examples"])]
    below = _object(schema, root)
    if below is not None:
        lines += ["", "FIELDS:", *_fields(below, root)]
    return lines


def _fields(schema: Mapping[str, Any], root: Mapping[str, Any]) -> list[str]:
    required = schema.get("required", [])
    lines = []
    for name, field in schema.get("properties", {}).items():
        if field.get("deprecated"):
            continue
        facts = ["required"] if name in required else []
        if field.get("default") is not None:
            facts.append(f"default {_shown(field['default'])}")
        head = f"{_INDENT}{name} <{_type(field, root)}>"
        lines.append(f"{head} {', '.join(facts)}" if facts else head)
        if field.get("description"):
            lines.append(indent(field["description"], _INDENT * 3))
    return lines


def _descend(schema: Mapping[str, Any], path: list[str], kind: str) -> Mapping[str, Any]:
    here: Mapping[str, Any] = schema
    for depth, name in enumerate(path):
        owner = _object(here, schema)
        fields = owner.get("properties", {}) if owner is not None else {}
        if name not in fields:
            above = ".".join([kind, *path[:depth]])
            raise NotFoundError(f"{above} has no field {name!r}", hint=suggestion(name, fields) or _names(fields))
        here = fields[name]
    return here


def _names(fields: Mapping[str, Any]) -> str | None:
    return f"the fields are {', '.join(fields)}" if fields else None


def _object(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of the map that is in this one, through references, choices and lists."""
    schema = _resolve(schema, root)
    if "properties" in schema:
        return schema
    for part in (*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties")):
        if isinstance(part, Mapping):
            found = _object(part, root)
            if found is not None:
                return found
    return None


def _type(schema: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """The type in a word or two; that templates may stand anywhere is not said each time."""
    schema = _resolve(schema, root)
    if "enum" in schema:
        return " | ".join(_shown(choice) for choice in schema["enum"])
    if "const" in schema:
        return _shown(schema["const"])
    if "anyOf" in schema:
        kinds = [_type(part, root) for part in schema["anyOf"] if not _is_template(part)]
        return " | ".join(dict.fromkeys(kinds)) or "any"
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return " | ".join(kind)
    if kind == "array":
        return f"[{_type(schema.get('items', {}), root)}]"
    return str(kind)


def _is_template(schema: Mapping[str, Any]) -> bool:
    return schema.get("pattern") == r"\{\{"


def _resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    seen = set()
    while "$ref" in schema and schema["$ref"] not in seen:
        seen.add(schema["$ref"])
        schema = root.get("$defs", {}).get(schema["$ref"].rpartition("/")[2], {})
    return schema


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, default=str)
