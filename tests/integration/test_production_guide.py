"""The guide to production, taken at its word: its role is enough, and no less would be; its names are those of the code."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from benchmarks.mongod import REPLICA_SET
from engine.errors import UnavailableError
from engine.spec.model import Spec, parse_spec
from engine.store.instance import Instance
from engine.store.mongodb import MongodbStore
from engine.store.mongodb.schema import COLLECTIONS
from engine.store.protocol import DeleteSpec, PutSpec

PASSWORD = "p:w/d@1"
"""One that must be encoded in a URL."""
QUICK = "serverSelectionTimeoutMS=5000"
FOR_CHECK_ALONE = {"listIndexes"}


@pytest.fixture(scope="module")
def guide(project_dir: Path) -> str:
    return (project_dir / "docs" / "guides" / "production-mongodb.md").read_text()


@pytest.fixture(scope="module")
def commands(guide: str) -> list[dict[str, Any]]:
    """What the guide lets an administrator run."""
    found = re.findall(r'```js\ndb\.getSiblingDB\("admin"\)\.runCommand\((.*?)\)\n```', guide, re.DOTALL)
    return [json.loads(text.replace("passwordPrompt()", json.dumps(PASSWORD))) for text in found]


class Guarded:
    """A server that lets nobody in without a password, set up as the guide says."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url = f"mongodb://weir:p%3Aw%2Fd%401@127.0.0.1:{server.port}/weir?replicaSet=rs0&authSource=admin&{QUICK}"

    async def set_up(self, commands: list[dict[str, Any]]) -> None:
        async with self._server.client() as client:  # the first user may be made from the server's own machine
            await client.admin.command("createUser", "root", pwd="root", roles=["root"])
        for command in commands:
            await self.command(command)

    async def command(self, command: dict[str, Any]) -> Any:
        async with self._root() as client:
            return await client.admin.command(command)

    async def drop(self) -> None:
        async with self._root() as client:
            await client.drop_database("weir")

    def _root(self) -> Any:
        from pymongo import AsyncMongoClient

        return AsyncMongoClient(f"mongodb://root:root@127.0.0.1:{self._server.port}/?directConnection=true")


@pytest.fixture
async def guarded(start_mongod: Callable[..., Any], tmp_path: Path, commands: list[dict[str, Any]]) -> Guarded:
    key = tmp_path / "key"
    key.write_text("secret" * 10)
    key.chmod(0o600)
    server = await asyncio.to_thread(start_mongod, *REPLICA_SET, "--keyFile", str(key))
    guarded = Guarded(server)
    await guarded.set_up(commands)
    return guarded


def spec(name: str, **fields: Any) -> Spec:
    return parse_spec({"kind": "print", "name": name, **fields})


async def use(url: str) -> None:
    """Everything that daemons and the command line do with a store."""
    minute = timedelta(minutes=1)
    async with MongodbStore(url) as store:
        async with store.watch() as watch:
            [a, _] = await store.apply([PutSpec(spec("a", n=1)), PutSpec(spec("b"))])
            async with asyncio.timeout(60):
                assert (await anext(watch)).revision == 2
        await store.apply([PutSpec(spec("a", n=2)), DeleteSpec(namespace="default", name="b")], dry_run=True)
        first = await store.apply([PutSpec(spec("a", n=2))], trial=minute)
        second = await store.apply([PutSpec(spec("c"))], trial=minute)
        assert len(await store.trials()) == 2
        await store.confirm(first.trial.id)
        await store.revert(second.trial.id)
        await store.apply([DeleteSpec(id=a.id)])
        assert [found.name for found in await store.specs()] == ["b"]
        assert await store.values() == []
        assert len(await store.history("default", "a")) == 3
        now = datetime.now(UTC)
        row = Instance(str(uuid4()), "here", 1, "default", now, now)
        await store.put_instance(row)
        await store.put_instance(row)
        assert len(await store.instances()) == 1
        await store.remove_instance(row.id)
    async with MongodbStore(url) as store:  # another daemon finds it made
        assert len(await store.specs()) == 1


async def test_the_role_is_enough_and_no_less_would_be(guarded, commands):
    await use(guarded.url)
    [role, _] = commands
    assert len(role["privileges"]) == 2
    for index, privilege in enumerate(role["privileges"]):
        for action in privilege["actions"]:
            if action in FOR_CHECK_ALONE:
                continue
            rest = [each for each in privilege["actions"] if each != action]
            kept = [dict(each) for each in role["privileges"]]
            kept[index] = {**privilege, "actions": rest}
            await guarded.drop()
            await guarded.command({"updateRole": "weir", "privileges": [each for each in kept if each["actions"]]})
            with pytest.raises(UnavailableError, match="may not be used by this user"):
                await use(guarded.url)
                pytest.fail(f"it works without {action}")


async def test_a_daemon_and_the_command_line_need_no_more(guarded, start, http):
    daemon = await asyncio.to_thread(lambda: start(environ={"WEIR_STORE_URL": guarded.url}).started())
    daemon.store = guarded.url

    async def weir(*words: str, stdin: str | None = None, code: int = 0) -> str:
        result = await asyncio.to_thread(lambda: daemon.weir(*words, stdin=stdin))
        assert result.returncode == code, (result.stdout, result.stderr)
        return str(result.stdout + result.stderr)

    hello = "- {kind: snippet, name: hello, language: text, code: hi}"
    assert "1 daemon of" in await weir("apply", "-f", "-", "--wait=all-or-revert", stdin=hello)
    assert "fresh" in await weir("get", "instances")
    await weir("store", "check")
    copied = f"sqlite:///{daemon.folder}/backup.db"
    await weir("store", "copy", guarded.url, copied)
    said = await weir("get", "instances", "-n", "default")
    assert "p%3Aw" not in said
    answer = await asyncio.to_thread(lambda: http(f"{daemon.admin}/readyz"))
    assert answer.json["namespaces"]["default"]["store"] == "reached"


def table(guide: str, title: str) -> list[list[str]]:
    """The rows of the table whose first column has this title."""
    lines = guide.splitlines()
    begin = next(index for index, line in enumerate(lines) if line.startswith(f"| {title} |"))
    rows = []
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_the_collections_are_those_of_the_store(guide):
    named = {name for row in table(guide, "collection") for name in re.findall(r"`([^`]+)`", row[0])}
    assert named == set(COLLECTIONS)


def test_the_log_lines_are_said_somewhere(guide, project_dir):
    named = {name for row in table(guide, "log line") for name in re.findall(r"`([^`]+)`", row[0])}
    assert len(named) > 8
    code = "".join(path.read_text() for path in (project_dir / "engine").rglob("*.py"))
    assert {name for name in named if f'"{name}"' not in code} == set()


def test_the_links_lead_somewhere(guide, project_dir):
    for target in re.findall(r"\]\(([^)#]+)", guide):
        assert (project_dir / "docs" / "guides" / target).exists(), target
