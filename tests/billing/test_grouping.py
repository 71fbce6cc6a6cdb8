"""Few statements of many: whatever order they come in, the same is in the tables afterwards."""

from __future__ import annotations

import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from connector.database.grouping import MOST_VALUES, Statement, grouped

_ENTRY = "(SELECT id FROM entry WHERE key = %s)"
ENTRY = 'INSERT INTO "entry" ("key") VALUES (%s)'
POSTING = f"INSERT INTO posting (entry_id, account_id, amount) VALUES ({_ENTRY}, %s, %s)"
POSTINGS = f"{POSTING}, ({_ENTRY}, %s, %s)"
CALL = 'INSERT INTO "call" ("id", "slot") VALUES (%s, %s)'
HOLD = 'INSERT INTO "hold" ("call_id") VALUES (%s)'
NO_HOLD = "DELETE FROM hold WHERE call_id = %s"
NO_CALL = "DELETE FROM call WHERE id = %s"
CDR = 'INSERT INTO "cdr" ("id") VALUES (%s)'
CHARGE = 'INSERT INTO "charge" ("cdr_id") VALUES (%s)'
ANSWERED = "UPDATE call SET slot = slot WHERE id = %s"
TABLES = """
PRAGMA foreign_keys = 1;
CREATE TABLE account (name TEXT PRIMARY KEY, balance INTEGER CHECK (balance >= 0));
CREATE TABLE entry (id INTEGER PRIMARY KEY, key TEXT UNIQUE);
CREATE TABLE posting (id INTEGER PRIMARY KEY, entry_id INTEGER NOT NULL REFERENCES entry(id),
    account_id TEXT REFERENCES account(name), amount INTEGER);
CREATE TRIGGER moves AFTER INSERT ON posting BEGIN
    UPDATE account SET balance = balance + NEW.amount WHERE name = NEW.account_id;
END;
CREATE TABLE call (id TEXT PRIMARY KEY, slot INTEGER UNIQUE);
CREATE TABLE hold (call_id TEXT PRIMARY KEY REFERENCES call(id));
CREATE TABLE cdr (id TEXT PRIMARY KEY);
CREATE TABLE charge (cdr_id TEXT PRIMARY KEY REFERENCES cdr(id));
INSERT INTO account VALUES ('free', 3), ('held', 0), ('spent', 0);
"""


def test_what_a_batch_writes_is_a_few_statements() -> None:
    """Rows of a table go into one statement, in their order; what is of another form parts them."""
    one: list[Statement] = [(ENTRY, ("x",)), (POSTING, ("x", "free", 1)), (CALL, ("a", 1)), (HOLD, ("a",))]
    two: list[Statement] = [(ENTRY, ("y",)), (POSTINGS, ("y", "free", -1, "y", "held", 1)), (CALL, ("b", 2))]
    assert grouped([*one, *two]) == [
        ('INSERT INTO "entry" ("key") VALUES (%s), (%s)', ["x", "y"]),
        (f"{POSTINGS}, ({_ENTRY}, %s, %s)", ["x", "free", 1, "y", "free", -1, "y", "held", 1]),
        ('INSERT INTO "call" ("id", "slot") VALUES (%s, %s), (%s, %s)', ["a", 1, "b", 2]),
        (HOLD, ["a"]),
    ]
    assert grouped([(NO_CALL, ("in",)), (NO_HOLD, ("b",)), (NO_CALL, ("b",))]) == [
        (NO_HOLD, ["b"]),
        ("DELETE FROM call WHERE id IN (%s, %s)", ["in", "b"]),
    ]
    assert [sql for sql, _ in grouped([(NO_CALL, ("a",)), *one])] == [ENTRY, POSTING, NO_CALL, CALL, HOLD]
    assert [sql for sql, _ in grouped([*two, (ANSWERED, ("b",)), *one])] == [
        ENTRY, POSTINGS, CALL, ANSWERED, ENTRY, POSTING, CALL, HOLD,
    ]  # fmt: skip
    other: list[Statement] = [("INSERT INTO notice (id) VALUES (%s)", (1,))] * 2
    assert grouped(other) == other


def test_a_statement_has_no_more_values_than_a_server_takes() -> None:
    """Many rows go into several statements, and none is lost."""
    made = grouped([(CALL, (number, number)) for number in range(MOST_VALUES)])
    assert [len(values) for _, values in made] == [MOST_VALUES, MOST_VALUES]
    assert [value for _, values in made for value in values[::2]] == list(range(MOST_VALUES))


def tables(statements: list[Statement]) -> object:
    """What is in the tables after some statements, but for ids that the database gives."""
    raw = sqlite3.connect(":memory:")
    raw.executescript(TABLES)
    try:
        for sql, values in statements:
            raw.execute(sql.replace("%s", "?"), list(values))
        asked = ("* FROM account", "key FROM entry", "* FROM call", "* FROM hold", "* FROM cdr", "* FROM charge")
        return [raw.execute(f"SELECT {what} ORDER BY 1").fetchall() for what in asked]
    finally:
        raw.close()


@given(st.lists(st.tuples(st.sampled_from("out in ended answered".split()), st.integers(1, 4)), max_size=30))
def test_the_effect_is_the_same(happened: list[tuple[str, int]]) -> None:
    """Calls out, which hold money, and calls in, which hold none, come and go: slots are given back and taken again,
    and money is held that was just given back. Whatever can be done one by one is done.
    """
    statements: list[Statement] = []
    there: dict[int, tuple[str, bool]] = {}
    free = 3
    for number, (what, slot) in enumerate(happened):
        name = f"call {number}"
        if what in ("out", "in") and slot not in there and (what == "in" or free):
            there[slot] = name, what == "out"
            if what == "out":
                free -= 1
                statements += [(ENTRY, (name,)), (POSTINGS, (name, "free", -1, name, "held", 1))]
            statements.append((CALL, (name, slot)))
            if what == "out":
                statements.append((HOLD, (name,)))
        elif what == "ended" and slot in there:
            name, holds = there.pop(slot)
            if holds:
                free += number % 2
                key = f"end of {name}"
                back = (key, "held", -1, key, "free" if number % 2 else "spent", 1)
                statements += [(ENTRY, (key,)), (POSTINGS, back), (NO_HOLD, (name,))]
            statements += [(NO_CALL, (name,)), (CDR, (name,))]
            if holds:
                statements.append((CHARGE, (name,)))
        elif what == "answered" and slot in there:
            statements.append((ANSWERED, (there[slot][0],)))
    assert tables(grouped(statements)) == tables(statements)
