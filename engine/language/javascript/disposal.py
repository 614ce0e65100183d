"""Closing isolates without waiting for it.

To close an isolate waits for its thread, and that can be held by a builtin which nothing interrupts (sorting a hundred
million strings). So each closing has a short-lived thread of its own.
"""

from __future__ import annotations

import threading
import time

from engine.language.javascript.engine import Isolate


class Disposal:
    """Closes isolates in the background."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def add(self, isolate: Isolate) -> None:
        """Close `isolate` soon. Never blocks, and may be called from the isolate's own thread."""
        thread = threading.Thread(target=self._close, args=(isolate,), name="javascript-disposal", daemon=True)
        with self._lock:
            self._threads.add(thread)
            thread.start()

    def wait(self, seconds: float) -> int:
        """Wait until everything that was added is closed, or that long; tells how many are left."""
        until = time.monotonic() + seconds
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        return sum(thread.is_alive() for thread in threads)

    def _close(self, isolate: Isolate) -> None:
        isolate.close()
        with self._lock:
            self._threads.discard(threading.current_thread())
