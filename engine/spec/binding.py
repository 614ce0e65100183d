"""Fills the templates of a spec from its `env`.

First `env` itself is resolved. An entry with a name or an id takes its data from that value; one without takes it from
the daemon's environment; data without templates is a literal. Of several entries under one name the first that resolves
is taken. Then every other string of the spec is rendered against the result. Without an `env` nothing is: braces are
ordinary text.

What cannot be resolved *yet* keeps the spec pending (:attr:`Bound.unresolved`). What can never be resolved, a malformed
template or a name that the spec's own `env` lacks, is an error (:func:`check`).

Children (the maps in a list called `specs`) see the `env` of their parent, and may have one of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import Diagnostic, DiagnosticsError, InvalidError, Place
from engine.spec import suggest, template
from engine.spec.common import CommonReader
from engine.spec.origin import Origin
from engine.spec.problems import Problems
from engine.spec.resource import EnvEntry, Link, Spec, Value
from engine.spec.secrets import NO_SECRETS, Secrets
from engine.spec.template import Steps, UnresolvedName

CHILDREN = "specs"
"""The field that holds the children of a spec."""

ValueKey = tuple[str, str | None, str | None]
"""How a value is asked for: namespace, name, id (one of the last two may be None)."""

Lookup = Callable[[str, str | None, str | None], Value | None]
"""Finds a value by namespace, name and id: it must fit all that are given."""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Why a spec must wait: a reason for people, and where in the spec it arose."""

    reason: str
    path: Steps
    place: Place = field(default_factory=Place)

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class Bound:
    """A spec with its templates filled.

    `spec` is the spec as it was, but for its name. `env` holds what each name resolved to; names that did not are
    missing. `used_values` are the values asked for, found or not: when one of them changes, bind again. While there is
    anything in `unresolved` the spec stays pending; `unfilled` are the paths, in `fields` and in `ports` as
    written, that still hold templates. `secrets` is what values have
    put into it, which no message may show.
    """

    spec: Spec
    fields: Mapping[str, Any]
    ports: Mapping[str, tuple[Link, ...]]
    env: Mapping[str, Any]
    used_values: frozenset[ValueKey] = frozenset()
    unresolved: tuple[Unresolved, ...] = ()
    unfilled: frozenset[Steps] = frozenset()
    secrets: Secrets = NO_SECRETS

    @property
    def ready(self) -> bool:
        """Whether everything is resolved."""
        return not self.unresolved

    @property
    def reason(self) -> str:
        """All reasons to wait, in one sentence; empty if there are none."""
        return "; ".join(dict.fromkeys(each.reason for each in self.unresolved))


def bind(spec: Spec, values: Lookup, environment: Mapping[str, Any]) -> Bound:
    """Fill the templates of a spec.

    Raises :class:`~engine.errors.DiagnosticsError` for what :func:`check` finds. Names that cannot be resolved are no
    error: see :class:`Bound`.
    """
    if not _has_env(spec):
        return Bound(spec, spec.fields, spec.ports, spec.env)
    problems = check(spec)
    if problems:
        raise DiagnosticsError(problems)
    return _Binder(spec, values, environment).bind()


def unbound(spec: Spec) -> Bound:
    """What can be filled without any value or environment: for checks before a daemon runs the spec.

    Check `fields` but for the paths in `unfilled`. Raises what :func:`bind` raises.
    """
    return bind(spec, lambda _namespace, _name, _id: None, {})


def check(spec: Spec) -> list[Diagnostic]:
    """What is wrong with the templates of a spec, whatever its values may be.

    Rules: `malformed-template`, and `unknown-env` for a name that the spec's own `env` lacks.
    """
    problems = Problems(spec.origin)
    _check_entries(problems, spec.env, ("env",))
    known = set(spec.env)
    if spec.env:
        if spec.name is not None:
            _check_strings(problems, spec.name, ("name",), known)
        for port, links in spec.ports.items():
            _check_strings(problems, {port: None}, _ports_path(spec, ()), known)
            for index, link in enumerate(links):
                path = _ports_path(spec, (port, index))
                _check_strings(problems, {"name": link.name, "id": link.id, "port": link.port}, path, known)
    _check_fields(problems, spec.fields, (), known if spec.env else None)
    return problems.found


def _has_env(spec: Spec) -> bool:
    return bool(spec.env) or (CHILDREN in spec.fields and any(True for _ in _inner_envs(spec.fields)))


def _inner_envs(fields: Mapping[str, Any]) -> Iterator[Any]:
    """The `env` of each child that has one."""
    children = fields.get(CHILDREN)
    if not isinstance(children, (list, tuple)):
        return
    for child in children:
        if isinstance(child, Mapping):
            if child.get("env"):
                yield child["env"]
            yield from _inner_envs(child)


def _read_env(child: Mapping[str, Any], problems: Problems, path: Steps) -> dict[str, tuple[EnvEntry, ...]]:
    """The `env` of a child, which nobody has read before. What is wrong with it is added to `problems`."""
    own = Problems(problems.origin.at(*path) if problems.origin is not None else None)
    env = CommonReader(own).env(child)
    problems.found += [replace(finding, path=(*path, *finding.path)) for finding in own.found]
    return env


