"""Where numbers come from and where they ring: the stock, routes, departments, hours, accounts, mailboxes; which caller
ID a profile may show; emergency calls.
"""

from __future__ import annotations

from peewee import (
    AutoField,
    BigIntegerField,
    Check,
    Database,
    ForeignKeyField,
    Model,
    SqliteDatabase,
    TextField,
)
from playhouse.migrate import SchemaMigrator


class Table(Model):
    class Meta:
        legacy_table_names = False


class Company(Table):
    id = AutoField()


class Profile(Table):
    id = AutoField()


class Stock(Table):
    e164 = TextField(primary_key=True)
    country = TextField()
    area = TextField()
    fee_micros = BigIntegerField(constraints=[Check("fee_micros >= 0")])
    currency = TextField()
    imported_at = BigIntegerField()

    class Meta:
        indexes = ((("country", "area"), False),)


class Verified(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    e164 = TextField()
    evidence = TextField()
    verified_at = BigIntegerField()

    class Meta:
        indexes = ((("company", "e164"), True),)


class Hours(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    name = TextField()
    periods = TextField()

    class Meta:
        indexes = ((("company", "name"), True),)


class Department(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    name = TextField()
    route = TextField()

    class Meta:
        indexes = ((("company", "name"), True),)


class InboundAccount(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    profile = ForeignKeyField(Profile, null=True)
    name = TextField(unique=True)
    route = TextField()
    created_at = BigIntegerField()


class Mailbox(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    box = TextField()
    name = TextField()
    email = TextField()
    pin = TextField()
    created_at = BigIntegerField()

    class Meta:
        indexes = ((("company", "box"), True),)


class EmergencyCall(Table):
    id = TextField(primary_key=True)
    node = TextField()
    profile = ForeignKeyField(Profile, null=True)
    dialled = TextField()
    outcome = TextField()
    at = BigIntegerField(index=True)


NEW = [Stock, Verified, Hours, Department, InboundAccount, Mailbox, EmergencyCall]


def up(migrator: SchemaMigrator, db: Database) -> None:
    big = "INTEGER" if isinstance(db, SqliteDatabase) else "BIGINT"
    for statement in (
        'ALTER TABLE "profile" ADD COLUMN "country" TEXT',
        'ALTER TABLE "profile" ADD COLUMN "emergency" TEXT',
        'ALTER TABLE "profile" ADD COLUMN "caller_policy" TEXT NOT NULL DEFAULT \'pass\''
        " CHECK (caller_policy IN ('none', 'fixed', 'pass'))",
        'ALTER TABLE "profile" ADD COLUMN "caller_number" TEXT',
        'ALTER TABLE "profile" ADD COLUMN "caller_foreign" TEXT NOT NULL DEFAULT \'replace\''
        " CHECK (caller_foreign IN ('replace', 'refuse'))",
        'ALTER TABLE "number" ADD COLUMN "route" TEXT NOT NULL DEFAULT \'\'',
        f'ALTER TABLE "number" ADD COLUMN "released_at" {big}',
        'DROP INDEX "number_e164"',
        "CREATE UNIQUE INDEX number_held ON number (e164) WHERE released_at IS NULL",
        'ALTER TABLE "call" ADD COLUMN "shown" TEXT',
        'ALTER TABLE "call" ADD COLUMN "forwarded" TEXT NOT NULL DEFAULT \'\'',
        'ALTER TABLE "cdr" ADD COLUMN "shown" TEXT',
        'ALTER TABLE "cdr" ADD COLUMN "forwarded" TEXT NOT NULL DEFAULT \'\'',
    ):
        db.execute_sql(statement)  # type: ignore[no-untyped-call]
    with db.bind_ctx([Company, Profile, *NEW]):
        db.create_tables(NEW, safe=False)
