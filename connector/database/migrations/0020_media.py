"""How calls sounded."""

from __future__ import annotations

from peewee import BigIntegerField, Database, IntegerField, Model, TextField
from playhouse.migrate import SchemaMigrator


class Media(Model):
    call_id = TextField(primary_key=True)
    at = BigIntegerField()
    mos = IntegerField()
    legs = TextField()

    class Meta:
        legacy_table_names = False


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([Media]):
        db.create_tables([Media], safe=False)
