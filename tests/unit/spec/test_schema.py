"""From fields to an instance of a kind's class, and every error in plain words with its place."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import pytest
from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator

from engine.errors import DiagnosticsError
from engine.spec.binding import unbound
from engine.spec.fields import Duration, PortName, Size, Source
from engine.spec.model import parse_specs
from engine.spec.schema import NodeSpec, check, decode, field_names


class Match(NodeSpec):
    when: Source
    port: PortName = "out"


class Sample(NodeSpec):
    matches: list[Match] = Field(validation_alias=AliasChoices("matches", "match"), min_length=1)
    limit: int = Field(3, ge=0, le=10)
    ratio: float | None = None
    mode: Literal["reject", "queue"] = "reject"
    after: Duration | None = None
    size: Size = 1
    title: str = Field("x", min_length=1, max_length=5)
    flag: bool = False
    either: int | Match | None = None
    texts: dict[str, str] = {}
    pair: tuple[int, int] | None = None
    code: int = Field(0, alias="kode")
    even: int = 0

    @field_validator("even")
    @classmethod
    def _even(cls, value):
        if value % 2:
            raise ValueError("must be even")
        return value

    @model_validator(mode="after")
    def _agree(self):
        if self.mode == "queue" and self.limit == 0:
            raise ValueError("a queue needs a limit")
        return self


def read(text):
    (spec,) = parse_specs(text, file="f")
    return spec


def good(fields):
    return decode(Sample, {"matches": [{"when": 1}], **fields})


def findings(text, **options):
    spec = read(text)
    with pytest.raises(DiagnosticsError) as caught:
        decode(Sample, spec.fields, origin=spec.origin, kind=spec.kind, **options)
    return [(str(d.place), d.rule, d.message) for d in caught.value.diagnostics]


def test_good_fields():
    sample = good(
        {
            "limit": "5",
            "ratio": "0.5",
            "after": "1h30m",
            "size": "8KiB",
            "title": 7,
            "flag": "true",
            "either": {"when": True},
            "texts": {"a": 1},
            "pair": [1, "2"],
            "kode": 9,
        }
    )
    assert sample.matches == [Match(when="1", port="out")]
    assert (sample.limit, sample.ratio, sample.after) == (5, 0.5, timedelta(minutes=90))
    assert (sample.size, sample.title, sample.flag) == (8192, "7", True)
    assert sample.either == Match(when="true")
    assert (sample.texts, sample.pair, sample.code) == ({"a": "1"}, (1, 2), 9)


class Limited(NodeSpec):
    code: Source = Field("x", min_length=1)
    pause: Duration = Field(timedelta(seconds=1), gt=timedelta(0))
    buffer: Size = Field(1, ge=1, le=100)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"code": ""}, "`code` must not be empty"),
        ({"pause": 0}, "`pause` must be more than 0 seconds, not 0s"),
        ({"buffer": "1KB"}, "`buffer` must be at most 100, not the number 1000"),
    ],
)
def test_fields_may_limit_the_special_types(fields, message):
    (found,) = check(Limited, fields)
    assert (found.message, found.rule) == (message, "wrong-value")


def test_names_and_aliases():
    assert decode(Sample, {"match": [{"when": "x"}], "code": 1}).code == 1
    assert field_names(Sample)["matches"] == ("matches", "match")
    assert field_names(Sample)["code"] == ("kode", "code")
    assert field_names(Sample)["limit"] == ("limit",)


def test_instances_are_frozen():
    with pytest.raises(ValidationError):
        good({}).limit = 4


HEAD = "kind: sample\nmatches: [{when: x}]\n"

BAD = [
    (HEAD + "extra: 1\n", [("f:3:1", "unknown-field", "sample has no field 'extra'")]),
    (HEAD + "limit: x\n", [("f:3:8", "wrong-type", "`limit` is a whole number, not 'x'")]),
    (HEAD + "limit: 1.5\n", [("f:3:8", "wrong-type", "`limit` is a whole number, not the number 1.5")]),
    (HEAD + "limit: true\n", [("f:3:8", "wrong-type", "`limit` is a number, not the boolean true")]),
    (HEAD + "limit: ~\n", [("f:3:8", "wrong-type", "`limit` is a whole number, not nothing")]),
    (HEAD + "limit: 11\n", [("f:3:8", "wrong-value", "`limit` must be at most 10, not the number 11")]),
    (HEAD + "limit: -1\n", [("f:3:8", "wrong-value", "`limit` must be at least 0, not the number -1")]),
    (HEAD + "ratio: [1]\n", [("f:3:8", "wrong-type", "`ratio` is a number, not a list")]),
    (HEAD + "ratio: true\n", [("f:3:8", "wrong-type", "`ratio` is a number, not the boolean true")]),
    (HEAD + "ratio: .inf\n", [("f:3:8", "wrong-type", "`ratio` is a finite number, not the number inf")]),
    (HEAD + "mode: quue\n", [("f:3:7", "wrong-value", "`mode` is one of reject, queue; not 'quue'")]),
    (HEAD + "after: -5s\n", [("f:3:8", "wrong-type", "`after` is a duration and cannot be negative (-5s)")]),
    (HEAD + "size: 1.5\n", [("f:3:7", "wrong-type", "`size` is a whole number of bytes, not 1.5")]),
    (HEAD + "title: ''\n", [("f:3:8", "wrong-value", "`title` must not be empty")]),
    (HEAD + "title: abcdef\n", [("f:3:8", "wrong-value", "`title` must have at most 5 characters, not 'abcdef'")]),
    (HEAD + "title: {}\n", [("f:3:8", "wrong-type", "`title` is a text, not a map")]),
    (HEAD + "flag: maybe\n", [("f:3:7", "wrong-type", "`flag` is true or false, not 'maybe'")]),
    (HEAD + "either: x\n", [("f:3:9", "wrong-type", "`either` is a whole number or a map, not 'x'")]),
    (HEAD + "either: {when: 1, x: 2}\n", [("f:3:19", "unknown-field", "`either` has no field 'x'")]),
    (HEAD + "texts: {a: [1]}\n", [("f:3:12", "wrong-type", "`texts.a` is a text, not a list")]),
    (HEAD + "texts: 5\n", [("f:3:8", "wrong-type", "`texts` is a map, not the number 5")]),
    (HEAD + "pair: 5\n", [("f:3:7", "wrong-type", "`pair` is a list, not the number 5")]),
    (HEAD + "even: 3\n", [("f:3:7", "wrong-value", "`even` is wrong: must be even")]),
    (HEAD + "mode: queue\nlimit: 0\n", [("f:1:1", "wrong-value", "sample is wrong: a queue needs a limit")]),
    ("kind: sample\n", [("f:1:7", "missing-field", "sample needs the field `matches`")]),
    ("kind: sample\nmatch: []\n", [("f:2:8", "wrong-value", "`match` must not be empty")]),
    (
        "kind: sample\nmatch: [{when: 1}, {port: x}]\n",
        [("f:2:20", "missing-field", "`match[1]` needs the field `when`")],
    ),
    ("kind: sample\nmatches: [5]\n", [("f:2:11", "wrong-type", "`matches[0]` is a map, not the number 5")]),
    (
        "kind: sample\nmatches: [{when: [1], port: 'o o'}]\n",
        [
            ("f:2:18", "wrong-type", "`matches[0].when` is code, not a list"),
            ("f:2:29", "wrong-type", "`matches[0].port` is the name of a port, not 'o o'"),
        ],
    ),
    (
        HEAD + "match: [{when: 1}]\n",
        [("f:3:1", "unknown-field", "sample has no field 'match'")],
    ),
    (
        HEAD + "limit: x\nsize: y\nzzz: 1\n",
        [
            ("f:3:8", "wrong-type", "`limit` is a whole number, not 'x'"),
            ("f:4:7", "wrong-type", "`size` is a size, not 'y'"),
            ("f:5:1", "unknown-field", "sample has no field 'zzz'"),
        ],
    ),
]


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[text.removeprefix(HEAD)[:40] for text, _ in BAD])
def test_errors_in_plain_words_with_their_places(text, expected):
    assert findings(text) == expected


def hints(text):
    spec = read(text)
    return [d.hint for d in check(Sample, spec.fields, origin=spec.origin)]


def test_hints():
    assert hints(HEAD + "lmit: 1\n") == ["did you mean 'limit'?"]
    assert hints(HEAD + "naem: a\n") == ["did you mean 'name'?"]
    assert hints("kind: x\nmatch: [{wen: 1, when: 1}]\n") == ["did you mean 'when'?"]
    assert hints("kind: x\nmatch: [{naem: 1, when: 1}]\n") == ["the fields are `when` and `port`"]
    assert hints(HEAD + "match: []\n") == ["it is another name of `matches`: give one of them"]
    assert hints(HEAD + "mode: quue\n") == ["did you mean 'queue'?"]
    assert hints(HEAD + "after: x\n") == ["write 250ms, 1.5s, 1h30m, or a number of milliseconds"]


def test_paths_are_those_of_the_document():
    spec = read("kind: x\nmatch: [{when: 1}, {port: 5}]\n")
    found = check(Sample, spec.fields, origin=spec.origin)
    assert [d.path for d in found] == [("match", 1, "when"), ("match", 1, "port")]


def test_templates_that_are_not_filled_are_skipped_and_nothing_else():
    spec = read(
        "kind: x\nenv: {V: {name: v}, L: {data: abc}}\n"
        "matches: ['{{ .V }}', {when: [1]}]\nlimit: '{{ .V }}'\nafter: '{{ .L }}'\nratio: x\n"
    )
    result = unbound(spec)
    found = check(Sample, result.fields, origin=spec.origin, skip_paths=result.unfilled)
    assert sorted(d.path for d in found) == [("after",), ("matches", 1, "when"), ("ratio",)]


def test_nothing_is_decoded_while_a_typed_field_waits():
    spec = read(HEAD + "env: {V: {name: v}}\nlimit: '{{ .V }}'\n")
    result = unbound(spec)
    assert decode(Sample, result.fields, skip_paths=result.unfilled) is None
    spec = read(HEAD + "env: {V: {name: v}}\ntitle: 'a'\n")
    assert decode(Sample, unbound(spec).fields, skip_paths=frozenset()).title == "a"


def test_without_an_origin_there_is_no_place():
    (found,) = check(Sample, {"matches": [{"when": 1}], "limit": "x"})
    assert found.place.line == 0
    assert found.path == ("limit",)


def test_a_check_of_good_fields_finds_nothing():
    assert check(Sample, {"matches": [{"when": 1}]}) == []
