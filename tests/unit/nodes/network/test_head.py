"""Heads of responses, compared as a whole."""

from __future__ import annotations

import pytest

from nodes.network.head import Clock, head_of
from nodes.network.response import Response


def head(response, length=0, **options):
    options = {"date": "D", "request_id": "R", "keep_alive": True, "is_old": False, **options}
    return head_of(response, length, **options).decode().split("\r\n")


@pytest.mark.parametrize(
    ("response", "options", "expected"),
    [
        (
            Response(200, b"", "text/plain"),
            {"length": 5},
            ["HTTP/1.1 200 OK", "Content-Type: text/plain", "Date: D", "X-Request-Id: R", "Content-Length: 5"],
        ),
        (Response(204), {}, ["HTTP/1.1 204 No Content", "Date: D", "X-Request-Id: R"]),
        (
            Response(299, reason="Fine", lines=(("Date", "mine"), ("X-Request-Id", "mine"), ("Connection", "close"))),
            {"keep_alive": False},
            [
                "HTTP/1.1 299 Fine",
                "Date: mine",
                "X-Request-Id: mine",
                "Connection: close",
                "Content-Length: 0",
            ],
        ),
        (
            Response(200),
            {"length": None},
            ["HTTP/1.1 200 OK", "Date: D", "X-Request-Id: R", "Transfer-Encoding: chunked"],
        ),
        (
            Response(200),
            {"length": None, "is_old": True, "keep_alive": False},
            ["HTTP/1.1 200 OK", "Date: D", "X-Request-Id: R", "Connection: close"],
        ),
        (
            Response(200, b"", "a/b"),
            {"is_old": True},
            [
                "HTTP/1.1 200 OK",
                "Content-Type: a/b",
                "Date: D",
                "X-Request-Id: R",
                "Connection: keep-alive",
                "Content-Length: 0",
            ],
        ),
    ],
)
def test_a_head(response, options, expected):
    assert head(response, **options) == [*expected, "", ""]


def test_the_date_is_written_once_a_second(monkeypatch):
    times = iter([784111777.1, 784111777.9, 784111778.0])
    monkeypatch.setattr("nodes.network.head.time.time", lambda: next(times))
    clock = Clock()
    first = clock.date()
    assert first == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert clock.date() is first
    assert clock.date() == "Sun, 06 Nov 1994 08:49:38 GMT"
