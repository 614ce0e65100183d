"""Nothing stays behind: neither of an evaluation, nor of an error, nor of a program that is not used any more."""

from __future__ import annotations

import gc
import threading
import tracemalloc

import pytest

from engine.errors import ExpressionError
from engine.language import cel

SOURCES = [
    "a.b == 'x'",
    "items.filter(i, i > 2).map(i, {'i': i, 'a': a})",
    "'Hello ' + a.b + '! ' + string(size(items))",
    "a.?c.?d.orValue(items).all(i, i >= 0)",
    "cel.bind(t, a.b, [t, t, t.upperAscii()])",
    "1 / size(a.missing) == 1 || a.b == 'x'",
]
PAYLOAD = {"a": {"b": "x"}, "items": list(range(100))}


def _kept(work) -> int:
    """Bytes that are held after many turns of `work` and were not after the first few."""
    for _ in range(20):
        work()
    gc.collect()
    tracemalloc.start()
    try:
        work()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(300):
            work()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_evaluations_keep_nothing() -> None:
    programs = [cel.CelCompiler().compile(source) for source in SOURCES]

    def work() -> None:
        for program in programs:
            program(PAYLOAD)

    assert _kept(work) < 4096


def test_errors_keep_nothing() -> None:
    program = cel.CelCompiler().compile("items.all(i, i / 0 == 1) || a.missing == 1")

    def work() -> None:
        with pytest.raises(ExpressionError):
            program(PAYLOAD)

    assert _kept(work) < 4096


def test_the_cache_is_bounded_and_programs_are_freed() -> None:
    compiler = cel.CelCompiler(cache_size=8)
    numbers = iter(range(10**6))

    def work() -> None:
        source = f"a.b == 'x{next(numbers)}' && items.exists(i, i == 5)"
        assert compiler.compile(source)(PAYLOAD) is False

    # Python itself interns the names and texts of code, so each round of sources costs a little until they are dropped.
    assert _kept(work) < 64 * 1024


def test_many_threads_share_programs() -> None:
    """Both ways, also while the strict one is being written; every thread gets the answer to its own payload."""
    programs = [cel.CelCompiler().compile(source) for source in SOURCES]
    start = threading.Barrier(8)
    wrong: list[object] = []

    def run(number: int) -> None:
        payload = {"a": {"b": "x" if number % 2 else f"y{number}"}, "items": list(range(number + 3))}
        is_x = payload["a"]["b"] == "x"
        expected = [
            is_x,
            [{"i": i, "a": payload["a"]} for i in range(3, number + 3)],
            f"Hello {payload['a']['b']}! {number + 3}",
            True,
            [payload["a"]["b"]] * 2 + [payload["a"]["b"].upper()],
            True if is_x else "no such key",
        ]
        start.wait()
        for _ in range(50):
            for program, value in zip(programs, expected, strict=True):
                try:
                    found = program(payload)
                except ExpressionError as error:
                    found = str(error)[: len("no such key")]
                if found != value:
                    wrong.append((program, found, value))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_results_share_nothing_that_a_program_keeps() -> None:
    """Whoever changes a result, against the convention, changes no later answer."""
    sources = [
        "[1, 2, [3]]", "{'a': [1], 'b': {}}", "['a', 'b'].filter(x, x in ['a', 'c'])", "[[1], [2]].map(x, x)", "[]",
        "cel.bind(x, [1], [x, x])", "lists.range(3)", "'a,b'.split(',')", "json.decode('[1, [2]]')", "[?optional.of([1])]",
        "true ? [1] : []", "optional.none().orValue([1])", "{1: [2]}.transformMap(k, v, v)", "[3, 1].sort()", "b'x' + b'y'",
    ]  # fmt: skip

    def scribble(value) -> None:
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            scribble(part)
        if isinstance(value, (dict, list)):
            value.clear()

    for source in sources:
        program = cel.CelCompiler().compile(source)
        first = program(None)
        shown = repr(first)
        scribble(first)
        assert repr(program(None)) == shown, source
