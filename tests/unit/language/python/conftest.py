from __future__ import annotations

import pytest

from engine.errors import ExpressionError
from engine.language.protocol import Options
from engine.language.python import PythonCompiler


@pytest.fixture
def compile():
    """Compiles a snippet, with options as keywords; all are closed in the end."""
    made = []

    def build(source, **options):
        made.append(PythonCompiler().compile(source, Options(**options)))
        return made[-1]

    yield build
    for program in made:
        program.close()


@pytest.fixture
def fails():
    """Calls something that has to raise an ExpressionError, and gives that."""

    def call(function, *args, **options):
        with pytest.raises(ExpressionError) as caught:
            function(*args, **options)
        return caught.value

    return call
