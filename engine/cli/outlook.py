"""What a dry run tells: a line for every document that would be written, and for everything else that it would move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.cli.console import Console
from engine.cli.shown import as_json, document
from engine.cli.table import render
from engine.cli.target import Outlook
from engine.spec.model import Spec, Value
from engine.spec.yaml import dump
from engine.store.write import Outcome

_HEADER: Final = ("SPEC", "WRITTEN", "PLAN", "NODES", "STATE", "REASON")
_WORDS: Final = {"deleted": "pruned"}


def tell(console: Console, outlook: Outlook, *, output: str | None = None, prune: bool = False) -> None:
    """Print the plan: a table, or with `output` (json, yaml, name) what machines read.

    `prune` says that deletions are called pruned.
    """
    if output == "name":
        console.data("".join(f"{_label(outcome)}\n" for outcome in outlook.outcomes))
        return
    if output is not None:
        form = _form(outlook)
        console.data(dump(form) if output == "yaml" else as_json(form))
        return
    words = _WORDS if prune else {}
    for line in render(_HEADER, _rows(outlook, words)):
        console.write(line)
    untold = "" if outlook.asked else "; no daemon was asked, this is told from what is stored"
    console.note(f"dry run: nothing is written{untold}")


def _rows(outlook: Outlook, words: Mapping[str, str]) -> list[list[str]]:
    effects = {effect["id"]: effect for effect in outlook.effects}
    rows = []
    for outcome in outlook.outcomes:
        action = words.get(outcome.action, outcome.action)
        rows.append([_label(outcome), action, *_cells(effects.pop(outcome.id, None))])
    rows += [[f"{each['kind']}/{each['name'] or each['id']}", "-", *_cells(each)] for each in effects.values()]
    return rows


def _cells(effect: Mapping[str, Any] | None) -> Sequence[str]:
    if effect is None:
        return "-", "-", "-", ""
    made = f"{effect['made']} of {effect['nodes']}" if effect["made"] else "-"
    return effect["action"], made, effect["state"], effect["reason"]


def _form(outlook: Outlook) -> dict[str, Any]:
    outcomes = []
    for outcome in outlook.outcomes:
        subject = _subject(outcome)
        item = document(subject) if subject is not None else {"id": outcome.id, "namespace": outcome.namespace}
        outcomes.append({"action": outcome.action, "item": item})
    return {"outcomes": outcomes, "plan": [dict(effect) for effect in outlook.effects], "asked": outlook.asked}


def _subject(outcome: Outcome) -> Spec | Value | None:
    return outcome.spec if outcome.spec is not None else outcome.value


def _label(outcome: Outcome) -> str:
    subject = _subject(outcome)
    return subject.label if subject is not None else f"{outcome.resource}/{outcome.name or outcome.id}"
