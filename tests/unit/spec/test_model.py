"""Reading specs and values."""

from __future__ import annotations

import pytest

from engine.errors import DiagnosticsError
from engine.spec.model import (
    WHOLE_VALUE,
    EnvEntry,
    Link,
    Spec,
    Value,
    parse_spec,
    parse_specs,
    parse_value,
    parse_values,
    read_specs,
    read_values,
)

ID = "01908c74-8b22-7cbf-a475-6b6bc871b01a"


def findings(call, *args, **options):
    with pytest.raises(DiagnosticsError) as caught:
        call(*args, **options)
    return caught.value.diagnostics


def in_text(text):
    return [(str(d.place), d.rule, d.path) for d in findings(parse_specs, text, file="f")]


def test_a_whole_spec():
    document = {
        "id": ID.upper(),
        "kind": "snippet",
        "namespace": "shop",
        "name": "Grüße an 世界",
        "labels": {"app": "x", "n": 1, "b": True, "f": 1.5, "empty": None},
        "annotations": {"note": "y"},
        "env": {"A": {"name": "creds", "data": "{{ .a }}"}},
        "ports": {"out": [{"name": "b"}, {"id": ID, "port": "in[1]"}]},
        "revision": 7,
        "language": "cel",
        "code": "self",
    }
    spec = parse_spec(document)
    assert spec == Spec(
        kind="snippet",
        namespace="shop",
        id=ID,
        name="Grüße an 世界",
        labels={"app": "x", "n": "1", "b": "true", "f": "1.5", "empty": ""},
        annotations={"note": "y"},
        env={"A": (EnvEntry("{{ .a }}", "creds"),)},
        ports={"out": (Link("in", "b"), Link("in[1]", None, ID))},
        fields={"language": "cel", "code": "self"},
        document={key: value for key, value in document.items() if key != "revision"},
        revision=7,
    )
    assert spec.label == "snippet/Grüße an 世界"
    assert spec.key == ("shop", "Grüße an 世界")


def test_the_least_spec():
    spec = parse_spec({"kind": "nop"})
    assert (spec.namespace, spec.id, spec.name, spec.revision) == ("default", "", None, 0)
    assert spec.label == "nop"
    assert spec.replace(id=ID).label == f"nop/{ID}"
    assert spec.replace(id=ID).key == ("default", ID)
    assert spec.id == ""


def test_the_namespace_that_is_given_is_a_default():
    assert parse_spec({"kind": "nop"}, namespace="a").namespace == "a"
    assert parse_spec({"kind": "nop", "namespace": "b"}, namespace="a").namespace == "b"
    assert parse_value({"data": 1}, namespace="a").namespace == "a"


def test_env_in_all_its_spellings():
    spec = parse_spec(
        {
            "kind": "x",
            "env": {
                "one": {"name": "v", "data": 1},
                "old": [{"name": "v", "value": "{{ .a }}"}, {"data": None}],
                "whole": {"id": ID},
                "bare": 5,
                "nothing": None,
                "mixed": [{"name": "v"}, "text"],
            },
        }
    )
    assert spec.env == {
        "one": (EnvEntry(1, "v"),),
        "old": (EnvEntry("{{ .a }}", "v"), EnvEntry(None)),
        "whole": (EnvEntry(WHOLE_VALUE, None, ID),),
        "bare": (EnvEntry(5),),
        "nothing": (EnvEntry(None),),
        "mixed": (EnvEntry(WHOLE_VALUE, "v"), EnvEntry("text")),
    }


def test_ports_in_all_their_spellings():
    one = {"name": "b", "port": "in"}
    assert parse_spec({"kind": "x", "ports": {"out": one}}).ports == {"out": (Link("in", "b"),)}
    assert parse_spec({"kind": "x", "links": {"out": [one]}}).ports == {"out": (Link("in", "b"),)}
    assert parse_spec({"kind": "x", "links": {"out": None, "error": []}}).ports == {"out": (), "error": ()}
    assert parse_spec({"kind": "x", "ports": None, "env": None, "labels": None}).ports == {}


