from __future__ import annotations

from datetime import timedelta

import pytest

from engine.errors import InvalidError, Place
from engine.language.protocol import Options, Program
from engine.language.python import AsyncPythonProgram, PythonCompiler, PythonProgram


def test_the_form_of_main_decides_how_it_is_called(compile):
    plain, waiting = compile("payload"), compile("async def main(p): pass")
    assert isinstance(plain, PythonProgram)
    assert isinstance(waiting, AsyncPythonProgram)
    assert isinstance(plain, Program)
    assert isinstance(waiting, Program)
    assert (plain.is_async, waiting.is_async) == (False, True)


def test_nothing_runs_when_it_is_compiled(compile):
    compile("raise SystemExit\ndef main(payload): pass")


def test_a_timeout_that_could_not_be_kept_is_refused(compile, fails):
    second = timedelta(seconds=1)
    error = fails(compile, "x = 1\ndef main(p): pass", timeout=second)
    assert error.value.message == "`timeout` cannot stop Python code that does not await"
    assert error.place == Place(line=2, column=1)
    assert "async def main" in error.hint
    assert fails(compile, "payload", timeout=second).place == Place(line=1, column=1)
    compile("async def main(p): pass", timeout=second)


def test_options_that_mean_nothing_are_refused(compile, fails):
    assert fails(compile, "payload", engine="v8").value.message == "python has no engine 'v8'"
    with pytest.raises(InvalidError):
        PythonCompiler().compile("async def main(p): pass", Options(timeout=timedelta(0)))
