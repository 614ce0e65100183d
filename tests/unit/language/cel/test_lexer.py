"""Tokens and where they stand."""

from __future__ import annotations

import pytest

from engine.errors import ExpressionError
from engine.language.cel.lexer import tokens
from engine.language.cel.source import Source


def kinds(text: str) -> list[tuple[str, str, int]]:
    return [tuple(token) for token in tokens(Source(text))]


def test_every_token_has_its_offset() -> None:
    assert kinds("a.b >= 0x1Fu // end\n&& r'\\'") == [
        ("name", "a", 0),
        (".", ".", 1),
        ("name", "b", 2),
        (">=", ">=", 4),
        ("number", "0x1Fu", 7),
        ("&&", "&&", 20),
        ("string", "r'\\'", 23),
        ("end", "", 27),
    ]


@pytest.mark.parametrize("text", ["1", "1u", "0xAB", "1.5", ".5", "1e5", "1.5e-3", "1E+3"])
def test_numbers_are_one_token(text) -> None:
    assert kinds(text)[:-1] == [("number", text, 0)]


@pytest.mark.parametrize(
    "text",
    ["'a'", '"a"', "''", "'''a'b'''", '"""a""b"""', "''''a'''", r"'\''", r"r'\'", r"b'\x00'", "bR'x'", "'''a\nb'''"],
)
def test_strings_are_one_token(text) -> None:
    assert kinds(text)[:-1] == [("string", text, 0)]


def test_a_dot_after_a_whole_number_is_no_fraction() -> None:
    assert [text for _, text, _ in kinds("1.size()")] == ["1", ".", "size", "(", ")", ""]


def test_long_texts_take_linear_time() -> None:
    for text in ("'" + "a" * 300_000, '"""' + '""' + "a" * 300_000, "'" + "\\'" * 150_000):
        with pytest.raises(ExpressionError, match="text without its closing"):
            kinds(text)


def test_places_count_lines_and_characters() -> None:
    source = Source("é\n\nab")
    assert [source.position(offset) for offset in (0, 1, 2, 3, 4)] == [(1, 1), (1, 2), (2, 1), (3, 1), (3, 2)]
