"""Where the values of a config come from: a file, variables, flags, each layer over the one before.

The layers are merged into one tree of plain data before it is checked, and whose value won is kept beside it. So every
mistake is found in one pass, and is reported where it was made: at a line of the file, or under the name of a variable or
a flag.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

from engine.errors import Diagnostic, DiagnosticsError, Place
from engine.spec import suggest
from engine.spec.common import kind_of
from engine.spec.problems import Problems
from engine.spec.schema import NodeSpec, check
from engine.spec.yaml import Document, parse, read_text

ConfigT = TypeVar("ConfigT", bound=NodeSpec)
KeyPath = tuple[str, ...]

PREFIX: Final = "WEIR_"
NOT_KEYS: Final = frozenset({"WEIR_CONFIG", "WEIR_SERVER", "WEIR_DEBUG"})
"""Variables of the command line that set no key; those that begin with :data:`TEST_PREFIX` are none either."""

TEST_PREFIX: Final = "WEIR_TEST_"

FLAGS: Final = {
    "store.url": "--store",
    "namespace": "--namespace",
    "namespaces": "--namespace",
    "environment": "--env",
    "workers": "--workers",
    "log.level": "--debug",
}
"""What the flags are called that set these keys."""

_EXCLUSIVE: Final = (("namespace",), ("namespaces",))


@dataclass(frozen=True, slots=True)
class Loaded(Generic[ConfigT]):
    """A config, the file that it came from (None: there is none), and warnings for the log."""

    config: ConfigT
    file: Path | None = None
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(slots=True)
class _Merge:
    """The layers so far."""

    data: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    """Of the values that came from somewhere else than the file."""
    problems: list[Diagnostic] = field(default_factory=list)

    def put(self, path: KeyPath, value: Any, place: Place | None) -> None:
        """Set one key. What a map does not name stays as it is."""
        if isinstance(value, Mapping):
            for name, item in value.items():
                self._set((*path, name), item, place)
        else:
            self._set(path, value, place)

    def _set(self, path: KeyPath, value: Any, place: Place | None) -> None:
        branch = self.data
        for part in path[:-1]:
            below = branch.get(part)
            if not isinstance(below, dict):
                below = branch[part] = {}
            branch = below
        branch[path[-1]] = value
        if place is not None:
            self.places[path] = place

    def drop(self, path: KeyPath) -> None:
        self.data.pop(path[0], None)
        self.places.pop(path, None)

    def place(self, path: tuple[str | int, ...]) -> Place | None:
        """Of a variable or flag that set this key, or the one that holds it."""
        for length in range(len(path), 0, -1):
            found = self.places.get(path[:length])  # type: ignore[arg-type]  # indices are never found
            if found is not None:
                return found
        return None


def load(
    model: type[ConfigT], path: str | Path | None, *, environ: Mapping[str, str], overrides: Mapping[str, Any]
) -> Loaded[ConfigT]:
    """See :func:`engine.daemon.config.load_config`."""
    keys = {".".join(key): key for key in leaves(model)}
    merge = _Merge()
    file = find_file(path, environ)
    origin = None
    if file is not None:
        document = _read(file)
        if document is not None:
            origin = document.origin
            _file_layer(merge, document, model)
    warnings = _variable_layer(merge, environ, keys, model)
    _layer(merge, {keys[name]: (value, Place(FLAGS.get(name, name))) for name, value in overrides.items()})
    for found in check(model, merge.data, origin=origin, kind="the config"):
        place = merge.place(found.path)
        merge.problems.append(found if place is None else dataclasses.replace(found, place=place))
    if merge.problems:
        raise DiagnosticsError(merge.problems)
    if not merge.data.get("store", {}).get("url"):
        merge.put(("store", "url"), default_store(environ), None)
    return Loaded(model.model_validate(merge.data), file, tuple(warnings))


def leaves(model: type[NodeSpec], prefix: KeyPath = ()) -> Iterator[KeyPath]:
    """The paths of all keys of a config class."""
    for name, info in model.model_fields.items():
        below = info.annotation
        if isinstance(below, type) and issubclass(below, NodeSpec):
            yield from leaves(below, (*prefix, name))
        else:
            yield (*prefix, name)


def variable(path: KeyPath) -> str:
    """The name of the variable that sets a key."""
    return PREFIX + "_".join(path).upper()


def find_file(path: str | Path | None, environ: Mapping[str, str]) -> Path | None:
    """The file to read. One that is named must be there (reading it will tell); of the others the first that is."""
    named = path if path is not None else environ.get("WEIR_CONFIG")
    if named:
        return Path(named)
    places = (Path("weir.yaml"), _base(environ, "XDG_CONFIG_HOME", ".config") / "weir/config.yaml")
    return next((place for place in (*places, Path("/etc/weir/config.yaml")) if place.is_file()), None)


def default_store(environ: Mapping[str, str]) -> str:
    """The URL of the store that is used if nobody names one."""
    state = environ.get("STATE_DIRECTORY", "").partition(":")[0]  # systemd may give several
    folder = Path(state) if state else _base(environ, "XDG_DATA_HOME", ".local/share") / "weir"
    return f"sqlite:///{quote(str(folder / 'weir.db'))}"


def _base(environ: Mapping[str, str], name: str, below_home: str) -> Path:
    """A folder of the XDG base directory specification, which says to ignore relative ones."""
    given = environ.get(name, "")
    if given.startswith("/"):
        return Path(given)
    home = environ.get("HOME")
    return (Path(home) if home else Path.home()) / below_home


def _read(file: Path) -> Document | None:
    """The one document of the file; None if it is empty."""
    documents = [document for document in parse(read_text(file), str(file)) if document.data is not None]
    if not documents:
        return None
    if len(documents) > 1:
        place = documents[1].origin.place()
        raise DiagnosticsError([Diagnostic("documents", "a config is one document", place, "remove the line `---`")])
    return documents[0]


def _file_layer(merge: _Merge, document: Document, model: type[NodeSpec]) -> None:
    problems = Problems(document.origin)
    known = _known(document.data, model, (), problems)
    if all(known.get(name) for (name,) in _EXCLUSIVE):
        problems.add("exclusive", "`namespace` and `namespaces`: give one of them", _EXCLUSIVE[1], key=True)
    merge.data = known
    merge.problems += problems.found


def _known(data: Any, model: type[NodeSpec], path: KeyPath, problems: Problems) -> dict[str, Any]:
    """A section of the file without unknown keys (which are noted) and without those that are left empty."""
    if not isinstance(data, Mapping):
        subject = f"`{'.'.join(path)}`" if path else "a config"
        problems.add("wrong-type", f"{subject} is a map, not {kind_of(data)}", path, hint="write `key: value` lines")
        return {}
    known: dict[str, Any] = {}
    for key, value in data.items():
        info = model.model_fields.get(key)
        if info is None:
            subject = f"`{'.'.join(path)}`" if path else "the config"
            names = ", ".join(f"`{name}`" for name in model.model_fields)
            hint = suggest.hint(str(key), model.model_fields) or f"the keys are {names}"
            problems.add("unknown-key", f"{subject} has no key {key!r}", (*path, key), key=True, hint=hint)
        elif value is not None:
            below = info.annotation
            is_section = isinstance(below, type) and issubclass(below, NodeSpec)
            known[key] = _known(value, below, (*path, key), problems) if is_section else value  # type: ignore[arg-type]
    return known


def _variable_layer(
    merge: _Merge, environ: Mapping[str, str], keys: Mapping[str, KeyPath], model: type[NodeSpec]
) -> list[Diagnostic]:
    """Put the variables over what there is; the answer is a warning for each that sets nothing."""
    by_name = {variable(path): path for path in keys.values()}
    values: dict[KeyPath, tuple[Any, Place]] = {}
    warnings = []
    for name in sorted(name for name in environ if name.startswith(PREFIX)):
        if name in by_name:
            text = environ[name]
            if text:
                path = by_name[name]
                values[path] = (_parsed(merge, text, name, _default(model, path)), Place(name))
        elif name not in NOT_KEYS and not name.startswith(TEST_PREFIX):
            hint = suggest.hint(name, [*by_name, *NOT_KEYS])
            message = f"the variable {name} sets nothing"
            warnings.append(Diagnostic("unknown-variable", message, Place(name), hint, severity="warning"))
    _layer(merge, values)
    return warnings


def _default(model: type[NodeSpec], path: KeyPath) -> Any:
    """An empty list or map where the key holds one, and otherwise anything else."""
    value: Any = model()
    for part in path:
        value = getattr(value, part)
    return () if path == ("plugins",) else value


def _parsed(merge: _Merge, text: str, name: str, default: Any) -> Any:
    """The value in a variable: commas part the items of a list, a map is written as in YAML (or JSON)."""
    if isinstance(default, tuple):
        return [item.strip() for item in text.split(",") if item.strip()]
    if not isinstance(default, dict):
        return text
    try:
        documents = parse(text, name)
    except DiagnosticsError as error:
        merge.problems += [dataclasses.replace(found, place=Place(name)) for found in error.diagnostics]
        return {}
    data = documents[0].data if len(documents) == 1 else None
    if isinstance(data, Mapping):
        return data
    hint = f"write {name}='{{NAME: value}}'"
    merge.problems.append(Diagnostic("wrong-type", f"{name} is a map, not {kind_of(data)}", Place(name), hint))
    return {}


def _layer(merge: _Merge, values: Mapping[KeyPath, tuple[Any, Place]]) -> None:
    """Put a layer of variables or flags over what there is."""
    given = {path: pair for path, pair in values.items() if pair[0] is not None}
    one, other = _EXCLUSIVE
    if one in given and other in given:
        place = given[other][1]
        merge.problems.append(Diagnostic("exclusive", "`namespace` and `namespaces`: give one of them", place))
    elif one in given:
        merge.drop(other)
    elif other in given:
        merge.drop(one)
    for path, (value, place) in given.items():
        merge.put(path, value, place)
