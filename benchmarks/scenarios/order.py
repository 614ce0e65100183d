"""An order: JSON in, five CEL snippets, JSON out."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from benchmarks.scenarios.scenario import ByHand, Floor, Flow, Load, Probe, Scenario, Setting, posting

FLOW = """
- kind: listener
  name: web
  port: $PORT
  ports: {out: [{name: routes}]}
- kind: router
  name: routes
  routes:
    - {method: POST, path: /orders, port: 'out[0]'}
  ports: {'out[0]': [{name: order}]}
- kind: step
  name: order
  specs:
    - kind: snippet
      code: '{"customer": body.customer, "items": body.items.filter(item, item.count > 0)}'
    - kind: snippet
      code: '{"customer": customer, "lines": items.map(item, {"sku": item.sku, "total": item.price * item.count})}'
    - kind: snippet
      code: '{"customer": customer, "lines": lines, "dear": lines.exists(line, line.total > 100)}'
    - kind: snippet
      code: '{"name": customer.name, "lines": lines, "percent": customer.tier == "gold" ? 10 : dear ? 5 : 0}'
    - kind: snippet
      code: '{"status": 201, "body": {"for": name, "lines": lines, "percent": percent}}'
"""


def application(_setting: Setting) -> web.Application:
    async def take(request: web.Request) -> web.Response:
        try:
            order = await request.json()
        except ValueError:
            raise web.HTTPBadRequest(text="malformed JSON") from None
        customer = order["customer"]
        lines = [
            {"sku": item["sku"], "total": item["price"] * item["count"]} for item in order["items"] if item["count"] > 0
        ]
        dear = any(line["total"] > 100 for line in lines)
        percent = 10 if customer["tier"] == "gold" else 5 if dear else 0
        return web.json_response({"for": customer["name"], "lines": lines, "percent": percent}, status=201)

    app = web.Application()
    app.add_routes([web.post("/orders", take)])
    return app


def order(tier: str, *items: tuple[str, int, int]) -> dict[str, Any]:
    """The body of a request; an item is its name, its price and how many of it."""
    return {
        "customer": {"name": "Ada", "tier": tier},
        "items": [{"sku": sku, "price": price, "count": count} for sku, price, count in items],
    }


ITEMS = (("pen", 2, 10), ("ink", 7, 3), ("book", 31, 4), ("lamp", 58, 0), ("desk", 240, 1))

ORDER = Scenario(
    name="order",
    title="HTTP: JSON in and out",
    text="An order of five items comes as JSON, goes through five snippets of CEL, and an answer of JSON goes back.",
    flows={"flow": Flow("`listener → router →` five `snippet(cel)`", FLOW)},
    applications={"application": ByHand("aiohttp, the same in one function", application)},
    floor=Floor(
        '{"for": "Ada", "lines": [{"sku": "pen", "total": 20}, {"sku": "ink", "total": 21}, {"sku": "book", "total": 124}, '
        '{"sku": "desk", "total": 240}], "percent": 10}',
        "application/json",
        201,
    ),
    probes=(
        Probe("POST", "/orders", order("gold", *ITEMS), status=201),
        Probe("POST", "/orders", order("none", *ITEMS), status=201),
        Probe("POST", "/orders", order("none", ("pen", 2, 1)), status=201),
        Probe("POST", "/orders", order("none"), status=201),
        Probe("POST", "/orders", b'{"customer": ', status=400),
        Probe("GET", "/orders", status=405),
    ),
    load=Load("/orders", posting(json.dumps(order("gold", *ITEMS)))),
)
