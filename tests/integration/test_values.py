"""Values on a real daemon: no word of them in a log, a status, an answer or a message; and what their change reloads."""

from __future__ import annotations

import json
import re

SECRET = "hunter2-correct-horse"

FLOW = """
- kind: listener
  name: web
  port: {port}
  ports:
    out:
      - name: routes
- kind: router
  name: routes
  routes:
    - {{method: GET, path: /a, port: 'out[0]'}}
    - {{method: GET, path: /b, port: 'out[1]'}}
  ports:
    out[0]: {{name: a}}
    out[1]: {{name: b}}
- kind: snippet
  name: a
  env: {{V: {{name: v, data: '{{{{ .say }}}}'}}}}
  language: text
  code: '{{{{ .V }}}}'
- kind: snippet
  name: b
  language: text
  code: b
"""


def values_of(answer):
    return {each["name"]: each["data"] for each in answer.json}


def test_a_change_of_a_value_reloads_what_uses_it_and_nothing_of_it_is_shown(start, tmp_path, http, port):
    (tmp_path / "flow.yaml").write_text(FLOW.format(port=port))
    (tmp_path / "values.yaml").write_text(f"- name: v\n  data: {{say: {SECRET}-1}}\n")
    daemon = start(
        "--from-specs", "flow.yaml", "--from-values", "values.yaml", environ={"WEIR_LOG_LEVEL": "debug"}
    ).started()
    url = f"http://127.0.0.1:{port}"
    assert http(f"{url}/a").text == f"{SECRET}-1"  # which is its author's business

    # Exactly one node is made anew.
    patched = http(f"{daemon.admin}/v1/values", {"name": "v", "data": {"say": f"{SECRET}-2"}}, method="PATCH")
    assert (patched.status, patched.json["data"]) == (200, "***")
    assert daemon.wait_for("generation.published", namespace="default", generation=3)["loaded"] == 1
    assert http(f"{url}/a").text == f"{SECRET}-2"

    # Answers hide, unless somebody asks.
    assert values_of(http(f"{daemon.admin}/v1/values")) == {"v": "***"}
    assert values_of(http(f"{daemon.admin}/v1/values?reveal=true")) == {"v": {"say": f"{SECRET}-2"}}
    assert http(f"{daemon.admin}/v1/values?reveal=perhaps").status == 400
    assert http(f"{daemon.admin}/v1/nodes?reveal=true").status == 400
    hidden = http(f"{daemon.admin}/v1/values").json[0]
    refused = http(f"{daemon.admin}/v1/values", hidden, method="PUT")
    assert refused.status == 400
    assert "its data is hidden here" in refused.text
    assert "reveal" in refused.text
    relabelled = http(f"{daemon.admin}/v1/values", {"name": "v", "labels": {"tier": "one"}}, method="PATCH")
    assert (relabelled.status, relabelled.json["data"]) == (200, "***")
    made = http(f"{daemon.admin}/v1/values", {"name": "w", "data": SECRET})
    assert (made.status, made.json["data"]) == (201, "***")
    dry = http(f"{daemon.admin}/v1/values?dry_run=true", {"name": "w", "data": f"{SECRET}-3"}, method="PUT")
    assert (dry.status, dry.json["outcomes"][0]["item"]["data"]) == (200, "***")

    # What is wrong with a field that a value fills is told without it: in an answer, a status, the log.
    bad = {
        "kind": "listener",
        "name": "bad",
        "env": {"P": {"name": "w"}},
        "port": "{{ .P }}",
        "ports": {"out": [{"name": "b"}]},
    }
    answer = http(f"{daemon.admin}/v1/nodes", bad)
    assert answer.status == 400, answer.text
    assert "`port` is a whole number, not ***" in answer.text
    written = daemon.weir("apply", "-f", "-", stdin=json.dumps(bad))
    assert written.returncode == 0, written.stderr
    failed = daemon.wait_for("spec.failed", spec="listener/bad")
    assert failed["reason"] == "`port` is a whole number, not ***"
    found = daemon.weir("get", "specs", "-o", "wide").stdout
    told = [answer.text, refused.text, json.dumps(http(f"{daemon.admin}/v1/instances").json), found]

    # The command line, directly and through the daemon.
    for where in ([], ["--server", daemon.admin]):
        told.append(daemon.weir("get", "values", "-o", "yaml", *where).stdout)
        assert SECRET in daemon.weir("get", "values", "-o", "yaml", "--reveal", *where).stdout
        text = f"{{name: v, data: {{say: {SECRET}-4}}}}"
        diff = daemon.weir("diff", "values", "-f", "-", *where, stdin=text)
        assert diff.returncode == 1
        assert re.search(r"^\+data: '?\*\*\* \(changed\)'?$", diff.stdout, re.MULTILINE)
        told.append(diff.stdout)
        same = daemon.weir("diff", "values", "-f", "-", *where, stdin=f"{{name: w, data: {SECRET}}}")
        assert (same.returncode, same.stdout) == (0, "")
        unchanged = daemon.weir(
            "apply", "values", "-f", "-", "-o", "json", *where, stdin=f"{{name: w, data: {SECRET}}}"
        )
        assert unchanged.returncode == 0
        told.append(unchanged.stdout)
        told.append(daemon.weir("apply", "values", "--dry-run", "-o", "yaml", "-f", "-", *where, stdin=text).stdout)
        again = daemon.weir("get", "values", "v", "-o", "yaml", *where).stdout
        refusal = daemon.weir("apply", "values", "-f", "-", *where, stdin=again)
        assert refusal.returncode == 1
        assert "--reveal" in refusal.stderr
        told.append(refusal.stderr)
    gone = http(f"{daemon.admin}/v1/values?name=w", method="DELETE")
    assert gone.json[0]["data"] == "***"

    assert daemon.stop() == 0
    daemon.close()
    told += [json.dumps(event, default=str) for event in daemon.events]
    told += [*daemon.other, *daemon.rest()]
    assert SECRET not in "\n".join(told)
    files = {path.name: path.read_bytes() for path in tmp_path.glob("weir.db*")}
    assert {"weir.db", "weir.db.key"} <= files.keys()
    assert not any(SECRET.encode() in content for content in files.values())


