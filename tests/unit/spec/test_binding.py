"""Filling the templates of a spec."""

from __future__ import annotations

import pytest

from engine.errors import DiagnosticsError
from engine.spec.binding import bind, check, unbound
from engine.spec.model import EnvEntry, Link, Spec, Value, parse_specs, parse_values
from engine.spec.yaml import dump, parse_file

CREDS = Value(name="creds", id="01908c74-8b22-7cbf-a475-6b6bc871b01a", data={"user": "bob", "pw": 12, "none": None})


def lookup(*values):
    def find(namespace, name, id):
        for value in values:
            if value.namespace == namespace and name in (None, value.name) and id in (None, value.id):
                return value
        return None

    return find


def spec(text):
    (read,) = parse_specs(text, file="f")
    return read


def bound(text, *values, **environment):
    return bind(spec(text), lookup(*values), environment)


def test_conformance(conformance_dir):
    """What the cases expect of binding alone: a reason with the name, or no reason."""
    (document,) = parse_file(conformance_dir / "flows" / "env.yaml")
    for case in document.data:
        values = parse_values(dump(case["values"])) if "values" in case else []
        specs = {each.name: each for each in parse_specs(dump(case["specs"]))}
        results = {name: bind(each, lookup(*values), case.get("env", {})) for name, each in specs.items()}
        for send in case["sends"]:
            result = results[send["node"]]
            if "pending" in send["expect"]:
                assert send["expect"]["pending"] in result.reason, case["name"]
                assert not result.ready
            else:
                assert result.ready, case["name"]
                if specs[send["node"]].fields.get("language") == "text":
                    assert result.fields["code"] == send["expect"]["value"], case["name"]


def test_values_give_their_parts_with_their_types():
    result = bound(
        "{kind: x, a: '{{ .P }}', b: 'p={{ .P }}', c: ['{{ .U }}'], "
        "env: {P: {name: creds, data: '{{ .pw }}'}, U: {name: creds}}}",
        CREDS,
    )
    assert result.fields == {"a": 12, "b": "p=12", "c": [CREDS.data]}
    assert result.env == {"P": 12, "U": CREDS.data}
    assert result.used_values == {("default", "creds", None)}
    assert result.ready
    assert result.reason == ""
    assert result.unfilled == frozenset()


def test_values_by_id():
    result = bound(f"{{kind: x, a: '{{{{ .U }}}}', env: {{U: {{id: {CREDS.id}, data: '{{{{ .user }}}}'}}}}}}", CREDS)
    assert result.fields == {"a": "bob"}
    assert result.used_values == {("default", None, CREDS.id)}


def test_values_of_other_namespaces_are_not_seen():
    result = bound("{kind: x, namespace: other, env: {U: {name: creds}}}", CREDS)
    assert result.reason == "env 'U': no value named 'creds'"
    assert result.used_values == {("other", "creds", None)}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("{name: nothere}", "env 'K': no value named 'nothere'"),
        (
            "{id: 01908c74-8b22-7cbf-a475-6b6bc871b01b}",
            "env 'K': no value with the id 01908c74-8b22-7cbf-a475-6b6bc871b01b",
        ),
        ("{name: creds, data: '{{ .password }}'}", "env 'K': value 'creds' has no 'password'"),
        ("{name: creds, data: {a: ['{{ .user.x }}']}}", "env 'K': value 'creds' has no 'user.x'"),
        ("{name: creds, data: 'v={{ .none }}'}", "env 'K': 'none' in value 'creds' is null, which has no text"),
        ("'{{ .HOST }}'", "env 'K': 'HOST' is not in the environment"),
        (
            "{name: creds, data: {bob: 1, '{{ .user }}': 2}}",
            "env 'K': the key '{{ .user }}' becomes one that is there, once the templates are filled",
        ),
        ("[{name: a}, {data: '{{ .B }}'}]", "env 'K': no value named 'a', and 'B' is not in the environment"),
    ],
)
def test_reasons_to_wait(entry, reason):
    result = bound(f"kind: x\nenv:\n  K: {entry}\nf: '{{{{ .K }}}}'\n", CREDS)
    assert result.reason == reason
    assert [(each.path, str(each.place), str(each)) for each in result.unresolved] == [(("env", "K"), "f:3:6", reason)]
    assert result.fields == {"f": "{{ .K }}"}
    assert result.unfilled == {("f",)}
    assert result.env == {}


def test_a_part_that_a_resolved_name_lacks():
    result = bound("{kind: x, env: {H: {data: {a: 1, n: ~}}}, f: '{{ .H.b.c }}', g: 'g{{ .H.n }}', h: '{{ .H.a }}'}")
    assert result.reason == "'H' has no 'b.c'; 'H.n' is null, which has no text"
    assert result.fields["h"] == 1
    assert result.unfilled == {("f",), ("g",)}


