from __future__ import annotations

import json

import pytest

A = "- kind: probe\n  name: a\n  labels: {app: shop}\n"
B = "- kind: probe\n  name: b\n  labels: {app: shop}\n"


def test_created_configured_unchanged(weir):
    weir.write("f.yaml", A + B)
    assert weir("apply", "-f", "f.yaml").stdout == "probe/a created\nprobe/b created\n"
    assert weir("apply", "-f", "f.yaml").stdout == "probe/a unchanged\nprobe/b unchanged\n"
    weir.write("f.yaml", A + B + "  text: new\n")
    assert weir("apply", "-f", "f.yaml").stdout == "probe/a unchanged\nprobe/b configured\n"


def test_standard_input_and_several_files(weir):
    weir.write("a.yaml", A)
    result = weir("apply", "-f", "a.yaml", "-f", "-", input=B)
    assert result.stdout == "probe/a created\nprobe/b created\n"


def test_a_folder_is_read_through_in_order(weir):
    weir.write("flows/z.yaml", B)
    weir.write("flows/deep/a.json", json.dumps([{"kind": "probe", "name": "j"}]))
    weir.write("flows/deep/c.yml", A)
    weir.write("flows/.hidden.yaml", "nonsense: [")
    weir.write("flows/README.md", "# not a spec")
    assert weir("apply", "-f", "flows").stdout == "probe/j created\nprobe/a created\nprobe/b created\n"


def test_all_problems_of_all_files_at_once_and_nothing_written(weir):
    weir.write("good.yaml", A)
    weir.write("one.yaml", "- kind: probe\n  name: b\n  txt: 1\n")
    weir.write("two.yaml", "- kind: prob\n  name: c\n- kind: gate\n  name: g\n  when: self ==\n")
    result = weir("apply", "-f", "good.yaml", "-f", "one.yaml", "-f", "two.yaml", code=1)
    assert result.stdout == ""
    places = [line.split(" ")[:2] for line in result.stderr.splitlines() if line.startswith(("one", "two"))]
    assert places == [
        ["one.yaml:3:3", "unknown-field"],
        ["two.yaml:1:9", "unknown-kind"],
        ["two.yaml:5:16", "expression"],
    ]
    assert "    txt: 1\n    ^\n  hint: did you mean 'text'?\n" in result.stderr
    assert result.stderr.endswith("3 errors\n")
    assert json.loads(weir("get", "-o", "json").stdout) == []


def test_a_spec_without_name_and_id_is_refused(weir):
    result = weir("apply", "-f", "-", input="- kind: probe\n", code=1)
    assert "<stdin>:1:3 missing-name" in result.stderr
    assert "give it a name, so that the next apply finds it" in result.stderr


def test_a_syntax_error_has_its_line(weir):
    result = weir("apply", "-f", "-", input="- kind: probe\n  name: [\n", code=1)
    assert result.stderr.startswith("<stdin>:3:1 ")


def test_the_same_name_in_two_files_is_refused(weir):
    weir.write("a.yaml", A)
    weir.write("b.yaml", A)
    result = weir("apply", "-f", "a.yaml", "-f", "b.yaml", code=1)
    assert "b.yaml:2:9 duplicate-name the name 'a' stands twice; first at a.yaml:2:9" in result.stderr


def test_the_same_file_twice_is_one(weir):
    weir.write("d/a.yaml", A)
    assert weir("apply", "-f", "d", "-f", "d/a.yaml").stdout == "probe/a created\n"


@pytest.mark.parametrize(
    ("path", "message"),
    [("gone.yaml", "no file 'gone.yaml'"), ("empty", "no files in the folder 'empty'")],
)
def test_paths_that_hold_nothing(weir, path, message):
    (weir.folder / "empty").mkdir()
    assert message in weir("apply", "-f", path, code=1).stderr


def test_an_empty_file_is_refused_but_not_among_others(weir):
    weir.write("none.yaml", "# nothing\n")
    assert "none.yaml:1:1 empty no specs in none.yaml" in weir("apply", "-f", "none.yaml", code=1).stderr
    weir.write("a.yaml", A)
    result = weir("apply", "-f", "none.yaml", "-f", "a.yaml")
    assert result.stdout == "probe/a created\n"
    assert result.stderr.endswith("1 warning\n")


def test_a_link_to_nothing_is_a_warning_unless_strict(weir):
    weir.write("f.yaml", "- kind: probe\n  name: a\n  ports: {out: [{name: b}]}\n")
    result = weir("apply", "-f", "f.yaml", "--strict", code=1)
    assert "f.yaml:3:24 unresolved-link" in result.stderr
    assert result.stderr.endswith("1 error\n")
    result = weir("apply", "-f", "f.yaml")
    assert result.stdout == "probe/a created\n"
    assert result.stderr.endswith("1 warning\n")


