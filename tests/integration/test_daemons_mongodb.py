"""Several daemons on one MongoDB, real processes on real servers, and everything that can happen to them.

Each daemon is asked all the time: through every fault all requests are answered, by the last revision that the daemon knows,
and after it every daemon runs the newest one within :data:`WITHIN` seconds.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from time import monotonic

import pytest

from benchmarks.daemons.fleet import Fleet
from benchmarks.daemons.flow import part
from benchmarks.daemons.report import trial_report
from benchmarks.daemons.trial import Options, run_trial
from benchmarks.mongod import REPLICA_SET, Replicas
from benchmarks.proxy import proxied
from benchmarks.reload.daemon import PROJECT
from engine.errors import UnavailableError
from engine.store.mongodb import MongodbStore
from engine.store.protocol import PutSpec

WITHIN = 15.0
"""Seconds after a fault within which every daemon runs the newest revision."""
PATIENCE = 60.0
QUICK = "serverSelectionTimeoutMS=1000&connectTimeoutMS=1000&socketTimeoutMS=2000"
"""A store counts as lost sooner than it usually does: the tests need not wait for that."""
SKEWED = str(PROJECT / "tests" / "fixtures" / "skewed.py")


def said(fleet: Fleet, event: str) -> list[int]:
    """How often each daemon has said this."""
    return [len(member.journal.said(event)) for member in fleet.members]


async def still_asked(fleet: Fleet) -> None:
    """Return when every daemon has answered ten more questions."""
    wanted = [member.asker.answered + 10 for member in fleet.members]
    async with asyncio.timeout(PATIENCE):
        while any(member.asker.answered < count for member, count in zip(fleet.members, wanted, strict=True)):
            await asyncio.sleep(0.05)


async def until_found(fleet: Fleet) -> None:
    """Return when every daemon has said that the store is back, and `/readyz` says so."""
    for member in fleet.members:
        await member.journal.until_said("store.found", within=WITHIN)
        health = await member.health()
        assert (health["store"], health["view_age"]) == ("reached", 0.0)


async def settle(fleet: Fleet) -> None:
    """What holds after every fault: all that was asked was answered, and the newest revision is live, soon."""
    revision = await write(fleet)
    await fleet.until_live(within=WITHIN)
    for member in fleet.members:
        await member.journal.until_live(revision, within=WITHIN)
    assert fleet.failures() == []


async def write(fleet: Fleet) -> int:
    """Write the next turn, as soon as the store takes it."""
    async with asyncio.timeout(WITHIN):
        while True:
            try:
                return await fleet.put()
            except UnavailableError:
                await asyncio.sleep(0.1)


@asynccontextmanager
async def writing(fleet: Fleet) -> AsyncIterator[None]:
    """Somebody goes on writing meanwhile, all the time."""

    async def write_on() -> None:
        while True:
            await write(fleet)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(write_on())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


# --- without faults


async def test_every_revision_reaches_every_daemon_once_and_in_order(mongodb_url):
    outcome = await run_trial(Options(applies=60, pause=0.02), mongodb_url)
    assert outcome.problems == []
    assert outcome.revisions > 60
    assert all(0 < count <= 61 for count in outcome.generations)
    assert sum(len(times) for times in outcome.writes.values()) == 60
    report = trial_report(outcome)
    assert "| one spec, daemon 3 |" in report


async def test_the_trial_notices_what_a_daemon_did_not_hear_of(mongodb_url, monkeypatch):
    from benchmarks.daemons.journal import Journal

    hear = Journal.hear
    count = Counter()

    def deaf(self, event):
        count[id(self)] += event.get("event") == "changes.heard"
        if event.get("event") != "changes.heard" or count[id(self)] != 5:
            hear(self, event)

    monkeypatch.setattr(Journal, "hear", deaf)
    outcome = await run_trial(Options(applies=10, daemons=1, pause=0.0), mongodb_url)
    [problem] = outcome.problems
    assert "was the next" in problem


async def test_namespaces_of_one_daemon_are_isolated(mongodb_url, tmp_path):
    from benchmarks.daemons.journal import Journal
    from benchmarks.reload.daemon import Daemon, fetch, free_port
    from engine.spec.model import parse_spec, parse_value
    from engine.store.protocol import PutValue

    journals = {name: Journal(name) for name in ("a", "b")}
    ports = {name: free_port() for name in journals}

    def hear(event):
        for journal in journals.values():
            journal.hear(event)

    def specs(namespace):
        web = {"kind": "listener", "name": "web", "port": ports[namespace], "ports": {"out": [{"name": "said"}]}}
        said = {
            "kind": "snippet",
            "name": "said",
            "language": "text",
            "code": "{{ .WORD }}",
            "env": {"WORD": {"name": "word", "data": "{{ . }}"}},
        }
        return [PutSpec(parse_spec({**each, "namespace": namespace})) for each in (web, said)]

    def word(namespace, data):
        return PutValue(parse_value({"name": "word", "namespace": namespace, "data": data}))

    key = tmp_path / "key"
    key.write_text("00" * 32)
    key.chmod(0o600)
    (tmp_path / "weir.yaml").write_text(f"values: {{key: 'file:{key}'}}\nnamespaces: [a, b]\n")
    async with MongodbStore(mongodb_url, keys=[f"file:{key}"]) as store:
        for namespace in journals:
            await store.apply([word(namespace, f"{namespace} says"), *specs(namespace)])
        async with Daemon(tmp_path, level="debug", hear=hear, store=mongodb_url):
            for namespace, port in ports.items():
                assert await fetch(port, "/") == f"{namespace} says".encode()
            generations = {name: len(journal.published) for name, journal in journals.items()}
            [changed] = await store.apply([word("a", "a has changed")])
            await journals["a"].until_live(changed.revision, within=WITHIN)
            assert await fetch(ports["a"], "/") == b"a has changed"
            # What is asked for by name is looked for in the own namespace alone.
            text = {"kind": "snippet", "language": "text", "code": "x"}
            lone = parse_spec({**text, "name": "lone", "namespace": "b"})
            link = parse_spec({**text, "name": "link", "namespace": "a", "ports": {"out": [{"name": "lone"}]}})
            [_, linked] = await store.apply([PutSpec(lone), PutSpec(link)])
            await journals["a"].until_said("spec.pending", within=WITHIN)
            [pending] = journals["a"].said("spec.pending")
            assert pending["spec"] == "snippet/link"
            assert "lone" in pending["reason"]
            assert await fetch(ports["b"], "/") == b"b says"
            await journals["b"].until_live(linked.revision, within=WITHIN)
            assert len(journals["a"].published) > generations["a"]
            assert len(journals["b"].published) == generations["b"] + 1, "the value of the other did not touch it"
            heard = {name: [each.first for each in journal.heard] for name, journal in journals.items()}
            assert heard == {"a": [changed.revision, linked.revision], "b": [linked.revision - 1]}


# --- the server


async def test_the_server_is_killed_and_started_again(start_mongod, tmp_path):
    server = start_mongod(*REPLICA_SET)
    url = f"{server.url}/weir?{QUICK}"
    async with Fleet(tmp_path, url, [url] * 3) as fleet:
        server.kill()
        for health in await asyncio.gather(*(member.until_lost() for member in fleet.members)):
            assert "cannot be reached" in health["store"]
        for member in fleet.members:
            await member.journal.until_said("store.lost", within=WITHIN)
        await still_asked(fleet)
        later = await asyncio.gather(*(member.health() for member in fleet.members))
        await still_asked(fleet)
        for member, before in zip(fleet.members, later, strict=True):
            assert (await member.health())["view_age"] > before["view_age"] > 0
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(server.await_primary)
        await settle(fleet)
        await until_found(fleet)
        assert said(fleet, "store.lost") == said(fleet, "store.found") == [1, 1, 1]
        assert said(fleet, "store.resync") == [0, 0, 0]


async def test_streams_that_an_operator_kills(start_mongod, tmp_path):
    server = start_mongod(*REPLICA_SET)
    url = f"{server.url}/weir"
    async with Fleet(tmp_path, url, [url] * 2) as fleet:
        for _ in range(3):
            assert await server.kill_streams() > 0
            await settle(fleet)
        assert said(fleet, "store.lost") == said(fleet, "store.resync") == [0, 0]


async def test_a_primary_that_steps_down_and_one_that_is_killed(start_mongod, tmp_path):
    replicas = Replicas([start_mongod(*REPLICA_SET, alone=False) for _ in range(3)])
    url = replicas.store()
    async with Fleet(tmp_path, url, [url] * 3) as fleet:
        async with writing(fleet):
            before = await replicas.step_down()
            await replicas.primary(besides=before)
            await fleet.until_live(within=WITHIN)
            primary = await replicas.primary()
            primary.kill()
            await replicas.primary(besides=primary)
            await fleet.until_live(within=WITHIN)
        await settle(fleet)
        assert said(fleet, "store.lost") == said(fleet, "store.resync") == [0, 0, 0], "an election is no outage"
        heard = [[each.first for each in member.journal.heard] for member in fleet.members]
        assert heard[0] == heard[1] == heard[2] == list(range(heard[0][0], heard[0][0] + len(heard[0])))


# --- the daemon


async def test_history_that_has_rolled_over_while_a_daemon_was_paused(start_mongod, tmp_path):
    server = start_mongod(*REPLICA_SET, "--oplogSize", "1", "--syncdelay", "1")
    url = f"{server.url}/weir"
    async with Fleet(tmp_path, url, [url] * 2) as fleet:
        paused, other = fleet.members
        paused.daemon.pause()
        try:
            for _ in range(2):  # the first one is on its way to the daemon already
                await fleet.put()
            await other.asker.until(fleet.turn, within=WITHIN)
            await server.overrun()
        finally:
            paused.daemon.go_on()
        await fleet.until_live(within=WITHIN)
        await paused.journal.until_said("store.resync", within=WITHIN)
        [resync] = paused.journal.said("store.resync")
        assert "its oplog is too short" in resync["reason"], resync["reason"]
        await settle(fleet)
        await paused.journal.until_said("store.found", within=WITHIN)
        assert said(fleet, "store.lost")[0] == said(fleet, "store.found")[0] == 1


# --- the network


@pytest.mark.parametrize("how", ["cut", "swallowed"])
async def test_a_network_that_is_away_for_some(how, start_mongod, tmp_path):
    server = start_mongod(*REPLICA_SET)
    direct = f"{server.url}/weir"
    async with proxied(server.port) as network, Fleet(tmp_path, direct, [f"{network.url}&{QUICK}", direct]) as fleet:
        cut, other = fleet.members
        if how == "cut":
            await network.cut()
        else:
            network.swallow()
        health = await cut.until_lost()
        await cut.journal.until_said("store.lost", within=WITHIN)
        assert health["store"] == cut.journal.said("store.lost")[0]["reason"]
        before = cut.asker.turn
        await fleet.put()
        await other.asker.until(fleet.turn, within=WITHIN)
        await still_asked(fleet)
        assert cut.asker.turn == before
        if how == "cut":
            await network.start()
        else:
            network.let_through()
        await fleet.until_live(within=WITHIN)
        await settle(fleet)
        await cut.journal.until_said("store.found", within=WITHIN)
        assert said(fleet, "store.lost") == said(fleet, "store.found") == [1, 0]
        assert said(fleet, "store.resync") == [0, 0]


# --- the clock


async def test_clocks_that_differ_by_hours(mongodb_url, tmp_path):
    programs = {1: (SKEWED, "-3600"), 2: (SKEWED, "3600")}
    async with Fleet(tmp_path, mongodb_url, [mongodb_url] * 3, programs=programs) as fleet:
        async with asyncio.timeout(PATIENCE):
            while len(found := await fleet.store.instances("default")) < 3:
                await asyncio.sleep(0.05)
        for each in found:
            assert each.read is not None
            assert 0 <= (each.read - each.heartbeat).total_seconds() < PATIENCE
            assert 0 <= (each.read - each.started).total_seconds() < PATIENCE
        # One that believed its own clock would take this back at once, or an hour late.
        began = monotonic()
        applied = await fleet.store.apply([PutSpec(part(1, 1))], trial=timedelta(seconds=2))
        assert applied.trial is not None
        for member in fleet.members:
            await member.journal.until_said("trial.begun", within=WITHIN)
        async with asyncio.timeout(WITHIN):
            while await fleet.store.trials():
                await asyncio.sleep(0.05)
        assert monotonic() - began >= 1.9
        assert sum(said(fleet, "trial.reverted")) == 1
        shown = await weir_elsewhere("3600", "get", "instances", "--store", mongodb_url)
        ages = [line.split()[-1] for line in shown.splitlines()[1:]]
        assert len(ages) == 3
        assert all(age.endswith("s") for age in ages), shown
        spec = tmp_path / "spec.yaml"
        spec.write_text(f"kind: snippet\nname: answer\nlanguage: text\ncode: '{fleet.turn + 1}'\n")
        shown = await weir_elsewhere("-3600", "apply", "-f", str(spec), "--wait=15s", "--store", mongodb_url)
        assert "3 daemons of the namespace 'default' run it" in shown
        fleet.turn += 1
        await settle(fleet)


async def weir_elsewhere(off: str, *arguments: str) -> str:
    """What `weir` says on a machine whose clock is off by so many seconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, SKEWED, off, *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=PROJECT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


