from __future__ import annotations

import pytest

from engine.errors import Place
from engine.language.javascript.tokens import offset_at, place_at
from engine.language.typescript.positions import Positions

SOURCE = "let a: A;\r\nx<T>(y)"
CODE = "let a;\r\nx(/*new*/y)"
POSITIONS = Positions(SOURCE, CODE, ((0, 0), (5, 8), (9, 15), (17, 16)))


@pytest.mark.parametrize(
    ("line", "column", "expected"),
    [
        (1, 5, (1, 5)),
        (1, 6, (1, 9)),
        (2, 1, (2, 1)),
        (2, 2, (2, 5)),
        (2, 4, (2, 6)),  # inside of what was put in: what stands behind it
        (2, 10, (2, 6)),
        (2, 11, (2, 7)),
        (2, 99, (2, 8)),
        (9, 1, (2, 8)),
    ],
)
def test_a_place_goes_back_to_where_it_came_from(line, column, expected):
    assert POSITIONS.place(Place(line=line, column=column)) == Place(line=expected[0], column=expected[1])


@pytest.mark.parametrize("source", ["", "a", "a\nb\r\nc\rd\u2028e\n", "\n\n"])
def test_offsets_and_places_are_each_other_backwards(source):
    for offset in range(len(source) + 1):
        if source[offset - 1 : offset + 1] == "\r\n":
            continue  # the middle of a newline has no place of its own
        assert offset_at(source, place_at(source, offset)) == offset
