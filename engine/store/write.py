"""What can be written to a store, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from engine.errors import InvalidError
from engine.spec.model import Spec, Value
from engine.store.record import Resource

Action: TypeAlias = Literal["created", "configured", "unchanged", "deleted"]


def _check_expect(expect: int | None) -> None:
    if expect is not None and expect < 0:
        raise InvalidError(f"a revision cannot be {expect}", hint="revisions count from 1; 0 is: not there yet")


@dataclass(frozen=True, slots=True)
class PutSpec:
    """Store a spec: `spec.document`, under `spec.id`, or else under its namespace and name, or else under a new id.

    `expect` is the revision that the writer has seen: 0 for "it must not be there", None for "whatever it is".
    `spec.revision` is not looked at. `create_only` refuses to change one that is there.
    """

    spec: Spec
    expect: int | None = None
    create_only: bool = False

    def __post_init__(self) -> None:
        _check_expect(self.expect)


@dataclass(frozen=True, slots=True)
class PutValue:
    """Store a value, as :class:`PutSpec` stores a spec."""

    value: Value
    expect: int | None = None
    create_only: bool = False

    def __post_init__(self) -> None:
        _check_expect(self.expect)


@dataclass(frozen=True, slots=True)
class _Delete:
    id: str | None = None
    namespace: str | None = None
    name: str | None = None
    expect: int | None = None

    def __post_init__(self) -> None:
        _check_expect(self.expect)
        if not self.id and not (self.namespace and self.name):
            raise InvalidError("nothing says what to delete", hint="give an id, or a namespace and a name")


@dataclass(frozen=True, slots=True)
class DeleteSpec(_Delete):
    """Delete the spec with this id (in this namespace, if one is given), or else with this namespace and name.

    `expect` is the revision that the writer has seen; None deletes whatever is there.
    """


@dataclass(frozen=True, slots=True)
class DeleteValue(_Delete):
    """Delete a value, as :class:`DeleteSpec` deletes a spec."""


Put: TypeAlias = PutSpec | PutValue
Delete: TypeAlias = DeleteSpec | DeleteValue
Write: TypeAlias = Put | Delete


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one write did.

    `revision` is the document's own: that of its last write, so of an earlier one if `unchanged`, and that of the
    deletion if `deleted`. `spec` (or `value`) is what is stored now, with id, namespace and revision; for a deletion it
    is what was there, or None if this version of Weir could not read it.
    """

    action: Action
    resource: Resource
    namespace: str
    id: str
    name: str | None
    revision: int
    spec: Spec | None = None
    value: Value | None = None


def subject_of(write: Put) -> Spec | Value:
    """The spec or the value."""
    return write.spec if isinstance(write, PutSpec) else write.value


def resource_of(write: Write) -> Resource:
    """Whether it is about a spec or a value."""
    return "spec" if isinstance(write, (PutSpec, DeleteSpec)) else "value"
