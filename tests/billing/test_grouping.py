"""Few statements of many: whatever order they come in, the same is in the tables afterwards."""

from __future__ import annotations

import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from connector.billing.grouping import MOST_VALUES, Statement, grouped

INSERT_A = 'INSERT INTO "a" ("id", "text") VALUES (%s, %s)'
_OF_A = "(SELECT id FROM a WHERE text = %s)"
INSERT_B = f"INSERT INTO b (a_id, n) VALUES ({_OF_A}, %s), ({_OF_A}, %s)"
DELETE_A = "DELETE FROM a WHERE id = %s"
DELETE_B = "DELETE FROM b WHERE a_id = %s"
UPDATE_A = "UPDATE a SET text = text || %s WHERE id = %s"


def test_what_a_batch_writes_is_a_few_statements() -> None:
    """Rows of a table go into one statement, in their order; what is of another form parts them."""
    one = [(INSERT_A, (1, "x")), (INSERT_B, ("x", 1, "x", 2)), (DELETE_B, (9,)), (DELETE_A, (9,))]
    two = [(INSERT_A, (2, "y")), (INSERT_B, ("y", 3, "y", 4))]
    assert grouped([*two, *two]) == [
        ('INSERT INTO "a" ("id", "text") VALUES (%s, %s), (%s, %s)', [2, "y", 2, "y"]),
        (INSERT_B + INSERT_B.partition("VALUES")[2].replace(" ((", ", ((", 1), ["y", 3, "y", 4, "y", 3, "y", 4]),
    ]
    assert [sql for sql, _ in grouped([*one, *two])] == [INSERT_A, INSERT_B, DELETE_B, DELETE_A, INSERT_A, INSERT_B]
    assert grouped([(DELETE_A, (1,)), (DELETE_B, (2,)), (DELETE_A, (3,))]) == [
        ("DELETE FROM a WHERE id IN (%s, %s)", [1, 3]),
        (DELETE_B, [2]),
    ]
    assert [sql for sql, _ in grouped([*two, (UPDATE_A, ("z", 1)), *two])] == [
        INSERT_A, INSERT_B, UPDATE_A, INSERT_A, INSERT_B,
    ]  # fmt: skip


def test_a_statement_has_no_more_values_than_a_server_takes() -> None:
    """Many rows go into several statements, and none is lost."""
    made = grouped([(INSERT_A, (number, "")) for number in range(MOST_VALUES)])
    assert [len(values) for _, values in made] == [MOST_VALUES, MOST_VALUES]
    assert [value for _, values in made for value in values[::2]] == list(range(MOST_VALUES))


def tables(statements: list[Statement]) -> object:
    """What is in the tables after some statements; the error, if one fails."""
    raw = sqlite3.connect(":memory:")
    raw.executescript(
        "PRAGMA foreign_keys = 1; CREATE TABLE a (id INTEGER UNIQUE, text TEXT UNIQUE);"
        "CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER REFERENCES a(id), n INTEGER)"
    )
    try:
        for sql, values in statements:
            raw.execute(sql.replace("%s", "?"), list(values))
        return [raw.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in "ab"]
    finally:
        raw.close()


@given(st.lists(st.tuples(st.sampled_from("admitted ended updated".split()), st.integers(1, 4)), max_size=30))
def test_the_effect_is_the_same(happened: list[tuple[str, int]]) -> None:
    """Places are taken, given back and taken again, as by calls: whatever could be done one by one is done."""
    statements: list[Statement] = []
    there: dict[int, str] = {}
    for number, (what, place) in enumerate(happened):
        if what == "admitted" and place not in there:
            there[place] = f"call {number}"
            statements += [
                (INSERT_A, (place, there[place])),
                (INSERT_B, (there[place], number, there[place], -number)),
            ]
        elif what == "ended" and place in there:
            del there[place]
            statements += [(DELETE_B, (place,)), (DELETE_A, (place,))]
        elif what == "updated":
            statements.append((UPDATE_A, ("!", place)))
            if place in there:
                there[place] += "!"
    assert tables(grouped(statements)) == tables(statements)
