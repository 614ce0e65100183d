"""An engine whose isolates are processes, and a look at what there is of them."""

from __future__ import annotations

import os
import queue
import sys
import time
from pathlib import Path

import pytest

from engine.language.javascript.engine import Settings
from engine.language.javascript.module import rewrite
from engine.language.javascript.process.isolate import V8Processes

PATIENCE = 30.0


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if sys.platform != "linux" and here in item.path.parents and item.path.name != "test_frames.py":
            item.add_marker(pytest.mark.skip(reason="looks into /proc"))


class Processes:
    """The processes below this one."""

    def __init__(self):
        self._before = self._below(os.getpid())

    @staticmethod
    def _stats():
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue  # it ended just now
            yield int(stat.parent.name), int(parent), state

    def _below(self, process):
        parents = {number: parent for number, parent, _ in self._stats()}
        found, new = set(), {process}
        while new:
            new = {child for child, parent in parents.items() if parent in new}
            found |= new
        return found

    def all(self):
        """Those that were made since the test began, zombies included."""
        return self._below(os.getpid()) - self._before

    def zygotes(self):
        mine = self.all()
        return {number for number, parent, _ in self._stats() if number in mine and parent == os.getpid()}

    def isolates(self):
        return self.all() - self.zygotes()

    @staticmethod
    def wait_until(what):
        """Wait until `what` tells something true, and give it."""
        until = time.monotonic() + PATIENCE
        while not (found := what()):
            assert time.monotonic() < until, "it did not happen"
            os.sched_yield()
        return found


@pytest.fixture
def processes():
    return Processes()


@pytest.fixture
def engine(processes):
    made = V8Processes(memory=2**24)
    yield made
    made.close()
    assert not processes.all()


class Asker:
    """An isolate, asked and waited for."""

    def __init__(self, isolate):
        self.isolate = isolate
        self.replies = queue.SimpleQueue()

    def begin(self, text):
        self.isolate.run(text, self.replies.put)

    def reply(self):
        return self.replies.get(timeout=PATIENCE)

    def ask(self, text):
        self.begin(text)
        return self.reply()


@pytest.fixture
def make(engine):
    """Makes an isolate of a module whose top level has run."""

    def make(source="export default (code) => eval(code)", *, memory=2**24):
        asker = Asker(engine.isolate(rewrite(source), Settings(memory=memory, log=True)))
        asker.ask("R\nP0")
        asker.ask("C")
        return asker

    return make
