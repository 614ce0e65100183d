from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
import structlog

from engine.cli.console import Console
from engine.cli.follow import Files
from engine.errors import DiagnosticsError, UnavailableError
from engine.spec.model import parse_specs
from engine.store.memory import MemoryStore
from engine.store.protocol import DeleteSpec, DeleteValue, PutSpec

pytestmark = pytest.mark.usefixtures("weir")

A = "- {kind: probe, name: a}\n"
B = "- {kind: probe, name: b}\n"


class Ear:
    """In the place of the file system: tells of changes when a test says so, and counts who has begun to listen."""

    def __init__(self):
        self.changes = asyncio.Queue()
        self.ticks = False
        self.opened = 0
        self.before_reading = lambda: None

    async def listen(self, paths):
        self.opened += 1
        self.before_reading()
        yield False
        while True:
            if self.ticks:
                await asyncio.sleep(0)
                yield False
            else:
                yield await self.changes.get()


class Store(MemoryStore):
    """Tells when something was applied, and can be made to fail."""

    def __init__(self):
        super().__init__()
        self.tried = asyncio.Queue()
        self.failures = []

    async def apply(self, writes, *, author=None, message=None):
        try:
            if self.failures:
                raise self.failures.pop(0)
            return await super().apply(writes, author=author, message=message)
        finally:
            self.tried.put_nowait(author)

    async def names(self):
        return [spec.name for spec in await self.specs()]


class Following:
    def __init__(self, folder, *, specs=("f.yaml",), values=(), retry=0.0):
        self.folder = folder
        self.ear = Ear()
        self.store = Store()
        self.logged = structlog.testing.CapturingLogger()
        self.files = Files(
            Console(),
            structlog.wrap_logger(self.logged, processors=[]),
            list(specs),
            list(values),
            namespace="default",
            listen=self.ear.listen,
            settle=0.0,
            retry=retry,
        )
        self.task = None

    def write(self, text, name="f.yaml"):
        (self.folder / name).write_text(text)

    async def start(self):
        await self.store.open()
        await self.store.apply(self.files.read())
        await self.store.tried.get()
        self.task = asyncio.ensure_future(self.files.follow(self.store))
        await self.applied()

    async def applied(self):
        return await asyncio.wait_for(self.store.tried.get(), 30)

    async def save(self, text, name="f.yaml"):
        self.write(text, name)
        self.ear.changes.put_nowait(True)
        return await self.applied()

    async def listening_again(self, count):
        while self.ear.opened < count or not self.ear.changes.empty():
            await asyncio.sleep(0)


@pytest.fixture
async def following(home):
    made = []

    def make(**options):
        made.append(Following(home, **options))
        return made[-1]

    yield make
    for each in made:
        if each.task is not None:
            each.task.cancel()
            with suppress(asyncio.CancelledError):
                await each.task
        await each.store.close()


async def test_a_saved_file_is_applied(following):
    it = following()
    it.write(A)
    await it.start()
    assert await it.save(A + B) == "weir start --watch"
    assert await it.store.names() == ["a", "b"]
    await it.save(B)
    assert await it.store.names() == ["b"]


async def test_a_deletion_by_somebody_else_jams_nothing(following):
    it = following(values=("v.yaml",))
    it.write(A + B)
    it.write("- {name: v, data: 1}\n- {name: w, data: 1}\n", "v.yaml")
    await it.start()
    await it.store.apply([DeleteSpec(namespace="default", name="a"), DeleteValue(namespace="default", name="v")])
    await it.applied()
    it.write("- {name: w, data: 2}\n", "v.yaml")
    await it.save(B.replace("b}", "b, text: new}"))
    assert [spec.document.get("text") for spec in await it.store.specs()] == ["new"]
    assert [(value.name, value.data) for value in await it.store.values()] == [("w", 2)]


async def test_what_did_not_come_from_the_files_stays(following):
    it = following()
    it.write(A)
    await it.start()
    await it.store.apply([PutSpec(spec) for spec in parse_specs("- {kind: probe, name: other}")])
    await it.applied()
    await it.save(B)
    assert await it.store.names() == ["b", "other"]


