"""What a CEL expression costs, beside hand-written Python and the CEL libraries of others.

    python -m benchmarks.cel [--rounds 5] [--quick]

Eight expressions as flows have them, on requests with 0, 10 and 1,000 items in the body. Every figure is the least of
several rounds, in processor time: the measurements alternate within a round, and what is more than the least is the
machine's doing. The
hand-written lines do what a careful programmer would write for the same answer: they ask before they read what may be
missing, and let a missing key raise where CEL raises.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter, thread_time
from typing import Any

from engine.language import cel

Request = dict[str, Any]
SIZES = (0, 10, 1_000)
_ADDRESS = re.compile(r"[a-z]+@[a-z.]+")
_ROLES = frozenset({"admin", "owner"})


@dataclass(frozen=True, slots=True)
class Case:
    """An expression, and the same by hand. `iterates` tells that it goes over the items."""

    source: str
    by_hand: Callable[[Request], Any]
    iterates: bool = False


def guard(request: Request) -> Any:
    return request["method"] == "POST" and request["path"].startswith("/v1/") and request["headers"]["x-role"] in _ROLES


def greeting(request: Request) -> Any:
    user = request["body"]["user"]
    return f"Hello, {user['name']}! {user['age']}"


def email(request: Request) -> Any:
    user = request["body"].get("user")
    return "nobody" if user is None else user.get("email", "nobody")


CASES = [
    Case("method == 'POST'", lambda request: request["method"] == "POST"),
    Case("has(body.user) ? body.user : null", lambda request: request["body"].get("user")),
    Case("method == 'POST' && path.startsWith('/v1/') && headers['x-role'] in ['admin', 'owner']", guard),
    Case("'Hello, ' + body.user.name + '! ' + string(body.user.age)", greeting),
    Case("body.?user.?email.orValue('nobody')", email),
    Case(
        "body.items.filter(x, x.price > 5).map(x, x.sku)",
        lambda request: [item["sku"] for item in request["body"]["items"] if item["price"] > 5],
        iterates=True,
    ),
    Case(
        "body.items.all(x, x.count > 0 && x.price >= 1)",
        lambda request: all(item["count"] > 0 and item["price"] >= 1 for item in request["body"]["items"]),
        iterates=True,
    ),
    Case(
        "body.items.map(x, {'sku': x.sku, 'total': x.price * x.count})",
        lambda request: [
            {"sku": item["sku"], "total": item["price"] * item["count"]} for item in request["body"]["items"]
        ],
        iterates=True,
    ),
]


def make_request(size: int) -> Request:
    items = [{"sku": f"s{number}", "price": 4 + number % 7, "count": 1 + number % 3} for number in range(size)]
    return {
        "method": "POST",
        "path": "/v1/orders/17",
        "query": {"page": "2"},
        "headers": {"content-type": "application/json", "x-role": "admin"},
        "params": {"id": "17"},
        "body": {"user": {"name": "Ada", "age": 36, "email": "ada@example.org"}, "items": items},
    }


def ours(source: str) -> Callable[[Request], Any]:
    return cel.CelCompiler().compile(source)


def cel_python(runner: str, source: str) -> Callable[[Request], Any]:
    """cel-python, whose values must be made of plain ones first."""
    import celpy

    # Its parser is one for the whole process, and remembers the kind of runner that asked first.
    celpy.celparser.CELParser.CEL_PARSER = None
    kind = celpy.CompiledRunner if runner == "compiled" else celpy.InterpretedRunner

    environment = celpy.Environment(runner_class=kind)
    program = environment.program(environment.compile(source))
    return lambda request: program.evaluate({name: celpy.json_to_cel(value) for name, value in request.items()})


def cel_expr_python(source: str) -> Callable[[Request], Any]:
    from cel_expr_python import cel as google
    from cel_expr_python.ext import ext_optional

    variables = dict.fromkeys(make_request(0), google.Type.DYN)
    environment = google.NewEnv(variables=variables, extensions=[ext_optional.ExtOptional()])
    program = environment.compile(source)
    return lambda request: program.eval(data=request).plain_value()


ENGINES: dict[str, Callable[[str], Callable[[Request], Any]]] = {
    "Weir": ours,
    "cel-expr-python": cel_expr_python,
    "cel-python": partial(cel_python, "interpreted"),
    "cel-python, compiled": partial(cel_python, "compiled"),
}


def seconds_of(function: Callable[[Request], Any], request: Request, least: float) -> float:
    """Seconds for one call, from as many calls as take at least `least` seconds."""
    count = 1
    while True:
        began = thread_time()
        for _ in range(count):
            function(request)
        took = thread_time() - began
        if took >= least:
            return took / count
        count = max(count * 2, int(count * least / max(took, 1e-7)))


def usable(compile_: Callable[[str], Callable[[Request], Any]], case: Case) -> Callable[[Request], Any] | None:
    """The compiled expression; `None` where that engine does not know it, or finds something else."""
    request = make_request(10)
    try:
        function = compile_(case.source)
        return function if function(request) == case.by_hand(request) else None
    except Exception:
        return None  # each library has exceptions of its own; what counts is the empty cell in the table


def evaluation(rounds: int, least: float) -> list[str]:
    others = [name for name in ENGINES if name != "Weir"]
    lines = [
        f"| expression | items | by hand | Weir | times by hand | {' | '.join(others)} |",
        f"| --- | ---: | ---: | ---: | ---: | {' | '.join('---:' for _ in others)} |",
    ]
    for case in CASES:
        functions = {name: usable(compile_, case) for name, compile_ in ENGINES.items()}
        for size in SIZES:
            request = make_request(size)
            best: dict[str, float] = {}
            for _ in range(rounds):
                for name, function in (("by hand", case.by_hand), *functions.items()):
                    if function is not None:
                        taken = seconds_of(function, request, least)
                        best[name] = min(taken, best.get(name, taken))
            ratio = best["Weir"] / best["by hand"]
            cells = " | ".join(shown(best.get(name)) for name in others)
            lines.append(
                f"| `{case.source.replace('|', chr(92) + '|')}` | {size:,} | {shown(best['by hand'])} "
                f"| {shown(best['Weir'])} | {ratio:.1f} | {cells} |"
            )
    return lines


def compiling(rounds: int) -> list[str]:
    lines = ["| cold compile of | time |", "| --- | ---: |"]
    for case in CASES:
        best = min(cold_compile(case.source) for _ in range(max(rounds, 3) * 5))
        lines.append(f"| `{case.source}` | {shown(best)} |")
    best = min(import_time() for _ in range(rounds))
    lines.append(
        f"| import of `engine.language.cel`, in a fresh interpreter, without what `engine.errors` needs | {shown(best)} |"
    )
    return lines


def cold_compile(source: str) -> float:
    """Parsing, checking, generating and Python's own compiling, with nothing cached."""
    compiler = cel.CelCompiler()
    began = perf_counter()
    compiler.compile(source)
    return perf_counter() - began


def import_time() -> float:
    code = (
        "import engine.errors, time; began = time.perf_counter(); import engine.language.cel; "
        "print(time.perf_counter() - began)"
    )
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def shown(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1e6:,.2f} µs" if seconds < 1e-3 else f"{seconds * 1e3:,.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="short rounds, to see that it runs")
    options = parser.parse_args()
    least = 0.002 if options.quick else 0.02
    print("\n".join([*evaluation(options.rounds, least), "", *compiling(options.rounds)]))


if __name__ == "__main__":
    main()
