from __future__ import annotations

import pytest

from engine.errors import ErrorValue, InvalidError
from nodes.data.statement import Statement, read_statement


@pytest.mark.parametrize(
    ("payload", "statement"),
    [
        ("SELECT 1", Statement("SELECT 1")),
        (["SELECT 1"], Statement("SELECT 1")),
        (["SELECT 1", None], Statement("SELECT 1")),
        (["SELECT ?", []], Statement("SELECT ?")),
        (["SELECT ?", [True, b"x"]], Statement("SELECT ?", (1, b"x"))),
        (["SELECT :a", {"a": 1.5}], Statement("SELECT :a", {"a": 1.5})),
        (["I", [{"a": 1}, {"a": None}]], Statement("I", many=({"a": 1}, {"a": None}))),
        ("ROLLBACK TO here", Statement("ROLLBACK TO here")),
        ("rollback transaction to savepoint x", Statement("rollback transaction to savepoint x")),
        ("SAVEPOINT begin", Statement("SAVEPOINT begin")),
    ],
)
def test_statements(payload, statement):
    assert read_statement(payload) == statement


@pytest.mark.parametrize(
    "payload",
    [
        None, 42, {"a": 1}, [], [1], ["SELECT 1", [], 3], ["SELECT 1", "x"], ["SELECT 1", 5], "", " \n", ["SELECT ?", [[1]]],
        ["SELECT ?", [{"a": 1}, 2]], ["SELECT ?", {"a": {}}], ["SELECT ?", [2**63]], ["SELECT ?", [ErrorValue("x")]],
        ErrorValue("x"), b"SELECT 1",
    ],
)  # fmt: skip
def test_anything_else_is_invalid(payload):
    with pytest.raises(InvalidError):
        read_statement(payload)


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN",
        "begin immediate",
        "COMMIT;",
        " end",
        "-- note\nROLLBACK",
        "/* a */ /* b */ ; commit",
        "ROLLBACK TOO",
        "\ufeffCOMMIT",
    ],
)
def test_transactions_are_not_for_statements(sql):
    with pytest.raises(InvalidError, match="is not for a statement"):
        read_statement(sql)


def test_comments_cost_no_time():
    assert read_statement("/**/" * 50_000 + "(").sql
    assert read_statement("WITH a AS (" + "/**/'" * 50_000).sql


@pytest.mark.parametrize(
    ("sql", "reads", "writes"),
    [
        ("SELECT 1", True, False),
        ("-- INSERT\n/* UPDATE */ values (1)", True, False),
        ("insert INTO t VALUES (1)", False, True),
        ("Delete FROM t", False, True),
        ("CREATE TABLE t (n)", False, True),
        ("WITH a AS (SELECT 1) DELETE FROM t", False, True),
        ("with recursive a(b) AS (VALUES (')'), ('(')), [c(] AS (DELETE) SELECT 1", True, False),
        ('WITH "x) delete" AS MATERIALIZED (SELECT 1) /* ( */ -- insert\n Insert INTO t VALUES (1)', False, True),
        ("WITH replace AS (SELECT 1) SELECT * FROM replace", False, False),
        ("WITH a AS (SELECT 1", False, False),
        ("EXPLAIN DELETE FROM t", True, False),
        ("PRAGMA journal_mode", False, False),
        ("SELECT " + "1" * 5000, True, False),
        ("?", False, False),
    ],
)
def test_what_a_statement_is_known_to_do(sql, reads, writes):
    statement = read_statement(sql)
    assert (statement.reads, statement.writes) == (reads, writes)
