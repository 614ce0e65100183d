from __future__ import annotations

import asyncio
import json

import pytest

from engine.cli.target import StoreTarget
from engine.spec.model import parse_spec
from engine.store.url import open_store
from engine.store.write import DeleteSpec, PutSpec

A = "- {kind: probe, name: a, text: %s}\n"


@pytest.fixture
def written(weir):
    for text in ("one", "two"):
        weir("apply", "-f", "-", input=A % text)
    return weir


def text_of(weir, name="a"):
    return json.loads(weir("get", "specs", name, "-o", "json").stdout)["text"]


def test_back_and_back_again(written):
    assert written("rollback", "a").stdout == "probe/a back to revision 1 (now 3)\n"
    assert text_of(written) == "one"
    assert written("rollback", "a").stdout == "probe/a back to revision 2 (now 4)\n"
    assert text_of(written) == "two"


@pytest.mark.parametrize("to", ["1", "-2"])
def test_to_a_revision(written, to):
    written("apply", "-f", "-", input=A % "three")
    assert written("rollback", "probe/a", "--to", to, "-m", "why").stdout == "probe/a back to revision 1 (now 4)\n"
    newest = json.loads(written("history", "a", "--limit", "1", "-o", "json").stdout)[0]
    assert newest["message"] == "why"


def test_the_history_says_what_was_done(written):
    written("rollback", "a")
    newest = json.loads(written("history", "a", "--limit", "1", "-o", "json").stdout)[0]
    assert (newest["message"], newest["author"] is not None) == ("back to revision 1", True)


def test_what_is_so_already(written):
    assert written("rollback", "a", "--to", "2").stdout == "probe/a unchanged: it is at revision 2\n"
    written("rollback", "a", "--to", "1")
    result = written("rollback", "a", "--to", "1")
    assert result.stdout == "probe/a unchanged: it is at revision 3, which says what revision 1 says\n"


def test_a_spec_that_was_deleted_comes_back_with_its_id(written):
    id = json.loads(written("get", "specs", "a", "-o", "json").stdout)["id"]
    written("delete", "probe", "a")
    assert written("rollback", "a").stdout == "probe/a back to revision 2 (now 4)\n"
    assert json.loads(written("get", "specs", "a", "-o", "json").stdout)["id"] == id


def test_one_that_was_made_again_takes_what_an_earlier_one_said(written):
    written("delete", "probe", "a")
    written("apply", "-f", "-", input=A % "new")
    id = json.loads(written("get", "specs", "a", "-o", "json").stdout)["id"]
    assert written("rollback", "a").stdout == "probe/a back to revision 2 (now 5)\n"
    assert json.loads(written("get", "specs", "a", "-o", "json").stdout)["id"] == id


def test_a_dry_run(written):
    result = written("rollback", "a", "--dry-run")
    assert result.stdout.splitlines()[1].split() == ["probe/a", "configured", "rebuilt", "1", "of", "1", "active"]
    assert "nothing is written" in result.stderr
    assert text_of(written) == "two"


def test_without_a_daemon_there_is_nothing_to_wait_for(written):
    assert "no daemon runs the namespace 'default'" in written("rollback", "a", "--wait=1s").stderr
    assert "is a duration" in written("rollback", "a", "--wait=soon", code=2).stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nobody"], "there is no history of a spec 'nobody'"),
        (["a", "--to", "9"], "probe/a has no revision 9\n  hint: its history has 2, 1\n"),
        (["a", "--to", "0"], "probe/a has no revision 0"),
        (["a", "--to", "-7"], "probe/a has no 8 revisions to count back from the newest"),
    ],
)
def test_nothing_to_go_back_to(written, words, message):
    assert message in written("rollback", *words, code=1).stderr
    assert text_of(written) == "two"


def test_only_one_revision(weir):
    weir("apply", "-f", "-", input=A % "one")
    assert "has no earlier revision that says anything else" in weir("rollback", "a", code=1).stderr


def test_a_deletion_is_nothing_to_go_back_to(written):
    written("delete", "probe", "a")
    assert "revision 3 is the deletion of probe/a" in written("rollback", "a", "--to", "3", code=1).stderr


def test_what_is_called_otherwise_by_now(written):
    id = json.loads(written("get", "specs", "a", "-o", "json").stdout)["id"]
    written("apply", "-f", "-", input=f"- {{kind: probe, name: b, id: {id}}}\n")
    result = written("rollback", "a", code=1)
    assert "probe/a is called probe/b by now" in result.stderr
    assert "hint: write 'b'" in result.stderr
    assert written("rollback", "b").stdout == "probe/a back to revision 2 (now 4)\n"


def _write(weir, document):
    """Write without a check, as another version might have done."""

    async def put():
        async with open_store(weir.store) as store:
            await store.apply([PutSpec(parse_spec(document))])

    asyncio.run(put())


def test_it_is_checked_as_apply_checks(weir):
    weir.write("f.yaml", "- kind: probe\n  name: a\n")
    _write(weir, {"kind": "probe", "name": "a", "txt": "old"})
    weir("apply", "-f", "f.yaml")
    result = weir("rollback", "a", code=1)
    assert "probe/a, revision 1: unknown-field probe has no field 'txt'" in result.stderr
    assert weir("history", "a", "-o", "name").stdout == "2\n1\n"


def test_lines_of_a_file_that_says_something_else_by_now_are_not_shown(weir):
    weir.write("f.yaml", "- kind: probe\n  name: a\n  ports: {out: [{name: nobody}]}\n")
    weir("apply", "-f", "f.yaml")
    weir.write("f.yaml", "- kind: probe\n  name: a\n  text: now\n")
    weir("apply", "-f", "f.yaml")
    result = weir("rollback", "a")
    assert "f.yaml:3:24 unresolved-link" in result.stderr
    assert "text: now" not in result.stderr
    assert result.stdout == "probe/a back to revision 1 (now 3)\n"


def test_a_link_is_checked_against_what_is_stored(weir):
    _write(weir, {"kind": "probe", "name": "a", "ports": {"out": [{"name": "b", "port": "inn"}]}})
    weir("apply", "-f", "-", input="- {kind: probe, name: a}\n- {kind: probe, name: b}\n")
    assert "unknown-port" in weir("rollback", "a", code=1).stderr


@pytest.mark.parametrize("meanwhile", ["written", "deleted"])
def test_somebody_writes_meanwhile(written, monkeypatch, meanwhile):
    """Between the look at the history and the writing."""
    look = StoreTarget.items

    async def items(self, resource, query):
        page = await look(self, resource, query)
        if meanwhile == "written":
            await self._store.apply([PutSpec(parse_spec({"kind": "probe", "name": "a", "text": "theirs"}))])
        else:
            await self._store.apply([DeleteSpec(namespace="default", name="a")])
        return page

    with monkeypatch.context() as patch:
        patch.setattr(StoreTarget, "items", items)
        result = written("rollback", "a", code=1)
    told = "was read at revision 2, but has revision 3 by now" if meanwhile == "written" else "is not there any more"
    assert told in result.stderr
    assert written("history", "a", "-o", "name").stdout == "3\n2\n1\n"
