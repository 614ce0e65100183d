"""Notes in SQLite: create, read, change and delete, with JSON bodies and checks.

By hand it is one connection and one worker thread, and each request goes there once: a statement that commits itself.
That is what is quickest among the ways that do not block the event loop (`aiosqlite` goes to its thread three times).
The database lies in memory where the system has a file system there: what is measured is not the disk.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from aiohttp import web

from benchmarks.scenarios.scenario import ByHand, Floor, Flow, Load, Probe, Scenario, Setting

NOTES = 1_000
"""How many there are to begin with."""
LONGEST = 200
NO_NOTE = {"error": "no such note"}
BAD_NOTE = {"error": "a note needs a title of up to 200 letters, and a text"}

GOOD = (
    "type(body) == map && has(body.title) && type(body.title) == string && size(body.title) > 0 "
    f"&& size(body.title) <= {LONGEST} && has(body.text) && type(body.text) == string"
)

FLOW = f"""
- kind: listener
  name: web
  port: $PORT
  ports: {{out: [{{name: routes}}]}}
- kind: router
  name: routes
  routes:
    - {{method: POST, path: /notes, port: 'out[0]'}}
    - {{method: GET, path: '/notes/:id', port: 'out[1]'}}
    - {{method: PUT, path: '/notes/:id', port: 'out[2]'}}
    - {{method: DELETE, path: '/notes/:id', port: 'out[3]'}}
  ports:
    out[0]: [{{name: check new}}]
    out[1]: [{{name: read}}]
    out[2]: [{{name: check changed}}]
    out[3]: [{{name: delete}}]

- kind: if
  name: check new
  when: '{GOOD}'
  ports: {{'out[0]': [{{name: create}}], 'out[1]': [{{name: refuse}}]}}
- kind: if
  name: check changed
  when: '{GOOD}'
  ports: {{'out[0]': [{{name: change}}], 'out[1]': [{{name: refuse}}]}}
- kind: snippet
  name: refuse
  language: json
  code: '{{"status": 400, "body": {json.dumps(BAD_NOTE)}}}'

- kind: step
  name: create
  specs:
    - kind: snippet
      code: '["INSERT INTO notes (title, text) VALUES (?, ?) RETURNING id, title, text", [body.title, body.text]]'
    - {{kind: sql, source: $FOLDER/notes.db}}
    - {{kind: snippet, code: '{{"status": 201, "body": self[0]}}'}}
- kind: step
  name: read
  specs:
    - {{kind: snippet, code: '["SELECT id, title, text FROM notes WHERE id = ?", [params.id]]'}}
    - {{kind: sql, source: $FOLDER/notes.db}}
    - {{kind: snippet, code: 'size(self) > 0 ? {{"body": self[0]}} : {{"status": 404, "body": {json.dumps(NO_NOTE)}}}'}}
- kind: step
  name: change
  specs:
    - kind: snippet
      code: '["UPDATE notes SET title = ?, text = ? WHERE id = ? RETURNING id, title, text", [body.title, body.text, params.id]]'
    - {{kind: sql, source: $FOLDER/notes.db}}
    - {{kind: snippet, code: 'size(self) > 0 ? {{"body": self[0]}} : {{"status": 404, "body": {json.dumps(NO_NOTE)}}}'}}
- kind: step
  name: delete
  specs:
    - {{kind: snippet, code: '["DELETE FROM notes WHERE id = ? RETURNING id", [params.id]]'}}
    - {{kind: sql, source: $FOLDER/notes.db}}
    - {{kind: snippet, code: 'size(self) > 0 ? {{"status": 204}} : {{"status": 404, "body": {json.dumps(NO_NOTE)}}}'}}
