"""Specs, values, daemons, processes and trials as they are shown: documents for machines, names for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from engine.cli.target import RunningProcess
from engine.spec.model import Spec, Value
from engine.spec.yaml import dump
from engine.store.instance import Instance
from engine.store.shown import document_of
from engine.store.trial import Trial

Subject = Spec | Value | Instance | RunningProcess | Trial


def document(item: Subject, *, reveal: bool = False) -> dict[str, Any]:
    """Everything about an item, as `apply` takes it: what was written, with id, namespace and revision.

    The data of a value is hidden unless it is to be revealed; `apply` refuses it hidden.
    """
    if isinstance(item, (Instance, RunningProcess, Trial)):
        return item.to_json()
    return document_of(item, reveal=reveal)


def label(item: Subject) -> str:
    """`kind/name`, as messages and `-o name` have it."""
    if isinstance(item, RunningProcess):
        return f"process/{item.id}"
    if isinstance(item, (Instance, Trial)):
        return f"{type(item).__name__.lower()}/{item.id}"
    return item.label


def as_json(data: Any) -> str:
    """JSON for machines that people can read too."""
    return json.dumps(data, ensure_ascii=False, indent=2)


def as_json_line(data: Any) -> str:
    """JSON on one line."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def serialize(items: Sequence[Subject], output: str, *, single: bool = False, reveal: bool = False) -> str:
    """Items as `json`, `yaml` or `name`: a list, or the one object if `single`. `reveal` shows the data of values."""
    if output == "name":
        return "".join(f"{label(item)}\n" for item in items)
    documents = [document(item, reveal=reveal) for item in items]
    data = documents[0] if single and len(documents) == 1 else documents
    return dump(data) if output == "yaml" else as_json(data) + "\n"
