"""The daemon as its user meets it: files in, requests served, changes live, and an orderly end."""

from __future__ import annotations

import signal
import socket
import sqlite3
import threading
from pathlib import Path

import pytest

WEB = """
- kind: listener
  name: web
  port: {port}
  ports: {{out: [{{name: routes, port: in}}]}}
- kind: router
  name: routes
  routes:
    - {{method: GET, path: /hello/:name, port: 'out[0]'}}
    - {{method: GET, path: /slow, port: 'out[1]'}}
    - {{method: GET, path: /bad, port: 'out[2]'}}
  ports:
    out[0]: [{{name: hello, port: in}}]
    out[1]: [{{name: slow, port: in}}]
    out[2]: [{{name: bad, port: in}}]
- {{kind: snippet, name: hello, language: cel, code: '"Hello, " + params.name'}}
- {{kind: sleep, name: slow, interval: {slow}, ports: {{out: [{{name: done, port: in}}]}}}}
- {{kind: snippet, name: done, language: text, code: done}}
- kind: snippet
  name: bad
  language: cel
  code: self.missing
"""


def write(folder: Path, port: int, *, slow: str = "1ms", name: str = "web.yaml") -> str:
    (folder / name).write_text(WEB.format(port=port, slow=slow))
    return name


@pytest.fixture
def web(start, tmp_path, port):
    daemon = start("--from-specs", write(tmp_path, port)).started()
    daemon.url = f"http://127.0.0.1:{port}"
    return daemon


def test_it_serves_and_takes_an_edit_by_apply(web, http, tmp_path):
    assert http(f"{web.url}/hello/ada").text == "Hello, ada"
    (tmp_path / "edit.yaml").write_text("{kind: snippet, name: hello, language: cel, code: '\"Hi, \" + params.name'}")
    result = web.weir("apply", "-f", "edit.yaml")
    assert (result.returncode, result.stdout) == (0, "snippet/hello configured\n"), result.stderr
    web.wait_for("generation.published", namespace="default")
    assert http(f"{web.url}/hello/ada").text == "Hi, ada"


def test_it_takes_an_edit_by_the_admin_api(web, http):
    patch = {"name": "hello", "code": '"Ave, " + params.name'}
    answer = http(f"{web.admin}/v1/nodes", patch, method="PATCH")
    assert (answer.status, answer.json["name"]) == (200, "hello")
    web.wait_for("generation.published", namespace="default")
    assert http(f"{web.url}/hello/ada").text == "Ave, ada"


def test_a_bad_spec_is_refused_by_both_and_the_old_one_serves(web, http, tmp_path):
    (tmp_path / "edit.yaml").write_text("kind: snippet\nname: hello\nlanguage: cel\ncode: '1 +'\n")
    result = web.weir("apply", "-f", "edit.yaml")
    assert result.returncode == 1
    assert "edit.yaml:4:" in result.stderr
    assert "^" in result.stderr

    answer = http(f"{web.admin}/v1/nodes", {"name": "hello", "code": "1 +"}, method="PATCH")
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["errors"][0]["path"] == ["code"]
    assert http(f"{web.url}/hello/ada").text == "Hello, ada"


def test_a_failed_process_is_logged_once_with_its_node_line_and_request(web, http):
    answer = http(f"{web.url}/bad", headers={"X-Request-Id": "req-17"})
    assert answer.status == 500
    assert answer.json["title"]
    failed = web.wait_for("process.failed")
    assert failed["node"] == "snippet/bad"
    assert "web.yaml:" in str(failed["place"])
    assert failed["request"] == "req-17"
    assert http(f"{web.url}/hello/ada").status == 200
    web.wait_for("request.served", path="/hello/ada")
    assert sum(event["event"] == "process.failed" for event in web.events) == 1


def test_a_request_that_runs_finishes_before_the_end(start, http, tmp_path, port):
    daemon = start("--from-specs", write(tmp_path, port, slow="700ms")).started()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(http(f"http://127.0.0.1:{port}/slow")))
    thread.start()
    wait_for_process(daemon, http)
    assert daemon.stop() == 0
    thread.join(30)
    assert answers[0].text == "done"


def test_a_namespace_may_have_a_drain_limit_of_its_own(start, http, tmp_path, port):
    (tmp_path / "weir.yaml").write_text("drain_timeout: 1h\ndrain_timeouts: {default: 50ms}\n")
    daemon = start("--config", "weir.yaml", "--from-specs", write(tmp_path, port, slow="1h")).started()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(http(f"http://127.0.0.1:{port}/slow")))
    thread.start()
    wait_for_process(daemon, http)
    assert daemon.stop() == 0
    thread.join(30)
    assert answers[0].status == 499
    told = daemon.wait_for("generation.drain_exceeded")
    assert told["processes"] == 1


def wait_for_process(daemon, http) -> None:
    """Until a process waits in `sleep/slow`."""
    for _ in range(1000):
        if any("sleep/slow.in" in process["waits"] for process in http(f"{daemon.admin}/v1/processes").json):
            return
    raise AssertionError("no process is waiting")


def test_a_second_signal_ends_at_once(start, http, tmp_path, port):
    daemon = start("--from-specs", write(tmp_path, port, slow="1h")).started()
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for_process(daemon, http)
        daemon.process.send_signal(signal.SIGINT)
        daemon.wait_for("daemon.draining")
        daemon.process.send_signal(signal.SIGINT)
        daemon.wait_for("daemon.ending_now")
        daemon.process.wait(10)


