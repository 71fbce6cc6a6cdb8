"""A call knows which Asterisk has its legs: by node, and by when that was started."""

from __future__ import annotations

from peewee import Database
from playhouse.migrate import SchemaMigrator


def up(migrator: SchemaMigrator, db: Database) -> None:
    db.execute_sql("ALTER TABLE call ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0")  # type: ignore[no-untyped-call]
