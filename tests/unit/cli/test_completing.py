from __future__ import annotations

import pytest
from click.testing import CliRunner

from engine.cli.main import cli

SPECS = """
- {kind: probe, name: alpha}
- {kind: gate, name: beta, when: 'true'}
- {kind: probe, name: gamma, namespace: other}
"""


@pytest.fixture
def complete(weir):
    weir("apply", "-f", "-", input=SPECS)
    weir("apply", "values", "-f", "-", input="{name: creds, data: 1}")

    def ask(*words, store=weir.store):
        line = ["weir", words[0], *(["--store", store] if store else []), *words[1:]]
        environ = {"_WEIR_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(line), "COMP_CWORD": str(len(line) - 1)}
        result = CliRunner().invoke(cli, [], env=environ, prog_name="weir")
        assert result.stderr == ""
        return [word.removeprefix("plain,") for word in result.stdout.split()]

    ask.weir = weir
    return ask


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["history", "al"], ["alpha"]),
        (["rollback", "probe/"], ["probe/alpha"]),
        (["diff", "probe/a"], ["probe/alpha"]),
        (["get", "specs", "b"], ["beta"]),
        (["get", "probe", "a"], ["alpha"]),
        (["get", "gate", "a"], []),
        (["delete", "values", "c"], ["creds"]),
        (["get", "gate/b"], ["gate/beta"]),
        (["history", "-n", "other", "g"], ["gamma"]),
    ],
)
def test_names(complete, words, found):
    assert complete(*words) == found


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["get", "pro"], ["processes", "probe"]),
        (["delete", "pro"], ["probe"]),
        (["get", "v"], ["values"]),
    ],
)
def test_resources_and_kinds(complete, words, found):
    assert complete(*words) == found


def test_what_cannot_be_read_completes_to_nothing_and_is_not_made(complete):
    assert complete("history", "a", store="sqlite:///none.db") == []
    assert not (complete.weir.folder / "none.db").exists()
    assert complete("history", "a", store="nonsense") == []
    assert complete("history", "--server", "unix:/nowhere", "a", store=None) == []
