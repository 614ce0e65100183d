"""A client of the admin API: `/v1/nodes`, `/v1/values`, `/v1/instances`.

Errors of the daemon come back as the exceptions that a store would have raised, findings with their places, so that a verb
tells them alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import aiohttp

from engine.errors import (
    Code,
    ConflictError,
    Diagnostic,
    DiagnosticsError,
    ErrorValue,
    InvalidError,
    NotFoundError,
    Place,
    UnavailableError,
    WeirError,
)
from engine.spec.model import Spec, Value, parse_spec, parse_value
from engine.store.instance import Instance
from engine.store.query import Page, Query
from engine.store.record import Resource
from engine.store.write import Action

Item = Spec | Value

_PATHS: Final[Mapping[Resource, str]] = {"spec": "/v1/nodes", "value": "/v1/values"}
_PAGE: Final = 500
_MAX_ANSWER: Final = 256 * 1024 * 1024


class Client:
    """Speaks to one daemon. `url` is `http://host:port`, or `unix:/path` for a socket."""

    def __init__(self, url: str, *, patience: float) -> None:
        self._url = url
        self._patience = patience
        self._socket = url.removeprefix("unix:") if url.startswith("unix:") else None
        if self._socket is None and not url.startswith(("http://", "https://")):
            raise InvalidError(f"{url!r} is no URL of a daemon", hint="write http://127.0.0.1:8585")
        self._base = "http://weir" if self._socket is not None else url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session; nothing is sent yet."""
        connector = aiohttp.UnixConnector(self._socket) if self._socket is not None else aiohttp.TCPConnector()
        timeout = aiohttp.ClientTimeout(total=self._patience)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def items(self, resource: Resource, query: Query) -> Page[Item]:
        """All pages of a listing. Of a query, namespaces, names, ids and labels are asked for."""
        found: list[Item] = []
        for namespace in query.namespaces if query.namespaces is not None else (None,):
            parameters = [("namespace", namespace)] if namespace is not None else []
            if query.names is not None and len(query.names) == 1:
                parameters.append(("name", query.names[0]))
            parameters += [("label", f"{key}={value}") for key, value in query.labels.items()]
            found += await self._pages(resource, parameters)
        chosen = [item for item in found if _admits(query, item)]
        return Page(chosen, revision=max((item.revision for item in chosen), default=0))

    async def _pages(self, resource: Resource, parameters: list[tuple[str, str]]) -> list[Item]:
        found: list[Item] = []
        after: str | None = None
        while True:
            more = [("limit", str(_PAGE)), *([("continue", after)] if after else [])]
            answer = await self._send("GET", _PATHS[resource], parameters=[*parameters, *more])
            listed = answer.get("items") if isinstance(answer, Mapping) else answer
            after = answer.get("continue") if isinstance(answer, Mapping) else None
            if not isinstance(listed, list):
                raise self._nonsense("a listing")
            found += [self._item(resource, document) for document in listed]
            if not after:
                return found

    async def put(self, items: Sequence[Item], *, message: str | None) -> list[tuple[Action, Item]]:
        """Make or replace these, all or none; one with a revision only if that is the one which is there.

        The daemon tells what became of each: it alone sees what is there at the moment of writing.
        """
        if not items:
            return []
        resource = _resource(items[0])
        body = [_body(item) for item in items]
        parameters = [("outcomes", "true"), *([("message", message)] if message else [])]
        try:
            answer = await self._send("PUT", _PATHS[resource], parameters=parameters, body=body)
        except DiagnosticsError as error:
            raise DiagnosticsError([_placed(found, items) for found in error.diagnostics]) from error
        if not isinstance(answer, list) or len(answer) != len(body):
            raise self._nonsense(f"{len(body)} items")
        return [self._outcome(resource, form) for form in answer]

    async def delete(self, items: Sequence[Item]) -> None:
        """Delete these by their ids, all or none. An empty list asks for nothing: a daemon could take it for all."""
        if not items:
            return
        for item in items:
            if not item.id:
                raise InvalidError(f"{item.label} has no id to delete it by")
        await self._send("DELETE", _PATHS[_resource(items[0])], body=[{"id": item.id} for item in items])

    async def instances(self, namespace: str | None) -> list[Instance]:
        parameters = [("namespace", namespace)] if namespace is not None else []
        answer = await self._send("GET", "/v1/instances", parameters=parameters)
        if not isinstance(answer, list):
            raise self._nonsense("a list of instances")
        instances = [Instance.from_json(form) for form in answer]
        return [instance for instance in instances if namespace is None or instance.namespace == namespace]

    def _outcome(self, resource: Resource, form: Any) -> tuple[Action, Item]:
        action = form.get("action") if isinstance(form, Mapping) else None
        if action not in ("created", "configured", "unchanged"):
            raise self._nonsense("what became of each item")
        return action, self._item(resource, form.get("item"))

    def _item(self, resource: Resource, document: Any) -> Item:
        try:
            return parse_spec(document) if resource == "spec" else parse_value(document)
        except DiagnosticsError as error:
            raise self._nonsense(f"a {resource}") from error

    async def _send(
        self, method: str, path: str, *, parameters: Sequence[tuple[str, str]] = (), body: Any = None
    ) -> Any:
        assert self._session is not None, "open the client first"
        try:
            async with self._session.request(method, self._base + path, params=list(parameters), json=body) as answer:
                text = await answer.content.read(_MAX_ANSWER)
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            reason = "it did not answer in time" if isinstance(error, TimeoutError) else str(error)
            raise UnavailableError(
                f"cannot reach the daemon at {self._url}: {reason}",
                hint="see whether `weir start` runs there, and `admin.listen` of its config",
            ) from error
        try:
            data = json.loads(text) if text.strip() else None
        except ValueError:
            data = None
            if status < 400:
                raise self._nonsense("JSON") from None
        if status >= 400:
            raise _failure(status, data, self._url)
        return data

    def _nonsense(self, expected: str) -> UnavailableError:
        return UnavailableError(
            f"{self._url} did not answer with {expected}", hint="is it the admin API of a daemon of the same version?"
        )


