from __future__ import annotations

from engine.cli.console import Console
from engine.cli.store.meter import Meter


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_lines_now_and_then_where_there_is_no_terminal(capsys):
    clock = Clock()
    with Meter(Console(), clock=clock) as meter:
        for second in range(12):
            clock.now = float(second)
            meter.tell("history", second * 1000, 11_000)
    assert capsys.readouterr().err == "history: 5,000 of 11,000\nhistory: 10,000 of 11,000\n"


def test_a_bar_for_each_step_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Meter(Console()) as meter:
        for done in (1, 2):
            meter.tell("history", done, 2)
        meter.tell("verify", 1, 4)
        meter.tell("verify", 6, 4)  # more has come than there was
    told = capsys.readouterr().err
    assert "history" in told
    assert "2/2" in told
    assert "6/6" in told
    assert told.count("\n") == 2
