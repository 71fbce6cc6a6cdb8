"""Thresholds: what a company wants to be told of besides."""

from __future__ import annotations

from peewee import AutoField, BigIntegerField, Database, ForeignKeyField, Model, TextField
from playhouse.migrate import SchemaMigrator


class Table(Model):
    class Meta:
        legacy_table_names = False


class Company(Table):
    id = AutoField()


class Profile(Table):
    id = AutoField()


class Threshold(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    profile = ForeignKeyField(Profile, null=True)
    kind = TextField()
    value = BigIntegerField()
    created_at = BigIntegerField()


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([Company, Profile, Threshold]):
        db.create_tables([Threshold], safe=False)
