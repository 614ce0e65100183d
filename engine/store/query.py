"""Which documents a listing gives, in which order, and how many at a time."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Self, TypeVar

from engine.errors import Diagnostic, InvalidError
from engine.spec.resource import Value
from engine.spec.suggest import did_you_mean
from engine.store.record import Record

ItemT = TypeVar("ItemT")

_EXAMPLE_FIELDS: Final = ("id", "namespace", "name", "labels")


@dataclass(frozen=True, slots=True)
class Example:
    """A part of a document: what is given must all match, what is None (or has no labels) may be anything."""

    id: str | None = None
    namespace: str | None = None
    name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Any) -> Self:
        """Read an example that somebody sent: a map with some of `id`, `namespace`, `name`, `labels`.

        Raises InvalidError for anything else: a misspelt field must not match every document there is.
        """
        if not isinstance(data, Mapping):
            raise InvalidError("an example must be a map", hint=f"with some of {', '.join(_EXAMPLE_FIELDS)}")
        for key, value in data.items():
            if key not in _EXAMPLE_FIELDS:
                guess = did_you_mean(str(key), _EXAMPLE_FIELDS)
                hint = f"did you mean {guess!r}?" if guess else f"the fields are {', '.join(_EXAMPLE_FIELDS)}"
                raise InvalidError(f"an example has no field {key!r}", hint=hint)
            if key == "labels":
                if not isinstance(value, Mapping) or not all(isinstance(v, str) for kv in value.items() for v in kv):
                    raise InvalidError("`labels` of an example must be a map of text to text")
                for text in (part for label in value.items() for part in label):
                    check_text(text, "a label of an example")
            elif not isinstance(value, str):
                raise InvalidError(f"`{key}` of an example must be text")
            else:
                check_text(value, f"`{key}` of an example")
        return cls(data.get("id"), data.get("namespace"), data.get("name"), dict(data.get("labels", {})))

    def admits(self, record: Record) -> bool:
        """Whether the record is like this."""
        return (
            (self.id is None or self.id.lower() == record.id)
            and (self.namespace is None or self.namespace == record.namespace)
            and (self.name is None or self.name == record.name)
            and has_labels(record, self.labels)
        )


class _Alike:
    """Examples, to be found by what they must be compared with: thousands of ids are no loop over thousands of records."""

    __slots__ = ("_by_id", "_by_name", "_others")

    def __init__(self, examples: Iterable[Example]) -> None:
        self._by_id: dict[str, list[Example]] = {}
        self._by_name: dict[str, list[Example]] = {}
        self._others: list[Example] = []
        for example in examples:
            if example.id is not None:
                self._by_id.setdefault(example.id.lower(), []).append(example)
            elif example.name is not None:
                self._by_name.setdefault(example.name, []).append(example)
            else:
                self._others.append(example)

    def admits(self, record: Record) -> bool:
        """Whether the record is like any of them."""
        named = self._by_name.get(record.name, ()) if record.name is not None else ()
        alike = (*self._by_id.get(record.id, ()), *named, *self._others)
        return any(example.admits(record) for example in alike)


@dataclass(frozen=True, slots=True)
class Query:
    """Conditions that must all hold. None is no condition; an empty tuple is one that nothing meets.

    `matches` are examples of which any may match. `labels` must all be there with these values. Listings are ordered by
    namespace, then by name or id (by code point). `limit` is the size of a page (at least 1), `after` the token of the
    page before it.
    """

    namespaces: tuple[str, ...] | None = None
    except_namespace: str | None = None
    ids: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    matches: tuple[Example, ...] | None = None
    limit: int | None = None
    after: str | None = None
    _alike: _Alike | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_alike", _Alike(self.matches) if self.matches is not None else None)
        if self.limit is not None and self.limit < 1:
            raise InvalidError(f"the limit of a listing must be at least 1, not {self.limit}")
        if self.after is not None:
            read_token(self.after)
        for text in (*(self.namespaces or ()), *(self.ids or ()), *(self.names or ())):
            check_text(text, "what a listing is about")

    def admits(self, record: Record) -> bool:
        """Whether the record meets all conditions (paging aside)."""
        return (
            (self.namespaces is None or record.namespace in self.namespaces)
            and (self.except_namespace is None or record.namespace != self.except_namespace)
            and (self.ids is None or any(wanted.lower() == record.id for wanted in self.ids))
            and (self.names is None or record.name in self.names)
            and has_labels(record, self.labels)
            and (self._alike is None or self._alike.admits(record))
        )

    def position(self) -> tuple[str, str, str] | None:
        """The key of the last record of the page before."""
        return read_token(self.after) if self.after is not None else None


ANYTHING: Final = Query()
"""All there is."""


class Page(list[ItemT], Generic[ItemT]):
    """A list of specs or values, and what is known about the listing.

    `after` is the token of the next page, or None if this was the last. `revision` is the revision of the store that the
    page shows, all of it and nothing later. `problems` tell of stored documents that this version cannot read, and
    `unreadable` has their ids; they are not among the items, and count towards the limit. `broken` has the values among
    them, as far as they are known: each without data, and with its `problem`.
    """

    __slots__ = ("after", "broken", "problems", "revision", "unreadable")

    def __init__(
        self,
        items: Iterable[ItemT] = (),
        *,
        revision: int = 0,
        after: str | None = None,
        problems: tuple[Diagnostic, ...] = (),
        unreadable: frozenset[str] = frozenset(),
        broken: Iterable[Value] = (),
    ) -> None:
        super().__init__(items)
        self.revision = revision
        self.after = after
        self.problems = problems
        self.unreadable = unreadable
        self.broken = tuple(broken)


def check_text(text: str, what: str) -> None:
    """Raise InvalidError for text that no store can hold: half of a surrogate pair is no character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidError(f"{what} is no Unicode text: {text!r} has half of a character at {error.start}") from None


def has_labels(record: Record, labels: Mapping[str, str]) -> bool:
    return all(record.labels.get(key) == value for key, value in labels.items())


def write_token(record: Record) -> str:
    """The token of the page that ends with this record."""
    return base64.urlsafe_b64encode(json.dumps(record.key).encode()).decode().rstrip("=")


def read_token(token: str) -> tuple[str, str, str]:
    """The key in a token. Raises InvalidError for one that no listing gave."""
    try:
        padded = token + "=" * (-len(token) % 4)
        key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        "".join(key).encode()
    except (ValueError, TypeError, RecursionError):  # no base64, no JSON, no list of text, no Unicode
        key = None
    if not isinstance(key, list) or len(key) != 3 or not all(isinstance(part, str) for part in key):
        raise InvalidError(f"{token!r} is no token of a listing", hint="pass on `continue` exactly as it was given")
    return (key[0], key[1], key[2])
