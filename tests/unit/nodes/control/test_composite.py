"""`block` and `step`."""

from __future__ import annotations

import pytest

from engine.errors import DiagnosticsError
from engine.spec.model import Link

ONE = "{kind: snippet, name: x, code: self}"


@pytest.mark.parametrize("kind", ["block", "step"])
def test_specs_alone_are_a_sequence(bench, kind):
    composite = bench.one(f"{{kind: {kind}, name: b, specs: [{ONE}, {{kind: nop}}]}}")
    assert composite.is_sequence
    assert [child["kind"] for child in composite.children] == ["snippet", "nop"]
    assert composite.path == ("specs",)


def test_bounds_make_a_graph(bench):
    composite = bench.one(
        f"{{kind: block, name: b, specs: [{ONE}], inbounds: {{in: [{{name: x}}, {{name: y, port: 'in[1]'}}]}},"
        " outbounds: {out: [{name: x}], error: [{name: x, port: error}]}}"
    )
    assert not composite.is_sequence
    assert composite.inbounds == {"in": (Link("in", "x"), Link("in[1]", "y"))}
    assert composite.outbounds == {"out": (Link("out", "x"),), "error": (Link("error", "x"),)}


def test_inbounds_alone_make_a_graph(bench):
    composite = bench.one(f"{{kind: block, name: b, specs: [{ONE}], inbounds: {{in: {{name: x}}}}}}")
    assert not composite.is_sequence
    assert composite.inbounds == {"in": (Link("in", "x"),)}
    assert composite.outbounds is None


def test_a_child_by_id(bench):
    known = "01908c74-8b22-7cbf-a475-6b6bc871b01a"
    composite = bench.one(f"{{kind: block, name: b, specs: [{ONE}], inbounds: {{in: [{{id: {known}}}]}}}}")
    assert composite.inbounds == {"in": (Link("in", None, known),)}


@pytest.mark.parametrize("kind", ["block", "step"])
@pytest.mark.parametrize("fields", ["", ", specs: []", ", specs: 5"])
def test_children_are_required(bench, kind, fields):
    with pytest.raises(DiagnosticsError, match="specs"):
        bench.one(f"{{kind: {kind}, name: b{fields}}}")


def test_a_bound_without_a_child(bench):
    with pytest.raises(DiagnosticsError, match=r"inbounds\.in\[0\].*names no child"):
        bench.one(f"{{kind: block, name: b, specs: [{ONE}], inbounds: {{in: [{{port: in}}]}}}}")


def test_a_step_has_no_bounds(bench):
    with pytest.raises(DiagnosticsError, match="inbounds"):
        bench.one(f"{{kind: step, name: b, specs: [{ONE}], inbounds: {{in: [{{name: x}}]}}}}")
