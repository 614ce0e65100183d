"""What a command line asks for: `specs`, `values`, a kind, `kind/name`, names and ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import click

from engine.cli.selector import Selector
from engine.cli.target import Item
from engine.errors import NotFoundError
from engine.spec.model import Spec
from engine.spec.suggest import hint as suggestion
from engine.store.query import Query
from engine.store.record import Resource

RESOURCES: Final[dict[str, Resource]] = {
    "specs": "spec",
    "spec": "spec",
    "nodes": "spec",
    "values": "value",
    "value": "value",
}
"""The words of the command line for what a store holds."""

_OF_OTHERS: Final = {
    "history": "write `weir history NAME`",
    "revisions": "write `weir history NAME`",
    "processes": "they end by themselves; `weir get processes` shows them",
    "process": "they end by themselves; `weir get processes` shows them",
}
"""Words that are no kinds, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Named:
    """One item that was named, of this kind if it is not None."""

    kind: str | None
    name: str

    def admits(self, item: Item) -> bool:
        return self.name in (item.name, item.id) and self.kind in (None, _kind(item))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Items of a resource: those of a kind (None: of all), those that are named (none named: all), those selected.

    `reveal` wishes to see the data of values.
    """

    resource: Resource
    kind: str | None
    named: tuple[Named, ...]
    selector: Selector
    namespaces: tuple[str, ...] | None
    reveal: bool = False

    @property
    def query(self) -> Query:
        """What to ask a store for; :meth:`choose` does the rest."""
        return Query(namespaces=self.namespaces, labels=self.selector.equals)

    def admits(self, item: Item) -> bool:
        return (
            self.kind in (None, _kind(item))
            and self.selector.admits(item.labels)
            and (not self.named or any(named.admits(item) for named in self.named))
        )

    def choose(self, items: Iterable[Item]) -> list[Item]:
        """The items that are meant, in the order in which they were named."""
        admitted = [item for item in items if self.admits(item)]
        if not self.named:
            return admitted
        chosen = {item.id: item for named in self.named for item in admitted if named.admits(item)}
        return list(chosen.values())

    def missing(self, items: Sequence[Item]) -> list[NotFoundError]:
        """An error for each name that none of the items has."""
        errors = []
        for named in self.named:
            kind = named.kind or self.kind
            if any(named.admits(item) and kind in (None, _kind(item)) for item in items):
                continue
            others = [item.name for item in items if item.name and kind in (None, _kind(item))]
            what = kind or self.resource
            elsewhere = next((item for item in items if named.name in (item.name, item.id)), None)
            hint = f"there is {elsewhere.label}" if elsewhere is not None else suggestion(named.name, others)
            errors.append(NotFoundError(f"no {what} {named.name!r}{self._where()}", hint=hint))
        return errors

    def check_kind(self, items: Sequence[Item]) -> None:
        """Raise NotFoundError for a kind that neither an item nor an installed package has: it is a slip."""
        if self.kind is None or any(_kind(item) == self.kind for item in items):
            return
        from engine.graph.scheme import Scheme

        kinds = Scheme.installed().kinds()
        if self.kind not in kinds:
            named = next((item for item in items if self.kind in (item.name, item.id)), None)
            if named is not None:
                raise NotFoundError(f"no kind {self.kind!r}", hint=f"did you mean {named.label!r}?")
            words = [*kinds, *RESOURCES, "instances"]
            raise NotFoundError(f"no kind {self.kind!r}", hint=suggestion(self.kind, words))

    def _where(self) -> str:
        return f" in the namespace {self.namespaces[0]!r}" if self.namespaces else ""


def parse(resource: str, names: Sequence[str], *, selector: str | None, namespaces: tuple[str, ...] | None) -> Wanted:
    """Read the arguments of a verb. Raises UsageError for what is contradictory."""
    if resource in _OF_OTHERS:
        raise click.UsageError(f"this verb is not about {resource}: {_OF_OTHERS[resource]}")
    words = [resource, *names]
    if "/" in resource:
        named = tuple(_slashed(word) for word in words)
        kinds = {each.kind for each in named}
        if kinds & {"value", "values"}:
            if kinds - {"value", "values"}:
                raise click.UsageError("specs and values cannot be asked for together")
            return Wanted("value", None, _plain(named), Selector.parse(selector), namespaces)
        return Wanted("spec", None, _plain(named), Selector.parse(selector), namespaces)
    slashed = next((name for name in names if "/" in name), None)
    if slashed is not None:
        raise click.UsageError(f"{slashed!r} has a kind already: leave out {resource!r}")
    kind = None if resource in RESOURCES else resource
    named = tuple(Named(None, name) for name in dict.fromkeys(names))
    return Wanted(RESOURCES.get(resource, "spec"), kind, named, Selector.parse(selector), namespaces)


def _slashed(word: str) -> Named:
    kind, slash, name = word.partition("/")
    if not slash or not kind or not name:
        raise click.UsageError(f"{word!r} is not KIND/NAME, as the others are")
    return Named(kind, name)


def _plain(named: Sequence[Named]) -> tuple[Named, ...]:
    """Names after `specs/` or `values/` may be of any kind."""
    return tuple(Named(None, each.name) if each.kind in RESOURCES else each for each in named)


def _kind(item: Item) -> str:
    return item.kind if isinstance(item, Spec) else "value"
