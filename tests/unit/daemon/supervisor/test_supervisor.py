"""The start and the end of a supervisor, with workers that are none."""

from __future__ import annotations

import asyncio

import pytest

from engine.daemon.config import Config, StoreSection
from engine.daemon.supervisor import child as children
from engine.daemon.supervisor.supervisor import Source, Supervisor
from engine.errors import InvalidError, UnavailableError

FAILING = """\
import json, socket, struct, sys
sock = socket.socket(fileno=int(sys.argv[1]))
body = json.dumps({"tell": {"kind": "failed", "error": {"message": "no way", "code": "invalid", "hint": None}}}).encode()
sock.sendall(struct.pack("!IB", len(body), 0) + body)
sys.exit(1)
"""


@pytest.fixture
def make(tmp_path, log):
    def supervisor(**fields):
        store = StoreSection(url=f"sqlite:///{tmp_path}/weir.db")
        config = Config(**{"store": store, "workers": 2, **fields})
        return Supervisor(config, log, Source(None, {}), reread=lambda: config)

    return supervisor


async def test_what_a_worker_fails_of_first_is_the_daemons_error(make, log, monkeypatch):
    monkeypatch.setattr(children, "_PROGRAM", FAILING)
    with pytest.raises(Exception, match="no way"):
        await make().run()
    assert log.of("daemon.started") == []
    assert log.of("worker.not_started") == []  # it is told once, by whoever started the daemon


async def test_what_cannot_be_honoured_starts_nobody(make, log, monkeypatch):
    monkeypatch.setattr(children, "_PROGRAM", "raise SystemExit('nobody should start')")
    with pytest.raises(InvalidError, match="memory"):
        await make(store=StoreSection(url="memory://")).run()


async def test_a_system_that_starts_no_process_is_told(make, monkeypatch):
    async def refuse(*_args, **_kwargs):
        raise OSError(11, "no more processes")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
    with pytest.raises(UnavailableError, match="no more processes"):
        await make().run()


async def test_an_end_while_workers_start_is_an_end(make, log, monkeypatch):
    monkeypatch.setattr(children, "_PROGRAM", "import sys, socket; socket.socket(fileno=int(sys.argv[1])).recv(10**6)")
    supervisor = make()
    supervisor.end()
    await supervisor.run()
    assert log.of("daemon.started") == []
    assert len(log.of("daemon.ended")) == 1
