"""The admin API over real HTTP, as its users and those who mean ill meet it: preconditions, bad queries, foreign pages."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
from urllib.parse import quote

import pytest

WEIR = [sys.executable, "-m", "engine.cli"]
PROBLEM = "application/problem+json"
JSON = {"Content-Type": "application/json"}


def snippet(name="hello", code="one", **more):
    return {"kind": "snippet", "name": name, "language": "text", "code": code, **more}


def value(name="hello", data="one", **more):
    return {"name": name, "data": data, **more}


def token(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.fixture
def daemon(start):
    return start().started()


@pytest.fixture
def send(daemon, http):
    """`send("PUT", "/v1/nodes", body, If_Match='"1"')`; every error must be a problem document."""

    def request(method, path, body=..., **headers):
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        answer = http(daemon.admin + path, body, method=method, headers=named)
        if answer.status >= 400 and method != "HEAD":
            assert answer.headers["Content-Type"] == PROBLEM, (method, path, answer.status)
            assert answer.json["status"] == answer.status
        return answer

    return request


# --- pages of others


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:3000"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Origin": "{own}", "Sec_Fetch_Site": "cross-site"},
]


def test_a_page_of_another_site_changes_nothing(daemon, send):
    for code in ("one", "two"):
        send("PUT", "/v1/nodes", snippet(code=code))
    before = send("GET", "/v1/nodes").json
    requests = [
        ("POST", "/v1/nodes/default/hello/rollback", ...),
        ("POST", "/v1/nodes", snippet("new")),
        ("PUT", "/v1/nodes", snippet()),
        ("PATCH", "/v1/nodes", {"name": "hello", "code": "x"}),
        ("DELETE", "/v1/nodes?name=hello", ...),
        ("DELETE", "/v1/processes/x", ...),
        ("PUT", "/v1/values", value()),
    ]
    for headers in FOREIGN:
        sent = {name: text.format(own=daemon.admin) for name, text in headers.items()}
        for method, path, body in requests:
            answer = send(method, path, body, **sent)
            assert (answer.status, answer.json["code"]) == (403, "forbidden"), (method, path, sent)
    assert send("GET", "/v1/nodes").json == before


def test_a_page_of_its_own_and_no_page_at_all_may_change_something(daemon, send):
    for code in ("one", "two", "three"):
        send("PUT", "/v1/nodes", snippet(code=code))
    path = "/v1/nodes/default/hello/rollback"
    assert send("POST", path).json["code"] == "two"
    assert send("POST", path, Origin=daemon.admin, Sec_Fetch_Site="same-origin").json["code"] == "three"
    assert send("POST", path, Sec_Fetch_Site="none").json["code"] == "two"


def test_a_foreign_page_cannot_read_answers(send):
    for method in ("GET", "HEAD", "OPTIONS"):
        answer = send(method, "/v1/nodes", Origin="https://evil.example", Access_Control_Request_Method="PUT")
        assert answer.status in (200, 204)
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_a_name_of_somebody_else_is_refused(daemon):
    for host in (
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example:8585",
        "",
        "a@127.0.0.1",
    ):
        with socket.create_connection(("127.0.0.1", daemon.admin_port)) as client:
            client.sendall(f"GET /v1/nodes HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.split()[1] in (b"421", b"400"), host


@pytest.mark.parametrize("path", ["/v1/nodes", "/v1/values"])
def test_a_body_that_is_no_json_is_refused(send, path):
    body = json.dumps(snippet() if path == "/v1/nodes" else value()).encode()
    for media in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/octet-stream",
    ):
        content = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--\r\n" if "multi" in media else body
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = send(method, path, content, Content_Type=media)
            assert (answer.status, answer.json["code"]) == (415, "unsupported_media"), (method, media)
    assert send("GET", path).json == []
    for media in ("application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"):
        assert send("PUT", path, body, Content_Type=media).status == 200


# --- preconditions


@pytest.mark.parametrize(("path", "make"), [("/v1/nodes", snippet), ("/v1/values", value)])
def test_put_with_if_match(send, path, make):
    field = "code" if path == "/v1/nodes" else "data"
    first = send("POST", path, make())
    assert first.status == 201
    revision = first.json["revision"]
    assert first.headers["ETag"] == f'"{revision}"'

    second = send("PUT", path, make(**{field: "two"}), If_Match=f'"{revision}"')
    assert (second.status, second.json[field]) == (200, "two" if field == "code" else "***")
    now = second.json["revision"]
    assert second.headers["ETag"] == f'"{now}"'

    for method, body in (("PUT", make(**{field: "three"})), ("PATCH", {"name": "hello", field: "three"})):
        stale = send(method, path, body, If_Match=f'"{revision}"')
        assert (stale.status, stale.json["code"]) == (412, "precondition")
        assert f"revision {revision}" in stale.json["detail"]
        assert f"revision {now}" in stale.json["detail"]
        conflict = send(method, path, {**body, "revision": revision})
        assert (conflict.status, conflict.json["code"]) == (409, "conflict")
        assert f"revision {revision}" in conflict.json["detail"]
        assert f"revision {now}" in conflict.json["detail"]
    # Says nothing new, and is refused all the same: its writer has not seen what is there.
    assert send("PUT", path, make(**{field: "two"}), If_Match=f'"{revision}"').status == 412
    assert send("DELETE", f"{path}?name=hello", If_Match=f'"{revision}"').status == 412
    assert send("GET", f"{path}?name=hello").json == [second.json]
    assert send("GET", f"{path}?name=hello").headers["ETag"] == f'"{now}"'
    assert send("DELETE", f"{path}?name=hello", If_Match=f'"{now}"').status == 200
    assert send("GET", path).json == []


@pytest.mark.parametrize(("path", "make"), [("/v1/nodes", snippet), ("/v1/values", value)])
def test_put_only_what_is_there_or_only_what_is_new(send, path, make):
    assert send("PUT", path, make(), If_Match="*").status == 412
    assert send("PUT", path, make(), If_Match='"7"').status == 412
    assert send("DELETE", f"{path}?name=hello", If_Match="*").status == 412
    assert send("GET", path).json == []
    assert send("PUT", path, make(), If_None_Match="*").status == 200
    refused = send("PUT", path, make(), If_None_Match="*")
    assert refused.status == 412
    assert "is at revision" in refused.json["detail"]
    assert send("PUT", path, make(labels={"a": "b"}), If_Match="*").status == 200
    assert send("DELETE", f"{path}?name=hello", If_Match="*").status == 200


@pytest.mark.parametrize(("path", "make"), [("/v1/nodes", snippet), ("/v1/values", value)])
def test_preconditions_that_mean_nothing(send, path, make):
    send("PUT", path, [make("a"), make("b")])
    cases = [
        ("POST", path, make("c"), {"If_Match": '"1"'}),
        ("POST", path, make("c"), {"If_Match": "*"}),
        ("POST", path, make("c"), {"If_None_Match": "*"}),
        ("PUT", path, [make("a"), make("b")], {"If_Match": '"1"'}),
        ("PUT", path, make("a"), {"If_Match": "*", "If_None_Match": "*"}),
        ("PUT", path, make("a"), {"If_None_Match": '"1"'}),
        ("PUT", path, make("a"), {"If_Match": '"1", "2"'}),
        ("PUT", path, make("a"), {"If_Match": ""}),
        ("PATCH", path, {"name": "a"}, {"If_Match": "\u00b2"}),
        ("PATCH", path, {"name": "a"}, {"If_Match": '"abc"'}),
        ("PATCH", path, {"name": "a"}, {"If_Match": f'"{"9" * 5000}"'}),
        ("DELETE", f"{path}?namespace=default", ..., {"If_Match": "*"}),
        ("DELETE", f"{path}?name=a", ..., {"If_None_Match": "*"}),
    ]
    for method, where, body, headers in cases:
        answer = send(method, where, body, **headers)
        assert (answer.status, answer.json["code"]) == (400, "invalid"), (method, headers)
    assert [item["name"] for item in send("GET", path).json] == ["a", "b"]


def test_rollback_with_if_match(send):
    revisions = [send("PUT", "/v1/nodes", snippet(code=code)).json["revision"] for code in ("one", "two")]
    path = "/v1/nodes/default/hello/rollback"
    stale = send("POST", path, If_Match=f'"{revisions[0]}"')
    assert (stale.status, stale.json["code"]) == (412, "precondition")
    assert all(f"revision {revision}" in stale.json["detail"] for revision in revisions)
    assert send("POST", path, If_None_Match="*").status == 412
    assert send("POST", f"{path}?to={revisions[0]}", If_Match=f'"{revisions[1]}"').json["code"] == "one"


# --- queries and bodies that are wrong


def test_no_mistake_of_a_client_is_an_internal_error(send):
    send("PUT", "/v1/nodes", [snippet(), snippet("other")])
    send("PUT", "/v1/values", value())
    here = send("GET", "/v1/nodes").json
    rollback, revisions = "/v1/nodes/default/hello/rollback", "/v1/nodes/default/hello/revisions"
    cases = [
        ("GET", f"{revisions}?limit=abc", ...),
        ("GET", f"{revisions}?limit=0", ...),
        ("GET", f"{revisions}?limit=-1", ...),
        ("GET", f"{revisions}?limit=", ...),
        ("GET", f"{revisions}?limit=1&limit=2", ...),
        ("GET", f"{revisions}?limit={'9' * 30}", ...),
        ("GET", f"{revisions}?limti=1", ...),
        ("POST", f"{rollback}?to=abc", ...),
        ("POST", f"{rollback}?to=1.5", ...),
        ("POST", f"{rollback}?to=%C2%B2", ...),
        ("POST", f"{rollback}?revision=1", ...),
        ("POST", rollback, {"to": 1}),
        ("GET", "/v1/instances?namspace=x", ...),
        ("DELETE", "/v1/nodes", None),
        ("DELETE", "/v1/nodes", {}),
        ("DELETE", "/v1/nodes", [{}]),
        ("DELETE", "/v1/nodes", {"labels": {}}),
        ("DELETE", "/v1/nodes", {"filter": None}),
        ("DELETE", "/v1/nodes", {"filter": [{"name": "hello"}]}),
        ("DELETE", "/v1/nodes?name=hello", {"name": "other"}),
        ("DELETE", "/v1/nodes?namespace=default&nmae=hello", ...),
        ("DELETE", "/v1/nodes?name=", ...),
        ("DELETE", "/v1/nodes?message=why", ...),
        ("DELETE", "/v1/nodes", [{"name": "\ud800"}]),
        ("DELETE", "/v1/nodes", [{"name": 1}]),
        ("DELETE", "/v1/nodes", "hello"),
        ("PATCH", "/v1/nodes", {"code": "x"}),
        ("PATCH", "/v1/nodes", {"name": "\ud800", "code": "x"}),
        ("PATCH", "/v1/nodes", {"name": ["hello"], "code": "x"}),
        ("PATCH", "/v1/nodes", [{"name": "hello"}, {"name": "hello"}]),
        ("PATCH", "/v1/nodes", {"name": "hello", "nonsense": 1}),
        ("PATCH", "/v1/nodes", {"name": "hello", "kind": None}),
        ("PATCH", "/v1/nodes", {"name": "hello", "revision": -1}),
        ("POST", "/v1/nodes?mesage=x", snippet("new")),
        ("POST", "/v1/nodes?message=a&message=b", snippet("new")),
        ("POST", "/v1/nodes?outcomes=maybe", snippet("new")),
        ("POST", "/v1/nodes", None),
        ("POST", "/v1/nodes", ...),
        ("POST", "/v1/nodes", [None]),
        ("POST", "/v1/nodes", {"items": [snippet("new")], "delete": [{"id": "x"}]}),
        ("PUT", "/v1/nodes", {"items": [snippet("new")], "dry_run": True}),
        ("PUT", "/v1/nodes", {"items": [snippet("new")], "delete": [{"name": "x"}]}),
        ("PUT", "/v1/nodes", {"items": [snippet("new")], "delete": {"id": "x"}}),
        ("POST", "/v1/nodes", b"{bad"),
        ("POST", "/v1/nodes", snippet("\ud800")),
        ("POST", "/v1/nodes", snippet("new", namespace="\ud800")),
        ("POST", "/v1/nodes", snippet("new", id="no uuid")),
        (
            "POST",
            "/v1/nodes",
            b'{"kind": "snippet", "name": "new", "language": "text", "code": "x", "revision": 1e400}',
        ),
        *[
            ("POST", "/v1/nodes", json.dumps(snippet("new", annotations={"a": "?"})).encode().replace(b'"?"', deep))
            for deep in (b"[" * depth + b"]" * depth for depth in (200, 300, 900, 5000, 100_000))
        ],
        *[
            ("POST", "/v1/values", b'{"name": "new", "data": ' + b"[" * depth + b"]" * depth + b"}")
            for depth in (300, 900, 5000, 100_000)
        ],
    ]
    for path in ("/v1/nodes", "/v1/values"):
        cases += [
            ("GET", f"{path}?{query}", ...)
            for query in (
                "label=a=1&label=a=2",
                "label=novalue",
                "label==x",
                "label=",
                "name=a&name=b",
                "nmae=a",
                "limit=abc",
                "limit=0",
                "limit=1e3",
                "limit=%D9%A1",
                "continue=",
                "continue=garbage",
                f"continue={token('[1, 2, 3]')}",
                f"continue={token(json.dumps(['a', 'b']))}",
                f"continue={token(json.dumps([chr(0xD800), 'a', 'b']))}",
                f"continue={token('[' * 5000)}",
                f"continue={quote(chr(0xE9))}",
            )
        ]
    wrong = []
    for method, path, body in cases:
        answer = send(method, path, body, **({"Content_Type": "application/json"} if isinstance(body, bytes) else {}))
        if answer.status != 400 or answer.json["code"] != "invalid" or "invalid argument" not in answer.json["detail"]:
            wrong.append((method, path[:100], str(body)[:80], answer.status, answer.text[:200]))
    assert wrong == []
    assert send("GET", "/v1/nodes").json == here


def test_what_is_not_there_is_a_404(send):
    for method, path, body in (
        ("PATCH", "/v1/nodes", {"name": "nobody", "code": "x"}),
        ("PATCH", "/v1/nodes", {"id": "0190d3a5-0000-7000-8000-000000000001", "code": "x"}),
        ("PATCH", "/v1/values", {"name": "nobody", "data": "x"}),
        ("GET", "/v1/nodes/default/nobody/revisions", ...),
        ("POST", "/v1/nodes/default/nobody/rollback", ...),
        ("POST", "/v1/nodes/default/nobody/rollback?to=1", ...),
        ("DELETE", "/v1/processes/none", ...),
        ("GET", "/v1/nothing", ...),
    ):
        assert send(method, path, body).status == 404, (method, path)
    assert send("DELETE", "/v1/nodes?name=nobody").json == []


def test_other_statuses(send):
    send("PUT", "/v1/nodes", snippet())
    again = send("POST", "/v1/nodes", snippet())
    assert (again.status, again.json["code"]) == (409, "conflict")
    assert send("PATCH", "/v1/nodes/default", {}).status == 404
    assert send("PATCH", "/v1/instances", {}).status == 405
    [head] = [send("HEAD", "/v1/nodes?name=hello")]
    assert (head.status, head.content) == (200, b"")
    assert head.headers["ETag"] == send("GET", "/v1/nodes?name=hello").headers["ETag"]
    assert send("GET", "/livez").text == "ok\n"


def test_all_mistakes_are_told_with_their_place(send):
    answer = send("POST", "/v1/nodes", [snippet("fine"), {"kind": 7}, {"kind": "snippet", "cod": "x"}])
    assert answer.status == 400
    assert [error["path"][0] for error in answer.json["errors"]] == [1]
    answer = send("PUT", "/v1/nodes", [snippet("fine"), snippet("bad", cod="x"), snippet("worse", language="klingon")])
    assert {"code", "path", "line", "column", "message", "hint"} <= answer.json["errors"][0].keys()
    assert len(answer.json["errors"]) >= 2
    assert send("GET", "/v1/nodes").json == []


# --- listings


@pytest.mark.parametrize(("path", "make"), [("/v1/nodes", snippet), ("/v1/values", value)])
def test_all_pages_of_a_listing(send, path, make):
    names = [f"n{index}" for index in range(7)]
    send("PUT", path, [make(name, labels={"odd": str(int(name[1]) % 2), "all": "a=b"}) for name in names])
    for size in (1, 3, 7, 8):
        found, after = [], ""
        while True:
            page = send("GET", f"{path}?namespace=default&limit={size}{after}").json
            found += [item["name"] for item in page["items"]]
            assert len(page["items"]) <= size
            if page["continue"] is None:
                break
            after = f"&continue={page['continue']}"
        assert found == names
    assert [item["name"] for item in send("GET", f"{path}?label=odd=1&label=all=a%3Db").json] == ["n1", "n3", "n5"]
    assert send("GET", f"{path}?label=odd=1&label=odd=1&limit=9").json["continue"] is None
    assert len(send("DELETE", f"{path}?label=odd=1").json) == 3
    assert len(send("DELETE", path, [{"name": "n0"}, {"name": "n2"}]).json) == 2
    assert [item["name"] for item in send("GET", path).json] == ["n4", "n6"]


def test_history_and_messages(send):
    send("PUT", "/v1/nodes?message=first", snippet())
    send("PATCH", "/v1/nodes?message=second", {"name": "hello", "code": "two"})
    send("DELETE", "/v1/nodes?name=hello&message=third")
    history = send("GET", "/v1/nodes/default/hello/revisions").json
    assert [(entry["action"], entry["message"]) for entry in history] == [
        ("delete", "third"),
        ("put", "second"),
        ("put", "first"),
    ]
    assert len(send("GET", "/v1/nodes/default/hello/revisions?limit=2").json) == 2
    assert send("POST", "/v1/nodes/default/hello/rollback").json["code"] == "two"


def test_rollback_to_what_an_earlier_spec_of_that_name_said(send):
    old = send("PUT", "/v1/nodes", snippet()).json
    send("DELETE", "/v1/nodes?name=hello")
    new = send("PUT", "/v1/nodes", snippet(code="two")).json
    assert new["id"] != old["id"]
    back = send("POST", f"/v1/nodes/default/hello/rollback?to={old['revision']}&message=sorry").json
    assert (back["id"], back["code"]) == (new["id"], "one")
    assert send("GET", "/v1/nodes/default/hello/revisions?limit=1").json[0]["message"] == "sorry"


# --- the command line through it


@pytest.fixture
def weir(tmp_path, daemon):
    def run(*words, file=None):
        if file is not None:
            (tmp_path / "file.yaml").write_text(json.dumps(file))
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("WEIR_", "XDG_"))}
        result = subprocess.run(
            [*WEIR, *words, "--server", daemon.admin],
            cwd=tmp_path,
            env=kept | {"HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()

    return run


@pytest.mark.parametrize(
    ("resource", "path", "make"), [("specs", "/v1/nodes", snippet), ("values", "/v1/values", value)]
)
def test_apply_tells_what_became_of_each(weir, send, resource, path, make):
    kind, field = ("snippet", "code") if resource == "specs" else ("value", "data")

    def apply(*items):
        lines = weir("apply", resource, "-f", "file.yaml", file=list(items))
        return [line.removeprefix(f"{kind}/") for line in lines]

    assert apply(make("b"), make("a")) == ["b created", "a created"]
    assert apply(make("b"), make("a")) == ["b unchanged", "a unchanged"]
    send("DELETE", f"{path}?name=b")
    assert apply(make("c"), make("b"), make("a", "two")) == ["c created", "b created", "a configured"]
    send("PATCH", path, {"name": "a", field: "three"})
    send("DELETE", f"{path}?name=c")
    assert apply(make("a", "two"), make("b"), make("c")) == ["a configured", "b unchanged", "c created"]
    # With ids and revisions, as `get -o json` gives them, also of what is not there any more.
    kept = send("GET", path if resource == "specs" else f"{path}?reveal=true").json
    send("DELETE", f"{path}?name=a")
    assert apply(*kept) == ["a created", "b unchanged", "c unchanged"]
    kept[1][field] = "new"
    assert apply(*kept) == ["a unchanged", "b configured", "c unchanged"]


def test_put_tells_what_became_of_each(send):
    send("PUT", "/v1/nodes", [snippet("a"), snippet("b")])
    answer = send("PUT", "/v1/nodes?outcomes=true", [snippet("c"), snippet("b", "two"), snippet("a")]).json
    assert [(each["action"], each["item"]["name"]) for each in answer] == [
        ("created", "c"),
        ("configured", "b"),
        ("unchanged", "a"),
    ]
    assert send("PUT", "/v1/nodes?outcomes=true", snippet("a")).json["action"] == "unchanged"


def test_errors_of_a_list_say_which_spec_they_are_about(start, http):
    daemon = start().started()
    bad = [{"kind": "nop", "name": "p1", "zzz": 1}, {"kind": "snippet", "name": "p2", "code": "1 +"}]
    answer = http(f"{daemon.admin}/v1/nodes", bad)
    assert answer.status == 400
    assert [error["path"] for error in answer.json["errors"]] == [[0, "zzz"], [1, "code"]]
    assert answer.json["errors"][0]["line"] is None


def test_a_dry_run_asks_what_runs(send):
    """The plan is the live table's: what is relinked, what is rebuilt, which port is taken; and nothing is written."""
    port = socket.socket()
    port.bind(("127.0.0.1", 0))
    web = {"kind": "listener", "name": "web", "protocol": "http", "host": "127.0.0.1", "port": port.getsockname()[1]}
    port.close()
    send("PUT", "/v1/nodes", [{**web, "ports": {"out": [{"name": "hello"}]}}, snippet(), value_user()])
    [spec] = send("GET", "/v1/nodes?name=hello").json
    plan = send("PUT", "/v1/nodes?dry_run=true", [snippet(code="two"), {**web, "name": "other"}]).json
    assert [(each["action"], each["item"]["name"]) for each in plan["outcomes"]] == [
        ("configured", "hello"),
        ("created", "other"),
    ]
    told = {each["name"]: (each["action"], each["state"], each["reason"]) for each in plan["plan"]}
    assert told["hello"] == ("rebuilt", "active", "")
    assert told["web"] == ("relinked", "active", "")
    assert told["other"][:2] == ("waiting", "failed")
    assert told["other"][2].endswith("belongs to listener/web")
    refused = send("PUT", "/v1/nodes", [snippet(code="two"), {**web, "name": "other"}])
    assert refused.status == 400
    assert refused.json["errors"][0]["path"][0] == 1
    assert refused.json["errors"][0]["message"].endswith("belongs to listener/web")
    gone = send("DELETE", "/v1/nodes?name=hello&dry_run=true").json
    assert {each["name"]: each["action"] for each in gone["plan"]} == {"hello": "closed", "web": "closed"}
    plan = send("PUT", "/v1/values?dry_run=true", value(name="wanted", data="yes")).json["plan"]
    assert [(each["name"], each["action"]) for each in plan] == [("user", "created")]
    assert send("GET", "/v1/nodes?name=hello").json == [spec]
    assert send("GET", "/v1/nodes?name=other").json == []
    problem = send("PUT", "/v1/nodes?dry_run=true", {**spec, "revision": spec["revision"] + 7, "code": "x"})
    assert problem.status == 409


def value_user():
    return snippet("user", "{{ .WANTED }}", env={"WANTED": {"name": "wanted", "data": "{{ . }}"}})
