"""JSON Schemas for editors."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import AliasChoices, Field

from engine.spec.fields import Duration, Source
from engine.spec.json_schema import DIALECT
from engine.spec.schema import NodeSpec, json_schema


class Match(NodeSpec):
    when: Source
    port: str = Field("out", validation_alias=AliasChoices("port", "to"))


class Sample(NodeSpec):
    """Chooses a way."""

    matches: list[Match] = Field(validation_alias=AliasChoices("matches", "match"), description="The ways.")
    limit: int = 3
    after: Duration = Field(timedelta(seconds=1.5), description="How long.")
    title: str = ""
    code: Source = Field("x", min_length=1)


class Tree(NodeSpec):
    children: "list[Tree]" = []  # noqa: UP037  # the class is not there yet


@pytest.fixture
def schema():
    return json_schema(Sample, "sample")


def test_the_frame(schema):
    assert schema["$schema"] == DIALECT == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["title"], schema["type"], schema["description"]) == ("sample", "object", "Chooses a way.")
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["kind"]


def test_common_fields_are_described(schema):
    for name in ("kind", "id", "namespace", "name", "labels", "annotations", "env", "ports", "links", "revision"):
        assert schema["properties"][name]["description"]
    assert schema["properties"]["kind"]["const"] == "sample"
    assert schema["properties"]["links"]["deprecated"] is True


def test_own_fields_take_templates_too(schema):
    limit = schema["properties"]["limit"]
    assert limit["default"] == 3
    assert {"type": "integer"} in limit["anyOf"]
    assert any(choice.get("pattern") == r"\{\{" for choice in limit["anyOf"])
    assert schema["properties"]["title"]["type"] == "string"


def test_defaults_are_as_people_write_them(schema):
    after = schema["properties"]["after"]
    assert (after["default"], after["description"]) == ("1.5s", "How long.")


def test_limits_of_special_types_are_kept(schema):
    (code, _) = schema["properties"]["code"]["anyOf"]
    assert code == {"type": ["string", "number", "boolean"], "minLength": 1}


def test_old_names_are_known_and_one_of_them_is_required(schema):
    properties = schema["properties"]
    assert properties["matches"]["description"] == "The ways."
    assert "deprecated" not in properties["matches"]
    assert properties["match"]["deprecated"] is True
    assert schema["allOf"] == [{"anyOf": [{"required": ["matches"]}, {"required": ["match"]}]}]
    nested = schema["$defs"]["Match"]
    assert nested["properties"]["to"]["deprecated"] is True
    assert nested["required"] == ["when"]
    assert nested["additionalProperties"] is False


def references(schema):
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"]
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


@pytest.mark.parametrize("model", [Sample, Tree])
def test_every_reference_leads_somewhere(model):
    schema = json_schema(model, "x")
    found = set(references(schema))
    assert found
    assert {f"#/$defs/{name}" for name in schema["$defs"]} >= found


def test_a_class_that_holds_itself():
    schema = json_schema(Tree, "tree")
    assert "children" in schema["properties"]
    assert "kind" in schema["properties"]
    assert "kind" not in schema["$defs"]["Tree"]["properties"]
