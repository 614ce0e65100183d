"""The router as a node."""

from __future__ import annotations

import pytest
import yaml

from engine.errors import DiagnosticsError, ErrorValue
from engine.flow import OneToOne, Process
from engine.spec.schema import decode
from nodes.network.router import CODEC, RouterSpec, compile_router


@pytest.fixture
def router(world):
    def make(*routes, ports=()):
        spec = decode(RouterSpec, {"routes": list(routes)}, kind="router")
        node = compile_router(spec, world.context("r", kind="router"))
        for index in ports:
            target = OneToOne()
            target.map(lambda payload, index=index: (index, payload["params"]))
            node.out_at(index).link(1, [target.input])
        return node

    return make


@pytest.fixture
def ask(world):
    async def ask(node, payload):
        process = Process(world.generation)
        answer = await process.ask(node.input, payload)
        process.exit()
        return answer

    return ask


def route(path, port=0, method="GET"):
    return {"method": method, "path": path, "port": f"out[{port}]"}


async def test_a_request_leaves_by_the_port_of_its_route(router, ask):
    node = router(route("/a"), route("/u/:id", 1), route("/b", 2, ["post", "PUT"]), ports=(0, 1, 2))
    assert await ask(node, {"method": "GET", "path": "/a"}) == (0, {})
    assert await ask(node, {"method": "HEAD", "path": "/a"}) == (0, {})
    assert await ask(node, {"method": "GET", "path": "/u/7"}) == (1, {"id": "7"})
    assert await ask(node, {"method": "PUT", "path": "/b"}) == (2, {})
    assert await ask(node, {"method": "post", "path": "/b"}) == (2, {})


async def test_the_payload_is_kept_and_never_changed(router, ask):
    request = {"method": "GET", "path": "/a", "body": [1]}
    assert await ask(router(route("/a")), request) == {**request, "params": {}}
    assert request == {"method": "GET", "path": "/a", "body": [1]}


@pytest.mark.parametrize("linked", [True, False])
async def test_what_has_no_route_is_an_ordinary_response(router, ask, linked):
    node, seen = router(route("/a"), route("/a", 1, "POST")), []
    if linked:
        target = OneToOne()
        target.map(lambda payload: seen.append(payload) or payload)
        node.error.link(1, [target.input])
    missing = await ask(node, {"method": "GET", "path": "/x"})
    assert missing == {
        "status": 404,
        "header": {"Content-Type": ["application/problem+json"]},
        "body": {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no route for GET /x"},
    }
    refused = await ask(node, {"method": "DELETE", "path": "/a"})
    assert (refused["status"], refused["header"]["Allow"]) == (405, ["GET, HEAD, OPTIONS, POST"])
    options = await ask(node, {"method": "OPTIONS", "path": "/a"})
    assert options == {"status": 204, "header": {"Allow": ["GET, HEAD, OPTIONS, POST"]}}
    assert len(seen) == (3 if linked else 0)


async def test_a_route_for_options_goes_before_the_automatic_answer(router, ask):
    node = router(route("/a"), route("/a", 1, "OPTIONS"), ports=(0, 1))
    assert await ask(node, {"method": "OPTIONS", "path": "/a"}) == (1, {})


@pytest.mark.parametrize(
    "payload", [None, "text", {"method": "GET"}, {"path": 1}, {"path": "/a", "method": ["GET"]}, [1]]
)
async def test_what_is_no_request_is_an_error(router, ask, payload):
    answer = await ask(router(route("/a")), payload)
    assert isinstance(answer, ErrorValue)
    assert answer.says("invalid argument")


@pytest.mark.parametrize(
    ("routes", "path"),
    [
        ([], ("routes",)),
        ([route("/a"), route("/a")], ("routes", 1, "path")),
        ([route("a")], ("routes", 0, "path")),
        ([{"method": "GET", "path": "/a", "port": "error"}], ("routes", 0, "port")),
        ([route("/a", 0, "G T")], ("routes", 0, "method")),
        ([route("/a", 0, [])], ("routes", 0, "method")),
    ],
)
def test_a_bad_route_is_a_compile_error_with_its_place(router, routes, path):
    with pytest.raises(DiagnosticsError) as caught:
        router(*routes)
    assert [found.path for found in caught.value.diagnostics] == [path]


def test_the_example_of_the_codec_compiles(world):
    example = yaml.safe_load(CODEC.example)
    spec = decode(CODEC.spec, {"routes": example["routes"]}, kind="router")
    assert CODEC.compile(spec, world.context(kind="router")).routes.find("PUT", "/items")


async def test_over_http(world, router):
    node = await world.serve(lambda payload, process: None)
    node.out.link(world.generation.number, [router(route("/a/:b")).input])
    client = await world.connect(node)
    assert (await client.ask("/nothing")).json["detail"] == "no route for GET /nothing"
    assert (await client.ask("/a/1", method="DELETE"))["Allow"] == "GET, HEAD, OPTIONS"
    assert (await client.ask("/a/1", method="OPTIONS")).status == 204
    assert (await client.ask("/a/1", method="HEAD")).status == 200