def _check_fields(problems: Problems, fields: Mapping[str, Any], path: Steps, known: set[str] | None) -> None:
    """Check the fields of a spec or child. `known` is None where nothing is templated."""
    for key, value in fields.items():
        if key == CHILDREN and isinstance(value, (list, tuple)):
            for index, child in enumerate(value):
                _check_child(problems, child, (*path, key, index), known)
        elif known is not None and not (path and key == "env"):
            _check_strings(problems, {key: value}, path, known)


def _check_child(problems: Problems, child: Any, path: Steps, known: set[str] | None) -> None:
    if not isinstance(child, Mapping):
        if known is not None:
            _check_strings(problems, child, path, known)
        return
    env = _read_env(child, problems, path)
    _check_entries(problems, env, (*path, "env"))
    own = known if not env else (known or set()) | set(env)
    _check_fields(problems, child, path, own)


def _check_entries(problems: Problems, env: Mapping[str, tuple[EnvEntry, ...]], path: Steps) -> None:
    for key, entries in env.items():
        for index, entry in enumerate(entries):
            below = _entry_path(problems.origin, (*path, key), index)
            _check_strings(problems, entry.data, below, None)


def _check_strings(problems: Problems, data: Any, path: Steps, known: set[str] | None) -> None:
    """Report what is malformed, and names that are not among `known` (None: any may come)."""
    for where, is_key, text, parsed in template.find(data, path):
        for bad in parsed.malformed:
            _report(problems, "malformed-template", bad.message, where, is_key, text, bad.offset, bad.hint)
        if known is None:
            continue
        for name, offset in parsed.names:
            if name.parts and name.root not in known:
                hint = suggest.hint(name.root, known) or f"add {name.root!r} to `env`"
                message = f"the template {{{{ .{name} }}}} names {name.root!r}, which `env` lacks"
                _report(problems, "unknown-env", message, where, is_key, text, offset, hint)


def _report(
    problems: Problems, rule: str, message: str, path: Steps, is_key: bool, text: str, offset: int, hint: str
) -> None:
    place = problems.place(path, key=is_key)
    if problems.origin is not None and not is_key:
        line = text.count("\n", 0, offset)
        column = offset - (text.rfind("\n", 0, offset) + 1)
        place = problems.origin.inside(path, line + 1, column + 1)
    problems.found.append(Diagnostic(rule, message, place, hint, path=path))


def _ports_path(spec: Spec, path: Steps) -> Steps:
    """A path below `ports` as it was written: under its old name, a single link without a list."""
    field = "links" if "links" in spec.document else "ports"
    if len(path) == 2:
        ports = spec.document.get(field)
        if isinstance(ports, Mapping) and isinstance(ports.get(str(path[0])), Mapping):
            path = path[:1]
    return (field, *path)


def _entry_path(origin: Origin | None, path: Steps, index: int) -> Steps:
    """The path of an entry's data as it was written: in a list or alone, under its old name, or bare."""
    if origin is None:
        return path
    for candidate in (
        (*path, index, "data"),
        (*path, index, "value"),
        (*path, "data"),
        (*path, "value"),
        (*path, index),
    ):
        if origin.knows(candidate):
            return candidate
    return path


