"""What an operator can set, with its defaults: one class, from which the file, the variables and the example follow.

A key is a dotted name (`limits.body`): that is its path in the file, and, in capitals with underscores and `WEIR_` before
it, the name of its variable. A key that is left empty has its default. :func:`load_config` reads it all.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from engine.daemon.layers import Loaded as _Loaded
from engine.daemon.layers import load
from engine.errors import InvalidError
from engine.spec.fields import Duration, Size
from engine.spec.resource import DEFAULT_NAMESPACE
from engine.spec.schema import NodeSpec
from engine.store.vault.source import Source

SYSTEM_NAMESPACE: Final = "system"
"""Runs in every daemon, beside what the config names."""

_HOST_AND_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%a-z]+\]|[^\s:\[\]/]+):(?P<port>\d{1,5})", re.ASCII)
_LISTEN_HINT: Final = "write 127.0.0.1:8585, [::1]:8585, or off"


class Section(NodeSpec):
    """A part of the config. It is read as the fields of a node are: frozen, and every mistake in it has its place."""


def _reject(reason: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError("field", "{reason}", {"reason": reason, "hint": hint})


def _namespace(value: str) -> str:
    if not value.strip() or "/" in value or len(value) > 253 or not value.isprintable():
        raise _reject(f"is the name of a namespace, not {value!r}", "at most 253 printable characters without a /")
    return value


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens: `host` and `port`, or the `path` of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.path is not None or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address | None:
    """The address in `host:port`, `[v6]:port` or `unix:/path`; None for `off`. Raises ValueError for anything else."""
    if text == "off":
        return None
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path or "\0" in path:
            raise ValueError(f"{text!r} names no socket")
        return Address(path=path)
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise ValueError(f"{text!r} is no address")
    return Address(match["host"].strip("[]"), int(match["port"]))


def _listen(value: str) -> str:
    try:
        parse_address(value)
    except ValueError:
        raise _reject(f"is an address, not {value!r}", _LISTEN_HINT) from None
    return value


class StoreSection(Section):
    url: str = ""
    """Where specs live: sqlite:///relative/path.db, sqlite:////absolute/path.db, memory:// or mongodb://….

    A loaded config always has one: left out, it is weir.db in `$STATE_DIRECTORY` (set by systemd), else in
    `$XDG_DATA_HOME/weir`.
    """


def _source(value: str) -> str:
    try:
        Source.parse(value)
    except InvalidError as error:
        raise _reject(error.reason, error.hint or "") from None
    return value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class ValuesSection(Section):
    key: Annotated[tuple[Annotated[str, AfterValidator(_source)], ...], BeforeValidator(_listed)] = ()
    """Where the key is kept that values are sealed with: file:/path, env:NAME, or credential:NAME (of systemd).

    One, or a list: the first seals, all of them open. Without one a SQLite store makes its own, in a file beside it.
    """


class AdminSection(Section):
    listen: Annotated[str, AfterValidator(_listen)] = "127.0.0.1:8585"
    """The address of the admin API and of /livez and /readyz: host:port, or off."""

    tokens: str | None = None
    """A file of hashed tokens; without one the admin API listens on loopback only."""

    @property
    def address(self) -> Address | None:
        """`listen` taken apart; None if it is off."""
        return parse_address(self.listen)


class LimitsSection(Section):
    body: Size = 8 * 1024 * 1024
    """Bytes of a request body, after which it is refused (413)."""

    process_timeout: Duration | None = None
    """Deadline of a process; without one a listener gives 60s, everything else as long as it takes."""

    loop_budget: Duration = timedelta(milliseconds=10)
    """How long inline work may go on before it yields."""

    hang: Duration = timedelta(seconds=30)
    """How long a worker may give no sign of life, after which it is killed and replaced."""


class JavascriptSection(Section):
    engine: Literal["auto", "v8", "quickjs"] = "auto"
    """Which engine runs JavaScript that names none: v8 beside the event loop, quickjs within it; auto is v8."""

    isolation: Literal["auto", "process", "thread"] = "auto"
    """What each isolate of v8 has for its own: a process, or a thread of the daemon; auto is a process, where there can be."""

    timeout: Duration = timedelta(seconds=1)
    """How long one call may take."""

    inline_timeout: Duration = timedelta(milliseconds=20)
    """How long one call on quickjs may take, and hold up everything else. A spec may ask for less."""

    memory: Size = 64 * 1024 * 1024
    """Bytes that the heap of one isolate may have."""

    isolates: int = Field(default=64, ge=1, le=1024)
    """How many isolates there may be."""

    result: Size = 8 * 1024 * 1024
    """Characters of JSON that a result may have. To read it holds up everything else."""


class LanguagesSection(Section):
    python: bool = False
    """Whether snippets may be written in Python. Nothing confines it: they may do what the daemon's user may."""


