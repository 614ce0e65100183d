"""`switch`: the first condition that holds decides where the packet goes."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, AliasChoices, Field
from pydantic_core import PydanticCustomError

from engine.errors import WeirError
from engine.flow import Forward, OneToMany, OutPort, Payload, Process
from engine.flow.node import MAX_INDEX, split_name
from engine.graph.context import Context, Path
from engine.graph.scheme import Codec
from engine.language.protocol import Program
from engine.spec.fields import PortName, Source
from engine.spec.schema import NodeSpec
from nodes.control.entries import NOT_EMPTY
from nodes.control.expression import ExpressionSpec, is_true, located, name_in

"""The highest index of an out port that a condition may lead to."""


def _leads_out(name: str) -> str:
    base, index = split_name(name)
    if base != "out" or (index or 0) > MAX_INDEX:
        context = {
            "reason": f"is a way out of the switch, not {name!r}",
            "hint": f"write out, or out[n] with n from 0 to {MAX_INDEX}",
        }
        raise PydanticCustomError("field", "{reason}", context)
    return name


class Match(NodeSpec):
    """One condition of a `switch`, and the port that it leads to."""

    when: Source = Field(examples=['self.tier == "gold"', "true"])
    """The condition. False, 0, "", null, [] and {} are false, everything else is true."""
    port: Annotated[PortName, AfterValidator(_leads_out)] = Field(examples=["out[0]", "out[1]"])
    """Where the packet goes if this is the first condition that holds: `out[n]`, or `out`, which is `out[0]`."""


class SwitchSpec(ExpressionSpec):
    """Sends the packet where the first condition that holds leads."""

    matches: Annotated[tuple[Match, ...], NOT_EMPTY] = Field(
        validation_alias=AliasChoices("matches", "match"),
        examples=[[{"when": 'self.tier == "gold"', "port": "out[0]"}, {"when": "true", "port": "out[1]"}]],
    )
    """The conditions, in the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class Case:
    """A compiled condition, its port, and where it stands in the spec."""

    program: Program
    port: OutPort
    path: Path


class Switch(OneToMany):
    """Sends the packet as it came where the first condition that holds leads.

    Where none holds, the packet is the answer. A condition that fails goes to `error`; later ones are not tried.
    """

    def __init__(self, ctx: Context) -> None:
        super().__init__()
        self.ctx = ctx
        self.cases: tuple[Case, ...] = ()
        # No link can lead from here: what is sent is the answer.
        self.back = OutPort(self, "none")

    def action(self, payload: Payload, process: Process) -> Any:
        for case in self.cases:
            try:
                holds = is_true(case.program(payload))
            except WeirError as error:
                raise located(error, self.ctx, case.path) from error
            if holds:
                return case.port, payload
        return self.back, payload

    async def unload(self) -> None:
        for case in self.cases:
            case.program.close()


class WaitingSwitch(Switch):
    """A `switch` whose conditions must be awaited."""

    def action(self, payload: Payload, process: Process) -> Generator[Any, Any, Payload]:
        for case in self.cases:
            try:
                result = case.program(payload)
                if case.program.is_async:
                    result = yield result
            except WeirError as error:
                raise located(error, self.ctx, case.path) from error
            if is_true(result):
                return Forward(case.port, payload)
        return payload


def compile_switch(spec: SwitchSpec, ctx: Context) -> Switch:
    """The node of a `switch`. Conditions that were compiled before one that does not compile are closed again."""
    field = name_in(ctx, "matches", "match")
    programs: list[Program] = []
    try:
        for index, match in enumerate(spec.matches):
            path = (field, index, "when")
            programs.append(ctx.compile(match.when, spec.language, path=path, timeout=spec.timeout))
    except BaseException:
        for program in programs:
            program.close()
        raise
    waiting = any(program.is_async for program in programs)
    node = WaitingSwitch(ctx) if waiting else Switch(ctx)
    node.cases = tuple(
        Case(program, node.out_at(split_name(match.port)[1] or 0), (field, index, "when"))
        for index, (program, match) in enumerate(zip(programs, spec.matches, strict=True))
    )
    return node


CODEC = Codec(
    kind="switch",
    aliases=("swtich",),
    spec=SwitchSpec,
    compile=compile_switch,
    family="control",
    summary="Sends the packet where the first condition that holds leads.",
    example="""\
kind: switch
name: tier
matches:
  - {when: 'self.tier == "gold"', port: 'out[0]'}
  - {when: 'true', port: 'out[1]'}
ports:
  out[0]:
    - {name: fast, port: in}
  out[1]:
    - {name: slow, port: in}
""",
)
