"""What comes to the admin operations, read strictly, and what goes back.

An operation takes its items plainly (a spec or a list of specs, an example or a list of examples), as seed 003 has it,
or in a map beside what else there is to say:

    {"items": [...], "if_match": '"12"', "message": "why"}             for create, update, apply, delete
    {"filter": [...], "labels": {...}, "limit": 100, "continue": TOKEN}   for read and delete
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import InvalidError
from engine.spec.model import Spec, Value
from engine.store.protocol import Example, Query

MAX_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class Items:
    """Documents to write. `single` tells that one came, without a list around it."""

    documents: Sequence[Mapping[str, Any]]
    single: bool
    if_match: int | None = None
    message: str | None = None

    @classmethod
    def of(cls, payload: Any, what: str) -> Items:
        """Read what was sent. Null, or anything but a map or a list of maps, is an invalid argument."""
        if_match: int | None = None
        message: str | None = None
        if isinstance(payload, Mapping) and "items" in payload and "kind" not in payload:
            _only(payload, ("items", "if_match", "message"))
            if_match = read_if_match(payload.get("if_match"))
            message = _text(payload, "message")
            payload = payload["items"]
        single = isinstance(payload, Mapping)
        documents = [payload] if single else payload
        if not isinstance(documents, (list, tuple)):
            raise InvalidError(f"the body must be {what} or a list of them, not {_kind(payload)}")
        for index, document in enumerate(documents):
            if not isinstance(document, Mapping):
                raise InvalidError(f"item {index} must be {what}, not {_kind(document)}")
        if if_match is not None and len(documents) != 1:
            raise InvalidError("If-Match goes with exactly one item")
        return cls(documents, single, if_match, message)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which documents an operation is about. `paged` tells that a page, not a bare list, is wanted."""

    query: Query
    explicit: bool
    paged: bool = False
    if_match: int | None = None

    @classmethod
    def of(cls, payload: Any, namespace: str) -> Selection:
        """Read a filter. Without one it means every namespace but `namespace`, in which the flow itself runs."""
        everything = Query(except_namespace=namespace)
        if payload is None:
            return cls(everything, explicit=False)
        if isinstance(payload, Mapping) and payload.keys() & {"filter", "limit", "continue", "if_match"}:
            _only(payload, ("filter", "limit", "continue", "if_match"))
            inner = cls.of(payload.get("filter"), namespace)
            limit, after = payload.get("limit"), _text(payload, "continue")
            if isinstance(limit, str) and limit.isascii() and limit.isdigit():
                limit = int(limit)  # out of a query string
            if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
                raise InvalidError("`limit` must be a whole number from 1 on")
            paged = limit is not None or after is not None
            query = replace(inner.query, limit=min(limit or MAX_PAGE, MAX_PAGE), after=after) if paged else inner.query
            return cls(query, inner.explicit, paged, read_if_match(payload.get("if_match")))
        examples = payload if isinstance(payload, (list, tuple)) else [payload]
        return cls(Query(matches=tuple(Example.of(example) for example in examples)), explicit=True)


@dataclass(frozen=True, slots=True)
class Reference:
    """One thing, by id, or by namespace and name; and what else the operation wants to know."""

    known: str
    namespace: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, payload: Any, *extra: str, default: str = "default") -> Reference:
        if not isinstance(payload, Mapping):
            raise InvalidError(f"the body must be a map with `id`, or `namespace` and `name`, not {_kind(payload)}")
        _only(payload, ("id", "namespace", "name", *extra))
        known = _text(payload, "id") or _text(payload, "name")
        if not known:
            raise InvalidError("nothing says what is meant", hint="give `id`, or `namespace` and `name`")
        rest = {name: payload[name] for name in extra if payload.get(name) is not None}
        return cls(known, _text(payload, "namespace") or default, rest)


def shown(subject: Spec | Value) -> dict[str, Any]:
    """A spec or value as everybody sees it: what was written, with id, namespace and revision."""
    rest = {key: value for key, value in subject.document.items() if key not in ("id", "namespace", "revision")}
    form: dict[str, Any] = {"id": subject.id, "namespace": subject.namespace}
    return {**form, **rest, "revision": subject.revision}


def read_if_match(value: Any) -> int | None:
    """The revision in an `If-Match` header (`"12"`, a list of one, or `*`); None for none."""
    if isinstance(value, (list, tuple)):
        if len(value) > 1:
            raise InvalidError("If-Match must name one revision")
        value = value[0] if value else None
    if value is None or value == "*":
        return None
    text = str(value).strip().removeprefix("W/").strip('"')
    if not text.isdigit():
        raise InvalidError(f"If-Match must be a revision in quotes, not {value!r}")
    return int(text)


def _only(payload: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in payload:
        if key not in known:
            raise InvalidError(f"there is no field {key!r} here", hint=f"the fields are {', '.join(known)}")


def _text(payload: Mapping[str, Any], key: str) -> str | None:
    value = payload.get(key)
    if value is not None and not isinstance(value, str):
        raise InvalidError(f"`{key}` must be text, not {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list"}
    return names.get(type(value), "a map" if isinstance(value, Mapping) else type(value).__name__)
