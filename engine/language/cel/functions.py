"""Functions: their signatures, and choosing the one overload that takes the arguments at hand.

A function has overloads, and each overload says its kinds in text, as `"string int -> string"`. From that one text
come the check while compiling, the choice while running, and the kind of the result. Where the kinds of all arguments
are known while compiling, the program calls the overload itself and nothing is chosen at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

from engine.errors import ErrorValue
from engine.language.cel.values import Optional, Type, UInt, no_overload, type_name

Implementation: TypeAlias = Callable[..., Any]

ANY = "any"
NUMBER = "number"
"""A parameter of any of the three kinds of number."""

_NUMBERS = frozenset({"int", "uint", "double"})


def _takes(param: str, kind: str) -> bool:
    return param in {ANY, kind} or (param == NUMBER and kind in _NUMBERS)


_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "null": "null_type",
        "timestamp": "google.protobuf.Timestamp",
        "duration": "google.protobuf.Duration",
        "optional": "optional_type",
        "ip": "net.IP",
        "cidr": "net.CIDR",
    }
)

_CLASSES: Mapping[str, type] = MappingProxyType(
    {
        "null_type": type(None), "bool": bool, "int": int, "uint": UInt, "double": float, "string": str,
        "bytes": bytes, "list": list, "map": dict, "google.protobuf.Timestamp": datetime,
        "google.protobuf.Duration": timedelta, "type": Type, "optional_type": Optional, "error": ErrorValue,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Overload:
    """One way to call a function. `params` and `result` are type names, or `any`."""

    name: str
    method: bool
    params: tuple[str, ...]
    result: str
    implementation: Implementation
    sized: bool = False
    """Its first argument is the limit of a value's size; the library puts it in."""
    variadic: bool = False
    """The last parameter may come any number of times."""
    work: int = 0
    """What an element of an argument costs, in steps; 0 where the size of the arguments does not matter."""

    def fits(self, kinds: tuple[str | None, ...]) -> bool:
        """Whether arguments of these kinds can be taken; `None` is a kind not known yet."""
        if len(kinds) != len(self.params) and not (self.variadic and len(kinds) > len(self.params)):
            return False
        params = self.params + self.params[-1:] * (len(kinds) - len(self.params))
        return all(kind is None or _takes(param, kind) for param, kind in zip(params, kinds, strict=True))


def _overload(
    name: str, signature: str, implementation: Implementation, *, method: bool, sized: bool, variadic: bool, work: int
) -> Overload:
    params, _, result = signature.rpartition("->")
    kinds = tuple(_KINDS.get(word, word) for word in params.split())
    returned = result.strip()
    return Overload(name, method, kinds, _KINDS.get(returned, returned), implementation, sized, variadic, work)


def function(
    name: str,
    signature: str,
    implementation: Implementation,
    *,
    sized: bool = False,
    variadic: bool = False,
    work: int = 0,
) -> Overload:
    """An overload of `name(…)`. `signature` is as `"string int -> string"`."""
    return _overload(name, signature, implementation, method=False, sized=sized, variadic=variadic, work=work)


def method(
    name: str, signature: str, implementation: Implementation, *, sized: bool = False, work: int = 0
) -> Overload:
    """An overload of `x.name(…)`; the first kind of the signature is that of `x`."""
    return _overload(name, signature, implementation, method=True, sized=sized, variadic=False, work=work)


@dataclass(frozen=True, slots=True)
class Function:
    """All overloads of one name, and `call`, which chooses among them by the arguments' types."""

    name: str
    method: bool
    overloads: tuple[Overload, ...]
    call: Implementation

    @property
    def work(self) -> int:
        """What an element of an argument costs, in steps."""
        return max(overload.work for overload in self.overloads)

    def choose(self, kinds: tuple[str | None, ...]) -> list[Overload]:
        """The overloads that may be meant when these are the kinds of the arguments."""
        return [overload for overload in self.overloads if overload.fits(kinds)]

    def counts(self) -> str:
        """How many arguments it takes, in words for an error."""
        least = 1 if self.method else 0
        counts = sorted({len(overload.params) - least for overload in self.overloads})
        more = " or more" if any(overload.variadic for overload in self.overloads) else ""
        return " or ".join(str(count) for count in counts) + more


class Library:
    """The functions that programs may call. Immutable, so any number of compilers and threads share one."""

    __slots__ = ("_functions",)

    def __init__(self, overloads: Iterable[Overload], *, max_size: int) -> None:
        grouped: dict[tuple[str, bool], list[Overload]] = {}
        for overload in overloads:
            ready = _with_limit(overload, max_size) if overload.sized else overload
            grouped.setdefault((overload.name, overload.method), []).append(ready)
        self._functions = {
            key: Function(key[0], key[1], tuple(group), _dispatcher(key[0], tuple(group)))
            for key, group in grouped.items()
        }

    def find(self, name: str, *, method: bool) -> Function | None:
        """The function or method of this name."""
        return self._functions.get((name, method))

    def names(self, *, method: bool) -> list[str]:
        """All names, for hints."""
        return sorted(name for name, is_method in self._functions if is_method is method)


def _with_limit(overload: Overload, max_size: int) -> Overload:
    bound = partial(overload.implementation, max_size)
    return replace(overload, implementation=bound, sized=False)


def _dispatcher(name: str, overloads: tuple[Overload, ...]) -> Implementation:
    """A callable that finds the overload: by the arguments' classes, else by their CEL types."""
    only = overloads[0]
    if len(overloads) == 1 and not only.variadic:
        if all(param == ANY for param in only.params):
            return only.implementation
        if len(only.params) == 2 and all(param in _CLASSES for param in only.params):
            return _of_two(name, only)
    table: dict[tuple[type, ...], Implementation] = {}
    for overload in overloads:
        if not overload.variadic and all(param in _CLASSES for param in overload.params):
            classes = tuple(_CLASSES[param] for param in overload.params)
            table.setdefault(classes, overload.implementation)

    def call(*args: Any) -> Any:
        found = table.get(tuple([arg.__class__ for arg in args]))
        if found is None:
            found = _match(name, overloads, args)
        return found(*args)

    return call


def _of_two(name: str, overload: Overload) -> Implementation:
    """The usual shape, `"string string -> bool"`, checked without building a key."""
    first, second = (_CLASSES[param] for param in overload.params)
    implementation = overload.implementation

    def call(left: Any, right: Any) -> Any:
        if left.__class__ is not first or right.__class__ is not second:
            _match(name, (overload,), (left, right))
        return implementation(left, right)

    return call


def _match(name: str, overloads: tuple[Overload, ...], args: tuple[Any, ...]) -> Implementation:
    kinds = tuple(type_name(arg) for arg in args)
    for overload in overloads:
        if overload.fits(kinds):
            return overload.implementation
    raise no_overload(name, *args)
