from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ErrorValue
from engine.flow import NONE
from nodes.control.merge import Merge

TWO = """
- {kind: merge, name: m, ports: {out: [{name: d}], error: [{name: h}]}}
- {kind: snippet, name: x, code: self, ports: {out: [{name: m, port: 'in[0]'}]}}
- {kind: snippet, name: y, code: self, ports: {out: [{name: m, port: 'in[1]'}]}}
"""
STUBS = {"d": lambda x: {"merged": x}, "h": lambda e: "caught " + e.text}


def test_rows_are_paired_first_in_first_out(run, bench):
    flow = bench.flow(TWO, **STUBS)

    async def main():
        process = flow.process()
        assert await flow.ask("x", 1, process=process) is NONE
        assert await flow.ask("x", 2, process=process) is NONE
        assert await flow.ask("y", 3, process=process) == {"merged": [1, 3]}
        assert await flow.ask("y", None, process=process) == {"merged": [2, None]}
        assert await flow.ask("y", 5, process=process) is NONE
        await flow.end(process)

    run(main)


def test_processes_are_apart(run, bench):
    flow = bench.flow(TWO, **STUBS)

    async def main():
        assert await flow.ask("x", 1) is NONE
        assert await flow.ask("y", 2) is NONE

    run(main)


def test_a_forked_child_has_rows_of_its_own(run, bench):
    flow = bench.flow(TWO, **STUBS)

    async def main():
        parent = flow.process()
        assert await flow.ask("x", 1, process=parent) is NONE
        child = parent.fork()
        assert await flow.ask("y", 2, process=child) is NONE
        await flow.end(child)
        assert await flow.ask("y", 3, process=parent) == {"merged": [1, 3]}
        await flow.end(parent)

    run(main)


def test_one_in_port_makes_every_packet_a_row(run, bench):
    flow = bench.flow("{kind: combine, name: m, ports: {out: [{name: d}]}}", **STUBS)

    async def main():
        assert await flow.ask("m", 1) == {"merged": 1}

    run(main)


def test_a_packet_at_a_port_without_a_link_waits_for_the_ones_before(run, bench):
    flow = bench.flow("{kind: merge, name: m}")

    async def main():
        process = flow.process()
        assert await flow.ask("m", "c", port="in[2]", process=process) is NONE
        assert await flow.ask("m", "a", port="in[0]", process=process) is NONE
        assert await flow.ask("m", "b", port="in[1]", process=process) == ["a", "b", "c"]
        await flow.end(process)

    run(main)


@pytest.mark.parametrize("bad", [0, 1])
def test_an_error_in_a_row_goes_to_error(run, bench, bad):
    flow = bench.flow(TWO, **STUBS)
    row = [ErrorValue("bad") if bad == index else index for index in range(2)]

    async def main():
        process = flow.process()
        assert await flow.ask("x", row[0], process=process) is NONE
        assert await flow.ask("y", row[1], process=process) == "caught bad"
        await flow.end(process)

    run(main)


@given(st.lists(st.integers(0, 2), max_size=40))
@settings(derandomize=True, deadline=None)
def test_nothing_is_lost_and_order_holds(arrivals):
    from engine.flow import Generation, Process

    node = Merge()
    node.in_at(2).feed(1, True)
    process = Process(Generation(1))
    sent = [0, 0, 0]
    rows = []
    for index in arrivals:
        port, payload = node.action(index, (index, sent[index]), process)
        sent[index] += 1
        if port is node.out:
            rows.append(payload)
        else:
            assert payload is NONE
    assert rows == [[(0, n), (1, n), (2, n)] for n in range(min(sent))]
