"""The language that a company's invoices are written in."""

from __future__ import annotations

from peewee import Database
from playhouse.migrate import SchemaMigrator


def up(migrator: SchemaMigrator, db: Database) -> None:
    db.execute_sql('ALTER TABLE "buyer" ADD COLUMN "language" TEXT NOT NULL DEFAULT \'\'')  # type: ignore[no-untyped-call]
