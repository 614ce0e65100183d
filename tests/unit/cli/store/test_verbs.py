from __future__ import annotations

import pytest

from engine.cli.store import VERBS


def test_help_names_every_verb(weir):
    text = weir("store", "--help").stdout
    for verb, line in VERBS.items():
        assert f"  {verb:<6}  {line[:40]}" in text


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_has_help(weir, verb):
    assert f"Usage: weir store {verb} " in weir("store", verb, "--help").stdout


def test_unknown_verbs_exit_2_with_a_guess(weir):
    assert "no command 'chek', did you mean 'check'?" in weir("store", "chek", code=2).stderr
