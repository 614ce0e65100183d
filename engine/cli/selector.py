"""Label selectors: `app=shop,tier!=test,canary,!old`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self

from engine.errors import InvalidError

_TERM = re.compile(r"\s*(?P<not>!?)\s*(?P<key>[^\s=!,]+)\s*(?:(?P<operator>==?|!=)\s*(?P<value>[^\s=!,]*))?\s*")
_HINT: Final = "write key=value, key!=value, key or !key, parted by commas"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on the label `key`."""

    key: str
    test: Literal["is", "is not", "exists", "is missing"]
    value: str = ""

    def admits(self, labels: Mapping[str, str]) -> bool:
        if self.test == "is":
            return labels.get(self.key) == self.value
        if self.test == "is not":
            return labels.get(self.key) != self.value
        return (self.key in labels) == (self.test == "exists")


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions that labels must all meet; `key!=value` is also met by labels without the key."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read a selector; None is the one that everything meets. Raises InvalidError, for an empty text too."""
        if text is None:
            return cls()
        return cls(tuple(_requirement(term, text) for term in text.split(",")))

    def admits(self, labels: Mapping[str, str]) -> bool:
        """Whether something with these labels is meant."""
        return all(requirement.admits(labels) for requirement in self.requirements)

    @property
    def equals(self) -> dict[str, str]:
        """The part of it that a store can look for."""
        return {each.key: each.value for each in self.requirements if each.test == "is"}


def _requirement(term: str, text: str) -> Requirement:
    match = _TERM.fullmatch(term)
    if match is None or (match["not"] and match["operator"]):
        raise InvalidError(f"{text!r} is no selector of labels", hint=_HINT)
    if match["operator"] is None:
        return Requirement(match["key"], "is missing" if match["not"] else "exists")
    return Requirement(match["key"], "is not" if match["operator"] == "!=" else "is", match["value"])
