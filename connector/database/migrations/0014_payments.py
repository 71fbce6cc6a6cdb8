"""Payments, as they are announced, received and taken back, and the events by which that was told."""

from __future__ import annotations

from peewee import SQL, AutoField, BigIntegerField, Check, Database, ForeignKeyField, Model, TextField
from playhouse.migrate import SchemaMigrator


class Table(Model):
    class Meta:
        legacy_table_names = False


class Company(Table):
    id = AutoField()


class Payment(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    provider = TextField()
    number = TextField()
    state = TextField(constraints=[Check("state IN ('announced', 'received', 'failed')")])
    amount_micros = BigIntegerField(constraints=[Check("amount_micros > 0")])
    taken_back_micros = BigIntegerField(constraints=[SQL("DEFAULT 0"), Check("taken_back_micros >= 0")])
    owed_micros = BigIntegerField(constraints=[SQL("DEFAULT 0"), Check("owed_micros >= 0")])
    reference = TextField(constraints=[SQL("DEFAULT ''")])
    received_on = TextField(constraints=[SQL("DEFAULT ''")])
    why = TextField(constraints=[SQL("DEFAULT ''")])
    noted_at = BigIntegerField()
    changed_at = BigIntegerField()

    class Meta:
        constraints = (Check("taken_back_micros + owed_micros <= amount_micros"),)
        indexes = (
            (("provider", "number"), True),
            SQL("CREATE INDEX payment_owed ON payment (company_id) WHERE owed_micros > 0"),
        )


class PaymentEvent(Table):
    id = AutoField()
    payment = ForeignKeyField(Payment)
    event = TextField()
    kind = TextField()
    amount_micros = BigIntegerField()
    at = BigIntegerField()
    why = TextField(constraints=[SQL("DEFAULT ''")])

    class Meta:
        indexes = ((("payment", "event"), True), (("event",), False))


NEW = [Payment, PaymentEvent]
# Payments of before: what was recorded by people, by the key of its entry.
_RECORDED = (
    "INSERT INTO payment (company_id, provider, number, state, amount_micros, noted_at, changed_at)"
    " SELECT entry.company_id, 'recorded', SUBSTR(entry.key, 8), 'received', posting.amount, entry.at, entry.at"
    " FROM entry JOIN posting ON posting.entry_id = entry.id WHERE entry.kind = 'top-up'"
    " AND entry.kind NOT IN ('hold', 'settle')"  # by the index of the few entries that are not of calls
    " AND posting.account_id = 'company:' || entry.company_id || ':balance' AND posting.amount > 0"
    " ORDER BY entry.company_id, entry.at"
)


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([Company, *NEW]):
        db.create_tables(NEW, safe=False)
    db.execute_sql(_RECORDED)  # type: ignore[no-untyped-call]