"""


def prepare(folder: Path) -> None:
    """Make the database."""
    with closing(sqlite3.connect(folder / "notes.db")) as database, database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL)")
        rows = [(f"Note {number}", "Lorem ipsum dolor sit amet. " * 4) for number in range(1, NOTES + 1)]
        database.executemany("INSERT INTO notes (title, text) VALUES (?, ?)", rows)


class Notes:
    """The handlers, and the thread that the database belongs to."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._thread = ThreadPoolExecutor(1)
        self._database: sqlite3.Connection | None = None

    async def life(self, _app: web.Application) -> AsyncIterator[None]:
        """Open the database, and close it at the end."""

        def connect() -> sqlite3.Connection:
            # Without an isolation level a statement is a transaction of its own, committed when it is done.
            database = sqlite3.connect(self._file, isolation_level=None)
            database.execute("PRAGMA journal_mode = WAL")
            database.row_factory = sqlite3.Row
            return database

        loop = asyncio.get_running_loop()
        self._database = await loop.run_in_executor(self._thread, connect)
        yield
        await loop.run_in_executor(self._thread, self._database.close)
        self._thread.shutdown()

    async def create(self, request: web.Request) -> web.Response:
        note = await self._note(request)
        row = await self._row("INSERT INTO notes (title, text) VALUES (?, ?) RETURNING id, title, text", *note)
        return web.json_response(row, status=201)

    async def read(self, request: web.Request) -> web.Response:
        row = await self._row("SELECT id, title, text FROM notes WHERE id = ?", request.match_info["id"])
        return web.json_response(NO_NOTE, status=404) if row is None else web.json_response(row)

    async def change(self, request: web.Request) -> web.Response:
        note = await self._note(request)
        sql = "UPDATE notes SET title = ?, text = ? WHERE id = ? RETURNING id, title, text"
        row = await self._row(sql, *note, request.match_info["id"])
        return web.json_response(NO_NOTE, status=404) if row is None else web.json_response(row)

    async def delete(self, request: web.Request) -> web.Response:
        row = await self._row("DELETE FROM notes WHERE id = ? RETURNING id", request.match_info["id"])
        return web.json_response(NO_NOTE, status=404) if row is None else web.Response(status=204)

    async def _note(self, request: web.Request) -> tuple[str, str]:
        """The title and the text of the body."""
        try:
            note = await request.json()
        except ValueError:
            raise web.HTTPBadRequest(text="malformed JSON") from None
        match note:
            case {"title": str(title), "text": str(text)} if 0 < len(title) <= LONGEST:
                return title, text
            case _:
                raise web.HTTPBadRequest(text=json.dumps(BAD_NOTE), content_type="application/json")

    async def _row(self, sql: str, *parameters: str) -> dict[str, Any] | None:
        database = self._database
        assert database is not None

        def run() -> dict[str, Any] | None:
            rows = database.execute(sql, parameters).fetchall()
            return dict(rows[0]) if rows else None

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)


def application(setting: Setting) -> web.Application:
    notes = Notes(setting.folder / "notes.db")
    app = web.Application()
    app.cleanup_ctx.append(notes.life)
    app.add_routes(
        [
            web.post("/notes", notes.create),
            web.get("/notes/{id}", notes.read),
            web.put("/notes/{id}", notes.change),
            web.delete("/notes/{id}", notes.delete),
        ]
    )
    return app


SCRIPT = f"""
math.randomseed(1)
local made = {{}}
local json = {{["Content-Type"] = "application/json"}}
local note = [==[{json.dumps({"title": "A note", "text": "Lorem ipsum dolor sit amet. " * 4})}]==]

request = function()
  local dice = math.random(1000)
  if dice <= 700 then return wrk.format("GET", "/notes/" .. math.random({NOTES})) end
  if dice <= 850 then return wrk.format("PUT", "/notes/" .. math.random({NOTES}), json, note) end
  if dice <= 925 or #made == 0 then return wrk.format("POST", "/notes", json, note) end
  return wrk.format("DELETE", "/notes/" .. table.remove(made))
end

response = function(status, headers, body)
  if status == 201 then made[#made + 1] = body:match('"id": ?(%d+)') end
end
"""

NEW = {"title": "A new one", "text": "Grüße, 你好"}

CRUD = Scenario(
    name="crud",
    title="HTTP: CRUD on SQLite",
    text=(
        "Notes in SQLite, with checks and JSON bodies: 70 % are read, 15 % changed, 7.5 % created and 7.5 % deleted. By hand "
        "it is one connection in a worker thread, where each request goes once, with a statement that commits itself. The "
        "database lies on a file system in memory, where there is one."
    ),
    flows={"flow": Flow("`listener → router → if → snippet(cel) → sql → snippet(cel)`", FLOW)},
    applications={"application": ByHand("aiohttp and sqlite3 in a thread", application)},
    floor=Floor(
        json.dumps({"id": 7, "title": "Note 7", "text": "Lorem ipsum dolor sit amet. " * 4}), "application/json"
    ),
    probes=(
        Probe("GET", "/notes/7"),
        Probe("POST", "/notes", NEW, status=201),
        Probe("GET", f"/notes/{NOTES + 1}"),
        Probe("PUT", f"/notes/{NOTES + 1}", {"title": "Changed", "text": ""}),
        Probe("GET", f"/notes/{NOTES + 1}"),
        Probe("DELETE", f"/notes/{NOTES + 1}", status=204),
        Probe("GET", f"/notes/{NOTES + 1}", status=404),
        Probe("DELETE", f"/notes/{NOTES + 1}", status=404),
        Probe("PUT", "/notes/0", NEW, status=404),
        Probe("GET", "/notes/none", status=404),
        Probe("POST", "/notes", {"title": "", "text": ""}, status=400),
        Probe("POST", "/notes", {"title": 1, "text": ""}, status=400),
        Probe("POST", "/notes", {"title": "a" * (LONGEST + 1), "text": ""}, status=400),
        Probe("POST", "/notes", {"title": "a" * LONGEST, "text": ""}, status=201),
        Probe("POST", "/notes", {"title": "no text"}, status=400),
        Probe("POST", "/notes", [], status=400),
        Probe("POST", "/notes", b"", status=400),
        Probe("POST", "/notes", b'{"title": ', status=400),
    ),
    load=Load("/notes/7", SCRIPT),
    prepare=prepare,
)
