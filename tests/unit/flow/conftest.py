"""Small nodes for tests of the kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.flow import Mode, Node


class Probe(Node):
    """A node with one in port and any handler; `mode` tells how it is called."""

    def __init__(self, handler: Callable[..., Any], mode: Mode, *, name: str = "probe", many: bool = False) -> None:
        super().__init__()
        self.label = f"test/{name}"
        self.out = self._add_out("out")
        self.error = self._add_out("error")
        self.input = self._add_in("in", handler, out=self.out, error=self.error, mode=mode, many=many)

    def to(self, *others: Probe, number: int = 1) -> Probe:
        self.out.link(number, [other.input for other in others])
        return self


@pytest.fixture
def probe() -> type[Probe]:
    return Probe