def test_links_lead_to_what_is_stored(weir):
    weir("apply", "-f", "-", input=B)
    text = "- kind: probe\n  name: a\n  ports: {out: {name: b, port: inn}}\n"
    assert "unknown-port" in weir("apply", "-f", "-", input=text, code=1).stderr
    assert weir("apply", "-f", "-", input=text.replace("inn", "in")).stderr == ""


def test_links_do_not_lead_to_what_is_pruned(weir):
    weir("apply", "-f", "-", input=A + B)
    text = "- kind: probe\n  name: a\n  ports: {out: {name: b}}\n"
    options = ("apply", "-f", "-", "--prune", "-l", "app=shop", "--strict")
    assert "unresolved-link" in weir(*options, input=text, code=1).stderr


def test_prune_deletes_what_is_selected_and_gone(weir):
    weir("apply", "-f", "-", input=A + B + "- kind: probe\n  name: other\n")
    weir("apply", "-f", "-", "-n", "elsewhere", input=B)
    result = weir("apply", "-f", "-", "--prune", "-l", "app=shop", "--dry-run", input=A)
    assert result.stdout == (
        "SPEC      WRITTEN     PLAN     NODES   STATE     REASON\n"
        "probe/a   unchanged   -        -       -\n"
        "probe/b   pruned      closed   -       deleted\n"
    )
    assert (
        weir("apply", "-f", "-", "--prune", "-l", "app=shop", input=A).stdout == "probe/a unchanged\nprobe/b pruned\n"
    )
    assert weir("get", "-A", "-o", "name").stdout == "probe/a\nprobe/other\nprobe/b\n"


@pytest.mark.parametrize("options", [["--prune"], ["-l", "a=b"]])
def test_prune_needs_a_selector(weir, options):
    weir.write("a.yaml", A)
    assert "go together" in weir("apply", "-f", "a.yaml", *options, code=2).stderr


def test_dry_run_writes_nothing(weir):
    result = weir("apply", "-f", "-", "--dry-run", input=A)
    assert result.stdout.splitlines()[1].split() == ["probe/a", "created", "created", "1", "of", "1", "active"]
    assert result.stderr == "dry run: nothing is written; no daemon was asked, this is told from what is stored\n"
    assert json.loads(weir("get", "-o", "json").stdout) == []
    weir("apply", "-f", "-", input=A)
    result = weir("apply", "-f", "-", "--dry-run", input=A + "  text: n\n")
    assert result.stdout.splitlines()[1].split() == ["probe/a", "configured", "rebuilt", "1", "of", "1", "active"]
    assert "text" not in weir("get", "specs", "a", "-o", "yaml").stdout


def test_a_dry_run_tells_what_else_would_move(weir):
    chain = "- kind: probe\n  name: outer\n  ports: {out: {name: a}}\n" + A
    weir("apply", "-f", "-", input=chain)
    form = json.loads(weir("apply", "-f", "-", "--dry-run", "-o", "json", input=A + "  text: n\n").stdout)
    assert [each["action"] for each in form["outcomes"]] == ["configured"]
    assert [(each["name"], each["action"]) for each in form["plan"]] == [("a", "rebuilt"), ("outer", "relinked")]
    assert not form["asked"]
    pending = "- kind: probe\n  name: b\n  ports: {out: {name: nobody}}\n"
    line = weir("apply", "-f", "-", "--dry-run", input=pending).stdout.splitlines()[1]
    assert line.split(maxsplit=5) == [
        *("probe/b", "created", "waiting", "-", "pending"),
        "out leads to 'nobody', which does not exist",
    ]


def test_namespace_is_for_what_names_none(weir):
    text = "- kind: probe\n  name: a\n- kind: probe\n  name: b\n  namespace: own\n"
    weir("apply", "-f", "-", "-n", "mine", input=text)
    assert weir("get", "-A", "-o", "jsonpath={[*].namespace}").stdout == "mine own\n"


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_stale_revision_is_a_conflict_that_names_both(weir, dry):
    weir("apply", "-f", "-", input=A)
    weir("apply", "-f", "-", input=A + "  text: theirs\n")
    result = weir("apply", "-f", "-", *dry, input=A + "  text: mine\n  revision: 1\n", code=1)
    assert "error: " in result.stderr
    assert "1" in result.stderr
    assert "2" in result.stderr
    assert "text: theirs" in weir("get", "specs", "a", "-o", "yaml").stdout


def test_a_stale_revision_of_what_is_stored_already_is_none(weir):
    weir("apply", "-f", "-", input=A)
    weir("apply", "-f", "-", input=A + "  text: new\n")
    assert weir("apply", "-f", "-", input=A + "  text: new\n  revision: 1\n").stdout == "probe/a unchanged\n"


