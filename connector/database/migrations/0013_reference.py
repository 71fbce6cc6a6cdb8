"""A version of the data that calls are decided by and that rarely changes: a connector keeps it in memory while the
version is the same. The store's own triggers count every change of it, by any program.
"""

from __future__ import annotations

from peewee import BigIntegerField, Database, IntegerField, Model, SqliteDatabase
from playhouse.migrate import SchemaMigrator

TABLES = (
    "company",
    "profile",
    "trunk",
    "number",
    "verified",
    "hours",
    "department",
    "inbound_account",
    "button",
    "mailbox",
    "deck",
    "limits",
    "prefix_rule",
    "service_number",
    "recharge",
    "term",
)
# On PostgreSQL each transaction counts in a row that no other one has, so that none waits for another. The version is
# the sum of the rows.
SESSIONS = 64
ON_SQLITE = """
CREATE TRIGGER {table}_counts_{action} AFTER {action} ON "{table}"
BEGIN
    UPDATE reference_version SET version = version + 1 WHERE id = 0;
END
"""
FUNCTION = """
CREATE FUNCTION reference_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE reference_version SET version = version + 1
    WHERE id = (SELECT id FROM reference_version ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
        UPDATE reference_version SET version = version + 1 WHERE id = pg_backend_pid() %% {sessions};
    END IF;
    RETURN NULL;
END $$
"""
ON_POSTGRESQL = """
CREATE TRIGGER {table}_counts AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON "{table}"
FOR EACH STATEMENT EXECUTE FUNCTION reference_changed()
"""


class Table(Model):
    class Meta:
        legacy_table_names = False


class ReferenceVersion(Table):
    id = IntegerField(primary_key=True)
    version = BigIntegerField()


def up(migrator: SchemaMigrator, db: Database) -> None:
    on_sqlite = isinstance(db, SqliteDatabase)
    statements = []
    with db.bind_ctx([ReferenceVersion]):
        db.create_tables([ReferenceVersion], safe=False)
        for session in range(1 if on_sqlite else SESSIONS):
            ReferenceVersion.insert(id=session, version=0).execute()
    if on_sqlite:
        statements = [
            ON_SQLITE.format(table=table, action=action)
            for table in TABLES
            for action in ("insert", "update", "delete")
        ]
    else:
        statements = [FUNCTION.format(sessions=SESSIONS), *(ON_POSTGRESQL.format(table=table) for table in TABLES)]
    for statement in statements:
        db.execute_sql(statement)  # type: ignore[no-untyped-call]
