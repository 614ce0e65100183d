"""What a flow costs over HTTP: `listener → router → snippet(text)` beside aiohttp with the same answer.

    python -m benchmarks.ping [--rounds 15] [--seconds 1] [--connections 32]

Four servers, each in a process of its own: aiohttp's low-level server (the floor), an aiohttp application with a router as one
writes it by hand, and the flow in a real runtime, without and with the access log. All run at the same time on one core and
are measured in many short turns, the load generator (`wrk`, one thread) has the other core. The ratio is taken per
round, so what else the machine does hits both sides; the median of the ratios counts. All run on uvloop.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
TEXT = "Hello, world!"

FLOW = """
- kind: listener
  name: web
  port: 0
  ports: {out: [{name: routes}]}
- kind: router
  name: routes
  routes:
    - {method: GET, path: /ping, port: 'out[0]'}
    - {method: GET, path: /users/:id, port: 'out[1]'}
  ports: {'out[0]': [{name: hello}]}
- {kind: snippet, name: hello, language: text, code: 'Hello, world!'}
"""

Ready = Callable[[int], None]


async def bare(ready: Ready) -> None:
    """The floor: aiohttp's low-level server, and nothing else."""
    from aiohttp import web

    async def handler(_request: web.BaseRequest) -> web.Response:
        return web.Response(text=TEXT)

    server = web.Server(handler, access_log=None)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    ready(listening.sockets[0].getsockname()[1])
    await asyncio.Event().wait()


async def application(ready: Ready) -> None:
    """The same service as one writes it by hand."""
    from aiohttp import web

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text=TEXT)

    app = web.Application()
    app.add_routes([web.get("/ping", hello), web.get("/users/{id}", hello)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    ready(runner.addresses[0][1])
    await asyncio.Event().wait()


async def flow(ready: Ready, *, level: str = "warning") -> None:
    """The flow, in a real runtime, with the log that a daemon writes."""
    from engine.daemon.config import LogSection
    from engine.daemon.daemon import settle_memory
    from engine.daemon.logs import make_log
    from engine.graph.scheme import Scheme
    from engine.language.registry import default_languages
    from engine.runtime import Runtime, Services
    from engine.spec.model import parse_specs
    from engine.uuid7 import uuid7

    with Path(os.devnull).open("w") as nowhere:
        log = make_log(LogSection(level=level, format="json"), stream=nowhere)  # type: ignore[arg-type]
        services = Services(scheme=Scheme.installed(), languages=default_languages(), log=log)
        runtime = Runtime("default", services)
        await runtime.load([spec.replace(id=uuid7()) for spec in parse_specs(FLOW, file="ping.yaml")])
        entry = runtime.table.find("web")
        assert entry is not None
        assert entry.running is not None
        settle_memory()
        ready(entry.running.node.address[1])  # type: ignore[attr-defined]
        await asyncio.Event().wait()


async def flow_with_access_log(ready: Ready) -> None:
    """The same, and a line for each request."""
    await flow(ready, level="info")


SERVERS = {
    "bare": ("aiohttp, the low-level server (floor)", bare),
    "application": ("aiohttp, an application written by hand", application),
    "flow": ("`listener → router → snippet(text)`", flow),
    "logged": ("the same, with the access log", flow_with_access_log),
}


class Server:
    """A server in a process of its own, on the first core."""

    def __init__(self, name: str) -> None:
        command = [sys.executable, "-m", "benchmarks.ping", "--serve", name]
        self.process = subprocess.Popen(on_core(0, command), cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def stop(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def on_core(core: int, command: list[str]) -> list[str]:
    if shutil.which("taskset") is None or (os.cpu_count() or 1) < 2:
        return command
    return ["taskset", "-c", str(core), *command]


def load(port: int, *, seconds: int, connections: int) -> float:
    """Requests per second that `wrk` gets out of a server. Answers other than 200 are an error."""
    command = ["wrk", f"-c{connections}", "-t1", f"-d{seconds}", f"http://127.0.0.1:{port}/ping"]
    output = subprocess.run(on_core(1, command), capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if "Non-2xx" in output or "Socket errors" in output or found is None:
        raise SystemExit(output)
    return float(found[1])


def measure(*, rounds: int, seconds: int, connections: int) -> str:
    """The table, as Markdown."""
    servers = {name: Server(name) for name in SERVERS}
    rates: dict[str, list[float]] = {name: [] for name in servers}
    try:
        for server in servers.values():
            load(server.port, seconds=1, connections=connections)
        for _ in range(rounds):
            for name, server in servers.items():
                rates[name].append(load(server.port, seconds=seconds, connections=connections))
    finally:
        for server in servers.values():
            server.stop()
    rows = [
        f"| HTTP, {connections} connections, one core | requests/s (median) | of the floor (least to most) | of the application |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, (title, _) in SERVERS.items():
        floor = [ours / theirs for ours, theirs in zip(rates[name], rates["bare"], strict=True)]
        hand = [ours / theirs for ours, theirs in zip(rates[name], rates["application"], strict=True)]
        rows.append(
            f"| {title} | {statistics.median(rates[name]):,.0f} "
            f"| {statistics.median(floor):.2f} ({min(floor):.2f} to {max(floor):.2f}) | {statistics.median(hand):.2f} |"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--serve", choices=list(SERVERS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        import uvloop

        uvloop.run(SERVERS[options.serve][1](lambda port: print(port, flush=True)))
        return
    if shutil.which("wrk") is None:
        raise SystemExit("this benchmark needs wrk: apt-get install wrk")
    print(measure(rounds=options.rounds, seconds=options.seconds, connections=options.connections))


if __name__ == "__main__":
    main()
