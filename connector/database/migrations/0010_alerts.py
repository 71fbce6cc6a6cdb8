"""Where notices are posted to, and what of them is yet to be sent; whose a profile is."""

from __future__ import annotations

from peewee import SQL, AutoField, BigIntegerField, Check, Database, ForeignKeyField, IntegerField, Model, TextField
from playhouse.migrate import SchemaMigrator


class Table(Model):
    class Meta:
        legacy_table_names = False


class Company(Table):
    id = AutoField()


class Notice(Table):
    id = AutoField()


class Webhook(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    url = TextField()
    secret = TextField()
    created_at = BigIntegerField()


class Delivery(Table):
    id = AutoField()
    notice = ForeignKeyField(Notice)
    webhook = ForeignKeyField(Webhook, null=True)
    address = TextField(constraints=[SQL("DEFAULT ''")])
    state = TextField(constraints=[SQL("DEFAULT 'waiting'"), Check("state IN ('waiting', 'sent', 'failed')")])
    tries = IntegerField(constraints=[SQL("DEFAULT 0")])
    why = TextField(constraints=[SQL("DEFAULT ''")])
    next_at = BigIntegerField()
    sent_at = BigIntegerField(null=True)

    class Meta:
        indexes = (
            (("notice", "webhook", "address"), True),
            SQL("CREATE INDEX delivery_due ON delivery (next_at) WHERE state = 'waiting'"),
        )


NEW = [Webhook, Delivery]


def up(migrator: SchemaMigrator, db: Database) -> None:
    for column in ("billing_address", "contact"):
        db.execute_sql(f'ALTER TABLE "profile" ADD COLUMN "{column}" TEXT NOT NULL DEFAULT \'\'')  # type: ignore[no-untyped-call]
    with db.bind_ctx([Company, Notice, *NEW]):
        db.create_tables(NEW, safe=False)
