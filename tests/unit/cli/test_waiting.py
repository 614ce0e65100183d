from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engine.cli.target import outcome
from engine.cli.waiting import judge, wait
from engine.errors import Code, Diagnostic, Place, UnavailableError, WeirError
from engine.spec.model import parse_spec, parse_specs, parse_value
from engine.store.instance import Instance, SpecState

SPEC = parse_spec({"kind": "probe", "name": "a", "id": "0192f0c1-2345-7abc-8def-0123456789ab"}).replace(revision=5)
OUTCOME = outcome("configured", SPEC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def instance(revision=5, state=None, **changes):
    states = {SPEC.id: state} if state is not None else {}
    made = Instance("i", "host", 7, "default", NOW, NOW, revision=revision, states=states)
    return replace(made, **changes)


ACTIVE = SpecState(5, "active")


class Daemons:
    """A target whose daemons say one thing after another; the last one for good."""

    def __init__(self, *says):
        self.says = list(says)
        self.asked = []

    async def instances(self, namespace):
        self.asked.append(namespace)
        return self.says.pop(0) if len(self.says) > 1 else self.says[0]


class QuickLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer instead of waiting for it."""

    def __init__(self):
        super().__init__()
        self._now = 0.0

    def time(self):
        return self._now

    def _run_once(self):
        if self._scheduled and not self._ready:
            self._now = max(self._now, self._scheduled[0]._when)
        super()._run_once()


def run(work):
    with asyncio.Runner(loop_factory=QuickLoop) as runner:
        return runner.run(work)


@pytest.mark.parametrize(
    ("state", "field", "text"),
    [
        (None, "missing", "daemon host:7 has not taken up probe/a"),
        (SpecState(4, "active"), "missing", "daemon host:7 has not taken up probe/a"),
        (SpecState(5, "pending", "no node 'b'"), "pending", "daemon host:7: probe/a is pending: no node 'b'"),
        (SpecState(5, "failed", "boom"), "failed", "daemon host:7: probe/a is failed: boom"),
    ],
)
def test_what_a_daemon_lacks(state, field, text):
    verdict = judge([OUTCOME], [instance(state=state)])
    assert getattr(verdict, field) == [text]
    assert not verdict.done


def test_a_plan_of_before_is_not_enough():
    verdict = judge([OUTCOME], [instance(4, ACTIVE)])
    assert verdict.missing == ["daemon host:7 is at revision 4, not yet at 5"]


FINDING = Diagnostic("load", "no such file", Place("f.yaml", 3, 5), "make it", path=("path",))


def test_findings_of_daemons_are_told_once_with_their_places():
    failed = SpecState(5, "failed", "boom", (FINDING.to_json(),))
    target = Daemons([instance(state=failed), instance(state=failed, id="j")])
    with pytest.raises(WeirError, match="is failed: boom") as caught:
        run(wait(target, [OUTCOME], timeout=30))
    assert caught.value.value.details == (FINDING,)


def test_what_waits_is_told_with_the_place_of_its_spec():
    [spec] = parse_specs("- kind: probe\n  name: a\n", file="f.yaml")
    pending = instance(state=SpecState(5, "pending", "no node 'b'"))
    verdict = judge([outcome("created", spec.replace(id=SPEC.id, revision=5))], [pending])
    assert [str(each) for each in verdict.findings] == ["f.yaml:1:3 pending probe/a: no node 'b'"]
    assert judge([OUTCOME], [pending]).findings == [], "it came without a place"


def test_what_came_without_places_is_told_with_those_of_the_file():
    [spec] = parse_specs("- kind: probe\n  name: a\n  text: b\n", file="f.yaml")
    form = Diagnostic("load", "bad text", path=("text",)).to_json()
    failed = instance(state=SpecState(5, "failed", "boom", (form,)))
    verdict = judge([outcome("created", spec.replace(id=SPEC.id, revision=5))], [failed])
    assert [str(each) for each in verdict.findings] == ["f.yaml:3:9 load bad text"]


def test_done():
    assert judge([OUTCOME], [instance(9, SpecState(6, "active"))]).done


def test_what_is_not_named_is_active_if_the_daemon_has_read_so_far():
    assert judge([OUTCOME], [instance(5, active=1)]).done
    assert judge([OUTCOME], [instance(4, active=1)]).missing == ["daemon host:7 is at revision 4, not yet at 5"]
    kept = instance(5, SpecState(5, "failed", "boom", serving=4), active=0)
    assert judge([OUTCOME], [kept]).failed == ["daemon host:7: probe/a is failed: boom"]


LATE = instance(4, read=NOW + timedelta(seconds=21))
CUT_OFF = instance(4, lost="no answer", view_age=35.0)


def test_a_daemon_that_nobody_hears_of_is_not_waited_for_and_is_named():
    said = "daemon host:7 is not counted: nobody has heard of it for 21s"
    verdict = judge([OUTCOME], [LATE, instance(5, ACTIVE, id="j")])
    assert (verdict.done, verdict.late, verdict.ready) == (True, [said], ["daemon host:7"])
    assert run(wait(Daemons([LATE, instance(5, ACTIVE)]), [OUTCOME], timeout=30)) == [
        "1 daemon of the namespace 'default' runs it",
        said,
    ]
    assert run(wait(Daemons([LATE]), [OUTCOME], timeout=30)) == [
        "no daemon of the namespace 'default' could take it up",
        said,
    ]


def test_a_daemon_that_dies_meanwhile_blocks_until_it_is_late():
    silent = [[instance(4, read=NOW + timedelta(seconds=n)), instance(5, ACTIVE, id="j")] for n in range(30)]
    target = Daemons(*silent)
    assert run(wait(target, [OUTCOME], timeout=600))[0] == "1 daemon of the namespace 'default' runs it"
    assert len(target.asked) == 22


def test_a_daemon_that_is_cut_off_is_waited_for_and_refuses_nothing():
    said = "daemon host:7 has lost the store, and is at revision 4: no answer"
    assert judge([OUTCOME], [CUT_OFF]).lost == [said]
    assert run(wait(Daemons([CUT_OFF], [instance(5, ACTIVE)]), [OUTCOME], timeout=30)) == [
        "1 daemon of the namespace 'default' runs it"
    ]
    with pytest.raises(WeirError, match="has lost the store") as caught:
        run(wait(Daemons([CUT_OFF]), [OUTCOME], timeout=3))
    assert caught.value.code is Code.DEADLINE
    fine = run(wait(Daemons([CUT_OFF, instance(5, ACTIVE)]), [OUTCOME], timeout=3, bear_with_lost=True))
    assert fine == ["1 daemon of the namespace 'default' runs it", said]
    with pytest.raises(WeirError, match="not yet at 5"):
        run(wait(Daemons([CUT_OFF, instance(4)]), [OUTCOME], timeout=3, bear_with_lost=True))


def test_namespaces_are_judged_together():
    other = outcome("created", SPEC.replace(namespace="other"))
    ready = [instance(5, ACTIVE)]
    target = Daemons(ready, [instance(4)], [instance(5, SpecState(5, "failed", "late refusal"))], ready)
    with pytest.raises(WeirError, match="late refusal"):
        run(wait(target, [OUTCOME, other], timeout=30))


class Away(Daemons):
    """A target that does not answer at first."""

    async def instances(self, namespace):
        found = await super().instances(namespace)
        if found is None:
            raise UnavailableError("nobody answers")
        return found


def test_a_store_that_does_not_answer_is_asked_again_until_the_time_is_up():
    assert run(wait(Away(None, None, [instance(5, ACTIVE)]), [OUTCOME], timeout=30)) == [
        "1 daemon of the namespace 'default' runs it"
    ]
    target = Away(None)
    with pytest.raises(UnavailableError, match="nobody answers"):
        run(wait(target, [OUTCOME], timeout=3))
    assert len(target.asked) == 7


def test_values_and_deletions_only_need_the_plan():
    value = parse_value({"name": "v", "data": 1}).replace(revision=5)
    assert judge([outcome("created", value), outcome("deleted", SPEC)], [instance()]).done


def test_waits_until_every_daemon_runs_it():
    target = Daemons([instance(4)], [instance(5, ACTIVE), instance(4)], [instance(5, ACTIVE)] * 2)
    assert run(wait(target, [OUTCOME], timeout=30)) == ["2 daemons of the namespace 'default' run it"]
    assert target.asked == ["default"] * 3


def test_a_failure_is_told_at_once():
    target = Daemons([instance(5, SpecState(5, "failed", "boom"))])
    with pytest.raises(WeirError, match="probe/a is failed: boom") as caught:
        run(wait(target, [OUTCOME], timeout=30))
    assert len(target.asked) == 1
    assert caught.value.code is Code.INVALID


def test_a_spec_that_stays_pending_is_told_after_a_while():
    target = Daemons([instance(5, SpecState(5, "pending", "no node 'b'"))])
    with pytest.raises(WeirError, match="is pending: no node 'b'"):
        run(wait(target, [OUTCOME], timeout=30))
    assert 15 < len(target.asked) < 30


def test_a_spec_that_is_pending_for_a_moment_is_waited_for():
    target = Daemons([instance(5, SpecState(5, "pending", "x"))], [instance(5, ACTIVE)])
    assert run(wait(target, [OUTCOME], timeout=30)) == ["1 daemon of the namespace 'default' runs it"]


def test_gives_up_after_the_timeout():
    target = Daemons([instance(4)])
    with pytest.raises(WeirError, match=r"after 3s:\n  daemon host:7 is at revision 4") as caught:
        run(wait(target, [OUTCOME], timeout=3))
    assert caught.value.code is Code.DEADLINE
    assert caught.value.code.exit_code == 1


def test_each_namespace_is_asked_for():
    other = outcome("created", SPEC.replace(namespace="other"))
    target = Daemons([])
    assert len(run(wait(target, [OUTCOME, other], timeout=1))) == 2
    assert target.asked == ["default", "other"]
