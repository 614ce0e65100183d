from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import aclosing

import pytest

from engine.cli.listening import Named, listen


async def hears(paths, change):
    """Listen, make the change, and wait until it is heard of."""
    async with asyncio.timeout(30), aclosing(listen(paths)) as heard:
        await anext(heard)
        change()
        async for changed in heard:
            if changed:
                return


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.yaml").write_text("a")
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "d/x.yaml").write_text("x")
    return tmp_path


def replace(path):
    """As many editors save."""
    path.with_suffix(".tmp").write_text("new")
    path.with_suffix(".tmp").replace(path)


CHANGES = {
    "saved": lambda at: (at / "f.yaml").write_text("b"),
    "replaced": lambda at: replace(at / "f.yaml"),
    "deleted": lambda at: (at / "f.yaml").unlink(),
    "new in a folder": lambda at: (at / "d/y.yml").write_text("y"),
    "new in an inner folder": lambda at: (at / "d/e/y.json").write_text("y"),
    "replaced in a folder": lambda at: replace(at / "d/x.yaml"),
    "a folder is new": lambda at: (at / "d/n").mkdir(),
    "a folder is away": lambda at: shutil.rmtree(at / "d"),
    "a folder is moved": lambda at: (at / "d").rename(at / "elsewhere"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_it_hears(folder, change):
    await hears(["f.yaml", "d"], lambda: change(folder))


async def test_it_hears_of_what_was_not_there(folder):
    await hears(["none/at/all.yaml"], lambda: (folder / "none").mkdir())
    await hears(["none/at/all.yaml"], lambda: (folder / "none/at").mkdir())
    await hears(["none/at/all.yaml"], lambda: (folder / "none/at/all.yaml").write_text("x"))


async def test_it_hears_of_a_link_that_leads_elsewhere(folder):
    """As Kubernetes renews the files of a ConfigMap."""
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "f.yaml").write_text(name)
    (folder / "mounted").mkdir()
    os.symlink(folder / "one", folder / "mounted/..data")
    os.symlink("..data/f.yaml", folder / "mounted/f.yaml")

    def swap():
        os.symlink(folder / "two", folder / "mounted/..new")
        os.replace(folder / "mounted/..new", folder / "mounted/..data")

    await hears(["mounted/f.yaml"], swap)
    await hears(["mounted/f.yaml"], lambda: (folder / "two/f.yaml").write_text("three"))


@pytest.mark.parametrize(
    ("path", "concerns"),
    [
        ("f.yaml", True),
        ("d", True),
        ("d/x.yaml", True),
        ("d/gone.yaml", True),
        ("d/e", True),
        ("d/e/away", True),  # nobody knows any more whether it was a folder
        ("other.yaml", False),
        ("f.yaml~", False),
        ("weir.db-wal", False),
        ("d/weir.db", False),
        ("d/.x.yaml.swp", False),
        ("d/.git/x.yaml", False),
        ("dd/x.yaml", False),
    ],
)
def test_what_concerns_a_file_and_a_folder(folder, path, concerns):
    (folder / "d/weir.db").write_text("")
    assert Named(["f.yaml", "d"]).concerns(folder / path) is concerns


def test_folders_are_those_that_are_there(folder):
    (folder / "d/.git").mkdir()
    assert Named(["d", "no/such.yaml", "f.yaml"]).folders() == [str(folder), str(folder / "d"), str(folder / "d/e")]
