"""Templates in strings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidError
from engine.spec.template import UnresolvedName, UnresolvedNamesError, find, names, parse, render, text_of

SCOPE = {
    "A": "x",
    "n": 5,
    "f": 1.5,
    "t": True,
    "z": None,
    "list": [1, {"k": "v"}],
    "map": {"a": {"b": 3}, "7": "seven", 8: "eight"},
    "api-key": "k",
    "ä": "umlaut",
    "b": b"hi",
    "again": "{{ .A }}",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ .A }}", "x"),
        ("{{.A}}", "x"),
        ("{{\t.A\n}}", "x"),
        ("{{ .n }}", 5),
        ("{{ .t }}", True),
        ("{{ .z }}", None),
        ("{{ .list }}", [1, {"k": "v"}]),
        ("{{ .list.0 }}", 1),
        ("{{ .list.1.k }}", "v"),
        ("{{ .map.a.b }}", 3),
        ("{{ .map.7 }}", "seven"),
        ("{{ .map.8 }}", "eight"),
        ("{{ .api-key }}", "k"),
        ("{{ .ä }}", "umlaut"),
        ("{{ . }}", SCOPE),
        ("a{{ .A }}b{{ .n }}c", "axb5c"),
        ("{{ .A }}{{ .A }}", "xx"),
        (" {{ .n }}", " 5"),
        ("{{ .t }}!", "true!"),
        ("{{ .f }}!", "1.5!"),
        ("{{ .list }}!", '[1,{"k":"v"}]!'),
        ("{{ .map.a }}!", '{"b":3}!'),
        ("{{ .b }}!", "aGk=!"),
        ("{{ .again }}", "{{ .A }}"),
        ("no template", "no template"),
        ("} }} {", "} }} {"),
        ('{{ "{{" }} .A }}', "{{ .A }}"),
        ('{{ "\\"" }}', '"'),
        # What is malformed stands as it is; the check reports it.
        ("{{ .A", "{{ .A"),
        ("{{ foo }} {{ .A }}", "{{ foo }} x"),
    ],
)
def test_rendering(text, value):
    rendered = render(text, SCOPE)
    assert rendered == value
    assert type(rendered) is type(value)


def test_rendering_goes_everywhere_and_changes_nothing():
    data = {"{{ .A }}": [{"k": "{{ .n }}"}, 7, None], "n{{ .n }}": "plain"}
    assert render(data, SCOPE) == {"x": [{"k": 5}, 7, None], "n5": "plain"}
    assert data == {"{{ .A }}": [{"k": "{{ .n }}"}, 7, None], "n{{ .n }}": "plain"}


def test_values_are_copied():
    scope = {"l": [1]}
    rendered = render({"a": "{{ .l }}", "b": "{{ .l }}"}, scope)
    rendered["a"].append(2)
    assert (rendered["b"], scope) == ([1], {"l": [1]})


def test_all_unresolved_names_are_collected_and_their_strings_stay():
    missing = []
    data = {"a": "{{ .A }} {{ .no }}", "l": ["{{ .map.a.x }}", "{{ .list.2 }}"], "{{ .key }}": 1, "z": "v={{ .z }}"}
    rendered = render(data, SCOPE, missing)
    assert rendered == data
    assert missing == [
        UnresolvedName("no", ("a",)),
        UnresolvedName("map.a.x", ("l", 0)),
        UnresolvedName("list.2", ("l", 1)),
        UnresolvedName("key", ("{{ .key }}",)),
        UnresolvedName("z", ("z",), "null"),
    ]


def test_without_a_collector_they_are_raised_together():
    with pytest.raises(UnresolvedNamesError, match=r"cannot resolve 'x', 'y\.z'") as caught:
        render(["{{ .x }}", "{{ .y.z }}"], {})
    assert [name.path for name in caught.value.names] == [(0,), (1,)]


@pytest.mark.parametrize("scope", [None, "text", 5, [], {"a": "text"}, {"a": None}])
def test_what_has_no_parts_resolves_nothing(scope):
    missing = []
    render("{{ .a.0 }}", scope, missing)
    assert missing == [UnresolvedName("a.0", ())]


def test_two_keys_that_become_one_are_an_error():
    with pytest.raises(InvalidError, match="becomes one that is there, once the templates are filled"):
        render({"x": 1, "{{ .A }}": 2}, SCOPE)


@pytest.mark.parametrize(
    ("text", "offset", "message", "hint"),
    [
        ("ab {{ .a", 3, "the template is not closed", "add }}"),
        ("{{ foo }}", 0, "{{ foo }} is no template: a name begins with a dot", "write {{ .foo }}"),
        ("{{ .a | upper }}", 0, "{{ .a | upper }} is no template: there are no pipes", "write {{ .NAME }}"),
        ("{{ if .a }}", 0, "{{ if .a }} is no template", "write {{ .NAME }}"),
        ("{{ }}", 0, "{{  }} is no template", "write {{ .NAME }}"),
        ("{{ .a. }}", 0, "{{ .a. }} is no template", "write {{ .NAME }}"),
        ("{{ .a..b }}", 0, "{{ .a..b }} is no template", "write {{ .NAME }}"),
    ],
)
def test_malformed_templates(text, offset, message, hint):
    (malformed,) = parse(text).malformed
    assert (malformed.offset, malformed.message) == (offset, message)
    assert malformed.hint.startswith(hint)


def test_names_that_are_used():
    data = {"a": "{{ .X }} {{ .y.z }}", "{{ .K }}": ["{{ . }}", 5, "plain"]}
    assert names(data) == {("X", ("a",)), ("y.z", ("a",)), ("K", ("{{ .K }}",)), (".", ("{{ .K }}", 0))}


def test_finding_tells_keys_from_values():
    assert [(path, is_key) for path, is_key, _, _ in find({"{{ .a }}": "{{ .b }}"})] == [
        (("{{ .a }}",), True),
        (("{{ .a }}",), False),
    ]


def test_text_of_times():
    assert text_of(datetime(2024, 1, 1, tzinfo=UTC)) == "2024-01-01T00:00:00Z"
    assert text_of([timedelta(milliseconds=1500)]) == '["1.5s"]'


@given(st.text(alphabet='{}. ab|"\\\n-0', max_size=30))
def test_parts_cover_the_whole_text(text):
    template = parse(text)
    assert list(template.offsets) == sorted(template.offsets)
    if not any(template.names) and '"' not in text:
        assert "".join(str(part) for part in template.parts) == text


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(alphabet="ab {}"), st.lists))
def test_a_lone_template_keeps_any_value(value):
    assert render("{{ .v }}", {"v": value}) == value
