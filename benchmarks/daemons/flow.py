"""The specs: a listener on a port that each daemon names itself, a snippet that answers, and others that only change."""

from __future__ import annotations

from engine.spec.model import Spec, parse_spec

PORT = "WEB_PORT"
"""The name of the environment that a daemon has its port under."""


def web(namespace: str = "default") -> Spec:
    """The listener; it leads to the snippet of :func:`answer`."""
    return parse_spec(
        {
            "kind": "listener",
            "name": "web",
            "namespace": namespace,
            "port": "{{ .PORT }}",
            "env": {"PORT": {"data": f"{{{{ .{PORT} }}}}"}},
            "ports": {"out": [{"name": "answer"}]},
        }
    )


def answer(turn: int) -> Spec:
    """What everybody who asks is told: the number of a change."""
    return _text("answer", turn)


def part(number: int, turn: int) -> Spec:
    """One of many that nobody asks for."""
    return _text(f"part-{number}", turn)


def _text(name: str, turn: int) -> Spec:
    return parse_spec({"kind": "snippet", "name": name, "language": "text", "code": str(turn)})
