"""Specs to symbols.

Compiling does no I/O and changes nothing that runs: a node is made, not loaded. What is wrong with a spec is raised as
one :class:`~engine.errors.DiagnosticsError` with all that could be found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.errors import Diagnostic, DiagnosticsError, InvalidError, Place
from engine.graph.context import Context
from engine.graph.scheme import Codec, Composite, Scheme
from engine.graph.symbol import Group, Site, Symbol
from engine.graph.warming import warm_up
from engine.spec.binding import Bound, bind
from engine.spec.model import Link, Spec, canonical, parse_spec
from engine.spec.schema import decode
from engine.spec.secrets import Secrets
from engine.spec.suggest import hint as suggestion

MAX_NESTING = 32
"""Composites within composites."""


class SpecCompiler:
    """Compiles specs with one scheme. `prototype` is what every node's context is made from."""

    def __init__(self, scheme: Scheme, prototype: Context) -> None:
        self.scheme = scheme
        self._prototype = prototype

    async def warm_up(self, spec: Spec) -> None:
        """Have the languages ready that a spec names, so that compiling it is quick."""
        await warm_up(self._prototype.languages, [spec])

    def compile(self, spec: Spec, bound: Bound, *, previous: Symbol | None = None) -> Symbol:
        """The symbol of a spec whose templates are all filled.

        Nodes of `previous` are taken over where their own fields mean the same.
        """
        return self._compile(spec, bound, previous, depth=0)

    def _compile(self, spec: Spec, bound: Bound, previous: Symbol | None, *, depth: int) -> Symbol:
        site = Site(spec.kind, spec.namespace, spec.name, spec.id, spec.label, spec.place, spec.origin)
        codec = self._codec(spec)
        if codec.expand is not None:
            return self._compile_composite(spec, bound, codec, previous, site=site, depth=depth)
        if previous is not None and previous.codec is codec and _say_the_same(previous.bound.fields, bound.fields):
            node, context = previous.node, previous.context
        else:
            context = self._prototype.elsewhere(site)
            fields = decode(codec.spec, bound.fields, origin=spec.origin, kind=spec.kind, secrets=bound.secrets)
            assert codec.compile is not None
            try:
                node = codec.compile(fields, context)
            except DiagnosticsError as error:
                raise bound.secrets.cover_all(error) from error
            node.label, node.place, context.node = site.label, site.place, node
        symbol = Symbol(spec=spec, bound=bound, site=site, codec=codec, context=context, node=node)
        _check_own_ports(symbol)
        return symbol

    def _compile_composite(
        self, spec: Spec, bound: Bound, codec: Codec[Any], previous: Symbol | None, *, site: Site, depth: int
    ) -> Symbol:
        if depth >= MAX_NESTING:
            raise _problem(spec, "nesting", f"composites are nested deeper than {MAX_NESTING}", ("specs",))
        fields = decode(codec.spec, bound.fields, origin=spec.origin, kind=spec.kind, secrets=bound.secrets)
        assert codec.expand is not None
        composite = codec.expand(fields)
        if previous is not None and (previous.composite is None or previous.codec is not codec):
            previous = None
        children: dict[str, Symbol] = {}
        problems: list[Diagnostic] = []
        for index, document in enumerate(composite.children):
            try:
                child = self._compile_child(spec, composite, document, index, previous, bound.secrets, depth=depth)
                key = child.spec.name or f"${index}"
                if key in children:
                    path = (*composite.path, index, "name")
                    raise _problem(spec, "duplicate-name", f"two children have the name {key!r}", path)
                children[key] = child
            except DiagnosticsError as error:
                problems.extend(error.diagnostics)
        if problems:
            raise DiagnosticsError(problems)
        if not children:
            raise _problem(spec, "missing-field", f"a {spec.kind} needs at least one child", composite.path)
        symbol = Symbol(
            spec=spec,
            bound=bound,
            site=site,
            codec=codec,
            context=previous.context if previous is not None else self._prototype.elsewhere(site),
            node=previous.node if previous is not None else Group(),
            composite=composite,
            children=children,
        )
        if previous is None:
            symbol.node.label, symbol.node.place = site.label, site.place
        _check_inside(symbol)
        _check_own_ports(symbol)
        return symbol

    def _compile_child(
        self,
        parent: Spec,
        composite: Composite,
        document: Mapping[str, Any],
        index: int,
        previous: Symbol | None,
        secrets: Secrets,
        *,
        depth: int,
    ) -> Symbol:
        origin = parent.origin.at(*composite.path, index) if parent.origin is not None else None
        # Children live in a namespace of their own, so nothing outside can name them.
        child = parse_spec(document, origin=origin, namespace=f"{parent.namespace}/{parent.name or parent.id}")
        key = child.name or f"${index}"
        child = child.replace(revision=parent.revision)
        bound = replace(bind(child, lambda *_: None, {}), secrets=secrets.below((*composite.path, index)))
        before = previous.children.get(key) if previous is not None else None
        symbol = self._compile(child, bound, before, depth=depth + 1)
        label = f"{child.kind}/{parent.name or parent.id or parent.kind}.{key}"
        symbol.site = replace(symbol.site, label=label)
        if before is None or symbol.node is not before.node:
            symbol.node.label = label
            symbol.context.site = symbol.site
        return symbol

    def _codec(self, spec: Spec) -> Codec[Any]:
        try:
            return self.scheme.codec(spec.kind)
        except InvalidError as error:
            raise _problem(spec, "unknown-kind", error.reason, ("kind",), hint=error.hint) from error


