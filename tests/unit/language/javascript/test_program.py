"""The batches of a program, on an engine that does what the test says."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from engine.errors import Code, ExpressionError
from engine.language.javascript.disposal import Disposal
from engine.language.javascript.engine import Reply, Settings, Status
from engine.language.javascript.keeper import Keeper
from engine.language.javascript.module import rewrite
from engine.language.javascript.pool import Pool
from engine.language.javascript.program import House, JavaScriptProgram


class Isolate:
    """Answers each text with the next of `script`: a reply, a function of the text, or None for silence."""

    grace = 0.05

    def __init__(self, engine):
        self.engine = engine
        self.finished = None
        self.closed = False
        self.lifted = False

    def run(self, text, done):
        self.done = done
        self.engine.texts.append(text)
        answer = self.engine.script.pop(0) if self.engine.script else echo
        if callable(answer):
            answer = answer(self, text)
        if answer is not None:
            done(answer)

    def progress(self):
        return self.finished

    def interrupt(self):
        self.engine.interrupted += 1
        if self.engine.on_interrupt is not None:
            self.done(self.engine.on_interrupt)

    def lift_limit(self):
        self.lifted = True

    def close(self):
        self.closed = True


class Engine:
    def __init__(self):
        self.texts = []
        self.script = []
        self.isolates = []
        self.interrupted = 0
        self.on_interrupt = None
        self.broken = None

    def check(self, module):
        pass

    def isolate(self, module, settings):
        if self.broken is not None:
            raise self.broken
        self.isolates.append(Isolate(self))
        return self.isolates[-1]

    def close(self):
        pass


def done(*lines, status="D"):
    return Reply(Status.DONE, "\n".join([status, *lines]))


def echo(isolate, text):
    return done(*text.split("\n")[1:])


def stopped(finished, status=Status.STOPPED):
    def answer(isolate, text):
        isolate.finished = finished
        return Reply(status, "it broke")

    return answer


def silence(finished):
    def answer(isolate, text):
        isolate.finished = finished

    return answer


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def program(engine):
    house = House(engine, Pool(2), Keeper("test-keeper"), Disposal())
    made = JavaScriptProgram(
        rewrite("let n; export default 1"),
        house,
        settings=Settings(memory=2**20, log=True),
        timeout=timedelta(milliseconds=20),
        log=None,
    )
    yield made
    made.close()
    house.keeper.close()
    assert house.disposal.wait(10) == 0
    assert all(isolate.closed for isolate in engine.isolates)


async def answers(program, *payloads):
    return await asyncio.gather(*(program(p) for p in payloads), return_exceptions=True)


async def test_what_waits_goes_out_together(program, engine):
    assert await answers(program, 1, 2, 3) == [1, 2, 3]
    assert engine.texts == ["R\nP1\nP2\nP3"]


async def test_what_was_not_begun_is_sent_again(program, engine):
    engine.script = [done("P1"), done("P2")]
    assert await answers(program, 1, 2, 3) == [1, 2, 3]
    assert engine.texts == ["R\nP1\nP2\nP3", "R\nP2\nP3", "R\nP3"]


@pytest.mark.parametrize("answer", ["D", 'D\nL["info","x"]', "", "?"])
async def test_an_answer_without_a_line_is_the_first_ones_fault_and_nobody_waits_for_ever(program, engine, answer):
    engine.script = [Reply(Status.DONE, answer), done("P2", "P3")]
    one, two, three = await answers(program, 1, 2, 3)
    assert "there is no answer" in str(one)
    assert (two, three) == (2, 3)
    assert engine.texts == ["R\nP1\nP2\nP3", "R\nP2\nP3"]
    assert engine.isolates[0].closed or len(engine.isolates) == 2


async def test_a_collection_without_a_line_is_its_calls_fault(program, engine):
    engine.script = [done(status="W"), done()]
    one, two = await answers(program, 1, 2)
    assert "there is no answer" in str(one)
    assert two == 2


async def test_a_promise_that_nothing_can_settle_is_told_so(program, engine):
    engine.script = [done(status="W"), done(status="N")]
    one, two = await answers(program, 1, 2)
    assert "never settles" in str(one)
    assert two == 2
    assert len(engine.isolates) == 1


async def test_a_promise_is_collected_before_the_next_call(program, engine):
    engine.script = [done("P1", status="W"), done(status="W"), done("P2")]
    assert await answers(program, 1, 2, 3) == [1, 2, 3]
    assert engine.texts == ["R\nP1\nP2\nP3", "C", "C", "R\nP3"]


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (Status.STOPPED, Code.DEADLINE, "longer than 20 ms"),
        (Status.MEMORY, Code.EXPRESSION, "more than 1 MiB"),
        (Status.BROKEN, Code.EXPRESSION, "it broke"),
    ],
)
async def test_a_kill_fails_the_call_that_ran_and_no_other(program, engine, status, code, message):
    engine.script = [stopped(1, status), done("P1")]
    one, two, three = await answers(program, 1, 2, 3)
    assert (one, three) == (1, 3)
    assert isinstance(two, ExpressionError)
    assert two.code is code
    assert message in str(two)
    assert engine.texts == ["R\nP1\nP2\nP3", "S", "R\nP3"]
    assert engine.isolates[0].lifted
    assert len(engine.isolates) == 2


async def test_calls_whose_results_cannot_be_salvaged_run_once_more(program, engine):
    engine.script = [stopped(1), Reply(Status.BROKEN, "")]
    one, two, three = await answers(program, 1, 2, 3)
    assert (one, three) == (1, 3)
    assert two.code is Code.DEADLINE
    assert engine.texts == ["R\nP1\nP2\nP3", "S", "R\nP1\nP3"]


async def test_but_not_for_ever_if_nobody_is_to_blame(program, engine):
    engine.script = [stopped(1), Reply(Status.BROKEN, "")] * 3
    (one,) = await answers(program, 1)
    assert "was lost" in str(one)
    assert len(engine.isolates) == 3


async def test_an_interrupt_that_hits_the_salvage_instead_costs_nothing(program, engine):
    engine.script = [stopped(1), Reply(Status.STOPPED, ""), done("P1")]
    one, two, three = await answers(program, 1, 2, 3)
    assert (one, three) == (1, 3)
    assert two.code is Code.DEADLINE
    assert engine.texts == ["R\nP1\nP2\nP3", "S", "S", "R\nP3"]


async def test_but_a_salvage_is_tried_twice_at_most(program, engine):
    engine.script = [stopped(1), Reply(Status.STOPPED, ""), Reply(Status.STOPPED, "")]
    one, two, three = await answers(program, 1, 2, 3)
    assert (one, three) == (1, 3)
    assert two.code is Code.DEADLINE
    assert engine.texts == ["R\nP1\nP2\nP3", "S", "S", "R\nP1\nP3"]


@pytest.mark.parametrize(("status", "message"), [(Status.DIED, "(it broke)"), (Status.STARVED, "more than 1 MiB")])
async def test_who_dies_alone_is_to_blame_and_nobody_else(program, engine, status, message):
    """The second call is the one that kills; the first has printed something, which must not be seen twice."""
    lines = []
    program._log = lambda level, text: lines.append(text)
    log = 'L["info","1"]'
    engine.script = [stopped(2, status), done(log, "P1"), stopped(0, status), done("P3")]
    one, two, three = await answers(program, 1, 2, 3)
    assert (one, three) == (1, 3)
    assert message in str(two)
    assert two.code is Code.EXPRESSION
    assert engine.texts == ["R\nP1\nP2\nP3", "R\nP1", "R\nP2", "R\nP3"]
    assert lines == ["1"]


async def test_a_call_that_was_not_seen_to_begin_gets_a_second_isolate(program, engine):
    engine.script = [stopped(None, Status.DIED)]
    assert await answers(program, 1) == [1]
    engine.script = [stopped(None, Status.DIED)] * 2
    assert "(it broke)" in str((await answers(program, 2))[0])


async def test_a_promise_that_kills_is_its_calls_fault(program, engine):
    engine.script = [done("P1", 'L["info","x"]', status="W"), stopped(None, Status.DIED)]
    one, two, three = await answers(program, 1, 2, 3)
    assert (one, three) == (1, 3)
    assert "(it broke)" in str(two)


async def test_a_death_while_it_is_stopped_is_a_matter_of_time(program, engine):
    engine.script = [silence(0)]
    engine.on_interrupt = Reply(Status.DIED, "it broke")
    (one,) = await answers(program, 1)
    assert one.code is Code.DEADLINE


async def test_calls_behind_promises_that_run_wild_are_not_blamed(program, engine):
    engine.script = [done(status="W"), silence(None)] * 5
    *wild, last = await answers(program, *range(6))
    assert [error.code for error in wild] == [Code.DEADLINE] * 5
    assert last == 5


async def test_closing_while_an_answer_is_read_answers_everybody(program, engine):
    def close_and_answer(isolate, text):
        program.close()
        return done("P1")

    engine.script = [close_and_answer]
    errors = await answers(program, 1, 2)
    assert ["closed" in str(error) for error in errors] == [True, True]


async def test_an_isolate_that_does_not_come_back_is_left(program, engine):
    engine.script = [silence(0)]
    one, two = await answers(program, 1, 2)
    assert one.code is Code.DEADLINE
    assert two == 2
    assert engine.interrupted == 1


async def test_a_text_that_is_never_begun_is_sent_to_a_fresh_isolate(program, engine):
    engine.script = [silence(None), silence(None)]
    assert await answers(program, 1, 2) == [1, 2]
    assert len(engine.isolates) == 3


async def test_but_not_for_ever(program, engine):
    engine.script = [silence(None)] * 4
    one, two = await answers(program, 1, 2)
    assert one.code is Code.DEADLINE
    assert two == 2


async def test_a_promise_that_runs_wild_is_its_own_calls_fault(program, engine):
    engine.script = [done(status="W"), silence(None)]
    one, two = await answers(program, 1, 2)
    assert one.code is Code.DEADLINE
    assert two == 2


async def test_a_late_answer_is_nobodys(program, engine):
    late = []

    def hold(isolate, text):
        isolate.finished = None
        late.append(isolate)

    engine.script = [hold]
    assert await answers(program, 1) == [1]
    assert await answers(program, 2) == [2]
    assert len(late) == 1


async def test_an_isolate_that_cannot_be_made_fails_what_waits(program, engine):
    engine.broken = OSError("no threads left")
    one, two = await answers(program, 1, 2)
    assert str(one) == str(two) == "no threads left"
    engine.broken = None
    assert await program(3) == 3


async def test_calls_that_were_cancelled_are_not_sent(program, engine):
    first = asyncio.ensure_future(program(1))
    await first
    engine.texts.clear()
    calls = [asyncio.ensure_future(program(n)) for n in (2, 3, 4)]
    calls[1].cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert results[0] == 2
    assert isinstance(results[1], asyncio.CancelledError)
    assert results[2] == 4
    assert not any("P3" in text for text in engine.texts)


async def test_an_error_line_is_raised_with_its_place(program, engine):
    record = {"message": "m", "name": "TypeError", "stack": "TypeError: m\n at f (snippet.js:2:5)", "causes": []}
    engine.script = [done("E" + json.dumps(record))]
    (error,) = await answers(program, 1)
    assert str(error) == "m"
    assert (error.place.line, error.place.column) == (1, 5)
    assert "snippet.js:1:5" in error.value.details["stack"]
