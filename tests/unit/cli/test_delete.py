from __future__ import annotations

import pytest

SPECS = """
- {kind: probe, name: a, labels: {app: shop}}
- {kind: gate, name: b, when: 'true', labels: {app: shop}}
- {kind: probe, name: c}
- {kind: probe, name: d, namespace: other}
"""


@pytest.fixture
def filled(weir):
    weir("apply", "-f", "-", input=SPECS)
    weir("apply", "values", "-f", "-", input="- {name: creds, data: 1}\n")
    return weir


def left(weir):
    return weir("get", "-A", "-o", "name").stdout.split()


@pytest.mark.parametrize(
    ("words", "deleted"),
    [
        (["specs", "a", "c"], ["probe/a", "probe/c"]),
        (["probe", "a"], ["probe/a"]),
        (["probe/a", "gate/b"], ["probe/a", "gate/b"]),
        (["specs", "-l", "app=shop"], ["probe/a", "gate/b"]),
        (["probe", "-l", "app=shop"], ["probe/a"]),
        (["specs", "--all"], ["probe/a", "gate/b", "probe/c"]),
        (["probe", "--all"], ["probe/a", "probe/c"]),
        (["specs", "--all", "-n", "other"], ["probe/d"]),
    ],
)
def test_deleted(filled, words, deleted):
    before = left(filled)
    assert filled("delete", *words).stdout == "".join(f"{name} deleted\n" for name in deleted)
    assert left(filled) == [name for name in before if name not in deleted]


def test_values(filled):
    assert filled("delete", "values", "creds").stdout == "value/creds deleted\n"
    assert filled("get", "values", "-o", "name").stdout == ""


@pytest.mark.parametrize(
    "words",
    [[], ["specs"], ["specs", "a", "--all"], ["specs", "-l", "a=b", "--all"], ["--all"], ["specs", "a", "-f", "x"]],
)
def test_nothing_is_deleted_by_a_slip(filled, words):
    before = left(filled)
    filled("delete", *words, code=2)
    assert left(filled) == before


def test_an_empty_selector_selects_nothing(filled):
    assert "is no selector" in filled("delete", "specs", "-l", "", code=1).stderr
    assert len(left(filled)) == 4


def test_missing_names_delete_nothing(filled):
    result = filled("delete", "specs", "a", "cc", code=1)
    assert "no spec 'cc' in the namespace 'default'" in result.stderr
    assert "probe/a" in left(filled)
    assert filled("delete", "specs", "a", "cc", "--ignore-not-found").stdout == "probe/a deleted\n"


def test_the_wrong_kind_is_not_deleted(filled):
    assert "there is gate/b" in filled("delete", "probe", "b", code=1).stderr


def test_by_file(filled):
    text = "- {kind: probe, name: a}\n- {kind: probe, name: gone}\n"
    result = filled("delete", "-f", "-", input=text, code=1)
    assert "nothing was deleted: probe/gone" in result.stderr
    assert "probe/a" in left(filled)
    assert filled("delete", "-f", "-", "--ignore-not-found", input=text).stdout == "probe/a deleted\n"


def test_what_cannot_be_identified_deletes_nothing(filled):
    before = left(filled)
    result = filled("delete", "-f", "-", input="- {kind: probe, name: a}\n- kind: probe\n", code=1)
    assert "<stdin>:2:3 missing-name nothing says which one to delete" in result.stderr
    assert left(filled) == before


def test_dry_run(filled):
    before = left(filled)
    assert filled("delete", "specs", "a", "--dry-run").stdout == "probe/a deleted (dry run)\n"
    assert left(filled) == before


def test_nothing_to_delete(filled):
    assert filled("delete", "specs", "-l", "app=none").stderr == "nothing to delete\n"
