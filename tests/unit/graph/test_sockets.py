"""Binding the addresses of a host."""

from __future__ import annotations

import pytest

from engine.graph.sockets import Listening, OwnSockets, bind


async def nothing():
    """Nobody withdraws these."""


async def test_every_address_of_a_host_has_the_same_port():
    sockets = await bind("localhost", 0)
    assert len({sock.getsockname()[1] for sock in sockets}) == 1
    for sock in sockets:
        assert not sock.getblocking()
        sock.close()


async def test_a_taken_port_is_the_systems_error():
    [sock] = await bind("127.0.0.1", 0)
    with sock, pytest.raises(OSError, match="in use"):
        await bind("127.0.0.1", sock.getsockname()[1])


async def test_own_sockets_are_shared_with_nobody():
    listening = await OwnSockets().listen("127.0.0.1", 0, owner="a", withdraw=nothing)
    assert listening.sharers == 1
    listening.release()
    [sock] = listening.sockets
    assert sock.fileno() >= 0  # whoever asked closes them
    sock.close()


def test_it_is_given_back_once():
    calls = []
    listening = Listening((), release=lambda: calls.append(1))
    listening.release()
    listening.release()
    assert calls == [1]
