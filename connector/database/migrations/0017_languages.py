"""Languages: the one in which somebody is written to."""

from __future__ import annotations

from peewee import Database
from playhouse.migrate import SchemaMigrator


def up(migrator: SchemaMigrator, db: Database) -> None:
    db.execute_sql('ALTER TABLE "users" ADD COLUMN "language" TEXT NOT NULL DEFAULT \'\'')  # type: ignore[no-untyped-call]
