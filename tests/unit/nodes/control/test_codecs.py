"""What holds for every kind."""

from __future__ import annotations

import inspect

import pytest

from engine.spec.model import parse_specs
from engine.spec.schema import check, field_names, json_schema
from nodes.control import (
    block,
    cache,
    for_,
    fork,
    if_,
    merge,
    nop,
    pipe,
    reduce,
    retry,
    sleep,
    snippet,
    split,
    step,
    switch,
    throw,
    try_,
)  # fmt: skip

CODECS = [
    module.CODEC
    for module in (
        block, cache, for_, fork, if_, merge, nop, pipe, reduce, retry, sleep, snippet, split, step, switch, throw, try_,
    )
]  # fmt: skip


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.kind)
def test_the_example_is_a_good_spec_of_the_kind(codec, bench):
    specs = parse_specs(codec.example)
    assert codec.kind in {spec.kind for spec in specs}
    for spec in specs:
        made = bench.codecs[spec.kind]
        assert check(made.spec, spec.fields, kind=spec.kind) == []


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.kind)
def test_every_field_is_described(codec):
    assert codec.summary
    assert codec.family == "control"
    properties = json_schema(codec.spec, codec.kind)["properties"]
    for names in field_names(codec.spec).values():
        assert properties[names[0]].get("description"), names[0]


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.kind)
def test_an_unknown_field_is_an_error(codec):
    found = check(codec.spec, {"nonsense": 1})
    assert "unknown-field" in {each.rule for each in found}


def test_the_bench_knows_all_kinds(bench):
    assert {codec.kind for codec in CODECS} | {"loop", "foreach", "call", "wait", "swtich", "combine"} == set(
        bench.codecs
    )
    assert all(inspect.getdoc(codec.spec) for codec in CODECS)
