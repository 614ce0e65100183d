"""Checking specs before they are written, or because somebody asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from engine.errors import Diagnostic, Place
from engine.spec.model import Spec, Value
from engine.store.protocol import Store
from engine.store.write import Outcome


def check(specs: Sequence[Spec], *, existing: Iterable[Spec] = (), strict: bool = False) -> list[Diagnostic]:
    """All that is wrong with specs: fields, code, links and ports, beside `existing`, what the store holds.

    With `strict` every warning is an error.
    """
    from engine.graph.check import check_specs
    from engine.graph.scheme import Scheme
    from engine.language.registry import default_languages

    # A check runs nothing, so Python is compiled here too; whether it may run, the daemon's own config says.
    languages = default_languages(python=True)
    try:
        found = check_specs(specs, scheme=Scheme.installed(), languages=languages, existing=existing, strict=strict)
    finally:
        languages.close()
    return harden(found) if strict else found


async def outlook(store: Store, outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """What outcomes would change in what runs, thought out from what the store holds."""
    from engine.daemon.outlook import changes_of, imagined
    from engine.graph.scheme import Scheme
    from engine.language.registry import default_languages

    languages = default_languages(python=True)
    try:
        scheme = Scheme.installed()
        return [
            effect.to_json()
            for namespace, changes in changes_of(outcomes).items()
            for effect in await imagined(store, namespace, changes, scheme=scheme, languages=languages)
        ]
    finally:
        languages.close()


def nameless(items: Iterable[Spec | Value]) -> list[Diagnostic]:
    """An error for each item without name and id: to write it twice would make two of it."""
    return [
        Diagnostic(
            "missing-name",
            f"a {'spec' if isinstance(item, Spec) else 'value'} that is applied needs a name",
            item.origin.place() if item.origin is not None else Place(),
            "give it a name, so that the next apply finds it",
        )
        for item in items
        if not (item.id or item.name)
    ]


def harden(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The same findings, all of them errors."""
    return [replace(finding, severity="error") for finding in found]


def has_errors(found: Iterable[Diagnostic]) -> bool:
    return any(finding.severity == "error" for finding in found)
