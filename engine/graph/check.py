"""What can be known of specs without running them: for `lint`, `apply` and the admin API.

Every spec is compiled, its links are looked up among the specs that stand beside it, and nothing is loaded. Templates
that need a value or the daemon's environment are left alone where these are not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from engine.errors import Diagnostic, DiagnosticsError, InvalidError, Place
from engine.flow import Generation
from engine.graph.compile import SpecCompiler, place_of, ports_field
from engine.graph.context import Clock, Context, Languages, Settings
from engine.graph.resources import Resources
from engine.graph.scheme import Scheme
from engine.graph.sketch import Silence
from engine.graph.symbol import Site, Symbol
from engine.spec import schema
from engine.spec.binding import unbound
from engine.spec.model import Link, Spec
from engine.spec.suggest import hint as suggestion


def check_specs(
    specs: Sequence[Spec],
    *,
    scheme: Scheme,
    languages: Languages,
    existing: Iterable[Spec] = (),
    strict: bool = False,
    indexed: bool = False,
) -> list[Diagnostic]:
    """Everything that is wrong with `specs`; paths begin with the index of the spec if `indexed`.

    Links may lead to each other and to `existing`, what the store holds besides; a spec of `specs` replaces the one
    with its id, or its name, there. A link to nothing is a warning, an error if `strict`.
    """
    compiler = checking_compiler(scheme, languages)
    found: list[Diagnostic] = []
    symbols: dict[int, Symbol] = {}
    for index, spec in enumerate(specs):
        problems, symbol = check_spec(spec, compiler)
        found += _below(index, problems) if indexed else problems
        if symbol is not None:
            symbols[index] = symbol
    neighbours = _Neighbours(specs, symbols, existing, compiler)
    for index, symbol in symbols.items():
        problems = _check_links(specs[index], symbol, neighbours, strict=strict)
        found += _below(index, problems) if indexed else problems
    return found


def _below(index: int, problems: Iterable[Diagnostic]) -> list[Diagnostic]:
    return [replace(each, path=(index, *each.path)) for each in problems]


def check_spec(spec: Spec, compiler: SpecCompiler) -> tuple[list[Diagnostic], Symbol | None]:
    """What is wrong with one spec by itself, and its symbol, where it can be compiled.

    One that has templates left cannot; its fields are checked as far as they are known.
    """
    try:
        bound = unbound(spec)
        if bound.ready:
            return [], compiler.compile(spec, bound)
        codec = compiler.scheme.codec(spec.kind)
        found = schema.check(codec.spec, bound.fields, origin=spec.origin, skip_paths=bound.unfilled, kind=spec.kind)
        return found, None
    except DiagnosticsError as error:
        return list(error.diagnostics), None
    except InvalidError as error:
        place = place_of(spec, ("kind",))
        return [Diagnostic("unknown-kind", error.reason, place, error.hint, path=("kind",))], None


class _Neighbours:
    """The specs that links may lead to. Those of the store are compiled when a link asks for their ports."""

    def __init__(
        self, specs: Sequence[Spec], symbols: Mapping[int, Symbol], existing: Iterable[Spec], compiler: SpecCompiler
    ) -> None:
        self._compiler = compiler
        self._symbols: dict[int, Symbol | None] = {id(spec): symbols.get(index) for index, spec in enumerate(specs)}
        self._by_key: dict[tuple[str, str], Spec] = {}
        replaced = {(spec.namespace, key) for spec in specs for key in (spec.id, spec.name) if key}
        for spec in existing:
            if not replaced & {(spec.namespace, key) for key in (spec.id, spec.name) if key}:
                self._add(spec)
        for spec in specs:
            self._add(spec)

    def _add(self, spec: Spec) -> None:
        for key in (spec.id, spec.name):
            if key:
                self._by_key[spec.namespace, key] = spec

    def find(self, namespace: str, link: Link) -> Spec | None:
        return self._by_key.get((namespace, link.id or link.name or ""))

    def names(self, namespace: str) -> list[str]:
        return [key for space, key in self._by_key if space == namespace]

    def symbol(self, spec: Spec) -> Symbol | None:
        """The symbol of a spec, None where it does not compile."""
        if id(spec) not in self._symbols:
            self._symbols[id(spec)] = check_spec(spec, self._compiler)[1]
        return self._symbols[id(spec)]


def _check_links(spec: Spec, symbol: Symbol, neighbours: _Neighbours, *, strict: bool) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for port, links in symbol.links.items():
        for index, link in enumerate(links):
            path = (ports_field(spec), port, index)
            target = neighbours.find(spec.namespace, link)
            wanted = link.name or link.id or ""
            if target is None:
                place = place_of(spec, (*path, "id" if link.id else "name"))
                message = f"{port} leads to {wanted!r}, which does not exist"
                hint = suggestion(wanted, neighbours.names(spec.namespace)) or "it stays pending until that comes"
                severity: Literal["error", "warning"] = "error" if strict else "warning"
                found.append(Diagnostic("unresolved-link", message, place, hint, severity, path=path))
                continue
            other = neighbours.symbol(target)
            if other is not None and not other.in_ports(link.port):
                place = place_of(spec, (*path, "port"))
                message = f"{target.label} has no in port {link.port!r}"
                found.append(
                    Diagnostic("unknown-port", message, place, suggestion(link.port, other.in_names()), path=path)
                )
    return found


def checking_compiler(scheme: Scheme, languages: Languages) -> SpecCompiler:
    """A compiler of symbols that are looked at, and never loaded."""
    prototype = Context(
        site=Site("", "", None, "", "", Place(), None),
        languages=languages,
        generation=Generation,
        log=Silence(),
        clock=Clock(),
        resources=Resources(),
        settings=Settings(),
    )
    return SpecCompiler(scheme, prototype)