class LogSection(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe events that are logged."""

    format: Literal["auto", "pretty", "json"] = "auto"
    """pretty for people, json for machines; auto is pretty on a terminal."""


class Config(Section):
    """All keys. Made by :func:`load_config`; `Config()` has the defaults, but no `store.url`."""

    store: StoreSection = StoreSection()
    namespace: Annotated[str, AfterValidator(_namespace)] = DEFAULT_NAMESPACE
    """What this daemon runs; `system` runs beside it, always."""

    namespaces: tuple[Annotated[str, AfterValidator(_namespace)], ...] = ()
    """Several namespaces, instead of `namespace`."""

    values: ValuesSection = ValuesSection()
    environment: dict[str, Any] = Field(default_factory=dict)
    """Names for `env` entries that name no value, as `--env`."""

    admin: AdminSection = AdminSection()
    workers: int = Field(default=1, ge=1, le=1024)
    """How many processes serve."""

    drain_timeout: Duration = timedelta(seconds=8)
    """How long TERM, and a replaced generation, wait for what runs."""

    drain_timeouts: dict[str, Duration] = Field(default_factory=dict)
    """The same for single namespaces, by their names."""

    limits: LimitsSection = LimitsSection()
    javascript: JavascriptSection = JavascriptSection()
    languages: LanguagesSection = LanguagesSection()
    log: LogSection = LogSection()
    plugins: tuple[str, ...] | None = None
    """The packages whose kinds of nodes are used; left out, all that are installed."""

    @property
    def served(self) -> tuple[str, ...]:
        """The namespaces that the operator named, each once, without `system`."""
        named = self.namespaces or (self.namespace,)
        return tuple(dict.fromkeys(name for name in named if name != SYSTEM_NAMESPACE))

    def drain_of(self, namespace: str) -> timedelta:
        """How long what runs in a namespace is waited for."""
        return self.drain_timeouts.get(namespace, self.drain_timeout)

    @property
    def longest_drain(self) -> timedelta:
        """How long what runs in any namespace is waited for."""
        return max(self.drain_of(namespace) for namespace in (*self.served, SYSTEM_NAMESPACE))

    def unsupported(self) -> list[str]:
        """A sentence for each value that this version cannot honour; a daemon with one must not start."""
        unknown = sorted(self.drain_timeouts.keys() - {*self.served, SYSTEM_NAMESPACE})
        refused = [f"`drain_timeouts` names {name!r}, a namespace that this daemon does not run" for name in unknown]
        if self.workers > 1 and self.store.url.partition("://")[0].lower() == "memory":
            refused.append(
                f"`workers` is {self.workers} and `store.url` is {self.store.url}, of which each worker would have one of "
                "its own: use sqlite:///PATH or mongodb://…, or one worker"
            )
        if self.admin.tokens is not None:
            refused.append("`admin.tokens` is set, and this version has no tokens: leave it empty")
        address = self.admin.address
        if address is not None and address.path is not None:
            refused.append(
                f"`admin.listen` is {self.admin.listen}, and this version listens on no Unix socket: "
                "use 127.0.0.1:8585, or off"
            )
        elif address is not None and not address.is_local:
            refused.append(
                f"`admin.listen` is {self.admin.listen}, which other machines can reach, and there are no tokens: "
                "use a loopback address, or off"
            )
        return refused

    def keys(self) -> Iterator[tuple[str, Any]]:
        """Every dotted key with its value, in the order of the classes."""
        yield from _keys(self, "")

    def changed(self, other: Config) -> list[str]:
        """The dotted keys that have another value in `other`."""
        theirs = dict(other.keys())
        return [key for key, value in self.keys() if theirs[key] != value]


Loaded = _Loaded[Config]
"""A config, the file that it came from (None: there is none), and warnings for the log."""


def load_config(
    path: str | Path | None = None, *, environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Loaded:
    """Read the config: defaults, then a file, then `WEIR_*` of `environ`, then `overrides` (dotted key → value).

    The file is `path`, else `$WEIR_CONFIG`, else the first that exists of `./weir.yaml`,
    `$XDG_CONFIG_HOME/weir/config.yaml` and `/etc/weir/config.yaml`; none is fine. Overrides that are None are none.
    `environment` is merged name by name. `namespace` in one layer replaces `namespaces` of the layers below, and the
    other way round.

    Raises :class:`~engine.errors.DiagnosticsError` with all mistakes, each with its line and column or the name of its
    variable or flag; NotFoundError or UnavailableError for a named file that cannot be read.
    """
    return load(Config, path, environ=environ, overrides=overrides or {})


def _keys(section: Section, prefix: str) -> Iterator[tuple[str, Any]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _keys(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
