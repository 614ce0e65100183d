"""A command line with a home of its own, a real SQLite file, and kinds of nodes that are small enough to know."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.cli.main import cli
from engine.flow.node import OneToMany, OneToOne
from engine.graph.scheme import Codec, Scheme
from engine.spec.fields import Duration, Source
from engine.spec.schema import NodeSpec


class ProbeSpec(NodeSpec):
    """A node for tests."""

    text: str = ""
    """What it says."""

    count: int = 1
    """How often it says it."""

    after: Duration | None = None
    """When it says it."""


class TestSpec(NodeSpec):
    when: Source
    """The condition."""


TestSpec.__test__ = False


class Probe(OneToOne):
    def action(self, payload, process):
        return payload


class Gate(OneToMany):
    def action(self, payload, process):
        return payload


def _gate(spec, ctx):
    ctx.compile(spec.when, "cel", path=("when",))
    return Gate()


SCHEME = Scheme.of(
    [
        Codec(
            kind="probe",
            spec=ProbeSpec,
            compile=lambda spec, ctx: Probe(),
            aliases=("sonde",),
            family="testing",
            summary="Says what it is told.",
            example="- kind: probe\n  text: hello\n",
        ),
        Codec(kind="gate", spec=TestSpec, compile=_gate, summary="Lets through."),
    ]
)


@dataclass
class Weir:
    """Runs the command in a folder, as a user would."""

    folder: Path
    store: str
    runner: CliRunner = field(default_factory=CliRunner)

    def __call__(self, *args, input=None, code=0, store=True, env=None) -> Result:
        words = [str(arg) for arg in args]
        if store and words and words[0] in ("apply", "get", "delete", "diff", "history", "rollback"):
            words += ["--store", self.store]
        result = self.runner.invoke(cli, words, input=input, env=env)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, f"{words}: {result.exit_code}\n{result.stdout}\n{result.stderr}"
        return result

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return name


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in, without any config or variable of whoever runs the tests."""
    import os

    for name in list(os.environ):
        if name.startswith(("WEIR_", "XDG_", "NO_COLOR", "STATE_DIRECTORY")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def weir(home, monkeypatch) -> Weir:
    monkeypatch.setattr(Scheme, "installed", classmethod(lambda cls, *, only=None: SCHEME))
    return Weir(home, "sqlite:///weir.db")


@pytest.fixture
def stdin(monkeypatch):
    """Puts bytes where standard input is."""

    def put(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return put
