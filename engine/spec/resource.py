"""Specs and values as immutable data.

A spec has fields that every kind shares (`kind`, `id`, `namespace`, `name`, `labels`, `annotations`, `env`, `ports`) and
fields of its kind. :mod:`engine.spec.model` reads them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from engine.errors import Place
from engine.spec.meaning import canonical
from engine.spec.origin import Origin

DEFAULT_NAMESPACE: Final = "default"

WHOLE_VALUE: Final = "{{ . }}"
"""The data of an `env` entry that names a value and says nothing else."""

COMMON_FIELDS: Final = ("kind", "id", "namespace", "name", "labels", "annotations", "env", "ports", "links", "revision")
"""The fields that every kind shares; `links` is the old name of `ports`."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a port leads: the `port` of the node with this `id`, or else of this `name`."""

    port: str = "in"
    name: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class EnvEntry:
    """One way to fill a name of `env`: from the value with this `id` or `name`, or from the daemon's environment.

    `data` is a literal, or holds templates that take parts of the value or environment.
    """

    data: Any = WHOLE_VALUE
    name: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Spec:
    """A node as it is written. Everything in it is plain data that nobody changes.

    `fields` is what belongs to the kind, as written. `document` is the whole, as written, without `revision`. `id` is
    empty, and `revision` 0, until a store has given them. `origin` takes no part in comparisons.
    """

    kind: str
    namespace: str = DEFAULT_NAMESPACE
    id: str = ""
    name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, tuple[EnvEntry, ...]] = field(default_factory=dict)
    ports: Mapping[str, tuple[Link, ...]] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin | None = field(default=None, compare=False, repr=False)
    revision: int = 0

    @property
    def label(self) -> str:
        """How messages call it: `kind/name`, or `kind/id`, or the kind alone."""
        known = self.name or self.id
        return f"{self.kind}/{known}" if known else self.kind

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all others: its namespace, and its name or id."""
        return self.namespace, self.name or self.id

    @property
    def place(self) -> Place:
        """Where it begins."""
        return self.origin.place() if self.origin is not None else Place()

    def replace(self, **changes: Any) -> Self:
        """The same spec with some of its fields changed; `document` is changed only if it is among them."""
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Value:
    """Data with a name, from which `env` entries take. Its members mean what they mean in :class:`Spec`.

    `problem` tells why the data cannot be read: it is there, and nobody knows what it says. What it says is not in its repr.
    """

    namespace: str = DEFAULT_NAMESPACE
    id: str = ""
    name: str | None = None
    data: Any = field(default=None, repr=False)
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)
    origin: Origin | None = field(default=None, compare=False, repr=False)
    revision: int = 0
    problem: str | None = None

    @property
    def label(self) -> str:
        """How messages call it: `value/name`, or `value/id`."""
        known = self.name or self.id
        return f"value/{known}" if known else "value"

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name or self.id

    @property
    def place(self) -> Place:
        return self.origin.place() if self.origin is not None else Place()

    def replace(self, **changes: Any) -> Self:
        return dataclasses.replace(self, **changes)


def meaning(subject: Spec | Mapping[str, Any]) -> str:
    """The hash (32 hexadecimal digits) of what a spec, or any map of plain data, makes a node do.

    Of a spec only kind, name, fields, `env` and `ports` count; labels, annotations, revision and the spelling of the
    document change nothing. For the hash of a document as a whole there is :func:`canonical`.
    """
    if not isinstance(subject, Spec):
        return canonical(subject)
    return canonical(
        {
            "kind": subject.kind,
            "name": subject.name,
            "fields": subject.fields,
            "env": {
                key: [(entry.name, entry.id, entry.data) for entry in entries] for key, entries in subject.env.items()
            },
            "ports": {
                port: [(link.name, link.id, link.port) for link in links] for port, links in subject.ports.items()
            },
        }
    )
