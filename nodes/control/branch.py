"""Nodes with exactly two indexed ways out."""

from __future__ import annotations

from engine.flow import OneToMany, OutPort
from engine.flow.node import LIFECYCLE, split_name


class TwoWay(OneToMany):
    """`in` → `out[0]` (also called `out`), `out[1]`, `error`. Any other index is no port, so a link there is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.out_at(0)
        self.second = self.out_at(1)

    def out_port(self, name: str) -> OutPort | None:
        base, index = split_name(name)
        if base == "out" and index is not None and index > 1:
            return None
        return super().out_port(name)

    def out_names(self) -> list[str]:
        return ["out", "out[0]", "out[1]", "error", *LIFECYCLE]
