"""The node templates: ports by name, and how handlers are read."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import ErrorValue, Place
from engine.flow import Generation, ManyToOne, Mode, Node, OneToMany, OneToOne, Process, ZeroToOne
from engine.flow.node import split_name


class Plain(OneToOne):
    def action(self, payload: Any, process: Process) -> Any:
        return payload


class Later(OneToOne):
    many = True

    async def action(self, payload: Any, process: Process) -> Any:
        return payload


class Sender(OneToMany):
    def action(self, payload: Any, process: Process) -> Any:
        yield self.outs[0], payload


class Router(OneToMany):
    def action(self, payload: Any, process: Process) -> Any:
        return self.out_at(payload), payload


class Merge(ManyToOne):
    def action(self, index: int, payload: Any, process: Process) -> Any:
        return self.out, (index, self.width(process), payload)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("out", ("out", None)),
        ("out[0]", ("out", 0)),
        ("out[12]", ("out", 12)),
        ("out[-1]", ("out[-1]", None)),
        ("out[x]", ("out[x]", None)),
        ("out[99999]", ("out[99999]", None)),
    ],
)
def test_names_with_an_index(name, expected) -> None:
    assert split_name(name) == expected


def test_the_mode_is_read_off_the_action() -> None:
    assert [type_().input.mode for type_ in (Plain, Later, Sender, Router)] == [
        *(Mode.CALL, Mode.COROUTINE, Mode.GENERATOR, Mode.ROUTE),
    ]
    assert [type_().input.many for type_ in (Plain, Later)] == [False, True]
    node = Plain()
    node.map(lambda payload: payload)
    assert node.input.mode is Mode.MAP


def test_ports_by_name() -> None:
    node = Plain()
    assert node.in_port("in") is node.input
    assert node.in_port("in[0]") is None
    assert node.out_port("out") is node.out
    assert node.lifecycle("init") is None
    assert node.out_port("init") is node.lifecycle("init") is node.out_port("init") is not None
    assert node.out_names() == ["out", "error", "init", "term"]
    assert ZeroToOne().in_names() == []
    router = Router()
    assert router.out_port("out") is router.out_port("out[0]")
    assert router.out_port("out[2]") is router.outs[2]
    assert router.out_port("error[0]") is None
    assert router.out_port("error") is router.error
    assert len(router.out_ports()) == 4
    assert router.out_port("term") in router.out_ports()


def test_the_width_is_that_of_the_process_generation() -> None:
    node = Merge()
    assert node.in_port("in") is node.in_port("in[0]")
    node.in_port("in[2]").feed(2, True)
    old, new = Process(Generation(1)), Process(Generation(2))
    assert old.start(node.in_at(0), "x").answer == (0, 1, "x")
    assert new.start(node.in_at(1), "x").answer == (1, 3, "x")
    old.exit()
    new.exit()


def test_an_error_gets_the_place_of_the_node_unless_it_has_one() -> None:
    node = Node()
    error = ErrorValue("no")
    assert node.locate(error) is error
    node.place = Place("a.yaml", 3, 1)
    assert node.locate(error).place == node.place
    placed = ErrorValue("no", place=Place("b.yaml"))
    assert node.locate(placed) is placed