BAD = [
    ("kind: 5\n", [("f:1:7", "wrong-type", ("kind",))]),
    ("kind: ''\n", [("f:1:7", "wrong-type", ("kind",))]),
    ("kind: ' x'\n", [("f:1:7", "wrong-type", ("kind",))]),
    ("kidn: x\n", [("f:1:1", "missing-field", ("kind",))]),
    ("kind: ~\n", [("f:1:7", "missing-field", ("kind",))]),
    ("kind: x\nname: ''\n", [("f:2:7", "bad-name", ("name",))]),
    ("kind: x\nname: ' '\n", [("f:2:7", "bad-name", ("name",))]),
    ("kind: x\nname: a/b\n", [("f:2:7", "bad-name", ("name",))]),
    ('kind: x\nname: "a\\nb"\n', [("f:2:7", "bad-name", ("name",))]),
    ('kind: x\nname: "a\\u0085b"\n', [("f:2:7", "bad-name", ("name",))]),
    ("kind: x\nname: " + "n" * 254 + "\n", [("f:2:7", "bad-name", ("name",))]),
    ("kind: x\nname: 5\n", [("f:2:7", "wrong-type", ("name",))]),
    ("kind: x\nnamespace: a/b\n", [("f:2:12", "bad-name", ("namespace",))]),
    ("kind: x\nid: abc\n", [("f:2:5", "bad-id", ("id",))]),
    ("kind: x\nid: 5\n", [("f:2:5", "bad-id", ("id",))]),
    (f"kind: x\nid: '{{{ID}}}'\n", [("f:2:5", "bad-id", ("id",))]),
    ("kind: x\nrevision: -1\n", [("f:2:11", "wrong-type", ("revision",))]),
    ("kind: x\nrevision: true\n", [("f:2:11", "wrong-type", ("revision",))]),
    ("kind: x\nlabels: [a]\n", [("f:2:9", "wrong-type", ("labels",))]),
    ("kind: x\nlabels: {a: [1]}\n", [("f:2:13", "wrong-type", ("labels", "a"))]),
    ("kind: x\nannotations: {a: {}}\n", [("f:2:18", "wrong-type", ("annotations", "a"))]),
    ("kind: x\nports: [out]\n", [("f:2:8", "wrong-type", ("ports",))]),
    ("kind: x\nports: {out: b}\n", [("f:2:14", "wrong-type", ("ports", "out"))]),
    ("kind: x\nports: {out: [b]}\n", [("f:2:15", "wrong-type", ("ports", "out", 0))]),
    ("kind: x\nports: {out: [{}]}\n", [("f:2:15", "missing-field", ("ports", "out", 0))]),
    ("kind: x\nports: {out: [{port: a}]}\n", [("f:2:15", "missing-field", ("ports", "out", 0))]),
    ("kind: x\nports: {out: [{nmae: a}]}\n", [("f:2:16", "unknown-field", ("ports", "out", 0, "nmae"))]),
    ("kind: x\nports: {out: [{name: a, port: 1}]}\n", [("f:2:31", "wrong-type", ("ports", "out", 0, "port"))]),
    ("kind: x\nports: {out: [{id: 1}]}\n", [("f:2:20", "bad-id", ("ports", "out", 0, "id"))]),
    ("kind: x\nports: {'': []}\n", [("f:2:9", "bad-name", ("ports", ""))]),
    ("kind: x\nports: {}\nlinks: {}\n", [("f:3:1", "duplicate-key", ("links",))]),
    ("kind: x\nenv: 5\n", [("f:2:6", "wrong-type", ("env",))]),
    ("kind: x\nenv: {A: []}\n", [("f:2:10", "missing-field", ("env", "A"))]),
    ("kind: x\nenv: {A: {}}\n", [("f:2:7", "missing-field", ("env", "A"))]),
    ("kind: x\nenv: {A: [[1]]}\n", [("f:2:11", "wrong-type", ("env", "A", 0))]),
    ("kind: x\nenv: {A: {nam: b}}\n", [("f:2:11", "unknown-field", ("env", "A", "nam"))]),
    ("kind: x\nenv: {A: {data: 1, value: 2}}\n", [("f:2:20", "duplicate-key", ("env", "A", "value"))]),
    ("kind: x\nq: {1: a, '1': b}\n", [("f:2:4", "duplicate-key", ("q",))]),
    (
        "- 5\n- kind: x\n- [a]\n- null\n",
        [("f:1:3", "wrong-type", (0,)), ("f:3:3", "wrong-type", (2,)), ("f:4:3", "wrong-type", (3,))],
    ),
    (
        "- {kind: 1}\n- {kind: x, name: a/b}\n",
        [("f:1:10", "wrong-type", (0, "kind")), ("f:2:19", "bad-name", (1, "name"))],
    ),
    ("- {kind: x, name: a}\n- {kind: y, name: a}\n", [("f:2:19", "duplicate-name", (1, "name"))]),
    (f"- {{kind: x, id: {ID}}}\n---\n- {{kind: y, id: {ID}}}\n", [("f:3:17", "duplicate-id", (0, "id"))]),
    ("text\n", [("f:1:1", "wrong-type", ())]),
    (
        "- kind: x\n  a: 1\n  a: 2\n- kind: 1\n",
        [("f:3:3", "duplicate-key", (0, "a")), ("f:4:9", "wrong-type", (1, "kind"))],
    ),
]


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[text[:50] for text, _ in BAD])
def test_bad_specs_are_reported_with_place_and_path(text, expected):
    assert in_text(text) == expected


