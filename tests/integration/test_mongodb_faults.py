"""The MongoDB store and everything that can happen to a server: on real ones, of each test's own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.mongod import REPLICA_SET
from benchmarks.proxy import proxied
from engine.errors import UnavailableError
from engine.spec.model import Spec, parse_spec
from engine.store.change import Batch, Resync
from engine.store.mongodb import MongodbStore, connection, feed
from engine.store.protocol import PutSpec, Watch

PATIENCE = 60
QUICK = "serverSelectionTimeoutMS=1000"


@pytest.fixture(autouse=True)
def quick_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BACKOFF", (0.005, 0.02))


def spec(name: str, **fields: Any) -> Spec:
    return parse_spec({"kind": "print", "name": name, **fields})


async def put(store: MongodbStore, name: str, **fields: Any) -> int:
    (outcome,) = await store.apply([PutSpec(spec(name, **fields))])
    return outcome.revision


async def take(watch: Watch) -> Batch | Resync:
    async with asyncio.timeout(PATIENCE):
        return await anext(watch)


async def names(store: MongodbStore) -> list[str | None]:
    return [found.name for found in await store.specs()]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], Any]:
    """Waits until a store is lost (True), or back (False), as its watches are told."""
    states: asyncio.Queue[bool] = asyncio.Queue()
    see = MongodbStore._see

    def note(self: MongodbStore, lost: UnavailableError | None) -> None:
        see(self, lost)
        states.put_nowait(lost is not None)

    monkeypatch.setattr(MongodbStore, "_see", note)

    async def wait(lost: bool) -> None:
        async with asyncio.timeout(PATIENCE):
            while await states.get() is not lost:
                pass

    return wait


# The server


async def test_a_server_that_is_killed_and_started_again(start_mongod, seen):
    server = start_mongod(*REPLICA_SET)
    async with MongodbStore(f"{server.url}/weir?{QUICK}") as store, store.watch() as watch:
        await put(store, "a")
        await take(watch)
        server.kill()
        for call in (store.specs(), put(store, "b"), store.instances()):
            with pytest.raises(UnavailableError, match=f"127.0.0.1:{server.port}") as caught:
                await call
            assert caught.value.hint
        await seen(True)
        assert watch.lost is not None
        assert "cannot be reached" in str(watch.lost)
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(server.await_primary)
        assert await names(store) == ["a"]
        assert await put(store, "b") == 2
        batch = await take(watch)  # no Resync: the oplog is there, and nothing was missed
        assert isinstance(batch, Batch)
        assert (batch.revision, watch.lost) == (2, None)


async def test_a_stream_that_is_killed_goes_on_where_it_was(start_mongod):
    server = start_mongod(*REPLICA_SET)
    async with MongodbStore(f"{server.url}/weir") as store, store.watch() as watch:
        for turn in range(1, 6):
            killed = await server.kill_streams()
            assert killed == 1
            await put(store, "a", n=turn)
            batch = await take(watch)
            assert isinstance(batch, Batch)
            assert batch.revision == turn


async def test_history_that_the_server_has_forgotten_is_a_resync(start_mongod):
    server = start_mongod(*REPLICA_SET, "--oplogSize", "1", "--syncdelay", "1")
    async with (
        proxied(server.port) as network,
        MongodbStore(f"{network.url}&{QUICK}") as store,
        store.watch() as watch,
        MongodbStore(f"{server.url}/weir") as other,
    ):
        await put(store, "a")
        await take(watch)
        await network.cut()
        await put(other, "b")
        await server.overrun()
        await network.start()
        item = await take(watch)
        assert isinstance(item, Resync)
        assert "its oplog is too short" in item.reason
        assert await names(store) == ["a", "b"]
        assert await put(other, "c") == 3
        batch = await take(watch)
        assert isinstance(batch, Batch)
        assert ([change.name for change in batch.changes], watch.lost) == (["c"], None)


async def test_a_standalone_server_is_refused_with_what_to_do(start_mongod):
    store = MongodbStore(start_mongod().url)
    with pytest.raises(UnavailableError, match="is on a standalone server") as caught:
        await store.open()
    assert "start mongod with `--replSet rs0` and run `rs.initiate()`" in (caught.value.hint or "")
    with pytest.raises(UnavailableError, match="not open"):
        await store.specs()


async def test_a_replica_set_that_was_not_initiated(start_mongod):
    server = start_mongod("--replSet=rs0")
    with pytest.raises(UnavailableError, match="no member of its replica set yet") as caught:
        await MongodbStore(f"{server.url}/weir?{QUICK}").open()
    assert "rs.initiate()" in (caught.value.hint or "")


async def test_another_replica_set_than_the_url_names(start_mongod):
    server = start_mongod(*REPLICA_SET)
    with pytest.raises(UnavailableError, match="not on the replica set that the URL names"):
        await MongodbStore(f"{server.url}/weir?replicaSet=other&{QUICK}").open()


async def test_a_member_that_takes_no_writes(start_mongod, monkeypatch):
    monkeypatch.setattr(connection, "PATIENCE", 0.5)
    server = start_mongod(*REPLICA_SET)
    async with MongodbStore(f"{server.url}/weir?directConnection=true&{QUICK}") as store:
        await put(store, "a")
        async with server.client() as client:
            await client.admin.command("replSetStepDown", 600, force=True)
        with pytest.raises(UnavailableError) as caught:
            await put(store, "b")
        assert "the primary" in f"{caught.value} {caught.value.hint}"
    with pytest.raises(UnavailableError, match="takes no writes") as caught:
        await MongodbStore(f"{server.url}/weir?directConnection=true&{QUICK}").open()
    assert "directConnection" in (caught.value.hint or "")
    with pytest.raises(UnavailableError, match="has no primary at the moment"):
        await MongodbStore(f"{server.url}/weir?replicaSet=rs0&{QUICK}").open()


async def test_who_may(start_mongod, tmp_path):
    key = tmp_path / "key"
    key.write_text("secret" * 10)
    key.chmod(0o600)
    server = start_mongod(*REPLICA_SET, "--keyFile", str(key))
    address = f"127.0.0.1:{server.port}/weir"
    async with server.client() as client:
        # The first user may be made by anybody on the server's own machine; it makes the others.
        await client.admin.command("createUser", "root", pwd="root-word", roles=["root"])
    for login, options, says in (
        ("ada:wrong-word@", "&authSource=admin", "refuses the user or the password"),
        ("root:root-word@", "&authSource=weir", "refuses the user or the password"),
        ("", "", "may not be used by this user"),
    ):
        with pytest.raises(UnavailableError, match=says) as caught:
            await MongodbStore(f"mongodb://{login}{address}?{QUICK}{options}").open()
        assert "-word" not in f"{caught.value} {caught.value.value.to_json()}"
        assert caught.value.hint
    url = f"mongodb://root:root-word@{address}?{QUICK}&authSource=admin"
    async with MongodbStore(url) as store:
        assert store.url == f"mongodb://root:***@{address}"
        await put(store, "a")


# The network


async def test_a_network_that_is_cut(start_mongod, seen):
    server = start_mongod(*REPLICA_SET)
    async with (
        proxied(server.port) as network,
        MongodbStore(f"{network.url}&{QUICK}") as store,
        store.watch() as watch,
        MongodbStore(f"{server.url}/weir") as other,
    ):
        for turn in range(2):
            await put(other, "a", turn=turn)
            await take(watch)
            await network.cut()
            await put(other, "b", turn=turn)
            with pytest.raises(UnavailableError, match=r"cannot be reached: .*Connection refused"):
                await store.specs()
            await seen(True)
            await network.start()
            batch = await take(watch)
            assert isinstance(batch, Batch)
            assert ([change.name for change in batch.changes], watch.lost) == (["b"], None)
            assert await names(store) == ["a", "b"]


async def test_a_network_that_swallows_everything(start_mongod, seen):
    server = start_mongod(*REPLICA_SET)
    limits = "serverSelectionTimeoutMS=500&connectTimeoutMS=500&socketTimeoutMS=500"
    async with (
        proxied(server.port) as network,
        MongodbStore(f"{network.url}&{limits}") as store,
        store.watch() as watch,
        MongodbStore(f"{server.url}/weir") as other,
    ):
        await put(store, "a")
        await take(watch)
        network.swallow()
        with pytest.raises(UnavailableError):
            await store.instances()
        await seen(True)
        network.let_through()
        await put(other, "b")
        batch = await take(watch)
        assert isinstance(batch, Batch)
        assert (batch.revision, watch.lost) == (2, None)
        assert await names(store) == ["a", "b"]


async def test_a_stream_that_says_that_nothing_is_new_is_heard_and_a_stuck_one_is_not(start_mongod, monkeypatch):
    monkeypatch.setattr(connection.Connection, "patience", 50)
    server = start_mongod(*REPLICA_SET)
    async with (
        proxied(server.port) as network,
        MongodbStore(f"{network.url}&socketTimeoutMS=0") as store,
        store.watch() as watch,
    ):

        async def hear() -> None:
            before = watch.heard
            async with asyncio.timeout(PATIENCE):
                while watch.heard == before:
                    await asyncio.sleep(0.01)

        for _ in range(3):
            await hear()
        network.swallow()
        await asyncio.sleep(0.2)  # what was on its way arrives
        stuck = watch.heard
        await asyncio.sleep(0.5)  # ten times as long as the server takes to say that there is nothing
        assert (watch.heard, watch.lost) == (stuck, None)
        network.let_through()
        await hear()


async def test_a_commit_whose_answer_is_lost_happens_once(start_mongod):
    server = start_mongod(*REPLICA_SET)
    async with proxied(server.port) as network, MongodbStore(f"{network.url}&{QUICK}") as store:
        for revision in range(1, 4):
            network.cut_after = b"commitTransaction"
            assert await put(store, "a", n=revision) == revision
            assert network.cut_after is None
        assert [entry.revision for entry in await store.history("default", "a")] == [3, 2, 1]


async def test_a_write_that_is_cut_before_its_commit_is_done_again(start_mongod):
    server = start_mongod(*REPLICA_SET)
    async with proxied(server.port) as network, MongodbStore(f"{network.url}&{QUICK}") as store:
        network.cut_after = b"insert"
        assert await put(store, "a") == 1
        assert network.cut_after is None
        assert await names(store) == ["a"]


# The database


async def test_a_database_that_is_dropped_and_made_again(start_mongod, seen):
    server = start_mongod(*REPLICA_SET)
    url = f"{server.url}/weir"
    async with MongodbStore(url) as store, store.watch() as watch:
        await store.apply([PutSpec(spec("a")), PutSpec(spec("b"))])
        await take(watch)
        async with server.client() as client:
            await client.drop_database("weir")
        await seen(True)
        assert "dropped or renamed" in str(watch.lost)
        for call in (store.specs(), put(store, "c")):
            with pytest.raises(UnavailableError, match="the database was dropped") as caught:
                await call
            assert "restore it" in (caught.value.hint or "")
        async with MongodbStore(url) as other:
            item = await take(watch)
            assert isinstance(item, Resync)
            assert "another store was put in the place of" in item.reason
            assert (await store.specs(), watch.lost) == ([], None)
            await put(other, "new")
            batch = await take(watch)
            assert isinstance(batch, Batch)
            assert batch.revision == 1


async def test_a_store_that_has_gone_back_is_listed_again(start_mongod, seen):
    server = start_mongod(*REPLICA_SET)
    async with MongodbStore(f"{server.url}/weir") as store, store.watch() as watch, server.client() as client:
        for turn in range(3):
            await put(store, "a", turn=turn)
            await take(watch)
        await client.weir.state.update_one({}, {"$set": {"revision": 1}})  # as an older backup has it
        await client.weir.changes.drop()
        await seen(True)
        item = await take(watch)
        assert isinstance(item, Resync)
        assert "has gone back from revision 3 to 1" in item.reason
        assert await put(store, "b") == 2
        batch = await take(watch)
        assert isinstance(batch, Batch)
        assert batch.revision == 2


async def test_a_server_that_was_restored_from_an_older_snapshot_of_its_disk(start_mongod, seen, tmp_path):
    server = start_mongod(*REPLICA_SET)
    snapshot = tmp_path / "snapshot"

    async def restart() -> None:
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(server.await_primary)

    async with MongodbStore(f"{server.url}/weir?{QUICK}") as store, store.watch() as watch:
        await put(store, "a")
        await take(watch)
        server.kill()
        shutil.copytree(server.folder, snapshot)
        await restart()
        for name in ("b", "c"):
            await put(store, name)
            await take(watch)
        server.kill()
        shutil.rmtree(server.folder)
        shutil.copytree(snapshot, server.folder)
        await restart()
        item = await take(watch)
        assert isinstance(item, Resync)
        assert "has gone back from revision 3 to 1" in item.reason
        assert await names(store) == ["a"]
        assert await put(store, "d") == 2
        batch = await take(watch)
        assert isinstance(batch, Batch)
        assert ([change.name for change in batch.changes], watch.lost) == (["d"], None)


async def test_a_revision_that_is_given_a_second_time_is_not_taken_for_one_that_was_told(start_mongod):
    server = start_mongod(*REPLICA_SET)
    async with MongodbStore(f"{server.url}/weir") as store, store.watch() as watch, server.client() as client:
        await put(store, "a")
        await take(watch)
        await server.kill_streams()
        await put(store, "b")
        await take(watch)  # the stream goes on, and would tell nothing twice
        first = await client.weir.changes.find_one_and_delete({"_id": 1})
        await client.weir.changes.insert_one(first)
        item = await take(watch)
        assert isinstance(item, Resync)
        assert "has given revision 1 a second time" in item.reason
        assert await put(store, "c") == 3
        batch = await take(watch)
        assert isinstance(batch, Batch)
        assert (batch.revision, watch.lost) == (3, None)


async def test_nobody_is_there(sockets_of_the_driver):
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}.* cannot be reached: .*Connection refused") as caught:
        await MongodbStore(f"mongodb://127.0.0.1:{port}/weir?serverSelectionTimeoutMS=200").open()
    assert "Topology" not in str(caught.value)
    assert asyncio.all_tasks() == {asyncio.current_task()}
