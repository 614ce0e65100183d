"""What a flow costs over HTTP: `listener → router → snippet(text)` beside a bare aiohttp server with the same answer.

    python benchmarks/http.py [--rounds 5] [--seconds 5] [--connections 32] [--markdown FILE]

Server and load generator (`wrk`, one thread) get a core each. The two servers run at the same time and are measured in
turns, so that what else the machine does hits both; the ratio is taken per round, and the median of the ratios counts.
Both run on uvloop.
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
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path[0] = str(PROJECT)  # instead of this folder, in which the standard library's `http` would be this file

GOAL = 0.80
TEXT = "Hello, world!"


class Silent:
    """A log that nobody reads."""

    def info(self, event, **fields):
        """Say nothing."""

    debug = warning = error = info


async def bare(ready):
    """The floor: aiohttp's low-level server, and nothing else."""
    from aiohttp import web

    async def handler(_request):
        return web.Response(text=TEXT)

    server = web.Server(handler, access_log=None)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    ready(listening.sockets[0].getsockname()[1])
    await asyncio.Event().wait()


async def flow(ready):
    """What is measured: a listener, a router, and a node that answers with a text."""
    from engine.errors import Place
    from engine.flow import Generation, OneToOne
    from engine.graph.context import Clock, Context, Settings
    from engine.graph.resources import Resources
    from engine.graph.symbol import Site
    from nodes.network.listener import ListenerSpec, compile_listener
    from nodes.network.router import RouterSpec, compile_router

    generation = Generation(1)

    def context(kind):
        return Context(
            site=Site(kind, "default", kind, kind, f"{kind}/{kind}", Place(), None),
            languages=None,
            generation=lambda: generation,
            log=Silent(),
            clock=Clock(),
            resources=Resources(),
            settings=Settings(),
        )

    listener = compile_listener(ListenerSpec(port=0), context("listener"))
    routes = [{"method": "GET", "path": "/", "port": "out[0]"}, {"method": "GET", "path": "/u/:id", "port": "out[1]"}]
    router = compile_router(RouterSpec(routes=routes), context("router"))
    snippet = OneToOne()
    snippet.map(lambda _payload: TEXT)
    listener.out.link(1, [router.input])
    router.out_at(0).link(1, [snippet.input])
    await listener.load()
    listener.activate()
    ready(listener.address[1])
    await asyncio.Event().wait()


def serve(name):
    import uvloop

    def ready(port):
        print(port, flush=True)

    uvloop.run({"bare": bare, "flow": flow}[name](ready))


class Server:
    """A server in a process of its own, on the first core."""

    def __init__(self, name):
        command = [sys.executable, __file__, "--serve", name]
        self.process = subprocess.Popen(on_core(0, command), stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


def on_core(core, command):
    if shutil.which("taskset") is None or (os.cpu_count() or 1) < 2:
        return command
    return ["taskset", "-c", str(core), *command]


def load(port, *, seconds, connections):
    """Requests per second that `wrk` gets out of a server. Answers other than 200 are an error."""
    command = ["wrk", f"-c{connections}", "-t1", f"-d{seconds}", f"http://127.0.0.1:{port}/"]
    output = subprocess.run(on_core(1, command), capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(output)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--markdown", type=Path, help="write the table there, too")
    parser.add_argument("--serve", choices=["bare", "flow"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    if shutil.which("wrk") is None:
        raise SystemExit("this benchmark needs wrk: apt-get install wrk")
    servers = {name: Server(name) for name in ("bare", "flow")}
    found = {name: [] for name in servers}
    try:
        for server in servers.values():
            load(server.port, seconds=1, connections=options.connections)
        for _ in range(options.rounds):
            for name, server in servers.items():
                found[name].append(load(server.port, seconds=options.seconds, connections=options.connections))
    finally:
        for server in servers.values():
            server.stop()
    ratios = [ours / floor for ours, floor in zip(found["flow"], found["bare"], strict=True)]
    table = "\n".join(
        [
            f"| HTTP, {options.connections} connections, one core | requests/s (median) | least | most |",
            "| --- | ---: | ---: | ---: |",
            *(
                f"| {title} | {statistics.median(rates):,.0f} | {min(rates):,.0f} | {max(rates):,.0f} |"
                for title, rates in (
                    ("bare aiohttp `web.Server` (floor)", found["bare"]),
                    ("`listener → router → snippet(text)`", found["flow"]),
                )
            ),
            f"| ratio (goal {GOAL:.2f}) | {statistics.median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f} |",
        ]
    )
    print(table)
    if options.markdown:
        options.markdown.write_text(table + "\n")


if __name__ == "__main__":
    main()
