from __future__ import annotations

import os

import pytest

from engine.cli.sources import File, read_files, read_spec_files, read_value_files, specs_of
from engine.errors import NotFoundError, UnavailableError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_keep_the_order_of_the_command_line(folder):
    for name in ("b.yaml", "a.txt", "d/z.yml", "d/a.YAML", "d/b.json", "d/c.txt", "d/.git/x.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    # A file that is named counts whatever its name ends in.
    assert [file.name for file in read_files(["b.yaml", "d", "a.txt"])] == [
        "b.yaml",
        "d/a.YAML",
        "d/b.json",
        "d/z.yml",
        "a.txt",
    ]


def test_a_link_in_a_circle_is_not_followed(folder):
    (folder / "d").mkdir()
    (folder / "d/a.yaml").write_text("")
    os.symlink(folder / "d", folder / "d/again")
    assert [file.name for file in read_files(["d"])] == ["d/a.yaml"]


def test_a_file_under_two_names_is_read_once(folder):
    (folder / "a.yaml").write_text("")
    os.symlink(folder / "a.yaml", folder / "b.yaml")
    assert [file.name for file in read_files(["a.yaml", "b.yaml", "./a.yaml"])] == ["a.yaml"]


def test_standard_input_is_read_once(stdin):
    stdin(b"x")
    assert read_files(["-", "-"]) == [File("<stdin>", b"x")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read(folder):
    (folder / "a.yaml").write_text("")
    (folder / "a.yaml").chmod(0)
    with pytest.raises(UnavailableError, match=r"cannot read 'a\.yaml': permission denied"):
        read_files(["a.yaml"])


def test_a_path_that_is_not_there(folder):
    with pytest.raises(NotFoundError, match="no file 'x'"):
        read_files(["x"])


def test_items_problems_and_texts(folder):
    (folder / "a.yaml").write_text("- {kind: probe, name: a}\n- {name: b}\n")
    found = read_spec_files(["a.yaml"], namespace="n")
    assert [(spec.namespace, spec.name) for spec in found.items] == [("n", "a")]
    assert [str(problem.place) for problem in found.problems] == ["a.yaml:2:3"]
    assert found.texts == {"a.yaml": "- {kind: probe, name: a}\n- {name: b}\n"}
    (folder / "v.yaml").write_text("- {name: v, data: 1}\n")
    assert [value.data for value in read_value_files(["v.yaml"]).items] == [1]


ID = "0192f0c1-2345-7abc-8def-0123456789ab"


@pytest.mark.parametrize(
    ("first", "second", "rule"),
    [
        ("{kind: p, name: a}", "{kind: q, name: a}", "duplicate-name"),
        ("{kind: p, name: a, namespace: x}", "{kind: p, name: a, namespace: y}", None),
        (f"{{kind: p, id: {ID}}}", f"{{kind: p, id: {ID}, namespace: y}}", "duplicate-id"),
        ("{kind: p}", "{kind: p}", None),
    ],
)
def test_doubles_in_two_files(first, second, rule):
    found = specs_of([File("a", first.encode()), File("b", second.encode())])
    assert [problem.rule for problem in found.problems] == ([rule] if rule else [])
    assert len(found.items) == (1 if rule else 2)


def test_what_is_no_text_is_told_with_its_place():
    found = specs_of([File("a", b"\xff\xfe\x00")])
    assert [problem.place.file for problem in found.problems] == ["a"]
    assert isinstance(found.texts["a"], str)
