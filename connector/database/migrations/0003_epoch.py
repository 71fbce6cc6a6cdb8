"""A call knows which Asterisk has its legs: by node, and by when that was started."""

from __future__ import annotations

from peewee import Database, SqliteDatabase
from playhouse.migrate import SchemaMigrator


def up(migrator: SchemaMigrator, db: Database) -> None:
    kind = "INTEGER" if isinstance(db, SqliteDatabase) else "BIGINT"
    db.execute_sql(f'ALTER TABLE "call" ADD COLUMN "epoch" {kind} NOT NULL DEFAULT 0')  # type: ignore[no-untyped-call]
