"""The flow of seed 003, verbatim, driven over HTTP: an admin API that can change itself."""

from __future__ import annotations

from pathlib import Path

import pytest

SEED = Path(__file__).resolve().parents[1] / "fixtures" / "seed-003.yaml"


@pytest.fixture
def api(start, port, tmp_path):
    # Only the port differs from the seed's text, so that tests can run side by side.
    (tmp_path / "seed.yaml").write_text(SEED.read_text().replace("port: 8000", f"port: {port}"))
    daemon = start("-n", "admin", "--from-specs", "seed.yaml").started()
    daemon.url = f"http://127.0.0.1:{port}/v1/nodes"
    return daemon


def test_create_read_update_delete(api, http):
    spec = {"kind": "snippet", "name": "greet", "language": "text", "code": "hi"}
    created = http(api.url, spec).json
    assert created["namespace"] == "default"
    assert created["id"]
    assert created["revision"] > 0

    assert http(api.url).json == [created]

    updated = http(api.url, {"id": created["id"], "code": "hello"}, method="PATCH").json
    assert updated["code"] == "hello"
    assert updated["revision"] > created["revision"]
    assert http(api.url).json == [updated]

    deleted = http(api.url, method="DELETE")
    assert deleted.status == 200
    assert http(api.url).json == []
    assert http(api.url, spec).status == 200  # the flow that serves was not among the deleted


def test_a_list_at_once(api, http):
    specs = [{"kind": "snippet", "name": f"n{i}", "language": "text", "code": "x"} for i in range(3)]
    assert [spec["name"] for spec in http(api.url, specs).json] == ["n0", "n1", "n2"]
    assert http(api.url, []).json == []
    assert len(http(api.url).json) == 3


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{bad", "malformed JSON"),
        (b"null", "null"),
        (b"[null]", "null"),
        (b"5", "a number"),
        (b'{"name": "x"}', "kind"),
        (b'{"kind": "snippett", "name": "x"}', "snippett"),
        (b'[{"kind": "snippet", "name": "ok", "language": "text", "code": "x"}, {"kind": 7}]', "kind"),
    ],
)
def test_bad_input_is_a_400_with_a_reason_and_changes_nothing(api, http, body, reason):
    answer = http(api.url, body)
    assert answer.status == 400
    assert answer.json["error"].startswith("invalid argument")
    assert reason in answer.json["error"]
    assert http(api.url).json == []


def test_an_empty_body_is_a_400(api, http):
    assert http(api.url, b"", method="POST").status == 400


def test_a_stale_revision_is_a_conflict(api, http):
    spec = {"kind": "snippet", "name": "greet", "language": "text", "code": "hi"}
    created = http(api.url, spec).json
    http(api.url, {"id": created["id"], "code": "two"}, method="PATCH")
    stale = http(api.url, {"id": created["id"], "revision": created["revision"], "code": "three"}, method="PATCH")
    assert stale.status == 500  # the seed's catch knows two answers only
    assert http(api.url).json[0]["code"] == "two"


def test_a_request_that_patches_the_flow_which_serves_it(api, http):
    patch = {
        "namespace": "admin",
        "name": "nodes_read",
        "specs": [{"kind": "snippet", "language": "json", "code": '"patched"'}],
    }
    answer = http(api.url, patch, method="PATCH")
    assert (answer.status, answer.json["name"]) == (200, "nodes_read")
    api.wait_for("generation.published", namespace="admin")
    assert http(api.url).text == "patched"

    again = {"namespace": "admin", "name": "nodes_update", "annotations": {"seen": "yes"}}
    assert http(api.url, again, method="PATCH").status == 200
