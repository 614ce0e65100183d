from __future__ import annotations

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


def test_languages_that_are_known_and_not_to_be_had_say_why():
    with pytest.raises(InvalidError) as caught:
        default_languages().compiler("python")
    assert caught.value.reason == "the language 'python' is turned off"
    assert caught.value.hint == "set languages.python in the config"
    with pytest.raises(InvalidError, match="'python' is not available in this version"):
        default_languages(python=True).compiler("python")
    with pytest.raises(InvalidError, match="'typescript' is not available in this version"):
        default_languages().compile("typescript", "export default 1")


@pytest.mark.parametrize(("name", "source"), [("text", "[1]"), ("json", "[1]"), ("yaml", "- 1")])
def test_the_constant_languages_are_there(name, source):
    assert default_languages().compile(name, source)(None) in ("[1]", [1])


async def test_javascript_is_there_with_its_settings():
    languages = default_languages(javascript_isolates=1)
    assert languages.compiler("js") is languages.compiler("javascript")
    program = languages.compile("js", "export default (a) => a + 1")
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
