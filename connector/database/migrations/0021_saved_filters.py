"""Filters of the history that users have saved."""

from __future__ import annotations

from peewee import AutoField, BigIntegerField, Database, ForeignKeyField, Model, TextField
from playhouse.migrate import SchemaMigrator


class Table(Model):
    class Meta:
        legacy_table_names = False


class User(Table):
    id = AutoField()

    class Meta:
        table_name = "users"


class SavedFilter(Table):
    id = AutoField()
    user = ForeignKeyField(User)
    name = TextField()
    query = TextField()
    created_at = BigIntegerField()

    class Meta:
        indexes = ((("user", "name"), True),)


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([User, SavedFilter]):
        db.create_tables([SavedFilter], safe=False)