def test_fallbacks():
    text = "{kind: x, f: '{{ .U }}', env: {U: [{name: first}, {name: creds, data: '{{ .user }}'}, {data: last}]}}"
    first = Value(name="first", data="1st")
    result = bound(text, first, CREDS)
    assert result.fields == {"f": "1st"}
    assert result.used_values == {("default", "first", None)}
    result = bound(text, CREDS)
    assert result.fields == {"f": "bob"}
    assert result.used_values == {("default", "first", None), ("default", "creds", None)}
    assert bound(text).fields == {"f": "last"}


def test_the_environment_and_values_never_mix():
    text = "{kind: x, f: '{{ .U }}', env: {U: {data: '{{ .user }}'}, C: {name: creds}}}"
    assert bound(text, CREDS).reason == "env 'U': 'user' is not in the environment"
    assert bound(text, CREDS, user="env").fields == {"f": "env"}


def test_without_env_nothing_is_templated():
    result = bound("{kind: x, name: '{{ .N }}', f: '{{ .A }} {{ foo', ports: {'{{ .P }}': {name: '{{ .Q }}'}}}", N="n")
    assert result.ready
    assert result.fields == {"f": "{{ .A }} {{ foo"}
    assert result.ports == {"{{ .P }}": (Link("in", "{{ .Q }}"),)}
    assert result.spec.name == "{{ .N }}"
    assert check(result.spec) == []


def test_links_names_and_keys_are_filled():
    result = bound(
        "{kind: x, name: 'n-{{ .T }}', env: {T: b, I: 3}, m: {'{{ .T }}': 1},"
        " ports: {'out[{{ .I }}]': [{name: '{{ .T }}', port: 'in[{{ .I }}]'}, {name: c}]}}"
    )
    assert result.spec.name == "n-b"
    assert result.ports == {"out[3]": (Link("in[3]", "b"), Link("in", "c"))}
    assert result.fields == {"m": {"b": 1}}


def test_links_that_cannot_be_filled_wait():
    result = bound("kind: x\nenv: {T: {name: v}}\nlinks: {out: {name: '{{ .T }}'}}\n")
    assert result.ports == {"out": (Link("in", "{{ .T }}"),)}
    assert result.reason == "env 'T': no value named 'v'"
    assert result.unfilled == {("links", "out", "name")}


def test_children_see_the_env_of_their_parent_and_their_own():
    result = bound(
        """
kind: step
env: {A: 1, B: 2}
specs:
- {kind: s, code: '{{ .A }}{{ .B }}{{ .C }}', env: {B: {data: two}, C: {name: creds, data: '{{ .user }}'}}}
- {kind: s, code: '{{ .A }}{{ .B }}'}
- kind: step
  specs: [{kind: s, code: '{{ .B }}', env: {D: 1}}]
""",
        CREDS,
    )
    assert result.fields == {
        "specs": [
            {"kind": "s", "code": "1twobob"},
            {"kind": "s", "code": "12"},
            {"kind": "step", "specs": [{"kind": "s", "code": 2}]},
        ]
    }
    assert result.used_values == {("default", "creds", None)}


def test_a_child_with_env_under_a_parent_without():
    text = "{kind: step, f: '{{ .X }}', specs: [{kind: s, c: '{{ .C }}', env: {C: {name: creds}}}, {kind: s, c: '{{ .C }}'}]}"
    result = bound(text, CREDS)
    assert result.fields["f"] == "{{ .X }}"
    assert [child["c"] for child in result.fields["specs"]] == [CREDS.data, "{{ .C }}"]
    waiting = bound(text)
    assert waiting.reason == "env 'C': no value named 'creds'"
    assert waiting.unresolved[0].path == ("specs", 0, "env", "C")


def test_an_unresolved_name_of_a_child_hides_the_parents():
    result = bound("{kind: step, env: {A: 1}, specs: [{kind: s, c: '{{ .A }}', env: {A: {name: gone}}}]}")
    assert result.fields["specs"][0]["c"] == "{{ .A }}"


