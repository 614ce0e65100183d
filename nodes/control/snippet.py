"""`snippet`: code that turns one payload into another."""

from __future__ import annotations

from pydantic import Field

from engine.errors import ErrorValue
from engine.flow import OneToOne, Payload, Process
from engine.graph.context import Context
from engine.graph.scheme import Codec
from engine.language.protocol import Program
from engine.spec.fields import Source
from nodes.control.expression import ExpressionSpec


class SnippetSpec(ExpressionSpec):
    """Runs code on the payload and passes on what it returns."""

    code: Source = Field(examples=['"hello " + self.who', "export default (x) => x.length"])
    """The code. In CEL `self` is the payload, and the keys of a map are names of their own."""
    engine: str | None = Field(None, examples=["v8", "quickjs"])
    """Which engine runs the code, in a language that has several. JavaScript has v8 and quickjs: v8 runs beside everything
    else and suits any code; quickjs answers a short call sooner, and everything else waits meanwhile."""


class Snippet(OneToOne):
    """Runs a program on each payload.

    A program that needs no waiting is called by the driver itself. One that waits (JavaScript) runs one call at a time
    for each process, in order of arrival; when the process is cancelled, the call is abandoned.
    """

    def __init__(self, program: Program, ctx: Context) -> None:
        super().__init__()
        self.program = program
        self.ctx = ctx
        if not program.is_async:
            self.map(program)

    async def action(self, payload: Payload, process: Process) -> Payload:
        return await self.program(payload)

    def locate(self, error: ErrorValue) -> ErrorValue:
        return self.ctx.locate(error, ("code",))

    async def unload(self) -> None:
        self.program.close()


def compile_snippet(spec: SnippetSpec, ctx: Context) -> Snippet:
    """The node of a `snippet`; code that does not compile is an error with its place in the file."""
    program = ctx.compile(spec.code, spec.language, path=("code",), timeout=spec.timeout, engine=spec.engine)
    return Snippet(program, ctx)


CODEC = Codec(
    kind="snippet",
    spec=SnippetSpec,
    compile=compile_snippet,
    family="control",
    summary="Runs code on the payload and passes on what it returns.",
    example="""\
kind: snippet
name: greet
language: cel
code: '"hello " + self.who'
timeout: 500ms
ports:
  out:
    - {name: next, port: in}
  error:
    - {name: oops, port: in}
""",
)
