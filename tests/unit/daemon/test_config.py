from __future__ import annotations

import re
from datetime import timedelta
from itertools import pairwise

import pytest

from engine.daemon.config import Address, Config, load_config, parse_address
from engine.daemon.layers import default_store, find_file, leaves, variable
from engine.errors import DiagnosticsError, NotFoundError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def load(folder):
    def run(text=None, *, environ=None, **overrides):
        path = None
        if text is not None:
            path = folder / "c.yaml"
            path.write_text(text)
        flags = {key.replace("__", "."): value for key, value in overrides.items()}
        return load_config(path, environ={"HOME": "/home/me", **(environ or {})}, overrides=flags)

    return run


@pytest.fixture
def problems(load, folder):
    def run(text=None, **options):
        with pytest.raises(DiagnosticsError) as caught:
            load(text, **options)
        return [
            (found.rule, str(found.place).removeprefix(f"{folder}/"), found.message, found.hint)
            for found in caught.value.diagnostics
        ]

    return run


# --- defaults


def test_defaults_are_those_of_the_documentation(load):
    config = load().config
    assert dict(config.keys()) == {
        "store.url": "sqlite:////home/me/.local/share/weir/weir.db",
        "values.key": (),
        "namespace": "default",
        "namespaces": (),
        "environment": {},
        "admin.listen": "127.0.0.1:8585",
        "admin.tokens": None,
        "workers": 1,
        "drain_timeout": timedelta(seconds=8),
        "drain_timeouts": {},
        "limits.body": 8 * 1024 * 1024,
        "limits.process_timeout": None,
        "limits.loop_budget": timedelta(milliseconds=10),
        "limits.hang": timedelta(seconds=30),
        "javascript.engine": "auto",
        "javascript.isolation": "auto",
        "javascript.timeout": timedelta(seconds=1),
        "javascript.inline_timeout": timedelta(milliseconds=20),
        "javascript.memory": 64 * 1024 * 1024,
        "javascript.isolates": 64,
        "javascript.result": 8 * 1024 * 1024,
        "languages.python": False,
        "log.level": "info",
        "log.format": "auto",
        "plugins": None,
    }
    assert config.unsupported() == []


def test_example_has_every_key_and_its_default(project_dir, load):
    text = (project_dir / "config.example.yaml").read_text()
    assert load(text).config == load().config
    shown = set()
    section = ""
    for line in text.splitlines():
        match = re.fullmatch(r"( *)([a-z_]+):(.*)", line)
        if match is None:
            continue
        indent, key, rest = match.groups()
        if indent:
            shown.add(f"{section}.{key}")
        elif rest or key == "plugins":
            shown.add(key)
        else:
            section = key
    assert shown == {".".join(path) for path in leaves(Config)}


def test_every_key_of_the_example_has_a_comment(project_dir):
    lines = (project_dir / "config.example.yaml").read_text().splitlines()
    sections = {path[0] for path in leaves(Config) if len(path) > 1}
    for before, line in pairwise(lines):
        match = re.match(r" *([a-z_]+):", line)
        if match and match[1] not in sections:
            assert before.lstrip().startswith("#"), line


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"HOME": "/h"}, "sqlite:////h/.local/share/weir/weir.db"),
        ({"HOME": "/h", "XDG_DATA_HOME": "/data"}, "sqlite:////data/weir/weir.db"),
        ({"HOME": "/h", "XDG_DATA_HOME": "relative"}, "sqlite:////h/.local/share/weir/weir.db"),
        ({"HOME": "/h", "STATE_DIRECTORY": "/var/lib/weir"}, "sqlite:////var/lib/weir/weir.db"),
        ({"HOME": "/h", "STATE_DIRECTORY": "/var/lib/weir:/other"}, "sqlite:////var/lib/weir/weir.db"),
        ({"HOME": "/odd ?#%"}, "sqlite:////odd%20%3F%23%25/.local/share/weir/weir.db"),
    ],
)
def test_default_store(environ, url):
    assert default_store(environ) == url


# --- layers


