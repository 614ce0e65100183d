"""Both loops: they differ in how they read sockets and start processes."""

from __future__ import annotations

import asyncio

import pytest
import uvloop


def pytest_asyncio_loop_factories(config, item):
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class Log:
    """Remembers what is logged."""

    def __init__(self):
        self.entries = []

    def __getattr__(self, level):
        return lambda event, **fields: self.entries.append((event, fields))

    def of(self, event):
        return [fields for name, fields in self.entries if name == event]


@pytest.fixture
def log():
    return Log()