# --- nobody there


@pytest.mark.parametrize("how", ["killed", "swallowed"])
async def test_a_daemon_ends_in_time_while_the_store_is_away(how, start_mongod, tmp_path):
    server = start_mongod(*REPLICA_SET)
    async with proxied(server.port) as network, Fleet(tmp_path, f"{server.url}/weir", [network.url]) as fleet:
        [member] = fleet.members
        await member.asker.__aexit__()
        if how == "killed":
            server.kill()
        else:
            network.swallow()
        began = monotonic()
        await member.daemon.end()
        assert monotonic() - began < 10, "what starts daemons kills those that take longer"
        assert member.daemon.exit_code == 0
        assert member.journal.said("daemon.ended")
        assert member.asker.failures == []


def test_a_daemon_that_starts_while_the_server_is_away(start, port):
    began = monotonic()
    daemon = start(environ={"WEIR_STORE_URL": f"mongodb://127.0.0.1:{port}/weir"})
    assert daemon.process.wait(PATIENCE) == 1
    assert monotonic() - began < WITHIN
    daemon.close()
    said = "".join(daemon.rest())
    assert f"error: the store mongodb://127.0.0.1:{port}/weir cannot be reached" in said
    assert "Connection refused" in said
    assert "hint: see whether the server runs" in said
    assert "Traceback" not in said
