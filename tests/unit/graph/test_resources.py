"""Shared resources: one opening, leases, cancellation, closing."""

from __future__ import annotations

import asyncio

import pytest

from engine.graph import Resources


class Pool:
    def __init__(self) -> None:
        self.closed = 0
        self.gate: asyncio.Future[None] | None = None

    async def close(self) -> None:
        if self.gate is not None:
            await self.gate
        self.closed += 1


class Opener:
    def __init__(self, *, held: bool = False, error: Exception | None = None) -> None:
        self.calls = 0
        self.pools: list[Pool] = []
        self.error = error
        self.gate = asyncio.get_running_loop().create_future() if held else None
        self.cancelled = False

    async def __call__(self) -> Pool:
        self.calls += 1
        try:
            if self.gate is not None:
                await self.gate
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self.error is not None:
            raise self.error
        self.pools.append(Pool())
        return self.pools[-1]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_one_opening_serves_all_and_the_last_lease_closes(run) -> None:
    async def main() -> None:
        resources, opener = Resources(), Opener(held=True)
        tasks = [asyncio.ensure_future(resources.take("db", opener)) for _ in range(3)]
        await turns()
        assert not opener.pools
        opener.gate.set_result(None)
        leases = await asyncio.gather(*tasks)
        assert opener.calls == 1
        assert {lease.resource for lease in leases} == {opener.pools[0]}
        await leases[0].release()
        await leases[0].release()
        await leases[1].release()
        assert opener.pools[0].closed == 0
        await leases[2].release()
        assert opener.pools[0].closed == 1

    run(main)


def test_one_waiters_cancellation_is_not_anothers(run) -> None:
    async def main() -> None:
        resources, opener = Resources(), Opener(held=True)
        one, two = (asyncio.ensure_future(resources.take("db", opener)) for _ in range(2))
        await turns()
        one.cancel()
        await turns()
        assert one.cancelled()
        assert not opener.cancelled
        opener.gate.set_result(None)
        lease = await two
        await lease.release()
        assert opener.pools[0].closed == 1

    run(main)


def test_when_nobody_waits_any_more_the_opening_is_cancelled(run) -> None:
    async def main() -> None:
        resources, opener = Resources(), Opener(held=True)
        task = asyncio.ensure_future(resources.take("db", opener))
        await turns()
        task.cancel()
        await turns(10)
        assert task.cancelled()
        assert opener.cancelled
        lease = await resources.take("db", Opener())
        await lease.release()

    run(main)


def test_a_failed_opening_fails_all_and_the_next_one_tries_again(run) -> None:
    async def main() -> None:
        resources, opener = Resources(), Opener(error=OSError("refused"))
        results = await asyncio.gather(*(resources.take("db", opener) for _ in range(3)), return_exceptions=True)
        assert [str(error) for error in results] == ["refused"] * 3
        assert opener.calls == 1
        good = Opener()
        lease = await resources.take("db", good)
        assert lease.resource is good.pools[0]
        await lease.release()

    run(main)


def test_one_that_is_being_closed_is_not_waited_for(run) -> None:
    async def main() -> None:
        resources, opener = Resources(), Opener()
        lease = await resources.take("db", opener)
        gate = opener.pools[0].gate = asyncio.get_running_loop().create_future()
        release = asyncio.ensure_future(lease.release())
        await turns()
        again = await resources.take("db", opener)
        assert again.resource is opener.pools[1]
        closing = asyncio.ensure_future(resources.close())
        await turns()
        assert [pool.closed for pool in opener.pools] == [0, 1]
        assert not closing.done(), "it waits for the one that was being closed before, too"
        gate.set_result(None)
        await asyncio.gather(release, closing)
        assert [pool.closed for pool in opener.pools] == [1, 1]

    run(main)


def test_a_cancelled_release_closes_all_the_same(run) -> None:
    async def main() -> None:
        resources, opener = Resources(), Opener()
        lease = await resources.take("db", opener)
        gate = opener.pools[0].gate = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(lease.release())
        await turns()
        task.cancel()
        await turns()
        gate.set_result(None)
        await turns()
        assert opener.pools[0].closed == 1

    run(main)


def test_close_closes_everything_and_tells_of_a_failure_at_the_end(run) -> None:
    async def main() -> None:
        resources, opener = Resources(), Opener()
        leases = [await resources.take(key, opener) for key in "abc"]

        async def broken() -> None:
            raise OSError("broken")

        opener.pools[0].close = broken  # type: ignore[method-assign]
        with pytest.raises(OSError, match="broken"):
            await resources.close()
        assert [pool.closed for pool in opener.pools[1:]] == [1, 1]
        for lease in leases[1:]:
            await lease.release()
        assert [pool.closed for pool in opener.pools[1:]] == [1, 1]

    run(main)
