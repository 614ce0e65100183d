"""Options that several verbs share, as they are written on a command line."""

from __future__ import annotations

from datetime import timedelta

import click
import pytest
from click.testing import CliRunner

from engine.cli.options import Patience, wait_or_revert_option

SECONDS = timedelta(seconds=1)


@click.command()
@click.option("--other", is_flag=True)
@wait_or_revert_option
def command(patience, other):
    command.seen = (patience, other)


def parse(*words):
    result = CliRunner().invoke(command, words)
    return result.output if result.exit_code else command.seen


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], None),
        (["--wait"], Patience(30 * SECONDS)),
        (["--wait=1m30s"], Patience(90 * SECONDS)),
        (["--wait=all-or-revert"], Patience(30 * SECONDS, revert=True)),
        (["--wait", "all-or-revert,5s"], Patience(5 * SECONDS, revert=True)),
        (["--wait=all-or-revert,23h"], Patience(timedelta(hours=23), revert=True)),
    ],
)
def test_how_long_to_wait(words, expected):
    assert parse(*words) == (expected, False)
    assert parse(*words, "--other") == (expected, True)


@pytest.mark.parametrize(
    ("word", "says"),
    [("soon", "soon"), ("all-or-revert,soon", "soon"), ("all", "all"), ("all-or-revert,24h", "within a day only")],
)
def test_what_is_no_time(word, says):
    assert says in parse(f"--wait={word}")
