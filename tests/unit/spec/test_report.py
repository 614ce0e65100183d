"""Findings for a terminal."""

from __future__ import annotations

from engine.errors import Diagnostic, Place
from engine.spec.report import render


def finding(line, column, message="wrong", **options):
    return Diagnostic("rule", message, Place("f", line, column), **options)


def test_findings_are_sorted_shown_and_counted():
    text = render(
        [finding(2, 3, hint="do this"), finding(1, 1, severity="warning")],
        {"f": "a: 1\nb: 2\n"},
        color=False,
    )
    assert (
        text
        == """\
f:1:1 rule wrong
  a: 1
  ^
f:2:3 rule wrong
  b: 2
    ^
  hint: do this
1 error, 1 warning
"""
    )


def test_nothing_to_report():
    assert render([], {}, color=False) == ""


def test_counts():
    assert render([finding(1, 1)] * 2, {}, color=False).endswith("\n2 errors\n")
    assert render([finding(1, 1, severity="warning")], {}, color=False).endswith("\n1 warning\n")


def caret(line, column):
    rows = render([finding(1, column)], {"f": line}, color=False).split("\n")
    return rows[1], rows[2].index("^")


def test_the_caret_stands_under_the_column():
    assert caret("a: x", 4) == ("  a: x", 5)
    assert caret("\ta: x", 2) == ("          a: x".replace("          ", "  " + " " * 8), 10)
    assert caret("ab\tx", 4) == ("  ab      x", 10)
    assert caret("日本: x", 5) == ("  日本: x", 8)
    assert caret("e\u0301: x", 5) == ("  e\u0301: x", 5)
    assert caret("😀x", 2) == ("  😀x", 4)
    assert caret("ab", 3) == ("  ab", 4)


def test_a_place_after_the_last_line_has_no_excerpt():
    assert render([finding(9, 1)], {"f": "a\n"}, color=False) == "f:9:1 rule wrong\n1 error\n"


def test_places_that_are_not_known():
    assert render([Diagnostic("rule", "wrong")], {"f": "a"}, color=False) == "<input> rule wrong\n1 error\n"
    assert render([finding(1, 0)], {"f": "a"}, color=False) == "f:1 rule wrong\n  a\n1 error\n"


def test_carriage_returns_end_lines():
    assert "  b: 2\n  ^" in render([finding(2, 1)], {"f": "a: 1\r\nb: 2\r\n"}, color=False)


def test_a_long_line_is_cut_around_the_caret():
    line = "x" * 500 + "HERE" + "y" * 500
    shown, at = caret(line, 501)
    assert shown[at : at + 4] == "HERE"
    assert len(shown) <= 122
    assert shown.startswith("  …x")
    assert shown.endswith("y…")
    shown, at = caret("HERE" + "y" * 500, 1)
    assert shown[at : at + 4] == "HERE"
    shown, at = caret("x" * 500 + "HERE", 501)
    assert shown[at:] == "HERE"


def test_control_characters_cannot_reach_the_terminal():
    text = render([finding(1, 1, "bad \x1b[2J\x9b", hint="\x07")], {"f": "\x1b[31m\x7f"}, color=False)
    assert not any((ord(character) < 32 and character != "\n") or 0x7F <= ord(character) <= 0x9F for character in text)


def test_color():
    text = render([finding(1, 1, hint="do")], {"f": "a"}, color=True)
    assert "\x1b[31mrule\x1b[0m" in text
    assert "\x1b[31m^\x1b[0m" in text
    assert "\x1b[33m" in render([finding(1, 1, severity="warning")], {"f": "a"}, color=True)
