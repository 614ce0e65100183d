from __future__ import annotations

import json

import pytest

from engine.errors import UnavailableError
from engine.store.sqlite.transfer import SqliteDestination

COPY = "sqlite:///copy.db"


def test_copy(filled, home):
    result = filled("store", "copy", "sqlite:///weir.db", COPY)
    first, second = result.stdout.splitlines()
    assert first == (
        f"copied 1 spec, 1 value and 2 revisions of specs to sqlite:///{home}/copy.db, which counts from revision 3 on"
    )
    assert second.startswith("verified: both have the hash ")
    assert result.stderr == ""
    assert [
        each["revision"]
        for each in json.loads(filled("history", "a", "-o", "json", store=False, env={"WEIR_STORE_URL": COPY}).stdout)
    ] == [2, 1]
    assert "all is well" in filled("store", "check", "--store", COPY).stdout


def test_copy_for_machines(filled, home):
    form = json.loads(filled("store", "copy", "sqlite:///weir.db", COPY, "-n", "default", "-o", "json").stdout)
    assert form.pop("seconds") >= 0
    assert len(form.pop("digest")) == 64
    assert form == {
        "from": f"sqlite:///{home}/weir.db",
        "to": f"sqlite:///{home}/copy.db",
        "namespaces": ["default"],
        "revision": 3,
        "specs": 1,
        "values": 1,
        "revisions": 2,
    }


def test_copy_refuses_what_is_not_empty(filled):
    filled("store", "copy", "sqlite:///weir.db", COPY)
    result = filled("store", "copy", "sqlite:///weir.db", COPY, code=1)
    assert "copy.db is not empty: it holds 1 spec, 1 value, 2 revisions" in result.stderr
    assert "hint: copy to a store that does not exist yet" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("words", [("memory://", COPY), ("sqlite:///weir.db", "memory://")])
def test_copy_refuses_memory(filled, words):
    assert "nothing of it outlives its process" in filled("store", "copy", *words, code=1).stderr


def test_copy_refuses_a_source_that_is_not_there(weir, home):
    assert "there is no store" in weir("store", "copy", "sqlite:///gone.db", COPY, code=1).stderr
    assert list(home.iterdir()) == []


def test_copy_uses_the_keys_of_the_config(filled, home):
    """Those seal the copy; what the store made for itself opens what was there."""
    filled.write("new.key", "ab" * 32)
    (home / "new.key").chmod(0o600)
    filled.write("keys.yaml", f"values:\n  key: file:{home}/new.key\n")
    filled("store", "copy", "sqlite:///weir.db", COPY, "--config", "keys.yaml")
    assert not (home / "copy.db.key").exists()
    assert "all is well" in filled("store", "check", "--store", COPY, "--config", "keys.yaml").stdout
    assert "missing-key" in filled("store", "check", "--store", COPY, code=1).stdout


def test_a_copy_that_fails_says_what_became_of_it(filled, damage):
    damage("UPDATE documents SET labels = '{' WHERE name = 'v'")
    result = filled("store", "copy", "sqlite:///weir.db", COPY, code=1)
    assert "copy.db was not filled: run it again, which begins anew" in result.stderr
    assert "holds a row that cannot be read" in result.stderr
    assert "`weir store check" in result.stderr
    damage("UPDATE documents SET labels = '{}' WHERE name = 'v'")
    filled("store", "copy", "sqlite:///weir.db", COPY)


def test_a_copy_that_was_lost_at_the_very_end_does_not_pretend_to_know(filled, monkeypatch):
    async def lose(self, revision):
        raise UnavailableError("the store was lost while it wrote")

    monkeypatch.setattr(SqliteDestination, "finish", lose)
    result = filled("store", "copy", "sqlite:///weir.db", COPY, code=1)
    assert "copy.db may have been filled or not: `weir store check --store sqlite:///" in result.stderr