def test_variables_win_over_the_file_and_flags_over_both(load):
    text = "log: {level: error, format: json}\nnamespace: file\nlimits: {body: 1KB}"
    environ = {"WEIR_LOG_LEVEL": "warning", "WEIR_NAMESPACE": "variable"}
    config = load(text, environ=environ, namespace="flag").config
    assert (config.log.level, config.log.format, config.namespace, config.limits.body) == (
        "warning",
        "json",
        "flag",
        1000,
    )


def test_flags_that_are_none_and_variables_that_are_empty_are_none(load):
    assert load("workers: 3", environ={"WEIR_WORKERS": ""}, workers=None).config.workers == 3


@pytest.mark.parametrize("path", list(leaves(Config)))
def test_every_key_has_a_variable(load, path):
    samples = {
        "url": "memory://",
        "namespace": "other",
        "namespaces": "one, two",
        "environment": "{A: 1}",
        "listen": "off",
        "tokens": "/t",
        "workers": "3",
        "drain_timeout": "1m",
        "drain_timeouts": "{a: 1m}",
        "body": "1KB",
        "process_timeout": "5s",
        "loop_budget": "1ms",
        "hang": "5s",
        "engine": "v8",
        "isolation": "thread",
        "timeout": "2s",
        "inline_timeout": "5ms",
        "memory": "1MiB",
        "isolates": "2",
        "result": "1MiB",
        "python": "on",
        "key": "env:SECRET, file:/k",
        "level": "debug",
        "format": "json",
        "plugins": "a,b",
    }
    loaded = load(environ={variable(path): samples[path[-1]]})
    assert loaded.config.changed(load().config) == [".".join(path)]
    assert loaded.warnings == ()


def test_environment_is_merged_name_by_name(load):
    config = load(
        "environment: {A: file, B: {deep: 1}, C: file}",
        environ={"WEIR_ENVIRONMENT": "{B: {other: 2}, C: variable}"},
        environment={"C": "flag", "D": "x"},
    ).config
    assert config.environment == {"A": "file", "B": {"other": 2}, "C": "flag", "D": "x"}


def test_one_namespace_replaces_several_of_the_layer_below(load):
    assert load("namespaces: [a, b]", environ={"WEIR_NAMESPACE": "c"}).config.served == ("c",)
    assert load("namespace: c", environ={"WEIR_NAMESPACES": "a, b"}).config.served == ("a", "b")
    assert load("namespaces: [a, b]", namespace="c").config.served == ("c",)


def test_system_is_not_among_the_served(load):
    assert load("namespaces: [a, system, a]").config.served == ("a",)
    assert load("namespace: system").config.served == ()


def test_an_empty_key_has_its_default(load):
    config = load("log:\n  level:\nworkers: null\nenvironment:").config
    assert (config.log.level, config.workers, config.environment) == ("info", 1, {})


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null"])
def test_an_empty_file_is_fine(load, text):
    assert load(text).config == load().config


# --- where the file is


def test_the_file_is_looked_for_in_order(folder):
    config_home = folder / "xdg"
    (config_home / "weir").mkdir(parents=True)
    environ = {"HOME": str(folder), "XDG_CONFIG_HOME": str(config_home)}
    there = find_file(None, environ)
    assert there is None or str(there) == "/etc/weir/config.yaml"
    (config_home / "weir/config.yaml").write_text("")
    assert find_file(None, environ) == config_home / "weir/config.yaml"
    (folder / "weir.yaml").write_text("")
    assert str(find_file(None, environ)) == "weir.yaml"
    assert str(find_file(None, environ | {"WEIR_CONFIG": "/named"})) == "/named"
    assert str(find_file("flag", environ | {"WEIR_CONFIG": "/named"})) == "flag"


def test_loaded_tells_the_file(folder, load):
    assert load().file is None
    assert load("workers: 1").file == folder / "c.yaml"


def test_a_named_file_must_be_there(folder):
    with pytest.raises(NotFoundError, match=r"no file .gone\.yaml."):
        load_config("gone.yaml", environ={"HOME": "/h"})
    with pytest.raises(NotFoundError, match=r"no file .gone\.yaml."):
        load_config(environ={"HOME": "/h", "WEIR_CONFIG": "gone.yaml"})


# --- mistakes


