"""The extensions where the conformance suite is thin: lists, sets, regex, encoders, strings, network."""

from __future__ import annotations

import pytest

from engine.errors import Code, ExpressionError
from engine.language import cel


@pytest.fixture
def run():
    compiler = cel.CelCompiler()
    return lambda source, payload=None: compiler.compile(source)(payload)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        # lists
        ("[1, 2, 3].slice(1, 3)", [2, 3]),
        ("[[1], [2, [3]], 4].flatten()", [1, 2, [3], 4]),
        ("[[1], [2, [3]], 4].flatten(5)", [1, 2, 3, 4]),
        ("[[1]].flatten(0)", [[1]]),
        ("[3, 1, 2].sort()", [1, 2, 3]),
        ("[].sort()", []),
        ("['b', 'a'].reverse()", ["a", "b"]),
        ("[1, 1.0, 1u, true, '1', [1], [1.0], {'a': 1}, {'a': 1u}].distinct()", [1, True, "1", [1], {"a": 1}]),
        ("lists.range(3)", [0, 1, 2]),
        ("[1, 2].first().value() + [1, 2].last().value()", 3),
        ("[].first().hasValue() || [].last().hasValue()", False),
        # sets
        ("sets.contains([1, 2, 3], [3.0, 1u])", True),
        ("sets.contains([1], [true])", False),
        ("sets.contains([], [])", True),
        ("sets.equivalent([1, 2, 2], [2u, 1.0])", True),
        ("sets.equivalent([1], [1, 2])", False),
        ("sets.intersects([[1]], [[1.0], 2])", True),
        ("sets.intersects([], [1])", False),
        # regex
        ("regex.extract('item-42', 'item-(\\\\d+)').value()", "42"),
        ("regex.extract('item-42', '\\\\d+').value()", "42"),
        ("regex.extract('x', '\\\\d+').hasValue()", False),
        ("regex.extractAll('a1b22', '[a-z](\\\\d+)')", ["1", "22"]),
        ("regex.extractAll('x', '\\\\d')", []),
        ("regex.replace('foo bar', '(\\\\w+) (\\\\w+)', '\\\\2 \\\\1')", "bar foo"),
        ("regex.replace('aaa', 'a', 'b', 2)", "bba"),
        ("regex.replace('aaa', 'a', 'b', 0)", "aaa"),
        ("regex.replace('aaa', 'a', 'b', -1)", "bbb"),
        ("regex.replace('é1', '\\\\d', '\\\\\\\\')", "é\\"),
        ("matches('abc', 'b')", True),
        # encoders
        ("json.encode({'a': [1, b'x', duration('1s')]})", '{"a":[1,"eA==","1s"]}'),
        ("json.encode(1u)", "1"),
        ("json.decode('{\"a\": [1, 2.5, null]}')", {"a": [1, 2.5, None]}),
        ("json.decode(json.encode(self)) == self", True),
        # strings
        ("'a,b,c'.split(',', 2)", ["a", "b,c"]),
        ("'abc'.split('')", ["a", "b", "c"]),
        ("'abc'.split('', 2)", ["a", "bc"]),
        ("'abc'.replace('', '-')", "-a-b-c-"),
        ("'aaa'.replace('a', 'b', 2)", "bba"),
        ("'abc'.charAt(3)", ""),
        ("'a🙂b'.indexOf('b')", 2),
        ("'\u2003 x\\t'.trim()", "x"),
        ("'ÄÖab'.upperAscii()", "ÄÖAB"),
        ("'%s %x %X %o %b %e %.2f %d%%'.format(['é', 255, b'\\xab', 8, -5, 1.5, 2, -3])", "é ff AB 10 -101 1.500000e+00 2.00 -3%"),
        # math
        ("math.round(0.49999999999999994)", 0.0),
        ("math.round(-2.5)", -3.0),
        ("math.greatest([1, 2u, 3.0])", 3.0),
        ("math.sqrt(16)", 4.0),
        ("math.bitNot(math.bitShiftLeft(1, 63))", 2**63 - 1),
        # network
        ("isIP('::1') && !isIP('x') && isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0')", True),
        ("cidr('10.1.2.3/8').masked()", "10.0.0.0/8"),
    ],
)  # fmt: skip
def test_values(run, source, expected) -> None:
    result = run(source, "abc")
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("[1, 'a'].sort()", "cannot sort int with string"),
        ("[null].sort()", "cannot sort"),
        ("[[1]].sort()", "cannot sort"),
        ("[1].slice(0, 2)", "cannot slice"),
        ("[1].slice(-1, 1)", "cannot slice"),
        ("[1].flatten(-1)", "depth of 0 or more"),
        ("regex.extract('ab', '(a)(b)')", "more than one group"),
        ("regex.replace('a', 'a', '\\\\1')", "no such group"),
        ("regex.replace('a', '(', 'x')", "bad regular expression"),
        ("'a'.matches(self)", "bad regular expression"),
        ("base64.decode('!')", "not base64"),
        ("json.decode('{')", "not JSON"),
        ("json.decode('NaN')", "not JSON"),
        ("[1].join()", "list of strings"),
        ("'%s'.format([])", "no argument number 1"),
        ("'x'.format([1])", "got 1 arguments and uses 0"),
        ("'%q'.format([1])", "unrecognized formatting clause"),
        ("'%.999f'.format([1.0])", "precision"),
        ("'%.3d'.format([1])", "precision"),
        ("math.greatest([])", "empty list"),
        ("math.greatest(1, true)", "no such overload"),
        ("ip('1.2.3')", "no IP address"),
        ("cidr('10.0.0.0')", "no CIDR"),
        ("cidr('10.0.0.0/255.0.0.0')", "no CIDR"),
        ("optional.none().value()", "has no value"),
        ("optional.unwrap([1])", "list of optionals"),
    ],
)
def test_refused(run, source, message) -> None:
    with pytest.raises(ExpressionError, match=message):
        run(source, "(")


def test_patterns_take_linear_time(run) -> None:
    assert run("self.matches('^(a+)+$')", "a" * 50_000 + "b") is False


def test_format_is_bounded(run) -> None:
    with pytest.raises(ExpressionError) as caught:
        run("self.join('').format(self)", ["%s" * 100] * 20000)
    assert caught.value.code in {Code.LIMIT, Code.EXPRESSION}


def test_deep_json(run) -> None:
    with pytest.raises(ExpressionError, match="nested too deeply"):
        run("json.decode(self)", "[" * 100_000)
