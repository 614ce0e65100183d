"""What can be known of specs without running them."""

from __future__ import annotations

from engine.graph.check import check_specs


def found(it, text, **options):
    return [
        (each.rule, each.severity, each.place.line)
        for each in check_specs(it.specs(text), scheme=it.scheme, languages=None, **options)
    ]


LINKED = """- kind: record
  name: a
  ports:
    out:
    - name: b
      port: in
"""


def test_a_link_to_nothing_is_a_warning_and_an_error_if_strict(bench) -> None:
    it = bench()
    assert found(it, LINKED) == [("unresolved-link", "warning", 5)]
    assert found(it, LINKED, strict=True) == [("unresolved-link", "error", 5)]


def test_links_lead_to_specs_beside_it_and_to_those_that_exist(bench) -> None:
    it = bench()
    assert found(it, LINKED + "- {kind: record, name: b}") == []
    assert found(it, LINKED, existing=it.specs("- {kind: record, name: b}")) == []


def test_a_spec_replaces_the_existing_one_with_its_name(bench) -> None:
    it = bench()
    existing = it.specs("- {kind: record, name: b}")
    assert found(it, LINKED + "- {kind: trigger, name: b}", existing=existing) == [("unknown-port", "error", 6)]


def test_everything_that_is_wrong_is_told_in_order(bench) -> None:
    it = bench()
    text = "- {kind: recrd, name: x}\n- {kind: record, name: y, wrong: 1}\n- {kind: record, name: z, ports: {no: []}}"
    assert [(rule, line) for rule, _, line in found(it, text)] == [
        ("unknown-kind", 1),
        ("unknown-field", 2),
        ("unknown-port", 3),
    ]


def test_templates_that_wait_for_a_value_are_left_alone(bench) -> None:
    it = bench()
    text = "- {kind: record, name: a, tag: '{{ .v }}', env: {v: {name: later}}}"
    assert found(it, text) == []
    assert [rule for rule, _, _ in found(it, text.replace("tag:", "wrong: 1, tag:"))] == ["unknown-field"]
