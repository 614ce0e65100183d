"""Running: errors with places, absorption, limits, depth."""

from __future__ import annotations

import pytest

from engine.errors import Code, ExpressionError
from engine.language import cel


@pytest.fixture
def run():
    compiler = cel.CelCompiler()
    return lambda source, payload=None: compiler.compile(source)(payload)


@pytest.fixture
def fail(run):
    def failing(source, payload=None) -> ExpressionError:
        with pytest.raises(ExpressionError) as caught:
            run(source, payload)
        return caught.value

    return failing


RUNTIME_PLACES = [
    ("a.b.c", {"a": {"b": {}}}, 1, 4, "no such key: c"),
    ("a.b", {"a": [1]}, 1, 2, "cannot read b of a list"),
    ("1 +\n  a * 2", {"a": "x"}, 2, 5, r"no such overload: _\*_ applied to \(string, int\)"),
    ("a[5]", {"a": [1]}, 1, 2, "index 5 is outside a list of 1"),
    ("a['x']", {"a": {}}, 1, 2, "no such key: 'x'"),
    ("self.map(x, 10 / x)", [1, 0], 1, 16, "division by zero"),
    ("false || self.exists(x, 10 / x > 100)", [1, 0], 1, 28, "division by zero"),
    ("a && true", {"a": 5}, 1, 1, "a bool is needed, not a int"),
    ("a ? 1 : 2", {"a": "x"}, 1, 1, "a bool is needed, not a string"),
    ("!a", {"a": 1}, 1, 1, r"!_ applied to \(int\)"),
    ("int(a)", {"a": "x"}, 1, 1, "cannot convert 'x' to int"),
    ("a.startsWith('x')", {"a": 1}, 1, 3, r"startsWith applied to \(int, string\)"),
    ("a.all(x, x)", {"a": 1}, 1, 3, "a macro goes over a list or a map"),
    ("has(a.b.c)", {"a": {"b": 1}}, 1, 1, "has"),
    ("{a: 1, 'x': 2}", {"a": "x"}, 1, 1, "repeated key"),
    ("'é' + a", {"a": 1}, 1, 5, r"_\+_"),
]


@pytest.mark.parametrize(("source", "payload", "line", "column", "message"), RUNTIME_PLACES)
def test_run_time_errors_have_places(fail, source, payload, line, column, message) -> None:
    error = fail(source, payload)
    assert (error.place.line, error.place.column) == (line, column)
    with pytest.raises(ExpressionError, match=message):
        raise error


class TestAbsorption:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("1 / self == 1 || self == 0", True),
            ("self == 0 || 1 / self == 1", True),
            ("1 / self == 1 && self == 1", False),
            ("[0, 1].exists(x, 1 / x == 1)", True),
            ("[0, 1].all(x, 1 / x == 2)", False),
            ("(1 / self == 1 && true == true) || self == 0", True),
            ("cel.bind(x, 1 / self, self == 0 || x == 1)", True),
            ("cel.bind(x, 1 / self, x == 1 || self == 0)", True),
            ("cel.block([1 / self, 5], cel.index(1))", 5),
        ],
    )
    def test_the_side_that_decides_wins(self, run, source, expected) -> None:
        assert run(source, 0) == expected

    def test_the_first_error_is_told(self, fail) -> None:
        assert "division" in str(fail("1 / 0 == 1 || int('x') == 1"))
        assert "division" in str(fail("[1, 2].all(x, x / 0 == 1)"))

    def test_a_dead_operand_may_be_nonsense(self, run) -> None:
        assert run("no_such_function(1) || true") is True
        assert run("false && 'x'") is False

    def test_exists_one_absorbs_nothing(self, fail) -> None:
        assert "division" in str(fail("[0, 1].exists_one(x, 1 / x == 1)"))


