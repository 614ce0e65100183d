"""What comes to the admin operations, read strictly, and what goes back.

An operation takes its items plainly (a spec or a list of specs, an example or a list of examples), as seed 003 has it,
or in a map beside what else there is to say:

    {"items": [...], "if_match": '"12"', "if_none_match": "*", "message": "why", "outcomes": true, "dry_run": true,
     "confirm": "60s"}                                                                               create, update, apply
    {"filter": [...], "limit": 100, "continue": TOKEN, "reveal": true}                               read
    {"filter": [...], "if_match": '"12"', "message": "why", "everything": false, "dry_run": true,
     "confirm": "60s"}                                                                               delete

The data of values is hidden in every answer, `***`; only reading them with `reveal` shows it.

With `confirm` specs are written on trial (:mod:`engine.store.trial`), and the answer is
`{"items": [...], "trial": {...}}`: what it would have been otherwise, always as a list, and the trial, null if nothing
was changed.

What is to be deleted in the same transaction stands beside the items, by its id, and the revision that was seen:
`{"items": [...], "delete": [{"id": ID, "revision": 12}]}`. The body of an HTTP request may be such a map.

Each such map may have `query` too, the query of an HTTP request as it came (:mod:`engine.daemon.parameters`), which says
the same as text. Nothing may be said twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from engine.daemon.parameters import FILTER, Parameters, read_duration, read_flag, read_whole
from engine.daemon.precondition import NO_CONDITION, Precondition
from engine.errors import InvalidError
from engine.store.protocol import Applied, Example, Outcome, Query, Trial
from engine.store.query import check_text
from engine.store.record import MAX_DEPTH
from engine.store.shown import document_of
from engine.store.trial import check_length

MAX_PAGE: Final = 10_000
"""The most documents or revisions that one answer lists when it is asked for a limit."""

MAX_WIDE: Final = 100
"""The most examples with neither id nor name: each is compared with every document there is."""

_ITEMS: Final = ("items", "delete", "query", "if_match", "if_none_match", "message", "outcomes", "dry_run", "confirm")
_READ: Final = ("filter", "query", "limit", "continue")
_DELETE: Final = ("filter", "query", "if_match", "if_none_match", "message", "everything", "dry_run", "confirm")


@dataclass(frozen=True, slots=True)
class Items:
    """Documents to write. `single` tells that one came, without a list around it.

    `outcomes` asks what became of each (`created`, `configured`, `unchanged`), beside what is stored now; `dry_run`
    what would become of them, and of what runs. `trial` is how long there is to confirm it. `gone` are ids to delete with
    them, and the revisions that were seen.
    """

    documents: Sequence[Mapping[str, Any]]
    single: bool
    condition: Precondition = NO_CONDITION
    message: str | None = None
    outcomes: bool = False
    dry_run: bool = False
    trial: timedelta | None = None
    gone: Sequence[tuple[str, int | None]] = ()

    @classmethod
    def of(cls, payload: Any, what: str) -> Items:
        """Read what was sent. Null, or anything but a map or a list of maps, is an invalid argument."""
        condition = NO_CONDITION
        message: str | None = None
        outcomes = dry_run = False
        trial: timedelta | None = None
        gone: list[tuple[str, int | None]] = []
        if _is_list_of_items(payload):
            _only(payload, _ITEMS)
            query = Parameters(payload.get("query"), ("message", "outcomes", "dry_run", "confirm"))
            condition = Precondition.of(payload.get("if_match"), payload.get("if_none_match"))
            message = _text(_either(payload, query, "message"), "message")
            outcomes = read_flag(_either(payload, query, "outcomes"), "outcomes") or False
            dry_run = read_flag(_either(payload, query, "dry_run"), "dry_run") or False
            trial = _trial(payload, query, dry_run=dry_run)
            gone = _gone(payload.get("delete"))
            payload = payload["items"]
            if _is_list_of_items(payload):  # the body of a request
                _only(payload, ("items", "delete"))
                gone += _gone(payload.get("delete"))
                payload = payload["items"]
        single = isinstance(payload, Mapping)
        documents = [payload] if single else payload
        if not isinstance(documents, (list, tuple)):
            raise InvalidError(f"the body must be {what} or a list of them, not {_kind(payload)}")
        for index, document in enumerate(documents):
            if not isinstance(document, Mapping):
                raise InvalidError(f"item {index} must be {what}, not {_kind(document)}")
            if _is_deep(document):
                raise InvalidError(f"item {index} is nested deeper than {MAX_DEPTH} levels, which no store takes")
        if condition.given and len(documents) != 1:
            raise InvalidError("If-Match and If-None-Match go with exactly one item")
        return cls(documents, single, condition, message, outcomes, dry_run, trial, tuple(gone))

    def answer(self, applied: Applied) -> Any:
        """What goes back: one for one, a list for a list; on trial a list beside the trial."""
        written: list[dict[str, Any]] = []
        for each in applied:
            if each.action == "deleted":
                continue
            subject = each.spec if each.spec is not None else each.value
            assert subject is not None, "what was put is there"
            written.append(shown_outcome(each) if self.outcomes else document_of(subject))
        if self.trial is not None:
            return tried(written, applied.trial)
        return written[0] if self.single else written


@dataclass(frozen=True, slots=True)
class Selection:
    """Which documents an operation is about.

    `paged` tells that a page, not a bare list, is wanted, and `reveal` that the data of values is to be shown.
    """

    query: Query
    paged: bool = False
    condition: Precondition = NO_CONDITION
    message: str | None = None
    dry_run: bool = False
    trial: timedelta | None = None
    reveal: bool = False

    @classmethod
    def to_read(cls, payload: Any, namespace: str, *, secret: bool = False) -> Selection:
        """Read a filter. Without one it means every namespace but `namespace`, in which the flow itself runs.

        `secret` tells that there is something to reveal.
        """
        fields = (*_READ, "reveal") if secret else _READ
        if not _is_envelope(payload, fields):
            return cls(Query(except_namespace=namespace) if payload is None else Query(matches=_examples(payload)))
        _only(payload, fields)
        query = Parameters(payload.get("query"), (*FILTER, *fields[2:]))
        matches = _filter(payload, query)
        limit = read_whole(_either(payload, query, "limit"), "limit")
        after = _text(_either(payload, query, "continue"), "continue")
        paged = limit is not None or after is not None
        return cls(
            Query(
                matches=matches,
                except_namespace=namespace if matches is None else None,
                limit=min(limit or MAX_PAGE, MAX_PAGE) if paged else None,
                after=after,
            ),
            paged,
            reveal=secret and (read_flag(_either(payload, query, "reveal"), "reveal") or False),
        )

    @classmethod
    def to_delete(cls, payload: Any, namespace: str) -> Selection:
        """Read a filter, as :meth:`to_read` does. An example that names nothing, and so is like everything, is refused.

        `everything: false` refuses to be without a filter.
        """
        condition = NO_CONDITION
        message: str | None = None
        dry_run = False
        trial: timedelta | None = None
        matches: tuple[Example, ...] | None
        if _is_envelope(payload, _DELETE):
            _only(payload, _DELETE)
            query = Parameters(payload.get("query"), (*FILTER, "message", "dry_run", "confirm"))
            matches = _filter(payload, query)
            condition = Precondition.of(payload.get("if_match"), payload.get("if_none_match"))
            message = _text(_either(payload, query, "message"), "message")
            dry_run = read_flag(_either(payload, query, "dry_run"), "dry_run") or False
            trial = _trial(payload, query, dry_run=dry_run)
            if matches is None and read_flag(payload.get("everything"), "everything") is False:
                raise InvalidError(
                    "nothing says what to delete",
                    hint="give id, namespace, name or label in the query, or examples in the body",
                )
        else:
            matches = _examples(payload) if payload is not None else None
        if matches is not None and Example() in matches:
            raise InvalidError(
                "an example that names nothing would delete everything", hint="name an id, namespace, name or labels"
            )
        if condition.exists is False:
            raise InvalidError("If-None-Match means nothing to a deletion", hint="If-Match names what is to be deleted")
        meant = Query(except_namespace=namespace) if matches is None else Query(matches=matches)
        return cls(meant, False, condition, message, dry_run, trial)


@dataclass(frozen=True, slots=True)
class Reference:
    """One spec, by id, or by namespace and name; and what else the operation wants to know."""

    known: str
    namespace: str
    condition: Precondition = NO_CONDITION
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, payload: Any, *extra: str, default: str = "default") -> Reference:
        """Read it; `extra` are the names of further fields, which the query may have as well."""
        if not isinstance(payload, Mapping):
            raise InvalidError(f"the body must be a map with `id`, or `namespace` and `name`, not {_kind(payload)}")
        _only(payload, ("id", "namespace", "name", "query", "if_match", "if_none_match", "body", *extra))
        if payload.get("body") is not None:
            raise InvalidError("a body means nothing here", hint=f"the query may have {' and '.join(extra)}")
        query = Parameters(payload.get("query"), extra)
        known = _text(payload.get("id"), "id") or _text(payload.get("name"), "name")
        if not known:
            raise InvalidError("nothing says what is meant", hint="give `id`, or `namespace` and `name`")
        condition = Precondition.of(payload.get("if_match"), payload.get("if_none_match"))
        rest = {name: _either(payload, query, name) for name in extra}
        return cls(known, _text(payload.get("namespace"), "namespace") or default, condition, rest)

    def whole(self, name: str) -> int | None:
        """A further field that is a whole number from 1 on."""
        return read_whole(self.extra.get(name), name)

    def text(self, name: str) -> str | None:
        """A further field that is text."""
        return _text(self.extra.get(name), name)


def read_namespace(payload: Any) -> str | None:
    """The namespace in a map or its query; None for all of them."""
    if payload is None:
        return None
    if not isinstance(payload, Mapping):
        raise InvalidError(f"a map with `namespace` is needed, not {_kind(payload)}")
    query = Parameters(payload.get("query"), ("namespace",))
    return _text(_either(payload, query, "namespace"), "namespace")


def read_trial(payload: Any) -> str:
    """The id of the trial that is meant: `id` of a map. Nothing else means anything."""
    if not isinstance(payload, Mapping):
        raise InvalidError(f"a map with the `id` of a trial is needed, not {_kind(payload)}")
    _only(payload, ("id", "query", "body"))
    if payload.get("body") is not None:
        raise InvalidError("a body means nothing here")
    Parameters(payload.get("query"), ())
    known = _text(payload.get("id"), "id")
    if not known:
        raise InvalidError("nothing says which trial is meant", hint="give its `id`")
    return known


def tried(items: Sequence[Any], trial: Trial | None) -> dict[str, Any]:
    """What goes back for what was written on trial."""
    return {"items": items, "trial": trial.to_json() if trial is not None else None}


def shown_outcome(outcome: Outcome) -> dict[str, Any]:
    """What became of one document, and how it is now, or was before it was deleted."""
    subject = outcome.spec if outcome.spec is not None else outcome.value
    item = document_of(subject) if subject is not None else {"id": outcome.id, "namespace": outcome.namespace}
    return {"action": outcome.action, "item": item}


def _is_deep(document: Any) -> bool:
    """Whether it has more levels than a store takes; found out without recursion, which such data would exhaust."""
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return False
    return True


def _inside(data: Any) -> Iterable[Any]:
    """The maps and lists directly in a map or list."""
    values = data.values() if isinstance(data, Mapping) else data
    return [value for value in values if isinstance(value, (Mapping, list, tuple))]


def _is_list_of_items(payload: Any) -> bool:
    """Whether a map has `items` beside what else there is to say. A document with such a field has others as well."""
    return isinstance(payload, Mapping) and "items" in payload and not payload.keys() & {"kind", "id", "name"}


def _gone(listed: Any) -> list[tuple[str, int | None]]:
    """The ids to delete, and the revisions that were seen."""
    if listed is None:
        return []
    if not isinstance(listed, (list, tuple)) or not all(isinstance(each, Mapping) for each in listed):
        raise InvalidError('`delete` must be a list such as [{"id": ID, "revision": 12}]')
    gone: list[tuple[str, int | None]] = []
    for index, each in enumerate(listed):
        _only(each, ("id", "revision"))
        known = _text(each.get("id"), "id")
        if not known:
            raise InvalidError(f"item {index} of `delete` needs an `id`")
        gone.append((known, read_whole(each.get("revision"), "revision")))
    return gone


def _trial(payload: Mapping[str, Any], query: Parameters, *, dry_run: bool) -> timedelta | None:
    """How long there is to confirm; None if it need not be confirmed."""
    length = read_duration(_either(payload, query, "confirm"), "confirm")
    if length is None:
        return None
    if dry_run:
        raise InvalidError(
            "`confirm` and `dry_run` exclude each other", hint="a dry run writes nothing that could go back"
        )
    check_length(length)
    return length


def _is_envelope(payload: Any, fields: Sequence[str]) -> bool:
    """Whether a map has more to say than an example has, which knows none of these fields."""
    return isinstance(payload, Mapping) and bool(payload.keys() & set(fields))


def _filter(payload: Mapping[str, Any], query: Parameters) -> tuple[Example, ...] | None:
    """The examples in `filter` or in the query; None if there is neither."""
    example, given = query.example(), payload.get("filter")
    if example is not None and given is not None:
        raise InvalidError("the query and the body both say what is meant", hint="leave out one of them")
    if given is not None:
        return _examples(given)
    return (Example.of(example),) if example is not None else None


def _examples(payload: Any) -> tuple[Example, ...]:
    listed = payload if isinstance(payload, (list, tuple)) else [payload]
    examples = tuple(Example.of(example) for example in listed)
    wide = sum(1 for example in examples if example.id is None and example.name is None)
    if wide > MAX_WIDE:
        raise InvalidError(
            f"{wide} examples have neither id nor name; {MAX_WIDE} are taken at one time", hint="name the ids instead"
        )
    return examples


def _either(payload: Mapping[str, Any], query: Parameters, name: str) -> Any:
    """A field of the map, or the parameter of this name."""
    value = payload.get(name)
    if name not in query:
        return value
    if value is not None:
        raise InvalidError(f"`{name}` stands in the query and beside it", hint="leave out one of them")
    return query.get(name)


def _only(payload: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in payload:
        if key not in known:
            raise InvalidError(f"there is no field {key!r} here", hint=f"the fields are {', '.join(known)}")


def _text(value: Any, name: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidError(f"`{name}` must be text, not {_kind(value)}")
    check_text(value, f"`{name}`")
    return value


def _kind(value: Any) -> str:
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list"}
    return names.get(type(value), "a map" if isinstance(value, Mapping) else type(value).__name__)
