"""In which order calls try trunks, and what was decided for each call."""

from __future__ import annotations

from peewee import SQL, AutoField, Check, Database, ForeignKeyField, Model, SqliteDatabase, TextField
from playhouse.migrate import SchemaMigrator

TABLES = ("trunk_order",)
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
    'ALTER TABLE "call" ADD COLUMN "routing" TEXT NOT NULL DEFAULT \'\'',
    'ALTER TABLE "cdr" ADD COLUMN "routing" TEXT NOT NULL DEFAULT \'\'',
)


class Table(Model):
    class Meta:
        legacy_table_names = False


class Company(Table):
    id = AutoField()


class Profile(Table):
    id = AutoField()


class TrunkOrder(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    profile = ForeignKeyField(Profile, null=True)
    policy = TextField(constraints=[Check("policy IN ('fixed', 'cost', 'share')")])

    class Meta:
        indexes = (SQL("CREATE UNIQUE INDEX trunk_order_one ON trunk_order (company_id, COALESCE(profile_id, 0))"),)


def up(migrator: SchemaMigrator, db: Database) -> None:
    for statement in COLUMNS:
        db.execute_sql(statement)  # type: ignore[no-untyped-call]
    with db.bind_ctx([Company, Profile, TrunkOrder]):
        db.create_tables([TrunkOrder], safe=False)
    if isinstance(db, SqliteDatabase):
        counting = [
            ON_SQLITE.format(table=table, action=action)
            for table in TABLES
            for action in ("insert", "update", "delete")
        ]
    else:
        counting = [ON_POSTGRESQL.format(table=table) for table in TABLES]
    for statement in counting:
        db.execute_sql(statement)  # type: ignore[no-untyped-call]
