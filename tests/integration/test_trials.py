"""Changes on trial beside a real daemon: they go back when nobody confirms them, whatever they have broken meanwhile."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

BROKEN = {
    "router": {"kind": "router", "name": "admin-router", "routes": [{"path": "/nothing", "port": "out[0]"}]},
    "listener": {"kind": "listener", "name": "admin-listener", "ports": {"out": [{"name": "admin-guard"}]}},
}


def snippet(name, code):
    return {"kind": "snippet", "name": name, "language": "text", "code": code}


@pytest.fixture
def daemon(start):
    return start().started()


@pytest.fixture
def put(daemon, http):
    """Write specs through the admin API; what it answers."""

    def write(*specs, **query):
        text = "&".join(f"{name}={value}" for name, value in query.items())
        answer = http(f"{daemon.admin}/v1/nodes?{text}", list(specs), method="PUT")
        assert answer.status == 200, answer.text
        return answer.json

    return write


@pytest.fixture
def codes(daemon, http):
    """What the snippets say now."""
    return lambda: {spec["name"]: spec["code"] for spec in http(f"{daemon.admin}/v1/nodes?namespace=default").json}


def test_what_is_confirmed_in_time_stays_and_what_is_not_goes_back(daemon, http, put, codes):
    put(snippet("a", "old"), snippet("b", "old"), snippet("gone", "old"))
    first = put(snippet("a", "new"), confirm="3s")
    trial = first["trial"]
    assert first["items"][0]["code"] == "new"
    assert [spec["action"] for spec in trial["specs"]] == ["configured"]
    assert http(f"{daemon.admin}/v1/trials").json == [trial]
    assert http(f"{daemon.admin}/v1/trials?namespace=other").json == []
    assert http(f"{daemon.admin}/v1/trials/{trial['id']}/confirm", method="POST").json == trial
    assert http(f"{daemon.admin}/v1/trials/{trial['id']}/confirm", method="POST").status == 404
    assert daemon.wait_for("trial.confirmed")["trial"] == trial["id"]

    second = put(snippet("b", "new"), snippet("c", "new"), confirm="3s", message="try")["trial"]
    third = http(f"{daemon.admin}/v1/nodes?name=gone&confirm=3s", method="DELETE").json["trial"]
    assert second["deadline"] > trial["deadline"]
    assert codes() == {"a": "new", "b": "new", "c": "new"}
    for begun in (second, third):  # the first one would be over by now
        assert daemon.wait_for("trial.reverted")["trial"] == begun["id"]
    assert codes() == {"a": "new", "b": "old", "gone": "old"}
    newest = http(f"{daemon.admin}/v1/nodes/default/b/revisions?limit=1").json[0]
    assert (newest["author"], newest["message"]) == (
        "weir",
        f"not confirmed: back to before trial {second['id']} (try)",
    )
    daemon.wait_for("generation.published", namespace="default")
    assert http(f"{daemon.admin}/v1/trials").json == []


@pytest.mark.parametrize("broken", list(BROKEN))
def test_who_locks_himself_out_gets_in_again(daemon, http, put, port, broken):
    there = {"port": port} if broken == "listener" else {}
    put({**BROKEN[broken], "namespace": "system", **there}, confirm="3s")
    daemon.wait_for("generation.published", namespace="system")
    if broken == "router":
        assert http(f"{daemon.admin}/v1/nodes").status == 404
    else:
        with pytest.raises(OSError, match="refused"):
            http(f"{daemon.admin}/v1/nodes")
    daemon.wait_for("trial.reverted")
    daemon.wait_for("generation.published", namespace="system")
    assert http(f"{daemon.admin}/v1/nodes").status == 200
    assert http(f"{daemon.admin}/v1/nodes?namespace=system").json == []


def kill_until_over(daemon, trial):
    """Kill the daemon, and wait until the trial is over."""
    daemon.process.kill()
    daemon.process.wait(30)
    left = (datetime.fromisoformat(trial["deadline"]) - datetime.now(UTC)).total_seconds()
    threading.Event().wait(max(0.0, left))


def test_a_daemon_that_was_killed_takes_it_back_when_it_starts_again(daemon, start, put, http):
    put(snippet("a", "old"))
    kill_until_over(daemon, put(snippet("a", "new"), snippet("b", "new"), confirm="1s")["trial"])
    again = start().started()
    names = [event["event"] for event in again.events]
    assert names.index("trial.reverted") < names.index("generation.published"), "before anything is served"
    found = http(f"{again.admin}/v1/nodes").json
    assert [(spec["name"], spec["code"]) for spec in found] == [("a", "old")]


def test_what_the_files_of_a_start_say_comes_after_that(daemon, start, put, http, tmp_path):
    put(snippet("a", "old"))
    kill_until_over(daemon, put(snippet("a", "new"), confirm="1s")["trial"])
    (tmp_path / "a.yaml").write_text("- {kind: snippet, name: a, language: text, code: new}\n")
    again = start("--from-specs", "a.yaml").started()
    assert http(f"{again.admin}/v1/nodes/default/a/revisions").json[0]["message"] == "from files"
    assert [spec["code"] for spec in http(f"{again.admin}/v1/nodes").json] == ["new"]
    assert http(f"{again.admin}/v1/trials").json == []


def test_a_daemon_that_starts_in_time_waits_for_the_deadline(daemon, start, put, http):
    trial = put(snippet("a", "new"), confirm="10m")["trial"]
    daemon.process.kill()
    daemon.process.wait(30)
    again = start().started()
    assert [event["trial"] for event in again.events if event["event"] == "trial.begun"] == [trial["id"]]
    assert http(f"{again.admin}/v1/trials/{trial['id']}/confirm", method="POST").status == 200
    assert [spec["name"] for spec in http(f"{again.admin}/v1/nodes").json] == ["a"]


def test_what_somebody_has_changed_meanwhile_is_his(daemon, put, codes):
    put(snippet("a", "old"), snippet("b", "old"))
    put(snippet("a", "new"), snippet("b", "new"), confirm="3s")
    put(snippet("a", "his"))
    skipped = daemon.wait_for("trial.skipped")
    assert skipped["spec"] == "snippet/a"
    assert "it was changed meanwhile" in skipped["reason"]
    assert codes() == {"a": "his", "b": "old"}


def test_two_daemons_take_it_back_once(daemon, start, put, http):
    other = start().started()
    put(snippet("a", "old"))
    put(snippet("a", "new"), confirm="2s")
    ends = [
        each.wait_until(lambda event: event["event"] in ("trial.reverted", "trial.ended"), "end")["event"]
        for each in (daemon, other)
    ]
    assert sorted(ends) == ["trial.ended", "trial.reverted"]
    assert len(http(f"{other.admin}/v1/nodes/default/a/revisions").json) == 3


@pytest.mark.parametrize("server", [False, True], ids=["store", "server"])
def test_the_verbs(daemon, tmp_path, server):
    def weir(*words, code=0):
        result = daemon.weir(*words, *(["--server", daemon.admin] if server else []))
        assert result.returncode == code, (words, result.stdout, result.stderr)
        return result

    path = tmp_path / "a.yaml"
    path.write_text("- {kind: snippet, name: a, language: text, code: old}\n")
    weir("apply", "-f", "a.yaml")
    path.write_text("- {kind: snippet, name: a, language: text, code: new}\n")
    result = weir("apply", "-f", "a.yaml", "--confirm", "10m", "-m", "try", "--wait")
    assert result.stdout == "snippet/a configured\n"
    told, waited = result.stderr.splitlines()
    id = told.split()[1].rstrip(":")
    assert told.startswith(f"trial {id}: goes back at ")
    assert told.endswith(f" unless confirmed: weir confirm {id}")
    assert waited == "1 daemon of the namespace 'default' runs it"

    header, row = weir("get", "trials").stdout.splitlines()
    assert header.split() == ["ID", "AGE", "GOES", "BACK", "AUTHOR", "SPECS", "MESSAGE"]
    assert (row.split()[0], row.split()[-2:]) == (id, ["snippet/a", "try"])
    again = weir("apply", "-f", "a.yaml")
    assert again.stdout == "snippet/a unchanged\n"
    assert "snippet/a: on trial, and goes back at " in again.stderr

    path.write_text("- {kind: snippet, name: a, language: text, code: newer}\n")
    refused = weir("apply", "-f", "a.yaml", "--confirm", "10m", code=1)
    assert f"snippet/a is in trial {id} (try) already, until " in refused.stderr

    assert weir("confirm", "--revert").stdout == f"trial {id} taken back\nsnippet/a configured\n"
    assert "code: old" in weir("get", "specs", "a", "-o", "yaml").stdout
    assert weir("apply", "-f", "a.yaml", "--confirm", "10m").returncode == 0
    confirmed = weir("confirm").stdout.splitlines()
    assert confirmed[0].endswith(" confirmed")
    assert confirmed[1].startswith("snippet/a stays at revision ")
    assert "nothing is on trial" in weir("confirm", code=1).stderr
    assert "there is no trial " in weir("confirm", id, code=1).stderr