class _Binder:
    """Binds one spec, and collects what it needed and missed."""

    def __init__(self, spec: Spec, values: Lookup, environment: Mapping[str, Any]) -> None:
        self.spec = spec
        self.values = values
        self.environment = environment
        self.used: set[ValueKey] = set()
        self.unresolved: list[Unresolved] = []
        self.unfilled: set[Steps] = set()
        self.secret: set[str] = set()
        """The names of `env` that hold something of a value, here or in a child: all of that name count as such."""
        self.filled: set[Steps] = set()
        self.data: list[Any] = []

    def bind(self) -> Bound:
        spec = self.spec
        env = self._resolve(spec.env, ("env",))
        scope = env if spec.env else None
        fields = self._fields(spec.fields, scope, frozenset(spec.env), ())
        ports = spec.ports
        name = spec.name
        if scope is not None:
            ports = self._ports(scope)
            name = None if name is None else template.text_of(self._render(name, scope, frozenset(env), ("name",)))
        return Bound(
            spec if name == spec.name else spec.replace(name=name),
            fields,
            ports,
            env,
            frozenset(self.used),
            tuple(self.unresolved),
            frozenset(self.unfilled),
            Secrets(frozenset(self.filled), tuple(self.data)) if self.data else NO_SECRETS,
        )

    def _resolve(self, env: Mapping[str, tuple[EnvEntry, ...]], path: Steps) -> dict[str, Any]:
        resolved = {}
        for key, entries in env.items():
            reasons: list[str] = []
            for entry in entries:
                value = self._entry(entry, reasons)
                if value is not template.MISSING:
                    resolved[key] = value
                    if entry.name is not None or entry.id is not None:
                        self.secret.add(key)
                    break
            else:
                reason = f"env {key!r}: {', and '.join(dict.fromkeys(reasons)) or 'has no entry'}"
                self._wait(reason, (*path, key))
        return resolved

    def _entry(self, entry: EnvEntry, reasons: list[str]) -> Any:
        """What an entry gives, or MISSING and a reason."""
        if entry.name is None and entry.id is None:
            return self._take(entry.data, self.environment, reasons, "the environment")
        self.used.add((self.spec.namespace, entry.name, entry.id))
        value = self.values(self.spec.namespace, entry.name, entry.id)
        if value is None:
            called = f"named {entry.name!r}" if entry.name is not None else f"with the id {entry.id}"
            reasons.append(f"no value {called}")
            return template.MISSING
        if value.problem is not None:
            reasons.append(value.problem)
            return template.MISSING
        taken = self._take(entry.data, value.data, reasons, f"value {entry.name or entry.id!r}")
        if taken is not template.MISSING:
            parts = (name for _, _, _, parsed in template.find(entry.data) for name, _ in parsed.names)
            self.data += [taken, *(template.lookup(value.data, name) for name in parts)]
        return taken

    def _take(self, data: Any, scope: Any, reasons: list[str], where: str) -> Any:
        missing: list[UnresolvedName] = []
        try:
            taken = template.render(data, scope, missing)
        except InvalidError as error:
            reasons.append(error.reason)
            return template.MISSING
        for each in missing:
            if each.reason == "null":
                reasons.append(f"{each.name!r} in {where} is null, which has no text")
            elif where == "the environment":
                reasons.append(f"{each.name!r} is not in the environment")
            else:
                reasons.append(f"{where} has no {each.name!r}")
        return template.MISSING if missing else taken

    def _fields(
        self, fields: Mapping[str, Any], scope: dict[str, Any] | None, names: frozenset[str], path: Steps
    ) -> Any:
        """The fields of a spec or child, filled. `names` are those that `env` has, resolved or not."""
        filled: dict[str, Any] = {}
        for key, value in fields.items():
            if key == CHILDREN and isinstance(value, (list, tuple)):
                filled[key] = [self._child(child, scope, names, (*path, key, i)) for i, child in enumerate(value)]
            elif scope is None:
                filled[key] = value
            else:
                part = self._render({key: value}, scope, names, path)
                filled.update(part)
        return filled

    def _child(self, child: Any, scope: dict[str, Any] | None, names: frozenset[str], path: Steps) -> Any:
        if not isinstance(child, Mapping):
            return child if scope is None else self._render(child, scope, names, path)
        if not child.get("env"):
            return self._fields(child, scope, names, path)
        env = _read_env(child, Problems(), path)
        inner = {key: value for key, value in (scope or {}).items() if key not in env}
        inner.update(self._resolve(env, (*path, "env")))
        rest = {key: value for key, value in child.items() if key != "env"}
        return self._fields(rest, inner, names | set(env), path)

    def _ports(self, scope: dict[str, Any]) -> dict[str, tuple[Link, ...]]:
        ports: dict[str, tuple[Link, ...]] = {}
        for port, links in self.spec.ports.items():
            key = template.text_of(self._render(port, scope, frozenset(self.spec.env), _ports_path(self.spec, (port,))))
            filled = tuple(self._link(link, scope, _ports_path(self.spec, (port, i))) for i, link in enumerate(links))
            ports[key] = ports.get(key, ()) + filled
        return ports

    def _link(self, link: Link, scope: dict[str, Any], path: Steps) -> Link:
        names = frozenset(self.spec.env)

        def text(value: str | None, field: str) -> str | None:
            if value is None or "{{" not in value:
                return value
            filled = self._render(value, scope, names, (*path, field))
            return template.text_of(filled) if filled is not None else None

        return Link(text(link.port, "port") or "in", text(link.name, "name"), text(link.id, "id"))

    def _render(self, data: Any, scope: dict[str, Any], names: frozenset[str], path: Steps) -> Any:
        missing: list[UnresolvedName] = []
        if self.secret:
            self._note_filled(data, path)
        try:
            filled = template.render(data, scope, missing, path=path)
        except InvalidError as error:
            self._wait(error.reason, path)
            return data
        for each in missing:
            self.unfilled.add(each.path)
            root, _, rest = each.name.partition(".")
            if each.reason == "null":
                self._wait(f"{each.name!r} is null, which has no text", each.path)
            elif root in scope:
                self._wait(f"{root!r} has no {rest!r}", each.path)
            elif root not in names:
                self._wait(f"`env` has no {root!r}", each.path)
        return filled

    def _note_filled(self, data: Any, path: Steps) -> None:
        """Note where something of a value comes to stand: for a key that is the map, as the key will be another."""
        for where, is_key, _, parsed in template.find(data, path):
            if any(not name.parts or name.root in self.secret for name, _ in parsed.names):
                self.filled.add(where[:-1] if is_key else where)

    def _wait(self, reason: str, path: Steps) -> None:
        place = self.spec.origin.place(path) if self.spec.origin is not None else Place()
        self.unresolved.append(Unresolved(reason, path, place))
