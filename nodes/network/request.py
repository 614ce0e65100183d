"""The payload of a request.

Its shape is `{method, scheme, host, path, query: {name: [values]}, protocol, header: {Name: [values]}, body, remote}`;
`router` adds `params`. All is text except `body`, which is null where the request has none.

`path` has its percent-encoding undone except for `%2F` and `%25`: a slash or a percent sign that was encoded stays so,
else nobody could tell `/a%2Fb`, one segment, from `/a/b`, which are two.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_plus

from aiohttp.http import RawRequestMessage

from engine.errors import InvalidError
from nodes.network.header import decoded_name, decoded_value

_PROTOCOLS = {(1, 1): "HTTP/1.1", (1, 0): "HTTP/1.0"}
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_KEPT = re.compile(r"%(?:2[Ff]|25)")
_ABSOLUTE = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)


def payload_of(message: RawRequestMessage, remote: str) -> dict[str, Any]:
    """The payload of a request, its body still null.

    Raises :class:`~engine.errors.InvalidError` for a target that is not UTF-8.
    """
    target: str = message.path
    header: dict[str, list[str]] = {}
    for raw_name, raw_value in message.raw_headers:
        name = decoded_name(raw_name)
        if name in header:
            header[name].append(decoded_value(raw_value))
        else:
            header[name] = [decoded_value(raw_value)]
    host = header["Host"][0] if "Host" in header else ""
    if target[0] != "/":
        absolute = _ABSOLUTE.match(target)
        if absolute is not None:
            host = absolute[1].rpartition("@")[2]
            target = target[absolute.end() :]
            if target[:1] != "/":
                target = "/" + target
    path, mark, query = target.partition("?")
    if not target.isascii():
        path, query = _utf8(path), _utf8(query)
    return {
        "method": message.method,
        "scheme": "http",
        "host": host,
        "path": unescaped_path(path) if "%" in path else path,
        "query": parse_form(query) if mark else {},
        "protocol": _PROTOCOLS.get(message.version) or f"HTTP/{message.version.major}.{message.version.minor}",
        "header": header,
        "body": None,
        "remote": remote,
    }


def unescaped_path(path: str) -> str:
    """The path without its percent-encoding, but for slashes, percent signs, and bytes that are no UTF-8."""
    return _ESCAPES.sub(_unescaped, path)


def unescaped_segment(segment: str) -> str:
    """One segment of a path without any percent-encoding; bytes that are no UTF-8 stay as they are."""
    return _ESCAPES.sub(_decoded, segment) if "%" in segment else segment


def parse_form(text: str) -> dict[str, list[str]]:
    """`a=1&b=x+y&a=2` → `{"a": ["1", "2"], "b": ["x y"]}`."""
    form: dict[str, list[str]] = {}
    for pair in text.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if "%" in pair or "+" in pair:
            name, value = unquote_plus(name), unquote_plus(value)
        if name in form:
            form[name].append(value)
        else:
            form[name] = [value]
    return form


def _unescaped(match: re.Match[str]) -> str:
    pieces = _KEPT.split(match[0])
    kept = [each.upper() for each in _KEPT.findall(match[0])]
    decoded = [_bytes_as_text(piece) for piece in pieces]
    return decoded[0] + "".join(escape + text for escape, text in zip(kept, decoded[1:], strict=True))


def _decoded(match: re.Match[str]) -> str:
    return _bytes_as_text(match[0])


def _bytes_as_text(escapes: str) -> str:
    try:
        return bytes.fromhex(escapes.replace("%", "")).decode()
    except UnicodeDecodeError:
        return escapes


def _utf8(text: str) -> str:
    """Text that the parser read as UTF-8, with surrogates for bytes that are none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidError("the target of the request is not UTF-8", hint="percent-encode it") from None
    return text
