"""The class behind each node kind, and how the fields of a spec become an instance of it.

A kind is declared once, as a subclass of :class:`NodeSpec`. From it come parsing, defaults, every error at once in plain
words and with its place (:func:`decode`), and the JSON Schema that editors complete from
(:mod:`engine.spec.json_schema`).
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, overload

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from engine.errors import Diagnostic, DiagnosticsError
from engine.spec import suggest
from engine.spec.common import listed
from engine.spec.complaint import Complaint, complaint, joined, spelled
from engine.spec.origin import Origin
from engine.spec.problems import Problems
from engine.spec.resource import COMMON_FIELDS
from engine.spec.secrets import NO_SECRETS, Secrets

__all__ = ["NodeSpec", "check", "decode", "field_names", "json_schema"]


class NodeSpec(BaseModel):
    """The fields of a node kind, or of a map within them. The common fields are those of
    :class:`~engine.spec.model.Spec`, not of this class.

    Instances are frozen. Unknown fields are errors; a field answers to its name and to its aliases; text that is a
    number fits a number field, and a number fits a text field, since templates may make either of either. A boolean is
    no number.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_by_name=True,
        validate_by_alias=True,
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
    )

    @field_validator("*", mode="before")
    @classmethod
    def _boolean_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and info.field_name in _number_fields(cls):
            raise PydanticCustomError(
                "field", "{reason}", {"reason": f"is a number, not the boolean {str(value).lower()}"}
            )
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        from engine.spec.json_schema import adapt

        reference = handler(core_schema)
        adapt(handler.resolve_ref_schema(reference), cls)
        return reference


M = TypeVar("M", bound=NodeSpec)


@overload
def decode(
    model: type[M],
    fields: Mapping[str, Any],
    *,
    origin: Origin | None = None,
    kind: str | None = None,
    secrets: Secrets = NO_SECRETS,
) -> M: ...
@overload
def decode(
    model: type[M],
    fields: Mapping[str, Any],
    *,
    origin: Origin | None = None,
    skip_paths: frozenset[tuple[str | int, ...]],
    kind: str | None = None,
) -> M | None: ...
def decode(
    model: type[M],
    fields: Mapping[str, Any],
    *,
    origin: Origin | None = None,
    skip_paths: frozenset[tuple[str | int, ...]] = frozenset(),
    kind: str | None = None,
    secrets: Secrets = NO_SECRETS,
) -> M | None:
    """The fields of a spec as an instance of its kind's class.

    Raises :class:`~engine.errors.DiagnosticsError` with everything that is wrong. What stands at or below one of
    `skip_paths` is not checked, because its templates are not filled yet; where that leaves no instance, the answer is
    None. `kind` is for the messages, which quote nothing of `secrets`.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        found = _diagnostics(error, model, fields, origin, skip_paths, kind, secrets)
        if found:
            raise DiagnosticsError(found) from None
        return None


def check(
    model: type[NodeSpec],
    fields: Mapping[str, Any],
    *,
    origin: Origin | None = None,
    skip_paths: frozenset[tuple[str | int, ...]] = frozenset(),
    kind: str | None = None,
) -> list[Diagnostic]:
    """What :func:`decode` would complain about."""
    try:
        decode(model, fields, origin=origin, skip_paths=skip_paths, kind=kind)
    except DiagnosticsError as error:
        return list(error.diagnostics)
    return []


def json_schema(model: type[NodeSpec], kind: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a whole spec of this kind, common fields included."""
    from engine.spec.json_schema import of_kind

    return of_kind(model, kind)


def field_names(model: type[NodeSpec]) -> dict[str, tuple[str, ...]]:
    """Each field of a class with all the names it answers to, the preferred one first."""
    return dict(_field_names(model))


@cache
def _field_names(model: type[NodeSpec]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(dict.fromkeys([*_aliases(info), name])) for name, info in model.model_fields.items()}


def _aliases(info: FieldInfo) -> list[str]:
    alias = info.validation_alias
    if isinstance(alias, str):
        return [alias]
    if isinstance(alias, AliasChoices):
        return [choice for choice in alias.choices if isinstance(choice, str)]
    return []


