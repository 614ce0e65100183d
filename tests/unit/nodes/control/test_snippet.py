from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from engine.errors import Code, DiagnosticsError, ErrorValue, InvalidError
from engine.flow import Mode

WAITING = "{kind: snippet, name: a, language: slow, code: self + 1}"


def test_it_answers_with_what_the_code_gives(run, bench):
    flow = bench.flow("{kind: snippet, name: a, code: self + 1}")

    async def main():
        assert await flow.ask("a", 1) == 2
        await flow.close()

    run(main)


def test_a_program_that_does_not_wait_is_called_by_the_driver_itself(bench):
    node = bench.one("{kind: snippet, name: a, code: self + 1}")
    assert node.input.mode is Mode.MAP
    assert node.input.handler is bench.languages.made[0]


def test_a_program_that_waits(run, bench):
    flow = bench.flow(WAITING)

    async def main():
        assert await flow.ask("a", 1) == 2
        await flow.close()

    run(main)


def test_calls_of_one_process_take_turns_in_order(run, bench):
    flow = bench.flow(WAITING)
    under_way = 0
    order = []

    async def later(payload):
        nonlocal under_way
        under_way += 1
        assert under_way == 1
        await asyncio.sleep(0)
        under_way -= 1
        order.append(payload)
        return payload

    bench.languages.made[0].later = later

    async def main():
        process = flow.process()
        await asyncio.gather(*(flow.ask("a", n, process=process) for n in range(4)))
        await flow.end(process)
        assert order == [0, 1, 2, 3]

    run(main)


def test_cancelling_the_process_abandons_the_call(run, bench, turn):
    flow = bench.flow(WAITING)
    abandoned = []

    async def later(_payload):
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            abandoned.append(True)
            raise

    bench.languages.made[0].later = later

    async def main():
        process = flow.process()
        asking = asyncio.ensure_future(flow.ask("a", 1, process=process))
        await turn()
        process.cancel()
        answer = await asking
        await flow.end(process, answer)
        assert answer.code is Code.CANCELLED
        assert abandoned == [True]
        await flow.close()

    run(main)


def test_an_error_points_into_the_code(run, bench):
    flow = bench.flow("- kind: snippet\n  name: a\n  code: |\n    self.zz\n")

    async def main():
        error = await flow.ask("a", 1)
        assert isinstance(error, ErrorValue)
        assert str(error.place) == "flow.yaml:4:7"
        assert error.node == "snippet/a"

    run(main)


def test_the_error_of_a_waiting_program_points_into_the_code(run, bench):
    flow = bench.flow("- kind: snippet\n  name: a\n  language: slow\n  code: |\n    self.zz\n")

    async def main():
        assert str((await flow.ask("a", 1)).place) == "flow.yaml:5:7"

    run(main)


def test_an_error_goes_to_the_error_port(run, bench):
    flow = bench.flow(
        "{kind: snippet, name: a, code: self.zz, ports: {error: [{name: b}], out: [{name: c}]}}",
        b=lambda _: "caught",
        c=lambda _: "never",
    )

    async def main():
        assert await flow.ask("a", 1) == "caught"

    run(main)


def test_an_error_value_is_data(run, bench):
    flow = bench.flow("{kind: snippet, name: a, code: self, ports: {error: [{name: b}]}}", b=lambda _: "never")
    value = ErrorValue("boom")

    async def main():
        assert await flow.ask("a", value) is value

    run(main)


def test_code_that_does_not_compile_is_told_with_its_place(bench):
    with pytest.raises(DiagnosticsError) as caught:
        bench.one("- kind: snippet\n  name: a\n  code: |\n    self +\n")
    assert str(caught.value.diagnostics[0].place).startswith("flow.yaml:4:")


def test_an_unknown_language_is_told(bench):
    with pytest.raises(DiagnosticsError, match="nolang"):
        bench.one("{kind: snippet, name: a, language: nolang, code: self}")


def test_an_option_that_the_language_cannot_honour_is_told_at_its_field(bench, monkeypatch):
    def refuse(*_args):
        raise InvalidError("unknown engine 'rhino'", hint="use v8", details={"option": "engine"})

    monkeypatch.setattr(bench.languages, "compile", refuse)
    with pytest.raises(DiagnosticsError) as caught:
        bench.one("{kind: snippet, name: a, code: self, engine: rhino}")
    [found] = caught.value.diagnostics
    assert (found.path, found.rule, found.hint) == (("engine",), "invalid-field", "use v8")


def test_code_is_required(bench):
    with pytest.raises(DiagnosticsError, match="code"):
        bench.one("{kind: snippet, name: a}")


def test_options_reach_the_language(bench):
    bench.one("{kind: snippet, name: a, code: self, timeout: 200ms, engine: v8}")
    [options] = bench.languages.options
    assert options.timeout == timedelta(milliseconds=200)
    assert options.engine == "v8"


def test_lang_is_an_old_name_of_language(bench):
    node = bench.one("{kind: snippet, name: a, lang: text, code: pong}")
    assert node.program(1) == "pong"


def test_unload_closes_the_program(run, bench):
    node = bench.one("{kind: snippet, name: a, code: self}")
    run(node.unload)
    assert bench.languages.made[0].closed == 1
