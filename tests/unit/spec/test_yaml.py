"""Reading YAML: what is read, what is refused, and where."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import DiagnosticsError, NotFoundError, UnavailableError
from engine.spec.yaml import parse, parse_file, read


def one(text):
    (document,) = parse(text, "f.yaml")
    return document.data


def findings(text, **options):
    with pytest.raises(DiagnosticsError) as caught:
        parse(text, "f.yaml", **options)
    return [(d.place.line, d.place.column, d.rule) for d in caught.value.diagnostics]


BAD = [
    # text, [(line, column, rule)]
    ("a: 1\na: 2\n", [(2, 1, "duplicate-key")]),
    ("a: {b: 1, c: 2, b: 3}\n", [(1, 17, "duplicate-key")]),
    ("- a: 1\n  a: 2\n- b: 1\n  'b': 2\n", [(2, 3, "duplicate-key"), (4, 3, "duplicate-key")]),
    ("1: a\n1: b\n", [(2, 1, "duplicate-key")]),
    ("a: 1\na: 2\nb: [\n", [(2, 1, "duplicate-key"), (4, 1, "syntax")]),
    ("a:\n\t- b\n", [(2, 1, "syntax")]),
    ("a:\n  b: 1\n\tc: 2\n", [(3, 1, "syntax")]),
    ("a: b: c\n", [(1, 5, "syntax")]),
    ("a: 'x\n", [(1, 4, "syntax")]),
    ('a: 1\nb: "x\nc: d\n', [(2, 4, "syntax")]),
    ("a: @b\n", [(1, 4, "syntax")]),
    ("a: `b`\n", [(1, 4, "syntax")]),
    ("a: %b\n", [(1, 4, "syntax")]),
    ("a: [1, 2\nb: 3\n", [(2, 2, "syntax")]),
    ("a: {x: 1\nb: 3\n", [(2, 2, "syntax")]),
    ("a: [1}\n", [(1, 6, "syntax")]),
    ('a: "\\q"\n', [(1, 5, "syntax")]),
    ("a: 1\n b: 2\n", [(2, 3, "syntax")]),
    ("a:\n    b: 1\n  c: 2\n", [(3, 3, "syntax")]),
    ("- a\nb: 1\n", [(2, 1, "syntax")]),
    ("a: - b\n", [(1, 4, "syntax")]),
    ("a: *nothing\n", [(1, 4, "unknown-alias")]),
    ("a: *x\nb: &x 1\nc: *x\nd: *y\n", [(1, 4, "unknown-alias"), (4, 4, "unknown-alias")]),
    ("a: &a [1, *a]\n", [(1, 11, "endless-alias")]),
    ("a: &a {b: *a}\n", [(1, 11, "endless-alias")]),
    ("a: !thing 1\n", [(1, 4, "unknown-tag")]),
    ("a: !!timestamp 2020-01-01\n", [(1, 4, "unknown-tag")]),
    ("a: !!python/object:os.system {}\n", [(1, 4, "unknown-tag")]),
    ("a: !!set {x}\n", [(1, 4, "unknown-tag")]),
    ("a: !!int x\n", [(1, 4, "unknown-tag")]),
    ("a: !!binary '?'\n", [(1, 4, "unknown-tag")]),
    ("a: !e!x 1\n", [(1, 4, "syntax")]),
    ("a: {[1]: 2}\n", [(1, 5, "bad-key")]),
    ("? {a: 1}\n: 2\n", [(1, 3, "bad-key")]),
    ("a:\n  <<: 5\n", [(2, 7, "bad-merge")]),
    ("a:\n  <<: [{x: 1}, 5]\n", [(2, 16, "bad-merge")]),
    ("n: " + "9" * 5000 + "\n", [(1, 4, "bad-number")]),
    ("a: 1\x00\n", [(1, 5, "encoding")]),
    ("a: 1\nb: x\x07\n", [(2, 5, "encoding")]),
    ("a: 1\n\ufeffb: x\n", [(2, 1, "encoding")]),
    ("a: \ud800\n", [(1, 4, "encoding")]),
    (b"a: 1\nb: \xc3\xa4\xff\n", [(2, 5, "encoding")]),
    (b"\xef\xbb\xbfa: \xff\n", [(1, 4, "encoding")]),
    ("a: 1\n".encode("utf-16"), [(1, 1, "encoding")]),
    ("a: 1\n".encode("utf-16-be"), [(1, 1, "encoding")]),
    (b"\xfe\xff" + "a: 1\n".encode("utf-16-be"), [(1, 1, "encoding")]),
    ("a: 1\n".encode("utf-32"), [(1, 1, "encoding")]),
    # Places count characters as editors do, whatever came before.
    ("ä: ü\r\nb: 1\r\nb: 2\r\n", [(3, 1, "duplicate-key")]),
    ("a: 1\rb: 1\rb: 2\r", [(3, 1, "duplicate-key")]),
    ("a: '\u2028'\nb: 1\nb: 2\n", [(3, 1, "duplicate-key")]),
    ("😀: 1\n日本: {x: 1, x: 2}\n", [(2, 12, "duplicate-key")]),
    ("\ufeffa: 1\na: 2\n", [(2, 1, "duplicate-key")]),
    ('{"a": "\\ud83d\\ude00", "b": 1, "b": 2}', [(1, 31, "duplicate-key")]),
    ("---\na: 1\na: 2\n---\nb: 1\nb: 2\n", [(3, 1, "duplicate-key"), (6, 1, "duplicate-key")]),
]


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[repr(text)[:40] for text, _ in BAD])
def test_bad_text_is_reported_with_its_place(text, expected):
    assert findings(text) == expected


@pytest.mark.parametrize(("text", "_"), BAD, ids=[repr(text)[:40] for text, _ in BAD])
def test_every_finding_is_a_plain_sentence(text, _):
    with pytest.raises(DiagnosticsError) as caught:
        parse(text, "f.yaml")
    for diagnostic in caught.value.diagnostics:
        assert diagnostic.message
        assert "\n" not in diagnostic.message
        assert "while" not in diagnostic.message
        assert str(diagnostic).startswith("f.yaml:")


def test_a_duplicate_key_names_both_places_and_its_path():
    with pytest.raises(DiagnosticsError) as caught:
        parse("- x: {a: 1,\n   a: 2}\n", "f.yaml")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.path == (0, "x", "a")
    assert str(diagnostic) == "f.yaml:2:4 duplicate-key the key 'a' stands twice; first at f.yaml:1:7"


def test_a_tab_is_told_apart_from_other_characters():
    with pytest.raises(DiagnosticsError, match="a tab cannot indent"):
        parse("a:\n\tb: 1\n")


SCALARS = [
    ("on", "on"),
    ("no", "no"),
    ("yes", "yes"),
    ("off", "off"),
    ("y", "y"),
    ("true", True),
    ("True", True),
    ("FALSE", False),
    ("tRUE", "tRUE"),
    ("014", 14),
    ("0o14", 12),
    ("0o18", "0o18"),
    ("0x1F", 31),
    ("0xG", "0xG"),
    ("-0x1F", "-0x1F"),
    ("+12", 12),
    ("-7", -7),
    ("1_000", "1_000"),
    ("1:30", "1:30"),
    ("190:20:30", "190:20:30"),
    ("2001-12-14", "2001-12-14"),
    ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
    ("1.5", 1.5),
    (".5", 0.5),
    ("1.", 1.0),
    ("1e3", 1000.0),
    ("-1.5E-3", -0.0015),
    (".inf", math.inf),
    ("-.INF", -math.inf),
    ("+.Inf", math.inf),
    ("inf", "inf"),
    ("nan", "nan"),
    ("1.2.3", "1.2.3"),
    (".", "."),
    ("-", None),
    ("~", None),
    ("null", None),
    ("Null", None),
    ("nUll", "nUll"),
    ("", None),
    ("'1'", "1"),
    ('"true"', "true"),
    ("=", "="),
    ("!!str 5", "5"),
    ("!!str", ""),
    ("! 5", "5"),
    ("!!int '5'", 5),
    ("!!float 5", 5.0),
    ("!!bool 'true'", True),
    ("!!null ''", None),
    ("!!binary aGk=", b"hi"),
    ("!!binary |\n  aG\n  k=", b"hi"),
    ("!!map {}", {}),
    ("!!seq []", []),
    ("٣", "٣"),
]


@pytest.mark.parametrize(("text", "expected"), [case for case in SCALARS if case[0] != "-"])
def test_scalars_of_the_core_schema(text, expected):
    value = one(f"a: {text}")["a"]
    assert value == expected
    assert type(value) is type(expected)


def test_not_a_number_is_read():
    assert math.isnan(one("a: .NaN")["a"])


def test_documents_and_their_absence():
    assert parse("") == []
    assert parse("# only a comment\n") == []
    assert [d.data for d in parse("a: 1\n---\nb: 2\n...\n---\n- 3\n")] == [{"a": 1}, {"b": 2}, [3]]
    assert [d.data for d in parse("a: 1\n---\n")] == [{"a": 1}, None]
    assert one("null") is None


def test_a_byte_order_mark_before_the_text_is_no_part_of_it():
    (document,) = parse(b"\xef\xbb\xbfa: 1\n", "f")
    assert document.data == {"a": 1}
    assert document.origin.place(("a",), key=True).column == 1


def test_merge_keys():
    data = one(
        "base: &base {a: 1, b: {c: 2}}\n"
        "more: &more {b: 3, d: 4}\n"
        "one: {<<: *base, a: 9}\n"
        "two: {a: 8, <<: [*base, *more]}\n"
        "text: {'<<': 1}\n"
    )
    assert data["one"] == {"a": 9, "b": {"c": 2}}
    assert data["two"] == {"a": 8, "b": {"c": 2}, "d": 4}
    assert data["text"] == {"<<": 1}


def test_merged_values_stand_where_they_were_written():
    (document,) = parse("base: &b {a: 1}\nuse:\n  <<: *b\n  c: 2\n", "f")
    assert str(document.origin.place(("use", "a"))) == "f:1:14"
    assert str(document.origin.place(("use", "a"), key=True)) == "f:1:11"
    assert str(document.origin.place(("use", "c"))) == "f:4:6"


def test_aliases_are_copies():
    data = one("a: &a {x: [1]}\nb: *a\nc: {<<: *a}\n")
    data["a"]["x"].append(2)
    data["c"]["x"].append(3)
    assert data["b"] == {"x": [1]}
    assert data["a"] == {"x": [1, 2]}


def test_anchors_end_with_their_document():
    assert findings("a: &x 1\n---\nb: *x\n") == [(3, 4, "unknown-alias")]


def test_an_anchor_may_be_used_again():
    assert one("[&a 1, *a, &a 2, *a]") == [1, 1, 2, 2]


def test_an_alias_bomb_is_a_short_error():
    lines = ["a: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    (finding,) = findings("\n".join(lines))
    assert finding[2] == "too-large"


def test_the_cap_on_values_is_exact():
    assert parse("[1, 2, 3]", max_nodes=4)[0].data == [1, 2, 3]
    assert findings("[1, 2, 3]", max_nodes=3) == [(1, 8, "too-large")]
    assert findings("[&a [1], *a]", max_nodes=4) == [(1, 10, "too-large")]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_an_error_not_a_crash(opening):
    (finding,) = findings(opening * 50_000)
    assert finding[2] == "too-deep"


def test_the_cap_on_depth_is_exact():
    assert parse("[[1]]", max_depth=2)[0].data == [[1]]
    assert findings("[[[1]]]", max_depth=2) == [(1, 3, "too-deep")]


def test_aliases_count_with_their_own_depth():
    text = "- &a [[1]]\n- [*a]\n"
    assert parse(text, max_depth=4)[0].data == [[[1]], [[[1]]]]
    assert findings(text, max_depth=3) == [(2, 4, "too-deep")]
    chain = ["- &a0 [1]"] + [f"- &a{i} [[[[[[*a{i - 1}]]]]]]" for i in range(1, 1000)]
    (finding,) = findings("\n".join(chain))
    assert finding[2] == "too-deep"


def test_json_is_yaml():
    data = {"a": [1, 2.5, None, True, "x\ny", {"😀": "\u00e4\\"}], "tab\t": "\u2028"}
    assert one(json.dumps(data)) == data
    assert one(json.dumps(data, ensure_ascii=False, indent="\t")) == data


def test_json_escapes_of_two_halves_keep_their_places():
    text = '{"a": "\\ud83d\\ude00 \\\\ud83d\\\\ude00",\n "b": "\\ud83d\\ude00", "c": 1}'
    (document,) = parse(text, "f")
    assert document.data == json.loads(text)
    assert str(document.origin.place(("c",))) == "f:2:28"


def test_a_lone_half_is_an_error():
    assert [rule for *_, rule in findings('{"a": "\\ud83d"}')] == ["syntax"]


def test_reading_keeps_what_is_good():
    reading = read("a: 1\n---\nb: 1\nb: 2\n---\nc: [\n", "f")
    assert [document.data for document in reading.documents] == [{"a": 1}, {"b": 1}]
    assert [len(problems) for problems in reading.problems] == [0, 1]
    assert [problem.rule for problem in reading.broken] == ["syntax"]


def test_files(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("x: ä\n", encoding="utf-8")
    (document,) = parse_file(path)
    assert document.data == {"x": "ä"}
    assert document.origin.place(("x",)).file == str(path)
    with pytest.raises(NotFoundError, match="no file"):
        parse_file(tmp_path / "none.yaml")
    with pytest.raises(UnavailableError, match="is a directory"):
        parse_file(tmp_path)


@given(st.text(alphabet=" \n\t-:?[]{}#&*!|>'\"%@`,abc01.~<=\\\r\u2028\x85ä", max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_or_refused_with_a_place(text):
    try:
        parse(text, "f", max_depth=20)
    except DiagnosticsError as error:
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for diagnostic in error.diagnostics:
            assert 1 <= diagnostic.place.line <= len(lines)
            assert diagnostic.place.column >= 1


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(data):
    assert all(diagnostic.place.line >= 1 for diagnostic in read(data, "f").diagnostics)


def test_conformance_files_read_and_dump(conformance_dir):
    from engine.spec.yaml import dump

    files = sorted((conformance_dir / "flows").glob("*.yaml"))
    assert files
    for path in files:
        (document,) = parse_file(path)
        assert one(dump(document.data)) == document.data