def _resource(item: Item) -> Resource:
    return "spec" if isinstance(item, Spec) else "value"


def _admits(query: Query, item: Item) -> bool:
    """What a daemon that knows fewer filters would have left in."""
    return (
        (query.namespaces is None or item.namespace in query.namespaces)
        and (query.names is None or item.name in query.names)
        and (query.ids is None or item.id in query.ids)
        and all(item.labels.get(key) == value for key, value in query.labels.items())
    )


def _body(item: Item) -> dict[str, Any]:
    """What is sent of an item: its document, whose it is, and the revision that it takes the place of."""
    document: dict[str, Any] = {"namespace": item.namespace, **item.document}
    if item.id:
        document["id"] = item.id
    if item.revision:
        document["revision"] = item.revision
    return document


def _placed(found: Diagnostic, items: Sequence[Item]) -> Diagnostic:
    """A finding about what was sent, at the place in the file that it was read from."""
    if not found.path or not isinstance(found.path[0], int) or found.path[0] >= len(items):
        return found
    item = items[found.path[0]]
    path = found.path[1:]
    place = item.origin.place(path) if item.origin is not None else found.place
    return replace(found, place=place, path=path)


def _failure(status: int, data: Any, url: str) -> WeirError:
    """The exception of a problem document (RFC 9457), or of a status without one."""
    problem = data if isinstance(data, Mapping) else {}
    text = str(problem.get("detail") or problem.get("title") or f"{url} answered with the status {status}")
    hint = problem.get("hint")
    hint = hint if isinstance(hint, str) else None
    found = [_diagnostic(entry) for entry in problem.get("errors") or () if isinstance(entry, Mapping)]
    if found and status in (400, 422):
        return DiagnosticsError(found)
    match status:
        case 404:
            return NotFoundError(text, hint=hint)
        case 409 | 412:
            return ConflictError(text, hint=hint)
    label = problem.get("code")
    code = next((code for code in Code if code.label == label), None)
    if code is None and status < 500:
        code = next((code for code in Code if code.http == status), Code.INVALID)
    if code is None or code is Code.UNAVAILABLE:
        return UnavailableError(text, hint=hint)
    return WeirError.from_value(ErrorValue(text, code, hint=hint))


def _diagnostic(entry: Mapping[str, Any]) -> Diagnostic:
    place = Place(entry.get("file"), entry.get("line") or 0, entry.get("column") or 0)
    severity = "warning" if entry.get("severity") == "warning" else "error"
    return Diagnostic(
        str(entry.get("code", "invalid")),
        str(entry.get("message", "")),
        place,
        entry.get("hint"),
        severity,  # type: ignore[arg-type]  # one of the two, as the line above says
        path=tuple(entry.get("path") or ()),
    )
