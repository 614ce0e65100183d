"""What a payload asks of a database: one statement and its parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from engine.errors import ErrorValue, InvalidError
from engine.flow import Payload
from engine.language.json_form import to_json_value

Scalar = None | int | float | str | bytes
Parameters = Sequence[Scalar] | dict[str, Scalar]

_SHAPE: Final = 'send "SQL", or ["SQL", parameters] with a list, a map, or a list of maps'
_FIRST_WORD = re.compile(
    r"""(?>\s|\ufeff|;|--[^\n]*(?:\n|$)|/\*.*?(?:\*/|$))*+  # blanks and comments, never looked at twice
        ([a-z]+)
        (\s+(?:transaction\s+)?to\b)?""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_MAIN_WORD = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|$)|'[^']*'|"[^"]*"|`[^`]*`|\[[^\]]*\]|(?P<bracket>[()])|(?P<word>\w+)""",
    re.DOTALL | re.VERBOSE,
)
"""What has to be told apart to find the word that says what a `WITH` does: the first of these outside of brackets."""
_MAIN: Final = frozenset({"select", "values", "insert", "update", "delete", "replace"})
_READS: Final = frozenset({"select", "values", "explain"})
"""Words that begin what never writes."""
_WRITES: Final = frozenset({"insert", "update", "delete", "replace", "create", "alter", "drop", "reindex", "analyze"})
"""Words that begin what always does. What another word begins (`PRAGMA`, say) may do either."""
_SAVEPOINTS: Final = frozenset({"savepoint", "release", "rollback to"})
"""Words that begin what does neither."""
LARGE: Final = 65_536
"""Characters or bytes of a parameter that takes long to copy."""
_LONG: Final = 4096
"""Characters of a statement that is not remembered."""
_TRANSACTIONS: Final = frozenset({"begin", "commit", "end", "rollback"})
_PLAIN: Final = frozenset({str, float, bytes, type(None)})
_INT64: Final = range(-(2**63), 2**63)


@dataclass(slots=True)  # not frozen: that would double the cost of making one
class Statement:
    """One statement of SQL. `many` is set where it runs once for each of several parameter maps.

    `reads` tells that it only reads, `writes` that it writes; `is_obscure` that its words do not tell whether it writes.
    """

    sql: str
    parameters: Parameters = ()
    many: tuple[dict[str, Scalar], ...] | None = None
    reads: bool = field(init=False, compare=False)
    writes: bool = field(init=False, compare=False)
    is_obscure: bool = field(init=False, compare=False)

    def __post_init__(self) -> None:
        word = _word_of(self.sql)
        self.reads = word in _READS
        self.writes = word in _WRITES
        self.is_obscure = not (self.reads or self.writes or word in _SAVEPOINTS)

    @property
    def is_large(self) -> bool:
        """Whether a parameter is so large that to copy it takes long, which nobody can interrupt."""
        values = self.parameters.values() if isinstance(self.parameters, dict) else self.parameters
        return any(isinstance(value, (str, bytes)) and len(value) > LARGE for value in values)


def read_statement(payload: Payload) -> Statement:
    """The statement of a payload: `"SQL"`, or `["SQL", parameters]`.

    A list of parameters binds by position, a map by name, and a list of maps runs the statement once for each. Raises
    :class:`~engine.errors.InvalidError` for anything else, and for statements that begin or end a transaction: that is
    the business of the process.
    """
    if isinstance(payload, str):
        return Statement(_checked(payload))
    if not isinstance(payload, (list, tuple)) or not payload or len(payload) > 2 or not isinstance(payload[0], str):
        raise InvalidError(f"{_kind(payload)} is no statement", hint=_SHAPE)
    sql = _checked(payload[0])
    given = payload[1] if len(payload) == 2 else None
    if given is None:
        return Statement(sql)
    if isinstance(given, dict):
        return Statement(sql, _named(given))
    if not isinstance(given, (list, tuple)):
        raise InvalidError(f"the parameters are {_kind(given)}", hint=_SHAPE)
    if given and isinstance(given[0], dict) and all(isinstance(item, dict) for item in given):
        return Statement(sql, many=tuple(_named(item) for item in given))
    return Statement(sql, tuple(_bound(item, str(index + 1)) for index, item in enumerate(given)))


def _checked(sql: str) -> str:
    word = _word_of(sql)
    if not word and not sql.strip():
        raise InvalidError("the statement is empty", hint=_SHAPE)
    if word in _TRANSACTIONS:
        raise InvalidError(
            f"{word.upper()} is not for a statement",
            hint="a process has one transaction: it is committed at a clean end and rolled back otherwise",
        )
    return sql


def _word_of(sql: str) -> str:
    """The first word, in lower case; `rollback to` for what goes back to a savepoint, nothing if there is no word."""
    return _first_word(sql) if len(sql) > _LONG else _known_word(sql)


def _first_word(sql: str) -> str:
    found = _FIRST_WORD.match(sql)
    if found is None:
        return ""
    word: str = found[1].lower()
    if word == "with":
        return _main_word(sql, found.end(1))
    return word if found[2] is None else f"{word} to"


def _main_word(sql: str, start: int) -> str:
    """The word that tells what a `WITH` does; `with` where it cannot be told."""
    depth = 0
    for found in _MAIN_WORD.finditer(sql, start):
        if found["bracket"]:
            depth += 1 if found["bracket"] == "(" else -1
        elif depth == 0 and found["word"] and found["word"].lower() in _MAIN:
            word = found["word"].lower()
            return "with" if word == "replace" else word  # which a table may be called as well
    return "with"


_known_word = lru_cache(maxsize=1024)(_first_word)


def _named(given: dict[Any, Any]) -> dict[str, Scalar]:
    return {str(name): _bound(value, f":{name}") for name, value in given.items()}


def _bound(value: Any, name: str) -> Scalar:
    """A value as the database takes it. Messages name the parameter and its type, never its value."""
    if type(value) in _PLAIN:
        return value  # type: ignore[no-any-return]
    if isinstance(value, (float, bytes)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        if value not in _INT64:
            raise InvalidError(f"parameter {name} is beyond 64 bits", hint="send it as text")
        return int(value)
    if isinstance(value, (datetime, timedelta)):
        text: str = to_json_value(value)
        return text
    hint = "send JSON text" if isinstance(value, (list, tuple, dict)) else None
    raise InvalidError(f"parameter {name} is {_kind(value)}", hint=hint)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, ErrorValue):
        return "an error"
    return f"a value of type {type(value).__name__}"
