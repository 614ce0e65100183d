from __future__ import annotations

from engine.errors import ErrorValue
from engine.flow import NONE, Limits

BOTH = "{kind: try, name: t, ports: {out: [{name: b}], error: [{name: h}]}}"


def test_an_error_goes_to_the_handler_whose_answer_is_the_answer(run, bench, fail):
    flow = bench.flow(BOTH, b=fail, h=lambda e: "caught " + e.text)

    async def main():
        assert await flow.ask("t", "e1") == "caught e1"

    run(main)


def test_other_answers_pass(run, bench):
    flow = bench.flow(BOTH, b=lambda x: x, h=lambda _: "never")

    async def main():
        for payload in (1, None, [], NONE):
            assert await flow.ask("t", payload) is payload

    run(main)


def test_without_a_handler_the_error_is_the_answer(run, bench, fail):
    flow = bench.flow("{kind: try, name: t, ports: {out: [{name: b}]}}", b=fail)

    async def main():
        assert (await flow.ask("t", "e2")).text == "e2"

    run(main)


def test_the_handlers_own_error_is_the_answer(run, bench, fail):
    flow = bench.flow(BOTH, b=fail, h=lambda e: ErrorValue("handler: " + e.text))

    async def main():
        assert (await flow.ask("t", "e")).text == "handler: e"

    run(main)


def test_without_any_link_the_packet_comes_back(run, bench):
    flow = bench.flow("{kind: try, name: t}")

    async def main():
        assert await flow.ask("t", 1) == 1

    run(main)


def test_errors_from_afar_and_late(run, bench, fail, turn):
    async def late(payload):
        await turn(3)
        return fail(payload)

    flow = bench.flow(
        "[{kind: try, name: t, ports: {out: [{name: s}], error: [{name: h}]}}, "
        "{kind: snippet, name: s, code: self + 1, ports: {out: [{name: b}]}}]",
        b=late,
        h=lambda e: ["handled", e.text],
    )

    async def main():
        assert await flow.ask("t", 1) == ["handled", "2"]

    run(main)


def test_without_a_handler_it_leaves_no_frame(run, bench):
    """A cycle through it then runs in constant memory."""
    flow = bench.flow(
        "[{kind: try, name: t, ports: {out: [{name: i}]}},"
        " {kind: if, name: i, when: self < 50, ports: {'out[0]': [{name: s}]}},"
        " {kind: snippet, name: s, code: self + 1, ports: {out: [{name: t}]}}]"
    )
    flow.generation = flow.make_generation(limits=Limits(depth=3))

    async def main():
        assert await flow.ask("t", 0) == 50

    run(main)


def test_links_are_those_of_the_processs_generation(run, bench, fail):
    flow = bench.flow("{kind: try, name: t, ports: {out: [{name: b}]}}", b=fail, h=lambda _: "caught")
    old = flow.process()
    flow["t"].error.link(2, [flow["h"].in_port("in")])

    async def main():
        assert (await flow.ask("t", "e", process=old)).text == "e"
        await flow.end(old)
        flow.generation = flow.make_generation(2)
        assert await flow.ask("t", "e") == "caught"

    run(main)
