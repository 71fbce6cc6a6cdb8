"""A store that came back from a backup says so, until somebody has looked at it."""

from __future__ import annotations

from peewee import BigIntegerField, Check, Database, IntegerField, Model
from playhouse.migrate import SchemaMigrator


class Restored(Model):
    id = IntegerField(primary_key=True, constraints=[Check("id = 1")])
    books_end_at = BigIntegerField()
    restored_at = BigIntegerField()

    class Meta:
        legacy_table_names = False


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([Restored]):
        db.create_tables([Restored], safe=False)
