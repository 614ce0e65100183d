"""What the documents say is true: their YAML passes `weir lint`, their commands do what they say."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

DOCUMENTS = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    *(f"docs/{name}" for name in ("decisions", "reference")),
]


def blocks(text: str, language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def texts(project_dir):
    for document in DOCUMENTS:
        path = project_dir / document
        for file in sorted(path.glob("*.md")) if path.is_dir() else [path]:
            yield file.name, file.read_text(encoding="utf-8")


def test_yaml_in_documents_is_valid(project_dir, start):
    daemon = start()
    seen = 0
    for name, text in texts(project_dir):
        for block in blocks(text, "yaml"):
            result = daemon.weir("lint", "-", stdin=block)
            assert result.returncode == 0, (name, block, result.stdout, result.stderr)
            seen += 1
    assert seen


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_commands_of_the_readme(project_dir, start, port, tmp_path):
    [*commands] = [
        line for block in blocks((project_dir / "README.md").read_text(), "sh") for line in block.splitlines()
    ]
    assert commands.pop(0) == "make run"
    example = (project_dir / "examples" / "hello.yaml").read_text().replace("port: 8000", f"port: {port}")
    (tmp_path / "hello.yaml").write_text(example)
    daemon = start("--from-specs", "hello.yaml").started()

    def run(command: str) -> str:
        command = command.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
        command = command.replace("127.0.0.1:8585", f"127.0.0.1:{daemon.admin_port}")
        command = command.replace(".venv/bin/weir", "python -m engine.cli").replace(
            "sqlite:///.weir/weir.db", daemon.store
        )
        import os
        import sys

        path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
        result = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PATH": path},
        )
        assert result.returncode == 0, (command, result.stderr)
        return result.stdout

    hello, total, apply, patch = commands
    assert run(hello) == "Hello, ada!"
    assert run(total) == '{"total":12}'
    assert run(apply) == "snippet/hello configured\n"
    daemon.wait_for("generation.published", namespace="default")
    assert run(hello) == "Ahoy, ada"
    assert '"name":"hello"' in run(patch)
    daemon.wait_for("generation.published", namespace="default")
    assert run(hello) == "Hi, ada"
