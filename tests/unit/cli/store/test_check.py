from __future__ import annotations

import json


def test_check(filled, home):
    result = filled("store", "check", "--store", "sqlite:///weir.db")
    assert result.stdout == (
        f"sqlite:///{home}/weir.db at revision 3: 1 spec, 1 value, 2 revisions, 0 trials, 0 daemons: all is well\n"
    )


def test_check_the_store_of_the_config(filled):
    filled.write("weir.yaml", "store:\n  url: sqlite:///weir.db\n")
    assert "1 spec" in filled("store", "check", "--config", "weir.yaml").stdout


def test_check_tells_of_damage(filled, damage):
    damage("UPDATE documents SET meaning = 'x' WHERE name = 'a'")
    result = filled("store", "check", "--store", "sqlite:///weir.db", code=1)
    first, hint, summary = result.stdout.splitlines()
    assert first.startswith("error: wrong-column spec 'a' in namespace 'default': its hash is 'x'")
    assert hint.startswith("  hint: apply it again")
    assert summary.endswith(": 1 error, 0 warnings")


def test_check_for_machines(filled, home, damage):
    damage("UPDATE documents SET document = '{' WHERE name = 'a'")
    form = json.loads(filled("store", "check", "--store", "sqlite:///weir.db", "-o", "json", code=1).stdout)
    [finding] = form.pop("findings")
    assert (finding["code"], finding["severity"]) == ("unreadable-document", "error")
    assert finding["hint"]
    assert form == {
        "store": f"sqlite:///{home}/weir.db",
        "schema": form["schema"],
        "revision": 3,
        "specs": 1,
        "values": 1,
        "revisions": 2,
        "trials": 0,
        "instances": {"alive": 0, "dead": 0},
        "errors": 1,
        "warnings": 0,
    }


def test_a_warning_is_no_failure(filled, damage):
    damage("DELETE FROM changes WHERE resource = 'spec'")
    damage("UPDATE state SET floor = revision")
    result = filled("store", "check", "--store", "sqlite:///weir.db")
    assert result.stdout.startswith("warning: no-history ")
    assert result.stdout.endswith(": 0 errors, 1 warning\n")


def test_many_of_a_kind_are_counted(weir, damage):
    weir.write("many.yaml", "".join(f"- {{kind: probe, name: s{number}}}\n" for number in range(25)))
    weir("apply", "-f", "many.yaml")
    damage("UPDATE documents SET meaning = 'x'")
    lines = weir("store", "check", "--store", "sqlite:///weir.db", code=1).stdout.splitlines()
    assert sum(line.startswith("error: wrong-column") for line in lines) == 20
    assert "and 5 more wrong-column; -o json has them all" in lines
    form = json.loads(weir("store", "check", "--store", "sqlite:///weir.db", "-o", "json", code=1).stdout)
    assert len(form["findings"]) == 25


def test_check_a_store_that_is_not_there(weir, home):
    assert "there is no store" in weir("store", "check", "--store", "sqlite:///gone.db", code=1).stderr
    assert list(home.iterdir()) == []