def test_hints():
    hints = [d.hint for d in findings(parse_specs, "- {kidn: x}\n- {kind: x, name: 5}\n- {kind: x, links: {out: b}}\n")]
    assert hints == ["write `kind` for `kidn`", "put it in quotes: '5'", "write `{name: b, port: in}`"]


def test_a_duplicate_name_tells_where_the_first_one_stands():
    (finding,) = findings(parse_specs, "- {kind: x, name: a}\n- {kind: y, name: a}\n", file="f")
    assert finding.message == "the name 'a' stands twice in the namespace 'default'; first at f:1:19"


def test_the_same_name_in_two_namespaces_is_fine():
    assert len(parse_specs("- {kind: x, name: a}\n- {kind: x, name: a, namespace: b}\n")) == 2


@pytest.mark.parametrize("text", ["", "# nothing\n", "null\n", "[]\n", "---\n---\n"])
def test_a_file_without_specs(text):
    (finding,) = findings(parse_specs, text, file="dir/f.yaml")
    assert finding.message == "no specs in dir/f.yaml"
    (finding,) = findings(parse_values, text)
    assert finding.message == "no values"


def test_files_may_hold_one_spec_a_list_or_documents():
    assert [s.kind for s in parse_specs("kind: a")] == ["a"]
    assert [s.kind for s in parse_specs(b"- kind: a\n- kind: b\n")] == ["a", "b"]
    assert [s.kind for s in parse_specs("kind: a\n---\n- kind: b\n- kind: c\n---\n")] == ["a", "b", "c"]
    assert [s.kind for s in parse_specs('[{"kind": "a"}]')] == ["a"]


def test_reading_on_gives_the_good_ones_and_the_problems():
    good, problems = read_specs(
        "- {kind: a, name: n}\n- {kind: 1}\n- {kind: b, x: 1, x: 2}\n- {kind: c, name: n}\n- {kind: d}\n", file="f"
    )
    assert [spec.kind for spec in good] == ["a", "d"]
    assert sorted((d.place.line, d.rule) for d in problems) == [
        (2, "wrong-type"),
        (3, "duplicate-key"),
        (4, "duplicate-name"),
    ]


def test_reading_on_stops_at_a_syntax_error():
    good, problems = read_specs("kind: a\n---\nkind: b\nx: [\n")
    assert [spec.kind for spec in good] == ["a"]
    assert [d.rule for d in problems] == ["syntax"]


def test_keys_of_fields_become_text():
    spec = parse_specs("kind: x\nstatus: {404: a, true: b, ~: [{1.5: c}]}\n", file="f")[0]
    assert spec.fields == {"status": {"404": "a", "true": "b", "null": [{"1.5": "c"}]}}
    assert spec.document["status"] == spec.fields["status"]
    assert str(spec.origin.place(("status", "null", 0, "1.5"))) == "f:2:37"


def test_places_of_a_spec_in_a_list():
    spec = parse_specs("- kind: a\n- kind: b\n  name: c\n", file="f")[1]
    assert str(spec.place) == "f:2:3"
    assert str(spec.origin.place(("name",))) == "f:3:9"
    assert str(Spec("x").place) == "<input>"


def test_the_origin_takes_no_part_in_comparisons():
    left, right = parse_specs("kind: a"), parse_specs("\n\nkind: a")
    assert left == right
    assert left[0].origin != right[0].origin


def test_values():
    value = parse_value({"name": "creds", "id": ID, "labels": {"a": 1}, "data": {"user": "bob"}, "revision": 3})
    assert value == Value(
        id=ID,
        name="creds",
        labels={"a": "1"},
        data={"user": "bob"},
        document={"name": "creds", "id": ID, "labels": {"a": 1}, "data": {"user": "bob"}},
        revision=3,
    )
    assert value.label == "value/creds"
    assert value.key == ("default", "creds")
    assert parse_value({"data": None}).data is None


def test_bad_values():
    found = findings(parse_values, "- {nmae: x, data: 1}\n- {name: x}\n- {name: [], data: 1}\n- 5\n", file="f")
    assert [(str(d.place), d.rule, d.hint) for d in found] == [
        ("f:1:4", "unknown-field", "did you mean 'name'?"),
        ("f:2:3", "missing-field", "write `data:` and what it holds"),
        ("f:3:10", "wrong-type", None),
        ("f:4:3", "wrong-type", "begin with `data:`"),
    ]
    good, problems = read_values("- {name: a, data: 1}\n- {name: a, data: 2}\n")
    assert [value.data for value in good] == [1]
    assert [d.rule for d in problems] == ["duplicate-name"]


def test_conformance_specs_have_good_common_fields(conformance_dir):
    from engine.spec.yaml import dump, parse_file

    count = 0
    for path in sorted((conformance_dir / "flows").glob("*.yaml")):
        for case in parse_file(path)[0].data:
            text = case["text"] if "text" in case else dump(case["specs"])
            count += len(parse_specs(text))
    assert count > 300
