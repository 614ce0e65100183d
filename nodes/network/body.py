"""Bodies of requests: from bytes to a payload, by Content-Encoding and Content-Type.

| Content-Type | payload |
| --- | --- |
| `application/json`, `…+json` | the value; whole numbers stay whole |
| `application/x-www-form-urlencoded` | `{name: [values]}` |
| `multipart/form-data` | `{values: {name: [texts]}, files: {name: [{filename, header, size, data}]}}` |
| `text/…` | text, by its charset (UTF-8 if none is named) |
| anything else, or none | bytes |

An empty body is null, whatever its type.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any, Final

from engine.errors import Code, InvalidError, WeirError
from nodes.network.media import MediaType, parse_media_type
from nodes.network.multipart import parse_multipart
from nodes.network.request import parse_form

MAX_CODINGS = 3
"""Content codings one above the other; more of them are no request that anybody means."""


def decode_body(data: bytes, header: dict[str, list[str]], *, limit: int) -> Any:
    """The payload of a request's body. `limit` bounds its size in bytes after decompression, too.

    Raises :class:`~engine.errors.InvalidError` for a malformed body, and :class:`~engine.errors.WeirError` with the
    code `too_large` or `unsupported_media`.
    """
    for coding in _codings(header):
        data = decompress(data, coding, limit=limit)
    if not data:
        return None
    media = parse_media_type(header["Content-Type"][0]) if "Content-Type" in header else None
    if media is None:
        return data
    if media.is_json:
        return decode_json(data)
    if media.name == "application/x-www-form-urlencoded":
        return parse_form(_text(data, media))
    if media.name == "multipart/form-data":
        return parse_multipart(data, media)
    if media.name.startswith("text/"):
        return _text(data, media)
    return data


def decode_json(data: bytes) -> Any:
    """A JSON text, strictly: no NaN, no Infinity. Raises :class:`~engine.errors.InvalidError` with line and column."""
    try:
        text = data.decode() if 0 not in data[:4] else data.decode(json.detect_encoding(data))
        return _JSON.decode(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        reason = f"malformed JSON at line {error.lineno} column {error.colno}: {error.msg}"
        raise InvalidError(reason) from None
    except UnicodeDecodeError as error:
        raise InvalidError(f"malformed JSON: byte {error.start + 1} is not UTF-8") from None
    except RecursionError:
        raise InvalidError("malformed JSON: it is nested too deeply") from None
    except ValueError as error:
        raise InvalidError(f"malformed JSON: {error}") from None


def decompress(data: bytes, coding: str, *, limit: int) -> bytes:
    """Undo one content coding. What grows beyond `limit` bytes is refused before it is inflated further."""
    if coding == "identity" or not data:
        return data
    if coding in ("gzip", "x-gzip"):
        return _inflate(data, coding, lambda: zlib.decompressobj(31), limit)
    if coding == "deflate":
        # The standard means zlib's format, but some clients send the bare stream.
        is_zlib = len(data) >= 2 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
        return _inflate(data, coding, lambda: zlib.decompressobj(15 if is_zlib else -15), limit)
    raise WeirError(
        f"the content coding {coding!r} is not supported",
        code=Code.UNSUPPORTED_MEDIA,
        hint="send the body as gzip, deflate, or without a Content-Encoding",
    )


def too_large(limit: int) -> WeirError:
    """The error of a body beyond `limit` bytes."""
    return WeirError(f"the body is larger than {limit} bytes", code=Code.TOO_LARGE)


def _inflate(data: bytes, coding: str, start: Callable[[], Any], limit: int) -> bytes:
    parts: list[bytes] = []
    room = limit
    while data:
        # A gzip body may consist of several members, one behind the other.
        stream = start()
        try:
            part = stream.decompress(data, room + 1)
        except zlib.error as error:
            raise InvalidError(f"malformed {coding} body: {error}") from None
        room -= len(part)
        if room < 0:
            raise too_large(limit)
        if not stream.eof:
            raise InvalidError(f"malformed {coding} body: it ends too early")
        parts.append(part)
        data = stream.unused_data
    return b"".join(parts)


def _codings(header: dict[str, list[str]]) -> list[str]:
    """The content codings, the one to undo first first."""
    lines = header.get("Content-Encoding")
    if lines is None:
        return []
    codings = [name.strip().lower() for line in lines for name in line.split(",") if name.strip()]
    if len(codings) > MAX_CODINGS:
        raise WeirError(f"{len(codings)} content codings at one time are not supported", code=Code.UNSUPPORTED_MEDIA)
    return codings[::-1]


def _text(data: bytes, media: MediaType) -> str:
    charset = media.parameters.get("charset", "utf-8")
    try:
        return data.decode(charset)
    except UnicodeDecodeError as error:
        raise InvalidError(f"malformed text: byte {error.start + 1} is not {charset}") from None
    except (LookupError, ValueError):
        raise WeirError(
            f"the charset {charset!r} is not supported", code=Code.UNSUPPORTED_MEDIA, hint="send the text as UTF-8"
        ) from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_JSON: Final = json.JSONDecoder(parse_constant=_no_constant)
"""Made once: `json.loads` makes one for each text, which takes longer than to read a short one."""
