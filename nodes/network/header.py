"""Names and values of HTTP headers: how payloads spell them, and what may be sent.

In payloads a header name has its canonical spelling, `Content-Type`, and its value is a list with one text for each
line that arrived.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from engine.errors import WeirError

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

FRAMING = frozenset(
    {"Content-Length", "Transfer-Encoding", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Upgrade"}
)
"""Headers of a response that are the server's own business: what a flow says about them is ignored."""

REQUEST_ONLY = frozenset(
    {
        "Accept",
        "Accept-Charset",
        "Accept-Encoding",
        "Accept-Language",
        "Authorization",
        "Cookie",
        "Expect",
        "Forwarded",
        "Host",
        "If-Match",
        "If-Modified-Since",
        "If-None-Match",
        "If-Range",
        "If-Unmodified-Since",
        "Max-Forwards",
        "Proxy-Authorization",
        "Range",
        "Referer",
        "Traceparent",
        "Tracestate",
        "User-Agent",
    }
)
"""Headers that no response has. A flow that answers with the request itself does not hand them back."""


@lru_cache(maxsize=1024)
def canonical(name: str) -> str:
    """`content-type` → `Content-Type`."""
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


@lru_cache(maxsize=1024)
def decoded_name(name: bytes) -> str:
    """The canonical spelling of a name as it came."""
    return canonical(name.decode("latin-1"))


def decoded_value(value: bytes) -> str:
    """The text of a value: UTF-8 where it is that, else Latin-1, in which every byte means something."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def outgoing(header: Any) -> Iterator[tuple[str, str]]:
    """The lines of a response's `header`: a map of names to a value or a list of values.

    Raises :class:`~engine.errors.WeirError` for what cannot be sent, such as a line break within a value: sending it
    would let whoever supplied the value write headers of his own.
    """
    if header is None:
        return
    if not isinstance(header, Mapping):
        raise WeirError(f"`header` of a response is a map, not {type(header).__name__}")
    for key, value in header.items():
        name = canonical(str(key))
        if name in FRAMING or name in REQUEST_ONLY:
            continue
        if _TOKEN.fullmatch(name) is None:
            raise WeirError(f"a response cannot have a header named {key!r}")
        values: Iterable[Any] = value if isinstance(value, (list, tuple)) else (value,)
        for each in values:
            if each is not None:
                yield name, _line(name, each)


def _line(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if not isinstance(value, str):
        raise WeirError(f"the header {name} of a response is text, not {type(value).__name__}")
    if _CONTROL.search(value) is not None:
        raise WeirError(f"the header {name} of a response has a line break or another control character in it")
    return value.strip(" \t")
