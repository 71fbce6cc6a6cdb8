"""What carriers cost: a cost deck for each trunk, exchange rates, margin floors, and the cost of each call.

A cost moves from a trunk's `payable`, which so goes below zero, to its company's `cost`.
"""

from __future__ import annotations

from peewee import (
    SQL,
    AutoField,
    BigIntegerField,
    Check,
    CompositeKey,
    Database,
    ForeignKeyField,
    IntegerField,
    Model,
    OperationalError,
    SqliteDatabase,
    TextField,
)
from playhouse.migrate import SchemaMigrator

TABLES = ("exchange_rate", "margin_floor")
ON_SQLITE = """
CREATE TRIGGER {table}_counts_{action} AFTER {action} ON "{table}"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END
"""
ON_POSTGRESQL = """
CREATE TRIGGER {table}_counts AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON "{table}"
FOR EACH STATEMENT EXECUTE FUNCTION reference_changed()
"""
COLUMNS = (
    'ALTER TABLE "deck" ADD COLUMN "trunk_id" INTEGER REFERENCES "trunk" ("id")',
    'ALTER TABLE "deck" ADD COLUMN "currency" TEXT NOT NULL DEFAULT \'\'',
    "CREATE INDEX deck_whose ON deck (company_id, trunk_id, in_use_at, version, currency)",
    'ALTER TABLE "hold" ADD COLUMN "cost" TEXT NOT NULL DEFAULT \'\'',
)
_BEFORE = "balance >= 0 OR purpose IN ('outside', 'seconds_sold')"
_AFTER = "balance >= 0 OR purpose IN ('outside', 'seconds_sold', 'payable')"


class Table(Model):
    class Meta:
        legacy_table_names = False


class Company(Table):
    id = AutoField()


class Profile(Table):
    id = AutoField()


class Trunk(Table):
    id = AutoField()


class Cdr(Table):
    id = TextField(primary_key=True)


class Deck(Table):
    id = AutoField()


class ExchangeRate(Table):
    id = AutoField()
    currency = TextField()
    target = TextField()
    numerator = BigIntegerField(constraints=[Check("numerator > 0")])
    denominator = BigIntegerField(constraints=[Check("denominator > 0")])
    from_at = BigIntegerField()
    set_at = BigIntegerField()

    class Meta:
        indexes = ((("currency", "target", "from_at"), True),)


class MarginFloor(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    profile = ForeignKeyField(Profile, null=True)
    hundredths = IntegerField(constraints=[Check("hundredths BETWEEN 0 AND 10000")])
    per_minute_micros = BigIntegerField(constraints=[Check("per_minute_micros >= 0")])

    class Meta:
        indexes = (SQL("CREATE UNIQUE INDEX margin_floor_one ON margin_floor (company_id, COALESCE(profile_id, 0))"),)


class Cost(Table):
    cdr = ForeignKeyField(Cdr, primary_key=True)
    trunk = ForeignKeyField(Trunk)
    deck = ForeignKeyField(Deck)
    prefix = TextField()
    rate_name = TextField()
    price_per_minute_micros = BigIntegerField()
    connection_fee_micros = BigIntegerField()
    increments = TextField()
    currency = TextField()
    numerator = BigIntegerField()
    denominator = BigIntegerField()
    billed_s = IntegerField()
    carrier_micros = BigIntegerField()
    cost_micros = BigIntegerField()


class MarginMonth(Table):
    company_id = IntegerField()
    month = TextField()
    profile_id = IntegerField()
    trunk_id = IntegerField()
    destination = TextField()
    calls = BigIntegerField()
    costed = BigIntegerField()
    duration_ms = BigIntegerField()
    bundle_s = BigIntegerField()
    price_micros = BigIntegerField()
    costed_price_micros = BigIntegerField()
    cost_micros = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("company_id", "month", "profile_id", "trunk_id", "destination")


NEW = [ExchangeRate, MarginFloor, Cost, MarginMonth]


def up(migrator: SchemaMigrator, db: Database) -> None:
    for statement in COLUMNS:
        db.execute_sql(statement)  # type: ignore[no-untyped-call]
    with db.bind_ctx([Company, Profile, Trunk, Cdr, Deck, *NEW]):
        db.create_tables(NEW, safe=False)
    if isinstance(db, SqliteDatabase):
        _widen_on_sqlite(db)
        counting = [
            ON_SQLITE.format(table=table, action=action)
            for table in TABLES
            for action in ("insert", "update", "delete")
        ]
    else:
        _widen_on_postgresql(db)
        counting = [ON_POSTGRESQL.format(table=table) for table in TABLES]
    for statement in counting:
        db.execute_sql(statement)  # type: ignore[no-untyped-call]


def _widen_on_sqlite(db: Database) -> None:
    """SQLite's own way to widen a CHECK (https://www.sqlite.org/lang_altertable.html, 8), as in 0012."""
    quoted = [text.replace("'", "''") for text in (_BEFORE, _AFTER)]
    for statement in (
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_master SET sql = REPLACE(sql, '{quoted[0]}', '{quoted[1]}')"
        " WHERE type = 'table' AND name = 'account'",
        "PRAGMA writable_schema = RESET",
    ):
        db.execute_sql(statement)  # type: ignore[no-untyped-call]
    found = db.execute_sql("SELECT sql FROM sqlite_master WHERE name = 'account'").fetchone()  # type: ignore[no-untyped-call]
    if _AFTER not in found[0]:
        raise OperationalError("the table of accounts is not as it was made: its check cannot be widened")


def _widen_on_postgresql(db: Database) -> None:
    named = db.execute_sql(  # type: ignore[no-untyped-call]
        "SELECT conname FROM pg_constraint WHERE conrelid = 'account'::regclass AND contype = 'c'"
        " AND pg_get_constraintdef(oid) LIKE '%%seconds_sold%%'"
    ).fetchall()
    for (name,) in named:
        db.execute_sql(f'ALTER TABLE "account" DROP CONSTRAINT "{name}"')  # type: ignore[no-untyped-call]
    db.execute_sql(f'ALTER TABLE "account" ADD CONSTRAINT "account_sources_check" CHECK ({_AFTER})')  # type: ignore[no-untyped-call]
