"""Media types: `text/html; charset=utf-8`, taken apart, and the choice of one by an Accept header."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

_PARAMETER = re.compile(r';\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"\s]*))\s*')
_QUOTED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type: its name in lower case, `text/html`, and its parameters, their names in lower case."""

    name: str
    parameters: Mapping[str, str]

    @property
    def is_json(self) -> bool:
        """Whether it is JSON, or a format built on JSON."""
        return self.name == "application/json" or self.name.endswith("+json")


@lru_cache(maxsize=256)
def parse_media_type(text: str) -> MediaType | None:
    """Take a Content-Type apart; None for one that is empty or no media type at all."""
    name, _, _ = text.partition(";")
    name = name.strip().lower()
    if "/" not in name:
        return None
    parameters = {
        match[1].lower(): _QUOTED.sub(r"\1", match[2]) if match[2] is not None else match[3]
        for match in _PARAMETER.finditer(text)
    }
    return MediaType(name, MappingProxyType(parameters))


@lru_cache(maxsize=1024)
def negotiate(accept: str, offers: tuple[str, ...]) -> str:
    """The offer that an Accept header prefers; the first of those that it likes equally well.

    Where it likes none, the first offer: an answer in another form is of more use than none (RFC 9110, 12.4.1).
    """
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    best, best_quality = offers[0], 0.0
    for offer in offers:
        quality = _quality(offer, ranges)
        if quality > best_quality:
            best, best_quality = offer, quality
    return best


def _range(text: str) -> tuple[str, float]:
    media = parse_media_type(text)
    if media is None:
        return "", 0.0
    try:
        quality = float(media.parameters.get("q", "1"))
    except ValueError:
        quality = 0.0
    return media.name, min(max(quality, 0.0), 1.0)


def _quality(offer: str, ranges: list[tuple[str, float]]) -> float:
    """The quality of the most specific range that an offer is in."""
    family = offer.partition("/")[0] + "/*"
    for wanted in (offer, family, "*/*"):
        found = [quality for name, quality in ranges if name == wanted]
        if found:
            return max(found)
    return 0.0
