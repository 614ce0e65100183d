"""A client of the admin API: `/v1/nodes`, `/v1/values`, `/v1/trials`, `/v1/instances`, `/v1/processes`.

Errors of the daemon come back as the exceptions that a store would have raised, findings with their places, so that a verb
tells them alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from engine.cli.findings import finding
from engine.errors import (
    Code,
    ConflictError,
    Diagnostic,
    DiagnosticsError,
    ErrorValue,
    InvalidError,
    NotFoundError,
    UnavailableError,
    WeirError,
)
from engine.spec.model import Spec, Value, parse_spec, parse_value
from engine.store.change import HistoryEntry
from engine.store.instance import Instance
from engine.store.query import Page, Query
from engine.store.record import Resource
from engine.store.rollback import Rollback
from engine.store.trial import Left, Reverted, Trial
from engine.store.write import Action, Outcome

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

    async def items(self, resource: Resource, query: Query, *, reveal: bool = False) -> Page[Item]:
        """All pages of a listing. Of a query, namespaces, names, ids and labels are asked for.

        The data of values is hidden unless it is to be revealed.
        """
        found: list[Item] = []
        for namespace in query.namespaces if query.namespaces is not None else (None,):
            parameters = [("namespace", namespace)] if namespace is not None else []
            if query.names is not None and len(query.names) == 1:
                parameters.append(("name", query.names[0]))
            parameters += [("label", f"{key}={value}") for key, value in query.labels.items()]
            parameters += [("reveal", "true")] if reveal and resource == "value" else []
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

    async def put(
        self,
        resource: Resource,
        items: Sequence[Item],
        gone: Sequence[tuple[str, int | None]],
        *,
        message: str | None,
        trial: timedelta | None = None,
    ) -> tuple[list[tuple[Action, Item]], Trial | None]:
        """Make or replace items and delete those with the ids of `gone`, all or none. A revision that is named must be there.

        The daemon tells what became of each item: it alone sees what is there at the moment of writing. With `trial` it
        tells the trial that has begun, too.
        """
        if not items and not gone:
            return [], None
        parameters = [("outcomes", "true"), *([("message", message)] if message else [])]
        if trial is not None:
            parameters.append(("confirm", f"{trial // timedelta(microseconds=1)}us"))
        answer = await self._put(resource, items, gone, parameters)
        begun: Any = None
        if trial is not None:
            if not isinstance(answer, Mapping) or "trial" not in answer:
                raise self._nonsense("a trial")  # what was written may stay: that must not be taken for the contrary
            begun, answer = answer["trial"], answer.get("items")
        if not isinstance(answer, list) or len(answer) != len(items):
            raise self._nonsense(f"{len(items)} items")
        return [self._outcome(resource, form) for form in answer], self._trial(begun) if begun is not None else None

    async def trials(self, namespace: str | None) -> list[Trial]:
        """The trials that have not ended."""
        parameters = [("namespace", namespace)] if namespace is not None else []
        answer = await self._send("GET", "/v1/trials", parameters=parameters)
        if not isinstance(answer, list):
            raise self._nonsense("a list of trials")
        return [self._trial(form) for form in answer]

    async def confirm(self, id: str) -> Trial:
        """What a trial wrote stays. Raises NotFoundError."""
        return self._trial(await self._send("POST", f"/v1/trials/{quote(id, safe='')}/confirm"))

    async def revert(self, id: str) -> Reverted:
        """Take a trial back. Raises NotFoundError."""
        answer = await self._send("DELETE", f"/v1/trials/{quote(id, safe='')}")
        form = answer if isinstance(answer, Mapping) else {}
        outcomes, left = form.get("outcomes"), form.get("left")
        if not isinstance(outcomes, list) or not isinstance(left, list):
            raise self._nonsense("a trial that was taken back")
        try:
            found = [Left.from_json(each) for each in left]
            return Reverted(Trial.from_json(form.get("trial")), [_undone(each) for each in outcomes], found)
        except (InvalidError, KeyError, TypeError) as error:
            raise self._nonsense("a trial that was taken back") from error

    async def foresee(
        self, resource: Resource, items: Sequence[Item], gone: Sequence[tuple[str, int | None]]
    ) -> tuple[list[tuple[Action, Item]], list[Mapping[str, Any]]]:
        """What :meth:`put` would do, deletions behind the items; and what would become of what runs."""
        answer = await self._put(resource, items, gone, [("dry_run", "true")])
        outcomes = answer.get("outcomes") if isinstance(answer, Mapping) else None
        plan = answer.get("plan") if isinstance(answer, Mapping) else None
        if not isinstance(outcomes, list) or len(outcomes) != len(items) + len(gone) or not isinstance(plan, list):
            raise self._nonsense("a plan")
        return [self._outcome(resource, form) for form in outcomes], plan

    async def _put(
        self,
        resource: Resource,
        items: Sequence[Item],
        gone: Sequence[tuple[str, int | None]],
        parameters: Sequence[tuple[str, str]],
    ) -> Any:
        body = {
            "items": [_body(item) for item in items],
            "delete": [{"id": id, **({"revision": expect} if expect else {})} for id, expect in gone],
        }
        try:
            return await self._send("PUT", _PATHS[resource], parameters=parameters, body=body)
        except DiagnosticsError as error:
            raise DiagnosticsError([_placed(found, items) for found in error.diagnostics]) from error

    async def instances(self, namespace: str | None) -> list[Instance]:
        parameters = [("namespace", namespace)] if namespace is not None else []
        answer = await self._send("GET", "/v1/instances", parameters=parameters)
        if not isinstance(answer, list):
            raise self._nonsense("a list of instances")
        instances = [Instance.from_json(form) for form in answer]
        return [instance for instance in instances if namespace is None or instance.namespace == namespace]

    async def processes(self) -> list[Mapping[str, Any]]:
        """What every live process tells of itself: :meth:`engine.flow.process.Process.statistics`."""
        answer = await self._send("GET", "/v1/processes")
        if not isinstance(answer, list) or not all(isinstance(form, Mapping) and "id" in form for form in answer):
            raise self._nonsense("a list of processes")
        return answer

    async def history(self, namespace: str, known: str, *, limit: int | None) -> list[HistoryEntry]:
        """The revisions of a spec, newest first; empty if there was none."""
        parameters = [("limit", str(limit))] if limit is not None else []
        try:
            answer = await self._send("GET", f"{_spec_path(namespace, known)}/revisions", parameters=parameters)
        except NotFoundError:
            return []
        if not isinstance(answer, list):
            raise self._nonsense("a list of revisions")
        try:
            return [HistoryEntry.from_json(form) for form in answer]
        except InvalidError as error:
            raise self._nonsense("a list of revisions") from error

    async def roll_back(self, way: Rollback, *, message: str | None) -> Spec:
        """Make what a revision says the newest one. Raises ConflictError if something else is there by now."""
        parameters = [("to", str(way.entry.revision)), *([("message", message)] if message else [])]
        condition = {"If-Match": f'"{way.expect}"'} if way.expect else {"If-None-Match": "*"}
        path = f"{_spec_path(way.entry.namespace, way.known)}/rollback"
        spec = self._item("spec", await self._send("POST", path, parameters=parameters, headers=condition))
        assert isinstance(spec, Spec)
        return spec

    def _trial(self, form: Any) -> Trial:
        try:
            return Trial.from_json(form)
        except InvalidError as error:
            raise self._nonsense("a trial") from error

    def _outcome(self, resource: Resource, form: Any) -> tuple[Action, Item]:
        action = form.get("action") if isinstance(form, Mapping) else None
        if action not in ("created", "configured", "unchanged", "deleted"):
            raise self._nonsense("what became of each item")
        return action, self._item(resource, form.get("item"))

    def _item(self, resource: Resource, document: Any) -> Item:
        try:
            return parse_spec(document) if resource == "spec" else parse_value(document)
        except DiagnosticsError as error:
            raise self._nonsense(f"a {resource}") from error

    async def _send(
        self,
        method: str,
        path: str,
        *,
        parameters: Sequence[tuple[str, str]] = (),
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        assert self._session is not None, "open the client first"
        url, query = self._base + path, list(parameters)
        try:
            async with self._session.request(method, url, params=query, json=body, headers=headers) as answer:
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


def _spec_path(namespace: str, known: str) -> str:
    return f"{_PATHS['spec']}/{quote(namespace, safe='')}/{quote(known, safe='')}"


def _undone(form: Any) -> Outcome:
    """What became of a spec that went back. One that this version cannot read has gone back all the same."""
    item = form["item"]
    try:
        spec = parse_spec(item)
    except DiagnosticsError:
        return Outcome(form["action"], "spec", item["namespace"], item["id"], None, 0)
    return Outcome(form["action"], "spec", spec.namespace, spec.id, spec.name, spec.revision, spec)


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
    found = [finding(entry) for entry in problem.get("errors") or () if isinstance(entry, Mapping)]
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
