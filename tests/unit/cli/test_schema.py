from __future__ import annotations

import json

from engine.cli.schema import of_files
from engine.graph.scheme import Scheme


def references(schema):
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from references(item)


def test_the_schema_of_a_kind(weir):
    schema = json.loads(weir("schema", "probe").stdout)
    assert schema["properties"]["count"]["description"] == "How often it says it."
    assert {"kind", "name", "ports", "text"} <= schema["properties"].keys()


def test_the_schema_of_files_has_all_kinds_and_no_loose_reference(weir):
    schema = of_files(Scheme.installed())
    assert schema["$defs"]["spec"]["properties"]["kind"]["enum"] == ["gate", "probe", "sonde"]
    for reference in references(schema):
        assert reference.removeprefix("#/$defs/") in schema["$defs"]


def test_an_unknown_kind(weir):
    assert "unknown kind 'prob'" in weir("schema", "prob", code=1).stderr
    assert "unknown kind 'prob'" in weir("explain", "prob", code=1).stderr


def test_explain(weir):
    assert weir("explain").stdout.splitlines()[1] == "probe            Says what it is told."
    text = weir("explain", "probe").stdout
    assert "KIND: probe\nALSO: sonde\nFAMILY: testing\n\nSays what it is told.\n" in text
    assert "  count <integer> default 1\n      How often it says it.\n" in text
    assert "EXAMPLE:\n  - kind: probe\n" in text
    assert weir("explain", "sonde").stdout == text
    assert "  when <" in weir("explain", "gate").stdout


def test_explain_a_field(weir):
    assert weir("explain", "probe.count").stdout == (
        "FIELD: probe.count <integer>\nDEFAULT: 1\n\nHow often it says it.\n"
    )
    assert "The port of that node." in weir("explain", "probe.ports").stdout
    assert weir("explain", "probe.ports.port").stdout.startswith("FIELD: probe.ports.port <string>\nDEFAULT: in\n")


def test_explain_an_unknown_field(weir):
    result = weir("explain", "probe.conut", code=1)
    assert result.stderr == "error: probe has no field 'conut'\n  hint: did you mean 'count'?\n"
