from __future__ import annotations

import threading

import pytest

from engine.errors import InvalidError
from engine.language.constant import TextCompiler
from engine.language.registry import Languages, default_languages


class Closing(TextCompiler):
    closed = 0

    def close(self):
        self.closed += 1


def test_a_compiler_is_made_once_and_not_before_it_is_asked_for():
    made = []

    def factory():
        made.append(TextCompiler())
        return made[-1]

    languages = Languages()
    languages.register("plain", factory, aliases=("p",))
    assert made == []
    assert languages.compiler("plain") is languages.compiler("p") is made[0]
    assert len(made) == 1
    assert languages.names == ("plain",)
    assert languages.compile("p", "x")(None) == "x"


def test_a_name_is_registered_once():
    languages = Languages()
    languages.register("a", TextCompiler, aliases=("b",))
    with pytest.raises(ValueError, match="'b'"):
        languages.register("b", TextCompiler)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("nolang", "known languages: cel, javascript, typescript, json, yaml, text, python"),
        ("javascrpt", "did you mean 'javascript'?"),
        ("JSON", "did you mean 'json'?"),
    ],
)
def test_an_unknown_language_is_an_error_with_a_hint(name, hint):
    with pytest.raises(InvalidError) as caught:
        default_languages().compiler(name)
    assert caught.value.reason == f"unknown language '{name}'"
    assert caught.value.hint == hint


def test_python_is_off_and_says_how_to_turn_it_on():
    with pytest.raises(InvalidError) as caught:
        default_languages().compiler("python")
    assert caught.value.reason == "the language 'python' is turned off"
    assert caught.value.hint == "set languages.python in the config, or WEIR_LANGUAGES_PYTHON=on"


def test_python_is_there_for_who_turns_it_on():
    languages = default_languages(python=True)
    program = languages.compile("py", "payload + 1")
    assert languages.compiler("py") is languages.compiler("python")
    assert program(1) == 2
    program.close()


@pytest.mark.parametrize(("name", "source"), [("text", "[1]"), ("json", "[1]"), ("yaml", "- 1")])
def test_the_constant_languages_are_there(name, source):
    assert default_languages().compile(name, source)(None) in ("[1]", [1])


async def test_javascript_is_there_with_its_settings():
    languages = default_languages(javascript_isolates=1)
    assert languages.compiler("js") is languages.compiler("javascript")
    program = languages.compile("js", "export default (a) => a + 1")
    assert await program(1) == 2
    languages.close()


async def test_typescript_runs_on_javascript_whoever_is_asked_for_first():
    languages = default_languages()
    assert languages.compiler("ts") is languages.compiler("typescript")
    program = languages.compile("ts", "export default (a: number): number => a + 1")
    assert await program(1) == 2
    languages.close()


def test_close_closes_what_was_made_and_nothing_else():
    one, two = Closing(), Closing()
    languages = Languages()
    languages.register("one", lambda: one)
    languages.register("two", lambda: two)
    languages.register("plain", TextCompiler)
    languages.compiler("one")
    languages.compiler("plain")
    languages.close()
    languages.close()
    assert (one.closed, two.closed) == (1, 0)
    with pytest.raises(InvalidError, match="closed"):
        languages.compiler("two")


def test_warming_loads_a_language_once_and_what_fails_is_left_to_its_first_use():
    made = []

    class Slow:
        name = "slow"

        def compile(self, source, options=None):
            made.append(source)
            return TextProgram()

    class TextProgram:
        is_async = False

        def close(self):
            made.append("closed")

    def broken():
        made.append("broken")
        raise InvalidError("it is not installed")

    languages = Languages()
    languages.register("slow", Slow, aliases=("s",), sample="1")
    languages.register("quick", Slow)
    languages.register("broken", broken, sample="1")
    assert [languages.is_cold(name) for name in ("slow", "s", "quick", "broken", "unknown")] == [
        True,
        True,
        False,
        True,
        False,
    ]
    languages.warm(["s", "broken", "quick", "unknown"])
    languages.warm(["slow"])
    assert made == ["1", "closed", "broken"]
    assert not languages.is_cold("slow")
    with pytest.raises(InvalidError, match="not installed"):
        languages.compiler("broken")


def test_two_threads_get_the_same_compiler():
    begun, go_on = threading.Barrier(2), []

    class Slow:
        name = "slow"

        def __init__(self):
            begun.wait()

        def close(self):
            go_on.append(self)

    languages = Languages()
    languages.register("slow", Slow)
    found = []
    threads = [threading.Thread(target=lambda: found.append(languages.compiler("slow"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] is found[1]
    assert len(go_on) == 1
    assert go_on[0] is not found[0]
