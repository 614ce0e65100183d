"""`weir lint`: all that is wrong with files, at once."""

from __future__ import annotations

from collections.abc import Mapping

import click

from engine.cli.checking import check, harden, has_errors
from engine.cli.console import Console, color_option, pass_console
from engine.cli.shown import as_json
from engine.cli.sources import File, read_files, specs_of, values_of
from engine.errors import Diagnostic, DiagnosticsError
from engine.spec.yaml import parse


@click.command("lint")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("-n", "--namespace", metavar="NAME", help="The namespace, for what names none.")
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to tell.")
@color_option
@pass_console
def command(console: Console, paths: tuple[str, ...], namespace: str | None, strict: bool, output: str) -> int:
    """Check files and folders of specs and values; - is standard input.

    Every expression and snippet is compiled, links and ports are followed within the files. Exits 1 if there are errors,
    0 if there are only warnings. Nothing is read but the files.
    """
    files = read_files(paths)
    console.sources.update({file.name: file.text for file in files})
    values = [file for file in files if _holds_values(file)]
    specs = specs_of([file for file in files if file not in values], namespace=namespace)
    found = [*specs.problems, *values_of(values, namespace=namespace).problems]
    found += check(specs.items, strict=strict) if specs.items else []
    if strict:
        found = harden(found)
    if output == "json":
        console.data(as_json([finding.to_json() for finding in sorted(found, key=_place)]))
    elif found:
        console.report(found, err=False)
    else:
        console.write(f"no problems in {len(files)} file{'s' if len(files) != 1 else ''}")
    return 1 if has_errors(found) else 0


def _place(finding: Diagnostic) -> tuple[str, int, int, str]:
    return finding.place.file or "", finding.place.line, finding.place.column, finding.rule


def _holds_values(file: File) -> bool:
    """Whether a file is one of values: all that is in it has `data`, and nothing has a `kind`."""
    try:
        documents = parse(file.content, file.name)
    except DiagnosticsError:
        return False
    items = [
        item
        for document in documents
        if document.data is not None
        for item in (document.data if isinstance(document.data, list) else [document.data])
    ]
    return bool(items) and all(isinstance(item, Mapping) and "data" in item and "kind" not in item for item in items)
