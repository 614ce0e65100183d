"""The fields that every spec and value shares, read one by one and checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from engine.spec import suggest
from engine.spec.origin import Path, key_text
from engine.spec.problems import Problems
from engine.spec.resource import DEFAULT_NAMESPACE, WHOLE_VALUE, EnvEntry, Link

MAX_NAME: Final = 253
"""The longest name, in characters."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_LINK_FIELDS: Final = ("id", "name", "port")
_ENV_FIELDS: Final = ("id", "name", "data", "value")


class CommonReader:
    """Reads common fields. What is wrong goes to `problems`; what is returned then is a harmless stand-in."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def start(self, document: Any, what: str, field: str) -> dict[str, Any]:
        """The document as a map with text keys, all through; ends the reading if it is no map."""
        if not isinstance(document, Mapping):
            self.problems.add("wrong-type", f"{what} is a map, not {kind_of(document)}", hint=f"begin with `{field}:`")
            self.problems.check()
        return self._plain(document, ())  # type: ignore[no-any-return]

    def only(self, fields: Mapping[str, Any], path: Path, known: tuple[str, ...], what: str) -> bool:
        """Report the fields that nobody knows; false if there are any."""
        unknown = [key for key in fields if key not in known]
        for key in unknown:
            hint = suggest.hint(key, known) or f"{what} has {listed(known)}"
            self.problems.add("unknown-field", f"{what} has no field {key!r}", (*path, key), key=True, hint=hint)
        return not unknown

    def kind(self, fields: Mapping[str, Any]) -> str:
        value = fields.get("kind")
        if isinstance(value, str) and value.strip() == value != "":
            return value
        if value is None:
            near = suggest.did_you_mean("kind", fields) if "kind" not in fields else None
            hint = f"write `kind` for `{near}`" if near else "such as `kind: snippet`"
            self.problems.add("missing-field", "a spec needs a `kind`", ("kind",), hint=hint)
        else:
            self.problems.add("wrong-type", f"`kind` is a text, not {kind_of(value)}", ("kind",))
        return ""

    def namespace(self, fields: Mapping[str, Any], default: str | None) -> str:
        value = fields.get("namespace")
        if value is None:
            return default or DEFAULT_NAMESPACE
        return value if self._is_name(value, ("namespace",)) else DEFAULT_NAMESPACE

    def name(self, fields: Mapping[str, Any], path: Path) -> str | None:
        """The `name` among `fields`, which `path` leads to."""
        value = fields.get("name")
        if value is None:
            return None
        return value if self._is_name(value, path) else None

    def id(self, fields: Mapping[str, Any], path: Path, *, template: bool = False) -> str:
        """The `id` among `fields`, in lower case; empty if there is none."""
        value = fields.get("id")
        if value is None:
            return ""
        if isinstance(value, str):
            if _UUID.fullmatch(value):
                return value.lower()
            if template and "{{" in value:
                return value
        self.problems.add(
            "bad-id",
            f"`id` is a UUID, not {_shown(value)}",
            path,
            hint="leave `id` out to get one, or use `name` for a name of your own",
        )
        return ""

    def revision(self, fields: Mapping[str, Any]) -> int:
        value = fields.get("revision")
        if value is None:
            return 0
        if type(value) is int and value >= 0:
            return value
        self.problems.add("wrong-type", f"`revision` is a whole number from 0, not {_shown(value)}", ("revision",))
        return 0

    def texts(self, fields: Mapping[str, Any], field: str) -> dict[str, str]:
        """A map of text to text. Numbers and booleans become text, an empty value becomes empty text."""
        value = fields.get(field)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.problems.add("wrong-type", f"`{field}` is a map of texts, not {kind_of(value)}", (field,))
            return {}
        texts = {}
        for key, item in value.items():
            if isinstance(item, (str, bool, int, float)) or item is None:
                texts[key] = "" if item is None else key_text(item)
            else:
                self.problems.add("wrong-type", f"`{field}.{key}` is a text, not {kind_of(item)}", (field, key))
        return texts

    def ports(self, fields: Mapping[str, Any]) -> dict[str, tuple[Link, ...]]:
        """The links of each port, from `ports` or, as older specs have it, `links`."""
        if "ports" in fields and "links" in fields:
            self.problems.add(
                "duplicate-key", "`links` is the old name of `ports`: give one of them", ("links",), key=True
            )
        field = "ports" if "ports" in fields else "links"
        value = fields.get(field)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.problems.add(
                "wrong-type",
                f"`{field}` is a map from port to links, not {kind_of(value)}",
                (field,),
                hint=f"such as `{field}: {{out: [{{name: next, port: in}}]}}`",
            )
            return {}
        ports = {}
        for port, links in value.items():
            path: Path = (field, port)
            if not port:
                self.problems.add("bad-name", "a port needs a name", path, key=True)
            if isinstance(links, list):
                ports[port] = tuple(self._link(link, (*path, index)) for index, link in enumerate(links))
            else:
                ports[port] = () if links is None else (self._link(links, path),)
        return ports

    def env(self, fields: Mapping[str, Any]) -> dict[str, tuple[EnvEntry, ...]]:
        """The entries of each name, the preferred one first."""
        value = fields.get("env")
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.problems.add(
                "wrong-type",
                f"`env` is a map from name to entry, not {kind_of(value)}",
                ("env",),
                hint="such as `env: {USER: {name: creds, data: '{{ .user }}'}}`",
            )
            return {}
        env: dict[str, tuple[EnvEntry, ...]] = {}
        for key, entries in value.items():
            path: Path = ("env", key)
            if not isinstance(entries, list):
                env[key] = (self._entry(entries, path),)
                continue
            if not entries:
                self.problems.add("missing-field", f"`env.{key}` has no entry", path)
            env[key] = tuple(self._entry(entry, (*path, index)) for index, entry in enumerate(entries))
        return env

    def _link(self, link: Any, path: Path) -> Link:
        if not isinstance(link, Mapping):
            hint = f"write `{{name: {link}, port: in}}`" if isinstance(link, str) else "write `{name: next, port: in}`"
            self.problems.add(
                "wrong-type", f"a link is a map with `name` and `port`, not {kind_of(link)}", path, hint=hint
            )
            return Link()
        known = self.only(link, path, _LINK_FIELDS, "a link")
        name = self.name(link, (*path, "name"))
        known_as = self.id(link, (*path, "id"), template=True)
        if known and link.get("name") is None and link.get("id") is None:
            self.problems.add("missing-field", "a link needs a `name` or an `id`", path)
        port = link.get("port", "in")
        if not isinstance(port, str) or not port:
            self.problems.add("wrong-type", f"`port` is the name of a port, not {_shown(port)}", (*path, "port"))
            port = "in"
        return Link(port, name, known_as or None)

    def _entry(self, entry: Any, path: Path) -> EnvEntry:
        if isinstance(entry, list):
            self.problems.add(
                "wrong-type", "an `env` entry is a map or a literal, not a list", path, hint="write `data: […]`"
            )
            return EnvEntry(None)
        if not isinstance(entry, Mapping):
            return EnvEntry(entry)
        known = self.only(entry, path, _ENV_FIELDS, "an `env` entry")
        if "data" in entry and "value" in entry:
            self.problems.add(
                "duplicate-key", "`value` is the old name of `data`: give one of them", (*path, "value"), key=True
            )
        name = self.name(entry, (*path, "name"))
        known_as = self.id(entry, (*path, "id"))
        if "data" in entry or "value" in entry:
            return EnvEntry(entry["data"] if "data" in entry else entry["value"], name, known_as or None)
        if known and entry.get("name") is None and entry.get("id") is None:
            self.problems.add(
                "missing-field", "an `env` entry needs `data`, or the `name` or `id` of a value", path, key=True
            )
        return EnvEntry(WHOLE_VALUE, name, known_as or None)

    def _is_name(self, value: Any, path: Path) -> bool:
        """Whether this may name something; tells why it may not."""
        field = path[-1]
        if not isinstance(value, str):
            hint = f"put it in quotes: '{key_text(value)}'" if isinstance(value, (bool, int, float)) else None
            self.problems.add("wrong-type", f"`{field}` is a text, not {_shown(value)}", path, hint=hint)
            return False
        wrong = None
        if not value.strip():
            wrong = "is empty"
        elif len(value) > MAX_NAME:
            wrong = f"has {len(value)} characters; {MAX_NAME} are allowed"
        elif "/" in value:
            wrong = "holds a '/', which parts kinds from names"
        elif (control := _CONTROL.search(value)) is not None:
            wrong = f"holds the control character U+{ord(control.group()):04X}"
        if wrong is None:
            return True
        self.problems.add("bad-name", f"`{field}` {wrong}", path)
        return False

    def _plain(self, value: Any, path: Path) -> Any:
        """The value with text keys all through: stores keep keys as text. What has them already is not copied."""
        if isinstance(value, Mapping):
            for key in value:
                if type(key) is not str:
                    return self._text_keys(value, path)
            changed = self._changed(value.items(), path)
            return {**value, **changed} if changed else value
        if isinstance(value, list):
            changed = self._changed(enumerate(value), path)
            return [changed.get(index, item) for index, item in enumerate(value)] if changed else value
        return value

    def _changed(self, items: Iterable[tuple[Any, Any]], path: Path) -> dict[Any, Any]:
        """Those of the items that must be copied to have text keys all through, as they are then."""
        changed = {}
        for key, item in items:
            if isinstance(item, (dict, list)):
                plain = self._plain(item, (*path, key))
                if plain is not item:
                    changed[key] = plain
        return changed

    def _text_keys(self, value: Mapping[Any, Any], path: Path) -> dict[str, Any]:
        texts: dict[str, Any] = {}
        for key, item in value.items():
            if not isinstance(key, (str, bool, int, float)) and key is not None:
                self.problems.add("bad-key", f"a key is a text, not {kind_of(key)}", path)
                continue
            text = key_text(key)
            if text in texts:
                self.problems.add("duplicate-key", f"the key {text!r} stands twice, as text and as number", path)
            texts[text] = self._plain(item, (*path, text))
        return texts


def kind_of(value: Any) -> str:
    """What a value is, in plain words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the boolean {key_text(value)}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "bytes" if isinstance(value, (bytes, bytearray)) else f"a {type(value).__name__}"


def listed(names: Iterable[str]) -> str:
    """`a`, `b` and `c`."""
    quoted = [f"`{name}`" for name in names]
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}" if len(quoted) > 1 else "".join(quoted)


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) and len(value) <= 60 else kind_of(value)
