"""`weir store copy` as a process that is killed in the middle, or interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

WEIR = [sys.executable, "-m", "engine.cli"]
SPECS = "".join(f"- {{kind: snippet, name: s{number}, code: self}}\n" for number in range(6))

STOP_IN_THE_MIDDLE = """
import asyncio, time
from engine.store.transfer import parts, tally
from engine.store.mongodb import contents, transfer
parts.COUNT = contents.COUNT = transfer.COUNT = 2
real = tally.Tally.add_changes
def add(self, changes):
    real(self, changes)
    if self.changes == 4:
        print("in the middle", flush=True)
        while not asyncio.current_task().cancelling():
            time.sleep(0.005)
tally.Tally.add_changes = add
"""
GIVE_UP_AT_ONCE = "from engine.store.mongodb import mark\nmark.LEASE = 0\n"


@pytest.fixture
def environ(tmp_path: Path, values_keys: tuple[str, ...]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WEIR_", "XDG_", "NO_COLOR"))}
    return kept | {"HOME": str(tmp_path), "WEIR_VALUES_KEY": values_keys[0], "WEIR_ADMIN_LISTEN": "off"}


@pytest.fixture
def weir(tmp_path: Path, environ: dict[str, str]) -> Callable[..., Any]:
    def run(*words: str, input: str = "", code: int = 0, program: str = "") -> Any:
        variables = _patched(tmp_path, program) if program else {}
        result = subprocess.run(
            [*WEIR, *words],
            cwd=tmp_path,
            env=environ | variables,
            input=input,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == code, (words, result.returncode, result.stdout, result.stderr)
        return result

    return run


def _patched(tmp_path: Path, program: str) -> dict[str, str]:
    """Variables with which Python runs a program before anything else."""
    folder = tmp_path / f"before-{abs(hash(program))}"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(program)
    return {"PYTHONPATH": f"{folder}{os.pathsep}{Path.cwd()}"}


@pytest.fixture
def copying(tmp_path: Path, environ: dict[str, str]) -> Callable[..., Any]:
    @contextmanager
    def start(source: str, destination: str) -> Iterator[subprocess.Popen[str]]:
        """A copy that has come to the middle, and stays there."""
        process = subprocess.Popen(
            [*WEIR, "store", "copy", source, destination],
            cwd=tmp_path,
            env=environ | _patched(tmp_path, STOP_IN_THE_MIDDLE),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "in the middle\n"
                yield process
            finally:
                process.kill()

    return start


@pytest.fixture
def source(weir: Callable[..., Any]) -> str:
    weir("apply", "-f", "-", "--store", "sqlite:///source.db", input=SPECS)
    return "sqlite:///source.db"


def names(weir: Callable[..., Any], store: str) -> list[str]:
    return [each["name"] for each in json.loads(weir("get", "-o", "json", "--store", store).stdout)]


def test_killed_in_the_middle_of_a_file(weir, copying, source):
    with copying(source, "sqlite:///copy.db") as process:
        process.kill()
    assert names(weir, "sqlite:///copy.db") == []
    assert "at revision 0: 0 specs" in weir("store", "check", "--store", "sqlite:///copy.db").stdout
    weir("store", "copy", source, "sqlite:///copy.db")
    assert names(weir, "sqlite:///copy.db") == [f"s{number}" for number in range(6)]


def test_interrupted_in_the_middle_of_a_file(weir, copying, source):
    with copying(source, "sqlite:///copy.db") as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert "copy.db was not filled: run it again, which begins anew" in process.stderr.read()
    assert names(weir, "sqlite:///copy.db") == []


def test_killed_in_the_middle_of_a_database(weir, copying, source, mongodb_url):
    with copying(source, mongodb_url) as process:
        assert "has moved" in weir("store", "copy", source, mongodb_url, code=1).stderr
        process.kill()
    for words in (("get",), ("start",), ("apply", "-f", "-")):
        refused = weir(*words, "--store", mongodb_url, input=SPECS, code=1)
        assert "the copy was interrupted, or is still under way" in refused.stderr
        assert "run `weir store copy" in refused.stderr
    assert "half-a-copy" in weir("store", "check", "--store", mongodb_url, code=1).stdout
    weir("store", "copy", source, mongodb_url, program=GIVE_UP_AT_ONCE)
    assert names(weir, mongodb_url) == [f"s{number}" for number in range(6)]
    assert "all is well" in weir("store", "check", "--store", mongodb_url).stdout
