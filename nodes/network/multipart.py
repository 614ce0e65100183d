"""`multipart/form-data` (RFC 7578), from bytes that are complete."""

from __future__ import annotations

from typing import Any

from engine.errors import InvalidError
from nodes.network.header import canonical, decoded_value
from nodes.network.media import MediaType, parse_media_type

MAX_PARTS = 1000
"""Parts of one body: a body of nothing but tiny parts costs far more memory than it has bytes."""


def parse_multipart(data: bytes, media: MediaType) -> dict[str, Any]:
    """`{values: {name: [texts]}, files: {name: [{filename, header, size, data}]}}`.

    A part with a file name is a file, its `data` are bytes; others are text. Raises
    :class:`~engine.errors.InvalidError` for what is malformed.
    """
    boundary = media.parameters.get("boundary", "")
    if not boundary or len(boundary) > 70 or not boundary.isascii():
        raise InvalidError("malformed multipart body: its Content-Type has no usable boundary")
    values: dict[str, list[str]] = {}
    files: dict[str, list[dict[str, Any]]] = {}
    for part in _parts(data, b"--" + boundary.encode()):
        header, content = _split(part)
        name, filename = _disposition(header)
        if filename is None:
            values.setdefault(name, []).append(_text(content, header))
        else:
            file = {"filename": filename, "header": header, "size": len(content), "data": content}
            files.setdefault(name, []).append(file)
    return {"values": values, "files": files}


def _parts(data: bytes, delimiter: bytes) -> list[bytes]:
    """What stands between the delimiters, each of which is a line of its own."""
    if data.startswith(delimiter):
        position = len(delimiter)
    else:
        position = data.find(b"\r\n" + delimiter)
        if position < 0:
            raise InvalidError("malformed multipart body: its boundary does not occur")
        position += 2 + len(delimiter)
    parts: list[bytes] = []
    while not data.startswith(b"--", position):
        line_end = data.find(b"\r\n", position)
        if line_end < 0 or data[position:line_end].strip(b" \t"):
            raise InvalidError("malformed multipart body: there is something behind a boundary")
        # A part without content and header ends at the line break that begins it.
        end = data.find(b"\r\n" + delimiter, line_end)
        if end < 0:
            raise InvalidError("malformed multipart body: it ends within a part")
        parts.append(data[line_end + 2 : end])
        if len(parts) > MAX_PARTS:
            raise InvalidError(f"the multipart body has more than {MAX_PARTS} parts")
        position = end + 2 + len(delimiter)
    return parts


def _split(part: bytes) -> tuple[dict[str, list[str]], bytes]:
    head, separator, content = part.partition(b"\r\n\r\n")
    if not separator:
        raise InvalidError("malformed multipart body: a part has no end of its header")
    header: dict[str, list[str]] = {}
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon:
            raise InvalidError("malformed multipart body: a header of a part has no colon")
        header.setdefault(canonical(name.strip().decode("latin-1")), []).append(decoded_value(value.strip()))
    return header, content


def _disposition(header: dict[str, list[str]]) -> tuple[str, str | None]:
    """The name of a part, and its file name if it has one."""
    lines = header.get("Content-Disposition", [""])
    # A disposition is no media type, but has parameters like one.
    disposition = parse_media_type("x/" + lines[0])
    if disposition is None or disposition.name != "x/form-data" or "name" not in disposition.parameters:
        raise InvalidError("malformed multipart body: a part has no name")
    return _unescaped(disposition.parameters["name"]), (
        _unescaped(disposition.parameters["filename"]) if "filename" in disposition.parameters else None
    )


def _unescaped(name: str) -> str:
    """Browsers percent-encode what would end the quotes (the HTML standard, "multipart/form-data encoding")."""
    return name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _text(content: bytes, header: dict[str, list[str]]) -> str:
    media = parse_media_type(header["Content-Type"][0]) if "Content-Type" in header else None
    charset = media.parameters.get("charset", "utf-8") if media is not None else "utf-8"
    try:
        return content.decode(charset)
    except (UnicodeDecodeError, LookupError, ValueError):
        raise InvalidError(f"malformed multipart body: a value is not {charset}") from None
