from __future__ import annotations

import json

from click.testing import CliRunner

from engine.cli.main import cli


def test_no_problems(weir):
    weir.write("a.yaml", "- {kind: probe, name: a}\n")
    assert weir("lint", "a.yaml").stdout == "no problems in 1 file\n"


def test_all_problems_with_lines_carets_hints_and_counts(weir):
    weir.write("a.yaml", "- kind: probe\n  name: a\n  count: many\n  ports: {out: [{name: nobody}]}\n")
    weir.write("b.yaml", "- kind: probe\n  nmae: b\n")
    result = weir("lint", "a.yaml", "b.yaml", code=1)
    assert result.stdout == (
        "a.yaml:3:10 wrong-type `count` is a whole number, not 'many'\n"
        "    count: many\n"
        "           ^\n"
        "b.yaml:2:3 unknown-field probe has no field 'nmae'\n"
        "    nmae: b\n"
        "    ^\n"
        "  hint: did you mean 'name'?\n"
        "2 errors\n"
    )


def test_warnings_exit_0_and_1_if_strict(weir):
    weir.write("a.yaml", "- kind: probe\n  name: a\n  ports: {out: [{name: nobody}]}\n")
    result = weir("lint", "a.yaml")
    assert "a.yaml:3:24 unresolved-link" in result.stdout
    assert result.stdout.endswith("1 warning\n")
    assert weir("lint", "a.yaml", "--strict", code=1).stdout.endswith("1 error\n")


def test_links_lead_across_files(weir):
    weir.write("d/a.yaml", "- kind: probe\n  name: a\n  ports: {out: {name: b}}\n")
    weir.write("d/b.yaml", "- kind: probe\n  name: b\n")
    assert weir("lint", "d").stdout == "no problems in 2 files\n"


def test_json(weir):
    [found] = json.loads(weir("lint", "-", "-o", "json", input="- {kind: probe, txt: 1}\n", code=1).stdout)
    assert (found["file"], found["line"], found["column"], found["code"]) == ("<stdin>", 1, 17, "unknown-field")
    assert json.loads(weir("lint", "-", "-o", "json", input="- {kind: probe}\n").stdout) == []


def test_standard_input_shows_its_lines(weir):
    assert "  - {kind: prob}\n" in weir("lint", "-", input="- {kind: prob}\n", code=1).stdout


def test_files_of_values_are_checked_as_values(weir):
    weir.write("v.yaml", "- {name: a, data: 1}\n- {name: b, data: 2, dta: 3}\n")
    assert "v.yaml:2:22 unknown-field a value has no field 'dta'" in weir("lint", "v.yaml", code=1).stdout


def test_good_specs_are_checked_beside_broken_ones(weir):
    text = "kind: probe\nname: a\ncount: x\n---\nkind: [\n"
    result = weir("lint", "-", input=text, code=1).stdout
    assert "<stdin>:3:8 wrong-type" in result
    assert "2 errors" in result


def test_a_name_is_not_needed(weir):
    weir("lint", "-", input="- kind: probe\n")


def test_colours(weir):
    assert "\x1b[31m" in weir("lint", "-", "--color", "always", input="- {kind: prob}\n", code=1).stdout
    assert "\x1b" not in weir("lint", "-", input="- {kind: prob}\n", code=1).stdout


def test_python_is_checked_without_running_and_whether_or_not_it_is_on(home):
    def lint(code):
        spec = json.dumps([{"kind": "snippet", "name": "a", "language": "python", "code": code}])
        return CliRunner().invoke(cli, ["lint", "-"], input=spec)

    assert lint("raise SystemExit(7)\ndef main(payload): pass").stdout == "no problems in 1 file\n"
    broken = lint("def main(payload): retrun 1")
    assert broken.exit_code == 1
    assert "expression invalid syntax" in broken.stdout
