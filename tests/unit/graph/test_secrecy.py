"""No word of a value stands in what becomes of a spec: its status, its findings, the log."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import UnavailableError
from engine.flow import OneToOne
from engine.graph.scheme import Codec, Composite, Scheme
from engine.language.registry import default_languages
from engine.runtime import Runtime, Services
from engine.spec.fields import Duration
from engine.spec.model import parse_spec, parse_value
from engine.spec.schema import NodeSpec

PASSWORD = "hunter2"
CODE = "1 +* correct_horse"


class FieldsSpec(NodeSpec):
    port: int = 1
    wait: Duration | None = None
    code: str = "1"
    host: str = ""
    broken: str = ""


class GroupSpec(NodeSpec):
    specs: tuple[dict[str, Any], ...]


class Fields(OneToOne):
    def __init__(self, spec: FieldsSpec, ctx: Any) -> None:
        super().__init__()
        ctx.compile(spec.code, "cel", path=("code",))
        if spec.broken:
            raise RuntimeError(f"a bug with {spec.broken}")
        self.host = spec.host

    async def load(self) -> None:
        if self.host:
            raise UnavailableError(f"cannot reach {self.host!r}", hint=f"is {self.host} right?")

    def action(self, payload: Any, process: Any) -> Any:
        return payload


class World:
    def __init__(self) -> None:
        self.said: list[str] = []
        languages = default_languages()
        codecs = [
            Codec(kind="fields", spec=FieldsSpec, compile=Fields),
            Codec(kind="group", spec=GroupSpec, expand=lambda spec: Composite(children=spec.specs, path=("specs",))),
        ]
        self.runtime = Runtime("default", Services(scheme=Scheme.of(codecs), languages=languages, log=self))
        self.languages = languages

    def debug(self, event: str, **fields: Any) -> None:
        shown = {key: repr(value) for key, value in fields.items()}
        self.said.append(f"{event} {shown}")

    info = warning = error = debug

    async def status(self, **fields: Any) -> Any:
        env = {"P": {"name": "v", "data": "{{ .password }}"}, "C": {"name": "v", "data": "{{ .code }}"}}
        spec = parse_spec({"kind": "fields", "name": "a", "env": env, **fields}).replace(id="a")
        value = parse_value({"name": "v", "data": {"password": PASSWORD, "code": CODE}}).replace(id="v")
        await self.runtime.load([spec], [value])
        entry = self.runtime.table.find("a")
        assert entry is not None
        return entry.status


@pytest.fixture
async def world():
    world = World()
    yield world
    await world.runtime.close()
    world.languages.close()
    assert not any(word in line for line in world.said for word in (PASSWORD, "horse"))


@pytest.mark.parametrize(
    ("fields", "state", "reason"),
    [
        ({"port": "{{ .P }}"}, "failed", "`port` is a whole number, not ***"),
        ({"wait": "{{ .P }}s"}, "failed", "`wait` is a duration, not ***"),
        ({"code": "{{ .C }}"}, "failed", "`code` is wrong; how is not shown, for a value has filled it in"),
        ({"code": "1 + {{ .C }}"}, "failed", "`code` is wrong; how is not shown, for a value has filled it in"),
        ({"host": "{{ .P }}:80"}, "failed", "cannot reach '***:80'"),
        ({"broken": "{{ .P }}"}, "failed", "a bug with ***"),
        ({"{{ .P }}": 1}, "failed", "fields has no field '***'"),
        ({"kind": "{{ .P }}x", "port": "{{ .P }}"}, "failed", None),
        ({"ports": {"out": {"name": "{{ .P }}"}}}, "pending", "out leads to '***', which does not exist"),
        ({"ports": {"{{ .P }}": {"name": "b"}}}, "failed", "fields has no out port '***'"),
        (
            {
                "kind": "group",
                "specs": [{"kind": "fields", "port": "{{ .P }}"}, {"kind": "fields", "code": "{{ .C }}"}],
            },
            "failed",
            "`port` is a whole number, not ***; `code` is wrong; how is not shown, for a value has filled it in",
        ),
        ({"kind": "group", "specs": [{"kind": "fields", "host": "{{ .P }}"}]}, "failed", "cannot reach '***'"),
        ({"kind": "group", "specs": [{"kind": "{{ .P }}"}]}, "failed", "unknown kind '***'"),
    ],
)
async def test_a_status_does_not_quote_a_value(world, fields, state, reason):
    status = await world.status(**fields)
    assert status.state == state
    if reason is not None:
        assert status.reason == reason
    told = f"{status.reason} {[each.to_json() for each in status.diagnostics]}"
    assert PASSWORD not in told
    assert "horse" not in told


async def test_what_no_value_has_filled_is_quoted_as_ever(world):
    status = await world.status(port="many", wait="{{ .P }}")
    assert "`port` is a whole number, not 'many'" in status.reason
    assert "`wait` is a duration, not ***" in status.reason


async def test_a_flow_may_do_with_a_value_what_it_wants(world):
    status = await world.status(code='"{{ .P }}"')
    assert status.state == "active"
