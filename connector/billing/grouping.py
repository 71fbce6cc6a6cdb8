"""Makes few statements of many: PostgreSQL takes as long to understand a statement of thirty rows as one of one row.

    INSERT a, INSERT b, INSERT a, INSERT b   ->   INSERT a, a; INSERT b, b
    DELETE a WHERE id = 1, DELETE a WHERE id = 2   ->   DELETE a WHERE id IN (1, 2)

What is not of these forms stays in its place, and nothing is moved across it. An INSERT is not moved before a DELETE of
the same table, for the row may take the place of the one that was deleted.
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
_INSERT = re.compile(r'(INSERT INTO "?(\w+)"? \([^)]*\) VALUES )(\(.*\))', re.DOTALL)
_DELETE = re.compile(r"(DELETE FROM (\w+) WHERE \w+) = (%s)")


def grouped(statements: Sequence[Statement]) -> list[Statement]:
    """The same in fewer statements, in an order that has the same effect."""
    done: list[Statement] = []
    run: dict[str, list[Sequence[Any]]] = {}
    deleted: set[str] = set()
    for sql, values in statements:
        kind, table = _kind(sql)
        if not kind or (kind == "insert" and table in deleted):
            done += _ended(run)
            run, deleted = {}, set()
        if kind:
            run.setdefault(sql, []).append(values)
        else:
            done.append((sql, values))
        if kind == "delete":
            deleted.add(table)
    return [*done, *_ended(run)]


def _ended(run: dict[str, list[Sequence[Any]]]) -> list[Statement]:
    """The statements of a run, each once for all of its rows."""
    found: list[Statement] = []
    for sql, rows in run.items():
        at_once = max(1, MOST_VALUES // max(1, len(rows[0])))
        for first in range(0, len(rows), at_once):
            some = rows[first : first + at_once]
            found.append((_of_rows(sql, len(some)), [value for row in some for value in row]))
    return found


@lru_cache(maxsize=1024)
def _kind(sql: str) -> tuple[str, str]:
    """Which form a statement has, and of which table; ("", "") for another form."""
    for kind, form in (("insert", _INSERT), ("delete", _DELETE)):
        found = form.fullmatch(sql)
        if found:
            return kind, found[2]
    return "", ""


@lru_cache(maxsize=1024)
def _of_rows(sql: str, rows: int) -> str:
    if rows == 1:
        return sql
    insert = _INSERT.fullmatch(sql)
    if insert:
        return insert[1] + ", ".join([insert[3]] * rows)
    delete = _DELETE.fullmatch(sql)
    assert delete is not None
    return f"{delete[1]} IN ({', '.join([delete[3]] * rows)})"
