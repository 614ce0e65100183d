"""Nodes that only take packets in: they have no out ports beside `init` and `term`, and answer themselves."""

from __future__ import annotations

from collections.abc import Callable

from engine.flow import Mode, Node, OutPort, Payload


class Sink(Node):
    """`in`, and nothing else. What `answer(payload)` returns, or raises, is the answer."""

    def __init__(self, answer: Callable[[Payload], Payload]) -> None:
        super().__init__()
        # The driver sends results somewhere. A port that nobody can link gives them back as the answer.
        back = OutPort(self, "out")
        self.input = self._add_in("in", answer, out=back, error=back, mode=Mode.MAP)
