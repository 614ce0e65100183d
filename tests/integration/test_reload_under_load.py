"""Requests while specs change: the benchmark in small, and proof that it would notice.

The first test is `make bench-reload` with fewer changes. The others hold its parts against servers that do wrong on
purpose: a judge who never finds anything guilty is no judge.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
import uvloop

from benchmarks.reload import clients
from benchmarks.reload.book import Book, Span
from benchmarks.reload.clients import Load
from benchmarks.reload.flow import ROUTES, Flow
from benchmarks.reload.plan import make_plan
from benchmarks.reload.report import complaint, percentile, picture, trial_report
from benchmarks.reload.trial import Options, run_trial
from benchmarks.results import section_of, with_section
from engine.spec.model import merge_patch

OPTIONS = Options(changes=150, interval=0.02, clients=8, sample=50, deadline=30.0)


@pytest.fixture(scope="module")
def outcome():
    if not Path("/proc/self/status").exists():
        pytest.skip("memory, files and threads of a daemon are read from /proc, which this system does not have")
    return uvloop.run(run_trial(OPTIONS))


def test_no_request_is_hurt_while_everything_changes(outcome):
    tally = outcome.tally
    assert (tally.failed, tally.hung, tally.mixed, tally.stale) == (0, 0, 0, 0), complaint(outcome)
    assert (tally.closed_idle, tally.sent_away) == (0, 0), complaint(outcome)
    assert outcome.good, complaint(outcome)
    assert tally.answered > OPTIONS.changes
    assert sum(outcome.hows.values()) == OPTIONS.changes
    assert min(outcome.hows.values()) == OPTIONS.changes // 2


def test_a_broken_spec_is_told_of_and_leaves_the_old_one_serving(outcome):
    broken = outcome.breakage
    assert broken.stored == outcome.kinds["broken"] > 0
    assert broken.refused == outcome.kinds["refused"] > 0
    assert broken.reported == broken.stored
    assert broken.answers > 0


def test_nothing_is_left_of_older_generations(outcome):
    counts = ("tasks", "processes", "generations", "nodes on their way out")
    # There may be fewer than before: a daemon that has just started is still busy with itself.
    assert all(outcome.after[name] <= outcome.before[name] for name in counts), (outcome.before, outcome.after)
    specs = len(make_plan(1, seed=OPTIONS.seed, changes=OPTIONS.changes)[-1].flow.specs())
    # What has been made since the start and is still there: one revision of each spec, with the children of composites.
    assert outcome.after["symbol objects"] < 2 * specs
    assert outcome.after["generation objects"] <= outcome.after["generations"]
    assert outcome.after["process objects"] == 0
    first, last = outcome.samples[0], outcome.samples[-1]
    assert (last.fds, last.threads) == (first.fds, first.threads)


def test_the_report_has_its_figures(outcome):
    report = trial_report(outcome)
    assert f"| {outcome.tally.answered:,} |" in report
    assert "| a transaction of the store, from its commit |" in report
    assert "| a PATCH of the admin API, from the request |" in report
    assert picture(outcome).count("<polyline") == 1


# --- the plan


def test_a_plan_is_the_same_for_all_who_make_it():
    assert make_plan(1, seed=3, changes=200) == make_plan(1, seed=3, changes=200)
    assert make_plan(1, seed=3, changes=200) != make_plan(1, seed=4, changes=200)


def test_patches_and_whole_specs_come_to_the_same_and_to_what_the_flow_says():
    stored = Flow(1).specs()
    for change in make_plan(1, seed=1, changes=5000):
        if change.refused:
            assert not change.puts
            continue
        patched = {patch["name"]: merge_patch(stored[patch["name"]], patch) for patch in change.patches}
        for name in change.deletes:
            del stored[name]
        stored |= {spec["name"]: spec for spec in change.puts}
        if change.how == "admin":
            assert patched == {spec["name"]: spec for spec in change.puts}
        assert change.broken is None or change.broken in {spec["name"] for spec in change.puts}
        different = {name for name, spec in change.flow.specs().items() if stored.get(name) != spec}
        assert len(different) <= 1, "no more than one spec is broken at a time"
        assert different == ({change.broken} if change.broken else different)
    assert stored == change.flow.specs(), "nothing is broken at the end"


def test_a_plan_has_everything_in_it():
    kinds = Counter(change.kind for change in make_plan(1, seed=1, changes=2000))
    assert set(kinds) == {
        *("stamp_one", "stamp_all", "routes", "turn", "middle", "fan", "child", "pace", "renew", "limits"),
        *("rename_listener", "broken", "refused"),
    }


def test_the_book_tells_when_an_answer_was_right():
    book = Book([Flow(1), Flow(1, stamps={"last": 1}), Flow(1, stamps={"last": 1, "text": 2})])
    assert book.pages["text"] == {b"text=0": Span(0, 1), b"text=2": Span(2, 2)}
    assert list(book.pages["chain"].values()) == [Span(0, 0), Span(1, 2)]
    assert book.changed == [frozenset(ROUTES), {"chain"}, {"text"}]


# --- the clients

FLOWS = [Flow(1), Flow(1, stamps={"first": 1, "last": 1}), Flow(1, stamps={"first": 2, "last": 2})]


def respond(body, status="200 OK", *lines):
    head = [f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(body)}"]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


class Server:
    """Answers `chain` as the newest flow has it, and one request, the third, as the test says: None ends the connection."""

    def __init__(self, wrong):
        self.wrong = wrong
        self.asked = 0

    async def serve(self, reader, writer):
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                answer = self.wrong if self.asked == 3 else respond(FLOWS[-1].answer("chain"))
                if answer is None:
                    return
                writer.write(answer)
                if self.asked == 3 and len(answer) == 10:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


async def tally_of(server, kind, monkeypatch, *, deadline=30.0):
    """What one client has counted once it has something of a kind, and ten more answers."""
    monkeypatch.setattr(clients, "MIXTURES", (("chain",), ("chain",)))
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    load = Load(listening.sockets[0].getsockname()[1], Book(FLOWS), deadline=deadline)
    load.start(1, pausing=0)
    async with asyncio.timeout(30):
        while not getattr(load.tally, kind):
            await asyncio.sleep(0)
        enough = load.tally.answered + 10
        while load.tally.answered < enough:
            await asyncio.sleep(0)
        await load.stop()
    listening.close()
    await listening.wait_closed()
    return load.tally


MIXED = b'["east0","first=1","last=2"]'


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("mixed", respond(MIXED)),
        ("stale", respond(FLOWS[1].answer("chain"))),
        ("failed", respond(b"", "503 Service Unavailable")),
        ("failed", b"HTTP/1.1 2"),
        ("failed", b"HTTP/1.1 200 OK\r\n\r\n"),
        ("failed", respond(FLOWS[-1].answer("chain")) + b"more"),
        ("closed_idle", None),
    ],
    ids=["mixed", "stale", "status", "cut", "unreadable", "more", "closed"],
)
async def test_a_client_counts_what_is_wrong_once_and_goes_on(kind, wrong, monkeypatch):
    tally = await tally_of(Server(wrong), kind, monkeypatch)
    assert (getattr(tally, kind), tally.bad) == (1, 1), tally
    assert sum(map(len, tally.examples.values())) == 1


async def test_a_client_that_is_sent_away_says_so(monkeypatch):
    wrong = respond(FLOWS[-1].answer("chain"), "200 OK", "Connection: close")

    class Leaving(Server):
        async def serve(self, reader, writer):
            if self.asked < 3:
                await reader.readuntil(b"\r\n\r\n")
                self.asked = 3
                writer.write(wrong)
                writer.close()
                return
            await super().serve(reader, writer)

    tally = await tally_of(Leaving(wrong), "sent_away", monkeypatch)
    assert (tally.sent_away, tally.bad) == (1, 1), tally


async def test_a_client_gives_up_a_request_that_hangs(monkeypatch):
    monkeypatch.setattr(clients, "LOOK", 0.01)
    tally = await tally_of(Server(b""), "hung", monkeypatch, deadline=0.2)
    assert (tally.hung, tally.bad) == (1, 1), tally


async def test_an_idle_connection_that_ends_is_noticed(monkeypatch):
    monkeypatch.setattr(clients, "PAUSE", 1000.0)
    monkeypatch.setattr(clients, "MIXTURES", (("chain",), ("chain",)))
    answered = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(respond(FLOWS[0].answer("chain")))
        if answered.is_set():
            await reader.read()
        answered.set()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    load = Load(listening.sockets[0].getsockname()[1], Book(FLOWS))
    load.start(0, pausing=1)
    async with asyncio.timeout(30):
        while load.tally.answered < 2:
            await asyncio.sleep(0)
        await load.stop()
    listening.close()
    await listening.wait_closed()
    assert load.tally.closed_idle == load.tally.bad == 1


# --- the report


def test_percentiles():
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile(range(1000), 0.99) == 990
    assert percentile([7], 0.99) == 7


def test_a_section_takes_the_place_of_the_one_before_it_and_no_other():
    report = "# Results\n\n## One\n\nfirst\n\n## Two\n\nsecond\n\n## Three\n\nthird\n"
    changed = with_section(report, "Two", "anew")
    assert changed == report.replace("second", "anew")
    assert with_section(changed, "Two", "second") == report
    assert section_of(report, "Two") == "second"
    assert section_of(report, "Thr") is None
    assert with_section(report, "Four", "fourth") == report + "\n## Four\n\nfourth\n"
    assert with_section(report, "Three", "x").endswith("## Three\n\nx\n")
