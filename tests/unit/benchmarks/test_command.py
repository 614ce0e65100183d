"""The command: what it runs, what it refuses, and what it leaves in the report."""

from __future__ import annotations

import subprocess

import pytest

from benchmarks import __main__ as command
from benchmarks.figures import Spread
from benchmarks.part import Effort, MissingError, Outcome, Part
from benchmarks.results import section_of
from benchmarks.scenarios.servers import BrokenError
from benchmarks.targets import TARGETS, TITLE, Reached


def part_of(name, run, **words):
    return Part(name=name, title=name.title(), text=f"About {name}.", takes=1, run=run, **words)


@pytest.fixture
def report(monkeypatch, tmp_path):
    """A report of its own, in place of the real one."""
    file = tmp_path / "RESULTS.md"
    file.write_text("# Results\n\nOld.\n\n## Other\n\nby another command\n", encoding="utf-8")
    monkeypatch.setattr(command, "RESULTS", file)
    monkeypatch.setattr(command, "PICTURES", tmp_path / "pictures")
    monkeypatch.setattr(command, "read_results", lambda: file.read_text(encoding="utf-8"))
    return file


def test_a_part_replaces_its_section_and_leaves_the_others(report, capsys):
    found = Outcome("its table", {"help": Reached(Spread(100, 90, 120))}, {"one.svg": "<svg/>"})
    assert command.run([part_of("one", lambda _effort, _told: found)], Effort(), write=True) == 0
    text = report.read_text(encoding="utf-8")
    assert text.startswith(command.PREFACE)
    assert section_of(text, "Other") == "by another command"
    assert section_of(text, "One").startswith("About one.\n\nMeasured ")
    assert section_of(text, "One").endswith("its table")
    assert f"| {TARGETS['help'].words} | at most 150 ms | 100 (90 to 120) ms | yes |" in section_of(text, TITLE)
    assert text.index("## Targets") < text.index("## Other") < text.index("## One")
    assert (report.parent / "pictures" / "one.svg").read_text(encoding="utf-8") == "<svg/>"
    assert "its table" in capsys.readouterr().out


def test_without_write_the_report_is_only_shown(report, capsys):
    before = report.read_text(encoding="utf-8")
    assert command.run([part_of("one", lambda _effort, _told: Outcome("its table"))], Effort(), write=False) == 0
    assert report.read_text(encoding="utf-8") == before
    assert "its table" in capsys.readouterr().out


@pytest.mark.parametrize(
    "error", [MissingError("no npm"), BrokenError("no answer"), subprocess.CalledProcessError(1, "x")]
)
def test_a_part_that_fails_does_not_take_the_others_with_it(error, report, capsys):
    def fail(_effort, _told):
        raise error

    parts = [part_of("one", fail), part_of("two", lambda _effort, _told: Outcome("second"))]
    assert command.run(parts, Effort(), write=True) == 1
    text = report.read_text(encoding="utf-8")
    assert section_of(text, "One") is None
    assert section_of(text, "Two").endswith("second")
    told = capsys.readouterr().err
    assert f"[1/2] one: {error}" in told
    assert "failed: one" in told


def test_a_program_that_is_missing_is_named_with_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(command.shutil, "which", lambda _name: None)
    assert command.main(["ping"]) == 1
    told = capsys.readouterr().err
    assert "wrk is missing: apt-get install wrk" in told
    assert "help" in told.rpartition("there are the parts")[2]
    assert "crud" not in told


def test_the_peer_is_left_out_where_there_is_no_node(monkeypatch, capsys):
    chosen = []
    monkeypatch.setattr(command, "run", lambda parts, *_args, **_words: chosen.extend(parts) or 0)
    monkeypatch.setattr(command.shutil, "which", lambda name: None if name in ("node", "npm") else name)
    assert command.main(["help", "--peers"]) == 0
    assert [part.name for part in chosen] == ["help"]
    assert "peers is left out: node, npm is missing" in capsys.readouterr().err
    assert command.main(["peers"]) == 1
    assert "npm is missing: apt-get install npm" in capsys.readouterr().err


def test_another_system_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(command.sys, "platform", "darwin")
    assert command.main(["help"]) == 1
    assert "Linux" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [(["nothing"], 2, "no part 'nothing'"), (["help", "--quick", "--write"], 2, "a quick run is no result")],
)
def test_wrong_use(arguments, code, words, capsys):
    assert command.main(arguments) == code
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("rounds", ["0", "-1", "many"])
def test_a_number_of_rounds_is_one(rounds, capsys):
    with pytest.raises(SystemExit):
        command.main(["help", "--rounds", rounds])
    assert "rounds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], "all the usual"),
        (["--peers"], "all the usual, and peers"),
        (["crud"], {"crud"}),
        (["crud", "help"], {"crud", "help"}),
        (["peers"], {"peers"}),
    ],
)
def test_parts_that_are_chosen(arguments, wanted, monkeypatch):
    chosen = []
    monkeypatch.setattr(command, "run", lambda parts, *_args, **_words: chosen.extend(parts) or 0)
    monkeypatch.setattr(command.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert command.main(arguments) == 0
    usual = {name for name, part in command.all_parts().items() if part.usual}
    known = {"all the usual": usual, "all the usual, and peers": usual | {"peers"}}
    assert {part.name for part in chosen} == (known[wanted] if isinstance(wanted, str) else wanted)
    assert "peers" not in usual


def test_a_usual_run_takes_twelve_minutes_at_most():
    assert sum(part.takes for part in command.all_parts().values() if part.usual) <= 12 * 60


def test_how_much_is_done():
    assert Effort().times(9) == 9
    assert Effort(quick=True).times(9) == 2
    assert Effort(rounds=4, quick=True).times(9, quick=1) == 4
