"""Errors as problem JSON."""

from __future__ import annotations

import pytest

from engine.errors import Code, Diagnostic, ErrorValue, Place
from nodes.network.problem import problem_of


def test_an_error_of_the_client_tells_all_that_helps():
    error = ErrorValue(
        "no", Code.CONFLICT, (ErrorValue("why"),), Place("a", 1), "do this", (Diagnostic("rule", "text"),)
    )
    found = problem_of(error, request_id="r", development=False)
    [finding] = found.pop("errors")
    assert (finding["code"], finding["message"]) == ("rule", "text")
    assert found == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "no: why",
        "code": "conflict",
        "hint": "do this",
    }


@pytest.mark.parametrize("code", [Code.INTERNAL, Code.EXPRESSION, Code.DROPPED])
def test_an_error_of_ours_tells_its_id_only(code):
    error = ErrorValue("secret", code, hint="secret", details="secret")
    assert "secret" not in str(problem_of(error, request_id="r", development=False))
    assert problem_of(error, request_id="r", development=False)["id"] == "r"
    assert problem_of(error, request_id="r", development=True)["detail"] == "secret"
