from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from engine.daemon.config import LogSection
from engine.daemon.logs import Sink, make_log
from engine.errors import Diagnostic, InvalidError, Place


class Terminal(io.StringIO):
    def isatty(self):
        return True


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines():
    stream = io.StringIO()
    make_log(LogSection(), stream=stream).info("spec.loaded", spec="probe/a", revision=3)
    [line] = lines(stream)
    assert list(line)[:3] == ["time", "level", "event"]
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {"level": "info", "event": "spec.loaded", "spec": "probe/a", "revision": 3}


def test_fields_are_plain_data_in_json():
    stream = io.StringIO()
    loop = {}
    loop["self"] = loop
    make_log(LogSection(), stream=stream).info(
        "x.happened",
        error=InvalidError("no", hint="do"),
        finding=Diagnostic("rule", "message", Place("f", 1, 2)),
        when=datetime(2026, 1, 1, tzinfo=UTC),
        span=timedelta(milliseconds=1500),
        names={"b", "a"},
        odd={(1, 2): 3},
        loop=loop,
        infinite=float("inf"),
        kept=1,
    )
    [line] = lines(stream)
    assert line["error"] == {"message": "invalid argument: no", "code": "invalid", "hint": "do"}
    assert line["finding"]["code"] == "rule"
    assert (line["when"], line["span"], line["names"]) == ("2026-01-01T00:00:00+00:00", 1.5, ["a", "b"])
    assert (line["odd"], line["infinite"], line["kept"]) == ("{(1, 2): 3}", "inf", 1)


def test_exceptions_are_text_in_json():
    stream = io.StringIO()
    log = make_log(LogSection(), stream=stream)
    try:
        raise ValueError("boom")
    except ValueError:
        log.exception("process.failed")
    [line] = lines(stream)
    assert line["level"] == "error"
    assert line["exception"].endswith("ValueError: boom")


@pytest.mark.parametrize(
    ("level", "seen"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_levels(level, seen):
    stream = io.StringIO()
    log = make_log(LogSection(level=level), stream=stream)
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("x.happened")
    assert [line["level"] for line in lines(stream)] == seen


def test_auto_is_pretty_on_a_terminal():
    stream = Terminal()
    make_log(LogSection(), stream=stream, environ={}).info("spec.loaded", spec="probe/a")
    assert "spec.loaded" in stream.getvalue()
    assert "\x1b[" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_no_color():
    stream = Terminal()
    make_log(LogSection(), stream=stream, environ={"NO_COLOR": "1"}).info("spec.loaded", error=InvalidError("no"))
    assert "\x1b[" not in stream.getvalue()
    assert "error='invalid argument: no'" in stream.getvalue()


def test_pretty_shows_control_characters_escaped():
    stream = io.StringIO()
    make_log(LogSection(format="pretty"), stream=stream).info("x.happened", text="a\x1b[31m\nb")
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().count("\n") == 1


def test_a_format_can_be_forced():
    stream = Terminal()
    make_log(LogSection(format="json"), stream=stream).info("x.happened")
    assert lines(stream)[0]["event"] == "x.happened"


def test_two_logs_know_nothing_of_each_other():
    one, other = io.StringIO(), io.StringIO()
    first = make_log(LogSection(level="error"), stream=one)
    second = make_log(LogSection(level="debug"), stream=other).bind(worker=2)
    first.info("x.happened")
    second.debug("x.happened")
    assert one.getvalue() == ""
    assert lines(other)[0]["worker"] == 2


def test_a_stream_that_is_gone_loses_lines_and_nothing_else():
    stream = io.StringIO()
    stream.close()
    sink = Sink(stream)
    sink.msg("a")
    sink.msg("b")
    assert sink.lost == 2
    make_log(LogSection(), stream=_Closed()).info("x.happened")


class _Closed(io.StringIO):
    def write(self, text):
        raise BrokenPipeError