@pytest.mark.parametrize(
    ("text", "rule", "place", "message", "hint"),
    [
        ("stroe: {}", "unknown-key", "c.yaml:1:1", "the config has no key 'stroe'", "did you mean 'store'?"),
        ("store:\n  ulr: x", "unknown-key", "c.yaml:2:3", "`store` has no key 'ulr'", "did you mean 'url'?"),
        ("1: x", "unknown-key", "c.yaml:1:1", "the config has no key 1", None),
        ("[a]", "wrong-type", "c.yaml:1:1", "a config is a map, not a list", None),
        ("log: info", "wrong-type", "c.yaml:1:6", "`log` is a map, not a text", None),
        ("workers: two", "wrong-type", "c.yaml:1:10", "`workers` is a whole number, not 'two'", None),
        ("workers: true", "wrong-type", "c.yaml:1:10", "`workers` is a number, not the boolean true", None),
        ("workers: 0", "wrong-value", "c.yaml:1:10", "`workers` must be at least 1, not the number 0", None),
        ("log:\n  level: warn", "wrong-value", "c.yaml:2:10", "`log.level` is one of", "did you mean 'warning'?"),
        ("drain_timeout: -1s", "wrong-type", "c.yaml:1:16", "cannot be negative", None),
        ("limits: {body: big}", "wrong-type", "c.yaml:1:16", "`limits.body` is a size, not 'big'", None),
        ("admin: {listen: 8585}", "wrong-type", "c.yaml:1:17", "`admin.listen` is an address, not '8585'", None),
        ("namespace: a/b", "wrong-type", "c.yaml:1:12", "`namespace` is the name of a namespace", None),
        ("namespaces: [a, '']", "wrong-type", "c.yaml:1:17", "is the name of a namespace, not ''", None),
        ("namespace: a\nnamespaces: [b]", "exclusive", "c.yaml:2:1", "give one of them", None),
        ("a: 1\n---\nb: 2", "documents", "c.yaml:3:1", "a config is one document", None),
        ("log:\n\tlevel: info", None, "c.yaml:2:1", "", None),
        ("log: {}\nlog: {}", "duplicate-key", "c.yaml:2:1", "", None),
    ],
)
def test_a_mistake_in_the_file_has_its_place(problems, text, rule, place, message, hint):
    [(found_rule, found_place, found_message, found_hint)] = problems(text)
    assert rule in (None, found_rule)
    assert found_place == place
    assert message in found_message
    assert hint in (None, found_hint)


def test_all_mistakes_are_told_at_once(problems):
    found = problems("a: 1\nworkers: x\nlog: {levle: 1}", environ={"WEIR_LIMITS_BODY": "big"}, store__url="x")
    assert {(rule, place) for rule, place, _, _ in found} == {
        ("unknown-key", "c.yaml:1:1"),
        ("wrong-type", "c.yaml:2:10"),
        ("unknown-key", "c.yaml:3:7"),
        ("wrong-type", "WEIR_LIMITS_BODY"),
    }


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"WEIR_WORKERS": "x"}, "`workers` is a whole number, not 'x'"),
        ({"WEIR_ENVIRONMENT": "A=1"}, "WEIR_ENVIRONMENT is a map, not a text"),
        ({"WEIR_ENVIRONMENT": "{A"}, ""),
        ({"WEIR_NAMESPACES": "a/b"}, "is the name of a namespace, not 'a/b'"),
        ({"WEIR_LANGUAGES_PYTHON": "maybe"}, "is true or false, not 'maybe'"),
    ],
)
def test_a_mistake_in_a_variable_has_its_name(problems, environ, message):
    [(_, place, found, _)] = problems(environ=environ)
    assert place == next(iter(environ))
    assert message in found


def test_a_mistake_in_a_flag_has_its_name(problems):
    [(_, place, _, _)] = problems(workers="x")
    assert place == "--workers"


def test_unknown_variables_are_warnings(load):
    environ = {"WEIR_LOG_LEVLE": "x", "WEIR_CONFIG": "", "WEIR_SERVER": "s", "WEIR_DEBUG": "1", "WEIR_TEST_X": "1"}
    [warning] = load(environ=environ).warnings
    assert (warning.rule, warning.severity, str(warning.place)) == ("unknown-variable", "warning", "WEIR_LOG_LEVLE")
    assert warning.message == "the variable WEIR_LOG_LEVLE sets nothing"
    assert warning.hint == "did you mean 'WEIR_LOG_LEVEL'?"