def test_a_daemon_whose_key_is_not_there_does_not_start(start, tmp_path):
    daemon = start(environ={"WEIR_VALUES_KEY": f"file:{tmp_path / 'none'}"})
    assert daemon.process.wait(30) == 1
    daemon.close()
    assert any("the key file" in line and "cannot be read: no such file" in line for line in daemon.rest())


def test_a_key_that_everybody_may_read_is_told_of(start, tmp_path):
    key = tmp_path / "values.key"
    key.write_text("a" * 64)
    key.chmod(0o644)
    daemon = start(environ={"WEIR_VALUES_KEY": f"file:{key}"})
    assert f"chmod 600 {key}" in daemon.wait_for("key.exposed")["reason"]
    daemon.started()


def test_keys_are_rotated_while_a_daemon_serves(start, tmp_path, http, port):
    for name, text in (("old", "a" * 64), ("new", "b" * 64)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "flow.yaml").write_text(FLOW.format(port=port))
    (tmp_path / "values.yaml").write_text(f"- name: v\n  data: {{say: {SECRET}}}\n")
    old, new = f"file:{tmp_path / 'old'}", f"file:{tmp_path / 'new'}"
    daemon = start(
        "--from-specs", "flow.yaml", "--from-values", "values.yaml", environ={"WEIR_VALUES_KEY": f"{old},{new}"}
    ).started()
    (tmp_path / "rotate.yaml").write_text(f"values: {{key: ['{new}', '{old}']}}\n")
    (tmp_path / "after.yaml").write_text(f"values: {{key: '{new}'}}\n")
    rotated = daemon.weir("store", "rotate", "--config", "rotate.yaml", "-o", "json")
    assert rotated.returncode == 0, rotated.stderr
    assert json.loads(rotated.stdout) == {"sealed": 1, "current": 0, "problems": [], "left": None}
    again = daemon.weir("store", "rotate", "--config", "rotate.yaml")
    assert again.stdout == "0 sealed anew, 1 were sealed with the first key already\n"
    assert SECRET in daemon.weir("get", "values", "v", "-o", "yaml", "--reveal", "--config", "after.yaml").stdout
    # The daemon heard of nothing, and reads what it must.
    assert http(f"http://127.0.0.1:{port}/a").text == SECRET
    assert values_of(http(f"{daemon.admin}/v1/values?reveal=true")) == {"v": {"say": SECRET}}
    assert (
        daemon.weir("apply", "values", "-f", "-", "--config", "after.yaml", stdin="{name: w, data: 1}").returncode == 0
    )
    assert daemon.stop() == 0
    daemon.close()
    assert not any("spec.unreadable" in line or "generation.published" in line for line in daemon.rest())
