"""The child of an application written by hand, or of the floor.

python -m benchmarks.scenarios.serve SCENARIO NAME PORT FOLDER WAIT
"""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path

from aiohttp import web

from benchmarks.scenarios.scenario import Floor, Setting
from benchmarks.scenarios.servers import HOST

BACKLOG = 1024


async def serve_application(app: web.Application, port: int) -> None:
    """An application, as its users run it, without the access log."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, port, backlog=BACKLOG).start()
    await asyncio.Event().wait()


async def serve_floor(floor: Floor, setting: Setting, port: int) -> None:
    """aiohttp's low-level server, and nothing else."""
    body = floor.body.encode()

    async def handler(request: web.BaseRequest) -> web.Response:
        if request.can_read_body:
            await request.read()
        if floor.waits is not None and request.path == floor.waits:
            await asyncio.sleep(setting.wait)
        return web.Response(body=body, status=floor.status, content_type=floor.media)

    server = web.Server(handler, access_log=None)
    await asyncio.get_running_loop().create_server(server, HOST, port, backlog=BACKLOG)
    await asyncio.Event().wait()


def main(name: str, contender: str, port: str, folder: str, wait: str) -> None:
    import uvloop

    from benchmarks.scenarios.catalogue import SCENARIOS
    from benchmarks.scenarios.contenders import FLOOR

    scenario, setting = SCENARIOS[name], Setting(Path(folder), float(wait))
    gc.collect()
    gc.freeze()  # Weir does it for itself, so everybody has it
    if contender == FLOOR:
        uvloop.run(serve_floor(scenario.floor, setting, int(port)))
        return
    uvloop.run(serve_application(scenario.applications[contender].make(setting), int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
