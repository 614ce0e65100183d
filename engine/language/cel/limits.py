"""How much one expression may nest, compute and build before it is an error."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one program.

    `steps` counts the elements that macros and functions visit during one evaluation, all together, and what they do
    with long texts; a macro that stops early gets the rest back. `time` is what the loops may take of the processor.
    `size` is the length of one text or bytes that an operator or a function makes; an element of a list counts as
    8, also where a value stands in the result many times. `nesting` counts what is written inside something else,
    `source` the characters of the expression.
    """

    steps: int = 1_000_000
    time: timedelta = timedelta(milliseconds=100)
    size: int = 16 * 1024 * 1024
    nesting: int = 128
    source: int = 32 * 1024
