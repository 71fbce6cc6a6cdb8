"""A call's SIP id and answer, who hung up, lost media as an ending; the codecs that a node handles; a profile's service
numbers, and the prefixes by which its people withhold their number.

Numbers in forms that national plans have retired become the current ones, as which they are called now.
"""

from __future__ import annotations

from peewee import (
    AutoField,
    BigIntegerField,
    Check,
    Database,
    ForeignKeyField,
    Model,
    OperationalError,
    SqliteDatabase,
    TextField,
)
from playhouse.migrate import SchemaMigrator

from connector.core.retired import current_form

_COLUMNS = (
    ("call", "sip_id", "TEXT NOT NULL DEFAULT ''"),
    ("cdr", "sip_status", "INTEGER"),
    ("cdr", "hung_up_by", "TEXT NOT NULL DEFAULT ''"),
    ("node", "codecs", "TEXT NOT NULL DEFAULT ''"),
    ("profile", "withhold_prefixes", "TEXT NOT NULL DEFAULT ''"),
)
# Table, column, and who must not have the current form already; such a number stays as it is.
_NUMBERS = (
    ("number", "e164", "o.released_at IS NULL AND t.released_at IS NULL"),
    ("stock", "e164", "1 = 1"),
    ("verified", "e164", "o.company_id = t.company_id"),
    ("profile", "caller_number", "1 = 0"),
)


class Table(Model):
    class Meta:
        legacy_table_names = False


class Profile(Table):
    id = AutoField()


class ServiceNumber(Table):
    id = AutoField()
    profile = ForeignKeyField(Profile)
    digits = TextField()
    name = TextField()
    price_per_minute_micros = BigIntegerField(constraints=[Check("price_per_minute_micros >= 0")])
    connection_fee_micros = BigIntegerField(constraints=[Check("connection_fee_micros >= 0")])

    class Meta:
        indexes = ((("profile", "digits"), True),)


_BEFORE = "ending IN ('ok','refused','busy','no_answer','cut_off','failed','estimated')"
_AFTER = "ending IN ('ok','refused','busy','no_answer','cut_off','media_lost','failed','estimated')"


def up(migrator: SchemaMigrator, db: Database) -> None:
    for table, column, kind in _COLUMNS:
        db.execute_sql(f'ALTER TABLE "{table}" ADD COLUMN "{column}" {kind}')  # type: ignore[no-untyped-call]
    _renumber(db)
    with db.bind_ctx([Profile, ServiceNumber]):
        db.create_tables([ServiceNumber], safe=False)
    if isinstance(db, SqliteDatabase):
        # The table of CDRs may have millions of rows and is not made anew. This is SQLite's own way to widen a CHECK
        # (https://www.sqlite.org/lang_altertable.html, 8).
        quoted = [text.replace("'", "''") for text in (_BEFORE, _AFTER)]
        for statement in (
            "PRAGMA writable_schema = ON",
            f"UPDATE sqlite_master SET sql = REPLACE(sql, '{quoted[0]}', '{quoted[1]}')"
            " WHERE type = 'table' AND name = 'cdr'",
            "PRAGMA writable_schema = RESET",
        ):
            db.execute_sql(statement)  # type: ignore[no-untyped-call]
        found = db.execute_sql("SELECT sql FROM sqlite_master WHERE name = 'cdr'").fetchone()  # type: ignore[no-untyped-call]
        if _AFTER not in found[0]:
            raise OperationalError("the table of CDRs is not as it was made: its endings cannot be widened")
        return
    named = db.execute_sql(  # type: ignore[no-untyped-call]
        "SELECT conname FROM pg_constraint WHERE conrelid = 'cdr'::regclass AND contype = 'c'"
        " AND pg_get_constraintdef(oid) LIKE '%%estimated%%'"
    ).fetchall()
    for (name,) in named:
        db.execute_sql(f'ALTER TABLE "cdr" DROP CONSTRAINT "{name}"')  # type: ignore[no-untyped-call]
    db.execute_sql(f'ALTER TABLE "cdr" ADD CONSTRAINT "cdr_ending_check" CHECK ({_AFTER})')  # type: ignore[no-untyped-call]


def _renumber(db: Database) -> None:
    mark = "?" if isinstance(db, SqliteDatabase) else "%s"
    for table, column, taken in _NUMBERS:
        held = "t.released_at IS NULL" if table == "number" else "1 = 1"
        found = db.execute_sql(  # type: ignore[no-untyped-call]
            f"SELECT DISTINCT t.{column} FROM {table} t WHERE t.{column} IS NOT NULL AND {held}"
        ).fetchall()
        for (number,) in found:
            current = current_form(number)
            if current != number:
                db.execute_sql(  # type: ignore[no-untyped-call]
                    f"UPDATE {table} AS t SET {column} = {mark} WHERE t.{column} = {mark} AND {held}"
                    f" AND NOT EXISTS (SELECT 1 FROM {table} o WHERE o.{column} = {mark} AND {taken})",
                    (current, number, current),
                )
