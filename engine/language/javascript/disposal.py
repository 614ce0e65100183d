"""Closing isolates without waiting for it.

To close an isolate waits for its thread, and that can be held by a builtin which nothing interrupts (sorting a hundred
million strings). So each closing has a short-lived thread of its own.
"""

from __future__ import annotations

import threading

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

    def wait(self) -> None:
        """Wait until everything that was added is closed."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _close(self, isolate: Isolate) -> None:
        isolate.close()
        with self._lock:
            self._threads.discard(threading.current_thread())
