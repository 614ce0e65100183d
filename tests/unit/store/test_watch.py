from __future__ import annotations

import asyncio

import pytest

from engine.errors import UnavailableError
from engine.store.change import Batch, Change, Resync
from engine.store.watch import Watch


def batch(revision: int, *namespaces: str) -> Batch:
    return Batch(
        revision,
        tuple(
            Change(revision - len(namespaces) + 1 + index, "delete", "spec", namespace, "i", None)
            for index, namespace in enumerate(namespaces)
        ),
    )


class Source:
    """Plays the store of a watch."""

    def __init__(self, revision: int = 0, early: tuple[Batch | str, ...] = ()) -> None:
        self.revision = revision
        self.early = early
        self.subscribed: list[Watch] = []

    def watch(self, namespaces: frozenset[str] | None = None, backlog: int = 100) -> Watch:
        return Watch(namespaces, subscribe=self.subscribe, unsubscribe=self.unsubscribe, backlog=backlog)

    async def subscribe(self, watch: Watch) -> int:
        self.subscribed.append(watch)
        for item in self.early:
            if isinstance(item, str):
                watch.resync(item)
            else:
                watch.offer(item)
        if self.revision < 0:
            raise UnavailableError("away")
        return self.revision

    async def unsubscribe(self, watch: Watch) -> None:
        self.subscribed.remove(watch)


async def rest(watch: Watch) -> list[Batch | Resync]:
    watch.end()
    return [item async for item in watch]


async def test_what_was_told_while_it_opened_counts_from_its_revision():
    async with Source(5, (batch(5, "n"), batch(6, "n"))).watch() as watch:
        watch.offer(batch(4, "n"))
        watch.offer(batch(5, "n"))
        watch.offer(batch(7, "n"))
        assert await rest(watch) == [batch(6, "n"), batch(7, "n")]


async def test_a_resync_while_it_opened_stays():
    async with Source(5, (batch(6, "n"), "lost")).watch() as watch:
        watch.offer(batch(1, "n"))
        assert await rest(watch) == [Resync("lost"), batch(1, "n")]


async def test_only_its_namespaces():
    async with Source().watch(frozenset("ac")) as watch:
        watch.offer(batch(3, "a", "b", "c"))
        watch.offer(batch(4, "b"))
        (item,) = await rest(watch)
    assert isinstance(item, Batch)
    assert (item.revision, [(change.namespace, change.revision) for change in item.changes]) == (
        3,
        [("a", 1), ("c", 3)],
    )


async def test_a_reader_that_falls_behind_lists_again():
    async with Source().watch(backlog=3) as watch:
        watch.offer(batch(2, "n", "n"))
        watch.offer(batch(3, "n"))
        assert await anext(watch) == batch(2, "n", "n")
        watch.offer(batch(5, "n", "n"))
        watch.offer(batch(6, "n"))
        watch.offer(batch(7, "n"))
        items = await rest(watch)
    assert isinstance(items[0], Resync)
    assert "more than 3 changes" in items[0].reason
    assert items[1:] == [batch(7, "n")]


async def test_a_resync_takes_the_place_of_what_waits():
    async with Source(9).watch() as watch:
        watch.offer(batch(10, "n"))
        watch.resync("first")
        watch.resync("second")
        watch.offer(batch(1, "n"))  # another store has another counter
        assert await rest(watch) == [Resync("second"), batch(1, "n")]


async def test_a_watch_that_could_not_be_opened_is_forgotten():
    source = Source(-1)
    watch = source.watch()
    with pytest.raises(UnavailableError):
        await watch.__aenter__()
    assert source.subscribed == []
    assert [item async for item in watch] == []


async def test_it_is_for_one_task():
    async with Source().watch() as watch:
        reader = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one task"):
            await anext(watch)
        watch.offer(batch(1, "n"))
        assert await reader == batch(1, "n")


async def test_a_closed_watch_takes_nothing():
    source = Source()
    async with source.watch() as watch:
        watch.offer(batch(1, "n"))
    watch.offer(batch(2, "n"))
    watch.resync("late")
    assert [item async for item in watch] == []
    assert source.subscribed == []


async def test_it_knows_when_the_store_was_last_heard_of_also_when_it_has_ended():
    source, heard = Source(), [5.0]
    watch = Watch(None, subscribe=source.subscribe, unsubscribe=source.unsubscribe, heard=lambda: heard[0])
    async with watch:
        assert watch.heard == 5.0
        heard[0] = 6.0
        assert watch.heard == 6.0
        watch.end()
        heard[0] = 7.0
    assert watch.heard == 6.0
