"""`weir start --watch` beside a real daemon: files are saved in all the ways in which editors save, and live at once."""

from __future__ import annotations

import shutil

import pytest


def snippet(name: str, text: str) -> str:
    return f"- {{kind: snippet, name: {name}, language: text, code: {text}}}\n"


@pytest.fixture
def shown(http):
    """What the daemon has, by name."""

    def read(daemon):
        return {spec["name"]: spec["code"] for spec in http(f"{daemon.admin}/v1/nodes").json}

    return read


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/a.yaml").write_text(snippet("a", "one"))
    return tmp_path / "specs"


def until(daemon, shown, wanted):
    """Wait for generations until the daemon has this."""
    while shown(daemon) != wanted:
        daemon.wait_for("generation.published", namespace="default")


def test_a_folder_and_all_that_happens_in_it(start, shown, folder):
    daemon = start("--from-specs", "specs", "--watch").started()
    (folder / "b.yaml").write_text(snippet("b", "one"))
    until(daemon, shown, {"a": "one", "b": "one"})

    (folder / "a.tmp").write_text(snippet("a", "two"))
    (folder / "a.tmp").replace(folder / "a.yaml")
    until(daemon, shown, {"a": "two", "b": "one"})
    (folder / "a.yaml").write_text(snippet("a", "three"))
    until(daemon, shown, {"a": "three", "b": "one"})

    (folder / "inner").mkdir()
    (folder / "inner/c.yaml").write_text(snippet("c", "one"))
    until(daemon, shown, {"a": "three", "b": "one", "c": "one"})

    (folder / "b.yaml").unlink()
    until(daemon, shown, {"a": "three", "c": "one"})

    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "a.yaml").write_text(snippet("a", "four"))
    until(daemon, shown, {"a": "four"})
    (folder / "a.yaml").write_text(snippet("a", "five"))
    until(daemon, shown, {"a": "five"})


def test_a_file_that_is_deleted_and_comes_back(start, shown, folder):
    daemon = start("--from-specs", "specs/a.yaml", "--watch").started()
    (folder / "a.yaml").unlink()
    (folder / "a.yaml").write_text(snippet("a", "two"))
    until(daemon, shown, {"a": "two"})
    (folder / "a.yaml").write_text(snippet("a", "three"))
    until(daemon, shown, {"a": "three"})


def test_a_deletion_by_somebody_else_jams_nothing(start, http, shown, folder):
    (folder / "a.yaml").write_text(snippet("a", "one") + snippet("b", "one"))
    daemon = start("--from-specs", "specs", "--watch").started()
    assert http(f"{daemon.admin}/v1/nodes?name=b", method="DELETE").status == 200
    until(daemon, shown, {"a": "one"})
    (folder / "a.yaml").write_text(snippet("a", "two"))
    until(daemon, shown, {"a": "two"})


def test_an_edit_while_it_starts_is_not_lost(start, shown, folder):
    daemon = start("--from-specs", "specs", "--watch")
    daemon.wait_for("generation.published", namespace="default")
    (folder / "a.yaml").write_text(snippet("a", "two"))
    until(daemon.started(), shown, {"a": "two"})


def test_specs_without_a_name_are_refused(start, folder):
    (folder / "a.yaml").write_text("- {kind: snippet, language: text, code: x}\n")
    daemon = start("--from-specs", "specs")
    assert daemon.process.wait(30) == 1
    with pytest.raises(AssertionError):
        daemon.started()
    assert "specs/a.yaml:1:3 missing-name" in "".join(daemon.other)


def test_standard_input_cannot_be_followed(start):
    daemon = start("--from-specs", "-", "--watch")
    assert daemon.process.wait(30) == 2
