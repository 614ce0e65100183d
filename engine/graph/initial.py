"""Who must be there before a node's `init` flow can run.

The flow is part of loading the node, and its packets go wherever links lead from there. All that they can reach is loaded,
and initialised, before. Two nodes whose `init` flows reach each other can therefore never begin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from engine.errors import ErrorValue
from engine.graph.choose import Picks, pick_target
from engine.graph.compile import place_of, ports_field
from engine.graph.symbol import Symbol
from engine.graph.table import Table

INIT = "init"


class Beginnings:
    """What the `init` flows of symbols reach, given what runs beside them. Looked up once for each symbol."""

    def __init__(self, table: Table, picks: Picks) -> None:
        self._table = table
        self._picks = picks
        self._reached: dict[str, dict[str, Symbol]] = {}

    def reached(self, symbol: Symbol) -> dict[str, Symbol]:
        """The symbols, by id, that packets of a symbol's `init` flow can reach; none where it has no such flow."""
        found = self._reached.get(symbol.id)
        if found is None:
            found = self._reached[symbol.id] = {}
            todo = list(self._targets(symbol, (INIT,)))
            while todo:
                here = todo.pop()
                if here.id not in found:
                    found[here.id] = here
                    todo += self._targets(here, [name for name in here.links if name not in (INIT, "term")])
        return found

    def cycle(self, symbol: Symbol) -> ErrorValue | None:
        """The error of a symbol whose `init` flow reaches another one's that reaches it."""
        for other in self.reached(symbol).values():
            if other.id != symbol.id and symbol.id in self.reached(other):
                text = f"its init flow leads to {other.site.label}, whose init flow leads back to it"
                place = place_of(symbol.spec, (ports_field(symbol.spec), INIT), key=True)
                return ErrorValue(
                    text, place=place, node=symbol.site.label, hint="neither can begin: let one of them go without"
                )
        return None

    def first_things_first(self, order: Iterable[Symbol]) -> list[Symbol]:
        """The order, changed where an `init` flow needs what would come later."""
        places = {symbol.id: symbol for symbol in order}
        if not any(INIT in symbol.links for symbol in places.values()):
            return list(places.values())
        placed: dict[str, Symbol] = {}
        for start in places.values():
            self._place(start, places, placed)
        return list(placed.values())

    def _place(self, start: Symbol, places: dict[str, Symbol], placed: dict[str, Symbol]) -> None:
        """Place a symbol behind all that its `init` flow needs; of a cycle, whoever is met first comes last."""
        path = [(start, self._needs(start, places))]
        under_way = {start.id}
        while path:
            symbol, needs = path[-1]
            other = next((each for each in needs if each.id not in placed and each.id not in under_way), None)
            if other is None:
                placed[symbol.id] = symbol
                path.pop()
            else:
                under_way.add(other.id)
                path.append((other, self._needs(other, places)))

    def _needs(self, symbol: Symbol, places: dict[str, Symbol]) -> Iterator[Symbol]:
        reached = self.reached(symbol)
        return iter([each for id, each in places.items() if id in reached])

    def _targets(self, symbol: Symbol, ports: Iterable[str]) -> Iterator[Symbol]:
        find: Callable[..., tuple[Symbol | None, object]] = pick_target
        for name in ports:
            for link in symbol.links.get(name, ()):
                target, _ = find(self._table, link, self._picks)
                if target is not None:
                    yield target