@cache
def _number_fields(model: type[NodeSpec]) -> frozenset[str]:
    """The fields that take numbers and no booleans."""
    found = set()
    for name, info in model.model_fields.items():
        kinds = _alternatives(info.annotation)
        if kinds & {int, float} and bool not in kinds:
            found.add(name)
    return frozenset(found)


def _alternatives(annotation: Any) -> set[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        return set().union(*(_alternatives(part) for part in get_args(annotation)))
    if get_origin(annotation) is Literal:
        return {type(part) for part in get_args(annotation)}
    return {annotation}


def _models(annotation: Any) -> list[type[NodeSpec]]:
    """The spec classes that an annotation holds anywhere."""
    if isinstance(annotation, type) and issubclass(annotation, NodeSpec):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _diagnostics(
    error: ValidationError,
    model: type[NodeSpec],
    fields: Mapping[str, Any],
    origin: Origin | None,
    skip_paths: frozenset[tuple[str | int, ...]],
    kind: str | None,
    secrets: Secrets,
) -> list[Diagnostic]:
    """Pydantic's errors as findings: one for each place, alternatives of a union joined."""
    problems = Problems(origin)
    complaints: dict[tuple[tuple[str | int, ...], str], list[Complaint]] = {}
    owners: dict[tuple[str | int, ...], list[type[NodeSpec]]] = {}
    for details in error.errors(include_url=False):
        path, owners_here = _locate(details["loc"], model, fields)
        if any(path[: len(skipped)] == skipped for skipped in skip_paths):
            continue
        owners[path] = owners_here
        found = complaint(details, hidden=secrets.fills(path))
        complaints.setdefault((path, found.rule), []).append(found)
    for (path, rule), same in complaints.items():
        if rule == "wrong-type" and any(len(path) < len(other) and other[: len(path)] == path for other in owners):
            continue  # one type of a union took the value, and complains about what is in it
        above = f"`{spelled(path[:-1])}`" if len(path) > 1 else (kind or "this kind")
        if rule == "unknown-field":
            hint = _unknown_hint(path, owners[path])
            problems.add(rule, f"{above} has no field {str(path[-1])!r}", path, key=True, hint=hint)
        elif rule == "missing-field":
            # The key that is not there has no place of its own.
            place = problems.place(path[:-1] or ("kind",))
            problems.found.append(Diagnostic(rule, f"{above} needs the field `{path[-1]}`", place, path=path))
        else:
            subject = f"`{spelled(path)}`" if path else (kind or "this spec")
            problems.add(rule, f"{subject} {joined(same)}", path, hint=same[0].hint)
    return [secrets.cover(found) for found in problems.found]


def _locate(
    loc: tuple[str | int, ...], model: type[NodeSpec], fields: Mapping[str, Any]
) -> tuple[tuple[str | int, ...], list[type[NodeSpec]]]:
    """The path as written of what pydantic calls `loc`, and the classes of the map that holds it.

    Pydantic names a field by its preferred alias, and puts the names of union members between the parts.
    """
    path: list[str | int] = []
    data: Any = fields
    models: list[type[NodeSpec]] = [model]
    owners = models
    for part in loc:
        if isinstance(data, Mapping):
            field = _field_named(part, models)
            names = field[1] if field else ()
            key = part if part in data else next((name for name in names if name in data), None)
            if key is None and not field:
                continue
            owners = models
            if field:
                models = _models(field[0].annotation)
            path.append(names[0] if key is None else key)
            data = None if key is None else data[key]
        elif isinstance(data, (list, tuple)) and isinstance(part, int) and part < len(data):
            path.append(part)
            data = data[part]
    return tuple(path), owners


def _field_named(part: str | int, models: list[type[NodeSpec]]) -> tuple[FieldInfo, tuple[str, ...]] | None:
    for model in models:
        for name, names in _field_names(model).items():
            if part in names:
                return model.model_fields[name], names
    return None


def _unknown_hint(path: tuple[str | int, ...], owners: list[type[NodeSpec]]) -> str | None:
    word = str(path[-1])
    names = [names for owner in owners for names in _field_names(owner).values()]
    for group in names:
        if word in group:
            return f"it is another name of `{group[0]}`: give one of them"
    candidates = [name for group in names for name in group]
    common = COMMON_FIELDS if len(path) == 1 else ()
    return suggest.hint(word, [*candidates, *common]) or f"the fields are {listed(group[0] for group in names)}"
