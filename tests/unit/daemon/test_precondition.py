from __future__ import annotations

import pytest

from engine.daemon.precondition import NO_CONDITION, Precondition
from engine.errors import Code, InvalidError, WeirError


@pytest.mark.parametrize("value", ['"12"', ['"12"'], "12", 'W/"12"', 12, ' "12" '])
def test_a_revision(value):
    assert Precondition.of(value) == Precondition(revision=12)


def test_the_others():
    assert Precondition.of(None, None) == Precondition.of([], []) == NO_CONDITION
    assert Precondition.of("*") == Precondition(exists=True)
    assert Precondition.of(None, ["*"]) == Precondition(exists=False)
    assert not NO_CONDITION.given
    assert all(each.given for each in (Precondition(0), Precondition(exists=True), Precondition(exists=False)))


@pytest.mark.parametrize(
    ("match", "none_match", "says"),
    [
        ("²", None, "must be a revision in quotes"),
        ("", None, "must be a revision in quotes"),
        ('"1", "2"', None, "must be a revision in quotes"),
        ("9" * 5000, None, "must be a revision in quotes"),
        ("-1", None, "must be a revision in quotes"),
        (["1", "2"], None, "must name one revision"),
        ("1", "*", "exclude each other"),
        (None, '"1"', r"If-None-Match must be \*"),
    ],
)
def test_what_means_nothing(match, none_match, says):
    with pytest.raises(InvalidError, match=says):
        Precondition.of(match, none_match)


@pytest.mark.parametrize(
    ("condition", "current"),
    [
        (NO_CONDITION, None),
        (NO_CONDITION, 3),
        (Precondition(3), 3),
        (Precondition(exists=True), 3),
        (Precondition(exists=False), None),
    ],
)
def test_what_holds(condition, current):
    condition.check("snippet/a", current)


@pytest.mark.parametrize(
    ("condition", "current", "says"),
    [
        (Precondition(3), 4, "If-Match names revision 3, but snippet/a is at revision 4"),
        (Precondition(3), None, "If-Match names revision 3, but snippet/a is not there"),
        (Precondition(exists=True), None, "snippet/a is not there"),
        (Precondition(exists=False), 4, "snippet/a is at revision 4"),
    ],
)
def test_what_does_not_hold(condition, current, says):
    with pytest.raises(WeirError, match=says) as caught:
        condition.check("snippet/a", current)
    assert caught.value.code is Code.PRECONDITION
    assert caught.value.code.http == 412
