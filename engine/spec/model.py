"""Reads what users write: one spec or value, or a whole file of them.

Only the fields that every kind shares are checked here (:mod:`engine.spec.common`); the kind's own class checks the rest
(:mod:`engine.spec.schema`) once the templates are filled. Everything that is wrong is reported at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from sys import intern
from typing import Any, Final, TypeVar

from engine.errors import Diagnostic, DiagnosticsError, Place
from engine.spec.common import CommonReader
from engine.spec.meaning import canonical
from engine.spec.origin import Origin
from engine.spec.patch import merge_patch
from engine.spec.problems import Problems
from engine.spec.resource import COMMON_FIELDS, DEFAULT_NAMESPACE, WHOLE_VALUE, EnvEntry, Link, Spec, Value, meaning
from engine.spec.yaml import read

__all__ = [
    "COMMON_FIELDS",
    "DEFAULT_NAMESPACE",
    "WHOLE_VALUE",
    "EnvEntry",
    "Link",
    "Spec",
    "Value",
    "canonical",
    "meaning",
    "merge_patch",
    "parse_spec",
    "parse_specs",
    "parse_value",
    "parse_values",
    "read_specs",
    "read_values",
]

R = TypeVar("R", Spec, Value)

_QUOTING: Final = {
    "unknown-alias": "an alias stands here, and there is no anchor of its name: quote it to make it text",
    "endless-alias": "the alias stands inside the value that it stands for",
    "unknown-tag": "the tag that stands here is not known, or does not fit: remove it, or quote the text",
    "duplicate-key": "the key stands twice: remove one of them",
}
"""What problems of YAML that quote what stands there say instead, where it may be a secret."""

_VALUE_FIELDS: Final = ("id", "namespace", "name", "labels", "annotations", "data", "revision")


def parse_spec(document: Any, *, origin: Origin | None = None, namespace: str | None = None) -> Spec:
    """Read the common fields of one spec.

    `namespace` is for a document that does not name one. Raises :class:`~engine.errors.DiagnosticsError` with all that
    is wrong. What the fields of the kind hold is not looked at, except that their keys become text.
    """
    problems = Problems(origin)
    reader = CommonReader(problems)
    fields = reader.start(document, "a spec", "kind")
    kind = reader.kind(fields)
    spec = Spec(
        kind=kind,
        namespace=reader.namespace(fields, namespace),
        id=reader.id(fields, ("id",)),
        name=reader.name(fields, ("name",)),
        labels=reader.texts(fields, "labels"),
        annotations=reader.texts(fields, "annotations"),
        env=reader.env(fields),
        ports=reader.ports(fields),
        fields={intern(key): value for key, value in fields.items() if key not in COMMON_FIELDS},
        document={intern(key): value for key, value in fields.items() if key != "revision"},
        origin=origin,
        revision=reader.revision(fields),
    )
    problems.check()
    return spec


def parse_value(document: Any, *, origin: Origin | None = None, namespace: str | None = None) -> Value:
    """Read one value. Raises :class:`~engine.errors.DiagnosticsError` with all that is wrong, unknown fields too."""
    problems = Problems(origin)
    reader = CommonReader(problems)
    fields = reader.start(document, "a value", "data")
    known = reader.only(fields, (), _VALUE_FIELDS, "a value")
    if known and "data" not in fields:
        problems.add("missing-field", "a value needs `data`", hint="write `data:` and what it holds")
    value = Value(
        namespace=reader.namespace(fields, namespace),
        id=reader.id(fields, ("id",)),
        name=reader.name(fields, ("name",)),
        data=fields.get("data"),
        labels=reader.texts(fields, "labels"),
        annotations=reader.texts(fields, "annotations"),
        document={key: item for key, item in fields.items() if key != "revision"},
        origin=origin,
        revision=reader.revision(fields),
    )
    problems.check()
    return value


def parse_specs(text: str | bytes, *, file: str | None = None, namespace: str | None = None) -> list[Spec]:
    """All specs of a text: a list of specs, or one in each document.

    Raises :class:`~engine.errors.DiagnosticsError` with the problems of all of them, and for a text without specs.
    """
    specs, problems = read_specs(text, file=file, namespace=namespace)
    if problems:
        raise DiagnosticsError(problems)
    return specs


def parse_values(text: str | bytes, *, file: str | None = None, namespace: str | None = None) -> list[Value]:
    """All values of a text, as :func:`parse_specs` reads specs."""
    values, problems = read_values(text, file=file, namespace=namespace)
    if problems:
        raise DiagnosticsError(problems)
    return values


def read_specs(
    text: str | bytes, *, file: str | None = None, namespace: str | None = None
) -> tuple[list[Spec], list[Diagnostic]]:
    """The good specs of a text, and everything that is wrong with the others.

    Of two specs with the same name or id the first is good. A syntax error ends the reading, so what stands in the same
    document is not among the good ones.
    """
    return _read_all(text, file, "specs", lambda item, origin: parse_spec(item, origin=origin, namespace=namespace))


def read_values(
    text: str | bytes, *, file: str | None = None, namespace: str | None = None
) -> tuple[list[Value], list[Diagnostic]]:
    """The good values of a text, and everything that is wrong with the others, as :func:`read_specs` does it.

    What stands in the data of a value is quoted by none of the problems.
    """
    good, problems = _read_all(
        text, file, "values", lambda item, origin: parse_value(item, origin=origin, namespace=namespace)
    )
    return good, [_unquoted(problem) for problem in problems]


def _read_all(
    text: str | bytes, file: str | None, plural: str, parse_one: Callable[[Any, Origin], R]
) -> tuple[list[R], list[Diagnostic]]:
    reading = read(text, file)
    good: list[R] = []
    problems: list[Diagnostic] = []
    seen: dict[tuple[str, ...], R] = {}
    for document, broken in zip(reading.documents, reading.problems, strict=True):
        problems += broken
        if document.data is None:
            continue  # `---` at the end of a file begins a document that nobody wrote
        is_list = isinstance(document.data, list)
        broken_items = {problem.path[:1] for problem in broken}
        for index, item in enumerate(document.data if is_list else [document.data]):
            prefix: tuple[int, ...] = (index,) if is_list else ()
            try:
                resource = parse_one(item, document.origin.at(*prefix))
            except DiagnosticsError as error:
                problems += [_below(prefix, problem) for problem in error.diagnostics]
                continue
            doubles = [_below(prefix, problem) for problem in _doubles(resource, seen)]
            problems += doubles
            if not doubles and not (broken and (not is_list or prefix in broken_items)):
                good.append(resource)
    problems += reading.broken
    if not good and not problems:
        where = f" in {file}" if file else ""
        place = Place(file, 1, 1)
        problems = [
            Diagnostic("empty", f"no {plural}{where}", place, f"write a list of {plural}, or one in each document")
        ]
    return good, problems


def _unquoted(problem: Diagnostic) -> Diagnostic:
    """A problem with the data of a value, without the words that may quote it: a YAML tag, an alias, a key."""
    path = problem.path[1:] if problem.path and isinstance(problem.path[0], int) else problem.path
    if path[:1] != ("data",) or problem.rule not in _QUOTING:
        return problem
    return dataclasses.replace(problem, message=_QUOTING[problem.rule], hint=None)


def _below(prefix: tuple[int, ...], problem: Diagnostic) -> Diagnostic:
    return dataclasses.replace(problem, path=(*prefix, *problem.path)) if prefix else problem


def _doubles(resource: Spec | Value, seen: dict[tuple[str, ...], Any]) -> list[Diagnostic]:
    """What an earlier spec or value of the same text has taken already: the name in its namespace, or the id."""
    problems = Problems(resource.origin)
    if resource.name is not None:
        first = seen.setdefault(("name", resource.namespace, resource.name), resource)
        if first is not resource:
            problems.add(
                "duplicate-name",
                f"the name {resource.name!r} stands twice in the namespace {resource.namespace!r}; "
                f"first at {first.origin.place(('name',))}",
                ("name",),
                hint="give one of them another name",
            )
    if resource.id:
        first = seen.setdefault(("id", resource.id), resource)
        if first is not resource:
            problems.add(
                "duplicate-id",
                f"the id {resource.id} stands twice; first at {first.origin.place(('id',))}",
                ("id",),
                hint="remove the id of one of them: it gets a new one",
            )
    return problems.found
