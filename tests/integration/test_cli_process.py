"""The command as a process: what it imports, its streams and signals, and two of them on one store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

WEIR = [sys.executable, "-m", "engine.cli"]
SPECS = "- {kind: snippet, name: a, code: self}\n- {kind: snippet, name: grün, code: self}\n"


@pytest.fixture
def environ(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WEIR_", "XDG_", "NO_COLOR"))}
    return kept | {"HOME": str(tmp_path), "WEIR_STORE_URL": f"sqlite:///{tmp_path}/weir.db"}


@pytest.fixture
def weir(tmp_path, environ):
    def run(*words, input=None, code=0, **variables):
        result = subprocess.run(
            [*WEIR, *words],
            cwd=tmp_path,
            env=environ | variables,
            input=None if input is None else input.encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == code, (words, result.returncode, result.stdout, result.stderr)
        return result

    return run


def test_help_imports_nothing_heavy(environ):
    program = (
        "import sys\n"
        "from engine.cli.main import cli\n"
        "try:\n    cli.main(['--help'])\n"
        "except SystemExit:\n    pass\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    loaded = set(result.stderr.split())
    assert "engine.cli.main" in loaded
    heavy = {"asyncio", "aiohttp", "pydantic", "yaml", "sqlite3", "structlog", "uvloop", "engine.spec.model", "ssl"}
    assert loaded & heavy == set()


def test_get_from_a_store_imports_no_http_client(environ, tmp_path):
    program = (
        "import sys\n"
        "from engine.cli.main import cli\n"
        "try:\n    cli.main(['get'])\n"
        "except SystemExit:\n    pass\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], env=environ, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "aiohttp" not in result.stderr.split()
    assert not {name for name in result.stderr.split() if name.startswith("nodes.")}


def test_one_process_writes_and_another_reads(weir):
    assert weir("apply", "-f", "-", input=SPECS).stdout.decode() == "snippet/a created\nsnippet/grün created\n"
    assert [spec["name"] for spec in json.loads(weir("get", "-o", "json").stdout)] == ["a", "grün"]


def test_standard_output_is_for_results_only(weir):
    result = weir("apply", "-f", "-", input="- {kind: snippet, name: a, code: self, ports: {out: [{name: b}]}}\n")
    assert result.stdout == b"snippet/a created\n"
    assert b"unresolved-link" in result.stderr


def test_a_terminal_that_lacks_characters(weir):
    weir("apply", "-f", "-", input="- {kind: snippet, name: 日本, code: self}\n")
    latin = {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    assert b"\\u65e5\\u672c" in weir("get", **latin).stdout
    for output in ("json", "yaml", "name"):
        assert "日本".encode() in weir("get", "-o", output, **latin).stdout


@pytest.mark.parametrize("words", [["get", "-o", "json"], ["get"], ["--help"]])
def test_a_reader_that_is_gone(weir, environ, tmp_path, words):
    weir("apply", "-f", "-", input=SPECS)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [*WEIR, *words], cwd=tmp_path, env=environ, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False
        )
    finally:
        os.close(writer)
    assert (result.returncode, result.stderr) == (1, b"")


def test_a_watch_shows_what_others_do_until_it_is_interrupted(weir, environ, tmp_path):
    weir("apply", "-f", "-", input=SPECS)
    process = subprocess.Popen(
        [*WEIR, "get", "-w", "-o", "json"], cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            listed = [json.loads(process.stdout.readline()) for _ in range(2)]
            assert [(line["event"], line["item"]["name"]) for line in listed] == [("listed", "a"), ("listed", "grün")]
            weir("apply", "-f", "-", input="- {kind: snippet, name: b, code: self}\n")
            line = json.loads(process.stdout.readline())
            assert (line["event"], line["item"]["name"]) == ("changed", "b")
            weir("delete", "specs", "a")
            line = json.loads(process.stdout.readline())
            assert (line["event"], line["item"]["name"]) == ("deleted", "a")
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
            assert process.stderr.read().strip() == b""
        finally:
            process.kill()


def test_a_watch_for_people_is_a_table(weir, environ, tmp_path):
    weir("apply", "-f", "-", input=SPECS)
    process = subprocess.Popen(
        [*WEIR, "get", "-w"], cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        try:
            rows = [process.stdout.readline().split() for _ in range(3)]
            assert rows[0] == [b"EVENT", b"KIND", b"NAME", b"REVISION", b"AGE"]
            assert rows[1][:3] == [b"LISTED", b"snippet", b"a"]
            weir("delete", "specs", "a")
            assert process.stdout.readline().split()[:3] == [b"DELETED", b"snippet", b"a"]
        finally:
            process.kill()


def test_a_mistake_in_weir_exits_70(weir, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import engine.cli.sources\ndef fail(paths):\n    raise ValueError('boom')\nengine.cli.sources.read_files = fail\n"
    )
    result = weir("lint", "x.yaml", code=70, PYTHONPATH=str(tmp_path))
    assert result.stderr.startswith(b"error: internal error: ValueError: boom\n")
    assert b"Traceback" not in result.stderr
    assert b"Traceback" in weir("--debug", "lint", "x.yaml", code=70, PYTHONPATH=str(tmp_path)).stderr


def test_the_store_is_private(weir, tmp_path):
    weir("apply", "-f", "-", "--store", "sqlite:///deep/er/x.db", input=SPECS)
    assert (tmp_path / "deep/er/x.db").stat().st_mode & 0o077 == 0


def test_a_store_that_is_broken(weir, tmp_path):
    (tmp_path / "weir.db").write_bytes(b"this is no database, and never was one" * 100)
    result = weir("apply", "-f", "-", input=SPECS, code=1)
    assert result.stderr.startswith(b"error: ")
    assert b"weir.db" in result.stderr
    assert b"Traceback" not in result.stderr
