from __future__ import annotations

import json

import pytest

A = "- kind: probe\n  name: a\n  labels: {app: shop}\n  text: one\n"
B = "- {kind: probe, name: b, labels: {app: shop}}\n"


@pytest.fixture
def stored(weir):
    weir("apply", "-f", "-", input=A + B)
    return weir


def test_the_same(stored):
    result = stored("diff", "-f", "-", input=A + B)
    assert (result.stdout, result.stderr) == ("", "")


@pytest.mark.parametrize(
    "text",
    [
        "- {text: one, labels: {app: shop}, name: a, kind: probe} # otherwise\n",
        "[{'kind': 'probe', 'name': 'a', 'labels': {'app': 'shop'}, 'text': 'one', 'namespace': 'default'}]",
    ],
)
def test_written_otherwise_it_is_the_same(stored, text):
    assert stored("diff", "-f", "-", input=text).stdout == ""


def test_ids_and_revisions_are_no_differences(stored):
    assert stored("diff", "-f", "-", input=stored("get", "-o", "json").stdout).stdout == ""


def test_different(stored):
    stored.write("f.yaml", A.replace("one", "two") + B)
    result = stored("diff", "-f", "f.yaml", code=1)
    assert result.stdout == (
        "--- probe/a (revision 1)\n"
        "+++ probe/a (f.yaml:1:3)\n"
        "@@ -2,4 +2,4 @@\n"
        " name: a\n"
        " labels:\n"
        "   app: shop\n"
        "-text: one\n"
        "+text: two\n"
    )
    assert stored("get", "-o", "jsonpath={[*].text}").stdout.strip() == "one", "nothing is written"


def test_new_ones(stored):
    result = stored("diff", "-f", "-", input=A + B + "- {kind: probe, name: c}\n", code=1)
    assert result.stdout.splitlines() == [
        "--- (not stored)",
        "+++ probe/c (<stdin>:6:3)",
        "@@ -0,0 +1,2 @@",
        "+kind: probe",
        "+name: c",
    ]


def test_pruned_ones_are_shown_if_asked_for(stored):
    assert stored("diff", "-f", "-", input=A).stdout == ""
    result = stored("diff", "-f", "-", "--prune", "-l", "app=shop", input=A, code=1)
    assert result.stdout.splitlines()[:2] == ["--- probe/b (revision 2)", "+++ (pruned)"]
    assert stored("diff", "-f", "-", "--prune", "-l", "app=other", input=A).stdout == ""


def test_a_renamed_one(stored):
    id = json.loads(stored("get", "specs", "a", "-o", "json").stdout)["id"]
    result = stored("diff", "-f", "-", input=A.replace("name: a", f"name: z\n  id: {id}"), code=1)
    assert "-name: a" in result.stdout
    assert "+name: z" in result.stdout


def test_other_namespaces_are_named(stored):
    result = stored("diff", "-f", "-", input=B.replace("name: b", "name: b, namespace: other"), code=1)
    assert "+++ other: probe/b (<stdin>:1:3)" in result.stdout


def test_values(weir):
    weir("apply", "values", "-f", "-", input="{name: v, data: {a: 1}}")
    assert weir("diff", "values", "-f", "-", input="{name: v, data: {a: 1}}").stdout == ""
    assert "+  a: 2" in weir("diff", "values", "--reveal", "-f", "-", input="{name: v, data: {a: 2}}", code=1).stdout


def test_a_stale_revision_is_told(stored):
    text = A.replace("one", "two") + "  revision: 7\n"
    result = stored("diff", "-f", "-", input=text, code=1)
    assert "was read at revision 7, and revision 1 is stored" in result.stderr
    assert "revision: 7" not in result.stdout
    assert "stored" not in stored("diff", "-f", "-", input=text.replace("7", "1"), code=1).stderr


def test_colours(stored):
    result = stored("diff", "--color", "always", "-f", "-", input=A.replace("one", "two"), code=1)
    assert "\x1b[31m-text: one\x1b[0m" in result.stdout
    assert "\x1b[32m+text: two\x1b[0m" in result.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- kind: probe\n  name: [\n", "<stdin>:3:1"),
        ("- kind: probe\n", "missing-name"),
        ("- {kind: probe, name: x, text: .nan}\n", "cannot be stored"),
    ],
)
def test_trouble_is_2(weir, text, message):
    result = weir("diff", "-f", "-", input=text, code=2)
    assert message in result.stderr
    assert result.stdout == ""


def test_more_trouble_is_2(weir):
    assert "no file 'gone.yaml'" in weir("diff", "-f", "gone.yaml", code=2).stderr
    assert "is no URL of a store" in weir("diff", "-f", "-", "--store", "x", input=A, store=False, code=2).stderr
    assert "there is no history" in weir("diff", "nobody", code=2).stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say what to compare"),
        (["-f", "x", "--revision", "1"], "go with a NAME"),
        (["-f", "x", "--to", "1"], "go with a NAME"),
        (["a", "-f", "x"], "diff values -f FILE"),
        (["-f", "x", "--prune"], "go together"),
        (["a", "--prune", "-l", "x=y"], "goes with -f"),
        (["value/a"], "values keep no history"),
    ],
)
def test_wrong_use(weir, words, message):
    assert message in weir("diff", *words, code=2).stderr


# --- revisions


@pytest.fixture
def changed(weir):
    for text in ("one", "two", "three"):
        weir("apply", "-f", "-", input=f"- {{kind: probe, name: a, text: {text}}}\n")
    return weir


def changes(result):
    return [line for line in result.stdout.splitlines() if line[:1] in "+-" and line[:3] not in ("---", "+++")]


@pytest.mark.parametrize(
    ("words", "old", "new"),
    [
        ([], "two", "three"),
        (["--revision", "1"], "one", "three"),
        (["--revision", "-2"], "one", "three"),
        (["--revision", "-1"], "two", "three"),
        (["--revision", "1", "--to", "2"], "one", "two"),
        (["--revision", "3", "--to", "1"], "three", "one"),
        (["--to", "2"], "one", "two"),
        (["--to", "-1"], "one", "two"),
    ],
)
def test_two_revisions(changed, words, old, new):
    assert changes(changed("diff", "a", *words, code=1)) == [f"-text: {old}", f"+text: {new}"]


def test_titles_tell_when_and_who(changed):
    first, second = changed("diff", "probe/a", "--revision", "1", code=1).stdout.splitlines()[:2]
    assert first.startswith("--- probe/a (revision 1, 20")
    assert second.startswith("+++ probe/a (revision 3, 20")


def test_revisions_that_say_the_same(changed):
    changed("rollback", "a", "--to", "1")
    result = changed("diff", "a", "--revision", "1")
    assert (result.stdout, result.stderr) == ("", "revisions 1 and 4 of probe/a say the same\n")


def test_a_deletion_takes_all_of_it(changed):
    changed("delete", "probe", "a")
    result = changed("diff", "a", code=1)
    assert changes(result) == ["-kind: probe", "-name: a", "-text: three"]
    assert "+++ probe/a (revision 4, deleted, " in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--revision", "9"], "probe/a has no revision 9"),
        (["--revision", "-3"], "probe/a has no 4 revisions"),
        (["--to", "9"], "probe/a has no revision 9"),
        (["--to", "1"], "no earlier revision"),
    ],
)
def test_revisions_that_are_not_there(changed, words, message):
    result = changed("diff", "a", *words, code=2)
    assert message in result.stderr
    assert "hint: its history has 3, 2, 1" in result.stderr or "--to" in words
