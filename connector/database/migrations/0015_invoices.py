"""Invoices and credit notes, as they were issued; whom they are written to; and the last number of each series."""

from __future__ import annotations

from peewee import (
    SQL,
    AutoField,
    BigIntegerField,
    Check,
    Database,
    ForeignKeyField,
    IntegerField,
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


class Entry(Table):
    id = AutoField()


class Buyer(Table):
    id = AutoField()
    company = ForeignKeyField(Company, unique=True)
    party = TextField(constraints=[SQL("DEFAULT ''")])
    tax_kind = TextField(constraints=[SQL("DEFAULT 'standard'")])
    tax_rate = IntegerField(null=True)
    tax_reason = TextField(constraints=[SQL("DEFAULT ''")])


class InvoiceSeries(Table):
    series = TextField(primary_key=True)
    last = IntegerField()


class InvoiceRestart(Table):
    id = IntegerField(primary_key=True)
    at = BigIntegerField()


class Invoice(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    series = TextField()
    number = IntegerField(constraints=[Check("number > 0")])
    kind = TextField(constraints=[Check("kind IN ('invoice', 'prepayment', 'credit note')")])
    tax_point = TextField(constraints=[Check("tax_point IN ('payment', 'use')")])
    issued_at = BigIntegerField()
    entry = ForeignKeyField(Entry, null=True)
    month = TextField(null=True)
    corrects = ForeignKeyField("self", null=True)
    net_micros = BigIntegerField()
    tax_micros = BigIntegerField()
    gross_micros = BigIntegerField(constraints=[Check("gross_micros > 0")])
    left_micros = BigIntegerField(constraints=[SQL("DEFAULT 0")])
    document = TextField()

    class Meta:
        constraints = (Check("gross_micros = net_micros + tax_micros"),)
        indexes = (
            (("series", "number"), True),
            (("company", "month"), False),
            SQL("CREATE UNIQUE INDEX invoice_of_entry ON invoice (entry_id) WHERE corrects_id IS NULL"),
            SQL(
                "CREATE UNIQUE INDEX invoice_of_month ON invoice (company_id, month)"
                " WHERE corrects_id IS NULL AND month IS NOT NULL"
            ),
        )


NEW = [Buyer, InvoiceSeries, InvoiceRestart, Invoice]
FIXED = """
CREATE TRIGGER invoice_no_{name} BEFORE {action} ON invoice
BEGIN
    SELECT RAISE(ABORT, 'an invoice stays as it was issued');
END
"""
FIXED_ON_POSTGRESQL = """
CREATE TRIGGER invoice_no_{name} BEFORE {action} ON invoice FOR EACH ROW EXECUTE FUNCTION invoice_is_fixed()
"""
REFUSE_ON_POSTGRESQL = """
CREATE FUNCTION invoice_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an invoice stays as it was issued';
END $$;
"""


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([Company, Entry, *NEW]):
        db.create_tables(NEW, safe=False)
    guard = FIXED
    if not isinstance(db, SqliteDatabase):
        db.execute_sql(REFUSE_ON_POSTGRESQL)  # type: ignore[no-untyped-call]
        guard = FIXED_ON_POSTGRESQL
    for action in ("UPDATE", "DELETE"):
        db.execute_sql(guard.format(action=action, name=action.lower()))  # type: ignore[no-untyped-call]
