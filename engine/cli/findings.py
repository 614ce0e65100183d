"""Findings that a daemon tells, back in the shape in which they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import Diagnostic, Place


def finding(form: Mapping[str, Any]) -> Diagnostic:
    """Read :meth:`engine.errors.Diagnostic.to_json`'s form; what it lacks is not known."""
    place = Place(form.get("file"), form.get("line") or 0, form.get("column") or 0)
    return Diagnostic(
        str(form.get("code", "invalid")),
        str(form.get("message", "")),
        place,
        form.get("hint"),
        "warning" if form.get("severity") == "warning" else "error",
        path=tuple(form.get("path") or ()),
    )
