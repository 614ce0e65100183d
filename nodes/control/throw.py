"""`throw`: answers with an error made of the payload."""

from __future__ import annotations

import json
from dataclasses import replace

from engine.errors import ErrorValue, WeirError
from engine.flow import Payload
from engine.graph.context import Context
from engine.graph.scheme import Codec
from engine.language.json_form import to_json_value
from engine.spec.schema import NodeSpec
from nodes.control.sink import Sink


class ThrowSpec(NodeSpec):
    """Answers with an error: text is its message, a list wraps from cause to context."""


def thrown(payload: Payload) -> ErrorValue | None:
    """The error that a payload stands for, or None where there is nothing to throw.

    Text is the message; other values are written out as JSON; an error stays as it is. A list wraps from cause to
    context: `[a, b]` reads `b: a`, and `a` is the cause. Null and an empty list are nothing.
    """
    if not isinstance(payload, (list, tuple)):
        return _single(payload, None)
    error: ErrorValue | None = None
    for item in payload:
        error = _single(item, error)
    return error


def _single(item: Payload, cause: ErrorValue | None) -> ErrorValue | None:
    if item is None:
        return cause
    causes = () if cause is None else (cause,)
    if isinstance(item, ErrorValue):
        return replace(item, causes=(*item.causes, *causes)) if causes else item
    message = _text(item)
    # What happened decides the code; the context only tells where.
    return ErrorValue(message, cause.code, causes) if cause is not None else ErrorValue(message)


def _text(value: Payload) -> str:
    form = to_json_value(value)
    return form if isinstance(form, str) else json.dumps(form, ensure_ascii=False)


def throw(payload: Payload) -> Payload:
    """Raise the error of a payload; null where there is none."""
    error = thrown(payload)
    if error is None:
        return None
    raise WeirError.from_value(error)


def compile_throw(_spec: ThrowSpec, _ctx: Context) -> Sink:
    """The node of a `throw`."""
    return Sink(throw)


CODEC = Codec(
    kind="throw",
    spec=ThrowSpec,
    compile=compile_throw,
    family="control",
    summary="Answers with an error: text is its message, a list wraps from cause to context.",
    example="""\
kind: throw
name: reject
""",
)