async def test_another_name_with_the_same_id_is_no_deletion(following):
    it = following()
    known = "0190d3a5-0000-7000-8000-000000000001"
    it.write(f"- {{kind: probe, id: {known}, name: a}}\n")
    await it.start()
    await it.save(f"- {{kind: probe, id: {known}, name: z}}\n")
    assert [(spec.id, spec.name) for spec in await it.store.specs()] == [(known, "z")]
    assert [entry.action for entry in await it.store.history("default", known)] == ["put", "put"]


async def test_an_edit_before_the_watch_is_open_is_not_lost(following):
    it = following()
    it.write(A)
    it.ear.before_reading = lambda: it.write(B)
    await it.start()
    assert await it.store.names() == ["b"]


@pytest.mark.parametrize("values", [False, True])
async def test_what_has_no_name_is_refused_with_its_place(following, values):
    it = following(values=("v.yaml",) if values else ())
    it.write(A if values else "- {kind: probe}\n")
    it.write("- {data: 1}\n", "v.yaml")
    with pytest.raises(DiagnosticsError) as caught:
        it.files.read()
    [found] = caught.value.diagnostics
    assert (found.rule, str(found.place)) == ("missing-name", "v.yaml:1:3" if values else "f.yaml:1:3")
    assert "give it a name" in found.hint


async def test_without_a_name_and_with_an_id_it_is_found_again(following):
    it = following()
    it.write("- {kind: probe, id: 0190d3a5-0000-7000-8000-000000000001}\n")
    await it.start()
    await it.save("- {kind: probe, id: 0190d3a5-0000-7000-8000-000000000001, text: x}\n")
    assert len(await it.store.specs()) == 1


async def test_a_wrong_file_is_told_once_and_changes_nothing(following, capsys):
    it = following()
    it.write(A)
    await it.start()
    for count in (2, 3):
        it.write("- {kind: probee, name: a}\n")
        it.ear.changes.put_nowait(True)
        await it.listening_again(count)
    await it.save(B)
    assert await it.store.names() == ["b"]
    assert capsys.readouterr().err.count("probee") == 2  # the message and the line, once


async def test_a_file_that_is_gone_for_a_while(following, capsys):
    it = following()
    it.write(A)
    await it.start()
    (it.folder / "f.yaml").unlink()
    it.ear.changes.put_nowait(True)
    await it.listening_again(2)
    assert await it.store.names() == ["a"]
    await it.save(A + B)
    assert await it.store.names() == ["a", "b"]
    assert "f.yaml" in capsys.readouterr().err


async def test_what_comes_back_at_once_is_not_deleted(following, monkeypatch):
    it = following(specs=("d",))
    (it.folder / "d").mkdir()
    it.write(A, "d/a.yaml")
    it.write(B, "d/b.yaml")
    await it.start()
    sleep = asyncio.sleep

    async def put_back(delay):
        it.write(A, "d/a.yaml")
        await sleep(0)

    monkeypatch.setattr("engine.cli.follow.asyncio.sleep", put_back)
    (it.folder / "d/a.yaml").unlink()
    it.ear.changes.put_nowait(True)
    await it.applied()
    assert [entry.action for entry in await it.store.history("default", "a")] == ["put"]


@pytest.mark.parametrize("error", [UnavailableError("locked"), ValueError("boom")])
async def test_what_the_store_did_not_take_is_tried_again(following, capsys, error):
    it = following()
    it.write(A)
    await it.start()
    it.store.failures = [error, error]
    it.ear.ticks = True
    it.ear.changes.put_nowait(True)
    await it.save(B)
    await it.applied()
    await it.applied()
    assert await it.store.names() == ["b"]
    if isinstance(error, ValueError):
        assert [call.args or call.kwargs for call in it.logged.calls]
        assert it.logged.calls[0].kwargs["error"] == "boom"
    else:
        assert capsys.readouterr().err.count("locked") == 1


async def test_a_watch_that_cannot_be_opened_is_opened_again(following):
    it = following()
    it.write(A)
    opened = it.ear.listen
    failures = [OSError("no more watches")]

    def listen(paths):
        if failures:
            raise failures.pop()
        return opened(paths)

    it.files._listen = listen
    await it.start()
    assert it.logged.calls[0].kwargs["error"] == "no more watches"
    await it.save(B)
    assert await it.store.names() == ["b"]
