from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest

from engine.store.instance import Instance, SpecState
from engine.store.url import open_store

SPECS = """
- {kind: probe, name: a, labels: {app: shop, tier: test}}
- {kind: gate, name: b, when: 'true', labels: {app: shop}}
- {kind: probe, name: c, namespace: other}
"""


@pytest.fixture
def filled(weir):
    weir("apply", "-f", "-", input=SPECS)
    weir("apply", "values", "-f", "-", input="- {name: creds, data: 1}\n")
    return weir


def rows(result):
    return [line.split() for line in result.stdout.splitlines()]


def test_a_table(filled):
    header, first, second = rows(filled("get"))
    assert header == ["KIND", "NAME", "REVISION", "AGE"]
    assert (first[:3], second[:3]) == (["probe", "a", "1"], ["gate", "b", "2"])
    assert first[3].endswith("s")


def test_all_namespaces(filled):
    assert rows(filled("get", "-A"))[0][0] == "NAMESPACE"
    assert [row[0] for row in rows(filled("get", "-A"))[1:]] == ["default", "default", "other"]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ["probe/a", "gate/b"]),
        (["specs"], ["probe/a", "gate/b"]),
        (["nodes"], ["probe/a", "gate/b"]),
        (["probe"], ["probe/a"]),
        (["specs", "b", "a", "b"], ["gate/b", "probe/a"]),
        (["gate/b", "probe/a"], ["gate/b", "probe/a"]),
        (["specs/b"], ["gate/b"]),
        (["-l", "app=shop"], ["probe/a", "gate/b"]),
        (["-l", "app=shop,tier!=test"], ["gate/b"]),
        (["-l", "tier"], ["probe/a"]),
        (["-l", "!tier"], ["gate/b"]),
        (["-n", "other"], ["probe/c"]),
        (["probe", "-A"], ["probe/a", "probe/c"]),
        (["values"], ["value/creds"]),
        (["value/creds"], ["value/creds"]),
    ],
)
def test_what_is_asked_for(filled, words, names):
    assert filled("get", *words, "-o", "name").stdout.split() == names


def test_json_is_a_list_and_one_object_for_one_name(filled):
    assert [spec["name"] for spec in json.loads(filled("get", "-o", "json").stdout)] == ["a", "b"]
    spec = json.loads(filled("get", "specs", "a", "-o", "json").stdout)
    assert set(spec) == {"id", "namespace", "kind", "name", "labels", "revision"}
    assert json.loads(filled("get", "specs", "a", "b", "-o", "json").stdout)[1]["name"] == "b"


def test_an_id_is_a_name_too(filled):
    id = filled("get", "specs", "a", "-o", "jsonpath={.id}").stdout.strip()
    assert filled("get", "specs", id, "-o", "name").stdout == "probe/a\n"


def test_nothing_found_is_no_error(weir):
    assert weir("get").stderr == "no specs found in the namespace 'default'\n"
    assert weir("get", "values").stderr == "no values found in the namespace 'default'\n"
    assert weir("get", "gate").stderr == "no gate in the namespace 'default'\n"
    assert json.loads(weir("get", "-o", "json").stdout) == []


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["specs", "creds"], "no spec 'creds' in the namespace 'default'", None),
        (["specs", "A"], "no spec 'A' in the namespace 'default'", "did you mean 'a'?"),
        (["probe", "b"], "no probe 'b' in the namespace 'default'", "there is gate/b"),
        (["value", "crds"], "no value 'crds' in the namespace 'default'", "did you mean 'creds'?"),
        (["prob"], "no kind 'prob'", "did you mean 'probe'?"),
        (["a"], "no kind 'a'", "did you mean 'probe/a'?"),
    ],
)
def test_unknown_names(filled, words, error, hint):
    result = filled("get", *words, code=1)
    assert f"error: {error}\n" in result.stderr
    assert (f"hint: {hint}\n" in result.stderr) is (hint is not None)


def test_what_is_there_is_shown_beside_what_is_missing(filled):
    result = filled("get", "specs", "a", "zzz", "-o", "name", code=1)
    assert result.stdout == "probe/a\n"
    assert "no spec 'zzz'" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["probe/a", "b"], "not KIND/NAME"),
        (["specs", "probe/a"], "has a kind already"),
        (["probe/a", "value/creds"], "cannot be asked for together"),
        (["history"], "write `weir history NAME`"),
        (["processes", "-w"], "neither"),
        (["-A", "-n", "x"], "exclude"),
        (["-o", "jsn"], "is not one of"),
        (["instances", "-l", "app=shop"], "no labels"),
    ],
)
def test_wrong_use(filled, words, message):
    assert message in filled("get", *words, code=2).stderr


def test_a_bad_selector(filled):
    assert "is no selector of labels" in filled("get", "-l", "a=b,,c", code=1).stderr


def test_jsonpath(filled):
    assert filled("get", "-o", "jsonpath={[*].labels.app}").stdout == "shop shop\n"
    assert filled("get", "specs", "a", "-o", "jsonpath=name: {.name}!").stdout == "name: a!\n"
    assert "`range`" in filled("get", "-o", "jsonpath={range .items}", code=1).stderr


def _instance(specs, **states):
    now = datetime.now(UTC)
    ids = {spec.name: spec.id for spec in specs}
    return Instance(
        "0192f0c1-2345-7abc-8def-0123456789ab",
        "host",
        7,
        "default",
        now,
        now,
        revision=3,
        generation=2,
        states={ids[name]: state for name, state in states.items()},
    )


@pytest.fixture
def with_daemon(filled):
    async def put():
        async with open_store(filled.store) as store:
            specs = await store.specs()
            await store.put_instance(
                _instance(specs, a=SpecState(1, "active"), b=SpecState(2, "pending", "no node named 'z'"))
            )

    asyncio.run(put())
    return filled


def test_wide_tells_what_daemons_say(with_daemon):
    header, first, second = rows(with_daemon("get", "-o", "wide"))
    assert header[4:] == ["ID", "STATE", "OBSERVED", "RUNNING", "REASON"]
    assert first[5:] == ["active", "1", "1/1"]
    assert second[5:8] == ["pending", "2", "0/1"]
    assert " ".join(second[8:]) == "no node named 'z'"


def test_instances(with_daemon):
    header, row = rows(with_daemon("get", "instances"))
    assert header[:8] == ["NAMESPACE", "HOST", "PID", "REVISION", "GENERATION", "ACTIVE", "PENDING", "FAILED"]
    assert row[:8] == ["default", "host", "7", "3", "2", "1", "1", "0"]
    [instance] = json.loads(with_daemon("get", "instances", "-o", "json").stdout)
    assert instance["revision"] == 3
    assert "no instance 'x'" in with_daemon("get", "instances", "x", code=1).stderr
    assert with_daemon("get", "instances", "-n", "none").stderr == "no daemon is running the namespace 'none'\n"


def test_control_characters_do_not_reach_the_terminal(filled):
    async def put():
        async with open_store(filled.store) as store:
            specs = await store.specs()
            await store.put_instance(_instance(specs, a=SpecState(1, "failed", "bad \x1b[31m\nred")))

    asyncio.run(put())
    result = filled("get", "-o", "wide")
    assert "\x1b" not in result.stdout
    assert len(result.stdout.splitlines()) == 3
