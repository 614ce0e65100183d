from __future__ import annotations

import asyncio

import pytest

from engine.errors import Code, ErrorValue
from engine.flow import NONE, Limits, State

OUT = "{kind: fork, name: f, ports: {out: [{name: a}]}}"
BOTH = "{kind: fork, name: f, ports: {out: [{name: a}], error: [{name: h}]}}"


class Outcomes:
    """A stub that notes how the process that it runs in ends."""

    def __init__(self, answer=lambda x: x):
        self.answer = answer
        self.settled = []
        self.exited = []
        self.processes = []

    def now(self, payload, process):
        self.processes.append(process)
        process.on_settle(lambda error: self.settled.append(error and error.text))
        process.on_exit(lambda error: self.exited.append(error and error.text))
        return self.answer(payload)

    async def later(self, payload, process):
        for _ in range(3):
            await asyncio.sleep(0)
        return self.now(payload, process)


@pytest.fixture(params=["now", "later"])
def way(request):
    return request.param


def given(outcomes, way):
    if way == "now":
        return lambda payload, process: outcomes.now(payload, process)

    async def later(payload, process):
        return await outcomes.later(payload, process)

    return later


def test_the_caller_gets_none_at_once_and_the_branch_runs(run, bench, way):
    outcomes = Outcomes()
    flow = bench.flow(OUT, a=given(outcomes, way))

    async def main():
        process = flow.process()
        exchange = process.start(flow["f"].in_port("in"), 1)
        assert exchange.done
        assert exchange.answer is NONE
        await flow.end(process)
        assert outcomes.settled == outcomes.exited == [None]
        assert outcomes.processes[0].parent is process
        assert process.state is State.DONE
        await flow.close()

    run(main)


def test_without_a_link_nothing_is_forked(run, bench):
    flow = bench.flow("{kind: fork, name: f, ports: {error: [{name: h}]}}", h=lambda _: "never")

    async def main():
        process = flow.process()
        for _ in range(2):
            assert await flow.ask("f", 1, process=process) is NONE
        assert not process.children
        await flow.end(process)

    run(main)


def test_an_error_is_the_childs_outcome_and_not_the_callers(run, bench, way, fail):
    outcomes = Outcomes(fail)
    flow = bench.flow(OUT, a=given(outcomes, way))

    async def main():
        process = flow.process()
        assert await flow.ask("f", "boom", process=process) is NONE
        await flow.end(process)
        assert outcomes.settled == outcomes.exited == ["boom"]
        assert process.state is State.DONE
        [(event, fields)] = bench.logged
        assert (event, fields["message"]) == ("process.failed", "boom")

    run(main)


def test_an_error_goes_to_error_in_the_child(run, bench, way, fail):
    outcomes = Outcomes(fail)
    seen = []

    def handler(error, process):
        seen.append((error.text, process))
        return NONE

    flow = bench.flow(BOTH, a=given(outcomes, way), h=handler)

    async def main():
        assert await flow.ask("f", "boom") is NONE
        assert seen == [("boom", outcomes.processes[0])]
        assert outcomes.settled == outcomes.exited == [None]
        await flow.close()

    run(main)


def test_a_handler_that_fails_leaves_its_error(run, bench, way, fail):
    outcomes = Outcomes(fail)
    flow = bench.flow(BOTH, a=given(outcomes, way), h=lambda e: ErrorValue("handler: " + e.text))

    async def main():
        assert await flow.ask("f", "boom") is NONE
        assert outcomes.exited == ["handler: boom"]

    run(main)


def test_the_process_waits_for_its_children(run, bench, turn):
    gate = []

    async def slow(_payload):
        gate.append(asyncio.get_running_loop().create_future())
        await gate[0]

    flow = bench.flow(OUT, a=slow)

    async def main():
        process = flow.process()
        assert await flow.ask("f", 1, process=process) is NONE
        ending = asyncio.ensure_future(flow.end(process))
        await turn()
        assert not ending.done()
        assert process.state is State.ENDING
        gate[0].set_result(None)
        await ending
        assert process.state is State.DONE

    run(main)


