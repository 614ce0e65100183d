"""History, diff and rollback against a daemon that runs, through its store and through its admin API."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.cli.main import cli

HELLO = "- {kind: snippet, name: hello, code: '%s'}\n"


@pytest.fixture(scope="module")
def daemon(start_shared):
    return start_shared().started()


@pytest.fixture(params=["store", "server"])
def weir(request, daemon, tmp_path, monkeypatch):
    """The command, one way or the other, with nothing stored. In this process: a start of Python takes much longer."""
    for name in list(os.environ):
        if name.startswith(("WEIR_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(*words, input=None, code=0, way=request.param):
        where = ["--server", daemon.admin] if way == "server" else ["--store", daemon.store]
        result = CliRunner().invoke(cli, [*words, *where], input=input)
        assert result.exit_code == code, (words, result.exit_code, result.stdout, result.stderr)
        return result

    run("delete", "specs", "--all", way="store")
    return run


def revisions(weir, name="hello"):
    return json.loads(weir("history", name, "-o", "json").stdout)


def test_there_and_back(weir):
    for text in ("1", "2"):
        weir("apply", "-f", "-", "--wait", "-m", f"say {text}", input=HELLO % text)
    two, one = revisions(weir)[:2]
    assert (two["message"], one["message"]) == ("say 2", "say 1")
    assert (two["running"], two["daemons"], one["running"]) == (1, 1, 0)
    assert datetime.fromisoformat(two["time"]) > datetime.fromisoformat(one["time"])
    assert weir("diff", "-f", "-", input=HELLO % "2").stdout == ""
    assert "-code: '2'\n+code: '3'\n" in weir("diff", "-f", "-", input=HELLO % "3", code=1).stdout
    assert "-code: '1'\n+code: '2'\n" in weir("diff", "hello", code=1).stdout

    plan = weir("rollback", "hello", "--dry-run")
    assert plan.stdout.splitlines()[1].split()[:3] == ["snippet/hello", "configured", "rebuilt"]
    assert revisions(weir)[0] == two
    back = weir("rollback", "hello", "--wait", "-m", "sorry")
    newest = revisions(weir)[0]
    assert back.stdout == f"snippet/hello back to revision {one['revision']} (now {newest['revision']})\n"
    assert back.stderr == "1 daemon of the namespace 'default' runs it\n"
    assert (newest["running"], newest["message"], newest["document"]["code"]) == (1, "sorry", "1")
    again = weir("rollback", "hello", "--to", str(one["revision"]))
    assert again.stdout.startswith(f"snippet/hello unchanged: it is at revision {newest['revision']}")


def test_what_was_deleted_comes_back(weir):
    weir("apply", "-f", "-", input=HELLO % "1")
    [spec] = json.loads(weir("get", "-o", "json").stdout)
    weir("delete", "specs", "hello")
    assert revisions(weir)[0]["action"] == "delete"
    told = weir("rollback", "hello").stdout
    assert told.startswith(f"snippet/hello back to revision {spec['revision']} (now ")
    [back] = json.loads(weir("get", "-o", "json").stdout)
    assert {**back, "revision": 0} == {**spec, "revision": 0}


@pytest.mark.parametrize("weir", ["server"], indirect=True)
def test_names_that_a_path_must_quote(weir):
    name = "a b?c%2F#é"
    text = json.dumps([{"kind": "snippet", "name": name, "code": "1"}])
    weir("apply", "-f", "-", input=text)
    weir("apply", "-f", "-", input=text.replace('"1"', '"2"'))
    assert [entry["name"] for entry in revisions(weir, name)[:2]] == [name, name]
    assert "back to revision" in weir("rollback", name).stdout


def test_what_is_wrong_with_it_is_told(weir):
    weir("apply", "-f", "-", input=HELLO % "1")
    assert "did you mean 'hello'?" in weir("history", "helo", code=1).stderr
    assert "did you mean 'hello'?" in weir("diff", "helo", code=2).stderr
    assert "has no revision 99999" in weir("rollback", "hello", "--to", "99999", code=1).stderr


def test_what_does_not_run_is_told_with_its_place(weir, daemon):
    text = f"- kind: listener\n  name: web\n  protocol: http\n  port: {daemon.admin_port}\n"
    Path("web.yaml").write_text(text)
    for _ in range(2):  # the second time nothing is written, and it is told all the same
        result = weir("apply", "-f", "web.yaml", "--wait", code=1)
        assert "listener/web is failed: " in result.stderr
        assert "web.yaml:1:3 load listener/web cannot listen on" in result.stderr
        assert "  - kind: listener\n    ^\n" in result.stderr
    header, row = (line.split() for line in weir("get", "-o", "wide").stdout.splitlines())
    assert row[header.index("STATE")] == "failed"
    assert row[header.index("RUNNING")] == "0/1"


def test_what_waits_is_told_with_its_place(weir):
    text = "- kind: snippet\n  name: lost\n  code: '{{ .X }}'\n  env: {X: {name: nowhere, data: '{{ . }}'}}\n"
    result = weir("apply", "-f", "-", "--wait", input=text, code=1)
    assert "snippet/lost is pending: env 'X': no value named 'nowhere'" in result.stderr
    assert "<stdin>:1:3 pending snippet/lost: env 'X': no value named 'nowhere'" in result.stderr


def test_the_revision_that_runs_on(weir):
    weir("apply", "-f", "-", "--wait", input=HELLO % "1")
    waits = "{kind: snippet, name: hello, code: '{{ .X }}', env: {X: {name: none, data: '{{ . }}'}}}"
    weir("apply", "-f", "-", "--wait", input=waits, code=1)
    newest, before = revisions(weir)[:2]
    assert (newest["running"], before["running"]) == (0, 1)
    assert f"(revision {before['revision']} runs on)" in weir("get", "-o", "wide").stdout


@pytest.mark.parametrize("weir", ["server"], indirect=True)
def test_processes(weir):
    assert "--server" in weir("get", "processes", code=1, way="store").stderr
    header, *rows = weir("get", "processes").stdout.splitlines()
    assert header.split() == ["ID", "STATE", "ORIGIN", "AGE", "WAITS", "FOR"]
    assert any("listener/admin-listener" in row for row in rows), "the request that asks is one"
    [process] = json.loads(weir("get", "processes", "-o", "json").stdout)
    assert (process["state"], process["origin"]) == ("running", "listener/admin-listener")
