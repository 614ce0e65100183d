from __future__ import annotations

import threading

from engine.language.javascript.disposal import Disposal


class Isolate:
    def __init__(self, gate):
        self.gate = gate
        self.closed_by = None

    def close(self):
        assert self.gate.wait(10)
        self.closed_by = threading.current_thread()


def test_closing_waits_for_nobody_until_it_is_asked_to():
    gate = threading.Event()
    disposal = Disposal()
    isolates = [Isolate(gate), Isolate(gate)]
    for isolate in isolates:
        disposal.add(isolate)
    assert [isolate.closed_by for isolate in isolates] == [None, None]
    assert disposal.wait(0) == 2
    gate.set()
    assert disposal.wait(10) == 0
    closers = {isolate.closed_by for isolate in isolates}
    assert len(closers) == 2
    assert threading.current_thread() not in closers
    assert disposal.wait(0) == 0
