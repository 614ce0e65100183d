"""The two ways in: payloads and bindings, names, the cache, the clock."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from engine.errors import Code, ErrorValue, ExpressionError
from engine.language import cel
from engine.language.protocol import Compiler, Options, Program


@pytest.fixture
def compiler():
    return cel.CelCompiler()


@pytest.fixture
def run(compiler):
    return lambda source, payload=None: compiler.compile(source)(payload)


class TestPayload:
    def test_self_is_the_payload_itself(self, run) -> None:
        payload = {"a": [1]}
        assert run("self", payload) is payload
        assert run("a", payload) is payload["a"]

    @pytest.mark.parametrize("payload", [None, 1, 1.5, "x", [], {}, b"x", [None]])
    def test_plain_values_pass_through(self, run, payload) -> None:
        assert run("self", payload) is payload

    def test_payload_keys_hide_neither_self_nor_functions_nor_types(self, run) -> None:
        payload = {"self": 1, "size": 2, "math": {"abs": 3}, "int": 4}
        assert run("self", payload) is payload
        assert run("size(self)", payload) == 4
        assert run("math.abs(-5)", payload) == 5
        assert run("type(1) == int", payload) is True

    def test_a_macro_variable_hides_a_payload_key(self, run) -> None:
        assert run("[1, 2].map(a, a + 1)", {"a": 10}) == [2, 3]
        assert run("[1, 2].map(x, x + a)", {"a": 10}) == [11, 12]

    def test_a_key_with_a_dot_is_no_name(self, run) -> None:
        with pytest.raises(ExpressionError, match="no such name: a"):
            run("a.b", {"a.b": 1})

    def test_unknown_name_lists_close_ones(self, run) -> None:
        with pytest.raises(ExpressionError, match="no such name: requst") as caught:
            run("requst.path", {"request": {}})
        assert "request" in (caught.value.hint or "")

    def test_name_of_a_payload_that_is_no_map(self, run) -> None:
        with pytest.raises(ExpressionError, match="no such name: a") as caught:
            run("a", [1])
        assert "the payload is a list" in (caught.value.hint or "")

    def test_an_unknown_name_can_be_absorbed(self, run) -> None:
        assert run("nothing == 1 || true == true", {}) is True

    def test_type_name_mistaken_for_a_key(self, compiler) -> None:
        with pytest.raises(ExpressionError) as caught:
            compiler.compile("type == 'order'")
        assert "self.type" in (caught.value.hint or "")

    def test_the_payload_is_not_walked(self, run) -> None:
        """A dict that cannot be walked can still be asked for one key."""

        class Unwalkable(dict):
            def __iter__(self):
                raise AssertionError("walked")

            keys = values = items = __iter__

        assert run("request.method == 'POST'", Unwalkable(request={"method": "POST"})) is True

    def test_literals_are_fresh_each_time(self, compiler) -> None:
        program = compiler.compile("{'a': [1, 2]}")
        first = program(None)
        first["a"].append(3)
        first["b"] = 1
        assert program(None) == {"a": [1, 2]}

    def test_results_of_macros_and_sums_are_new_lists(self, run) -> None:
        payload = [1, 2]
        for source in (
            "self + []",
            "self.filter(x, true)",
            "self.slice(0, 2)",
            "self.reverse().reverse()",
            "self.sort()",
        ):
            result = run(source, payload)
            assert result == payload
            assert result is not payload


class TestBindings:
    def test_dotted_names_win_over_fields(self) -> None:
        assert cel.compile("a.b.c")({"a.b.c": 1, "a.b": {"c": 2}, "a": {"b": {"c": 3}}}) == 1
        assert cel.compile("a.b.c")({"a.b": {"c": 2}, "a": {"b": {"c": 3}}}) == 2
        assert cel.compile("a.b.c")({"a": {"b": {"c": 3}}}) == 3

    def test_container(self) -> None:
        names = {"x": 1, "a.x": 2, "a.b.x": 3}
        assert cel.compile("x", "a.b")(names) == 3
        assert cel.compile("x", "a")(names) == 2
        assert cel.compile(".x", "a")(names) == 1
        assert cel.compile("x", "q.r")(names) == 1

    def test_self_is_no_name_here(self) -> None:
        with pytest.raises(ExpressionError, match="no such name: self"):
            cel.compile("self")({"a": 1})

    def test_a_binding_wins_over_a_type(self) -> None:
        assert cel.compile("int")({}) == cel.Type("int")
        assert cel.compile("int")({"int": 5}) == 5


class TestCompiler:
    def test_protocol(self, compiler) -> None:
        as_protocol: Compiler = compiler
        program = as_protocol.compile("1")
        assert isinstance(program, Program)
        assert compiler.name == "cel"
        assert program.is_async is False
        program.close()
        assert program(None) == 1

    def test_one_source_is_compiled_once(self, compiler) -> None:
        assert compiler.compile("1 + 1") is compiler.compile("1 + 1")

    def test_the_cache_forgets_what_was_used_longest_ago(self) -> None:
        compiler = cel.CelCompiler(cache_size=2)
        first, second = compiler.compile("1"), compiler.compile("2")
        assert compiler.compile("1") is first
        compiler.compile("3")
        assert compiler.compile("1") is first
        assert compiler.compile("2") is not second

    def test_clock(self) -> None:
        noon = datetime(2024, 2, 29, 12, tzinfo=UTC)
        compiler = cel.CelCompiler(clock=lambda: noon)
        assert compiler.compile("now() - duration('12h')")(None) == datetime(2024, 2, 29, tzinfo=UTC)

    def test_uuid(self, run) -> None:
        assert run("uuid()") != run("uuid()")
        assert run("size(uuid())") == 36

    def test_engine_is_refused(self, compiler) -> None:
        with pytest.raises(ExpressionError, match="no engine"):
            compiler.compile("1", Options(engine="v8"))

    def test_threads_share_a_program(self, compiler) -> None:
        program = compiler.compile("self.map(x, x * 2).exists(x, 10 / x > 100) || self.size() == 3")
        results: list[bool] = []
        threads = [
            threading.Thread(target=lambda: results.extend(program([0, 1, 2]) for _ in range(50))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [True] * 200


class TestErrorValues:
    error = ErrorValue("outer", Code.CONFLICT, (ErrorValue("inner"),))

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("self == 'outer'", True),
            ("'inner' == self", True),
            ("self == 'outer: inner'", True),
            ("self == 'out'", False),
            ("self != 'outer'", False),
            ("self != 'other'", True),
            ("self == 'in' + 'ner'", True),
            ("self.error()", "outer: inner"),
            ("string(self)", "outer: inner"),
            ("self.message", "outer"),
            ("self.code", "conflict"),
            ("self.causes[0].message", "inner"),
            ("type(self) == error", True),
            ("'outer' in [self]", True),
            ("has(self.message) && !has(self.other)", True),
            ("self == self", True),
            ("self == 1 || self == null", False),
        ],
    )
    def test_asking(self, run, source, expected) -> None:
        assert run(source, self.error) == expected

    def test_making(self, run) -> None:
        made = run("error('no ' + self)", "luck")
        assert isinstance(made, ErrorValue)
        assert (made.text, made.code) == ("no luck", Code.EXPRESSION)

    def test_it_passes_through(self, run) -> None:
        assert run("self", self.error) is self.error
        assert run("{'e': self}", self.error)["e"] is self.error


def test_optionals_do_not_leave(run) -> None:
    assert run("self.?a", {"a": 1}) == 1
    assert run("self.?b", {"a": 1}) is None
    assert run("[self.?a, self.?b]", {"a": 1}) == [1, None]
    assert run("{'x': [self.?a]}", {"a": 1}) == {"x": [1]}
    assert run("[self.?a].reverse() + [self.?b]", {"a": 1}) == [1, None]
    assert run("[1].map(x, self.?a)", {"a": 1}) == [1]
    assert run("[self.?a].filter(x, x.hasValue())", {"a": 1}) == [1]
    assert run("[self.?a][0]", {"a": 1}) == 1
    assert run("cel.bind(x, self.?a, {'x': x})", {"a": 1}) == {"x": 1}
    assert run("true ? [self.?a] : []", {"a": 1}) == [1]
    assert run("optional.of([self.?a]).optMap(x, x).value()", {"a": 1}) == [1]
    assert run("optional.of(self.?a).orValue(1)", {"a": 1}) == 1
    assert run("[[self.?a]].first()", {"a": 1}) == [1]
    assert run("optional.of(optional.of(2))") == 2


def test_an_optional_shares_its_value_with_the_payload(run) -> None:
    payload = {"a": {"b": [1]}}
    assert run("self.?a", payload) is payload["a"]
    assert run("self.?a.orValue({})", payload) is payload["a"]


def test_addresses_leave_as_text(run) -> None:
    assert run("ip('10.0.0.1')") == "10.0.0.1"
    assert run("[cidr('10.0.0.0/8')]") == ["10.0.0.0/8"]
