"""Flows that nobody here invented, each through `weir run --stdin`, with the answers that they must give."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from engine.cli.main import cli

WAITING: dict[str, str] = {}
"""Cases that do not pass yet, by name, each with its reason. One that passes all the same fails the suite."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" not in metafunc.fixturenames:
        return
    folder = _folder()
    cases = []
    for file in sorted(folder.glob("*.yaml")) if folder is not None else []:
        for case in yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
            marks = [pytest.mark.xfail(reason=WAITING[case["name"]], strict=True)] if case["name"] in WAITING else []
            cases.append(pytest.param(case, id=case["name"], marks=marks))
    unknown = WAITING.keys() - {case.id for case in cases}
    assert not (cases and unknown), f"no such cases: {unknown}"
    if not cases:
        cases = [pytest.param(None, marks=pytest.mark.skip(reason="no conformance cases: set CONFORMANCE_DIR"))]
    metafunc.parametrize("case", cases)


def _folder() -> Path | None:
    import os

    named = os.environ.get("CONFORMANCE_DIR")
    folder = Path(named) if named else Path(__file__).resolve().parents[2].parent / "shared" / "conformance"
    return folder / "flows" if (folder / "flows").is_dir() else None


def lines_of(case: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {key: send[key] for key in ("node", "port", "data", "error", "group") if key in send} for send in case["sends"]
    ]


def write(case: dict[str, Any], folder: Path) -> list[str]:
    """Write the files of a case and give the arguments of the command."""
    text = case.get("text") or yaml.safe_dump(case["specs"], sort_keys=False, allow_unicode=True)
    place = folder / "tmp"
    place.mkdir()
    (folder / "specs.yaml").write_text(text.replace("@TMP@", str(place)), encoding="utf-8")
    arguments = ["run", "-f", str(folder / "specs.yaml")]
    if "values" in case:
        (folder / "values.yaml").write_text(yaml.safe_dump(case["values"]), encoding="utf-8")
        arguments += ["--values", str(folder / "values.yaml")]
    for name, value in case.get("env", {}).items():
        arguments += ["--env", f"{name}={value}"]
    return [*arguments, "--stdin"]


def test_case(case: dict[str, Any], tmp_path: Path) -> None:
    arguments = write(case, tmp_path)
    packets = "".join(json.dumps(line) + "\n" for line in lines_of(case))
    result = CliRunner().invoke(cli, arguments, input=packets, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(answers) == len(case["sends"]), result.stderr
    for send, answer in zip(case["sends"], answers, strict=True):
        assert holds(send["expect"], answer, unordered=send.get("unordered", False)), (send, answer, result.stderr)


def test_through_a_real_process(conformance_dir: Path, tmp_path: Path) -> None:
    cases = yaml.safe_load((conformance_dir / "flows" / "chain.yaml").read_text(encoding="utf-8"))
    case = cases[0]
    packets = "".join(json.dumps(line) + "\n" for line in lines_of(case))
    command = [sys.executable, "-m", "engine.cli", *write(case, tmp_path)]
    result = subprocess.run(command, input=packets, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(
        holds(send["expect"], answer, unordered=False) for send, answer in zip(case["sends"], answers, strict=True)
    )


def holds(expect: dict[str, Any], answer: dict[str, Any], *, unordered: bool) -> bool:
    [(what, wanted)] = expect.items()
    if what == "any":
        return "value" in answer or "none" in answer
    if what == "none":
        return answer == {"none": True}
    if what == "value":
        got = answer.get("value", ...)
        return same(sorted(got, key=repr), sorted(wanted, key=repr)) if unordered else same(got, wanted)
    if what not in answer:
        return False
    text = answer["error"]["message"] if what == "error" else answer["pending"]
    return all(part in text for part in (wanted if isinstance(wanted, list) else [wanted]))


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return (type(one) is type(other) and one == other) or (
        isinstance(one, int | float) and isinstance(other, int | float) and one == other
    )
