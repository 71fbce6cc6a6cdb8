"""Call buttons; a call that came by one, and so by no trunk."""

from __future__ import annotations

from peewee import (
    AutoField,
    BigIntegerField,
    Check,
    Database,
    ForeignKeyField,
    IntegerField,
    Model,
    OperationalError,
    SqliteDatabase,
    TextField,
)
from playhouse.migrate import SchemaMigrator


class Table(Model):
    class Meta:
        legacy_table_names = False


class Company(Table):
    id = AutoField()


class InboundAccount(Table):
    id = AutoField()


class Button(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    account = ForeignKeyField(InboundAccount)
    name = TextField()
    token = TextField(unique=True)
    most = IntegerField(constraints=[Check("most BETWEEN 1 AND 300")])
    created_at = BigIntegerField()

    class Meta:
        indexes = ((("company", "name"), True),)


def up(migrator: SchemaMigrator, db: Database) -> None:
    for table in ("call", "cdr"):
        db.execute_sql(f'ALTER TABLE "{table}" ADD COLUMN "button" TEXT NOT NULL DEFAULT \'\'')  # type: ignore[no-untyped-call]
    for statement in _WITHOUT_TRUNK_ON_SQLITE if isinstance(db, SqliteDatabase) else _WITHOUT_TRUNK_ON_POSTGRESQL:
        db.execute_sql(statement)  # type: ignore[no-untyped-call]
    if isinstance(db, SqliteDatabase):
        columns = db.execute_sql("PRAGMA table_info(call)").fetchall()  # type: ignore[no-untyped-call]
        if any(name == "trunk_id" and needed for _, name, _, needed, *_ in columns):
            raise OperationalError("the table of calls is not as it was made: its trunk cannot be left out")
    with db.bind_ctx([Company, InboundAccount, Button]):
        db.create_tables([Button], safe=False)


# The table cannot be made anew: holds of calls that are up point at its rows. This is SQLite's own way to take a NOT
# NULL away (https://www.sqlite.org/lang_altertable.html, 8).
_WITHOUT_TRUNK_ON_SQLITE = (
    "PRAGMA writable_schema = ON",
    "UPDATE sqlite_master SET sql = REPLACE(sql, '\"trunk_id\" INTEGER NOT NULL', '\"trunk_id\" INTEGER')"
    " WHERE type = 'table' AND name = 'call'",
    "PRAGMA writable_schema = RESET",
)
_WITHOUT_TRUNK_ON_POSTGRESQL = ('ALTER TABLE "call" ALTER COLUMN "trunk_id" DROP NOT NULL',)
