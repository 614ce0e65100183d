from __future__ import annotations

import pytest

from nodes.data.source import Source


def test_spellings_of_one_file_are_equal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spellings = ["a.db", "./a.db", "file:a.db", f"file:{tmp_path}/a.db", f"file://{tmp_path}/x/../a.db", "file:%61.db"]
    assert len({Source.parse(text) for text in spellings}) == 1
    assert Source.parse("a.db") != Source.parse("file:a.db?mode=ro")


@pytest.mark.parametrize(
    "text", [":memory:", "file::memory:", "file::memory:?cache=shared", "file:m?mode=memory&cache=shared"]
)
def test_memory(text):
    assert Source.parse(text).memory


def test_names_with_marks_of_a_uri(tmp_path):
    assert Source.parse(str(tmp_path / "a?b#c%.db")).uri == f"file:{tmp_path}/a%3Fb%23c%25.db"


@pytest.mark.parametrize("text", ["", "  ", "file:", "file://host/a.db"])
def test_what_cannot_be(text):
    with pytest.raises(ValueError, match=r"empty|no file|another machine"):
        Source.parse(text)
