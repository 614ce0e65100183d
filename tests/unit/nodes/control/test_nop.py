from __future__ import annotations

import pytest

from engine.errors import ErrorValue
from engine.flow import NONE


@pytest.mark.parametrize("payload", [1, None, [], ErrorValue("boom")])
def test_it_answers_none(run, bench, payload):
    flow = bench.flow("{kind: nop, name: sink}")

    async def main():
        assert await flow.ask("sink", payload) is NONE

    run(main)


def test_it_has_no_way_out(bench):
    node = bench.one("{kind: nop, name: sink}")
    assert node.out_port("out") is None
    assert node.out_port("error") is None
    assert node.out_names() == ["init", "term"]
    assert node.in_names() == ["in"]
