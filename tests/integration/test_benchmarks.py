"""The scenarios of the benchmarks without load: all who take part give the same answers; and what looks at processes."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import startup, waiting
from benchmarks.help import commands, timed
from benchmarks.scenarios.alike import ask, check
from benchmarks.scenarios.catalogue import SCENARIOS
from benchmarks.scenarios.contenders import FLOOR, contenders, running
from benchmarks.scenarios.patience import PATIENCE
from benchmarks.scenarios.scenario import Probe
from benchmarks.scenarios.servers import BrokenError, Server, family, free_port, processor_time

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the clocks of processes as Linux has them")


@pytest.mark.parametrize("name", SCENARIOS)
def test_all_give_the_same_answers(name):
    scenario = SCENARIOS[name]
    taking_part = [each for each in contenders(scenario) if each.name != FLOOR]
    assert len(taking_part) >= 2
    with running(scenario, taking_part) as servers:
        check(scenario, servers)


def test_the_floor_answers_what_the_load_asks_for():
    scenario = SCENARIOS["order"]
    [floor] = [each for each in contenders(scenario) if each.name == FLOOR]
    with running(scenario, [floor]) as servers:
        status, media, body = ask(servers[FLOOR].port, Probe("POST", "/orders", {"a": 1}, 201))
    assert (status, media, body["for"]) == (201, "application/json", "Ada")


def test_a_server_that_ends_is_told_of_with_what_it_said(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit('no, thank you')"]
    with Server(command, free_port(), folder=tmp_path) as server, pytest.raises(BrokenError, match="no, thank you"):
        server.until_ready()


PARENT = """
import subprocess, sys, socket
port = socket.create_server(("127.0.0.1", int(sys.argv[1])))
child = "sum(range(10**6)); print(1, flush=True); import time; time.sleep(600)"
with subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE) as process:
    process.stdout.readline()
    while True:
        port.accept()[0].sendall(b"ready")
"""


def runs(pid):
    """Whether a process does anything; one that has ended may stay in the list until somebody asks how."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def test_processor_time_counts_children_and_they_end_with_their_parent(tmp_path):
    port = free_port()
    with Server([sys.executable, "-c", PARENT, str(port)], port, folder=tmp_path) as server:
        server.until_ready()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            assert connection.recv(5) == b"ready"
        parent, child = family(server.pid)
        assert parent == server.pid
        assert processor_time(parent) > 0
        assert processor_time(child) > 0
        assert server.processor_time() >= processor_time(parent) + processor_time(child)
        assert server.resident() > 2**20
    until = time.monotonic() + 30
    while runs(parent) or runs(child):
        assert time.monotonic() < until
        os.sched_yield()  # a process that was killed takes a moment to go


def test_requests_that_wait_are_looked_at_and_answered(monkeypatch):
    monkeypatch.setattr(waiting, "WAITS", (0.01, 1.0, 5.0, 30.0))
    [floor] = [each for each in contenders(PATIENCE) if each.name == FLOOR]
    found, wait = waiting.patiently(floor, 30)
    assert found.used > 0
    assert wait > 0.01  # the first one was too short


def test_requests_that_are_answered_too_early_are_no_figure():
    [floor] = [each for each in contenders(PATIENCE) if each.name == FLOOR]
    with running(PATIENCE, [floor], wait=0.01) as servers, pytest.raises(waiting.EarlyError):
        waiting.look(servers[FLOOR], 5)


def test_what_waits_by_itself_is_weighed():
    found = waiting.held(2_000)
    assert 0 < found["made"] < found["waiting"] < found["with a request"] < 20_000


def test_a_daemon_with_specs_starts_and_says_so(tmp_path):
    asyncio.run(startup.fill(tmp_path / "40.db", 40))
    found = startup.started(tmp_path, 40)
    assert 0 < found.used <= found.took * 2
    assert found.memory > 2**20


def test_a_spec_that_fails_is_no_start(tmp_path, monkeypatch):
    broken = [{"kind": "snippet", "name": "broken", "language": "cel", "code": "1 +"}]
    monkeypatch.setattr(startup, "specs", lambda _size: iter(broken))
    asyncio.run(startup.fill(tmp_path / "1.db", 1))
    with pytest.raises(BrokenError, match="complains"):
        startup.started(tmp_path, 1)


def test_a_command_is_timed_and_its_failure_noticed():
    took, used = timed(commands()["floor"].words)
    assert 0 < used <= took * 2
    with pytest.raises(BrokenError, match="ends with 3"):
        timed([sys.executable, "-c", "raise SystemExit(3)"])


def test_the_command_tells_its_parts(project_dir):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--list"], cwd=project_dir, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("ping ")
    assert "peers" in done.stdout
