"""The wheel, built from the checkout, installed into a fresh environment and run from an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(project_dir, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(project_dir)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    [file] = folder.glob("weir_flow-*.whl")
    return file


def test_it_carries_the_admin_api_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "engine/daemon/system/admin.yaml" in names
    assert {"bundle.js", "LICENSE"} <= {Path(name).name for name in names if "/typescript/sucrase/" in name}
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


@pytest.mark.timeout(400)
def test_it_runs_in_a_fresh_environment(wheel, start, http, tmp_path, port):
    home = tmp_path / "home"
    home.mkdir()
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"HOME": str(home)}
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)]
    subprocess.run(command, check=True, capture_output=True, timeout=300, env=environ)

    version = subprocess.run(
        [environment / "bin" / "weir", "version"], capture_output=True, text=True, env=environ, cwd=home
    )
    assert version.returncode == 0, version.stderr
    example = f"""
- {{kind: listener, name: web, port: {port}, ports: {{out: [{{name: hello}}]}}}}
- {{kind: snippet, name: hello, language: typescript, code: 'export default (r: {{path: string}}): string => r.path'}}
"""
    (home / "hello.yaml").write_text(example)
    daemon = start("--from-specs", str(home / "hello.yaml"), program=[str(environment / "bin" / "weir")]).started()
    assert http(f"http://127.0.0.1:{port}/from/wheel").text == "/from/wheel"
    assert http(f"{daemon.admin}/readyz").json["ready"] is True
    assert daemon.stop() == 0
