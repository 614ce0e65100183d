"""JSON merge patch, RFC 7396."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any


def merge_patch(document: Any, patch: Any) -> Any:
    """What `document` becomes under `patch`, as new data that shares nothing with either.

    A map is merged key by key, null removes a key, everything else takes the place of what was there. Keys keep their
    order, new ones come last.
    """
    if not isinstance(patch, Mapping):
        return deepcopy(patch)
    merged = (
        {key: deepcopy(value) for key, value in document.items() if key not in patch or patch[key] is not None}
        if isinstance(document, Mapping)
        else {}
    )
    for key, change in patch.items():
        if change is not None:
            merged[key] = merge_patch(merged.get(key), change)
    return merged
