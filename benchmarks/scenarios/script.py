"""A snippet of JavaScript on an order, on both engines, beside V8 called by hand and the same in Python."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from benchmarks.scenarios.order import ITEMS, order
from benchmarks.scenarios.scenario import ByHand, Floor, Flow, Load, Probe, Scenario, Setting, posting

FUNCTION = """function (request) {
  const items = request.body.items;
  const dear = items.filter((item) => item.price > 50);
  return {sum: items.reduce((sum, item) => sum + item.price * item.count, 0), dear: dear.map((item) => item.sku)};
}"""

FLOW = """
- kind: listener
  name: web
  port: $PORT
  ports: {out: [{name: routes}]}
- kind: router
  name: routes
  routes:
    - {method: POST, path: /sums, port: 'out[0]'}
  ports: {'out[0]': [{name: sum}]}
- kind: snippet
  name: sum
  language: javascript
  engine: $ENGINE
  code: |
    export default $FUNCTION
""".replace("$FUNCTION", FUNCTION.replace("\n", "\n    "))


def in_python(_setting: Setting) -> web.Application:
    async def sums(request: web.Request) -> web.Response:
        try:
            items = (await request.json())["items"]
        except ValueError:
            raise web.HTTPBadRequest(text="malformed JSON") from None
        dear = [item["sku"] for item in items if item["price"] > 50]
        return web.json_response({"sum": sum(item["price"] * item["count"] for item in items), "dear": dear})

    app = web.Application()
    app.add_routes([web.post("/sums", sums)])
    return app


def on_v8(_setting: Setting) -> web.Application:
    """V8 as one calls it by hand: in a worker thread, so that the loop goes on."""
    from py_mini_racer import MiniRacer

    v8 = MiniRacer()
    v8.eval(f"const sums = {FUNCTION}")
    threads = ThreadPoolExecutor(1)

    async def sums(request: web.Request) -> web.Response:
        try:
            body = await request.json()
        except ValueError:
            raise web.HTTPBadRequest(text="malformed JSON") from None
        found = await asyncio.get_running_loop().run_in_executor(threads, v8.call, "sums", {"body": body})
        return web.json_response(found)

    async def life(_app: web.Application) -> AsyncIterator[None]:
        yield
        threads.shutdown()
        v8.close()

    app = web.Application()
    app.cleanup_ctx.append(life)
    app.add_routes([web.post("/sums", sums)])
    return app


SCRIPT = Scenario(
    name="script",
    title="HTTP: a JavaScript snippet",
    text=(
        "An order of five items comes as JSON, a function of JavaScript sums it up. Weir runs V8 in a process of its own, "
        "whose processor time counts, and QuickJS within the event loop. *By hand* is V8 in a worker thread."
    ),
    flows={
        "flow": Flow("`listener → router → snippet(javascript)`, V8", FLOW.replace("$ENGINE", "v8")),
        "quickjs": Flow("the same on QuickJS", FLOW.replace("$ENGINE", "quickjs")),
    },
    applications={
        "v8": ByHand("aiohttp, V8 in a thread (mini-racer)", on_v8),
        "python": ByHand("aiohttp, the same in Python", in_python),
    },
    floor=Floor('{"sum": 405, "dear": ["lamp", "desk"]}', "application/json"),
    probes=(
        Probe("POST", "/sums", order("gold", *ITEMS)),
        Probe("POST", "/sums", order("gold")),
        Probe("POST", "/sums", b'{"items": ', status=400),
    ),
    load=Load("/sums", posting(json.dumps(order("gold", *ITEMS)))),
)
