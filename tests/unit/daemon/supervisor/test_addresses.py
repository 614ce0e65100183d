"""The sockets that a supervisor keeps."""

from __future__ import annotations

import asyncio
import socket

import pytest

from engine.daemon.supervisor.addresses import Addresses, Key

KEY = Key("default", "127.0.0.1", 0)


@pytest.fixture
def addresses():
    made = Addresses()
    yield made
    made.close()


def is_open(sockets):
    return [sock.fileno() >= 0 for sock in sockets] == [True]


async def test_all_get_the_same_sockets(addresses):
    one, two = await asyncio.gather(addresses.take(KEY, "one"), addresses.take(KEY, "two"))
    assert one is two
    assert is_open(one)
    assert addresses.held("one") == addresses.held("two") == {KEY}


async def test_they_stay_open_as_long_as_anybody_holds_them(addresses):
    sockets = list(await addresses.take(KEY, "one"))
    await addresses.take(KEY, "two")
    addresses.release(KEY, "one")
    addresses.release(KEY, "one")  # once too often
    assert is_open(sockets)
    addresses.drop("two")
    assert not is_open(sockets)
    assert is_open(await addresses.take(KEY, "one"))


async def test_who_takes_twice_lets_go_twice(addresses):
    sockets = list(await addresses.take(KEY, "one"))
    await addresses.take(KEY, "one")
    addresses.release(KEY, "one")
    assert is_open(sockets)
    addresses.release(KEY, "one")
    assert not is_open(sockets)
    addresses.release(KEY, "one")


async def test_another_owner_is_refused_by_the_system(addresses):
    [sock] = await addresses.take(KEY, "one")
    port = sock.getsockname()[1]
    with pytest.raises(OSError, match="in use"):
        await addresses.take(Key("other", "127.0.0.1", port), "two")
    assert addresses.held("two") == set()


async def test_a_failure_is_nobodys_hold_and_the_next_tries_again():
    calls = []

    async def bind(host, port):
        calls.append((host, port))
        if len(calls) == 1:
            raise OSError(98, "in use")
        return [socket.socket()]

    addresses = Addresses(bind)
    with pytest.raises(OSError, match="in use"):
        await addresses.take(KEY, "one")
    assert addresses.held("one") == set()
    assert is_open(await addresses.take(KEY, "one"))
    assert calls == [("127.0.0.1", 0)] * 2
    addresses.close()


async def test_a_holder_that_dies_while_it_is_bound_leaves_nothing_open():
    sock, going_on = socket.socket(), asyncio.Event()

    async def bind(host, port):
        await going_on.wait()
        return [sock]

    addresses = Addresses(bind)
    taking = asyncio.ensure_future(addresses.take(KEY, "one"))
    await asyncio.sleep(0)
    addresses.drop("one")
    going_on.set()
    await taking
    assert sock.fileno() < 0


async def test_dropping_one_leaves_the_others(addresses):
    sockets = list(await addresses.take(KEY, "one"))
    addresses.drop("two")
    assert is_open(sockets)
    assert addresses.held("one") == {KEY}