# --- what this version cannot do


def test_drain_limits_by_namespace(load):
    config = load("namespaces: [a, b]\ndrain_timeout: 5s\ndrain_timeouts: {b: 1m, system: 1s}").config
    assert [config.drain_of(name).total_seconds() for name in ("a", "b", "system")] == [5, 60, 1]
    assert config.longest_drain == timedelta(minutes=1)
    assert config.unsupported() == []
    [sentence] = load("drain_timeouts: {c: 1m}").config.unsupported()
    assert sentence == "`drain_timeouts` names 'c', a namespace that this daemon does not run"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("workers: 2\nstore: {url: 'MEMORY://'}", "`workers` is 2 and `store.url` is MEMORY://"),
        ("admin: {tokens: /t}", "`admin.tokens` is set"),
        ("admin: {listen: '0.0.0.0:1'}", "`admin.listen` is 0.0.0.0:1"),
        ("admin: {listen: 'example.org:1'}", "`admin.listen` is example.org:1"),
        ("admin: {listen: 'unix:/run/a.sock'}", "`admin.listen` is unix:/run/a.sock"),
    ],
)
def test_unsupported_values_are_named(load, text, sentence):
    [found] = load(text).config.unsupported()
    assert found.startswith(sentence)


def test_python_is_the_operators_choice(load):
    for config in (load("languages: {python: on}").config, load(environ={"WEIR_LANGUAGES_PYTHON": "on"}).config):
        assert config.languages.python
        assert config.unsupported() == []


def test_no_hint_recommends_what_is_refused(load, problems):
    [sentence] = load("admin: {listen: 'example.org:1'}").config.unsupported()
    [(*_, hint)] = problems("admin: {listen: nonsense}")
    assert "unix" not in sentence + hint


@pytest.mark.parametrize("listen", ["off", "localhost:1", "127.1.2.3:1", "'[::1]:0'"])
def test_local_addresses_need_no_tokens(load, listen):
    assert load(f"admin: {{listen: {listen}}}").config.unsupported() == []


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("off", None),
        ("127.0.0.1:8585", Address("127.0.0.1", 8585)),
        ("[::1]:80", Address("::1", 80)),
        ("host.example:0", Address("host.example", 0)),
        ("unix:/run/x.sock", Address(path="/run/x.sock")),
    ],
)
def test_addresses(text, address):
    assert parse_address(text) == address
    if address is not None:
        assert str(address) == text


@pytest.mark.parametrize("text", ["", "8585", ":8585", "a:b", "a:99999", "::1:80", "unix:", "a b:1", "http://a:1"])
def test_bad_addresses(text):
    with pytest.raises(ValueError, match=r"is no address|names no socket"):
        parse_address(text)


def test_changed_names_the_keys(load):
    assert load("log: {level: debug}\nworkers: 2").config.changed(load().config) == ["workers", "log.level"]


# --- keys for values


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("values: {key: 'file:/k'}", ("file:/k",)),
        ("values: {key: ['credential:new', 'env:OLD']}", ("credential:new", "env:OLD")),
        ("values: {key: }", ()),
    ],
)
def test_keys_for_values(load, text, keys):
    assert load(text).config.values.key == keys


def test_a_key_itself_is_refused_and_not_quoted(problems):
    secret = "c2VjcmV0LWtleS1vZi1zb21lYm9keS13aG8tZXJyZWQ="
    [(rule, place, message, hint)] = problems(f"values:\n  key: ['env:K', '{secret}']\n")
    assert (rule, place) == ("wrong-type", "c.yaml:2:18")
    assert message == "`values.key[1]` is not where a key is kept"
    assert (
        hint
        == "write file:/path/of/a/file, env:NAME of a variable, or credential:NAME (of systemd); never the key itself"
    )
    [(_, place, message, _)] = problems(environ={"WEIR_VALUES_KEY": secret})
    assert place == "WEIR_VALUES_KEY"
    assert secret not in message
