"""What is left to a child, as the kernel sees it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest


@pytest.fixture
def child(make, processes):
    make()
    (number,) = processes.isolates()
    return Path("/proc") / str(number)


def test_it_has_its_line_and_a_place_for_its_last_words_and_no_other_file(child):
    files = {int(number): os.readlink(child / "fd" / number) for number in os.listdir(child / "fd")}
    assert sorted(files) == [0, 1, 2]
    assert files[0].startswith("socket:")
    assert files[1] == "/dev/null"
    assert files[2].startswith("/memfd:")


def test_its_environment_is_next_to_nothing(child, monkeypatch):
    names = {entry.partition(b"=")[0] for entry in (child / "environ").read_bytes().split(b"\0") if entry}
    assert names <= {b"LD_LIBRARY_PATH", b"TZ", b"LANG", b"LC_ALL", b"LC_MESSAGES"}
    assert os.readlink(child / "cwd") == "/"


@pytest.mark.parametrize(
    ("limit", "value"),
    [("Max open files", 1), ("Max processes", 0), ("Max core file size", 0), ("Max file size", 64 * 1024)],
)
def test_it_may_open_make_and_write_nothing(child, limit, value):
    found = re.search(rf"{limit}\s+(\d+)\s+(\d+)", (child / "limits").read_text())
    assert found is not None
    assert [int(each) for each in found.groups()] == [value, value]


def test_its_memory_has_a_limit_that_it_cannot_raise(child):
    found = re.search(r"Max data size\s+(\d+)\s+(\d+)", (child / "limits").read_text())
    data = re.search(r"VmData:\s+(\d+) kB", (child / "status").read_text())
    assert found is not None
    assert data is not None
    assert found[1] == found[2]
    assert int(found[1]) - 1024 * int(data[1]) < 2 * 2**24 + 65 * 2**20


def test_it_gains_no_rights_and_goes_first_when_memory_is_short(child):
    assert "NoNewPrivs:\t1" in (child / "status").read_text()
    assert int((child / "oom_score_adj").read_text()) > int(Path("/proc/self/oom_score_adj").read_text())
    assert (child / "comm").read_text() == "weir-javascript\n"
