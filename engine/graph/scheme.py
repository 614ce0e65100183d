"""Kinds of nodes: what a spec of each may hold, and how it becomes a node.

A :class:`Codec` is the one declaration of a kind: parsing, defaults, checks, JSON Schema and documentation all come from
its spec class. A :class:`Scheme` is the set of kinds that an engine knows. Kinds register through entry points of the
group `weir.nodes`, one for each name of a kind, so the engine knows no node and loads only those that specs name:

    [project.entry-points."weir.nodes"]
    sleep = "nodes.control.sleep:CODEC"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from engine.errors import InvalidError
from engine.flow import Node
from engine.graph.context import Context
from engine.spec.model import Link
from engine.spec.schema import NodeSpec
from engine.spec.suggest import hint as suggestion

GROUP = "weir.nodes"

S = TypeVar("S", bound=NodeSpec)


@dataclass(frozen=True, slots=True)
class Composite:
    """What a composite node (`block`, `step`) consists of.

    `children` are specs as written. Without `inbounds` and `outbounds` they run in sequence: each child's `out` leads to
    the next one's `in`, `in` is the first one's, `out` the last one's, and `error` takes the errors of all. With them
    the children link themselves by name, and the maps say which of their ports the outside sees.
    """

    children: tuple[Mapping[str, Any], ...]
    path: tuple[str | int, ...] = ("specs",)
    """Where the children stand in the spec, for places in messages."""
    inbounds: Mapping[str, tuple[Link, ...]] | None = None
    outbounds: Mapping[str, tuple[Link, ...]] | None = None

    @property
    def is_sequence(self) -> bool:
        return self.inbounds is None and self.outbounds is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec(Generic[S]):
    """One kind of node.

    Exactly one of `compile` and `expand` is given. `compile(spec, ctx)` makes a node: cheap, without I/O; what it opens
    it opens in :meth:`~engine.flow.Node.load`. It raises :class:`~engine.errors.WeirError`, best from
    :meth:`Context.invalid` or :meth:`Context.compile`, which know the place. `expand(spec)` names the children of a
    composite. `trigger` marks kinds that make processes by themselves; `weir run` loads none of them.
    """

    kind: str
    spec: type[S]
    compile: Callable[[S, Context], Node] | None = None
    expand: Callable[[S], Composite] | None = None
    aliases: tuple[str, ...] = ()
    family: str = ""
    trigger: bool = False
    summary: str = ""
    example: str = ""

    def __post_init__(self) -> None:
        if (self.compile is None) == (self.expand is None):
            raise TypeError(f"kind {self.kind!r} needs either compile or expand")


@dataclass(frozen=True, slots=True)
class Scheme:
    """The kinds that an engine knows, by name; aliases are names too."""

    codecs: Mapping[str, Codec[Any] | EntryPoint]
    _loaded: dict[str, Codec[Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, codecs: Iterable[Codec[Any]]) -> Scheme:
        """The scheme of these kinds."""
        return cls({name: codec for codec in codecs for name in (codec.kind, *codec.aliases)})

    @classmethod
    def installed(cls, *, only: Iterable[str] | None = None) -> Scheme:
        """The kinds of all installed packages, or of the distributions named in `only`.

        Two packages that offer one name are an error: nobody could say which of them a spec means.
        """
        wanted = None if only is None else {name.lower().replace("_", "-") for name in only}
        codecs: dict[str, EntryPoint] = {}
        for point in entry_points(group=GROUP):
            if wanted is not None and _owner(point) not in wanted:
                continue
            other = codecs.setdefault(point.name, point)
            if other.value != point.value:
                raise InvalidError(
                    f"two packages offer the kind {point.name!r}: {other.value} and {point.value}",
                    hint="remove one of them, or name the wanted ones in `plugins`",
                )
        return cls(codecs)

    def kinds(self) -> list[str]:
        """All names of kinds, aliases included, sorted."""
        return sorted(self.codecs)

    def codec(self, kind: str) -> Codec[Any]:
        """The codec of a kind. Raises :class:`~engine.errors.InvalidError` for one that nobody knows."""
        known = self._loaded.get(kind)
        if known is not None:
            return known
        found = self.codecs.get(kind)
        if found is None:
            raise InvalidError(f"unknown kind {kind!r}", hint=suggestion(kind, self.codecs))
        codec = found if isinstance(found, Codec) else found.load()
        if not isinstance(codec, Codec):
            raise InvalidError(f"the entry point of kind {kind!r} is no Codec but {type(codec).__name__}")
        self._loaded[kind] = codec
        return codec


def _owner(point: EntryPoint) -> str:
    """The distribution that an entry point comes from. Asked for its name, it reads its metadata anew each time."""
    return point.dist.name.lower().replace("_", "-") if point.dist is not None else ""
