"""Requests that wait in the flow: a `sleep`, beside `asyncio.sleep` by hand."""

from __future__ import annotations

import asyncio

from aiohttp import web

from benchmarks.scenarios.scenario import ByHand, Floor, Flow, Load, Probe, Scenario, Setting

TEXT = "done"
DEADLINE = 300
"""Seconds that a request may take, with the flow as by hand."""

FLOW = f"""
- kind: listener
  name: web
  port: $PORT
  timeout: {DEADLINE}s
  ports: {{out: [{{name: routes}}]}}
- kind: router
  name: routes
  routes:
    - {{method: GET, path: /ping, port: 'out[0]'}}
    - {{method: GET, path: /wait, port: 'out[1]'}}
  ports: {{'out[0]': [{{name: answer}}], 'out[1]': [{{name: pause}}]}}
- {{kind: sleep, name: pause, interval: $WAIT, ports: {{out: [{{name: answer}}]}}}}
- {{kind: snippet, name: answer, language: text, code: {TEXT}}}
"""


def application(setting: Setting) -> web.Application:
    async def ping(_request: web.Request) -> web.Response:
        return web.Response(text=TEXT)

    async def wait(_request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(DEADLINE):
                await asyncio.sleep(setting.wait)
        except TimeoutError:
            raise web.HTTPGatewayTimeout from None
        return web.Response(text=TEXT)

    app = web.Application()
    app.add_routes([web.get("/ping", ping), web.get("/wait", wait)])
    return app


PATIENCE = Scenario(
    name="patience",
    title="10,000 requests that wait",
    text="Each of many connections has a request that waits, with a deadline.",
    flows={"flow": Flow("`listener → router → sleep → snippet(text)`", FLOW)},
    applications={"application": ByHand("aiohttp, an application with a router and a deadline", application)},
    floor=Floor(TEXT, waits="/wait"),
    probes=(Probe("GET", "/ping"), Probe("GET", "/wait"), Probe("GET", "/nowhere", status=404)),
    load=Load("/wait"),
)