def _say_the_same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a node that was made from the old fields does what the new ones say, however they are spelled."""
    return canonical(old) == canonical(new)


def _check_own_ports(symbol: Symbol) -> None:
    """The out ports that the spec links must exist."""
    problems = [
        Diagnostic(
            "unknown-port",
            f"{symbol.spec.kind} has no out port {name!r}",
            place_of(symbol.spec, (ports_field(symbol.spec), name), key=True),
            suggestion(name, symbol.out_names()),
            path=(ports_field(symbol.spec), name),
        )
        for name in symbol.links
        if not symbol.out_ports(name)
    ]
    if problems:
        raise DiagnosticsError(problems)


def _check_inside(symbol: Symbol) -> None:
    """Links between the children, and the ports that the outside sees, must lead somewhere: nobody can join later."""
    assert symbol.composite is not None
    problems: list[Diagnostic] = []
    for child in symbol.children.values():
        for port, links in child.links.items():
            for index, link in enumerate(links):
                path = (ports_field(child.spec), port, index)
                problems += _check_inner_link(symbol, link, child.spec, path, inbound=True)
    for field, inbound in (("inbounds", True), ("outbounds", False)):
        named: Mapping[str, tuple[Link, ...]] = getattr(symbol.composite, field) or {}
        for port, links in named.items():
            for index, link in enumerate(links):
                problems += _check_inner_link(symbol, link, symbol.spec, (field, port, index), inbound=inbound)
    if problems:
        raise DiagnosticsError(problems)


def _check_inner_link(
    symbol: Symbol, link: Link, spec: Spec, path: tuple[str | int, ...], *, inbound: bool
) -> list[Diagnostic]:
    try:
        child = symbol.child(link)
    except KeyError:
        wanted = link.name or link.id or ""
        hint = suggestion(wanted, symbol.children)
        place = place_of(spec, (*path, "name" if link.name else "id"))
        return [Diagnostic("unknown-child", f"{symbol.spec.kind} has no child {wanted!r}", place, hint, path=path)]
    if child.in_ports(link.port) if inbound else child.out_ports(link.port):
        return []
    names, way = (child.in_names(), "in") if inbound else (child.out_names(), "out")
    place = place_of(spec, (*path, "port"))
    message = f"{child.site.label} has no {way} port {link.port!r}"
    return [Diagnostic("unknown-port", message, place, suggestion(link.port, names), path=path)]


def ports_field(spec: Spec) -> str:
    """The name under which a spec writes its ports: `ports`, or `links` as older ones do."""
    return "links" if "links" in spec.document and "ports" not in spec.document else "ports"


def place_of(spec: Spec, path: tuple[str | int, ...], *, key: bool = False) -> Place:
    """The place of a value in a spec, or of its key."""
    return spec.origin.place(path, key=key) if spec.origin is not None else Place()


def _problem(
    spec: Spec, rule: str, message: str, path: tuple[str | int, ...], *, hint: str | None = None
) -> DiagnosticsError:
    return DiagnosticsError([Diagnostic(rule, message, place_of(spec, path), hint, path=path)])
