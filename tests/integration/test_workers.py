"""`workers: N` as its user meets it: several processes on one address, none of which takes a connection with it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
from contextlib import contextmanager

import pytest

WEB = """
- kind: listener
  name: web
  port: {port}
  ports: {{out: [{{name: routes, port: in}}]}}
- kind: router
  name: routes
  routes:
    - {{method: GET, path: /hello, port: 'out[0]'}}
    - {{method: GET, path: /slow, port: 'out[1]'}}
  ports: {{'out[0]': [{{name: hello, port: in}}], 'out[1]': [{{name: slow, port: in}}]}}
- {{kind: snippet, name: hello, language: text, code: {text}}}
- {{kind: sleep, name: slow, interval: 1h}}
"""

ROUNDS = 400


def write(folder, port, *, text="hello"):
    (folder / "web.yaml").write_text(WEB.format(port=port, text=text))
    return "web.yaml"


def new_connection(port):
    """One request on a connection of its own; its status and text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        return ask(connection)
    finally:
        connection.close()


def ask(connection, path="/hello"):
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()


class Client(threading.Thread):
    """Asks again and again until told to stop; `errors` are those that it met, `answers` counts what came."""

    def __init__(self, port, *, keep_alive=False):
        super().__init__(daemon=True)
        self.port = port
        self.keep_alive = keep_alive
        self.answers = 0
        self.errors = []
        self.enough = threading.Event()
        self.stopping = threading.Event()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.stopping.is_set():
            try:
                answer = ask(connection)
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(error)
                connection.close()
                continue
            if answer != (200, "hello"):
                self.errors.append(answer)
            self.answers += 1
            if self.answers % ROUNDS == 0:
                self.enough.set()
            if not self.keep_alive:
                connection.close()
        connection.close()


@contextmanager
def load(port):
    """Two clients with a connection for each request, and two that keep theirs."""
    clients = [Client(port, keep_alive=index >= 2) for index in range(4)]
    for client in clients:
        client.start()
    try:
        yield clients
    finally:
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.join(30)


def go_on(clients):
    """Until each of them has had many more answers, or has met an error."""
    for client in clients:
        client.enough.clear()
    for client in clients:
        assert client.enough.wait(30), client.errors


def workers(daemon, http):
    """The process of each worker, by its number."""
    return {each["number"]: each["pid"] for each in http(f"{daemon.admin}/readyz").json["workers"]}


def all_ended(daemon):
    """Wait until no process has the daemon's standard error any more."""
    with pytest.raises(AssertionError, match="it ended without"):
        daemon.wait_for("no such event")


@pytest.fixture
def pair(start, tmp_path, port):
    daemon = start("--workers", "2", "--from-specs", write(tmp_path, port), environ={"WEIR_DRAIN_TIMEOUT": "3s"})
    return daemon.started()


# --- what several tests can ask of one daemon


