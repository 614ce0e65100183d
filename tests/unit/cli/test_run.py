"""`weir run --stdin` as a partner in a conversation: a real process with pipes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from engine.cli.main import cli

SPECS = """
- {kind: snippet, name: echo, code: self}
- {kind: snippet, name: half, language: json, code: '"\\ud800"'}
"""


class Partner:
    """Says lines and hears answers. A line that is not answered is a test that hangs, until its time is over."""

    def __init__(self, folder):
        (folder / "specs.yaml").write_text(SPECS)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "engine.cli", "run", "-f", "specs.yaml", "--stdin"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def say(self, line):
        self.process.stdin.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
        self.process.stdin.flush()

    def hear(self):
        return json.loads(self.process.stdout.readline())


@pytest.fixture
def partner(tmp_path):
    partner = Partner(tmp_path)
    with partner.process:
        yield partner
        partner.process.kill()


def echo(data, **more):
    return {"node": "echo", "data": data, **more}


@pytest.mark.timeout(30)
def test_a_line_without_a_group_is_answered_at_once(partner):
    for number in range(3):
        partner.say(echo(number))
        assert partner.hear() == {"value": number}


@pytest.mark.timeout(30)
def test_a_group_is_answered_when_another_line_comes(partner):
    partner.say(echo(1, group="a"))
    partner.say(echo(2, group="a"))
    partner.say(echo(3, group="b"))
    assert [partner.hear() for _ in range(2)] == [{"value": 1}, {"value": 2}]
    partner.say(echo(4))
    assert [partner.hear() for _ in range(2)] == [{"value": 3}, {"value": 4}]
    partner.say(echo(5, group="a"))
    partner.process.stdin.close()
    assert partner.hear() == {"value": 5}
    assert partner.process.wait(30) == 0


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{\n", "line 1 is no JSON"),
        (b"\xff\xfe\n", "line 1 is no JSON"),
        (b"[" * 100_000 + b"\n", "line 1 is nested too deeply"),
        (b"[]\n", "line 1: a line is a map"),
        (b'{"node": 1}\n', "line 1: `node`"),
    ],
)
def test_a_line_that_is_none_is_answered_at_once_and_ends_nothing(partner, line, says):
    partner.say(line)
    assert says in partner.hear()["error"]["message"]
    partner.say(b"\n")
    partner.say(echo("grün"))
    assert partner.hear() == {"value": "grün"}


@pytest.mark.timeout(30)
def test_an_answer_that_utf8_lacks_is_escaped(partner):
    partner.say({"node": "half"})
    assert partner.hear() == {"value": "\ud800"}


PYTHON = "- {kind: snippet, name: double, language: python, code: payload * 2}\n"


@pytest.fixture
def run_python(home):
    """Runs a Python snippet in a folder of its own, with these options and variables."""

    def run(*options, code=0, **environ):
        (home / "specs.yaml").write_text(PYTHON)
        result = CliRunner().invoke(
            cli, ["run", "-f", "specs.yaml", "double", "--data", "21", *options], env=environ, catch_exceptions=False
        )
        assert result.exit_code == code, result.output
        return result

    return run


def test_python_is_off_and_the_error_says_how_to_turn_it_on(run_python):
    result = run_python(code=1)
    assert "specs.yaml:1:43: snippet/double failed: the language 'python' is turned off" in result.stderr
    assert result.stdout == ""


def test_python_is_turned_on_as_for_a_daemon(run_python, home):
    assert run_python(WEIR_LANGUAGES_PYTHON="on").stdout == "42\n"
    (home / "other.yaml").write_text("languages: {python: on}\n")
    assert run_python("--config", "other.yaml").stdout == "42\n"
    (home / "other.yaml").rename(home / "weir.yaml")
    assert run_python().stdout == "42\n"


def test_print_leaves_standard_output_to_the_answer(run_python, monkeypatch):
    monkeypatch.setitem(globals(), "PYTHON", PYTHON.replace("payload * 2", "'print(payload) or 1'"))
    result = run_python(WEIR_LANGUAGES_PYTHON="on")
    assert result.stdout == "1\n"
    assert '"event":"console.written"' in result.stderr
    assert '"text":"21"' in result.stderr


def test_a_config_that_is_wrong_is_told(run_python, home):
    (home / "weir.yaml").write_text("languages: {pyhton: on}\n")
    assert "weir.yaml:1:13 unknown-key" in run_python(code=1).stderr
