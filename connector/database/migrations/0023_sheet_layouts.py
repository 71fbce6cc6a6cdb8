"""What was answered about the layout of a carrier's sheets."""

from __future__ import annotations

from peewee import SQL, AutoField, BigIntegerField, Database, ForeignKeyField, Model, TextField
from playhouse.migrate import SchemaMigrator


class Table(Model):
    class Meta:
        legacy_table_names = False


class Company(Table):
    id = AutoField()


class SheetLayout(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    carrier = TextField(constraints=[SQL("DEFAULT ''")])
    signature = TextField()
    answers = TextField(constraints=[SQL("DEFAULT '{}'")])
    kept_at = BigIntegerField()

    class Meta:
        indexes = ((("company", "carrier", "signature"), True),)


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([Company, SheetLayout]):
        db.create_tables([SheetLayout], safe=False)
