"""What the kinds with an expression in their spec share: its fields, and what counts as true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import AliasChoices, Field

from engine.errors import ErrorValue, WeirError
from engine.graph.context import Context, Path
from engine.spec.fields import Duration
from engine.spec.schema import NodeSpec

_MAY_BE_FALSE = (bool, int, float, str, list, tuple, dict)


class ExpressionSpec(NodeSpec):
    """Fields of a kind whose spec holds an expression."""

    language: str = Field("cel", validation_alias=AliasChoices("language", "lang"), examples=["cel", "javascript"])
    """The language of the code: cel, javascript, typescript, json, yaml or text; python, where the operator has turned it on."""
    timeout: Duration | None = Field(None, examples=["500ms"])
    """How long one evaluation may take. Without it the language's own limit holds."""


def is_true(value: Any) -> bool:
    """Whether a condition holds: false, 0, "", null, [] and {} are false, everything else is true.

    So empty bytes, a duration of zero and an error value are true, whatever Python thinks of them.
    """
    if value:
        return True
    return value is not None and not isinstance(value, _MAY_BE_FALSE)


def name_in(ctx: Context, preferred: str, *others: str) -> str:
    """Which of a field's names the spec is written with, so that a message points at the right line."""
    origin = ctx.site.origin
    if origin is None or origin.knows((preferred,)):
        return preferred
    return next((name for name in others if origin.knows((name,))), preferred)


def located(error: WeirError, ctx: Context, path: Path, *, causes: tuple[ErrorValue, ...] = ()) -> WeirError:
    """The error of the code at `path`, with its place in the file, and `causes` that it would hide otherwise."""
    value = ctx.locate(error.value, path)
    return WeirError.from_value(replace(value, causes=(*value.causes, *causes)) if causes else value)
