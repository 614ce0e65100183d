"""`weir run`: specs from files, one packet or a stream of them, and the answers; no daemon and no store."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, Any

import click

from engine.cli.console import Console, debug_option, pass_console
from engine.cli.loop import run_loop
from engine.cli.options import pairs
from engine.cli.sources import read_spec_files, read_value_files
from engine.daemon.config import Config, LogSection, load_config
from engine.daemon.languages import make_languages
from engine.daemon.logs import make_log
from engine.errors import Code, Diagnostic, ErrorValue, InvalidError, Place, WeirError
from engine.flow import NONE, InPort, OutPort, Process
from engine.graph.scheme import Scheme
from engine.language.json_form import to_json_value
from engine.runtime import Runtime, Services
from engine.spec.model import DEFAULT_NAMESPACE, Spec, Value
from engine.uuid7 import uuid7


@click.command("run")
@click.option("-f", "--filename", "paths", multiple=True, required=True, help="File or directory of specs; - is stdin.")
@click.option("--values", "value_paths", multiple=True, help="File or directory of values.")
@click.option("-e", "--env", "environment", multiple=True, metavar="KEY=VALUE", help="A name for `env` entries.")
@click.option("-n", "--namespace", default=DEFAULT_NAMESPACE, show_default=True, help="The namespace to run.")
@click.option("--data", default=None, help="The packet as JSON, @FILE, or - for stdin; null when left out.")
@click.option("--config", "config_file", metavar="FILE", help="The config that says what code may do.")
@click.option("--stdin", "stream", is_flag=True, help="Read packets from stdin, one JSON line each.")
@click.argument("node", required=False)
@debug_option
@pass_console
def command(
    console: Console,
    paths: tuple[str, ...],
    value_paths: tuple[str, ...],
    environment: tuple[str, ...],
    namespace: str,
    data: str | None,
    config_file: str | None,
    node: str | None,
    *,
    stream: bool,
) -> int:
    """Load specs, send one packet to NODE or NODE.PORT, and print the answer as JSON.

    An error goes to stderr and exits 1; the answer "none" prints nothing. With --stdin every input line is a packet,
    {"node": NAME, "port": "in", "data": ANY} or {"node": NAME, "error": "message"}, in a process of its own;
    consecutive lines with the same "group" share one. Each gets one output line: {"value": ANY}, {"none": true},
    {"error": {...}}, or {"pending": REASON} when the node is not active. No listener is opened and no trigger started.
    Of the config only `javascript` and `languages` count.
    """
    if stream == (node is not None):
        raise click.UsageError("name a NODE, or use --stdin for a stream of packets")
    if stream and data is not None:
        raise click.UsageError("--data and --stdin exclude each other")
    settings = load_config(config_file, environ=os.environ)
    for warning in settings.warnings:
        console.warn(warning.message, warning.hint)
    loaded = _read(console, paths, value_paths, pairs(environment), namespace, config=settings.config)
    if stream:
        run_loop(_stream(loaded, sys.stdin.buffer, sys.stdout.buffer))
        return 0
    assert node is not None
    return run_loop(_single(console, loaded, node, _payload(data)))


@dataclass(frozen=True, slots=True)
class _Loaded:
    specs: list[Spec]
    values: list[Value]
    environment: dict[str, str]
    namespace: str
    problems: list[Diagnostic]
    config: Config


def _read(
    console: Console,
    paths: Sequence[str],
    value_paths: Sequence[str],
    environment: dict[str, str],
    namespace: str,
    *,
    config: Config,
) -> _Loaded:
    """Read all files; what is wrong goes to stderr, and the good ones go on."""
    specs = read_spec_files(paths, namespace=namespace)
    values = read_value_files(value_paths, namespace=namespace)
    problems = [*specs.problems, *values.problems]
    console.sources.update({**specs.texts, **values.texts})
    if problems:
        console.report(problems)
    return _Loaded(
        [spec if spec.id else spec.replace(id=uuid7()) for spec in specs.items if spec.namespace == namespace],
        [value if value.id else value.replace(id=uuid7()) for value in values.items],
        environment,
        namespace,
        problems,
        config,
    )


def _payload(data: str | None) -> Any:
    if data is None:
        return None
    if data == "-":
        text, source = sys.stdin.read(), "stdin"
    elif data.startswith("@"):
        try:
            text, source = Path(data[1:]).read_text(encoding="utf-8"), data[1:]
        except (OSError, UnicodeDecodeError) as error:
            raise click.BadParameter(f"cannot read {data[1:]}: {error}", param_hint="--data") from error
    else:
        text, source = data, "--data"
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{source} is no JSON: {error}", param_hint="--data") from error


async def _open(loaded: _Loaded) -> Runtime:
    services = Services(
        scheme=Scheme.installed(),
        languages=make_languages(loaded.config),
        log=make_log(LogSection(level="info")),
        environment=loaded.environment,
    )
    runtime = Runtime(loaded.namespace, services, passive=True)
    report = await runtime.load(loaded.specs, loaded.values)
    for status in report.failed:
        label = f"{status.kind}/{status.name or status.id}"
        for diagnostic in status.diagnostics:
            click.echo(f"{diagnostic.place}: {label} {status.state}: {diagnostic.message}", err=True)
        if not status.diagnostics:
            click.echo(f"{label} {status.state}: {status.reason}", err=True)
    return runtime


# --- one packet


async def _single(console: Console, loaded: _Loaded, target: str, payload: Any) -> int:
    runtime = await _open(loaded)
    try:
        ports = _target(runtime, target)
        if isinstance(ports, str):
            console.fail(f"{target} is not active: {ports}")
            return 1
        [answer] = await _ask(runtime, [(ports, payload)])
    finally:
        await runtime.close()
    if isinstance(answer, ErrorValue):
        console.report([Diagnostic(answer.code.label, answer.text, answer.place or Place(), answer.hint)])
        return 1
    if answer is not NONE:
        click.echo(json.dumps(to_json_value(answer), ensure_ascii=False))
    return 0


def _target(runtime: Runtime, target: str) -> list[InPort] | str:
    """The ports of `NODE` or `NODE.PORT`; a node whose name has dots in it wins over a port."""
    ports = runtime.ports(target)
    name, dot, port = target.rpartition(".")
    if isinstance(ports, str) and dot and runtime.table.find(target) is None:
        return runtime.ports(name, port)
    return ports


async def _ask(runtime: Runtime, packets: Sequence[tuple[list[InPort], Any]]) -> list[Any]:
    """Send packets at once, in this order, in one process; their answers when it has ended."""
    process: Process = runtime.process()
    error: ErrorValue | None = None
    try:
        exchanges = [process.start(OutPort.to(*ports), payload) for ports, payload in packets]
        answers = [await exchange.wait() for exchange in exchanges]
        error = next((answer for answer in answers if isinstance(answer, ErrorValue)), None)
        failed = await process.settle(error)
        if failed is not None:
            error = failed
            answers = [answer if isinstance(answer, ErrorValue) else failed for answer in answers]
    finally:
        process.exit(error)
    await process.join()
    return answers


# --- a stream of packets


@dataclass(frozen=True, slots=True)
class _Line:
    node: str
    port: str
    payload: Any
    group: str | None


async def _stream(loaded: _Loaded, source: IO[bytes], sink: IO[bytes]) -> None:
    runtime = await _open(loaded)
    try:
        async for lines in _groups(source):
            for answer in await _answer(runtime, lines, loaded.problems):
                sink.write(_encoded(answer) + b"\n")
            sink.flush()
    finally:
        await runtime.close()


async def _groups(source: IO[bytes]) -> AsyncIterator[list[_Line | ErrorValue]]:
    """The lines of a stream; those of one group together.

    A line without a group is given at once: whoever sent it may wait for its answer before he sends another. A group is
    complete when another line comes, or the end.
    """
    group: list[_Line | ErrorValue] = []
    name: str | None = None
    for number in count(1):
        text = await asyncio.to_thread(source.readline)
        if text and not text.strip():
            continue
        line = _parse(text, number) if text else None
        belongs = line.group if isinstance(line, _Line) else None
        if group and (belongs is None or belongs != name):
            yield group
            group = []
        if line is None:
            return
        group.append(line)
        name = belongs
        if name is None:
            yield group
            group = []


def _parse(text: bytes, number: int) -> _Line | ErrorValue:
    try:
        data = json.loads(text.decode())
        if not isinstance(data, dict):
            raise InvalidError("a line is a map with `node`, and `data` or `error`")
        unknown = data.keys() - {"node", "port", "data", "error", "group"}
        if unknown:
            raise InvalidError(f"a line has no {min(unknown)!r}")
        node, port, group = data.get("node"), data.get("port", "in"), data.get("group")
        if not isinstance(node, str) or not isinstance(port, str) or not isinstance(group, str | None):
            raise InvalidError("`node`, `port` and `group` are text, and `node` is needed")
        if "error" in data and ("data" in data or not isinstance(data["error"], str)):
            raise InvalidError("`error` is the message of an error, and excludes `data`")
    except ValueError as error:
        return InvalidError(f"line {number} is no JSON: {error}").value
    except RecursionError:
        return InvalidError(f"line {number} is nested too deeply").value
    except InvalidError as error:
        return InvalidError(f"line {number}: {error.reason}").value
    payload = ErrorValue(data["error"], Code.EXPRESSION) if "error" in data else data.get("data")
    return _Line(node, port, payload, group)


async def _answer(
    runtime: Runtime, lines: Sequence[_Line | ErrorValue], problems: Sequence[Diagnostic]
) -> list[dict[str, Any]]:
    """One answer for each line of a group, in order."""
    answers: list[dict[str, Any]] = [{} for _ in lines]
    packets: list[tuple[list[InPort], Any]] = []
    places: list[int] = []
    for index, line in enumerate(lines):
        if isinstance(line, ErrorValue):
            answers[index] = {"error": line.to_json()}
            continue
        ports = runtime.ports(line.node, line.port)
        if isinstance(ports, str):
            answers[index] = {"pending": _reason(runtime, line.node, ports, problems)}
            continue
        packets.append((ports, line.payload))
        places.append(index)
    if packets:
        for index, answer in zip(places, await _ask(runtime, packets), strict=True):
            answers[index] = _shape(answer)
    return answers


def _reason(runtime: Runtime, node: str, reason: str, problems: Sequence[Diagnostic]) -> str:
    """Why a node is not active; one that nobody knows may be among the specs that could not be read."""
    if not problems or runtime.table.find(node) is not None:
        return reason
    return "; ".join([reason, *(problem.message for problem in problems)])


def _shape(answer: Any) -> dict[str, Any]:
    if answer is NONE:
        return {"none": True}
    if isinstance(answer, ErrorValue):
        return {"error": answer.to_json()}
    try:
        return {"value": to_json_value(answer)}
    except WeirError as error:
        return {"error": error.value.to_json()}


def _encoded(answer: dict[str, Any]) -> bytes:
    """One line of JSON in UTF-8, whatever the terminal speaks; half of a character is escaped."""
    try:
        return json.dumps(answer, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(answer).encode()