def test_cancelling_the_process_cancels_its_children(run, bench, turn):
    outcomes = Outcomes()

    async def hang(payload, process):
        outcomes.now(payload, process)
        await asyncio.get_running_loop().create_future()

    flow = bench.flow(BOTH, a=hang, h=lambda _: "not in a process that is cancelled")

    async def main():
        process = flow.process()
        assert await flow.ask("f", 1, process=process) is NONE
        await turn()
        process.cancel()
        await flow.end(process, process.error)
        assert outcomes.processes[0].state is State.CANCELLED
        assert outcomes.settled == ["cancelled"]
        await flow.close()
        assert not flow["f"].tasks

    run(main)


def test_unload_ends_what_is_still_under_way(run, bench, turn):
    async def hang(_payload):
        await asyncio.get_running_loop().create_future()

    flow = bench.flow(OUT, a=hang)

    async def main():
        process = flow.process()
        assert await flow.ask("f", 1, process=process) is NONE
        await turn()
        await flow["f"].unload()
        await flow.end(process)
        await flow.close()
        assert not flow["f"].tasks

    run(main)


def test_unload_before_the_first_step(run, bench):
    async def hang(_payload):
        await asyncio.get_running_loop().create_future()

    flow = bench.flow(OUT, a=hang)

    async def main():
        process = flow.process()
        assert await flow.ask("f", 1, process=process) is NONE
        await flow["f"].unload()
        await flow.end(process)
        await flow.close()

    run(main)


def test_a_commit_that_fails_is_reported_and_is_the_childs_error(run, bench):
    children = []

    def refuse(_error):
        raise OSError("disk full")

    async def opens(_payload, process):
        children.append(process)
        process.on_settle(refuse)

    flow = bench.flow(OUT, a=opens)

    async def main():
        assert await flow.ask("f", 1) is NONE
        assert children[0].error.text == "disk full"
        assert [str(error) for error in flow.reports] == ["disk full"]

    run(main)


def test_the_child_has_the_processs_data_and_changes_its_own(run, bench, way):
    seen = []

    def note(payload, process):
        seen.append(process.get("k"))
        process.set("k", "child")
        return payload

    outcomes = Outcomes()
    outcomes.now = note
    flow = bench.flow(OUT, a=given(outcomes, way))

    async def main():
        process = flow.process()
        process.set("k", "parent")
        await flow.ask("f", 1, process=process)
        await flow.end(process)
        assert seen == ["parent"]
        assert process.get("k") == "parent"

    run(main)


CYCLE = """
- {kind: if, name: i, when: self < 2000, ports: {'out[0]': [{name: s}], 'out[1]': [{name: end}]}}
- {kind: snippet, name: s, code: self + 1, ports: {out: [{name: f}]}}
- {kind: fork, name: f, ports: {out: [{name: i}]}}
"""


def test_a_cycle_through_a_fork_takes_no_stack(run, bench):
    ends = []
    flow = bench.flow(CYCLE, end=lambda x: ends.append(x))

    async def main():
        assert await flow.ask("i", 0) is NONE
        assert ends == [2000]
        await flow.close()

    run(main)


def test_a_cycle_that_never_ends_is_ended(run, bench):
    errors = []

    def note(payload, process):
        process.on_exit(lambda error: errors.append(error))
        return payload

    flow = bench.flow("{kind: fork, name: f, ports: {out: [{name: a}]}}", a=note)
    flow["a"].out.link(1, [flow["f"].in_port("in")])
    flow.generation = flow.make_generation(limits=Limits(forks=100))

    async def main():
        assert await flow.ask("f", 0) is NONE
        assert len(errors) == 100
        [error] = [error for error in errors if error is not None]
        assert error.code is Code.LIMIT

    run(main)


def test_a_process_that_is_cancelled_forks_nothing_that_runs(run, bench):
    ran = []
    flow = bench.flow(OUT, a=lambda x: ran.append(x))

    async def main():
        process = flow.process()
        process.cancel()
        child_of_cancelled = flow["f"].action(1, process)
        assert child_of_cancelled is NONE
        await flow.end(process)
        assert ran == []
        await flow.close()

    run(main)
