"""`router`: sends a request on by its method and path, and adds the path's parameters as `params`.

What no route fits is answered as a server answers it: 404, 405 with `Allow`, and `OPTIONS` with 204 and `Allow`. These
are ordinary HTTP responses and no errors. They leave by `error`, or go back to whoever asked where that has no link.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from engine.errors import InvalidError
from engine.flow import OneToMany, OutPort, Process
from engine.flow.node import MAX_INDEX, split_name
from engine.graph.context import Context
from engine.graph.scheme import Codec
from engine.spec.fields import PortName
from engine.spec.schema import NodeSpec
from nodes.network.problem import MEDIA_TYPE, problem
from nodes.network.routes import ANY, PatternError, Routes


class Route(NodeSpec):
    """One route."""

    method: str | tuple[str, ...] = Field(ANY, examples=["GET", ["GET", "POST"], "*"])
    """The method, several of them, or `*` for all. A route for GET answers HEAD, too."""
    path: str = Field(examples=["/items/:id", "/static/*"])
    """The path. `:name` takes one segment, `*` at the end takes the rest, `\\:` is a plain colon."""
    port: PortName = Field(examples=["out[0]"])
    """The out port that the request leaves by."""


class RouterSpec(NodeSpec):
    """The routes of a router. Fixed text goes before a parameter, a parameter before the wildcard."""

    routes: tuple[Route, ...] = Field(examples=[[{"method": "GET", "path": "/items/:id", "port": "out[0]"}]])
    """The routes; their order does not matter."""


class Router(OneToMany):
    """The node."""

    def __init__(self) -> None:
        super().__init__()
        self.routes: Routes[OutPort] = Routes()
        self._static = self.routes.static

    def action(self, payload: Any, process: Process) -> tuple[OutPort, Any]:
        """Find the route of a request.

        Raises :class:`~engine.errors.InvalidError` for a payload that is no request.
        """
        try:
            return self._static[payload["path"]][payload["method"]], {**payload, "params": {}}
        except (KeyError, TypeError, IndexError):
            return self._search(payload)

    def _search(self, payload: Any) -> tuple[OutPort, Any]:
        path = payload.get("path") if isinstance(payload, Mapping) else None
        method = payload.get("method", "GET") if isinstance(payload, Mapping) else None
        if not isinstance(path, str) or not isinstance(method, str):
            raise InvalidError("a router takes a request, a map with `method` and `path`")
        method = method.upper()
        found = self.routes.find(method, path)
        if found is not None:
            port, params = found
            return port, {**payload, "params": params}
        allowed = self.routes.allowed(path)
        if not allowed:
            return self.error, _refusal(404, f"no route for {method} {path}")
        if method == "OPTIONS":
            return self.error, {"status": 204, "header": {"Allow": [", ".join(allowed)]}}
        return self.error, _refusal(405, f"no route for {method} {path}, only for {', '.join(allowed)}", allowed)


def _refusal(status: int, detail: str, allowed: list[str] | None = None) -> dict[str, Any]:
    header = {"Content-Type": [MEDIA_TYPE]}
    if allowed:
        header["Allow"] = [", ".join(allowed)]
    return {"status": status, "header": header, "body": problem(status, detail)}


def compile_router(spec: RouterSpec, ctx: Context) -> Router:
    """The node of a spec. Raises what is wrong with a route, with its place."""
    if not spec.routes:
        raise ctx.invalid("a router needs at least one route", path=("routes",))
    router = Router()
    for index, route in enumerate(spec.routes):
        methods = (route.method,) if isinstance(route.method, str) else route.method
        port = _port(router, route.port)
        if port is None:
            raise ctx.invalid(
                f"a router has no port {route.port!r}",
                path=("routes", index, "port"),
                hint="its ports are out[0], out[1], …",
            )
        if not methods:
            raise ctx.invalid(
                "a route needs a method", path=("routes", index, "method"), hint="write GET, or * for all"
            )
        for method in methods:
            if not (method == ANY or method.isalpha() or method.replace("-", "").isalnum()):
                raise ctx.invalid(
                    f"{method!r} is no method", path=("routes", index, "method"), hint="write GET, or * for all"
                )
            try:
                router.routes.add(method.upper(), route.path, port)
            except PatternError as error:
                raise ctx.invalid(str(error), path=("routes", index, "path"), hint=error.hint) from None
    return router


def _port(router: Router, name: str) -> OutPort | None:
    base, index = split_name(name)
    return router.out_at(index or 0) if base == "out" and (index or 0) <= MAX_INDEX else None


CODEC = Codec(
    kind="router",
    spec=RouterSpec,
    compile=compile_router,
    family="network",
    summary="Sends a request on by its method and path.",
    example="""
kind: router
name: router
routes:
  - {method: GET, path: /items/:id, port: 'out[0]'}
  - {method: [POST, PUT], path: /items, port: 'out[1]'}
ports:
  out[0]:
    - {name: read, port: in}
  out[1]:
    - {name: write, port: in}
""".lstrip(),
)
