from __future__ import annotations

import json
import sys

import click
import pytest
from click.testing import CliRunner

from engine.cli.console import Console
from engine.cli.failure import report
from engine.cli.main import VERBS, cli
from engine.errors import (
    Code,
    ConflictError,
    Diagnostic,
    DiagnosticsError,
    InvalidError,
    NotFoundError,
    Place,
    UnavailableError,
    WeirError,
)


def test_help_names_every_verb(weir):
    text = weir("--help").stdout
    for verb, line in VERBS.items():
        assert f"  {verb:<10}  {line}" in text


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_has_help(weir, verb):
    assert f"Usage: weir {verb} " in weir(verb, "--help").stdout


def test_unknown_verbs_exit_2_with_a_guess(weir):
    assert "no command 'aply', did you mean 'apply'?" in weir("aply", code=2).stderr


def test_unknown_options_exit_2(weir):
    weir("lint", "--nonsense", "x", code=2)


def test_version(weir):
    assert weir("--version").stdout.startswith("weir ")
    assert json.loads(weir("version", "-o", "json").stdout)["version"] == weir("--version").stdout.split()[1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(weir, shell):
    assert "_WEIR_COMPLETE" in weir("completion", shell).stdout


def test_completion_completes_verbs():
    environ = {"_WEIR_COMPLETE": "bash_complete", "COMP_WORDS": "weir ap", "COMP_CWORD": "1"}
    result = CliRunner().invoke(cli, [], env=environ, prog_name="weir")
    assert result.stdout.split() == ["plain,apply"]


def test_validate(weir):
    assert weir("validate").stdout == "no config file; the defaults are valid\n"
    weir.write("c.yaml", "workers: 1\n")
    assert weir("validate", "--config", "c.yaml").stdout == "c.yaml is valid\n"
    weir.write("c.yaml", "workrs: 1\n")
    result = weir("validate", "--config", "c.yaml", code=1)
    assert result.stderr == (
        "c.yaml:1:1 unknown-key the config has no key 'workrs'\n"
        "  workrs: 1\n  ^\n  hint: did you mean 'workers'?\n1 error\n"
    )
    weir.write("c.yaml", "workers: 2\nstore: {url: 'memory://'}\n")
    assert "error: `workers` is 2" in weir("validate", "--config", "c.yaml", code=1).stderr
    assert "no file 'gone.yaml'" in weir("validate", "--config", "gone.yaml", code=1).stderr


# --- what went wrong


@pytest.fixture
def told(capsys):
    def tell(error, **options):
        code = report(error, Console(debug=False, **options))
        return code, capsys.readouterr().err

    return tell


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InvalidError("no good", hint="do"), 1, "error: no good\n  hint: do\n"),
        (InvalidError("no good", place=Place("f.yaml", 3, 4)), 1, "error: f.yaml:3:4: no good\n"),
        (NotFoundError("no such"), 1, "error: no such\n"),
        (ConflictError("stale"), 1, "error: stale\n"),
        (UnavailableError("away", causes=(OSError("why"),)), 1, "error: away: why\n"),
        (click.UsageError("wrong"), 2, "Error: wrong\n"),
        (KeyboardInterrupt(), 130, ""),
        (click.Abort(), 130, ""),
        (WeirError("odd"), 70, "error: internal error: odd\n"),
        (ValueError("boom"), 70, "error: internal error: ValueError: boom\n"),
    ],
)
def test_errors_have_words_and_exit_codes(told, error, code, text):
    found, shown = told(error)
    assert found == code
    assert shown.startswith(text)
    assert "Traceback" not in shown


def test_findings_are_shown_with_their_lines(told):
    found = Diagnostic("rule", "wrong", Place("f.yaml", 1, 2), "mend it")
    assert told(DiagnosticsError([found]), sources={"f.yaml": "abc"}) == (
        1,
        "f.yaml:1:2 rule wrong\n  abc\n   ^\n  hint: mend it\n1 error\n",
    )


def test_findings_beside_an_error_are_shown_below_it(told):
    found = Diagnostic("rule", "wrong", Place("f.yaml", 1, 2))
    error = WeirError("it failed", code=Code.INVALID, hint="do", details=(found,))
    assert told(error, sources={"f.yaml": "abc"}) == (
        1,
        "error: it failed\n  hint: do\nf.yaml:1:2 rule wrong\n  abc\n   ^\n1 error\n",
    )
    assert told(ConflictError("stale", details={"expected": 1})) == (1, "error: stale\n")


def test_debug_shows_the_traceback(capsys):
    def fail():
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom") as caught:
        fail()
    assert report(caught.value, Console(debug=True)) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--debug", "version"], ["version"]])
def test_debug_by_flag_or_variable(monkeypatch, words):
    seen = []
    monkeypatch.setattr("engine.cli.version.version", lambda: seen.append(click.get_current_context().obj.debug) or "1")
    CliRunner().invoke(cli, words, env={"WEIR_DEBUG": "" if len(words) == 2 else "1"})
    assert seen == [True]


@pytest.mark.parametrize(
    ("color", "environ", "terminal", "colors"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {}, True, False),
    ],
)
def test_colours(monkeypatch, color, environ, terminal, colors):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    assert Console(color).colors(sys.stderr) is colors


def test_a_large_or_odd_file_is_not_read_for_a_line(tmp_path):
    console = Console()
    assert console._source(str(tmp_path)) == ""
    assert console._source("/dev/zero") == ""
    assert console._source(str(tmp_path / "gone")) == ""
