"""What the command line shows of values: nothing of their data, unless somebody asks."""

from __future__ import annotations

import json

import pytest

SECRET = "hunter2-horse"
VALUES = f"- name: db\n  labels: {{tier: one}}\n  data: {{password: {SECRET}}}\n"


@pytest.fixture
def filled(weir):
    weir.write("values.yaml", VALUES)
    weir("apply", "values", "-f", "values.yaml")
    return weir


@pytest.mark.parametrize("output", ["table", "wide", "yaml", "json", "name", "jsonpath={[0].data}", "jsonpath={[0]}"])
def test_no_output_shows_the_data(filled, output):
    hidden = filled("get", "values", "-o", output).stdout
    assert SECRET not in hidden
    assert "db" in hidden or "***" in hidden
    shown = filled("get", "values", "-o", output, "--reveal").stdout
    assert (SECRET in shown) == (output not in ("table", "wide", "name"))


def test_what_is_hidden_and_what_is_not(filled):
    [hidden] = json.loads(filled("get", "values", "-o", "json").stdout)
    assert hidden["data"] == "***"
    assert (hidden["name"], hidden["labels"], hidden["revision"]) == ("db", {"tier": "one"}, 1)
    assert filled("get", "values/db", "-o", "jsonpath={.data}").stdout == "***\n"
    assert filled("get", "values/db", "-o", "jsonpath={.data.password}", "--reveal").stdout == f"{SECRET}\n"


def test_what_was_hidden_is_not_applied(filled):
    hidden = filled("get", "values", "-o", "yaml").stdout
    for flags in ([], ["--dry-run"]):
        refused = filled("apply", "values", "-f", "-", *flags, input=hidden, code=1)
        assert "value/db: its data is hidden here (***), and cannot be stored so" in refused.stderr
        assert "weir get values --reveal" in refused.stderr
    assert filled(
        "apply", "values", "-f", "-", input=filled("get", "values", "-o", "yaml", "--reveal").stdout
    ).stdout == ("value/db unchanged\n")
    assert "--reveal" in filled("diff", "values", "-f", "-", input=hidden, code=2).stderr


@pytest.mark.parametrize("resource", ["specs", "probe", "instances", "trials"])
def test_reveal_is_about_values(filled, resource):
    assert "--reveal is about values" in filled("get", resource, "--reveal", code=2).stderr


def test_apply_shows_no_data(filled):
    changed = VALUES.replace(SECRET, "other-secret")
    for output in ("json", "yaml"):
        for flags in (["--dry-run"], []):
            shown = filled("apply", "values", "-f", "-", "-o", output, *flags, input=changed).stdout
            assert "***" in shown
            assert "secret" not in shown


def test_a_diff_tells_that_it_changed_and_not_to_what(filled):
    shown = filled("diff", "values", "-f", "-", input=VALUES.replace(SECRET, "other-secret"), code=1).stdout
    assert "-data: '***'" in shown
    assert "+data: '*** (changed)'" in shown
    assert SECRET not in shown
    assert "other-secret" not in shown
    labels = filled("diff", "values", "-f", "-", input=VALUES.replace("one", "two"), code=1).stdout
    assert "+  tier: two" in labels
    assert "changed" not in labels
    new = filled("diff", "values", "-f", "-", input=VALUES.replace("db", "new"), code=1).stdout
    assert "+data: '***'" in new
    pruned = filled("diff", "values", "-f", "-", "--prune", "-l", "tier=one", input="{name: x, data: 1}", code=1).stdout
    assert SECRET not in pruned
    revealed = filled("diff", "values", "--reveal", "-f", "-", input=VALUES.replace(SECRET, "other"), code=1).stdout
    assert f"-  password: {SECRET}" in revealed
    assert "--reveal is about values" in filled("diff", "--reveal", "-f", "values.yaml", code=2).stderr


@pytest.mark.parametrize("verb", [("apply",), ("diff",), ("delete",)])
def test_findings_show_no_line_of_a_file_of_values(filled, verb):
    filled.write("bad.yaml", f"- name: x\n  data: {{password: {SECRET}, password: {SECRET}}}\n")
    result = filled(*verb, "values", "-f", "bad.yaml", code=2 if verb == ("diff",) else 1)
    assert "bad.yaml:2:" in result.stderr
    assert "the key stands twice" in result.stderr
    assert SECRET not in result.stderr


def test_a_run_shows_nothing_of_a_value_in_its_findings(weir):
    weir.write("values.yaml", VALUES)
    weir.write(
        "flow.yaml",
        "- kind: probe\n  name: a\n  count: '{{ .P }}'\n  env: {P: {name: db, data: '{{ .password }}'}}\n",
    )
    result = weir("run", "-f", "flow.yaml", "--values", "values.yaml", "a", store=False, code=1)
    assert "`count` is a whole number, not ***" in result.stderr
    assert SECRET not in result.stderr


def test_values_that_cannot_be_opened_are_told_of(filled):
    (filled.folder / "k").write_text("c" * 64)
    (filled.folder / "k").chmod(0o600)
    (key,) = filled.folder.glob("*.key")
    key.unlink()
    result = filled("get", "values", env={"WEIR_VALUES_KEY": "file:k"})
    assert "value 'db' in namespace 'default' cannot be opened" in result.stderr
    assert filled("apply", "values", "-f", "values.yaml", env={"WEIR_VALUES_KEY": "file:k"}).stdout == (
        "value/db configured\n"
    )
    assert SECRET in filled("get", "values", "--reveal", "-o", "yaml", env={"WEIR_VALUES_KEY": "file:k"}).stdout


def test_values_that_cannot_be_opened_can_be_deleted(filled):
    (key,) = filled.folder.glob("*.key")
    key.unlink()
    assert "no value 'none'" in filled("delete", "values", "none", code=1).stderr
    assert filled("delete", "values", "db").stdout == "value/db deleted\n"
    assert "no values found" in filled("get", "values").stderr


def test_a_key_that_is_none_is_told_and_not_quoted(weir):
    text = "c" * 64
    result = weir("apply", "values", "-f", "-", input=VALUES, env={"WEIR_VALUES_KEY": text}, code=1)
    assert "is not where a key is kept" in result.stderr
    assert text not in result.stderr
    assert "file:/path" in result.stderr


def test_a_key_that_everybody_may_read_is_warned_of(weir):
    (weir.folder / "k").write_text("c" * 64)
    (weir.folder / "k").chmod(0o644)
    result = weir("apply", "values", "-f", "-", input=VALUES, env={"WEIR_VALUES_KEY": "file:k"})
    assert "everybody on this machine may read the key file k: chmod 600 k" in result.stderr
