from __future__ import annotations

import pytest

from engine.cli.target import StoreTarget
from engine.spec.model import parse_spec
from engine.store.write import PutSpec

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


def test_a_stale_revision_deletes_nothing(filled):
    kept = filled("get", "specs", "a", "-o", "json").stdout
    filled("apply", "-f", "-", input="- {kind: probe, name: a, text: new}\n")
    for dry in ([], ["--dry-run"]):
        result = filled("delete", "-f", "-", *dry, input=kept, code=1)
        assert "revision 1" in result.stderr
        assert "revision 6" in result.stderr
    assert "probe/a" in left(filled)
    kept = filled("get", "specs", "a", "-o", "json").stdout
    assert filled("delete", "-f", "-", input=kept).stdout == "probe/a deleted\n"


def test_what_somebody_changes_meanwhile_is_not_deleted(filled, monkeypatch):
    """It was chosen by a label that it does not have any more."""
    look = StoreTarget.items

    async def items(self, resource, query):
        page = await look(self, resource, query)
        await self._store.apply([PutSpec(parse_spec({"kind": "probe", "name": "a"}))])
        return page

    with monkeypatch.context() as patch:
        patch.setattr(StoreTarget, "items", items)
        result = filled("delete", "specs", "-l", "app=shop", code=1)
    assert "was read at revision 1, but has revision 6 by now" in result.stderr
    assert "spec 'a' in namespace" in result.stderr
    assert {"probe/a", "gate/b"} <= set(left(filled))


def test_what_cannot_be_identified_deletes_nothing(filled):
    before = left(filled)
    result = filled("delete", "-f", "-", input="- {kind: probe, name: a}\n- kind: probe\n", code=1)
    assert "<stdin>:2:3 missing-name nothing says which one to delete" in result.stderr
    assert left(filled) == before


def test_dry_run(filled):
    before = left(filled)
    line = filled("delete", "specs", "a", "--dry-run").stdout.splitlines()[1]
    assert line.split() == ["probe/a", "deleted", "closed", "-", "deleted"]
    assert left(filled) == before


def test_nothing_to_delete(filled):
    assert filled("delete", "specs", "-l", "app=none").stderr == "nothing to delete\n"
