"""Answers as HTTP responses.

A map with any of `status`, `header` and `body` is a response; it may name a `reason`, too. Everything else is the body
of a response with status 200; *none* is one without a body. The encoding of a body:

| body | without a Content-Type | offered to Accept |
| --- | --- | --- |
| text | `text/plain; charset=utf-8` | text, JSON |
| bytes, a stream of bytes | `application/octet-stream` | |
| anything else | `application/json` | |

A Content-Type that the response names decides: JSON, form and text are encoded as such, bytes are sent as they are.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from engine.errors import WeirError
from engine.flow import NONE
from engine.language.json_form import to_json_value
from nodes.network.header import outgoing
from nodes.network.media import MediaType, negotiate, parse_media_type
from nodes.network.problem import MEDIA_TYPE as PROBLEM
from nodes.network.problem import reason_phrase

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
FORM = "application/x-www-form-urlencoded"

# Made once: `json.dumps` makes one for each value.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_ASCII_JSON = json.JSONEncoder(separators=(",", ":"))

_REASON = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
_NO_BODY = frozenset({204, 205, 304})
_TEXT_OFFERS = ("text/plain", JSON)


@dataclass(slots=True)  # not frozen: that would double the cost of making one, and there is one a request
class Response:
    """What is to be sent: the status, header lines, and the body as bytes or as a stream of bytes.

    `lines` have neither framing (Content-Length and the like) nor what the server adds by itself.
    """

    status: int
    body: bytes | AsyncIterable[Any] = b""
    content_type: str | None = None
    lines: tuple[tuple[str, str], ...] = ()
    reason: str | None = None

    @property
    def has_no_body(self) -> bool:
        """Whether the status forbids a body."""
        return self.status in _NO_BODY


EMPTY = Response(200)


def response_of(answer: Any, accept: str | None) -> Response:
    """The response that an answer, which is no error, stands for. `accept` is the request's Accept header.

    Raises :class:`~engine.errors.WeirError` for what cannot be sent: a status that is none, a header with a line break.
    """
    if type(answer) is str and accept is None:
        return Response(200, _utf8(answer), TEXT)
    if answer is NONE:
        return EMPTY
    if isinstance(answer, Mapping) and ("status" in answer or "header" in answer or "body" in answer):
        return _from_map(answer, accept)
    content_type, body = _encoded(answer, accept)
    return Response(200, body, content_type)


def problem_response(form: dict[str, Any]) -> Response:
    """The response of a problem object."""
    return Response(form["status"], encode_json(form), PROBLEM)


def encode_json(value: Any) -> bytes:
    """A payload as JSON text. What JSON lacks takes its JSON form; text that is no Unicode is escaped."""
    value = to_json_value(value)
    try:
        return _JSON.encode(value).encode()
    except UnicodeEncodeError:
        return _ASCII_JSON.encode(value).encode()


def _from_map(answer: Mapping[str, Any], accept: str | None) -> Response:
    status = _status(answer.get("status"))
    header = answer.get("header")
    lines = list(outgoing(header)) if header else []
    declared = next((value for name, value in lines if name == "Content-Type"), None)
    coding = next((value for name, value in lines if name == "Content-Encoding"), None)
    body = answer.get("body", NONE)
    content_type, data = (None, b"") if body is NONE else _encoded(body, accept, declared)
    if status in _NO_BODY:
        if body not in (NONE, None) and data != b"":
            raise WeirError(f"a response with status {status} has no body")
        content_type, data = None, b""
    if content_type is not None:
        lines = [line for line in lines if line[0] != "Content-Type"]
    if coding is not None and isinstance(data, bytes) and data and not isinstance(body, bytes):
        data = _compressed(data, coding)
    return Response(status, data, content_type, tuple(lines), _reason(answer.get("reason")))


def _status(status: Any) -> int:
    if status is None:
        return 200
    if isinstance(status, float) and status.is_integer():
        status = int(status)
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise WeirError(f"the status of a response is a whole number from 200 to 599, not {status!r}")
    return status


def _reason(reason: Any) -> str | None:
    if reason is None:
        return None
    if not isinstance(reason, str) or _REASON.fullmatch(reason) is None:
        raise WeirError("the reason of a response is one line of text")
    return reason


def _encoded(body: Any, accept: str | None, declared: str | None = None) -> tuple[str, bytes | AsyncIterable[Any]]:
    """The Content-Type and the bytes of a body."""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return declared or BYTES, bytes(body)
    if isinstance(body, AsyncIterable):
        return declared or BYTES, body
    if declared is not None:
        media = parse_media_type(declared)
        if media is None:
            raise WeirError(f"{declared!r} is no Content-Type")
        data = _as_declared(body, media)
        if data is not None:
            return declared, data
    if isinstance(body, str):
        wanted = _TEXT_OFFERS[0] if accept is None else negotiate(accept, _TEXT_OFFERS)
        return (TEXT, _utf8(body)) if wanted != JSON else (JSON, encode_json(body))
    return JSON, encode_json(body)


def _as_declared(body: Any, media: MediaType) -> bytes | None:
    """The body in the form that a Content-Type names; None where it has no such form."""
    if media.is_json:
        return encode_json(body)
    if media.name == FORM and isinstance(body, Mapping):
        return urlencode(to_json_value(dict(body)), doseq=True).encode()
    if isinstance(body, str):
        return _in_charset(body, media)
    if media.name.startswith("text/"):
        return _in_charset(encode_json(body).decode(), media)
    return None


def _in_charset(text: str, media: MediaType) -> bytes:
    charset = media.parameters.get("charset", "utf-8")
    try:
        return text.encode(charset)
    except LookupError:
        raise WeirError(f"the charset {charset!r} of a response is not known") from None
    except UnicodeEncodeError as error:
        raise WeirError(f"the body of a response cannot be written in {charset}: {error.reason}") from None


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise WeirError(f"the body of a response cannot be written in utf-8: {error.reason}") from None


def _compressed(data: bytes, coding: str) -> bytes:
    match coding.strip().lower():
        case "identity":
            return data
        case "gzip" | "x-gzip":
            stream = zlib.compressobj(wbits=31)
        case "deflate":
            stream = zlib.compressobj()
        case _:
            raise WeirError(f"a response cannot be encoded as {coding!r}", hint="use gzip or deflate")
    return stream.compress(data) + stream.flush()


__all__ = ["EMPTY", "PROBLEM", "Response", "encode_json", "problem_response", "reason_phrase", "response_of"]