def test_a_port_in_use_names_address_and_spec_and_the_rest_serves(start, http, tmp_path, port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        daemon = start("--from-specs", write(tmp_path, port))
        failed = daemon.wait_for("spec.failed", spec="listener/web")
        assert f"127.0.0.1:{port}" in failed["reason"]
        daemon.started()
        ready = http(f"{daemon.admin}/readyz")
        assert ready.status == 200
        assert ready.json["namespaces"]["default"]["not_active"][0]["spec"] == "listener/web"
    daemon.wait_for("listener.bound", node="listener/web")
    daemon.wait_for("generation.published", namespace="default")
    assert http(f"http://127.0.0.1:{port}/hello/ada").text == "Hello, ada"


def test_a_taken_admin_address_leaves_serving_alone(start, http, tmp_path, port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        environ = {"WEIR_ADMIN_LISTEN": f"127.0.0.1:{other.getsockname()[1]}"}
        daemon = start("--from-specs", write(tmp_path, port), environ=environ)
        daemon.wait_for("spec.failed", spec="listener/admin-listener")
        daemon.started()
        assert http(f"http://127.0.0.1:{port}/hello/ada").text == "Hello, ada"


def test_a_body_over_the_limit_is_a_413(web, http):
    answer = http(f"{web.url}/hello/ada", b"x" * (10 * 1024 * 1024), headers={"Content-Type": "text/plain"})
    assert answer.status == 413
    assert answer.json["code"] == "too_large"
    assert http(f"{web.url}/hello/ada").status == 200


@pytest.mark.parametrize("body", [b"[null]", b"[]", b"{}", b"null", b"\xff\xfe", b"[" * 100_000])
def test_nothing_that_a_request_carries_ends_the_daemon(web, http, body):
    http(f"{web.url}/hello/ada", body)
    assert http(f"{web.url}/hello/ada").text == "Hello, ada"
    assert web.process.poll() is None


def test_two_daemons_on_one_file_see_each_others_changes(start, http, tmp_path, port):
    first = start("--from-specs", write(tmp_path, port)).started()
    second = start("-n", "other").started()
    spec = {"kind": "snippet", "name": "lone", "namespace": "other", "language": "text", "code": "x"}
    assert http(f"{first.admin}/v1/nodes", spec).status == 201
    second.wait_for("generation.published", namespace="other")
    names = [instance["namespace"] for instance in http(f"{second.admin}/v1/instances").json]
    assert sorted(set(names)) == ["default", "other", "system"]


def test_watch_takes_a_saved_file_and_keeps_the_last_good_one(start, http, tmp_path, port):
    name = write(tmp_path, port)
    daemon = start("--from-specs", name, "--watch").started()
    url = f"http://127.0.0.1:{port}/hello/ada"
    text = (tmp_path / name).read_text()

    (tmp_path / name).write_text(text.replace("Hello", "Hey"))
    daemon.wait_for("generation.published", namespace="default")
    assert http(url).text == "Hey, ada"

    (tmp_path / name).write_text(text.replace("Hello", "Oops").replace("kind: sleep", "kind: sleeep"))
    daemon.wait_for_text("sleeep")
    assert http(url).text == "Hey, ada"


def test_a_store_that_cannot_be_opened_is_told_and_nothing_starts(start, tmp_path):
    (tmp_path / "weir.db").write_bytes(b"this is no database, and long enough to be seen as such" * 100)
    daemon = start()
    assert daemon.process.wait(30) == 1
    with pytest.raises(AssertionError):
        daemon.wait_for("daemon.started")
    assert "weir.db" in "".join(daemon.other)


def test_a_newer_store_is_refused(start, tmp_path):
    daemon = start().started()
    assert daemon.stop() == 0
    with sqlite3.connect(tmp_path / "weir.db") as connection:
        connection.execute("PRAGMA user_version = 9999")
    connection.close()
    again = start()
    assert again.process.wait(30) == 1


def test_serving_goes_on_when_the_store_breaks(web, http, tmp_path):
    # All pages but the first are overwritten where they are, and the log beside them is emptied into them before.
    with sqlite3.connect(tmp_path / "weir.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with (tmp_path / "weir.db").open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    answer = http(f"{web.admin}/v1/nodes", {"kind": "snippet", "name": "n", "language": "text", "code": "x"})
    assert answer.status == 503
    assert "weir.db" in answer.json["detail"]
    assert http(f"{web.url}/hello/ada").text == "Hello, ada"


def test_a_config_that_cannot_be_honoured_is_refused(start):
    daemon = start(environ={"WEIR_ADMIN_TOKENS": "tokens"})
    assert daemon.process.wait(30) == 1
    with pytest.raises(AssertionError):
        daemon.wait_for("daemon.started")
    assert "admin.tokens" in "".join(daemon.other)


def test_two_listeners_cannot_have_one_address(web, http, port, tmp_path):
    """The admin API asks what runs; who writes to the store himself hears it from the daemon."""
    twin = {"kind": "listener", "name": "twin", "port": port}
    refused = http(f"{web.admin}/v1/nodes", twin)
    assert refused.status == 400
    assert f"127.0.0.1:{port} belongs to listener/web" in refused.json["errors"][0]["message"]
    (tmp_path / "twin.yaml").write_text(f"{{kind: listener, name: twin, port: {port}}}")
    assert web.weir("apply", "-f", "twin.yaml").returncode == 0
    failed = web.wait_for("spec.failed", spec="listener/twin")
    assert f"127.0.0.1:{port} belongs to listener/web" in failed["reason"]
    assert http(f"{web.url}/hello/ada").text == "Hello, ada"