def test_what_get_prints_is_taken_again_also_by_another_store(weir):
    weir("apply", "-f", "-", input=A + B)
    text = weir("get", "-o", "yaml").stdout
    assert weir("apply", "-f", "-", input=text).stdout == "probe/a unchanged\nprobe/b unchanged\n"
    assert weir("apply", "-f", "-", "--store", "sqlite:///two.db", store=False, input=text).stdout == (
        "probe/a created\nprobe/b created\n"
    )


def test_a_spec_is_renamed_by_its_id(weir):
    weir("apply", "-f", "-", input=A)
    id = weir("get", "specs", "a", "-o", "jsonpath={.id}").stdout.strip()
    weir("apply", "-f", "-", input=f"kind: probe\nid: {id}\nname: z\n")
    assert weir("get", "-o", "name").stdout == "probe/z\n"


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_a_name_that_another_id_holds_is_a_conflict(weir, dry):
    weir("apply", "-f", "-", input=A)
    text = "kind: probe\nid: 0192f0c1-2345-7abc-8def-0123456789ab\nname: a\n"
    assert weir("apply", "-f", "-", *dry, input=text, code=1).stderr.startswith("error: ")


def test_outputs(weir):
    assert weir("apply", "-f", "-", "-o", "name", input=A).stdout == "probe/a\n"
    [spec] = json.loads(weir("apply", "-f", "-", "-o", "json", input=A).stdout)
    assert (spec["name"], spec["namespace"], spec["revision"]) == ("a", "default", 1)
    assert "name: a\n" in weir("apply", "-f", "-", "-o", "yaml", input=A).stdout


def test_values(weir):
    weir.write("v.yaml", "- name: creds\n  data: {user: bob}\n")
    assert weir("apply", "values", "-f", "v.yaml").stdout == "value/creds created\n"
    assert json.loads(weir("get", "values", "creds", "-o", "json", "--reveal").stdout)["data"] == {"user": "bob"}
    assert "missing-field" in weir("apply", "-f", "v.yaml", code=1).stderr


def test_a_template_name_that_env_lacks_is_an_error(weir):
    text = "- kind: probe\n  name: a\n  env: {USER: {data: x}}\n  text: '{{ .USRE }}'\n"
    result = weir("apply", "-f", "-", input=text, code=1)
    assert "<stdin>:4:" in result.stderr
    assert "unknown-env" in result.stderr


def test_the_store_of_the_config(weir):
    weir.write("weir.yaml", "store: {url: 'sqlite:///mine.db'}\nnamespace: team\n")
    weir("apply", "-f", "-", input=A, store=False)
    assert (weir.folder / "mine.db").exists()
    assert weir("get", "-o", "jsonpath={[0].namespace}", store=False).stdout == "team\n"


def test_a_mistake_in_the_config_is_shown_with_its_line(weir):
    weir.write("weir.yaml", "store: {ulr: x}\n")
    result = weir("apply", "-f", "-", input=A, store=False, code=1)
    assert "weir.yaml:1:9 unknown-key" in result.stderr
    assert "store: {ulr: x}" in result.stderr


def test_unknown_variables_are_told(weir):
    result = weir("apply", "-f", "-", input=A, env={"WEIR_LOG_LEVLE": "x"})
    assert "warning: the variable WEIR_LOG_LEVLE sets nothing" in result.stderr


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///folder", "folder"),
        ("mongodb://h/db?foo=1", "Unknown option: foo"),
        ("mysql://x", "no store has URLs that begin with mysql://"),
        ("nonsense", "is no URL of a store"),
    ],
)
def test_a_store_that_cannot_be(weir, url, message):
    (weir.folder / "folder").mkdir()
    result = weir("apply", "-f", "-", "--store", url, store=False, input=A, code=1)
    assert result.stderr.startswith("error: ")
    assert message in result.stderr


def test_store_and_server_exclude_each_other(weir):
    assert "exclude" in weir("apply", "-f", "-", "--server", "http://x", input=A, code=2).stderr


def test_wait_without_daemons(weir):
    result = weir("apply", "-f", "-", "--wait", input=A)
    assert result.stdout == "probe/a created\n"
    assert result.stderr == "no daemon runs the namespace 'default', so there is nothing to wait for\n"


def test_wait_wants_a_duration(weir):
    weir.write("a.yaml", A)
    assert "is a duration" in weir("apply", "-f", "a.yaml", "--wait=soon", code=2).stderr


def test_the_message_is_kept(weir, home):
    import asyncio

    from engine.store.url import open_store

    weir("apply", "-f", "-", "-m", "because", input=A)

    async def history():
        async with open_store("sqlite:///weir.db") as store:
            return await store.history("default", "a")

    [entry] = asyncio.run(history())
    assert entry.message == "because"
    assert entry.author


def test_a_mistake_in_a_file_needs_no_store(weir):
    weir("apply", "-f", "-", input="- {kind: probe}\n", code=1)
    assert not (weir.folder / "weir.db").exists()
