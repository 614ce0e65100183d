"""`apply --confirm`, `confirm` and `get trials`, on a store."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from engine.cli import trials
from engine.spec.model import parse_spec
from engine.store.instance import Instance
from engine.store.protocol import PutSpec
from engine.store.trial import Former, Trial, Tried
from engine.store.url import open_store

OLD = "- {kind: probe, name: a, text: old}\n"
NEW = "- {kind: probe, name: a, text: new}\n"


class Home:
    """The command in its folder, with a daemon that is said to be alive."""

    def __init__(self, weir):
        self.weir = weir

    def on_store(self, work):
        async def run():
            async with open_store(self.weir.store) as store:
                return await work(store)

        return asyncio.run(run())

    def confirm(self, *words, code=0):
        return self.weir("confirm", *words, "--store", self.weir.store, code=code)

    def begin(self, *words, text=NEW, time="10m"):
        told = self.weir("apply", "-f", "-", "--confirm", time, *words, input=text).stderr
        return told.split()[1].rstrip(":")

    def texts(self):
        return {each["name"]: each.get("text") for each in json.loads(self.weir("get", "-o", "json").stdout)}


@pytest.fixture
def home_with_daemon(weir):
    home = Home(weir)
    now = datetime.now(UTC)
    home.on_store(lambda store: store.put_instance(Instance("i", "host", 7, "other", now, now)))
    weir("apply", "-f", "-", input=OLD)
    return home


# --- apply --confirm


def test_it_tells_when_it_goes_back_and_how_to_stop_that(home_with_daemon):
    result = home_with_daemon.weir("apply", "-f", "-", "--confirm", "10m", "-m", "why", input=NEW)
    assert result.stdout == "probe/a configured\n"
    [trial] = home_with_daemon.on_store(lambda store: store.trials())
    assert result.stderr.startswith(f"trial {trial.id}: goes back at ")
    assert result.stderr.endswith(f" unless confirmed: weir confirm {trial.id}\n")
    assert (trial.message, trial.deadline - trial.made) == ("why", timedelta(minutes=10))
    assert trial.author


def test_nothing_is_written_where_nobody_would_take_it_back(weir):
    result = weir("apply", "-f", "-", "--confirm", "60s", input=NEW, code=1)
    assert "nobody would take it back: no daemon runs on the store" in result.stderr
    assert "hint: start one with `weir start`" in result.stderr
    assert json.loads(weir("get", "-o", "json").stdout) == []


def test_what_was_written_on_trial_stays_so_when_it_is_written_again(home_with_daemon):
    home_with_daemon.begin()
    result = home_with_daemon.weir("apply", "-f", "-", input=NEW)
    assert result.stdout == "probe/a unchanged\n"
    assert "warning: probe/a: on trial, and goes back at " in result.stderr
    again = home_with_daemon.weir("apply", "-f", "-", "--confirm", "60s", input=NEW)
    assert again.stderr.startswith("nothing was changed, so nothing is on trial\nwarning: probe/a: on trial")


def test_a_second_trial_of_a_spec_is_refused(home_with_daemon):
    id = home_with_daemon.begin()
    newer = NEW.replace("new", "newer")
    result = home_with_daemon.weir("apply", "-f", "-", "--confirm", "60s", input=newer, code=1)
    assert f"probe/a is in trial {id} already, until " in result.stderr
    assert f"`weir confirm {id} --revert`" in result.stderr
    assert home_with_daemon.texts() == {"a": "new"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--confirm", "60s", "--dry-run"], "--confirm and --dry-run exclude each other"),
        (["--confirm", "soon"], "is a duration, not 'soon'"),
        (["--confirm", "999ms"], "from 1s to 24h, not 0.999s"),
        (["--confirm", "25h"], "from 1s to 24h, not 90000s"),
        (["values", "--confirm", "60s"], "values cannot be on trial"),
    ],
)
def test_wrong_use(home_with_daemon, words, says):
    text = "- {name: v, data: 1}\n" if "values" in words else NEW
    assert says in home_with_daemon.weir("apply", *words, "-f", "-", input=text, code=2).stderr
    assert home_with_daemon.texts() == {"a": "old"}


# --- confirm


def test_the_only_one_is_confirmed(home_with_daemon):
    id = home_with_daemon.begin(text=NEW + "- {kind: probe, name: b}\n")
    assert home_with_daemon.confirm().stdout == (
        f"trial {id} confirmed\nprobe/a stays at revision 2\nprobe/b stays at revision 3\n"
    )
    assert home_with_daemon.texts() == {"a": "new", "b": None}
    assert "error: nothing is on trial\n" in home_with_daemon.confirm(code=1).stderr
    assert f"there is no trial {id}" in home_with_daemon.confirm(id, code=1).stderr


def test_what_was_pruned_stays_deleted(home_with_daemon):
    home_with_daemon.weir("apply", "-f", "-", input="- {kind: probe, name: b, labels: {l: x}}\n")
    id = home_with_daemon.begin("--prune", "-l", "l=x")
    assert home_with_daemon.confirm(id).stdout.splitlines()[2] == "probe/b stays deleted"


def test_of_several_one_must_be_named(home_with_daemon):
    first = home_with_daemon.begin()
    second = home_with_daemon.begin("-n", "n", text="- {kind: probe, name: b}\n")
    result = home_with_daemon.confirm(code=1)
    assert "error: 2 trials are running" in result.stderr
    assert "weir confirm ID" in result.stderr
    assert first in result.stderr
    assert second in result.stderr
    assert home_with_daemon.confirm("-n", "n").stdout.startswith(f"trial {second} confirmed\n")
    assert "nothing is on trial in the namespace 'n'" in home_with_daemon.confirm("-n", "n", code=1).stderr
    assert home_with_daemon.confirm(first).stdout.startswith(f"trial {first} confirmed\n")


def test_it_goes_back_at_once(home_with_daemon):
    id = home_with_daemon.begin("-m", "try", text=NEW + "- {kind: probe, name: b}\n")
    result = home_with_daemon.confirm("--revert")
    assert result.stdout == f"trial {id} taken back\nprobe/a configured\nprobe/b deleted\n"
    assert home_with_daemon.texts() == {"a": "old"}
    newest = home_with_daemon.on_store(lambda store: store.history("default", "a"))[0]
    assert newest.message == f"taken back: back to before trial {id} (try)"
    assert newest.author


def test_what_somebody_has_changed_stays(home_with_daemon):
    home_with_daemon.begin()
    home_with_daemon.weir("apply", "-f", "-", input=NEW.replace("new", "his"))
    result = home_with_daemon.confirm("--revert", code=1)
    assert "warning: probe/a stays as it is: it was changed meanwhile, and has revision 3 by now" in result.stderr
    assert home_with_daemon.texts() == {"a": "his"}


# --- get trials


def test_trials_are_listed(home_with_daemon):
    id = home_with_daemon.begin("-m", "why so", text=NEW + "- {kind: probe, name: b}\n")
    header, row = home_with_daemon.weir("get", "trials").stdout.splitlines()
    assert header.split("   ")[0] == "ID"
    assert row.startswith(id)
    assert "probe/a, probe/b   why so" in row
    wide = home_with_daemon.weir("get", "trials", "-o", "wide").stdout
    assert "probe/a configured, probe/b created" in wide
    assert "+00:00" in wide
    [form] = json.loads(home_with_daemon.weir("get", "trials", "-o", "json").stdout)
    assert Trial.from_json(form).id == id
    assert home_with_daemon.weir("get", "trials", "-o", "name").stdout == f"trial/{id}\n"
    assert home_with_daemon.weir("get", "trials", id, "-o", "jsonpath={.message}").stdout.strip() == "why so"


def test_trials_of_a_namespace(home_with_daemon):
    nothing = home_with_daemon.weir("get", "trials").stderr
    assert nothing == "nothing is on trial in the namespace 'default'\n"
    id = home_with_daemon.begin("-n", "n", text="- {kind: probe, name: b}\n")
    assert home_with_daemon.weir("get", "trials").stderr == nothing
    for words in (["-A"], ["-n", "n"]):
        assert home_with_daemon.weir("get", "trials", "-o", "name", *words).stdout == f"trial/{id}\n"
    assert "no trial 'x'" in home_with_daemon.weir("get", "trials", "x", "-A", code=1).stderr
    assert "neither watched nor selected" in home_with_daemon.weir("get", "trials", "-w", code=2).stderr


# --- what is told


def test_a_deadline_on_another_day_has_its_date():
    now = datetime.now(UTC)

    def told(deadline):
        return trials.begun(Trial("id", None, None, now, deadline, ())).partition(" at ")[2].partition(" unless")[0]

    tomorrow = now + timedelta(hours=24)
    assert told(tomorrow) == tomorrow.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert told(now) == now.astimezone().strftime("%H:%M:%S")


def test_only_what_is_as_the_trial_has_left_it_is_warned_of():
    async def outcomes():
        async with open_store("memory://") as store:
            spec = parse_spec({"kind": "probe", "name": "a"})
            await store.apply([PutSpec(spec)])
            return await store.apply([PutSpec(spec)])

    [outcome] = asyncio.run(outcomes())
    now = datetime.now(UTC)

    def told(id, revision):
        tried = Tried("configured", "default", id, "probe", "a", revision, Former(0, "a"))
        return trials.still_tried([outcome], [Trial("id", None, None, now, now, (tried,))])

    assert told(outcome.id, outcome.revision)
    assert told(outcome.id, outcome.revision + 1) == []
    assert told("other", outcome.revision) == []


# --- apply --wait=all-or-revert


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--confirm", "10m"], "exclude each other: the one ends the trial that the other leaves open"),
        (["--dry-run"], "a dry run writes nothing"),
        (["values"], "they keep no history to go back to"),
    ],
)
def test_what_all_or_revert_does_not_go_with(weir, words, says):
    assert says in " ".join(weir("apply", "-f", "-", "--wait=all-or-revert", *words, input=NEW, code=2).stderr.split())


def test_all_or_revert_needs_a_daemon_that_takes_it_back_if_need_be(weir):
    assert "nobody would take it back" in weir("apply", "-f", "-", "--wait=all-or-revert", input=NEW, code=1).stderr
    assert weir("get", "-o", "name").stdout == ""


def test_all_or_revert_keeps_what_nobody_refuses_and_tells_it_at_the_end(home_with_daemon):
    result = home_with_daemon.weir("apply", "-f", "-", "--wait=all-or-revert", input=NEW)
    assert result.stdout == "probe/a configured\n"
    begun, told = result.stderr.splitlines()
    assert begun.endswith("if nobody can tell by then")
    assert told == "no daemon runs the namespace 'default', so there is nothing to wait for"
    assert home_with_daemon.weir("get", "trials", "-A", "-o", "name").stdout == ""


def test_all_or_revert_of_what_is_there_writes_nothing(home_with_daemon):
    result = home_with_daemon.weir("apply", "-f", "-", "--wait=all-or-revert", input=OLD)
    assert (result.stdout, len(result.stderr.splitlines())) == ("probe/a unchanged\n", 1)
