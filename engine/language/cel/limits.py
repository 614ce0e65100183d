"""How much one expression may nest, compute and build before it is an error."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one program.

    `steps` counts the elements that macros visit during one evaluation, all loops together; a macro that stops early
    gets the rest back. `nesting` counts what is written inside something else. `size` is the length of one text, bytes
    or list that an operator or a function makes, in characters, bytes or elements.
    """

    steps: int = 1_000_000
    nesting: int = 128
    size: int = 64 * 1024 * 1024
