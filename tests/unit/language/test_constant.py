from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ExpressionError, Place
from engine.language.constant import JsonCompiler, TextCompiler, YamlCompiler
from engine.language.protocol import Program

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def json_value(source):
    return JsonCompiler().compile(source)(None)


def yaml_value(source):
    return YamlCompiler().compile(source)(None)


def fails(compiler, source):
    with pytest.raises(ExpressionError) as caught:
        compiler.compile(source)
    return caught.value


def test_text_is_the_source_as_it_is():
    program = TextCompiler().compile("  a {{ b }}\n\r\n")
    assert program({"x": 1}) == "  a {{ b }}\n\r\n"
    assert isinstance(program, Program)
    assert not program.is_async
    program.close()


@given(JSON)
def test_json_gives_what_was_written(value):
    assert json_value(json.dumps(value)) == value


@given(JSON.map(json.dumps).filter(lambda text: "\\ud" not in text and len(text) < 1000))
def test_yaml_reads_json(
    source,
):  # but for pairs of surrogates, and keys of over 1,024 characters, which YAML does not have
    assert yaml_value(source) == json.loads(source)


def test_json_numbers_keep_their_kind():
    assert [type(n) for n in json_value("[1, 1.0, 1e2]")] == [int, float, float]


@pytest.mark.parametrize(
    ("source", "message", "line", "column"),
    [
        ('{"a": 1,\n "b": }', "expecting value", 2, 7),
        ("", "expecting value", 1, 1),
        ('{"a": 1} x', "extra data", 1, 10),
        ('{"a": {"k": 1}, "b": {\n  "k": 2, "x": "}{\\"", "k": 3}}', "the key 'k' stands twice", 2, 24),
        ('[{"k": 1}, {"\\u006b": {"k": 1}, "k": 2}]', "first in line 1, column 13", 1, 33),
    ],
)
def test_json_errors_have_their_place(source, message, line, column):
    error = fails(JsonCompiler(), source)
    assert message in str(error)
    assert error.place == Place(line=line, column=column)


@pytest.mark.parametrize("source", ["NaN", "[Infinity]", "-Infinity"])
def test_json_has_no_nan(source):
    assert "is not JSON" in str(fails(JsonCompiler(), source))


def test_json_of_any_depth_or_size_is_an_error_at_most():
    assert "too deeply" in str(fails(JsonCompiler(), "[" * 100_000))
    assert "digits" in str(fails(JsonCompiler(), "1" * 5000))


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("", None),
        ("~", None),
        ("[null, Null, NULL, ~, '~']", [None, None, None, None, "~"]),
        ("[true, True, TRUE, false, tRue]", [True, True, True, False, "tRue"]),
        ("[yes, no, on, off, y, n]", ["yes", "no", "on", "off", "y", "n"]),
        ("[014, 0o14, 0xFf, -7, +7, 0b1]", [14, 12, 255, -7, 7, "0b1"]),
        ("[1:30, 1_000, 2024-01-02]", ["1:30", "1_000", "2024-01-02"]),
        ("[1., .5, -1e3, 1.5E+2, .inf, -.INF, .e1, 1e]", [1.0, 0.5, -1000.0, 150.0, math.inf, -math.inf, ".e1", "1e"]),
        ("['1', \"true\", !!str 1]", ["1", "true", "1"]),
        ("[!!int '3', !!float 3, !!bool 'true', !!null '']", [3, 3.0, True, None]),
        ("{1: a, yes: b, null: c, 1.0: d}", {"1": "a", "yes": "b", "null": "c", "1.0": "d"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("<<: {a: 1}", {"<<": {"a": 1}}),
        ("a: |\n  line\n  line\n", {"a": "line\nline\n"}),
        ("=", "="),
    ],
)
def test_yaml_is_read_by_the_core_schema_of_1_2(source, value):
    result = yaml_value(source)
    assert result == value
    assert json.dumps(result) == json.dumps(value)


def test_yaml_knows_nan():
    assert math.isnan(yaml_value(".NaN"))


@pytest.mark.parametrize(
    ("source", "message", "line", "column"),
    [
        ("a: 1\nb: 2\na: 3", "the key 'a' stands twice in one map, first in line 1, column 1", 3, 1),
        ("{1: a, '1': b}", "the key '1' stands twice", 1, 8),
        ("a: [1, 2", "while parsing a flow sequence", 2, 1),
        ("a: 1\n b: 2", "mapping values are not allowed", 2, 3),
        ("a: !thing 1", "unknown tag !thing", 1, 4),
        ("- !!set {a}", "unknown tag !!set", 1, 3),
        ("a: !!int x", "'x' is no int", 1, 4),
        ("&a [*a]", "contains itself", 1, 1),
        ("? [1]\n: 2", "cannot be a key", 1, 3),
        ("a: *nobody", "undefined alias", 1, 4),
        ("1\n---\n2", "expected a single document", 2, 1),
    ],
)
def test_yaml_errors_have_their_place(source, message, line, column):
    error = fails(YamlCompiler(), source)
    assert message in str(error)
    assert (error.place.line, error.place.column) == (line, column) or message.startswith("while parsing")


def test_yaml_refuses_control_characters():
    fails(YamlCompiler(), "a: \x01")


@pytest.mark.parametrize("compiler", [TextCompiler(), JsonCompiler(), YamlCompiler()])
def test_the_same_value_for_every_call(compiler):
    program = compiler.compile('{"a": [1]}')
    assert program(1) is program(2)
