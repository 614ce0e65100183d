from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest

from engine.spec.yaml import read
from engine.store.instance import Instance, SpecState
from engine.store.url import open_store

A = "- {kind: probe, name: a, text: %s}\n"


@pytest.fixture
def written(weir):
    """Written as one, written as two, deleted."""
    weir("apply", "-f", "-", "-m", "first", input=A % "one")
    weir("apply", "-f", "-", input=A % "two" + "- {kind: probe, name: beside}\n")
    weir("delete", "probe", "a")
    return weir


def rows(result):
    return [line.split() for line in result.stdout.splitlines()]


def test_newest_first_with_deletions(written):
    header, *found = rows(written("history", "a"))
    assert header == ["REVISION", "ACTION", "AGE", "AUTHOR", "RUNNING", "MESSAGE"]
    assert [row[:2] for row in found] == [["4", "deleted"], ["2", "written"], ["1", "written"]]
    assert found[2][4:] == ["-", "first"]
    assert found[0][2].endswith("s")


def test_wide_tells_times_names_and_ids(written):
    written("apply", "-f", "-", input=A % "three")
    header, *found = rows(written("history", "a", "-o", "wide"))
    assert header[5:7] == ["NAME", "ID"]
    assert datetime.fromisoformat(found[0][2]).tzinfo is not None
    assert found[0][5] == "a"
    assert found[0][6] != found[1][6], "made again, it has another id"
    assert found[1][6] == found[3][6]


def test_machines(written):
    entries = json.loads(written("history", "probe/a", "-o", "json").stdout)
    assert [entry["revision"] for entry in entries] == [4, 2, 1]
    assert [(entry["document"] or {}).get("text") for entry in entries] == [None, "two", "one"]
    assert (entries[2]["action"], entries[2]["message"], entries[2]["running"]) == ("put", "first", 0)
    assert read(written("history", "a", "-o", "yaml").stdout).documents[0].data == entries
    assert written("history", "a", "-o", "name").stdout == "4\n2\n1\n"


def test_a_limit(written):
    assert written("history", "a", "--limit", "2", "-o", "name").stdout == "4\n2\n"
    assert written("history", "probe/a", "--limit", "1", "-o", "name").stdout == "4\n"
    written("history", "a", "--limit", "0", code=2)


def test_by_id(written):
    id = json.loads(written("history", "a", "-o", "json").stdout)[0]["id"]
    assert written("history", id, "-o", "name").stdout == "4\n2\n1\n"


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["besid"], "there is no history of a spec 'besid' in the namespace 'default'", "did you mean 'beside'?"),
        (["gate/a"], "there was never a gate 'a' in the namespace 'default'", "there is probe/a"),
        (["a", "-n", "other"], "there is no history of a spec 'a' in the namespace 'other'", None),
    ],
)
def test_what_never_was(written, words, error, hint):
    result = written("history", *words, code=1)
    assert f"error: {error}\n" in result.stderr
    assert (f"hint: {hint}\n" in result.stderr) is (hint is not None)


@pytest.mark.parametrize(("word", "message"), [("value/a", "values keep no history"), ("/a", "not KIND/NAME")])
def test_wrong_use(written, word, message):
    assert message in written("history", word, code=2).stderr


def test_the_revision_that_daemons_run_is_marked(written):
    written("rollback", "a", "--to", "1")
    written("rollback", "a", "--to", "2")

    async def put():
        async with open_store(written.store) as store:
            [spec, _] = await store.specs()
            now = datetime.now(UTC)
            for id, state in (
                ("i", SpecState(6, "active", None, (), 6)),
                ("j", SpecState(6, "failed", "boom", (), 5)),
                ("k", SpecState(6, "pending", "no node")),
            ):
                await store.put_instance(Instance(id, "host", 7, "default", now, now, states={spec.id: state}))
            await store.put_instance(Instance("l", "host", 7, "other", now, now))

    asyncio.run(put())
    found = {row[0]: row[4] for row in rows(written("history", "a"))[1:]}
    assert found == {"6": "1/3", "5": "1/3", "4": "-", "2": "-", "1": "-"}
    newest = json.loads(written("history", "a", "-o", "json").stdout)[0]
    assert (newest["running"], newest["daemons"]) == (1, 3)
