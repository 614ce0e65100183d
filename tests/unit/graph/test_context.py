from __future__ import annotations

import pytest

from engine.errors import Code, ErrorValue, Place
from engine.flow.generation import Generation
from engine.graph.context import Clock, Context, Settings
from engine.graph.resources import Resources
from engine.graph.symbol import Site


class Recorder:
    def __init__(self):
        self.written = []

    def warning(self, event, **fields):
        self.written.append(("warning", event, fields))

    def error(self, event, **fields):
        self.written.append(("error", event, fields))


@pytest.fixture
def log():
    return Recorder()


@pytest.fixture
def ctx(log):
    return Context(
        site=Site("", "", None, "snippet", "a", Place("a.yaml", 1, 1), None),
        languages=None,
        generation=Generation,
        log=log,
        clock=Clock(),
        resources=Resources(),
        settings=Settings(),
    )


@pytest.mark.parametrize(
    ("details", "shown"),
    [
        ("Traceback …", {"details": "Traceback …"}),
        ({"name": "KeyError", "traceback": "…"}, {"details": {"name": "KeyError", "traceback": "…"}}),
        (None, {}),
        ((1,), {}),
    ],
)
def test_a_failed_process_is_logged_with_its_traceback(ctx, log, details, shown):
    ctx.process_failed(ErrorValue("no", Code.EXPRESSION, details=details), path="/x")
    [(level, event, fields)] = log.written
    assert (level, event) == ("error", "process.failed")
    assert {name: value for name, value in fields.items() if name == "details"} == shown
    assert (fields["message"], fields["code"], fields["path"]) == ("no", "expression", "/x")


def test_a_hint_is_logged_if_there_is_one(ctx, log):
    ctx.process_failed(ErrorValue("no", hint="try this"))
    ctx.process_failed(ErrorValue("no"))
    assert [fields.get("hint", "none") for *_, fields in log.written] == ["try this", "none"]


def test_the_users_mistakes_are_warnings_and_success_is_nothing(ctx, log):
    ctx.process_failed(ErrorValue("no", Code.INVALID))
    ctx.process_failed(None)
    assert [level for level, *_ in log.written] == ["warning"]
