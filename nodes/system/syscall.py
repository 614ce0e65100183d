"""`syscall`: asks something of the daemon that runs the flow. The admin API is made of these."""

from __future__ import annotations

from typing import Any

from engine.errors import Code, WeirError
from engine.flow import OneToOne, Process
from engine.graph import Codec, Context
from engine.graph.context import OPCODES
from engine.spec.schema import NodeSpec
from engine.spec.suggest import did_you_mean


class SyscallSpec(NodeSpec):
    opcode: str
    """What to do: `nodes.create`, `nodes.read`, `nodes.update`, `nodes.delete`, `nodes.apply` and the same for
    `values`; `instances.read`, `processes.read`, `processes.cancel`, `revisions.read`, `revisions.rollback`,
    `trials.read`, `trials.confirm`, `trials.revert`, `health.read`."""


class SyscallNode(OneToOne):
    """Sends the payload to the daemon and its answer on. Bad input is an error with the text `invalid argument`."""

    many = True

    def __init__(self, spec: SyscallSpec, ctx: Context) -> None:
        super().__init__()
        self._opcode = spec.opcode
        self._ctx = ctx

    async def action(self, payload: Any, process: Process) -> Any:
        syscalls = self._ctx.syscalls
        if syscalls is None:
            raise WeirError(
                f"{self._opcode} needs a daemon",
                code=Code.UNAVAILABLE,
                hint="`weir run` has none; use `weir start`",
            )
        return await syscalls.call(self._opcode, payload, namespace=self._ctx.site.namespace.partition("/")[0])


def compile_syscall(spec: SyscallSpec, ctx: Context) -> SyscallNode:
    if spec.opcode not in OPCODES:
        guess = did_you_mean(spec.opcode, OPCODES)
        hint = f"did you mean {guess!r}?" if guess else f"known are {', '.join(OPCODES)}"
        raise ctx.invalid(f"unknown opcode {spec.opcode!r}", path=("opcode",), hint=hint, rule="unknown-opcode")
    return SyscallNode(spec, ctx)


CODEC = Codec(
    kind="syscall",
    aliases=("native",),
    spec=SyscallSpec,
    compile=compile_syscall,
    family="system",
    summary="Asks something of the daemon: reads and changes specs, values, processes.",
    example="""
- kind: block
  name: nodes_read
  specs:
    - kind: snippet
      language: json
      code: 'null'
    - kind: syscall
      opcode: nodes.read
""",
)
