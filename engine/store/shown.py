"""What a store holds, and its URL, as they may be shown: in a log, in a message, to whoever asks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engine.spec.model import Spec, Value
from engine.spec.secrets import HIDDEN


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


def document_of(subject: Spec | Value, *, reveal: bool = False) -> dict[str, Any]:
    """A spec or value as everybody sees it: what was written, with id, namespace and revision.

    The data of a value is hidden (:data:`~engine.spec.secrets.HIDDEN`) unless it is to be revealed.
    """
    rest = {key: item for key, item in subject.document.items() if key not in ("id", "namespace", "revision")}
    document = {"id": subject.id, "namespace": subject.namespace, **rest, "revision": subject.revision}
    return document if reveal or isinstance(subject, Spec) else hide(document)


def hide(document: Mapping[str, Any], by: str = HIDDEN) -> dict[str, Any]:
    """The document of a value with `by` in the place of its data."""
    return {key: by if key == "data" else item for key, item in document.items()}
