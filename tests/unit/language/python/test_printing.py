from __future__ import annotations

import asyncio
import contextvars
import io
import sys

import pytest

from engine.language.python.printing import MOST_LINES, MOST_TEXT, Printer


@pytest.fixture
def lines():
    return []


@pytest.fixture
def printer(lines):
    return Printer(lambda level, text: lines.append((level, text)))


def test_print_writes_a_log_line(printer, lines, capsys):
    printer.print("a", 1, None)
    printer.print("a", 1, sep="-", end="!\n")
    printer.print()
    printer.print("out", file=sys.stdout, flush=True)
    printer.print("wrong", file=sys.stderr)
    assert lines == [("info", "a 1 None"), ("info", "a-1!"), ("info", ""), ("info", "out"), ("error", "wrong")]
    assert capsys.readouterr() == ("", "")


def test_print_to_a_file_goes_there(printer, lines):
    file = io.StringIO()
    printer.print("a", "b", sep="", end=".", file=file)
    assert file.getvalue() == "ab."
    assert lines == []


def test_without_a_log_nothing_is_written(capsys):
    printer = Printer(None)
    call = printer.begin()
    for _ in range(MOST_LINES + 1):
        printer.print("x")
    printer.end(call)
    assert capsys.readouterr() == ("", "")


def test_a_call_is_bounded_and_the_next_begins_anew(printer, lines):
    for _ in range(2):
        call = printer.begin()
        for number in range(MOST_LINES + 2):
            printer.print(number)
        printer.end(call)
    assert len(lines) == 2 * (MOST_LINES + 1)
    assert lines[MOST_LINES] == ("warning", "… 2 more lines of this call are left out")
    assert lines[MOST_LINES + 1] == ("info", "0")


def test_a_long_line_is_cut(printer, lines):
    printer.print("x" * (MOST_TEXT + 5))
    assert lines == [("info", "x" * MOST_TEXT + "… 5 more characters")]


def test_overlapping_calls_are_bounded_each(run, printer, lines):
    async def call(gate):
        mine = printer.begin()
        for _ in range(MOST_LINES):
            printer.print("x")
        await gate.wait()
        printer.print("y")
        printer.end(mine)

    async def main():
        gate = asyncio.Event()
        calls = [asyncio.ensure_future(call(gate)) for _ in range(2)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*calls)

    run(main)
    assert [text for level, text in lines if level == "warning"] == ["… 1 more lines of this call are left out"] * 2


def test_a_call_may_end_in_another_context(printer):
    call = contextvars.copy_context().run(printer.begin)
    printer.end(call)
