from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest


@pytest.fixture
def filled(weir):
    """A store with two revisions of a spec, and a value."""
    for number in range(2):
        weir.write("a.yaml", f"- {{kind: probe, name: a, count: {number}}}\n")
        weir("apply", "-f", "a.yaml")
    weir.write("v.yaml", "{name: v, data: hunter2}\n")
    weir("apply", "values", "-f", "v.yaml")
    return weir


@pytest.fixture
def damage(home):
    """Changes the file of the store behind its back."""

    def execute(statement):
        with closing(sqlite3.connect(home / "weir.db", isolation_level=None)) as raw:
            raw.execute(statement)

    return execute
