"""The verbs beside a daemon that runs: waiting for it, and talking to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

WEIR = [sys.executable, "-m", "engine.cli"]
HELLO = "- {kind: snippet, name: hello, code: '1', labels: {app: shop}}\n"
OTHER = "- {kind: snippet, name: other, code: '2', labels: {app: shop}}\n"
PENDING = "- {kind: snippet, name: lost, code: self, ports: {out: [{name: nobody}]}}\n"


@pytest.fixture
def daemon(tmp_path, start):
    daemon = start()
    daemon.wait_for("daemon.started")
    return daemon


@pytest.fixture
def weir(tmp_path, daemon):
    def run(*words, input=None, code=0, server=False):
        where = ["--server", daemon.admin] if server else ["--store", daemon.store]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WEIR_", "XDG_"))}
        result = subprocess.run(
            [*WEIR, *words, *where],
            cwd=tmp_path,
            env=kept | {"HOME": str(tmp_path)},
            input=input,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == code, (words, result.returncode, result.stdout, result.stderr)
        return result

    return run


@pytest.mark.parametrize("server", [False, True], ids=["store", "server"])
def test_apply_waits_until_the_daemon_runs_it(weir, server):
    result = weir("apply", "-f", "-", "--wait", input=HELLO, server=server)
    assert result.stdout == "snippet/hello created\n"
    assert result.stderr == "1 daemon of the namespace 'default' runs it\n"
    row = weir("get", "-o", "wide", server=server).stdout.splitlines()[1].split()
    assert (row[:2], row[5]) == (["snippet", "hello"], "active")


@pytest.mark.parametrize("server", [False, True], ids=["store", "server"])
def test_apply_tells_what_the_daemon_does_not_run(weir, server):
    result = weir("apply", "-f", "-", "--wait", input=PENDING, server=server, code=1)
    assert "snippet/lost is pending: " in result.stderr
    assert "nobody" in result.stderr.split("is pending: ")[1]


def test_all_verbs_through_the_admin_api(weir):
    assert weir("apply", "-f", "-", input=HELLO + OTHER, server=True).stdout == (
        "snippet/hello created\nsnippet/other created\n"
    )
    assert weir("get", "-o", "name").stdout == "snippet/hello\nsnippet/other\n"
    again = HELLO.replace("'1'", "'3'")
    result = weir("apply", "-f", "-", "--prune", "-l", "app=shop", input=again, server=True)
    assert result.stdout == "snippet/hello configured\nsnippet/other pruned\n"
    spec = json.loads(weir("get", "specs", "hello", "-o", "json", server=True).stdout)
    assert spec["code"] == "3"
    stale = json.dumps({**spec, "code": "4", "revision": 1})
    result = weir("apply", "-f", "-", input=stale, server=True, code=1)
    assert f"revision {spec['revision']}" in result.stderr
    assert "revision 1" in result.stderr
    assert weir("apply", "values", "-f", "-", input="- {name: v, data: 1}\n", server=True).stdout == "value/v created\n"
    assert weir("delete", "values", "v", server=True).stdout == "value/v deleted\n"
    assert weir("delete", "specs", "--all", server=True).stdout == "snippet/hello deleted\n"
    assert json.loads(weir("get", "-o", "json").stdout) == []
    [instance] = json.loads(weir("get", "instances", "-o", "json", server=True).stdout)
    assert instance["namespace"] == "default"