class TestLimits:
    def test_steps(self, fail) -> None:
        error = fail("self.all(a, self.all(b, true))", list(range(1001)))
        assert error.code is Code.LIMIT
        assert "too many steps" in str(error)
        assert error.place is not None

    def test_stopping_early_gives_steps_back(self) -> None:
        program = cel.CelCompiler(limits=cel.Limits(steps=300)).compile("self.all(a, self.exists(b, b == 0))")
        assert program(list(range(100))) is True

    def test_steps_are_counted_for_each_evaluation(self) -> None:
        program = cel.CelCompiler(limits=cel.Limits(steps=10)).compile("self.map(x, x)")
        for _ in range(3):
            assert program(list(range(10))) == list(range(10))
        with pytest.raises(ExpressionError, match="too many steps"):
            program(list(range(11)))

    @pytest.mark.parametrize(
        "source", ["{0} || self[0] == 0", "[1].exists(x, {0} || x == 1)", "cel.bind(x, {0}, true == self)"]
    )
    def test_limits_are_not_absorbed(self, source) -> None:
        program = cel.CelCompiler(limits=cel.Limits(steps=5)).compile(source.format("self.map(x, x / 0) == []"))
        with pytest.raises(ExpressionError) as caught:
            program(list(range(6)))
        assert caught.value.code is Code.LIMIT

    @pytest.mark.parametrize(
        "source",
        [
            "1 / 0 == 1 || self.map(x, x) == [] || self[0] == 0",
            "(1 / 0 == 1 || self.map(x, x) == []) && self[0] == 1",
            "[1, 2].exists(x, 1 / 0 == 1 || self.map(x, x) == [] || x == 2)",
            "1 / 0 == 1 || cel.bind(y, self.map(x, x), self[0] == 0)",
        ],
    )
    def test_limits_are_not_absorbed_after_another_error(self, source) -> None:
        program = cel.CelCompiler(limits=cel.Limits(steps=5)).compile(source)
        with pytest.raises(ExpressionError, match="too many steps"):
            program(list(range(6)))

    @pytest.mark.parametrize(
        "source",
        [
            "self + self",
            "bytes(self) + bytes(self)",
            "self.split('') + self.split('')",
            "self.replace('a', 'aaa')",
            "[self, self].join('')",
            "'%s%s'.format([self, self])",
            "regex.replace(self, 'a', 'aaa')",
            "lists.range(1000)",
        ],
    )
    def test_size_of_a_value(self, source) -> None:
        program = cel.CelCompiler(limits=cel.Limits(size=15)).compile(source)
        with pytest.raises(ExpressionError) as caught:
            program("aaaaaaaaaa")
        assert caught.value.code is Code.LIMIT

    def test_huge_products_are_refused_before_they_are_made(self, fail) -> None:
        assert fail("self.replace('a', self)", "a" * 100_000).code is Code.LIMIT

    def test_deep_payloads_are_an_error(self, fail) -> None:
        payload: list = []
        for _ in range(100_000):
            payload = [payload]
        error = fail("self == [self]", payload)
        assert error.code is Code.LIMIT
        while payload:
            payload = payload.pop()


FORMS = {
    "parentheses": ("(", "1", ")"),
    "lists": ("[", "1", "]"),
    "maps": ("{'a': ", "1", "}"),
    "calls": ("int(", "1", ")"),
    "indices": ("a[", "0", "]"),
    "else": ("a == [1] ? 1 : ", "2", ""),
    "map": ("[1].map(x, ", "x", ")"),
    "all": ("[1].all(x, ", "x == 1", ")"),
    "bind": ("cel.bind(x, 1, ", "x", ")"),
    "logic": ("(a == [0] && (a == [1] || ", "true == true", "))"),
    "conditions": ("(true ? ", "1", " : 2)"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_hundred_levels_of_anything(run, form) -> None:
    before, middle, after = FORMS[form]
    levels = 50 if form == "logic" else 100
    assert run(before * levels + middle + after * levels, {"a": [0]}) is not None


@pytest.mark.parametrize("form", [form for form in FORMS if form != "else"])
@pytest.mark.parametrize("levels", [200, 20_000])
def test_too_many_levels_are_a_clear_error(form, levels) -> None:
    before, middle, after = FORMS[form]
    compiler = cel.CelCompiler(limits=cel.Limits(source=10**6))
    with pytest.raises(ExpressionError, match="nested too deeply") as caught:
        compiler.compile(before * levels + middle + after * levels)
    assert caught.value.code is Code.LIMIT


def test_a_long_source_is_a_clear_error() -> None:
    compiler = cel.CelCompiler(limits=cel.Limits(source=10))
    assert compiler.compile("1 + 1 +  1")(None) == 3
    with pytest.raises(ExpressionError, match="has 11 characters; 10 is the limit") as caught:
        compiler.compile("1 + 1 +   1")
    assert caught.value.code is Code.LIMIT
    assert caught.value.place is not None
    assert "json" in caught.value.hint


def test_a_hundred_failing_levels(fail) -> None:
    assert "division" in str(fail("(false || " * 100 + "1 / self == 1" + ")" * 100, 0))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1" + " + 1" * 1000, 1001),
        ("true" + " && self == 5" * 1000, True),
        ("self" + " == 5 || self" * 300 + " == 5", True),
        ("'a'" + ".trim()" * 1000, "a"),
        ("[1]" + ".map(x, x)" * 200, [1]),
        ("!" * 1000 + "true", True),
        ("-" * 1001 + "5", -5),
        ("[" + "1," * 2000 + "]", [1] * 2000),
        ("self == 0 ? 1 : " * 1000 + "2", 2),
        ("self == 5 && self == 5 || self == 6 && " * 500 + "true", True),
    ],
    ids=["sum", "and", "or", "methods", "macros", "not", "minus", "items", "cases", "mixed"],
)
def test_long_chains_are_not_deep(run, source, expected) -> None:
    assert run(source, 5) == expected


def test_a_deep_stack_around_is_no_recursion_error() -> None:
    def dive(depth: int) -> None:
        if depth:
            dive(depth - 1)
        else:
            cel.compile("[" * 100 + "]" * 100)

    import sys

    frame, used = sys._getframe(), 0
    while frame:
        frame, used = frame.f_back, used + 1
    with pytest.raises(ExpressionError, match="nested too deeply"):
        dive(sys.getrecursionlimit() - used - 60)
