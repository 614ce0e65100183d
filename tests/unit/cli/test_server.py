"""The client, against a small admin API: the daemon's own operations over a store in memory, behind plain HTTP."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web

from engine.cli.server import ServerTarget
from engine.cli.target import StoreTarget
from engine.errors import (
    Code,
    ConflictError,
    DiagnosticsError,
    InvalidError,
    NotFoundError,
    UnavailableError,
    WeirError,
)
from engine.spec.fields import duration
from engine.spec.model import parse_specs, parse_values
from engine.store.change import HistoryEntry
from engine.store.memory import MemoryStore
from engine.store.query import Query
from engine.store.rollback import Rollback
from engine.store.write import DeleteSpec, PutSpec, PutValue

PATHS = {"nodes": ("specs", PutSpec, parse_specs), "values": ("values", PutValue, parse_values)}


class Api:
    """As much of the admin API as the client uses. `log` has each request; `answer` overrides all answers."""

    def __init__(self):
        self.store = MemoryStore()
        self.log = []
        self.answer = None

    async def handle(self, request):
        body = await request.read()
        data = json.loads(body) if body else None
        self.headers = request.headers
        self.log.append((request.method, request.path, dict(request.query), data))
        if self.answer is not None:
            status, form = self.answer
            return web.Response(status=status, body=form if isinstance(form, bytes) else json.dumps(form).encode())
        if request.path == "/v1/instances":
            return web.json_response([])
        if request.path.startswith("/v1/trials"):
            return await self.handle_trials(request)
        list_name, put, parse = PATHS[request.path.removeprefix("/v1/")]
        try:
            if request.method == "GET":
                query = Query(
                    namespaces=(request.query["namespace"],) if "namespace" in request.query else None,
                    limit=2,  # small pages, so that the client must turn them
                    after=request.query.get("continue"),
                )
                page = await getattr(self.store, list_name)(query)
                return web.json_response({"items": [self.shown(item) for item in page], "continue": page.after})
            if request.method == "PUT":
                assert data.keys() == {"items", "delete"}
                items = parse(json.dumps(data["items"]), file=None) if data["items"] else []
                writes = [put(item, item.revision or None) for item in items]
                writes += [DeleteSpec(id=each["id"], expect=each.get("revision")) for each in data["delete"]]
                dry_run = request.query.get("dry_run") == "true"
                length = duration(request.query["confirm"]) if "confirm" in request.query else None
                outcomes = await self.store.apply(
                    writes, message=request.query.get("message"), dry_run=dry_run, trial=length
                )
                told = [{"action": each.action, "item": self.shown(each.spec or each.value)} for each in outcomes]
                if dry_run:
                    return web.json_response({"outcomes": told, "plan": [{"action": "created", "id": "x"}]})
                assert request.query["outcomes"] == "true"
                if length is not None:
                    begun = outcomes.trial and outcomes.trial.to_json()
                    return web.json_response({"items": told[: len(items)], "trial": begun})
                return web.json_response(told[: len(items)])
            raise AssertionError(f"nobody asks for {request.method}")
        except WeirError as error:
            errors = [found.to_json() for found in getattr(error, "diagnostics", ())]
            form = {"title": "x", "detail": str(error), "code": error.code.label, "errors": errors}
            return web.json_response(form, status=error.code.http)

    async def handle_trials(self, request):
        _, _, _, *rest = request.path.split("/")
        try:
            if not rest:
                return web.json_response([trial.to_json() for trial in await self.store.trials()])
            if request.method == "POST":
                assert rest[1:] == ["confirm"]
                return web.json_response((await self.store.confirm(rest[0])).to_json())
            reverted = await self.store.revert(rest[0])
        except NotFoundError as error:
            return web.json_response({"detail": str(error), "code": "not_found"}, status=404)
        form = {
            "trial": reverted.trial.to_json(),
            "outcomes": [{"action": each.action, "item": self.shown(each.spec)} for each in reverted.outcomes],
            "left": [left.to_json() for left in reverted.left],
        }
        return web.json_response(form)

    @staticmethod
    def shown(item):
        return {"id": item.id, "namespace": item.namespace, **item.document, "revision": item.revision}


@asynccontextmanager
async def serving(api, folder):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(folder / "s")).start()
    try:
        async with api.store:
            yield f"unix:{folder / 's'}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def api(tmp_path):
    api = Api()
    async with serving(api, tmp_path) as url:
        api.url = url
        yield api


@pytest.fixture
async def target(api):
    async with ServerTarget(api.url, patience=5, poll_interval=0) as target:
        yield target


def specs(text, **options):
    return parse_specs(text, file="f.yaml", **options)


def puts(text):
    return [PutSpec(spec) for spec in specs(text)]


ABC = "- {kind: probe, name: a}\n- {kind: probe, name: b, labels: {x: y}}\n- {kind: probe, name: c}\n"


def actions(outcomes):
    return [(each.action, each.name) for each in outcomes]


async def test_written_in_one_request(api, target):
    assert actions(await target.apply(puts(ABC), message="why")) == [("created", n) for n in "abc"]
    changed = ABC.replace("name: b,", "name: b, text: new,") + "- {kind: probe, name: d}\n"
    outcomes = await target.apply(puts(changed))
    assert actions(outcomes) == [("unchanged", "a"), ("configured", "b"), ("unchanged", "c"), ("created", "d")]
    written = [entry for entry in api.log if entry[0] == "PUT"]
    assert [len(body["items"]) for _, _, _, body in written] == [3, 2]
    assert written[0][2] == {"outcomes": "true", "message": "why"}
    assert all("revision" not in item for _, _, _, body in written for item in body["items"])
    assert outcomes[1].revision == 4


async def test_nothing_changed_writes_nothing(api, target):
    await target.apply(puts(ABC))
    api.log.clear()
    await target.apply(puts(ABC))
    assert {method for method, *_ in api.log} == {"GET"}


async def test_all_pages_are_read(target):
    await target.apply(puts(ABC + "- {kind: probe, name: z, namespace: other}\n"))
    assert [item.name for item in await target.items("spec", Query())] == ["a", "b", "c", "z"]
    assert [item.name for item in await target.items("spec", Query(namespaces=("default",)))] == ["a", "b", "c"]
    assert [item.name for item in await target.items("spec", Query(labels={"x": "y"}))] == ["b"]
    assert [item.name for item in await target.items("spec", Query(names=("c",)))] == ["c"]


async def test_values(target):
    [value] = parse_values("- {name: v, data: {a: 1}}")
    assert actions(await target.apply([PutValue(value)])) == [("created", "v")]
    [found] = await target.items("value", Query())
    assert found.data == {"a": 1}


async def test_deleted_by_id_in_one_request(api, target):
    await target.apply(puts(ABC))
    items = await target.items("spec", Query())
    api.log.clear()
    outcomes = await target.apply([DeleteSpec(id=item.id, namespace="default") for item in items[:2]])
    assert actions(outcomes) == [("deleted", "a"), ("deleted", "b")]
    gone = [{"id": item.id} for item in items[:2]]
    assert [body for method, _, _, body in api.log if method == "PUT"] == [{"items": [], "delete": gone}]
    assert [item.name for item in await target.items("spec", Query())] == ["c"]


async def test_nothing_to_delete(api, target):
    with pytest.raises(NotFoundError, match="no spec 'x'"):
        await target.apply([DeleteSpec(namespace="default", name="x")])
    await target.apply([])
    assert all(method == "GET" for method, *_ in api.log)


async def test_written_and_deleted_in_one_request(api, target):
    await target.apply(puts(ABC))
    api.log.clear()
    writes = [*puts("- {kind: probe, name: a, text: new}\n"), DeleteSpec(namespace="default", name="b", expect=2)]
    assert actions(await target.apply(writes)) == [("configured", "a"), ("deleted", "b")]
    [body] = [body for method, _, _, body in api.log if method == "PUT"]
    assert body["delete"] == [{"id": body["delete"][0]["id"], "revision": 2}]
    with pytest.raises(ConflictError, match="is at revision 3, and the writer has seen revision 1"):
        await target.apply([DeleteSpec(namespace="default", name="c", expect=1)])


async def test_foreseen_and_not_written(api, target):
    await target.apply(puts(ABC))
    writes = [*puts(ABC.replace("name: b,", "name: b, text: new,")), DeleteSpec(namespace="default", name="c")]
    outlook = await target.foresee([writes[1], *writes[2:], writes[0]])
    assert actions(outlook.outcomes) == [("configured", "b"), ("unchanged", "c"), ("deleted", "c"), ("unchanged", "a")]
    assert outlook.effects == [{"action": "created", "id": "x"}]
    assert outlook.asked
    assert [item.name for item in await target.items("spec", Query())] == ["a", "b", "c"]
    assert (await target.foresee([])).outcomes == []


async def test_what_somebody_else_does_meanwhile_is_told_as_it_is(api, target):
    """Between the look at what is there and the writing, `a` is made and `b` is deleted by somebody else."""
    await target.apply(puts("- {kind: probe, name: b}\n"))
    look = target.items

    async def look_then_change(resource, query, **how):
        page = await look(resource, query, **how)
        await api.store.apply([*puts("- {kind: probe, name: a}\n"), DeleteSpec(namespace="default", name="b")])
        return page

    target.items = look_then_change
    written = puts("- {kind: probe, name: a, text: new}\n- {kind: probe, name: b, text: new}\n")
    assert actions(await target.apply(written)) == [("configured", "a"), ("created", "b")]


@pytest.mark.parametrize("answer", [[{"item": {}}], [{"action": "pruned", "item": {}}], [{"action": "created"}], ["x"]])
async def test_outcomes_that_are_none(api, target, answer):
    [spec] = specs("- {kind: probe, name: a}")
    api.answer = (200, answer)
    with pytest.raises(UnavailableError, match="did not answer with"):
        await target._client.put("spec", [spec], [], message=None)


async def test_the_revision_that_the_writer_has_seen_goes_along(api, target):
    await target.apply(puts(ABC))
    [spec] = specs("- {kind: probe, name: b, text: mine}")
    await target.apply([PutSpec(spec, 2)])
    assert [
        body["items"][0]["revision"] for method, _, _, body in api.log if method == "PUT" and len(body["items"]) == 1
    ] == [2]


async def test_a_stale_revision(target):
    await target.apply(puts(ABC))
    [spec] = specs("- {kind: probe, name: a, text: mine}")
    with pytest.raises(ConflictError, match="is at revision 1, and the writer has seen revision 7"):
        await target.apply([PutSpec(spec, 7)])


async def test_findings_of_the_daemon_stand_in_the_file(api, target):
    error = {"code": "unknown-field", "path": [1, "txt"], "message": "no txt", "hint": "text"}
    items = specs("- {kind: probe, name: n}\n- {kind: probe, name: m,\n   txt: 1}\n")
    api.answer = (400, {"detail": "bad", "errors": [error]})
    with pytest.raises(DiagnosticsError) as caught:
        await target._client.put("spec", items, [], message=None)
    [found] = caught.value.diagnostics
    assert (str(found.place), found.rule, found.hint) == ("f.yaml:3:9", "unknown-field", "text")


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, WeirError, Code.INVALID),
        (401, WeirError, Code.UNAUTHENTICATED),
        (403, WeirError, Code.FORBIDDEN),
        (404, NotFoundError, Code.NOT_FOUND),
        (409, ConflictError, Code.CONFLICT),
        (412, ConflictError, Code.CONFLICT),
        (500, UnavailableError, Code.UNAVAILABLE),
        (503, UnavailableError, Code.UNAVAILABLE),
        (418, WeirError, Code.INVALID),
    ],
)
async def test_problems_are_errors(api, target, status, kind, code):
    api.answer = (status, {"title": "T", "detail": "what happened", "hint": "do"})
    with pytest.raises(kind, match="what happened") as caught:
        await target.items("spec", Query())
    assert caught.value.code.exit_code == 1
    assert caught.value.code is code
    assert caught.value.hint == "do"


@pytest.mark.parametrize("answer", [(200, b"<html>"), (200, b""), (200, {"items": 1}), (200, [{"no": "spec"}])])
async def test_what_is_no_admin_api_is_said_to_be_none(api, target, answer):
    api.answer = answer
    with pytest.raises(UnavailableError, match="did not answer with"):
        await target.items("spec", Query())


async def test_the_code_of_a_problem_is_kept(api, target):
    api.answer = (500, {"detail": "what happened", "code": "expression"})
    with pytest.raises(WeirError, match="what happened") as caught:
        await target.items("spec", Query())
    assert caught.value.code is Code.EXPRESSION


async def test_an_error_without_a_problem_document(api, target):
    api.answer = (502, b"<html>bad gateway")
    with pytest.raises(UnavailableError, match="answered with the status 502"):
        await target.items("spec", Query())


async def test_nobody_is_there(tmp_path):
    async with ServerTarget(f"unix:{tmp_path / 'none'}", patience=5) as target:
        with pytest.raises(UnavailableError, match="cannot reach the daemon at unix:"):
            await target.items("spec", Query())


@pytest.mark.parametrize("url", ["localhost:8585", "ftp://x", ""])
def test_what_is_no_url(url):
    with pytest.raises(InvalidError, match="is no URL of a daemon"):
        ServerTarget(url)


async def test_a_watch_tells_the_differences(target):
    await target.apply(puts(ABC))
    async with target.watch("spec", Query()) as (page, events):
        assert [item.name for item in page] == ["a", "b", "c"]
        await target.apply(puts("- {kind: probe, name: b}\n- {kind: probe, name: d}\n"))
        await target.apply([DeleteSpec(namespace="default", name="a")])
        seen = [await anext(events) for _ in range(3)]
    assert [(event.action, event.item.name) for event in seen] == [("deleted", "a"), ("put", "b"), ("put", "d")]


# --- trials


MINUTE = timedelta(minutes=1)


async def test_written_on_trial_and_confirmed(api, target):
    await target.apply(puts(ABC))
    applied = await target.apply(puts(ABC.replace("name: b,", "name: b, text: new,")), trial=MINUTE)
    assert actions(applied) == [("unchanged", "a"), ("configured", "b"), ("unchanged", "c")]
    assert api.log[-1][2]["confirm"] == "60000000us"
    assert await target.trials(None) == [applied.trial]
    assert api.log[-1][2] == {}
    await target.trials("default")
    assert api.log[-1][2] == {"namespace": "default"}
    assert await target.confirm(applied.trial.id) == applied.trial
    for end in (target.confirm, target.revert):
        with pytest.raises(NotFoundError, match="there is no trial"):
            await end(applied.trial.id)
    assert (await target.apply(puts(ABC.replace("name: b,", "name: b, text: new,")), trial=MINUTE)).trial is None


async def test_written_on_trial_and_taken_back(api, target):
    await target.apply(puts(ABC))
    writes = [*puts(ABC.replace("kind: probe", "kind: probe, text: new")), *puts("- {kind: probe, name: d}\n")]
    trial = (await target.apply(writes, trial=MINUTE)).trial
    await target.apply(puts("- {kind: probe, name: a, text: his}\n"))
    reverted = await target.revert(trial.id)
    assert reverted.trial == trial
    assert actions(reverted.outcomes) == [("configured", "b"), ("configured", "c"), ("deleted", "d")]
    assert [(left.spec.name, "changed meanwhile" in left.reason) for left in reverted.left] == [("a", True)]


async def test_what_cannot_be_read_has_gone_back_all_the_same(api, target):
    [spec] = specs("- {kind: probe, name: a}")
    trial = (await target.apply([PutSpec(spec)], trial=MINUTE)).trial
    outcomes = [{"action": "configured", "item": {"id": "x", "namespace": "n"}}]
    api.answer = (200, {"trial": trial.to_json(), "outcomes": outcomes, "left": []})
    [outcome] = (await target.revert(trial.id)).outcomes
    assert (outcome.action, outcome.id, outcome.spec) == ("configured", "x", None)


@pytest.mark.parametrize("answer", [None, [], {}, {"outcomes": [], "left": []}, {"outcomes": [1], "left": []}])
async def test_trials_that_are_none(api, target, answer):
    api.answer = (200, answer)
    for work in (
        target.confirm("x"),
        target.revert("x"),
        target._client.put("spec", specs("- {kind: probe, name: a}"), [], message=None, trial=MINUTE),
    ):
        with pytest.raises(UnavailableError, match="did not answer with"):
            await work
    api.answer = (200, [answer])
    with pytest.raises(UnavailableError, match="did not answer with a trial"):
        await target.trials(None)


# --- history and processes

ENTRY = {
    "revision": 3,
    "action": "put",
    "id": "0190d3a5-0000-7000-8000-00000000000a",
    "namespace": "my space",
    "name": "a b",
    "time": "2026-01-02T03:04:05+00:00",
    "author": None,
    "message": None,
    "document": {"kind": "probe", "name": "a b"},
}


async def test_a_history(api, target):
    api.answer = (200, [ENTRY])
    [entry] = await target.history("my space", "a b", limit=5)
    assert (entry.revision, entry.time.year, entry.document["kind"]) == (3, 2026, "probe")
    assert api.log[-1][:3] == ("GET", "/v1/nodes/my space/a b/revisions", {"limit": "5"})
    await target.history("n", "a")
    assert api.log[-1][:3] == ("GET", "/v1/nodes/n/a/revisions", {})
    api.answer = (404, {"detail": "there is no history", "code": "not_found"})
    assert await target.history("n", "a") == []


@pytest.mark.parametrize("answer", [{}, [{}], ["x"], [{**ENTRY, "time": 3}]])
async def test_what_is_no_history(api, target, answer):
    api.answer = (200, answer)
    with pytest.raises(UnavailableError, match="did not answer with a list of revisions"):
        await target.history("n", "a")


@pytest.mark.parametrize(
    ("newest", "header", "answered", "action"),
    [
        ({"revision": 9}, ("If-Match", '"9"'), 10, "configured"),
        ({"revision": 9}, ("If-Match", '"9"'), 9, "unchanged"),
        ({"revision": 9, "document": None, "action": "delete"}, ("If-None-Match", "*"), 10, "created"),
    ],
)
async def test_a_rollback_is_about_what_was_seen(api, target, newest, header, answered, action):
    way = Rollback("a b", HistoryEntry.from_json(ENTRY), HistoryEntry.from_json({**ENTRY, **newest}))
    api.answer = (200, {**ENTRY["document"], "id": ENTRY["id"], "namespace": "my space", "revision": answered})
    outcome = await target.roll_back(way, message="why")
    assert (outcome.action, outcome.revision) == (action, answered)
    assert api.log[-1][:3] == ("POST", "/v1/nodes/my space/a b/rollback", {"to": "3", "message": "why"})
    assert api.headers[header[0]] == header[1]


async def test_processes(api, target):
    api.answer = (200, [{"id": "p", "state": "running"}])
    [process] = await target.processes()
    assert (process.id, process.to_json()) == ("p", {"id": "p", "state": "running"})
    assert api.log[-1][:2] == ("GET", "/v1/processes")
    for answer in ({}, [{}], ["x"]):
        api.answer = (200, answer)
        with pytest.raises(UnavailableError, match="a list of processes"):
            await target.processes()


async def test_what_was_written_knows_where_it_stood(target):
    [created] = await target.apply(puts("- {kind: probe, name: a}\n"))
    [unchanged] = await target.apply(puts("\n- {kind: probe, name: a}\n"))
    assert [str(each.spec.place) for each in (created, unchanged)] == ["f.yaml:1:3", "f.yaml:2:3"]


# --- a store as target


async def test_a_store_that_does_not_answer_is_given_up():
    class Stuck(MemoryStore):
        async def specs(self, query=None):
            import asyncio

            await asyncio.Event().wait()

    async with StoreTarget(Stuck(), patience=0.01) as target:
        with pytest.raises(UnavailableError, match=r"memory:// did not answer within 0.01s"):
            await target.items("spec", Query())


async def test_a_watch_of_a_store_misses_nothing():
    async with StoreTarget(MemoryStore()) as target:
        await target.apply(puts(ABC))
        async with target.watch("spec", Query(namespaces=("default",))) as (page, events):
            assert [item.name for item in page] == ["a", "b", "c"]
            await target.apply(puts("- {kind: probe, name: z, namespace: other}\n"))
            [value] = parse_values("- {name: v, data: 1}")
            await target.apply([PutValue(value)])
            await target.apply(puts("- {kind: probe, name: d}\n"))
            first = await anext(events)
            await target.apply([DeleteSpec(namespace="default", name="b")])
            second = await anext(events)
    assert [(event.action, event.item.name) for event in (first, second)] == [("put", "d"), ("deleted", "b")]
