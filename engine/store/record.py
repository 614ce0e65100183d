"""What a store keeps of a spec or a value: its document as JSON text, and a few columns to find it by.

The document is the truth: it is kept as it was written, with its places beside it. `id`, `namespace` and `name` come from
the spec, because a document may leave them out. Text is kept instead of objects so that nobody can change what is stored
by changing what was handed in or out, and so that every store treats the same document in the same way.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

from engine.errors import Diagnostic, DiagnosticsError, InvalidError, Place
from engine.spec.model import Spec, Value, canonical, parse_spec, parse_value
from engine.spec.origin import Origin, key_text
from engine.spec.secrets import HIDDEN

Resource: TypeAlias = Literal["spec", "value"]

MAX_DOCUMENT: Final = 4 * 1024 * 1024
"""Bytes that a document may have as JSON."""

MAX_DEPTH: Final = 256
"""Levels of maps and lists that a document may have."""

IDENTITY: Final = frozenset({"id", "namespace", "revision"})
"""Fields that say which document it is, not what it says."""


class Known(Protocol):
    """What is known of a document without reading it."""

    @property
    def id(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str | None: ...
    @property
    def revision(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """A document that is checked and turned into text, not yet written."""

    document: str
    origin: str | None
    labels: Mapping[str, str]
    meaning: str


@dataclass(frozen=True, slots=True)
class Record:
    """One stored document. `revision` is the number of its last write.

    `meaning` is that of a spec (:func:`said`); no store keeps that of a value, as a hash of a short secret would give it
    away. `problem` tells why the document of a value cannot be opened: it is still sealed then. A `stale` one is kept otherwise than it
    would be written now: plain, or sealed with an older key.
    """

    resource: Resource
    id: str
    namespace: str
    name: str | None
    revision: int
    labels: Mapping[str, str]
    meaning: str
    document: str
    origin: str | None
    problem: Diagnostic | None = None
    stale: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """The place in every listing: by namespace, then name or id; the id parts a name that looks like an id."""
        return self.namespace, self.name or self.id, self.id

    @property
    def label(self) -> str:
        """How messages call it."""
        return label(self.resource, self.namespace, self.name or self.id)


def label(resource: Resource, namespace: str | None, known: str | None) -> str:
    """How messages call a document of which only so much is known."""
    inside = f" in namespace {namespace!r}" if namespace is not None else ""
    return f"{resource} {known!r}{inside}"


def seal(subject: Spec | Value) -> Sealed:
    """Check a document and turn it into text.

    Raises InvalidError, with the place of the value, for what JSON cannot hold (bytes, dates, infinite numbers, two keys
    with one text) and for documents over :data:`MAX_DOCUMENT` or :data:`MAX_DEPTH`. Keys that are no text become text,
    as they do in JSON.
    """
    plain = _plain(subject.document, subject, ())
    try:
        document = _dump(plain)
        size = len(document.encode())
    except ValueError as error:  # lone surrogates; integers of more than 4,300 digits
        raise InvalidError(f"{subject.label} cannot be stored: {error}", place=subject.place) from error
    if size > MAX_DOCUMENT:
        raise InvalidError(
            f"{subject.label} has {size:,} bytes; a store takes {MAX_DOCUMENT:,} for one document",
            place=subject.place,
            hint="keep large data in a file, and its path in the spec",
        )
    origin = _dump(subject.origin.to_json()) if subject.origin is not None else None
    return Sealed(document, origin, dict(subject.labels), said(plain))


def refuse_hidden(value: Value) -> None:
    """Raise InvalidError for a value as listings show it: to store what hides the secret would lose the secret."""
    if value.problem is not None or value.data == HIDDEN:
        place = value.origin.place(("data",)) if value.origin is not None else value.place
        raise InvalidError(
            f"{value.label}: its data is hidden here ({HIDDEN}), and cannot be stored so",
            place=place,
            hint="get it with `weir get values --reveal` (?reveal=true), or leave `data` out of a patch",
        )


def said(document: Mapping[str, Any]) -> str:
    """The hash of what a document says, apart from which one it is: with a name, the rule of what is `unchanged`."""
    return canonical({key: value for key, value in document.items() if key not in IDENTITY})


def says_the_same(record: Record, sealed: Sealed) -> bool:
    """Whether a stored document says what another one does; one that cannot be opened says nothing."""
    if record.problem is not None:
        return False
    meaning = record.meaning if record.resource == "spec" else said(json.loads(record.document))
    return meaning == sealed.meaning


def unseal(record: Record) -> Spec | Value:
    """The spec or value of a record, with the id, namespace and revision that the store gave it.

    Raises DiagnosticsError if it has a `problem`, or if the document breaks a rule, which only one written by another
    version of Weir can.
    """
    if record.problem is not None:
        raise DiagnosticsError([record.problem])
    return restore(
        record.resource,
        json.loads(record.document),
        origin=read_origin(record.origin),
        id=record.id,
        namespace=record.namespace,
        name=record.name,
        revision=record.revision,
    )


def stand_in(known: Known, problem: str) -> Value:
    """What stands for a value whose document cannot be read, so that whoever takes from it can tell why he must wait."""
    return Value(namespace=known.namespace, id=known.id, name=known.name, revision=known.revision, problem=problem)


def restore(
    resource: Resource,
    document: Mapping[str, Any],
    *,
    origin: Origin | None,
    id: str,
    namespace: str,
    name: str | None,
    revision: int,
) -> Spec | Value:
    """The spec or value of a stored document. Raises DiagnosticsError as :func:`unseal` does."""
    parse = parse_spec if resource == "spec" else parse_value
    subject: Spec | Value = parse(document, origin=origin, namespace=namespace)
    return subject.replace(id=id, namespace=namespace, name=name, revision=revision)


def read_origin(text: str | None) -> Origin | None:
    """The places of a document, as :func:`seal` wrote them."""
    return Origin.from_json(json.loads(text)) if text is not None else None


def _dump(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _plain(data: Any, subject: Spec | Value, path: tuple[str | int, ...]) -> Any:
    """`data` as JSON has it: maps with keys of text, lists, scalars."""
    if data is None or isinstance(data, (str, bool, int)):
        return data
    if isinstance(data, float):
        if math.isfinite(data):
            return data
        raise _refuse(f"the number {data} at {_text(path)}", subject, path, hint="write it as text, or leave it out")
    if len(path) >= MAX_DEPTH:
        raise _refuse(f"what is nested deeper than {MAX_DEPTH} levels", subject, path)
    if isinstance(data, Mapping):
        plain = {key_text(key): _plain(value, subject, (*path, key)) for key, value in data.items()}
        if len(plain) < len(data):
            raise _refuse(f"two keys with the same text at {_text(path)}", subject, path, hint="rename one of them")
        return plain
    if isinstance(data, (list, tuple)):
        return [_plain(value, subject, (*path, index)) for index, value in enumerate(data)]
    raise _refuse(f"a value of type {type(data).__name__} at {_text(path)}", subject, path, hint="write it as text")


def _refuse(what: str, subject: Spec | Value, path: tuple[str | int, ...], *, hint: str | None = None) -> InvalidError:
    place: Place = subject.origin.place(path) if subject.origin is not None else Place()
    return InvalidError(f"{subject.label}: {what} cannot be stored", place=place, hint=hint)


def _text(path: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in path) or "the top"
