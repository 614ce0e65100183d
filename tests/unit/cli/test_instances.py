"""`weir get instances`: the table, and what a watch takes for news."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.cli import instances
from engine.cli.instances import Sighting, compare, view, watch
from engine.errors import UnavailableError
from engine.store.instance import Instance, SpecState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE = Instance("i", "host", 7, "default", NOW, NOW, 5, 2, {"s": SpecState(4, "pending", "no node")}, active=3, read=NOW)


def later(instance, **changes):
    """The same row, read a second later."""
    return replace(instance, read=instance.read + timedelta(seconds=1), **changes)


LATE = replace(ONE, read=NOW + timedelta(seconds=22))


@pytest.mark.parametrize(
    ("instance", "text"),
    [
        (ONE, "fresh"),
        (replace(ONE, read=NOW + timedelta(seconds=20)), "fresh"),
        (LATE, "late 22s"),
        (replace(ONE, lost="no answer", view_age=35.2), "35s old"),
        (replace(LATE, lost="no answer", view_age=35.2), "late 22s"),
    ],
)
def test_how_old_its_view_is(instance, text):
    assert view(instance) == text


def test_the_table():
    header, row = instances.render([ONE])
    assert dict(zip(header.split(), row.split(), strict=True)) == {
        "NAMESPACE": "default",
        "HOST": "host",
        "PID": "7",
        "REVISION": "5",
        "GENERATION": "2",
        "ACTIVE": "3",
        "PENDING": "1",
        "FAILED": "0",
        "VIEW": "fresh",
        "AGE": "0s",
    }
    header, row = instances.render([replace(LATE, lost="no answer")], wide=True)
    assert header.split()[-4:] == ["ID", "WORKER", "HEARTBEAT", "REASON"]
    assert row.split()[-5:] == ["i", "-", "22s", "no", "answer"]
    header, row = instances.render([replace(ONE, worker=2)], wide=True)
    assert row.split()[header.split().index("WORKER")] == "2"


def test_what_is_news():
    def word(before, now, **options):
        return [each.word for each in compare({"i": before}, {"i": now}, **options)]

    assert word(ONE, later(ONE, heartbeat=NOW + timedelta(seconds=1))) == []
    assert word(ONE, later(ONE, revision=6)) == ["changed"]
    assert word(ONE, later(ONE, active=4)) == ["changed"]
    assert word(ONE, LATE) == ["changed"]
    assert word(LATE, later(LATE)) == [], "it is later still"
    lost = later(ONE, lost="no answer", view_age=1.0)
    assert word(ONE, lost) == ["changed"]
    assert word(lost, later(lost, view_age=2.0)) == []
    reason = later(ONE, states={"s": SpecState(4, "pending", "no value")})
    assert word(ONE, reason) == [], "the table does not show it"
    assert word(ONE, reason, whole=True) == ["changed"]


def test_who_comes_and_who_goes():
    other = replace(ONE, id="j")
    assert compare({"i": ONE}, {"j": other}) == [Sighting("ended", ONE), Sighting("started", other)]
    assert compare({"i": LATE}, {}) == [Sighting("lost", LATE)]


async def test_a_watch_tells_what_is_new_and_bears_with_a_store_that_is_away(monkeypatch):
    monkeypatch.setattr(instances, "INTERVAL", 0.0)
    away = UnavailableError("away")
    looks = [[ONE], [ONE], away, away, [later(ONE, revision=6)], []]
    told = []

    async def look():
        found = looks.pop(0)
        if isinstance(found, UnavailableError):
            raise found
        return found

    seen = []
    async with aclosing(watch(look, tell=told.append, whole=False)) as sightings:
        async for some in sightings:
            seen.append([each.word for each in some])
            if not looks:
                break
    assert seen == [["listed"], ["changed"], ["ended"]]
    assert told == [away, None]


async def test_a_store_that_is_away_at_first_is_an_error():
    async def look():
        raise UnavailableError("away")

    with pytest.raises(UnavailableError):
        await anext(watch(look, tell=lambda _: None, whole=False))
