"""Pydantic's errors in the words of people who write specs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from pydantic_core import ErrorDetails

from engine.spec import suggest
from engine.spec.common import kind_of
from engine.spec.secrets import HIDDEN


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with a value. `text` follows its name; of a wrong type, `expected` says what would be right."""

    rule: str
    text: str = ""
    hint: str | None = None
    expected: str = ""
    given: str = ""


_EXPECTED: Final = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a text",
    "string_unicode": "a text",
    "bytes_type": "bytes",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "iterable_type": "a list",
    "dict_type": "a map",
    "mapping_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "dataclass_type": "a map",
    "none_required": "nothing",
    "date_type": "a date",
    "date_parsing": "a date",
    "datetime_type": "a time",
    "datetime_parsing": "a time",
    "datetime_from_date_parsing": "a time",
    "timezone_aware": "a time with its zone",
    "url_type": "a URL",
    "url_parsing": "a URL",
    "url_scheme": "a URL of another scheme",
    "uuid_type": "a UUID",
    "uuid_parsing": "a UUID",
}

_LIMITS: Final = {
    "greater_than": ("must be more than {gt}", "gt"),
    "greater_than_equal": ("must be at least {ge}", "ge"),
    "less_than": ("must be less than {lt}", "lt"),
    "less_than_equal": ("must be at most {le}", "le"),
    "multiple_of": ("must be a multiple of {multiple_of}", "multiple_of"),
    "string_too_long": ("must have at most {max_length} characters", "max_length"),
    "string_pattern_mismatch": ("does not fit the pattern {pattern}", "pattern"),
}


_CLAUSE: Final = re.compile(r"(?:is|are|must be) (?:an? |the )?[a-z ]+(?=,|$)")
"""The part of a complaint that says what would be right: words of ours, up to a comma."""


def complaint(details: ErrorDetails, *, hidden: bool = False) -> Complaint:
    """One error of pydantic. With `hidden` nothing of what stands there is quoted, or can be told from the hint."""
    found = _complaint(details, hidden=hidden)
    return replace(found, hint=None) if hidden else found


def _complaint(details: ErrorDetails, *, hidden: bool) -> Complaint:
    kind = details["type"]
    value = _Hidden() if hidden else details.get("input")
    context: dict[str, Any] = dict(details.get("ctx") or {})
    if kind == "extra_forbidden":
        return Complaint("unknown-field")
    if kind == "missing":
        return Complaint("missing-field")
    if kind in _EXPECTED:
        return Complaint("wrong-type", expected=_EXPECTED[kind], given=_given(value))
    if kind in ("literal_error", "enum"):
        return _choice(value, str(context["expected"]))
    if kind == "string_too_short":
        text = (
            "must not be empty"
            if context["min_length"] == 1
            else f"must have {context['min_length']} characters or more"
        )
        return Complaint("wrong-value", text)
    if kind in ("too_short", "too_long"):
        return _length(kind, context)
    if kind in _LIMITS:
        return Complaint("wrong-value", f"{_LIMITS[kind][0].format(**context)}, not {_given(value)}")
    if hidden:
        return _unquoted(kind, context)
    if kind == "field":
        return Complaint("wrong-type", str(context["reason"]), context.get("hint"))
    if kind in ("value_error", "assertion_error"):
        return Complaint("wrong-value", f"is wrong: {context['error']}", getattr(context["error"], "hint", None))
    message = details["msg"]
    return Complaint("wrong-value", f"is wrong: {message[:1].lower()}{message[1:]}")


def joined(complaints: Sequence[Complaint]) -> str:
    """What several complaints about one value say together: it fits none of the types that would do."""
    if complaints[0].rule != "wrong-type":
        return "; ".join(dict.fromkeys(each.text for each in complaints))
    texts = list(dict.fromkeys(each.text for each in complaints if each.text))
    expected = list(dict.fromkeys(each.expected for each in complaints if each.expected))
    if expected:
        given = next(each.given for each in complaints if each.given)
        texts.insert(0, f"is {' or '.join(expected)}, not {given}")
    return "; or ".join(texts)


def spelled(path: Sequence[str | int]) -> str:
    """A path as people write it: `matches[0].when`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _choice(value: Any, expected: str) -> Complaint:
    words = [word.strip().strip("'") for word in expected.replace(" or ", ", ").split(",")]
    hint = suggest.hint(value, words) if isinstance(value, str) else None
    return Complaint("wrong-value", f"is one of {', '.join(words)}; not {_given(value)}", hint)


def _length(kind: str, context: dict[str, Any]) -> Complaint:
    if kind == "too_short":
        limit = context["min_length"]
        text = "must not be empty" if limit == 1 else f"needs {limit} entries or more"
    else:
        text = f"takes at most {context['max_length']} entries"
    return Complaint("wrong-value", f"{text}; it has {context['actual_length']}" if text[0] != "m" else text)


class _Hidden:
    """Stands for what must not be quoted."""


def _unquoted(kind: str, context: dict[str, Any]) -> Complaint:
    """What a check of our own says, up to where it may begin to quote: "is a duration", of "is a duration, not '3x'"."""
    said = _CLAUSE.match(str(context["reason"])) if kind == "field" else None
    if said is None:
        return Complaint("wrong-value", f"cannot be what a value has filled in ({HIDDEN})")
    return Complaint("wrong-type", f"{said.group().rstrip()}, not {HIDDEN}")


def _given(value: Any) -> str:
    if isinstance(value, _Hidden):
        return HIDDEN
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.9g}s"
    return repr(value) if isinstance(value, str) and len(value) <= 60 else kind_of(value)
