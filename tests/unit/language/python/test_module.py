from __future__ import annotations

import sys

import pytest

from engine.language.python.form import read
from engine.language.python.module import Module


def ignore(*_args, **_options):
    pass


def module(source):
    return Module(read(source).code, ignore)


def test_the_top_level_runs_once_with_the_first_call():
    made = module("made = []\ndef main(payload):\n  made.append(1)\n  return made")
    main = made.main()
    assert made.main() is main
    assert [main(None), main(None)][1] == [1, 1]
    made.close()


def test_a_top_level_that_fails_runs_again_and_leaves_nothing():
    made = module("import sys\nsys.tried.append(1)\nif len(sys.tried) == 1: raise ValueError\ndef main(p): return 1")
    sys.tried = []
    try:
        with pytest.raises(ValueError):
            made.main()
        assert made.name not in sys.modules
        assert made.main()(None) == 1
    finally:
        del sys.tried
        made.close()


def test_two_modules_share_nothing_even_of_one_source():
    source = "n = 0\ndef main(p):\n  global n\n  n += 1\n  return n"
    one, two = module(source), module(source)
    assert [one.main()(0), one.main()(0), two.main()(0)] == [1, 2, 1]
    assert one.name != two.name
    one.close()
    two.close()


def test_print_is_replaced_in_the_module_alone():
    made = module("def main(p): return print")
    assert made.main()(None) is ignore
    assert print is not ignore
    made.close()


def test_what_looks_for_a_class_finds_its_module():
    made = module(
        "from __future__ import annotations\nimport typing, dataclasses\n@dataclasses.dataclass\nclass A:\n"
        "  x: ClassVar[int] = 1\n  y: int = 2\ndef main(p): return typing.get_type_hints(B)['a'] is A\n"
        "class B:\n  a: A\n"
    )
    assert made.main()(None)
    assert made.name in sys.modules
    made.close()
    made.close()
    assert made.name not in sys.modules
    assert made.closed
