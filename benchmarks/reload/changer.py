"""Carries a plan out, in a process of its own, as whoever changes specs beside a running daemon does.

    python -m benchmarks.reload.changer '{"port": …, "seed": …, "changes": …, "interval": …, "store": …, "admin": …}'

A change goes one of two ways: in one transaction of the store, which is what `weir apply` does; or as one PATCH of the
admin API. For each a line of JSON says when it began and when it was written (on the system's monotonic clock, which all
processes share), and whether it went as planned. A change that cannot be made on time is made as soon as possible; none
is left out.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

from benchmarks.reload.clients import HOST
from benchmarks.reload.flow import NAMESPACE
from benchmarks.reload.plan import Change, make_plan
from engine.errors import WeirError
from engine.spec.model import parse_spec
from engine.store.protocol import DeleteSpec, PutSpec, Store, Write
from engine.store.url import open_store

PATIENCE = 30.0
"""Seconds that the admin API may take to answer."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a changer is told. `interval` is in seconds."""

    port: int
    seed: int
    changes: int
    interval: float
    store: str
    admin: int

    def command(self) -> list[str]:
        """The command that carries them out."""
        return [sys.executable, "-m", "benchmarks.reload.changer", json.dumps(asdict(self))]


@dataclass(frozen=True, slots=True)
class Done:
    """A change that was made: when, and what went wrong."""

    number: int
    began: float
    written: float
    problem: str | None = None


async def carry_out(orders: Orders) -> None:
    """Make all changes, one after another, and tell of each on standard output."""
    plan = make_plan(orders.port, seed=orders.seed, changes=orders.changes)
    admin = http.client.HTTPConnection(HOST, orders.admin, timeout=PATIENCE)
    async with open_store(orders.store) as store:
        start = monotonic()
        for change in plan:
            await asyncio.sleep(start + change.number * orders.interval - monotonic())
            began = monotonic()
            if change.how == "store":
                problem = await _write(store, change)
            else:
                problem = _patch(admin, change)
            done = Done(change.number, began, monotonic(), problem)
            print(json.dumps(asdict(done)), flush=True)
    admin.close()


async def _write(store: Store, change: Change) -> str | None:
    writes: list[Write] = [DeleteSpec(namespace=NAMESPACE, name=name) for name in change.deletes]
    writes += [PutSpec(parse_spec(document)) for document in change.puts]
    try:
        await store.apply(writes, author="benchmark")
    except WeirError as error:
        return error.value.text
    return None


def _patch(admin: http.client.HTTPConnection, change: Change) -> str | None:
    body = json.dumps(change.patches)
    try:
        admin.request("PATCH", "/v1/nodes", body, {"Content-Type": "application/json"})
        response = admin.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        admin.close()
        return f"PATCH: {type(error).__name__} {error}"
    if response.status == (400 if change.refused else 200):
        return None
    return f"PATCH: {response.status} {answer[:500].decode(errors='replace')}"


def main(arguments: Mapping[str, Any]) -> None:
    asyncio.run(carry_out(Orders(**arguments)))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
