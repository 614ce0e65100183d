"""The reference page is what its command writes, so no example in it is wrong."""

from __future__ import annotations

import pytest

from docs.generate import cel as reference
from docs.generate import cel_examples
from docs.generate.conformance import read_cases
from engine.language import cel
from engine.language.cel.library import make_library


def test_the_page_is_up_to_date(conformance_dir) -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(read_cases(conformance_dir)), "make docs"


def test_every_function_has_an_example_and_no_other() -> None:
    library = make_library(max_size=100)
    methods = {f"x.{name}" for name in library.names(method=True) if not name.startswith("@")}
    assert cel_examples.FUNCTIONS.keys() == methods | set(library.names(method=False))
    for name, source in cel_examples.FUNCTIONS.items():
        assert name.removeprefix("x.") in source


@pytest.mark.parametrize(
    "source", ["null", "true", "[1, 'a', {'b': 2.0}]", "b'a'", "'it\\'s'", "duration('1.5s')", "timestamp('2024-02-29T12:00:00Z')", "2u"]
)  # fmt: skip
def test_values_are_shown_as_cel_writes_them(source) -> None:
    assert reference.shown(cel.compile(source)({})) == source
