"""What waiting processes hold in memory by themselves, without HTTP, in a process of its own.

    python -m benchmarks.held COUNT

Prints, as JSON, bytes for each of: a process that has just been made, one that waits in a `sleep`, and one that waits
there with a request as its payload. They are counted by Python's allocator, so they are the same in each run; what the
system counts as resident is more by what the allocator cannot fill.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from typing import Any

FLOW = """
- {kind: sleep, name: pause, interval: 1h, ports: {out: [{name: answer}]}}
- {kind: snippet, name: answer, language: text, code: done}
"""


def request(number: int) -> dict[str, Any]:
    """The payload of a small request, as `listener` and `router` make it."""
    return {
        "method": "GET",
        "scheme": "http",
        "host": f"127.0.0.1:{number}",
        "path": "/wait",
        "query": {},
        "protocol": "HTTP/1.1",
        "header": {"Host": [f"127.0.0.1:{number}"]},
        "body": None,
        "remote": "127.0.0.1",
        "params": {},
    }


def held() -> int:
    """Bytes that are allocated now, without the garbage."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def hold(count: int) -> dict[str, float]:
    """Make so many of each, keep them all, and look after each sort."""
    from engine.daemon.config import LogSection
    from engine.daemon.logs import make_log
    from engine.graph.context import Settings
    from engine.graph.scheme import Scheme
    from engine.language.registry import default_languages
    from engine.runtime import Runtime, Services
    from engine.spec.model import parse_specs
    from engine.uuid7 import uuid7

    settings = Settings(process_timeout=timedelta(hours=2))
    log = make_log(LogSection(level="error"))
    services = Services(scheme=Scheme.installed(), languages=default_languages(), log=log, settings=settings)
    runtime = Runtime("default", services)
    await runtime.load([spec.replace(id=uuid7()) for spec in parse_specs(FLOW, file="held.yaml")])
    ports = runtime.ports("pause")
    assert not isinstance(ports, str), ports
    kept: list[object] = []
    found: dict[str, float] = {}

    def start(payload: Any) -> object:
        process = runtime.process()
        return process, process.start(ports[0], payload)

    stages: list[tuple[str, Callable[[int], object]]] = [
        ("made", lambda _number: runtime.process()),
        ("waiting", lambda _number: start(None)),
        ("with a request", lambda number: start(request(number))),
    ]
    for name, make in stages:
        kept.append([make(number) for number in range(100)])  # what is made once
        await asyncio.sleep(0)
        before = held()
        kept.append([make(number) for number in range(count)])
        await asyncio.sleep(0)  # what has been started gets as far as it can
        found[name] = (held() - before) / count
    return found


if __name__ == "__main__":
    import uvloop

    tracemalloc.start()
    print(json.dumps(uvloop.run(hold(int(sys.argv[1])))), flush=True)
    os._exit(0)  # to end what waits in good order is not what is measured
