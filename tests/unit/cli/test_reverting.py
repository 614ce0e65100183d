"""`apply --wait=all-or-revert`: what stays, what goes back, and what is said of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.cli import reverting
from engine.cli.reverting import wait_or_revert
from engine.cli.target import outcome
from engine.errors import Code, ConflictError, NotFoundError, UnavailableError, WeirError
from engine.spec.model import parse_spec
from engine.store.instance import Instance, SpecState
from engine.store.trial import Applied, Former, Left, Reverted, Trial, Tried

NOW = datetime(2026, 1, 1, tzinfo=UTC)
A, B = (
    parse_spec({"kind": "probe", "name": name, "id": f"0192f0c1-2345-7abc-8def-01234567890{name}"}) for name in "ab"
)
TRIED = (
    Tried("configured", "default", A.id, "probe", "a", 4, Former(3, "a")),
    Tried("created", "default", B.id, "probe", "b", 5, None),
)


def trial(deadline=timedelta(days=10_000)):
    return Trial("t", None, "why", NOW, NOW + deadline, TRIED)


def applied(**changes):
    written = [outcome("configured", A.replace(revision=4)), outcome("created", B.replace(revision=5))]
    return Applied(written, **{"trial": trial(), **changes})


BACK = [outcome("configured", A.replace(revision=6)), replace(outcome("deleted", B.replace(revision=7)), spec=None)]
RUNS = Instance("i", "host", 7, "default", NOW, NOW, revision=9, active=2)
FAILS = replace(RUNS, states={B.id: SpecState(5, "failed", "boom")}, active=1)


class Store:
    """A target: what daemons say one after another, and how a trial ends."""

    def __init__(self, *says, reverted=None, trouble=None):
        self.says = list(says)
        self.reverted = reverted or Reverted(trial(), BACK, [])
        self.trouble = trouble
        self.ended = []

    async def instances(self, _namespace):
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if said is None:
            await asyncio.Event().wait()
        return said

    async def confirm(self, id):
        self.ended.append(("confirm", id))
        if self.trouble is not None:
            raise self.trouble
        return trial()

    async def revert(self, id):
        self.ended.append(("revert", id))
        if self.trouble is not None:
            raise self.trouble
        return self.reverted


def end(store, written=None, *, timeout=30.0):
    said = []
    work = wait_or_revert(store, written or applied(), timeout=timeout, note=said.append)
    return asyncio.run(work)


def refused(store, **options):
    with pytest.raises(WeirError) as caught:
        end(store, **options)
    return caught.value


def test_what_all_run_is_confirmed():
    store = Store([RUNS])
    assert end(store) == ["1 daemon of the namespace 'default' runs it"]
    assert store.ended == [("confirm", "t")]


def test_what_one_refuses_goes_back_everywhere_and_is_told():
    store = Store([FAILS, RUNS], [RUNS])
    error = refused(store)
    assert store.ended == [("revert", "t")]
    assert str(error).splitlines() == [
        "what was applied does not run everywhere:",
        "  daemon host:7: probe/b is failed: boom",
        "it was taken back:",
        "  probe/a is back to revision 3 (now 6)",
        "  probe/b is gone again",
        "  1 daemon of the namespace 'default' runs it",
    ]
    assert "`weir history NAME`" in error.hint
    assert error.code is Code.INVALID


def test_daemons_that_do_not_follow_back_are_told(monkeypatch):
    monkeypatch.setattr(reverting, "BACK", 0.0)
    stuck = replace(RUNS, revision=5, states=FAILS.states)
    assert "  daemon host:7 is at revision 5, not yet at 7" in str(refused(Store([stuck]))).splitlines()


def test_what_others_have_changed_stays_and_is_told():
    left = [Left(TRIED[0], "it was changed meanwhile, and has revision 8 by now")]
    error = refused(Store([FAILS], [RUNS], reverted=Reverted(trial(), BACK[1:], left)))
    assert str(error).splitlines()[2:5] == [
        "it was taken back, but for what others have changed meanwhile:",
        "  probe/b is gone again",
        "  probe/a stays as it is: it was changed meanwhile, and has revision 8 by now",
    ]


def test_when_the_time_is_up_it_goes_back():
    store = Store([replace(RUNS, revision=4)], [RUNS])
    error = refused(store, timeout=0.0)
    assert store.ended == [("revert", "t")]
    assert error.code is Code.DEADLINE


def test_a_daemon_that_has_lost_the_store_refuses_nothing():
    store = Store([RUNS, replace(RUNS, revision=2, lost="no answer")])
    said = end(store, timeout=0.0)
    assert said[1] == "daemon host:7 has lost the store, and is at revision 2: no answer"
    assert store.ended == [("confirm", "t")]


def test_what_changes_nothing_has_nothing_to_go_back():
    store = Store([FAILS])
    error = refused(store, written=applied(trial=None))
    assert "taken back" not in str(error)
    assert store.ended == []


def test_a_trial_that_somebody_else_has_ended():
    gone = NotFoundError("there is no trial t")
    for deadline, why in ((timedelta(days=10_000), "somebody has confirmed it"), (timedelta(0), "it has gone back")):
        with pytest.raises(ConflictError, match=why):
            end(Store([RUNS], trouble=gone), applied(trial=trial(deadline)))
    assert "was ended by somebody else meanwhile" in str(refused(Store([FAILS], trouble=gone)))


def test_a_store_that_is_lost_at_the_end():
    lost = UnavailableError("the store is away")
    error = refused(Store([RUNS], trouble=lost))
    assert "could not be confirmed: the store is away" in str(error)
    assert "weir confirm t" in error.hint
    assert "(the store is away); it goes back by itself at" in str(refused(Store([FAILS], trouble=lost)))


async def test_who_is_interrupted_takes_it_back_first():
    store, said = Store(None), []
    task = asyncio.create_task(wait_or_revert(store, applied(), timeout=30, note=said.append))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert store.ended == [("revert", "t")]
    assert said == ["it was taken back:\n  probe/a is back to revision 3 (now 6)\n  probe/b is gone again"]
