"""Python snippets in a daemon: off unless the operator turns them on, and then no snippet ends it."""

from __future__ import annotations

import textwrap

SNIPPET = {"kind": "snippet", "name": "double", "language": "python", "code": "payload * 2"}


def flow(port: int) -> str:
    return textwrap.dedent(
        f"""
        - kind: listener
          name: web
          port: {port}
          ports: {{out: [{{name: code}}]}}
        - kind: snippet
          name: code
          language: python
          code: |
            import asyncio

            calls = 0

            async def main(payload):
                global calls
                calls += 1
                await asyncio.sleep(0)
                if payload["path"] == "/exit":
                    raise SystemExit
                print("called", calls)
                return {{"path": payload["path"], "calls": calls}}
        """
    )


def test_where_it_is_off_a_spec_is_refused_and_an_applied_one_fails(start, http, tmp_path):
    daemon = start().started()
    answer = http(f"{daemon.admin}/v1/nodes", SNIPPET)
    assert answer.status == 400
    assert "the language 'python' is turned off" in answer.text
    assert "WEIR_LANGUAGES_PYTHON" in answer.text
    (tmp_path / "a.yaml").write_text("{kind: snippet, name: double, language: python, code: payload * 2}")
    assert daemon.weir("apply", "-f", "a.yaml").stdout == "snippet/double created\n"
    failed = daemon.wait_for("spec.failed", spec="snippet/double")
    assert "the language 'python' is turned off" in failed["reason"]


def test_where_it_is_on_it_serves_and_no_snippet_ends_the_daemon(start, http, tmp_path, port):
    (tmp_path / "web.yaml").write_text(flow(port))
    daemon = start("--from-specs", "web.yaml", environ={"WEIR_LANGUAGES_PYTHON": "on"}).started()
    url = f"http://127.0.0.1:{port}"
    assert http(f"{url}/a").json == {"path": "/a", "calls": 1}
    assert daemon.wait_for("console.written")["text"] == "called 1"
    assert http(f"{url}/exit").status == 500
    failed = daemon.wait_for("process.failed", message="SystemExit")
    assert failed["place"].endswith("web.yaml:19:13")
    assert failed["details"]["traceback"] == "line 10, in main\n    raise SystemExit"
    assert http(f"{url}/b").json == {"path": "/b", "calls": 3}
    assert daemon.stop() == 0
