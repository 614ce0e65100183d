"""The URL of a store as it may be shown: in a log, in a message, to whoever asks."""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "***"
"""Stands where a secret was."""


def shown(url: str) -> str:
    """`url` without its password and without its options, which may hold secrets too.

    Works on what is no URL as well, for that is when messages show it: where it cannot tell which part is the password,
    it shows none of them.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return HIDDEN if "@" in url else url
    if scheme.lower() in ("sqlite", "memory"):
        return url  # a path, whatever it looks like
    end = re.search(r"[/?#]", rest)
    authority, path = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    if "@" in authority:
        login, _, authority = authority.rpartition("@")
        user, colon, _ = login.partition(":")
        authority = f"{user}:{HIDDEN}@{authority}" if colon else f"{user}@{authority}"
    elif "@" in path:  # a password with a slash in it, perhaps
        return f"{scheme}://{HIDDEN}"
    return f"{scheme}://{authority}{re.split('[?#]', path)[0]}"
