"""Events of calls, for webhooks that want them; whether any does is reference data (0013)."""

from __future__ import annotations

from peewee import SQL, BigAutoField, BigIntegerField, Check, Database, IntegerField, Model, SqliteDatabase, TextField
from playhouse.migrate import SchemaMigrator

TABLES = ("webhook",)
ON_SQLITE = """
CREATE TRIGGER {table}_counts_{action} AFTER {action} ON "{table}"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END
"""
ON_POSTGRESQL = """
CREATE TRIGGER {table}_counts AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON "{table}"
FOR EACH STATEMENT EXECUTE FUNCTION reference_changed()
"""
COLUMNS = (
    'ALTER TABLE "webhook" ADD COLUMN "notices" INTEGER NOT NULL DEFAULT 1',
    'ALTER TABLE "webhook" ADD COLUMN "calls" INTEGER NOT NULL DEFAULT 0',
)


class Table(Model):
    class Meta:
        legacy_table_names = False


class CallEvent(Table):
    id = BigAutoField()
    webhook_id = IntegerField()
    call_id = TextField()
    event = TextField(constraints=[Check("event IN ('started', 'answered', 'ended', 'refused')")])
    at = BigIntegerField()

    class Meta:
        indexes = (SQL("CREATE INDEX call_event_order ON call_event (webhook_id, id)"),)


class CallPost(Table):
    webhook_id = IntegerField(primary_key=True)
    next_at = BigIntegerField()
    tries = IntegerField(constraints=[SQL("DEFAULT 0")])
    why = TextField(constraints=[SQL("DEFAULT ''")])
    failing_since = BigIntegerField(null=True)
    given_up = BigIntegerField(constraints=[SQL("DEFAULT 0")])


NEW = [CallEvent, CallPost]


def up(migrator: SchemaMigrator, db: Database) -> None:
    if isinstance(db, SqliteDatabase):
        counting = [
            ON_SQLITE.format(table=table, action=action)
            for table in TABLES
            for action in ("insert", "update", "delete")
        ]
    else:
        counting = [ON_POSTGRESQL.format(table=table) for table in TABLES]
    for statement in (*COLUMNS, *counting):
        db.execute_sql(statement)  # type: ignore[no-untyped-call]
    with db.bind_ctx(NEW):
        db.create_tables(NEW, safe=False)
