"""The head of a response, as it goes over the wire."""

from __future__ import annotations

import time
from email.utils import formatdate

from nodes.network.problem import reason_phrase
from nodes.network.response import Response


class Clock:
    """The Date header, written once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def date(self) -> str:
        """Now, as in `Sun, 06 Nov 1994 08:49:37 GMT`."""
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._text = formatdate(now, usegmt=True)
        return self._text


def head_of(
    response: Response, length: int | None, *, date: str, request_id: str, keep_alive: bool, is_old: bool
) -> bytes:
    """Status line and header, with the empty line at their end.

    `length` is that of the body in bytes, None for a stream. `is_old` tells of a client that speaks HTTP/1.0: it knows
    no chunks, and must be told when a connection stays open. A `Date` or `X-Request-Id` of the response itself wins.
    """
    status = response.status
    reason = response.reason if response.reason is not None else reason_phrase(status)
    if keep_alive and not is_old and not response.lines and length is not None and response.content_type is not None:
        # Nearly every response; the rest says the same, line by line.
        return (
            f"HTTP/1.1 {status} {reason}\r\nContent-Type: {response.content_type}\r\nDate: {date}\r\n"
            f"X-Request-Id: {request_id}\r\nContent-Length: {length}\r\n\r\n"
        ).encode()
    lines = [f"HTTP/1.1 {status} {reason}"]
    if response.content_type is not None:
        lines.append(f"Content-Type: {response.content_type}")
    lines += [f"{name}: {value}" for name, value in response.lines if name != "Connection"]
    names = {name for name, _ in response.lines}
    if "Date" not in names:
        lines.append(f"Date: {date}")
    if "X-Request-Id" not in names:
        lines.append(f"X-Request-Id: {request_id}")
    if not keep_alive:
        lines.append("Connection: close")
    elif is_old:
        lines.append("Connection: keep-alive")
    if length is None:
        if not is_old:
            lines.append("Transfer-Encoding: chunked")
    elif not response.has_no_body:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
