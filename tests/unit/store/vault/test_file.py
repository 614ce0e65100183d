from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys

import pytest

from engine.errors import InvalidError, UnavailableError
from engine.store.vault.file import make_key_file
from engine.store.vault.source import read_key_file


def test_it_is_made_once_for_its_owner_alone(tmp_path):
    path = tmp_path / "weir.db.key"
    key = make_key_file(path)
    assert make_key_file(path) == key == read_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [path.name]
    assert make_key_file(tmp_path / "other.key") != key


def test_a_file_that_is_no_key_is_left_as_it_is(tmp_path):
    path = tmp_path / "k"
    path.write_text("mine")
    with pytest.raises(InvalidError, match="is no key"):
        make_key_file(path)
    assert path.read_text() == "mine"
    assert os.listdir(tmp_path) == ["k"]


def test_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(UnavailableError, match=r"cannot be made: no such file") as caught:
        make_key_file(tmp_path / "none" / "k")
    assert "values.key" in (caught.value.hint or "")


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def link(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    path = tmp_path / "k"
    key = make_key_file(path)
    assert make_key_file(path) == key == read_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["k"]


def test_an_error_of_the_disk_leaves_nothing(tmp_path, monkeypatch):
    def link(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(UnavailableError, match="input/output error"):
        make_key_file(tmp_path / "k")
    assert os.listdir(tmp_path) == []


RACER = """
import sys
from pathlib import Path
from engine.store.vault.file import make_key_file
print("ready", flush=True)
sys.stdin.readline()
print(make_key_file(Path(sys.argv[1])).id, flush=True)
"""


def test_of_several_processes_all_have_the_same_key(tmp_path):
    path = tmp_path / "k"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        told = {racer.communicate(timeout=60)[0].strip() for racer in racers}
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()
    assert told == {read_key_file(path).id}
    assert os.listdir(tmp_path) == ["k"]