@pytest.fixture(scope="module")
def shared(start_shared, tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("web")
    daemon = start_shared("--workers", "2", "--from-specs", str(folder / write(folder, port))).started()
    daemon.port = port
    return daemon


def everybody(daemon, http):
    """The workers that answer; asked until both have."""
    found = {}
    for _ in range(1000):
        health = http(f"{daemon.admin}/readyz").json
        found[health["worker"]["pid"]] = health
        if len(found) == 2:
            return found
    raise AssertionError(f"only {list(found)} answer")


def test_both_answer_and_know_of_each_other(shared, http):
    found = everybody(shared, http)
    assert shared.process.pid not in found
    for pid, health in found.items():
        assert health["ready"]
        assert {"number": health["worker"]["number"], "pid": pid, "state": "ready"} in health["workers"]
        assert sorted(each["number"] for each in health["workers"]) == [1, 2]


def test_a_change_reaches_both(shared):
    spec = "{kind: snippet, name: hello, language: text, code: changed}"
    assert shared.weir("apply", "--wait", "-f", "-", stdin=spec).returncode == 0
    assert {new_connection(shared.port)[1] for _ in range(40)} == {"changed"}
    assert shared.weir("apply", "--wait", "-f", "-", stdin=spec.replace("changed", "hello")).returncode == 0


def test_each_has_a_row_of_its_own(shared, http):
    rows = [row for row in json.loads(shared.weir("get", "instances", "-o", "json").stdout) if row["host"]]
    told = {(row["worker"], row["pid"], row["namespace"]) for row in rows}
    both = workers(shared, http)
    assert told == {(number, pid, "default") for number, pid in both.items()} | {
        (number, pid, "system") for number, pid in both.items() if (number, pid, "system") in told
    }


@contextmanager
def waiting(shared, http):
    """Requests that wait, some at each worker."""
    clients = []
    try:
        for _ in range(200):
            client = socket.create_connection(("127.0.0.1", shared.port))
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            clients.append(client)
            rows = [row for row in http(f"{shared.admin}/v1/processes").json if "sleep/slow.in" in row["waits"]]
            if {row["worker"] for row in rows} == {1, 2}:
                break
        else:
            raise AssertionError(f"one worker takes nothing: {rows}")
        yield rows
    finally:
        for client in clients:
            client.close()


def test_processes_of_both_are_listed_and_cancelled(shared, http):
    with waiting(shared, http) as rows:
        for row in rows:
            assert http(f"{shared.admin}/v1/processes/{row['id']}", method="DELETE").status == 200
        left = {row["id"] for row in http(f"{shared.admin}/v1/processes").json}
        assert not left & {row["id"] for row in rows}
    assert http(f"{shared.admin}/v1/processes/nobody", method="DELETE").status == 404


def test_a_worker_that_does_not_answer_is_named(shared, http):
    both = workers(shared, http)
    os.kill(both[2], signal.SIGSTOP)
    try:
        # Who is stopped accepts nothing, so it is the other that answers.
        found = [row for row in ask_the_other(shared) if row["state"] == "silent"]
    finally:
        os.kill(both[2], signal.SIGCONT)
    assert [(row["worker"], str(both[2]) in row["origin"]) for row in found] == [(2, True)]


def ask_the_other(shared):
    connection = http.client.HTTPConnection("127.0.0.1", shared.admin_port, timeout=30)
    try:
        return json.loads(ask(connection, "/v1/processes")[1])
    finally:
        connection.close()


# --- what ends or changes workers


def test_a_killed_worker_costs_only_what_it_had_accepted(pair, http, port):
    before = workers(pair, http)
    with load(port) as clients:
        go_on(clients)
        os.kill(before[1], signal.SIGKILL)
        died = pair.wait_for("worker.died", worker=1)
        pair.wait_for("worker.ready", worker=1)
        go_on(clients)
    assert "SIGKILL" in died["reason"]
    for client in clients:
        assert len(client.errors) <= 1
        assert not any(isinstance(error, ConnectionRefusedError) for error in client.errors)
    after = workers(pair, http)
    assert (after[1] != before[1], after[2]) == (True, before[2])
    rows = json.loads(pair.weir("get", "instances", "-o", "json").stdout)
    assert before[1] not in {row["pid"] for row in rows}


def test_new_workers_take_over_without_a_gap(pair, http, port):
    before = workers(pair, http)
    with load(port) as clients:
        go_on(clients)
        pair.process.send_signal(signal.SIGUSR2)
        pair.wait_for("workers.restarted")
        go_on(clients)
    assert [client.errors for client in clients] == [[], [], [], []]
    after = workers(pair, http)
    assert not set(before.values()) & set(after.values())
    assert pair.stop() == 0


def test_a_client_that_has_only_connected_is_answered_by_the_old_worker(pair, http, port):
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
    try:
        http(f"{pair.admin}/readyz")
        pair.process.send_signal(signal.SIGUSR2)
        pair.wait_for("worker.ready")
        for client in clients:
            client.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
        pair.wait_for("workers.restarted")
    finally:
        for client in clients:
            client.close()


def test_a_bad_config_stops_the_restart_and_the_old_workers_serve(start, http, tmp_path, port):
    config = tmp_path / "weir.yaml"
    config.write_text("workers: 2\ndrain_timeout: 1s\n")
    daemon = start("--from-specs", write(tmp_path, port)).started()
    before = workers(daemon, http)
    config.write_text("workers: 2\nnonsense: 1\n")
    daemon.process.send_signal(signal.SIGUSR2)
    assert "nonsense" in daemon.wait_for("config.refused")["reason"]
    config.write_text("workers: 2\ndrain_timeout: 1s\nplugins: [no-such-package]\n")
    daemon.process.send_signal(signal.SIGUSR2)
    daemon.wait_for("workers.restart_stopped", worker=1)
    assert workers(daemon, http) == before
    assert new_connection(port) == (200, "hello")

    # HUP takes over how many there are, and refuses by name what it cannot.
    daemon.process.send_signal(signal.SIGHUP)
    assert daemon.wait_for("config.refused")["keys"] == ["plugins"]
    config.write_text("workers: 3\ndrain_timeout: 1s\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for("worker.ready", worker=3)
    config.write_text("workers: 1\ndrain_timeout: 1s\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for("config.reloaded", changed=["workers"], worker=None)
    assert list(workers(daemon, http)) == [1]
    assert new_connection(port) == (200, "hello")
    assert daemon.stop() == 0


def test_a_worker_that_hangs_is_replaced(start, http, tmp_path, port):
    daemon = start(
        "--workers", "2", "--from-specs", write(tmp_path, port), environ={"WEIR_LIMITS_HANG": "3s"}
    ).started()
    before = workers(daemon, http)
    os.kill(before[2], signal.SIGSTOP)
    assert daemon.wait_for("worker.hung")["pid"] == before[2]
    daemon.wait_for("worker.ready", worker=2)
    assert workers(daemon, http)[1] == before[1]
    assert new_connection(port) == (200, "hello")


def test_workers_end_with_a_supervisor_that_was_killed(pair):
    pair.process.kill()
    pair.process.wait(30)
    pair.wait_for("supervisor.lost")
    all_ended(pair)
    assert sum(event["event"] == "worker.ended" for event in pair.events) == 2


def test_the_end_drains_all_and_a_second_signal_does_not_wait(start, http, tmp_path, port):
    daemon = start("--workers", "2", "--from-specs", write(tmp_path, port), environ={"WEIR_DRAIN_TIMEOUT": "1h"})
    daemon.started().port = port
    with waiting(daemon, http):
        daemon.process.send_signal(signal.SIGINT)
        daemon.wait_for("daemon.draining")
        daemon.process.send_signal(signal.SIGINT)
        assert daemon.process.wait(30) == 130
    all_ended(daemon)


def test_term_to_the_whole_group_ends_in_good_order(pair, http):
    """As systemd does it: every process of the service gets the signal."""
    pids = workers(pair, http).values()
    pair.process.send_signal(signal.SIGTERM)
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    assert pair.process.wait(30) == 0
    all_ended(pair)
    assert sum(event["event"] == "worker.ended" for event in pair.events) >= 2


# --- the start


def test_a_store_in_memory_is_refused(start):
    daemon = start("--workers", "2", "--store", "memory://")
    assert daemon.process.wait(30) == 1
    all_ended(daemon)
    assert "each worker would have one of its own" in "".join(daemon.other)


def test_a_store_that_cannot_be_opened_is_told_once(start, tmp_path):
    (tmp_path / "weir.db").write_bytes(b"this is no database, and long enough to be seen as such" * 100)
    daemon = start("--workers", "2")
    assert daemon.process.wait(30) == 1
    all_ended(daemon)
    assert len(daemon.other) <= 2
    assert "weir.db" in daemon.other[0]


def test_a_port_in_use_is_told_by_each_and_taken_when_it_is_free(start, tmp_path, port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        daemon = start("--workers", "2", "--from-specs", write(tmp_path, port)).started()
        failed = [event for event in daemon.events if event["event"] == "spec.failed"]
        assert {event["worker"] for event in failed} == {1, 2}
        assert all(f"127.0.0.1:{port}" in event["reason"] for event in failed)
    for number in (1, 2):
        daemon.wait_for("listener.bound", node="listener/web")
    assert new_connection(port) == (200, "hello")


def test_any_free_port_is_the_same_for_all(start, http, tmp_path):
    daemon = start("--workers", "2", "--from-specs", write(tmp_path, 0)).started()
    bound = [event for event in daemon.events if event["event"] == "listener.bound" and event["node"] == "listener/web"]
    assert {event["worker"] for event in bound} == {1, 2}
    assert len({event["port"] for event in bound}) == 1


def test_watched_files_are_written_once(start, http, tmp_path, port):
    daemon = start("--workers", "2", "--from-specs", write(tmp_path, port), "--watch").started()
    write(tmp_path, port, text="changed")
    for _ in range(2):
        daemon.wait_for("generation.published", namespace="default")
    assert {new_connection(port)[1] for _ in range(40)} == {"changed"}
    history = json.loads(daemon.weir("history", "hello", "-o", "json").stdout)
    assert len(history) == 2


def test_one_worker_has_no_supervisor(start, http, tmp_path, port):
    daemon = start("--workers", "1", "--from-specs", write(tmp_path, port)).started()
    assert "workers" not in http(f"{daemon.admin}/readyz").json
    daemon.process.send_signal(signal.SIGUSR2)
    daemon.wait_for("signal.ignored")
    assert new_connection(port) == (200, "hello")
