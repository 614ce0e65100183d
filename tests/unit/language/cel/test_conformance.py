"""The public conformance suite: every section passes, but for the known failures, each with its reason."""

from __future__ import annotations

import pytest

from docs.generate.conformance import KNOWN_FAILURES, decode, failure, read_cases, same
from engine.language import cel

FILES = [
    "basic", "bindings_ext", "block_ext", "comparisons", "conversions", "encoders_ext", "fields", "fp_math",
    "integer_math", "lists", "logic", "macros", "macros2", "math_ext", "namespace", "network_ext", "optionals", "parse",
    "plumbing", "string", "string_ext", "timestamps", "type_deduction",
]  # fmt: skip


@pytest.fixture(scope="module")
def cases(conformance_dir):
    return read_cases(conformance_dir)


def test_every_file_of_the_suite_is_run(cases) -> None:
    assert sorted({case["file"] for case in cases}) == FILES
    assert {case["id"] for case in cases} >= KNOWN_FAILURES.keys()


@pytest.mark.parametrize("file", FILES)
def test_cases(cases, file) -> None:
    found = {case["id"]: failure(case) for case in cases if case["file"] == file}
    failures = {name: text for name, text in found.items() if text is not None}
    known = {name for name in KNOWN_FAILURES if name.startswith(f"{file}/")}
    assert {name: text for name, text in failures.items() if name not in known} == {}
    assert known - failures.keys() == set(), "these pass now: take them off the list"


class TestTheJudge:
    """One that lets everything pass would find nothing."""

    @pytest.mark.parametrize(
        ("left", "right"),
        [
            (1, 1.0), (1, True), (1, cel.UInt(1)), (0.0, -0.0), ([1], [1.0]), ({"a": 1}, {"a": 2}), ({1: 1}, {True: 1}),
            ("x", b"x"), ([1], [1, 1]), (None, False),
        ],
    )  # fmt: skip
    def test_different(self, left, right) -> None:
        assert not same(left, right)

    def test_equal(self) -> None:
        assert same({"a": [1, float("nan")], 2: None}, {2: None, "a": [1, float("nan")]})

    def test_an_error_where_a_value_is_due_and_the_reverse(self) -> None:
        assert failure({"expr": "1 / 0", "value": {"int": "1"}})
        assert failure({"expr": "1 + 1"})
        assert failure({"expr": "1 + 1", "value": {"int": "3"}})
        assert failure({"expr": "1 / 0"}) is None

    def test_unknown_kinds_of_values_are_not_skipped(self) -> None:
        with pytest.raises(ValueError, match="unknown kind"):
            decode({"enum": 1})
