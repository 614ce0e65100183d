"""The query of an HTTP request, read strictly: `?name=hello&label=app=shop&limit=10`.

A flow passes it on as it came, a map of names to lists of text. A parameter that nobody knows, that is empty or that
stands twice is an invalid argument: what is left out of a filter by a slip would mean more than was meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from engine.errors import InvalidError
from engine.spec.fields import FieldError, duration
from engine.spec.suggest import did_you_mean
from engine.store.query import check_text

FILTER: Final = ("id", "namespace", "name", "label")
"""The parameters that say which documents are meant; `label` may stand several times."""

_DIGITS: Final = re.compile(r"[0-9]{1,18}")


class Parameters:
    """The parameters of one request, each at most once, except `label`."""

    def __init__(self, data: Any, known: Sequence[str]) -> None:
        """Read the query of a request; None is an empty one. Raises InvalidError for anything that is not `known`."""
        if data is not None and not isinstance(data, Mapping):
            raise InvalidError("`query` must be that of a request: a map of names to lists of text")
        self._texts: dict[str, list[str]] = {}
        for name, values in (data or {}).items():
            if name not in known:
                raise InvalidError(f"there is no query parameter {name!r} here", hint=_suggestion(str(name), known))
            self._texts[name] = _texts(name, values)

    def __contains__(self, name: str) -> bool:
        return name in self._texts

    def get(self, name: str) -> str | None:
        """The text of a parameter; None if it was left out."""
        return self._texts[name][0] if name in self._texts else None

    def example(self) -> dict[str, Any] | None:
        """What the parameters of :data:`FILTER` name, as an example to match; None if they name nothing."""
        form: dict[str, Any] = {name: self._texts[name][0] for name in FILTER if name in self and name != "label"}
        if "label" in self:
            form["labels"] = _labels(self._texts["label"])
        return form or None


def read_whole(value: Any, name: str, *, least: int = 1) -> int | None:
    """A whole number, also as text (of a query); None for None."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= least):
        return value
    raise InvalidError(f"`{name}` must be a whole number from {least} on, not {value!r}")


def read_flag(value: Any, name: str) -> bool | None:
    """A boolean, also as text (of a query); None for None."""
    flag = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
    if flag is None or isinstance(flag, bool):
        return flag
    raise InvalidError(f"`{name}` must be true or false, not {value!r}")


def read_duration(value: Any, name: str) -> timedelta | None:
    """A length of time such as `60s`, or a number of milliseconds; None for None."""
    if value is None:
        return None
    try:
        return duration(value)
    except FieldError as error:
        raise InvalidError(f"`{name}` {error.reason}", hint=error.hint) from error


def _suggestion(name: str, known: Sequence[str]) -> str:
    guess = did_you_mean(name, known)
    if guess:
        return f"did you mean {guess!r}?"
    return f"the parameters are {', '.join(known)}" if known else "it takes none"


def _texts(name: str, values: Any) -> list[str]:
    listed = values if isinstance(values, (list, tuple)) else [values]
    for value in listed:
        if not isinstance(value, str):
            raise InvalidError(f"the query parameter `{name}` must be text")
        if not value:
            raise InvalidError(f"the query parameter `{name}` is empty", hint="leave it out, or say what it is")
        check_text(value, f"the query parameter `{name}`")
    if not listed or (len(listed) > 1 and name != "label"):
        raise InvalidError(f"the query parameter `{name}` stands {len(listed)} times", hint="give it once")
    return list(listed)


def _labels(texts: Sequence[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InvalidError(f"a label is KEY=VALUE, not {text!r}", hint="write label=app=shop")
        if labels.setdefault(key, value) != value:
            raise InvalidError(f"the label {key!r} cannot be {labels[key]!r} and {value!r} at once")
    return labels