CHECKS = [
    ("kind: x\nenv: {HOST: 1}\nf: 'http://{{ .HSOT }}'\n", "f:3:12", "unknown-env", ("f",), "did you mean 'HOST'?"),
    ("kind: x\nenv: {A: 1}\nf: '{{ .QQQ }}'\n", "f:3:5", "unknown-env", ("f",), "add 'QQQ' to `env`"),
    ("kind: x\nenv: {A: 1}\nf: |\n  a\n    b {{ .Q }}\n", "f:5:7", "unknown-env", ("f",), "add 'Q' to `env`"),
    ("kind: x\nenv: {A: 1}\nm: {'{{ .Q }}': 1}\n", "f:3:5", "unknown-env", ("m", "{{ .Q }}"), "add 'Q' to `env`"),
    ("kind: x\nenv: {A: 1}\nname: '{{ .Q }}'\n", "f:3:8", "unknown-env", ("name",), "add 'Q' to `env`"),
    (
        "kind: x\nenv: {A: 1}\nlinks: {out: {name: '{{ .Q }}'}}\n",
        "f:3:22",
        "unknown-env",
        ("links", "out", "name"),
        "add 'Q' to `env`",
    ),
    (
        "kind: x\nenv: {A: 1}\nports: {out: [{name: a}, {name: b, port: '{{ .Q }}'}]}\n",
        "f:3:43",
        "unknown-env",
        ("ports", "out", 1, "port"),
        "add 'Q' to `env`",
    ),
    (
        "kind: x\nenv: {A: 1}\nports: {'{{ .Q }}': []}\n",
        "f:3:9",
        "unknown-env",
        ("ports", "{{ .Q }}"),
        "add 'Q' to `env`",
    ),
    ("kind: x\nenv: {A: 1}\nf: '{{ foo }}'\n", "f:3:5", "malformed-template", ("f",), "write {{ .foo }}"),
    ("kind: x\nenv: {A: '{{ a }}'}\n", "f:2:11", "malformed-template", ("env", "A"), "write {{ .a }}"),
    ("kind: x\nenv: {A: {data: '{{ a }}'}}\n", "f:2:18", "malformed-template", ("env", "A", "data"), "write {{ .a }}"),
    (
        "kind: x\nenv: {A: [1, {value: '{{ a }}'}]}\n",
        "f:2:23",
        "malformed-template",
        ("env", "A", 1, "value"),
        "write {{ .a }}",
    ),
    (
        "kind: x\nspecs: [{c: '{{ .B }}', env: {A: 1}}]\n",
        "f:2:14",
        "unknown-env",
        ("specs", 0, "c"),
        "add 'B' to `env`",
    ),
]


@pytest.mark.parametrize(("text", "place", "rule", "path", "hint"), CHECKS)
def test_checks(text, place, rule, path, hint):
    (finding,) = check(spec(text))
    assert (str(finding.place), finding.rule, finding.path, finding.hint) == (place, rule, path, hint)
    with pytest.raises(DiagnosticsError):
        bind(spec(text), lookup(), {})


def test_a_bad_env_of_a_child_is_found():
    found = check(spec("kind: x\nspecs:\n- {c: 1, env: {A: {nme: v}}}\n"))
    assert [(d.rule, d.path, str(d.place)) for d in found] == [
        ("unknown-field", ("specs", 0, "env", "A", "nme"), "f:3:20"),
    ]


def test_all_findings_at_once():
    assert (
        len(check(spec("{kind: x, env: {A: 1}, a: '{{ .B }} {{ .C }}', b: ['{{ .D', '{{ e }}'], c: '{{ .A }}'}"))) == 4
    )


def test_names_in_env_entries_are_not_known_before():
    assert check(spec("{kind: x, env: {A: {name: v, data: '{{ .any }}'}, B: '{{ .HOST }}'}, f: '{{ .A.deep }}'}")) == []


def test_what_is_known_without_values():
    result = unbound(
        spec(
            "{kind: x, env: {L: 5, V: {name: v}, E: '{{ .HOME }}'}, "
            "a: '{{ .L }}', b: {c: ['{{ .V }}', 'x{{ .L }}{{ .E }}']}, '{{ .V }}': 1, d: 1}"
        )
    )
    assert result.fields["a"] == 5
    assert result.unfilled == {("b", "c", 0), ("b", "c", 1), ("{{ .V }}",)}


def test_two_keys_that_become_one_wait():
    result = bound("{kind: x, env: {A: b}, m: {b: 1, '{{ .A }}': 2}}")
    assert result.reason == "the key '{{ .A }}' becomes one that is there, once the templates are filled"


def test_specs_made_by_hand():
    made = Spec(
        "x",
        env={"A": (EnvEntry("{{ .HOST }}"),)},
        fields={"f": "{{ .A }}"},
        ports={"out": (Link("in", "{{ .A }}"),)},
    )
    result = bind(made, lookup(), {"HOST": "h"})
    assert (result.fields, result.ports) == ({"f": "h"}, {"out": (Link("in", "h"),)})
    assert check(made.replace(fields={"f": "{{ .B }}"}))[0].place.line == 0


def test_the_spec_itself_is_not_changed():
    original = spec("{kind: x, env: {A: {name: creds}}, f: {g: ['{{ .A }}']}}")
    result = bind(original, lookup(CREDS), {})
    result.fields["f"]["g"][0]["user"] = "changed"
    assert original.fields == {"f": {"g": ["{{ .A }}"]}}
    assert CREDS.data["user"] == "bob"
