from __future__ import annotations

import asyncio

import pytest

from engine.errors import Code, DiagnosticsError, ErrorValue


class Flaky:
    """Fails `times` times, then answers; `seen` are the payloads that came."""

    def __init__(self, times, code=Code.UNAVAILABLE):
        self.times = times
        self.code = code
        self.seen = []

    def __call__(self, payload):
        self.seen.append(payload)
        return ErrorValue(f"n{len(self.seen)}", self.code) if len(self.seen) <= self.times else len(self.seen)


def build(bench, flaky, fields="", ports="out: [{name: a}]"):
    return bench.flow(
        f"{{kind: retry, name: r{fields}, ports: {{{ports}}}}}", a=lambda x: flaky(x), h=lambda e: "h " + e.text
    )


@pytest.mark.parametrize(
    ("fields", "failures", "calls", "answer"),
    [
        (", threshold: 2", 2, 3, 3),
        (", threshold: 1", 2, 2, "n2"),
        ("", 1, 1, "n1"),
        (", threshold: 9", 0, 1, 1),
        (", count: 2", 2, 3, 3),
    ],
)
def test_attempts(run, bench, fields, failures, calls, answer):
    flaky = Flaky(failures)
    flow = build(bench, flaky, fields)
    payload = {"k": 1}

    async def main():
        got = await flow.ask("r", payload)
        assert (got.text if isinstance(got, ErrorValue) else got) == answer
        assert len(flaky.seen) == calls
        assert all(seen is payload for seen in flaky.seen)

    run(main)
    assert bench.clock.slept == []


def test_the_last_error_goes_to_error(run, bench):
    flow = build(bench, Flaky(9), ", threshold: 1", "out: [{name: a}], error: [{name: h}]")

    async def main():
        assert await flow.ask("r", 1) == "h n2"

    run(main)


def test_without_a_link_the_packet_comes_back(run, bench):
    flow = bench.flow("{kind: retry, name: r, threshold: 3}")

    async def main():
        assert await flow.ask("r", 1) == 1

    run(main)


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [
        ("{initial: 100ms, factor: 2, max: 500ms}", [0.1, 0.2, 0.4, 0.5, 0.5]),
        ("{initial: 1s, factor: 1}", [1.0, 1.0, 1.0, 1.0, 1.0]),
        ("{initial: 1m}", [30.0, 30.0, 30.0, 30.0, 30.0]),
        ("{}", [0.1, 0.2, 0.4, 0.8, 1.6]),
        ("{initial: 0}", []),
    ],
)
def test_the_waits_between_attempts(run, bench, backoff, waits):
    bench.clock.jumps = True
    flow = build(bench, Flaky(9), f", threshold: 5, backoff: {backoff}")

    async def main():
        assert (await flow.ask("r", 1)).text == "n6"

    run(main)
    assert bench.clock.slept == waits


def test_jitter_takes_a_part_of_the_wait_away(run, bench):
    bench.clock.jumps = True
    flow = build(bench, Flaky(9), ", threshold: 3, backoff: {initial: 1s, factor: 2, jitter: 0.5}")
    chances = iter([0.0, 0.5, 1.0])
    flow["r"].chance = lambda: next(chances)
    run(lambda: flow.ask("r", 1))
    assert bench.clock.slept == [1.0, 1.5, 2.0]


def test_many_attempts_do_not_overflow(run, bench):
    bench.clock.jumps = True
    flow = build(bench, Flaky(2000), ", threshold: 2000, backoff: {initial: 1ms, factor: 10, max: 1s}")

    async def main():
        assert await flow.ask("r", 1) == 2001

    run(main)


@pytest.mark.parametrize("language", ["cel", "slow"])
def test_the_condition_decides_which_errors_are_worth_it(run, bench, language):
    when = 'self.message in ("n1", "n2")'
    flaky = Flaky(9)
    flow = build(bench, flaky, f", threshold: 9, language: {language}, when: '{when}'")

    async def main():
        assert (await flow.ask("r", 1)).text == "n3"
        await flow.close()

    run(main)
    assert bench.languages.made[0].closed == 1


@pytest.mark.parametrize("language", ["cel", "slow"])
def test_a_condition_that_fails_hides_nothing(run, bench, language):
    flow = build(bench, Flaky(9), f", threshold: 9, language: {language}, when: self.zz")

    async def main():
        error = await flow.ask("r", 1)
        assert "zz" in error.message
        assert error.says("n1")
        assert str(error.place).startswith("flow.yaml:1:")

    run(main)


def test_what_was_cancelled_is_not_asked_again(run, bench):
    flaky = Flaky(9, Code.CANCELLED)
    flow = build(bench, flaky, ", threshold: 9")

    async def main():
        assert (await flow.ask("r", 1)).text == "n1"

    run(main)
    assert len(flaky.seen) == 1


def test_cancelling_the_process_ends_the_waiting(run, bench, turn):
    flaky = Flaky(9)
    flow = build(bench, flaky, ", threshold: 9, backoff: {initial: 1h, max: 1h}")

    async def main():
        process = flow.process()
        asking = asyncio.ensure_future(flow.ask("r", 1, process=process))
        await turn()
        assert len(bench.clock.sleepers) == 1
        process.cancel()
        answer = await asking
        await flow.end(process, answer)
        assert answer.code is Code.CANCELLED
        assert bench.clock.sleepers == []
        assert len(flaky.seen) == 1

    run(main)


@pytest.mark.parametrize(
    "fields",
    ["threshold: -1", "threshold: true", "backoff: {factor: 0.5}", "backoff: {jitter: 2}", "backoff: {initial: x}",
     "backoff: {step: 1}", "when: 'self +'"],
)  # fmt: skip
def test_bad_fields(bench, fields):
    with pytest.raises(DiagnosticsError):
        bench.one(f"{{kind: retry, name: r, {fields}}}")
