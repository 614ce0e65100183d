"""Checking specs before they are written, or because somebody asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from engine.errors import Diagnostic
from engine.spec.model import Spec


def check(specs: Sequence[Spec], *, existing: Iterable[Spec] = (), strict: bool = False) -> list[Diagnostic]:
    """All that is wrong with specs: fields, code, links and ports, beside `existing`, what the store holds.

    With `strict` every warning is an error.
    """
    from engine.graph.check import check_specs
    from engine.graph.scheme import Scheme
    from engine.language.registry import default_languages

    languages = default_languages()
    try:
        found = check_specs(specs, scheme=Scheme.installed(), languages=languages, existing=existing, strict=strict)
    finally:
        languages.close()
    return harden(found) if strict else found


def harden(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The same findings, all of them errors."""
    return [replace(finding, severity="error") for finding in found]


def has_errors(found: Iterable[Diagnostic]) -> bool:
    return any(finding.severity == "error" for finding in found)
