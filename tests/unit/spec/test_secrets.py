from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Code, Diagnostic, DiagnosticsError, ErrorValue, Place
from engine.spec.binding import bind
from engine.spec.fields import Duration, Size
from engine.spec.model import Value, parse_spec, read_values
from engine.spec.schema import NodeSpec, decode
from engine.spec.secrets import HIDDEN, NO_SECRETS, Secrets

SECRET = 'hunter2 "it\'s" a\\b\nsecond line'


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), min_size=4).filter(str.strip))
def test_no_spelling_of_a_secret_is_left(secret):
    import json

    secrets = Secrets(data=({"key": [secret]},))
    for spelled in (secret, repr(secret), json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        hidden = secrets.hide(f"port: {spelled} is no number")
        assert secret not in hidden.replace(HIDDEN, "")


@pytest.mark.parametrize(
    ("data", "text", "hidden"),
    [
        ("abc", "'abc' is not 'abcd'", "'***' is not 'abcd'"),
        (5, "at least 50, not 5", "at least 50, not ***"),
        (8080, "x:8080/", "x:***/"),
        (1.5, "1.5 s", "*** s"),
        (True, "true is no number", "true is no number"),
        (None, "null", "null"),
        ("", "nothing", "nothing"),
        ({"user": "ada-lovelace"}, "the user ada-lovelace", "the user ***"),
        ("one-long\nline-two", "at line-two", "at ***"),
    ],
)
def test_what_is_hidden(data, text, hidden):
    assert Secrets(data=(data,)).hide(text) == hidden


def test_an_error_is_hidden_with_its_causes():
    error = ErrorValue(
        "no way to hunter2", Code.UNAVAILABLE, (ErrorValue("hunter2 is unknown"),), Place("f"), "try hunter2"
    )
    hidden = Secrets(data=("hunter2",)).hide_in(error)
    assert (hidden.text, hidden.hint) == ("no way to ***: *** is unknown", "try ***")
    assert (hidden.code, hidden.place) == (error.code, error.place)
    assert NO_SECRETS.hide_in(error) is error


def test_a_finding_where_a_value_has_filled_something_in_tells_its_place_only():
    secrets = Secrets(frozenset({("code",), ("list", 1)}), ("hunter2",))
    found = [
        Diagnostic("expression", "unexpected 'hun'", Place("f", 3), "write hun", path=("code",)),
        Diagnostic("x", "about hunter2", Place("f", 4), "did you mean hunter?", path=("other", "hunter2")),
        Diagnostic("x", "a part of it", Place("f", 5), path=("list", 1, "inner")),
        Diagnostic("x", "a part beside it", Place("f", 6), path=("list", 0)),
    ]
    code, other, part, beside = secrets.cover_all(DiagnosticsError(found)).diagnostics
    assert code == Diagnostic(
        "expression", "`code` is wrong; how is not shown, for a value has filled it in", Place("f", 3), path=("code",)
    )
    assert (other.message, other.hint, other.path) == ("about ***", None, ("other", "***"))
    assert "how is not shown" in part.message
    assert beside.message == "a part beside it"
    inner = secrets.below(("list",))
    assert inner.fills((1,))
    assert not inner.fills((0,))


# --- what binding notes


def bound(text: str, **values):
    import yaml

    spec = parse_spec(yaml.safe_load(text))
    return bind(
        spec, lambda _space, name, _id: Value(name=name, data=values[name]) if name in values else None, {"E": "env"}
    )


def test_what_values_have_filled_in_is_noted():
    secrets = bound(
        "{kind: k, env: {P: {name: v, data: '{{ .pw }}'}, U: {name: v, data: 'u:{{ .pw }}@h'}, L: {data: x}, E: {data: '{{ .E }}'}}, "
        "a: '{{ .P }}', b: [1, 'x{{ .U }}'], c: '{{ .L }}', d: '{{ .E }}', '{{ .P }}': 1, m: {'{{ .P }}': 1}}",
        v={"pw": "hunter2", "other": "unused-text"},
    ).secrets
    assert secrets.paths == {("a",), ("b", 1), (), ("m",)}
    assert secrets.hide("hunter2 u:hunter2@h unused-text env") == "*** *** unused-text env"


def test_the_whole_environment_of_a_spec_is_secret_if_a_part_of_it_is():
    assert bound("{kind: k, env: {P: {name: v}}, a: '{{ . }}'}", v=5).secrets.paths == {("a",)}


def test_children_see_what_their_parent_has_and_have_values_of_their_own():
    secrets = bound(
        "{kind: k, env: {P: {name: v}}, specs: [{kind: c, a: '{{ .P }}'}, {kind: c, env: {Q: {name: w}}, b: '{{ .Q }}'}]}",
        v="vvvv",
        w="wwww",
    ).secrets
    assert secrets.below(("specs", 0)).paths == {("a",)}
    assert secrets.below(("specs", 1)).paths == {("b",)}
    assert secrets.hide("vvvv wwww") == "*** ***"


def test_without_values_there_is_nothing_to_hide():
    assert bound("{kind: k, env: {L: {data: x}}, a: '{{ .L }}'}").secrets is NO_SECRETS
    assert not NO_SECRETS
    assert not NO_SECRETS.fills(("a",))


# --- what is said of fields


class Fields(NodeSpec):
    number: int = 1
    choice: str = "x"
    short: str = "x"
    wait: Duration | None = None
    size: Size | None = None
    inner: dict[str, int] = {}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("number", "hunter2", "`number` is a whole number, not ***"),
        ("number", ["hunter2"], "`number` is a whole number, not ***"),
        ("wait", "hunter2", "`wait` is a duration, not ***"),
        ("wait", "hun", "`wait` is a duration, not ***"),
        ("wait", -5, "`wait` cannot be what a value has filled in (***)"),
        ("size", "hunter2", "`size` is a size, not ***"),
        ("inner", {"a": "hunter2"}, "`inner.a` is a whole number, not ***"),
    ],
)
def test_a_field_that_a_value_has_filled_is_not_quoted(field, value, message):
    secrets = Secrets(frozenset({(field,)}), (value,))
    with pytest.raises(DiagnosticsError) as caught:
        decode(Fields, {field: value}, secrets=secrets)
    [found] = caught.value.diagnostics
    assert (found.message, found.hint) == (message, None)


def test_a_field_beside_it_is_quoted_as_ever():
    with pytest.raises(DiagnosticsError, match="not 'many'"):
        decode(Fields, {"number": "many"}, secrets=Secrets(frozenset({("wait",)}), ("hunter2",)))


# --- what is said of values themselves


@pytest.mark.parametrize(
    "text",
    [
        "name: v\ndata: *hunter2\n",
        "name: v\ndata: {a: !hunter2 x}\n",
        "name: v\ndata: !!int hunter2\n",
        "name: v\ndata: {hunter2: 1, hunter2: 2}\n",
        "- name: v\n  data: &hunter2 [*hunter2]\n",
    ],
)
def test_what_is_wrong_with_the_data_of_a_value_is_told_without_it(text):
    _, problems = read_values(text, file="v.yaml")
    assert problems
    for problem in problems:
        assert "hunter2" not in f"{problem.message} {problem.hint}"


def test_the_data_of_a_value_is_not_in_its_repr():
    from engine.spec.model import parse_value

    assert "hunter2" not in repr(parse_value({"name": "v", "data": "hunter2"}))
