"""Kinds by name, from codecs and from entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from engine.errors import InvalidError
from engine.flow import Node
from engine.graph import Codec, Composite, Scheme
from engine.spec.schema import NodeSpec

CODEC = Codec(kind="sleep", spec=NodeSpec, compile=lambda _spec, _ctx: Node(), aliases=("wait",))
NO_CODEC = 5


class Owner:
    name = "Some_Package"


def point(name: str, target: str) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{target}", "weir.nodes")


def test_a_kind_answers_to_its_aliases() -> None:
    scheme = Scheme.of([CODEC])
    assert scheme.kinds() == ["sleep", "wait"]
    assert scheme.codec("wait") is scheme.codec("sleep") is CODEC


def test_an_unknown_kind_comes_with_a_hint() -> None:
    with pytest.raises(InvalidError) as caught:
        Scheme.of([CODEC]).codec("slep")
    assert "unknown kind 'slep'" in caught.value.reason
    assert "sleep" in str(caught.value.hint)


def test_entry_points_are_loaded_when_a_spec_names_them(monkeypatch) -> None:
    loaded = []

    class Lazy:
        name, value, dist = "sleep", "somewhere:CODEC", None

        def load(self):
            loaded.append(self.name)
            return CODEC

    monkeypatch.setattr("engine.graph.scheme.entry_points", lambda group: [Lazy()])
    scheme = Scheme.installed()
    assert scheme.kinds() == ["sleep"]
    assert not loaded
    assert scheme.codec("sleep") is scheme.codec("sleep") is CODEC
    assert loaded == ["sleep"]


def test_an_entry_point_that_is_no_codec(monkeypatch) -> None:
    class Wrong:
        name, value, dist = "sleep", "somewhere:NO_CODEC", None

        def load(self):
            return NO_CODEC

    monkeypatch.setattr("engine.graph.scheme.entry_points", lambda group: [Wrong()])
    with pytest.raises(InvalidError, match="no Codec but int"):
        Scheme.installed().codec("sleep")


def test_two_packages_with_one_kind_are_an_error(monkeypatch) -> None:
    points = [point("sleep", "CODEC"), point("sleep", "NO_CODEC")]
    monkeypatch.setattr("engine.graph.scheme.entry_points", lambda group: points)
    with pytest.raises(InvalidError, match="two packages offer the kind 'sleep'"):
        Scheme.installed()


def test_only_some_distributions(monkeypatch) -> None:
    class Owned:
        name, value, dist = "sleep", "somewhere:CODEC", Owner()

    monkeypatch.setattr("engine.graph.scheme.entry_points", lambda group: [Owned()])
    assert Scheme.installed(only=["some-package"]).kinds() == ["sleep"]
    assert Scheme.installed(only=["other"]).kinds() == []


def test_a_codec_either_compiles_or_expands() -> None:
    with pytest.raises(TypeError, match="either compile or expand"):
        Codec(kind="x", spec=NodeSpec)
    with pytest.raises(TypeError, match="either compile or expand"):
        Codec(kind="x", spec=NodeSpec, compile=CODEC.compile, expand=lambda _spec: Composite(()))
