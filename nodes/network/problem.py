"""Errors as HTTP answers: problem JSON (RFC 9457).

`{type, title, status, detail, code, …}`. What went wrong inside is nobody's business but the operator's: unless in
development mode, an answer with status 500 tells the request's id, with which the log has the rest.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from engine.errors import Code, Diagnostic, ErrorValue

MEDIA_TYPE = "application/problem+json"

_PHRASES = {status.value: status.phrase for status in HTTPStatus} | {
    413: "Content Too Large",
    422: "Unprocessable Content",
    499: "Client Closed Request",
}


def reason_phrase(status: int) -> str:
    """`404` → `Not Found`; nothing for a status that has no name."""
    return _PHRASES.get(status, "")


def problem(status: int, detail: str | None = None, **members: Any) -> dict[str, Any]:
    """A problem object. Members that are None are left out."""
    form: dict[str, Any] = {"type": "about:blank", "title": reason_phrase(status) or "Error", "status": status}
    if detail is not None:
        form["detail"] = detail
    form.update((name, value) for name, value in members.items() if value is not None)
    return form


def problem_of(error: ErrorValue, *, request_id: str | None, development: bool) -> dict[str, Any]:
    """The problem object of an error."""
    status = error.code.http
    secret = status >= 500 and error.code not in (Code.DEADLINE, Code.UNAVAILABLE)
    if secret and not development:
        return problem(status, code=error.code.label, id=request_id)
    return problem(
        status,
        error.text,
        code=error.code.label,
        id=request_id if status >= 500 else None,
        hint=error.hint,
        place=str(error.place) if development and error.place is not None else None,
        errors=_findings(error.details),
    )


def _findings(details: Any) -> list[dict[str, Any]] | None:
    """The single findings of an error that has several, as `weir lint` would show them."""
    if not isinstance(details, (list, tuple)) or not details:
        return None
    if not all(isinstance(each, Diagnostic) for each in details):
        return None
    return [each.to_json() for each in details]
