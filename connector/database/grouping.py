"""Makes few statements of many: PostgreSQL takes as long to understand a statement of thirty rows as one of one row.

    INSERT a, INSERT b, INSERT a, INSERT b   ->   INSERT a, a; INSERT b, b
    DELETE a WHERE id = 1, DELETE a WHERE id = 2   ->   DELETE a WHERE id IN (1, 2)

This is done for the tables that calls write, in an order that suits their foreign keys. What is not of these forms or
tables stays in its place, and nothing is moved across it. An INSERT is not moved before a DELETE of the same table, for
the row may take the place of the one that was deleted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

# A statement, and its values.
Statement = tuple[str, Sequence[Any]]

# PostgreSQL takes 65,535 values in a statement.
MOST_VALUES = 20_000
# Rows come after those that they refer to, and go before them.
ORDER = (
    ("insert", "entry"),
    ("insert", "posting"),
    ("insert", "call"),
    ("insert", "hold"),
    ("delete", "hold"),
    ("delete", "call"),
    ("insert", "cdr"),
    ("insert", "charge"),
    ("insert", "cost"),
    ("insert", "call_event"),  # which refers to none by a constraint
)
_INSERT = re.compile(r'(INSERT INTO "?(\w+)"? \([^)]*\) VALUES )(\(.*\))', re.DOTALL)
_DELETE = re.compile(r"(DELETE FROM (\w+) WHERE \w+) = (%s)")


def grouped(statements: Sequence[Statement]) -> list[Statement]:
    """The same in fewer statements, in an order that has the same effect."""
    done: list[Statement] = []
    # By place in the order and beginning: the text of each row, and its values.
    run: dict[tuple[int, str], list[tuple[str, Sequence[Any]]]] = {}
    deleted: set[str] = set()
    for sql, values in statements:
        place, kind, table, beginning, row = _parsed(sql)
        if place < 0 or (kind == "insert" and table in deleted):
            done += _ended(run)
            run, deleted = {}, set()
        if place < 0:
            done.append((sql, values))
            continue
        run.setdefault((place, beginning), []).append((row, values))
        if kind == "delete":
            deleted.add(table)
    return [*done, *_ended(run)]


def _ended(run: dict[tuple[int, str], list[tuple[str, Sequence[Any]]]]) -> list[Statement]:
    """The statements of a run, in their order, each once for all of its rows."""
    found: list[Statement] = []
    for (place, beginning), rows in sorted(run.items(), key=lambda item: item[0][0]):
        kind = ORDER[place][0]
        some: list[tuple[str, Sequence[Any]]] = []
        count = 0
        for row in rows:
            if some and count + len(row[1]) > MOST_VALUES:
                found.append(_statement(kind, beginning, some))
                some, count = [], 0
            some.append(row)
            count += len(row[1])
        found.append(_statement(kind, beginning, some))
    return found


def _statement(kind: str, beginning: str, rows: list[tuple[str, Sequence[Any]]]) -> Statement:
    return _text(kind, beginning, tuple(row for row, _ in rows)), [value for _, values in rows for value in values]


@lru_cache(maxsize=1024)
def _parsed(sql: str) -> tuple[int, str, str, str, str]:
    """The place of a statement in the order, -1 for none; its kind, table and beginning, and the text of its rows."""
    for kind, form in (("insert", _INSERT), ("delete", _DELETE)):
        found = form.fullmatch(sql)
        if found and (kind, found[2]) in ORDER:
            return ORDER.index((kind, found[2])), kind, found[2], found[1], found[3]
    return -1, "", "", "", ""


@lru_cache(maxsize=1024)
def _text(kind: str, beginning: str, rows: tuple[str, ...]) -> str:
    joined = ", ".join(rows)
    if kind == "insert":
        return beginning + joined
    return f"{beginning} = {joined}" if len(rows) == 1 else f"{beginning} IN ({joined})"
