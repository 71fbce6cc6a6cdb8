"""Several nodes share a store: who they are, and what becomes of the channels of one that is gone."""

from __future__ import annotations

from peewee import BigIntegerField, Database, Model, SqliteDatabase, TextField
from playhouse.migrate import SchemaMigrator


class Node(Model):
    name = TextField(primary_key=True)
    joined_at = BigIntegerField()
    seen_at = BigIntegerField()
    epoch = BigIntegerField()

    class Meta:
        legacy_table_names = False


def up(migrator: SchemaMigrator, db: Database) -> None:
    kind = "INTEGER" if isinstance(db, SqliteDatabase) else "BIGINT"
    for statement in (
        'ALTER TABLE "call" ADD COLUMN "guard_s" INTEGER NOT NULL DEFAULT 86400',
        f'ALTER TABLE "call" ADD COLUMN "dead_at" {kind}',
        'DROP INDEX "call_profile_id_slot"',
        "CREATE UNIQUE INDEX call_slot ON call (profile_id, slot) WHERE dead_at IS NULL",
    ):
        db.execute_sql(statement)  # type: ignore[no-untyped-call]
    if not isinstance(db, SqliteDatabase):  # 300 busy channels use up four bytes of ids within years
        for column in ("entry.id", "posting.id", "posting.entry_id"):
            table, name = column.split(".")
            db.execute_sql(f"ALTER TABLE {table} ALTER COLUMN {name} TYPE BIGINT")  # type: ignore[no-untyped-call]
        for table in ("entry", "posting"):
            db.execute_sql(f"ALTER SEQUENCE {table}_id_seq AS BIGINT")  # type: ignore[no-untyped-call]
    with db.bind_ctx([Node]):
        db.create_tables([Node], safe=False)
