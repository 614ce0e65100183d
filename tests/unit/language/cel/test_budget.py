"""Steps and time: what is counted, when the clock is looked at, and that nothing holds the caller for long."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.errors import Code, ExpressionError
from engine.language import cel
from engine.language.cel import budget as budgets
from engine.language.protocol import Options

NO_TIME = timedelta(0)


@pytest.fixture
def limited():
    """The value, or the error, of an expression within so many steps."""

    def run(source, payload=None, *, steps=100, **limits):
        program = cel.CelCompiler(limits=cel.Limits(steps=steps, **limits)).compile(source)
        try:
            return program(payload)
        except ExpressionError as error:
            return error.code

    return run


LIST = list(range(60))
MAP = {f"k{number}": number for number in range(60)}


class TestSteps:
    @pytest.mark.parametrize("payload", [LIST, MAP], ids=["list", "map"])
    @pytest.mark.parametrize(
        "source",
        [
            "self.map(x, x)", "self.all(x, true == true)", "self.exists_one(x, x == 1)", "self.filter(x, true == true)",
            "self.transformList(k, v, v)", "self.transformMap(k, v, v)", "self.transformMapEntry(k, v, {k: v})",
            "self.all(k, v, v == v)", "self.exists(k, v, v == -1)",
        ],
    )  # fmt: skip
    def test_a_loop_takes_one_for_each_element(self, limited, source, payload) -> None:
        assert limited(source, payload, steps=60) is not Code.LIMIT
        assert limited(source, payload, steps=59) is Code.LIMIT

    @pytest.mark.parametrize("size", [10, 1000])
    @pytest.mark.parametrize(
        "source", ["self.all(a, self.exists(b, b == 0))", "self.all(a, self.exists(i, b, i == 0))"]
    )
    def test_stopping_early_gives_the_rest_back(self, limited, source, size) -> None:
        payload = [0] * size
        assert limited(source, payload, steps=size * 3) is True
        assert limited(source, payload, steps=size * 2 - 1) is Code.LIMIT

    def test_stopping_early_in_a_map_gives_the_rest_back(self, limited) -> None:
        assert limited("self.all(a, self.exists(k, v, v == 0))", MAP, steps=180) is True

    def test_filters_and_a_map_behind_them_are_one_loop(self, limited) -> None:
        source = "self.filter(x, x > 1).filter(y, y < 5).map(z, z * 2)"
        assert limited(source, LIST, steps=60) == [4, 6, 8]

    @pytest.mark.parametrize(
        "source",
        [
            "self.map(x, x in self)", "self.map(x, self + self)", "self.map(x, self.reverse())", "self.map(x, self.sort())",
            "self.map(x, sets.contains(self, self))", "self.map(x, lists.range(50))", "self.map(x, self.slice(0, 50))",
        ],
    )  # fmt: skip
    def test_work_inside_a_loop_counts(self, limited, source) -> None:
        assert limited(source, LIST, steps=1000) is Code.LIMIT
        assert limited(source, LIST[:2], steps=1000) is not Code.LIMIT

    @pytest.mark.parametrize(
        "source",
        [
            "self.map(x, x + 'a')", "self.map(x, x.contains('b'))", "self.map(x, x.matches('b'))", "self.map(x, x.trim())",
            "self.map(x, '%s'.format([x]))", "self.map(x, x.replace('b', 'c'))",
        ],
    )  # fmt: skip
    def test_long_texts_inside_a_loop_count(self, limited, source) -> None:
        assert limited(source, ["a" * 10_000] * 5, steps=500) is Code.LIMIT
        assert limited(source, ["a" * 10] * 5, steps=500) is not Code.LIMIT

    @pytest.mark.parametrize("source", ["self.sort()", "self.distinct()", "sets.contains(self, [1])", "self.flatten()"])
    def test_slow_functions_count_everywhere(self, limited, source) -> None:
        assert limited(source, LIST, steps=100) is Code.LIMIT


class TestTime:
    @pytest.mark.parametrize(
        "source",
        [
            "self.map(x, x)", "self.all(x, x >= 0)", "self.transformMap(k, v, v)", "self.exists_one(x, x == 1)",
            "self.slice(0, 20).all(a, self.slice(0, 20).all(b, true == true))", "self.slice(0, 5).all(a, self.sort() == self)",
        ],
    )  # fmt: skip
    def test_no_time_is_an_error_in_any_loop(self, limited, source) -> None:
        assert limited(source, list(range(500)), steps=10**6, time=NO_TIME) is Code.DEADLINE

    def test_the_message_has_a_place_and_says_what_to_do(self) -> None:
        program = cel.CelCompiler(limits=cel.Limits(time=NO_TIME)).compile("1 == 1 &&\n self.all(x, true == true)")
        with pytest.raises(ExpressionError, match="longer than 0 ms") as caught:
            program(list(range(500)))
        assert (caught.value.place.line, caught.value.place.column) == (2, 7)
        assert "timeout" in caught.value.hint

    def test_it_is_not_absorbed(self, limited) -> None:
        source = "self.all(x, x / 0 == 1) || self[0] == 0"
        assert limited(source, list(range(500)), time=NO_TIME, steps=10**6) is Code.DEADLINE

    def test_the_timeout_of_a_node_replaces_the_limit(self) -> None:
        compiler = cel.CelCompiler()
        short = compiler.compile("self.map(x, x)", Options(timeout=NO_TIME))
        usual = compiler.compile("self.map(x, x)")
        payload = list(range(500))
        assert usual(payload) == payload
        with pytest.raises(ExpressionError) as caught:
            short(payload)
        assert caught.value.code is Code.DEADLINE
        assert compiler.compile("self.map(x, x)", Options(timeout=NO_TIME)) is short

    def test_pieces_shrink_when_a_turn_is_slow_and_grow_when_it_is_quick(self, monkeypatch) -> None:
        """However slow one turn is, the clock is looked at soon after the first piece."""
        now = 0.0
        monkeypatch.setattr(budgets, "thread_time", lambda: now)
        sizes = []
        for piece in budgets.chunks(budgets.budget_of(10**6, 1000.0), list(range(3000))):
            sizes.append(len(list(piece)))
            now += 0.0 if len(sizes) < 5 else 0.1
        assert sizes[:5] == [64, 128, 256, 256, 256]
        assert sizes[5:10] == [64, 16, 4, 1, 1]
        assert sum(sizes) == 3000


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 128, 500])
def test_pieces_are_the_whole(count) -> None:
    items = list(range(count))
    entries = {f"k{number}": number for number in items}
    for function, value, expected in (
        (budgets.chunks, items, items),
        (budgets.chunks, tuple(items), items),
        (budgets.chunks, entries, list(entries)),
        (budgets.pair_chunks, items, list(enumerate(items))),
        (budgets.pair_chunks, entries, list(entries.items())),
    ):
        budget = budgets.budget_of(1000, 1000.0)
        assert [item for piece in function(budget, value) for item in piece] == expected
        assert budget[budgets.STEPS] == 1000 - count
