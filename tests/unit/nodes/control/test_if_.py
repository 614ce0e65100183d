from __future__ import annotations

import pytest

from engine.errors import DiagnosticsError, ErrorValue

LINKS = "ports: {'out[0]': [{name: yes}], 'out[1]': [{name: no}], error: [{name: failed}]}"


@pytest.fixture(params=["cel", "slow"])
def language(request):
    return request.param


def build(bench, language, when="self > 10", links=LINKS):
    return bench.flow(
        f"{{kind: if, name: i, language: {language}, when: '{when}', {links}}}",
        yes=lambda x: ("yes", x),
        no=lambda x: ("no", x),
        failed=lambda e: ("failed", str(e.place)),
    )


def test_the_packet_takes_one_of_two_ways(run, bench, language):
    flow = build(bench, language)

    async def main():
        assert await flow.ask("i", 11) == ("yes", 11)
        assert await flow.ask("i", 10) == ("no", 10)
        await flow.close()

    run(main)


def test_without_a_link_the_packet_comes_back(run, bench, language):
    flow = build(bench, language, links="ports: {}")

    async def main():
        assert await flow.ask("i", 11) == 11
        assert await flow.ask("i", 1) == 1

    run(main)


def test_a_condition_that_fails_goes_to_error_with_its_place(run, bench, language):
    flow = build(bench, language, when="self.x")

    async def main():
        name, place = await flow.ask("i", 1)
        assert name == "failed"
        assert place.startswith("flow.yaml:1:")

    run(main)


def test_a_condition_that_fails_without_a_link_is_the_answer(run, bench, language):
    flow = build(bench, language, when="self.x", links="ports: {}")

    async def main():
        assert isinstance(await flow.ask("i", 1), ErrorValue)

    run(main)


def test_out_is_out_0(run, bench):
    flow = build(bench, "cel", links="ports: {out: [{name: yes}]}")

    async def main():
        assert await flow.ask("i", 11) == ("yes", 11)

    run(main)


@pytest.mark.parametrize("name", ["out[2]", "out[10]", "in", "other", "error[0]"])
def test_there_is_no_other_port(bench, name):
    node = bench.one("{kind: if, name: i, when: self}")
    assert node.out_port(name) is None
    assert {"out", "out[0]", "out[1]", "error", "init", "term"} == set(node.out_names())


def test_when_is_required(bench):
    with pytest.raises(DiagnosticsError, match="when"):
        bench.one("{kind: if, name: i}")


def test_yaml_booleans_are_code(run, bench):
    flow = bench.flow("{kind: if, name: i, language: text, when: true, ports: {out: [{name: yes}]}}", yes=lambda _: "y")

    async def main():
        assert await flow.ask("i", 1) == "y"

    run(main)


def test_unload_closes_the_program(run, bench):
    node = bench.one("{kind: if, name: i, when: self}")
    run(node.unload)
    assert bench.languages.made[0].closed == 1
