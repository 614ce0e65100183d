from __future__ import annotations

import pytest

from engine.errors import ErrorValue
from engine.flow import NONE

STAGES = {"a": lambda x: x + 1, "b": lambda x: x * 10, "got": lambda x: ("got", x), "none": lambda _: NONE}


def build(bench, fail, **ports):
    links = ", ".join(
        f"'{port.replace('_', '[') + ']' if '_' in port else port}': [{{name: {to}}}]" for port, to in ports.items()
    )
    return bench.flow(
        f"{{kind: pipe, name: p, ports: {{{links}}}}}", **STAGES, bad=fail, h=lambda e: "caught " + e.text
    )


@pytest.mark.parametrize(
    ("ports", "answer"),
    [
        ({"out_0": "a", "out_1": "b"}, 20),
        ({"out_0": "a", "out_1": "b", "out_2": "a"}, 21),
        ({"out_0": "a", "out_2": "b"}, 20),
        ({"out_1": "b", "out_3": "a"}, 11),
        ({"out_0": "a"}, 2),
        ({"out": "a"}, 2),
        ({}, 1),
        ({"error": "h"}, 1),
        ({"out_0": "none", "out_1": "got"}, ("got", None)),
        ({"out_0": "none", "out_1": "got", "error": "h"}, ("got", None)),
        ({"out_0": "a", "out_1": "none"}, NONE),
        ({"out_0": "a", "out_1": "none", "error": "h"}, NONE),
        ({"out_0": "bad", "out_1": "got", "error": "h"}, "caught 1"),
        ({"out_0": "a", "out_1": "bad", "error": "h"}, "caught 2"),
        ({"out_0": "a", "out_1": "b", "error": "h"}, 20),
    ],
)
def test_stages(run, bench, fail, ports, answer):
    flow = build(bench, fail, **ports)

    async def main():
        assert await flow.ask("p", 1) == answer

    run(main)


@pytest.mark.parametrize("ports", [{"out_0": "bad", "out_1": "got"}, {"out_0": "a", "out_1": "bad"}])
def test_an_error_ends_the_pipe(run, bench, fail, ports):
    flow = build(bench, fail, **ports)

    async def main():
        assert isinstance(await flow.ask("p", 1), ErrorValue)

    run(main)


def test_a_stage_may_wait(run, bench, turn):
    async def slow(payload):
        await turn(2)
        return payload + 1

    flow = bench.flow("{kind: pipe, name: p, ports: {'out[0]': [{name: s}], 'out[1]': [{name: s}]}}", s=slow)

    async def main():
        assert await flow.ask("p", 1) == 3

    run(main)
