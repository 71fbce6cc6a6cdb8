"""Auto-recharge of companies by a card that is kept at Stripe, and what was charged to it."""

from __future__ import annotations

from peewee import SQL, AutoField, BigIntegerField, Check, Database, ForeignKeyField, IntegerField, Model, TextField
from playhouse.migrate import SchemaMigrator


class Table(Model):
    class Meta:
        legacy_table_names = False


class Company(Table):
    id = AutoField()


class CardRecharge(Table):
    company = ForeignKeyField(Company, primary_key=True)
    word = TextField(unique=True)
    amount_micros = BigIntegerField(constraints=[Check("amount_micros > 0")])
    threshold_micros = BigIntegerField(constraints=[Check("threshold_micros > 0")])
    monthly_limit_micros = BigIntegerField(constraints=[Check("monthly_limit_micros >= amount_micros")])
    customer = TextField(constraints=[SQL("DEFAULT ''")])
    method = TextField(constraints=[SQL("DEFAULT ''")])
    card = TextField(constraints=[SQL("DEFAULT ''")])
    card_at = BigIntegerField(constraints=[SQL("DEFAULT 0")])
    parked = TextField(
        constraints=[SQL("DEFAULT ''"), Check("parked IN ('', 'confirm', 'refused', 'unknown', 'taken_back')")]
    )
    why = TextField(constraints=[SQL("DEFAULT ''")])
    parked_at = BigIntegerField(null=True)
    made_at = BigIntegerField()


class CardCharge(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    key = TextField(unique=True)
    amount_micros = BigIntegerField(constraints=[Check("amount_micros > 0")])
    customer = TextField()
    method = TextField()
    state = TextField(constraints=[Check("state IN ('asked', 'taken', 'received', 'refused', 'unknown')")])
    number = TextField(constraints=[SQL("DEFAULT ''")])
    why = TextField(constraints=[SQL("DEFAULT ''")])
    tries = IntegerField(constraints=[SQL("DEFAULT 0")])
    next_at = BigIntegerField()
    made_at = BigIntegerField()
    changed_at = BigIntegerField()

    class Meta:
        indexes = (
            SQL("CREATE UNIQUE INDEX card_charge_open ON card_charge (company_id) WHERE state IN ('asked', 'taken')"),
            SQL("CREATE INDEX card_charge_made ON card_charge (company_id, made_at)"),
        )


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([Company, CardRecharge, CardCharge]):
        db.create_tables([CardRecharge, CardCharge], safe=False)
