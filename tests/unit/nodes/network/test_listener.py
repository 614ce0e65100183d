"""A listener, seen by its clients."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from datetime import timedelta

import pytest

from engine.errors import Code, DiagnosticsError, InvalidError, WeirError
from engine.flow import NONE
from engine.spec.schema import decode
from nodes.network.listener import CODEC, ListenerSpec


def echo(payload, process):
    return {"body": payload}


async def test_the_payload_of_a_request(world):
    client = await world.connect(await world.serve(echo))
    answer = await client.ask("/a%20b%2Fc?q=1&q=x+y&e", x_one="1", accept="*/*")
    assert answer.json == {
        "method": "GET",
        "scheme": "http",
        "host": "test",
        "path": "/a b%2Fc",
        "query": {"q": ["1", "x y"], "e": [""]},
        "protocol": "HTTP/1.1",
        "header": {"Host": ["test"], "X-One": ["1"], "Accept": ["*/*"]},
        "body": None,
        "remote": "127.0.0.1",
    }


async def test_a_header_that_comes_twice_is_a_list_of_two(world):
    client = await world.connect(await world.serve(echo))
    client.write("GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 1\r\nX-FORWARDED-FOR: 2\r\n\r\n")
    assert (await client.read()).json["header"]["X-Forwarded-For"] == ["1", "2"]


async def test_an_absolute_target_names_path_and_host(world):
    client = await world.connect(await world.serve(echo))
    payload = (await client.ask("http://other:80/x?y=1")).json
    assert (payload["host"], payload["path"], payload["query"]) == ("other:80", "/x", {"y": ["1"]})


@pytest.mark.parametrize(
    ("answer", "content_type", "body"),
    [
        (NONE, None, b""),
        ("text", "text/plain; charset=utf-8", b"text"),
        (b"\x00\xff", "application/octet-stream", b"\x00\xff"),
        ({"a": 1, "b": [1.5, None, True]}, "application/json", b'{"a":1,"b":[1.5,null,true]}'),
        ([], "application/json", b"[]"),
        (None, "application/json", b"null"),
        (12345678901234567890, "application/json", b"12345678901234567890"),
        ({"t": timedelta(seconds=65), "b": b"\x00"}, "application/json", b'{"t":"65s","b":"AA=="}'),
    ],
)
async def test_an_answer_that_is_no_response_is_the_body(world, answer, content_type, body):
    client = await world.connect(await world.serve(lambda payload, process: answer))
    got = await client.ask()
    assert (got.status, got["Content-Type"], got.body) == (200, content_type, body)
    assert got["Content-Length"] == str(len(body))


async def test_status_header_reason_and_cookies(world):
    response = {
        "status": 201,
        "reason": "Made It",
        "header": {"set-cookie": ["a=1", "b=2"], "X-Count": 3, "Content-Type": "text/html"},
        "body": "<p>",
    }
    client = await world.connect(await world.serve(lambda payload, process: response))
    got = await client.ask()
    assert (got.status, got.reason, got.body) == (201, "Made It", b"<p>")
    assert got.all("Set-Cookie") == ["a=1", "b=2"]
    assert got["X-Count"] == "3"
    assert got.all("Content-Type") == ["text/html"]


async def test_a_connection_serves_many_requests_and_pipelines(world):
    client = await world.connect(await world.serve(lambda payload, process: payload["path"]))
    client.write("".join(f"GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n" for n in range(50)))
    assert [(await client.read()).body.decode() for _ in range(50)] == [f"/{n}" for n in range(50)]


async def test_head_has_the_header_of_get_and_no_body(world):
    client = await world.connect(await world.serve(lambda payload, process: "hello"))
    head = await client.ask(method="HEAD")
    assert head["Content-Length"] == "5"
    assert (await client.ask()).body == b"hello"


async def test_http_1_0_is_closed_unless_it_asks_otherwise(world):
    node = await world.serve(lambda payload, process: payload["protocol"])
    client = await world.connect(node)
    client.write("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    first = await client.read()
    assert (first.body, first["Connection"]) == (b"HTTP/1.0", "keep-alive")
    client.write("GET / HTTP/1.0\r\n\r\n")
    assert (await client.read())["Connection"] == "close"
    assert await client.is_closed()


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_request_echoed_by_an_unlinked_port_is_a_whole_response(world, method):
    node = world.listener()
    await node.load()
    node.activate()
    client = await world.connect(node)
    got = await client.ask(method=method, body=b'{"a": 1}', content_type="application/json", cookie="secret=1")
    assert (got.status, got.json, got["Cookie"], got["Host"]) == (200, {"a": 1}, None, None)
    assert (await client.ask()).status == 200


# --- bodies


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", b'{"n": 12345678901234567890, "f": 1.0}', {"n": 12345678901234567890, "f": 1.0}),
        ("application/problem+json; charset=utf-8", b"[1]", [1]),
        ("application/x-www-form-urlencoded", b"a=1&a=2&b=%C3%A4", {"a": ["1", "2"], "b": ["ä"]}),
        ("text/plain; charset=latin-1", b"\xe4", "ä"),
        ("text/plain", "ä".encode(), "ä"),
        ("application/json", b"", None),
    ],
)
async def test_bodies_are_decoded(world, content_type, body, expected):
    seen = []
    node = await world.serve(lambda payload, process: seen.append(payload["body"]))
    await (await world.connect(node)).ask(method="POST", body=body, content_type=content_type)
    assert seen == [expected]


async def test_a_chunked_body(world):
    client = await world.connect(await world.serve(lambda payload, process: payload["body"]))
    client.write(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n3\r\nabc\r\n"
    )
    client.write("2\r\nde\r\n0\r\n\r\n")
    assert (await client.read()).body == b"abcde"


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_compressed_body(world, coding, pack):
    client = await world.connect(await world.serve(lambda payload, process: [payload["body"], payload["header"]]))
    got = await client.ask(method="POST", body=pack(b"hello"), content_type="text/plain", content_encoding=coding)
    body, header = got.json
    assert body == "hello"
    assert "Content-Encoding" not in header


async def test_a_bomb_is_refused(world):
    client = await world.connect(await world.serve(echo, body_limit="64KB"))
    bomb = gzip.compress(bytes(10_000_000))
    assert len(bomb) < 64_000
    got = await client.ask(method="POST", body=bomb, content_encoding="gzip")
    assert (got.status, got.json["code"]) == (413, "too_large")


async def test_a_body_beyond_the_limit_is_refused_before_it_has_come(world):
    client = await world.connect(await world.serve(echo, body_limit=10))
    client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n")
    got = await client.read()
    assert (got.status, got["Connection"]) == (413, "close")


@pytest.mark.parametrize("end", ["", "0\r\n\r\n"])
async def test_a_chunked_body_beyond_the_limit_is_refused(world, end):
    client = await world.connect(await world.serve(echo, body_limit=10))
    client.write("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + "6\r\nabcdef\r\n" * 2 + end)
    assert (await client.read()).status == 413


@pytest.mark.parametrize("handler", ["error", "none"])
async def test_malformed_json_is_an_error_packet(world, handler):
    seen = []

    def on_error(error, process):
        seen.append(error)
        return {"status": 422, "body": error.text}

    node = await world.serve(echo, on_error=on_error if handler == "error" else None)
    got = await (await world.connect(node)).ask(method="POST", body=b'{"a"}', content_type="application/json")
    text = "invalid argument: malformed JSON at line 1 column 5: Expecting ':' delimiter"
    if handler == "error":
        assert (got.status, got.body.decode()) == (422, text)
        assert seen[0].says("invalid argument")
    else:
        assert (got.status, got["Content-Type"]) == (400, "application/problem+json")
        assert got.json == {
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": text,
            "code": "invalid",
        }


async def test_an_unknown_content_coding_is_415(world):
    client = await world.connect(await world.serve(echo))
    got = await client.ask(method="POST", body=b"x", content_encoding="br")
    assert got.status == 415
    assert (await client.ask()).status == 200


async def test_expect_continue(world):
    client = await world.connect(await world.serve(lambda payload, process: payload["body"]))
    client.write(
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n"
    )
    assert (await client.read()).status == 100
    client.write("ok")
    assert (await client.read()).body == b"ok"


async def test_expect_continue_of_a_body_too_large_is_refused_at_once(world):
    client = await world.connect(await world.serve(echo, body_limit=1))
    client.write("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert (await client.read()).status == 413


async def test_a_body_that_stalls_is_408(world, monkeypatch):
    monkeypatch.setattr("nodes.network.connection.STALL_TIMEOUT", 0)
    client = await world.connect(await world.serve(echo))
    client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
    assert (await client.read()).status == 408


async def test_a_head_that_stalls_ends_the_connection(world, monkeypatch):
    monkeypatch.setattr("nodes.network.connection.HEAD_TIMEOUT", 0)
    client = await world.connect(await world.serve(echo))
    client.write("GET / HT")
    assert (await client.read()).status == 408
    assert await client.is_closed()


# --- what is no HTTP


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("NONSENSE\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: " + "x" * 20_000 + "\r\n\r\n", 431),
        ("GET /" + "x" * 20_000 + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        ("GET / HTTP/1.1\r\nHost: a\r\n" + "X: 1\r\n" * 200 + "\r\n", 431),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ],
)
async def test_what_is_no_request_is_refused_and_the_listener_lives(world, request_, status):
    node = await world.serve(echo)
    client = await world.connect(node)
    client.write(request_)
    got = await client.read()
    assert (got.status, got["Content-Type"]) == (status, "application/problem+json")
    assert await client.is_closed()
    assert (await (await world.connect(node)).ask()).status == 200


# --- errors


@pytest.mark.parametrize(
    ("code", "status"),
    [(Code.NOT_FOUND, 404), (Code.CONFLICT, 409), (Code.LIMIT, 429), (Code.UNAVAILABLE, 503), (Code.INTERNAL, 500)],
)
async def test_an_error_is_a_problem_with_the_status_of_its_code(world, code, status):
    def fail(payload, process):
        raise WeirError("what happened", code=code)

    client = await world.connect(await world.serve(fail))
    got = await client.ask(x_request_id="abc")
    assert (got.status, got["Content-Type"], got["X-Request-Id"]) == (status, "application/problem+json", "abc")
    if status == 500:
        assert "what happened" not in got.body.decode()
        assert got.json["id"] == "abc"
    else:
        assert got.json["detail"] == "what happened"
    [(level, fields)] = world.log.of("process.failed")
    assert level == ("error" if status >= 500 else "warning")
    assert (fields["code"], fields["message"], fields["request"]) == (code.label, "what happened", "abc")


async def test_development_mode_tells_details(world):
    world.settings = type(world.settings)(development=True)

    def fail(payload, process):
        raise ValueError("secret")

    got = await (await world.connect(await world.serve(fail))).ask()
    assert (got.status, got.json["detail"]) == (500, "secret")
    [(_, fields)] = world.log.of("process.failed")
    assert "ValueError: secret" in fields["details"]
    assert fields["place"] == "flow.yaml:3:1"


async def test_an_error_of_the_error_port_is_the_problem(world):
    def fail(payload, process):
        raise InvalidError("first")

    def fail_again(error, process):
        raise WeirError("second", code=Code.CONFLICT)

    got = await (await world.connect(await world.serve(fail, on_error=fail_again))).ask()
    assert (got.status, got.json["detail"]) == (409, "second")
    assert len(world.log.of("process.failed")) == 1


async def test_an_error_that_the_error_port_handles_is_not_logged_as_a_failure(world):
    def fail(payload, process):
        raise InvalidError("first")

    got = await (await world.connect(await world.serve(fail, on_error=lambda error, process: "mended"))).ask()
    assert (got.status, got.body) == (200, b"mended")
    assert not world.log.of("process.failed")


@pytest.mark.parametrize(
    "response",
    [
        {"status": 99},
        {"status": "abc"},
        {"status": True},
        {"status": 600},
        {"header": {"X-A": "a\r\nSet-Cookie: evil=1"}},
        {"header": {"X A": "a"}},
        {"header": {"X\r\nEvil": "a"}},
        {"header": "text"},
        {"header": {"X": {"a": 1}}},
        {"header": {"Content-Type": "nonsense"}, "body": "x"},
        {"reason": "a\r\nb", "body": ""},
        {"status": 204, "body": "text"},
        {"header": {"Content-Encoding": "br"}, "body": "text"},
        "\ud800",
    ],
)
async def test_a_response_that_cannot_be_sent_is_500(world, response):
    client = await world.connect(await world.serve(lambda payload, process: response))
    got = await client.ask()
    assert (got.status, got["Content-Type"]) == (500, "application/problem+json")
    assert got["Set-Cookie"] is None
    assert len(world.log.of("process.failed")) == 1
    assert (await client.ask()).status == 500


@pytest.mark.parametrize("status", [204, 304])
async def test_a_response_without_a_body(world, status):
    client = await world.connect(await world.serve(lambda payload, process: {"status": status, "body": None}))
    got = await client.ask()
    assert (got.status, got["Content-Length"], got["Content-Type"]) == (status, None, None)
    assert (await client.ask()).status == status


# --- the process


@pytest.mark.parametrize(("status", "ended_well"), [(200, True), (302, True), (400, False), (500, False)])
async def test_the_outcome_is_settled_before_the_answer_is_out(world, status, ended_well):
    outcomes = []

    def action(payload, process):
        process.on_settle(outcomes.append)
        process.on_exit(outcomes.append)
        return {"status": status}

    got = await (await world.connect(await world.serve(action))).ask()
    assert got.status == status
    await world.idle()
    assert [outcome is None for outcome in outcomes] == [ended_well, ended_well]
    assert [level for level, _ in world.log.of("process.failed")] == ["warning"] * (status >= 500)


async def test_a_commit_that_fails_is_500(world):
    async def commit(error):
        raise WeirError("no commit", code=Code.CONFLICT)

    def action(payload, process):
        process.on_settle(commit)
        return "fine"

    got = await (await world.connect(await world.serve(action))).ask()
    assert got.status == 500
    [(_, fields)] = world.log.of("process.failed")
    assert fields["message"] == "the process could not be completed: no commit"


async def test_a_client_that_goes_away_cancels_its_process(world):
    entered, left, ended = asyncio.Event(), asyncio.Event(), []

    async def action(payload, process):
        process.on_exit(ended.append)
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    client = await world.connect(await world.serve(action))
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await entered.wait()
    client.writer.transport.abort()
    await left.wait()
    await world.idle()
    assert ended[0].code is Code.CANCELLED
    assert not world.log.of("process.failed")


async def test_a_client_that_goes_away_while_it_sends_has_no_process(world):
    seen = []
    client = await world.connect(await world.serve(lambda payload, process: seen.append(payload)))
    client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
    await world.until(lambda: any(each.reading for each in world.connections()))
    client.writer.transport.abort()
    await world.until(lambda: not world.connections())
    assert not seen
    assert not world.log.entries[1:], "a client that goes away is nobody's error"


async def test_a_client_that_does_not_read_is_cut_off(world, monkeypatch):
    monkeypatch.setattr("nodes.network.connection.STALL_TIMEOUT", 0.01)
    client = await world.connect(await world.serve(lambda payload, process: bytes(50_000_000)))
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await world.until(lambda: world.log.of("request.served"))
    await world.until(lambda: not world.connections())
    assert not world.generation.live


async def test_a_client_that_goes_away_does_not_tear_a_commit(world):
    entered, go, steps = asyncio.Event(), asyncio.Event(), []

    async def commit(error):
        steps.append(error)
        entered.set()
        await go.wait()
        steps.append("committed")

    def action(payload, process):
        process.on_settle(commit)
        process.on_exit(lambda error: steps.append("released"))
        return "ok"

    client = await world.connect(await world.serve(action))
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await entered.wait()
    [connection] = world.connections()
    client.writer.transport.abort()
    await world.until(lambda: connection.transport is None)
    assert steps == [None]
    go.set()
    await world.idle()
    assert steps == [None, "committed", "released"]


async def test_a_client_that_goes_after_the_answer_cancels_nothing(world):
    go, ended = asyncio.Event(), []

    def action(payload, process):
        child = process.fork()

        async def later():
            await go.wait()
            child.exit()

        ended.append(asyncio.ensure_future(later()))
        process.on_exit(ended.append)
        return "ok"

    client = await world.connect(await world.serve(action))
    assert (await client.ask()).status == 200
    await client.close()
    go.set()
    await world.idle()
    assert ended[1] is None


async def test_a_request_that_takes_too_long_is_504(world):
    async def action(payload, process):
        await asyncio.Event().wait()

    node = await world.serve(action, timeout=1, on_error=lambda error, process: "too late to handle")
    got = await (await world.connect(node)).ask()
    assert (got.status, got.json["code"]) == (504, "deadline")


async def test_the_request_id_of_the_client_is_kept_if_it_is_sane(world):
    seen = []
    node = await world.serve(lambda payload, process: seen.append(process.id))
    client = await world.connect(node)
    assert (await client.ask(x_request_id="abc-1"))["X-Request-Id"] == "abc-1"
    own = (await client.ask(x_request_id="a b"))["X-Request-Id"]
    assert own != "a b"
    assert seen[0] != "abc-1", "the id of a process is unique, whatever clients say"
    assert seen[1] == own


async def test_the_access_log(world):
    client = await world.connect(await world.serve(lambda payload, process: "12345"))
    await client.ask("/x?y=1", x_request_id="r")
    [(level, fields)] = world.log.of("request.served")
    assert fields.pop("duration_ms") >= 0
    assert level == "info"
    assert fields == {
        "method": "GET",
        "path": "/x",
        "status": 200,
        "bytes": 5,
        "remote": "127.0.0.1",
        "request": "r",
    }


async def test_without_an_access_log_nothing_is_written(world):
    world.settings = type(world.settings)(access_log=False)
    await (await world.connect(await world.serve(echo))).ask()
    assert not world.log.of("request.served")


# --- streams


async def test_a_stream_is_sent_chunk_by_chunk(world):
    async def pieces():
        yield b"one"
        yield b""
        yield "two"

    client = await world.connect(await world.serve(lambda payload, process: {"body": pieces()}))
    got = await client.ask()
    assert (got["Transfer-Encoding"], got.body) == ("chunked", b"onetwo")
    assert (await client.ask(method="HEAD")).status == 200
    client.write("GET / HTTP/1.0\r\n\r\n")
    assert (await client.read()).body == b"onetwo"


async def test_a_stream_that_fails_cuts_the_connection(world):
    async def pieces():
        yield b"one"
        raise WeirError("broken")

    client = await world.connect(await world.serve(lambda payload, process: pieces()))
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await client.ask()
    await world.idle()
    [(_, fields)] = world.log.of("process.failed")
    assert fields["message"] == "broken"


async def test_a_stream_that_fails_resets_a_client_that_has_no_chunks(world):
    async def pieces():
        yield b"one"
        raise WeirError("broken")

    client = await world.connect(await world.serve(lambda payload, process: pieces()))
    client.write("GET / HTTP/1.0\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        await client.read()


async def test_a_stream_that_nobody_reads_is_closed(world):
    closed = []

    class Stream:
        def __aiter__(self):
            return self

        async def __anext__(self):
            raise AssertionError("nobody asked for it")

        async def aclose(self):
            closed.append(True)

    client = await world.connect(await world.serve(lambda payload, process: Stream()))
    assert (await client.ask(method="HEAD")).status == 200
    assert closed


async def test_a_client_that_leaves_a_stream_closes_it(world):
    closed, first = asyncio.Event(), asyncio.Event()

    async def pieces():
        try:
            yield b"one"
            first.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    client = await world.connect(await world.serve(lambda payload, process: pieces()))
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await first.wait()
    client.writer.transport.abort()
    await closed.wait()
    await world.idle()


# --- the spec


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, ("port",)),
        ({"port": 70000}, ("port",)),
        ({"port": 1, "protocol": "gopher"}, ("protocol",)),
        ({"port": 1, "prot": "http"}, ("prot",)),
        ({"port": 1, "host": ""}, ("host",)),
    ],
)
def test_a_spec_that_is_wrong(fields, path):
    with pytest.raises(DiagnosticsError) as caught:
        decode(ListenerSpec, fields, kind="listener")
    assert [found.path for found in caught.value.diagnostics] == [path]


def test_the_codec_is_a_trigger_with_an_example_that_loads():
    import yaml

    example = yaml.safe_load(CODEC.example)
    for name in ("kind", "name", "ports"):
        example.pop(name)
    assert decode(CODEC.spec, example, kind="listener").port == 8000
    assert CODEC.trigger


async def test_a_head_that_stays_incomplete_is_refused_however_early_it_began(world, monkeypatch):
    monkeypatch.setattr("nodes.network.connection.HEAD_TIMEOUT", 0)
    node = await world.serve(lambda payload, process: "never")
    reader, writer = await asyncio.open_connection(*node.address)
    writer.write(b"GET /fa")  # before the server has had a turn
    assert b" 408 " in await reader.readline()
    writer.close()
    await writer.wait_closed()
